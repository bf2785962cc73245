package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// Bounds of a batch.
const (
	// blockRows are stored at once: readers see all of them or none, as long as
	// they are of one partition.
	blockRows = 1 << 17
	// insertTime bounds a statement that stores rows, so that one of a writer who
	// was overtaken ends.
	insertTime = 60 * time.Second
	runsMax    = 32
	// unseenTime is how long a batch waits for statements that it cannot see. Most
	// end within; the search for copies looks after the others.
	unseenTime = 5 * time.Second
	// What another's quorum is in the way of is tried so often, after a pause of at
	// most so long.
	busyTries, busyPause = 50, 100 * time.Millisecond
)

// errOvertaken says that another writer has the source.
var errOvertaken = fmt.Errorf("%w: another collector stores this source", analytics.ErrPosition)

// Append stores the batch's rows and its position, in five steps of which each is
// one statement:
//
//  1. announce: a number above all others of the source, and the batch's times
//  2. check: the source stands where the batch begins, and nobody else announces
//  3. rows, if no higher number was announced; without those that are there, in
//     case an earlier announcement of the same times was never finished
//  4. finish, on the same condition: the position
//  5. look whether that is there: a writer who was overtaken learns it here
//
// When a step fails nobody knows what the server did; the announcement stays loose,
// which the next batch and every engine's search for copies go by.
func (e *Engine) Append(ctx context.Context, batch analytics.Batch) error {
	if err := ctx.Err(); err != nil {
		return e.explain(ctx, err)
	}
	select {
	case e.writers <- struct{}{}:
		defer func() { <-e.writers }()
	case <-ctx.Done():
		return e.explain(ctx, ctx.Err())
	}
	s := e.source(batch.Source)
	s.mu.Lock()
	defer s.mu.Unlock()
	err := e.store(ctx, s, &batch)
	if err != nil {
		s.known = false
	}
	return e.explain(ctx, err)
}

// store tries again while a batch of another source has a quorum to wait for. What of
// the rows was stored in some shards is left out then, as after any broken-off batch.
func (e *Engine) store(ctx context.Context, s *source, batch *analytics.Batch) error {
	for try := 1; ; try++ {
		err := e.storeOnce(ctx, s, batch)
		if codeOf(err) != codeQuorumBusy || try == busyTries {
			return err
		}
		s.known = false
		if err := sleep(ctx, rand.N(busyPause)); err != nil {
			return err
		}
	}
}

func (e *Engine) storeOnce(ctx context.Context, s *source, batch *analytics.Batch) error {
	if !s.known || s.position != batch.From {
		position, top, err := e.position(ctx, batch.Source)
		if err != nil {
			return err
		}
		if position != batch.From {
			return analytics.ErrPosition
		}
		s.position, s.top = position, top
	}
	n := &entry{source: batch.Source, from: batch.From, to: batch.To, number: s.top + 1, tag: newTag()}
	if n.number >= 1<<numberBits {
		return fmt.Errorf("BUG: the source %q has had %d batches", batch.Source, n.number)
	}
	times := make([]uint64, len(batch.Rows))
	for i := range batch.Rows {
		times[i] = numberOf(batch.Rows[i].ID).time
	}
	n.runs = runsOf(times, msMinute, runsMax)
	s.top, s.known = n.number, false
	if err := e.write(ctx, n, announced, false); err != nil {
		e.mend.soon()
		return err
	}
	e.hooks.call(e.hooks.announced)
	rows, err := e.check(ctx, s, n, batch.Rows)
	if err != nil {
		return err
	}
	e.hooks.call(e.hooks.checked)
	if err := e.finish(ctx, n, rows); err != nil {
		e.mend.soon()
		return err
	}
	s.position, s.known = batch.To, true
	return nil
}

// check returns the rows that the batch still has to store. A batch that must not be
// stored is withdrawn: nothing of it was.
func (e *Engine) check(ctx context.Context, s *source, n *entry, rows []Row) ([]Row, error) {
	at, err := e.stand(ctx, n)
	if err != nil {
		return nil, err
	}
	if at.overtakes(n) {
		return nil, e.withdraw(ctx, n)
	}
	if at.loose == 0 {
		return rows, nil
	}
	loose, err := e.looseBefore(ctx, n)
	if err != nil {
		return nil, err
	}
	if fresh := slices.DeleteFunc(slices.Clone(loose), func(l entry) bool { return l.number <= s.outlasted }); len(fresh) > 0 {
		if err := e.outlast(ctx, fresh); err != nil {
			return nil, err
		}
		if at, err = e.stand(ctx, n); err != nil { // one of them may have finished at last
			return nil, err
		}
		if at.overtakes(n) {
			return nil, e.withdraw(ctx, n)
		}
		s.outlasted = n.number - 1
	}
	loose = slices.DeleteFunc(loose, func(l entry) bool { return !overlap(l.runs, n.runs) })
	if len(loose) == 0 {
		return rows, nil
	}
	e.mend.suspect(loose...)
	return e.missing(ctx, rows)
}

// withdraw says that a batch was not stored and will not be.
func (e *Engine) withdraw(ctx context.Context, n *entry) error {
	if err := e.write(ctx, n, withdrawn, false); err != nil {
		e.log.Warn("a batch that was not stored could not be withdrawn; its times are searched for copies", "source", n.source, "error", err)
	}
	return errOvertaken
}

// outlast waits until no statement runs that stores rows or the position of the
// announcements. Such a statement is on the server's list before it looks at its fence:
// one that is not there now will find our announcement, and one that has gone has left
// its rows to be found.
func (e *Engine) outlast(ctx context.Context, loose []entry) error {
	processes, along := e.everywhere("processes")
	var ids []string
	for i := range loose {
		ids = append(ids, "'"+loose[i].statements()+"'")
	}
	query := fmt.Sprintf("SELECT count() FROM %s WHERE substring(initial_query_id, 1, %d) IN (%s)", processes, len(loose[0].statements()), strings.Join(ids, ", "))
	began := time.Now()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		var running uint64
		err := e.scanWith(ctx, along, query, &running)
		if codeOf(err) == codeAccessDenied {
			e.log.Warn("the user may not see which statements run, so a batch waits a moment instead; grant it SELECT on system.processes", "place", e.place)
			return sleep(ctx, unseenTime)
		}
		if err != nil || running == 0 {
			return err
		}
		if time.Since(began) > insertTime+5*time.Second { // the search for copies has to do it
			e.log.Warn("a statement that stores clicks does not end; a batch goes on beside it", "place", e.place)
			return nil
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// missing returns the rows whose clicks are not there yet.
func (e *Engine) missing(ctx context.Context, rows []Row) ([]Row, error) {
	there := map[affiliate.ClickID]bool{}
	for part := range slices.Chunk(rows, analytics.KnownMax) {
		ids := make([]affiliate.ClickID, len(part))
		for i := range part {
			ids[i] = part[i].ID
		}
		known, err := e.known(ctx, ids)
		if err != nil {
			return nil, err
		}
		for _, id := range known {
			there[id] = true
		}
	}
	if len(there) == 0 {
		return rows, nil
	}
	e.log.Info("a batch was stored in part before; what is there is left out", "clicks", len(rows), "there", len(there))
	e.mend.leftOut.Add(int64(len(there)))
	left := make([]Row, 0, len(rows)-min(len(rows), len(there)))
	for i := range rows {
		if !there[rows[i].ID] {
			left = append(left, rows[i])
		}
	}
	return left, nil
}

// finish stores names, rows and position.
func (e *Engine) finish(ctx context.Context, n *entry, rows []Row) error {
	if err := e.names.store(ctx, e, rows); err != nil {
		return err
	}
	for part := range slices.Chunk(rows, blockRows) {
		if err := e.insert(ctx, n, part); err != nil {
			return err
		}
	}
	e.hooks.call(e.hooks.rowsStored)
	if err := e.write(ctx, n, finished, true); err != nil {
		return err
	}
	at, err := e.stand(ctx, n)
	for try := 1; err == nil && !at.finished && at.top == n.number && try < busyTries; try++ { // see stand
		if err = sleep(ctx, rand.N(busyPause)); err == nil {
			at, err = e.stand(ctx, n)
		}
	}
	switch {
	case err != nil:
		return err
	case !at.finished:
		return errOvertaken
	case at.top > n.number: // by one who has not seen that we finished, where replicas lag
		e.mend.suspect(*n)
	}
	return nil
}

// insert stores rows, unless a higher number was announced. They go along with the
// statement as a table: the server has all of them before it looks, so that a writer
// may stop at any point and store nothing late.
func (e *Engine) insert(ctx context.Context, n *entry, rows []Row) error {
	b, err := e.takeBlock()
	if err != nil {
		return err
	}
	defer e.giveBlock(b)
	if err := b.fill(rows, n.batch()); err != nil {
		return err
	}
	condition := e.fence(n)
	if e.hooks.fence != nil {
		condition = e.hooks.fence(condition)
	}
	if e.quorums.rows > 1 { // this process need not find its own batches in the way
		e.turn.Lock()
		defer e.turn.Unlock()
	}
	err = e.execWith(n.named(ctx), e.storing(), insertRows(e.tables.name(clicksTable), condition), b.table)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("the server took longer than %v to store %d rows: %w", insertTime, len(rows), err)
	}
	return err
}

func insertRows(table, condition string) string {
	var columns []string
	for _, f := range fields {
		columns = append(columns, f.name)
	}
	list := strings.Join(columns, ", ")
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM batch WHERE %s", table, list, list, condition)
}
