// Package pipeline moves facts after the visitor has gone: the Collector takes
// click records from the queue, finds out what the request had no time for, and
// stores them with the position they came from, so each is counted exactly once.
//
// A record that cannot be read is set aside with its reason and holds up nothing.
// An engine that fails is tried again until it works or the pipeline is stopped;
// until then the journal keeps the records. A click that was made elsewhere may come
// any number of times, and is stored the first time only.
//
// Between machines the Shipper of each sends what its journals hold to a broker, and the
// Collectors share the broker's sources out among themselves.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/background"
	"github.com/sluicehq/sluice/internal/queue"
)

// Options of a Collector. Queue, Analytics and Enrich must be set.
type Options struct {
	Queue     queue.Queue
	Analytics analytics.Engine
	Enrich    *Enricher
	// SetAside keeps a record that cannot be read. It is called before the record
	// is passed over; an error stops the collector until it succeeds.
	SetAside func(queue.Poison) error
	// BatchRecords is how many clicks are stored in one step; 10,240 when zero, five
	// of the engine's vectors: larger ones cost memory and save little.
	BatchRecords int
	// BacklogRecords is the same while more than that is waiting in a source, for an engine that
	// takes as long for a batch as for its rows; never more than BatchRecords when zero. Few
	// sources at a time have a batch of that size, or they would take all memory.
	BacklogRecords int
	// Niceness of the collector's threads, 0 to 19: how far they stand back behind
	// the rest of the machine, so that a backlog does not hold up visitors. It needs
	// GOMAXPROCS to be larger than the number of processors by the two threads of
	// a source: a goroutine that waits for one of Go's processors is not helped by
	// the kernel. Only Linux has it by thread; elsewhere it does nothing.
	Niceness int
	// Interval is the least time between two stores while clicks trickle in; a
	// quarter of a second when zero. A backlog is stored without pause.
	Interval time.Duration
	Now      func() time.Time
	Logger   *slog.Logger
}

// Collector stores the clicks of every source of its queue.
type Collector struct {
	options Options
	recent  *recent
	rooms   *rooms

	mu      sync.Mutex
	sources map[string]queue.Source
	lost    int64 // by sources that were closed

	arriving sync.Mutex // from the question whether clicks are known until they are stored

	stored, poisoned, retries atomic.Int64
	duplicates                atomic.Int64
	lastStored                atomic.Int64 // time of the newest stored click, Unix ms
	trouble                   atomic.Pointer[string]
}

// New returns a collector.
func New(o Options) *Collector {
	if o.BatchRecords == 0 {
		o.BatchRecords = 10_240
	}
	if o.Interval == 0 {
		o.Interval = 250 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Collector{options: o, recent: newRecent(), rooms: newRooms(), sources: map[string]queue.Source{}}
}

// Open remembers the visitors of the last day and opens every source where the
// engine stands. From then on Stats tells the lag as it is.
func (c *Collector) Open(ctx context.Context) error {
	if err := c.remember(ctx); err != nil {
		return err
	}
	names, err := c.options.Queue.Sources(ctx)
	if err != nil {
		return fmt.Errorf("the sources of clicks cannot be listed: %w", err)
	}
	for _, name := range names {
		if err := c.openSource(ctx, name); err != nil && !errors.Is(err, queue.ErrMoved) {
			return err
		}
	}
	return nil
}

// remember reads the visitors of the last day back from the engine.
func (c *Collector) remember(ctx context.Context) error {
	c.recent.forget()
	return c.learn(ctx)
}

// learn adds the visitors of the last day to memory.
func (c *Collector) learn(ctx context.Context) error {
	err := c.options.Analytics.Uniques(ctx, c.options.Now().Add(-rememberedFor), func(v affiliate.VisitorID, link int64, at time.Time) {
		c.recent.first(v, link, at)
	})
	if err != nil {
		return fmt.Errorf("the visitors of the last day cannot be read from analytics: %w", err)
	}
	return nil
}

// Close closes the sources, after Run.
func (c *Collector) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, source := range c.sources {
		errs = append(errs, source.Close())
	}
	return errors.Join(errs...)
}

// collect keeps one source going whatever happens. After an error the source is
// opened anew: only the engine knows what it has stored.
func (c *Collector) collect(ctx context.Context, name string) {
	for ctx.Err() == nil {
		err := c.follow(ctx, name)
		if ctx.Err() != nil || errors.Is(err, queue.ErrClosed) {
			return
		}
		if errors.Is(err, queue.ErrMoved) {
			c.closeSource(name)
			return
		}
		c.report(name, err)
		for ctx.Err() == nil {
			pause(ctx, time.Second)
			// What was judged and not stored is judged again.
			if err = errors.Join(c.remember(ctx), c.openSource(ctx, name)); err == nil {
				c.trouble.Store(nil)
				break
			}
			if errors.Is(err, queue.ErrMoved) {
				c.closeSource(name)
				return
			}
			c.report(name, err)
		}
	}
}

// report makes trouble visible. Trouble that lasts is logged once.
func (c *Collector) report(name string, err error) {
	c.retries.Add(1)
	text := err.Error()
	if old := c.trouble.Swap(&text); old == nil || *old != text {
		c.options.Logger.Error("clicks are not being stored; they wait in the journal", "source", name, "reason", err)
	}
}

// follow stores batch after batch of one source. In a backlog it prepares the next
// one meanwhile; clicks that trickle in are taken as late as possible, so that
// the reports have what has just come. It ends with an error only.
func (c *Collector) follow(ctx context.Context, name string) error {
	c.mu.Lock()
	source := c.sources[name]
	c.mu.Unlock()
	background.StandBack(c.options.Niceness)
	ctx, stop := context.WithCancelCause(ctx)
	batches := make(chan batch)
	permits := make(chan struct{}, 1) // to take the next batch
	permits <- struct{}{}
	var preparing sync.WaitGroup
	preparing.Go(func() {
		background.StandBack(c.options.Niceness)
		err := c.prepare(ctx, name, source, permits, batches)
		if errors.Is(err, queue.ErrClosed) {
			close(batches) // nothing more will come; what has come is still being stored
			return
		}
		stop(err)
	})
	defer preparing.Wait()
	defer stop(nil)
	for {
		began := c.options.Now()
		var b batch
		var more bool
		select {
		case b, more = <-batches:
			if !more {
				return queue.ErrClosed
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		backlog := len(b.Rows) >= c.options.BatchRecords
		if backlog {
			permits <- struct{}{}
		}
		err := c.store(ctx, source, b)
		b.room.leave(b.Rows)
		if err != nil {
			return err
		}
		if !backlog {
			// A clock that was set back must not make it wait for hours.
			pause(ctx, min(c.options.Interval, c.options.Interval-c.options.Now().Sub(began)))
			permits <- struct{}{}
		}
	}
}

// batch is what is to be stored, and which of its clicks may have come before.
type batch struct {
	analytics.Batch
	again map[affiliate.ClickID]bool // nil for none
	room  *room                      // that it is made in
}

// prepare takes, reads and enriches a batch for each permit. Whoever gets it leaves its room.
func (c *Collector) prepare(ctx context.Context, name string, source queue.Source, permits <-chan struct{}, batches chan<- batch) error {
	for {
		select {
		case <-permits:
		case <-ctx.Done():
			return ctx.Err()
		}
		room, err := c.rooms.enter(ctx, source, &c.options)
		if err != nil {
			return err
		}
		b, err := c.fill(ctx, name, source, room)
		if err != nil {
			room.leave(b.Rows)
			return err
		}
		select {
		case batches <- b:
		case <-ctx.Done():
			room.leave(b.Rows)
			return ctx.Err()
		}
	}
}

// fill makes the next batch.
func (c *Collector) fill(ctx context.Context, name string, source queue.Source, room *room) (b batch, err error) {
	b = batch{Batch: analytics.Batch{Source: name, Rows: room.rows}, room: room}
	taken, err := source.Take(ctx, room.records)
	if err != nil {
		return b, err
	}
	b.From, b.To = taken.From, taken.To
	b.Rows, b.again, err = c.rows(room.rows[:0], name, taken)
	return b, err
}

// store appends a batch until the engine has it. The rows are judged already, so
// the same rows are tried again: judging them twice would make first visits repeats.
func (c *Collector) store(ctx context.Context, source queue.Source, b batch) error {
	if len(b.again) > 0 || slices.ContainsFunc(b.Rows, isElsewhere) {
		c.arriving.Lock()
		defer c.arriving.Unlock()
		if err := c.admit(ctx, &b); err != nil {
			return err
		}
	}
	for {
		err := c.options.Analytics.Append(ctx, b.Batch)
		if err == nil {
			break
		}
		if errors.Is(err, analytics.ErrPosition) || ctx.Err() != nil {
			return err
		}
		c.report(b.Source, err)
		pause(ctx, time.Second)
	}
	c.trouble.Store(nil)
	c.stored.Add(int64(len(b.Rows)))
	c.noteNewest(b.Rows)
	return source.Commit(ctx, b.To)
}

// noteNewest remembers how far the reports are. Clicks from elsewhere may be of any time: they
// bring the reports further and never back.
func (c *Collector) noteNewest(rows []analytics.Row) {
	newest := c.lastStored.Load()
	for i := len(rows) - 1; i >= 0; i-- {
		ms := rows[i].Time().UnixMilli()
		if !isElsewhere(rows[i]) {
			newest = ms
			break
		}
		newest = max(newest, ms)
	}
	c.lastStored.Store(newest)
}

// yieldEvery is after how many records a collector without niceness lets other
// goroutines go first, which Go would do after 10 ms. On a thread of its own that
// costs too much, and the kernel does better.
const yieldEvery = 64

// rows reads and enriches a batch's records, and says which of the clicks may have come
// before.
func (c *Collector) rows(rows []analytics.Row, name string, taken queue.Batch) (_ []analytics.Row, again map[affiliate.ClickID]bool, err error) {
	rows = slices.Grow(rows, len(taken.Records)) // at once: a row is large, and growing copies
	for i, record := range taken.Records {
		if i%yieldEvery == 0 && c.options.Niceness == 0 {
			runtime.Gosched()
		}
		var row analytics.Row
		record, doubtful := affiliate.CutAgain(record)
		if err := row.DecodeRecord(record); err != nil {
			c.poisoned.Add(1)
			if err := c.options.SetAside(queue.Poison{Source: name, Position: taken.From, Record: record, Reason: err.Error()}); err != nil {
				return nil, nil, fmt.Errorf("a record of %s that cannot be read could not be set aside: %w", name, err)
			}
			continue
		}
		if doubtful {
			if again == nil {
				again = map[affiliate.ClickID]bool{}
			}
			again[row.ID] = true
		}
		c.options.Enrich.enrich(&row)
		row.Unique = !isElsewhere(row) && row.Valid() && c.recent.first(row.Visitor, row.Link, row.Time())
		rows = append(rows, row)
	}
	return rows, again, nil
}

// Drain waits until nothing is left in the queue, or the context ends.
func (c *Collector) Drain(ctx context.Context) error {
	for {
		if c.Stats().Lag == (queue.Lag{}) {
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Stats says how far the pipeline is.
type Stats struct {
	Stored   int64 `json:"stored"`   // clicks since the start
	SetAside int64 `json:"setAside"` // records that could not be read
	// Duplicates are clicks that were there already: made elsewhere, or sent twice.
	Duplicates int64     `json:"duplicates"`
	Lost       int64     `json:"lost"`    // records that the broker has removed before they were read
	Sources    int       `json:"sources"` // that this process reads now
	Retries    int64     `json:"retries"`
	Lag        queue.Lag `json:"lag"`
	// LagSeconds is the age of the newest stored click while others wait, 0 when
	// nothing waits.
	LagSeconds float64 `json:"lagSeconds"`
	Trouble    string  `json:"trouble,omitempty"` // why storing fails now
}

// Stats returns the state since the start.
func (c *Collector) Stats() Stats {
	s := Stats{Stored: c.stored.Load(), SetAside: c.poisoned.Load(), Duplicates: c.duplicates.Load(), Retries: c.retries.Load()}
	c.mu.Lock()
	s.Lost, s.Sources = c.lost, len(c.sources)
	for _, source := range c.sources {
		s.Lost += source.Lost()
		lag := source.Lag()
		s.Lag.Records += lag.Records
		s.Lag.Bytes += lag.Bytes
	}
	c.mu.Unlock()
	if last := c.lastStored.Load(); s.Lag.Bytes > 0 && last > 0 {
		s.LagSeconds = c.options.Now().Sub(time.UnixMilli(last)).Seconds()
	}
	if t := c.trouble.Load(); t != nil {
		s.Trouble = *t
	}
	return s
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
