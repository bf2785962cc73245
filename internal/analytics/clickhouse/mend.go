package clickhouse

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/sluicehq/sluice/internal/analytics"
)

// mender looks for clicks that are there twice and removes the copies. They can be
// only where an announcement was overtaken by a later one before it was finished: a
// statement that stored rows had passed its fence already. That statement ends within
// insertTime, so an announcement is looked at until then and once more.
type mender struct {
	cancel context.CancelFunc
	ended  chan struct{}
	poke   chan struct{}

	mu       sync.Mutex
	suspects map[looseKey]entry // to be looked at whatever the log says of late

	looking sync.Mutex // guards what follows

	seen   map[looseKey]time.Time // since when an announcement is known to be overtaken
	pruned time.Time

	leftOut atomic.Int64 // clicks that were there when their batch came again
	removed atomic.Int64 // copies
}

type looseKey struct {
	source      string
	number, tag uint64
}

func (n *entry) key() looseKey { return looseKey{n.source, n.number, n.tag} }

const (
	looseAge = insertTime + 2*time.Minute // then nothing of a statement can come any more
	// How far back the log is read: at the start of an engine, and afterwards.
	looseFirst, looseThen = 24 * time.Hour, 15 * time.Minute
	// soon is how long a search waits that somebody asks for, so that the
	// statement that made it necessary has an end.
	soonAfter = 2 * time.Second
	mendTime  = 10 * time.Minute // one search
)

func (m *mender) begin(e *Engine) {
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	m.ended, m.poke = make(chan struct{}), make(chan struct{}, 1)
	m.seen = map[looseKey]time.Time{}
	go func() {
		defer close(m.ended)
		for back := looseFirst; ; back = looseThen {
			if err := e.look(ctx, back); err != nil && ctx.Err() == nil {
				e.log.Warn("clicks that are there twice could not be looked for; it is tried again", "error", e.explain(ctx, err))
			}
			// Several engines should not all look at the same moment.
			pause := time.NewTimer(e.options.MendEvery/2 + rand.N(e.options.MendEvery/2+1))
			select {
			case <-ctx.Done():
				pause.Stop()
				return
			case <-pause.C:
			case <-m.poke:
				pause.Reset(min(soonAfter, e.options.MendEvery))
				select {
				case <-ctx.Done():
					pause.Stop()
					return
				case <-pause.C:
				}
			}
		}
	}()
}

// soon asks for a search.
func (m *mender) soon() {
	if m.poke == nil {
		return
	}
	select {
	case m.poke <- struct{}{}:
	default:
	}
}

// suspect has announcements looked at that the log may not show: they are old, or were
// finished though they were overtaken.
func (m *mender) suspect(entries ...entry) {
	m.mu.Lock()
	for _, n := range entries {
		if len(m.suspects) < looseMax {
			m.suspects[n.key()] = n
		}
	}
	m.mu.Unlock()
	m.soon()
}

func (m *mender) end() {
	if m.cancel != nil {
		m.cancel()
		<-m.ended
	}
}

// look searches once.
func (e *Engine) look(ctx context.Context, back time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, mendTime)
	defer cancel()
	e.mend.looking.Lock()
	defer e.mend.looking.Unlock()
	loose, err := e.overtaken(ctx, back)
	if err != nil {
		return err
	}
	e.mend.mu.Lock()
	loose = slices.AppendSeq(loose, maps.Values(e.mend.suspects))
	e.mend.mu.Unlock()
	now := time.Now()
	for _, n := range loose {
		key := n.key()
		since, known := e.mend.seen[key]
		if !known {
			since = now
		}
		if now.Sub(since) <= looseAge {
			if err := e.mendEntry(ctx, &n); err != nil {
				return err
			}
		} else {
			e.mend.mu.Lock()
			delete(e.mend.suspects, key)
			e.mend.mu.Unlock()
		}
		e.mend.seen[key] = since
	}
	maps.DeleteFunc(e.mend.seen, func(_ looseKey, since time.Time) bool { return now.Sub(since) > looseFirst })
	return e.prune(ctx, now)
}

// overtaken lists the announcements, not older than back, that were not finished
// while their source went on.
func (e *Engine) overtaken(ctx context.Context, back time.Duration) ([]entry, error) {
	recent := fmt.Sprintf("at >= now() - %d", int(back/time.Second))
	loose, err := e.entries(ctx, recent)
	if err != nil || len(loose) == 0 {
		return nil, err
	}
	top := map[string]uint64{}
	err = e.eachWith(ctx, e.logging(), fmt.Sprintf("SELECT source, max(number) FROM %s WHERE %s GROUP BY source", e.tables.name(appendsTable), recent), func(rows driver.Rows) error {
		var source string
		var number uint64
		err := rows.Scan(&source, &number)
		top[source] = number
		return err
	})
	return slices.DeleteFunc(loose, func(n entry) bool { return n.number >= top[n.source] }), err
}

// copied is a row of clicks as far as copies differ.
type copied struct {
	clickID
	version uint64
}

// mendEntry removes copies of the clicks that an announcement has left behind. Of a
// click's copies the one with the highest version stays, which is the one that a merge
// would leave: two who mend, and a merge at the same time, agree. It is never removed,
// whatever comes meanwhile, unless a higher one is there.
func (e *Engine) mendEntry(ctx context.Context, n *entry) error {
	if len(n.runs) == 0 {
		return nil
	}
	left, err := e.copies(ctx, fmt.Sprintf("%s AND bitAnd(version, %d) = %d", within(n.runs), uint64(1)<<batchBits-1, n.batch()), nil)
	if err != nil || len(left) == 0 {
		return err
	}
	var extra []copied
	for part := range slices.Chunk(left, analytics.KnownMax) {
		ids := map[clickID]bool{}
		for _, c := range part {
			ids[c.clickID] = true
		}
		delete(ids, clickID{}) // clicks without an id are not copies
		if len(ids) == 0 {
			continue
		}
		all, err := e.copies(ctx, "", ids)
		if err != nil {
			return err
		}
		extra = append(extra, beaten(all)...)
	}
	if len(extra) == 0 {
		return nil
	}
	e.log.Info("clicks are there twice, after a batch was broken off or stored by two; the copies are removed",
		"source", n.source, "copies", len(extra))
	return e.remove(ctx, extra)
}

// copies reads rows: those that match a condition, or those with some ids.
func (e *Engine) copies(ctx context.Context, condition string, ids map[clickID]bool) (found []copied, err error) {
	read := func(rows driver.Rows) error {
		var c copied
		err := rows.Scan(&c.time, &c.middle, &c.low, &c.version)
		found = append(found, c)
		return err
	}
	query := "SELECT time, id_middle, id_low, version FROM " + e.tables.name(clicksTable) + " WHERE "
	if ids == nil {
		return found, e.eachWith(ctx, e.certain(), query+condition, read)
	}
	table, minutes, err := idTable(ids)
	if err != nil {
		return nil, err
	}
	err = e.eachWith(ctx, e.certain(), query+minutes+" AND "+ofAsked, read, table)
	return found, err
}

// beaten returns the copies of which there is a higher version.
func beaten(all []copied) (extra []copied) {
	highest := map[clickID]uint64{}
	for _, c := range all {
		highest[c.clickID] = max(highest[c.clickID], c.version)
	}
	for _, c := range all {
		if c.version < highest[c.clickID] {
			extra = append(extra, c)
		}
	}
	return extra
}

// removedMax is how many rows a statement removes: it is kept as a text, by
// ZooKeeper if tables are replicated.
const removedMax = 2000

func (e *Engine) remove(ctx context.Context, extra []copied) error {
	for part := range slices.Chunk(extra, removedMax) {
		if err := e.execWith(ctx, nil, e.tables.remove(part)); err != nil {
			return err
		}
	}
	if err := e.settled(ctx); err != nil {
		return err
	}
	e.mend.removed.Add(int64(len(extra)))
	return nil
}

// remove is the statement that removes rows, each by its whole id and version.
func (t tables) remove(rows []copied) string {
	var times []uint64
	var tuples []string
	for _, c := range rows {
		times = append(times, c.time)
		tuples = append(tuples, fmt.Sprintf("(%d,%d,%d,%d)", c.time, c.middle, c.low, c.version))
	}
	if len(tuples) == 1 { // a single one in brackets is not a list
		tuples = append(tuples, tuples[0])
	}
	return fmt.Sprintf("ALTER TABLE %s%s DELETE WHERE %s AND (time, id_middle, id_low, version) IN (%s)",
		t.rows(), t.on(), within(runsOf(times, msMinute, runsMax)), strings.Join(tuples, ","))
}

// settled waits until the server has removed what it was told to.
func (e *Engine) settled(ctx context.Context) error {
	mutations, along := e.everywhere("mutations")
	_, table, _ := strings.Cut(e.tables.rows(), ".")
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		var open uint64
		err := e.scanWith(ctx, along, fmt.Sprintf("SELECT count() FROM %s WHERE database = '%s' AND table = '%s' AND is_done = 0", mutations, e.tables.database, table), &open)
		if codeOf(err) == codeAccessDenied { // they are removed all the same
			return nil
		}
		if err != nil || open == 0 {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("the server has not removed copies after %v; see system.mutations: %w", mendTime, err)
		}
	}
}

// pruneEvery is how often the log is shortened, keepDays how many days of it stay.
const (
	pruneEvery = time.Hour
	keepDays   = 3
)

// prune drops the log's old days, after what they alone know of a source, its position
// and its highest number, was written once more. Two may do it at the same time.
func (e *Engine) prune(ctx context.Context, now time.Time) error {
	if now.Sub(e.mend.pruned) < pruneEvery {
		return nil
	}
	log := e.tables.name(appendsTable)
	var days []string
	query := fmt.Sprintf("SELECT DISTINCT toUInt32(toYYYYMMDD(at)) AS day FROM %s WHERE toDate(at) < today() - %d ORDER BY day", log, keepDays)
	err := e.eachWith(ctx, e.reading(), query, func(rows driver.Rows) error {
		var day uint32
		err := rows.Scan(&day)
		days = append(days, fmt.Sprint(day))
		return err
	})
	if err == nil && len(days) > 0 {
		err = e.carry(ctx)
		for _, day := range days {
			if err == nil {
				err = e.exec(ctx, fmt.Sprintf("ALTER TABLE %s%s DROP PARTITION %s", log, e.tables.on(), day))
			}
		}
	}
	if err == nil {
		e.mend.pruned = now
	}
	return err
}

// carry writes the position and the highest number of the sources that had no batch
// lately once more.
func (e *Engine) carry(ctx context.Context) error {
	log := e.tables.name(appendsTable)
	for _, what := range []struct{ kind, of string }{
		{fmt.Sprint(withdrawn), "1"}, // first: the other one makes a source look awake
		{fmt.Sprint(finished), fmt.Sprintf("kind = %d", finished)},
	} {
		err := e.execInTurn(ctx, nil, fmt.Sprintf(`INSERT INTO %[1]s (source, number, tag, kind, position_from, position_to, firsts, lasts)
			SELECT source, max(number), argMax(tag, number), toUInt8(%[2]s), argMax(position_from, number), argMax(position_to, number), emptyArrayUInt64(), emptyArrayUInt64()
			FROM %[1]s WHERE %[3]s GROUP BY source HAVING max(toDate(at)) < today() - 1`, log, what.kind, what.of))
		if err != nil {
			return err
		}
	}
	return nil
}

// Mended says how many clicks were left out of batches because they were there, and
// how many copies were removed, since the engine was opened.
func (e *Engine) Mended() (leftOut, removed int64) {
	return e.mend.leftOut.Load(), e.mend.removed.Load()
}
