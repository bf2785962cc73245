package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/background"
	"github.com/sluicehq/sluice/internal/queue"
)

// ShipperOptions of a Shipper. All but BatchRecords, Niceness and Interval must be set.
type ShipperOptions struct {
	From queue.Queue    // this machine's journals
	To   queue.Producer // the broker
	// Positions remembers how far each source has been sent.
	Positions Positions
	// BatchRecords is how many records are sent at once; 10,000 when zero.
	BatchRecords int
	Niceness     int           // of its threads, as the Collector's
	Interval     time.Duration // between two Sends while clicks trickle in; a tenth of a second when zero
	Now          func() time.Time
	Logger       *slog.Logger
}

// Positions keeps a position for each source over restarts. One that is lost or old
// costs work, and no click: what is sent again is known by its id.
type Positions interface {
	Load(source string) (position string, err error)
	Save(source, position string) error
}

// Shipper sends what the journals of this machine hold to a broker: first it is there, then
// the journal may forget it. A record may be sent more than once, after a restart or an error;
// it is marked then, so that the collector asks whether it is known.
type Shipper struct {
	options ShipperOptions

	mu      sync.Mutex
	sources []*shipment

	sent, marked, retries atomic.Int64
	lastSent              atomic.Int64 // time of the newest click that was sent, Unix ms
	trouble               atomic.Pointer[string]
}

// shipment is one source on its way.
type shipment struct {
	name   string
	source queue.Source
	// doubtful says that what comes next was there at the start, and may have been sent by a
	// process before this one.
	doubtful bool
}

// NewShipper returns a shipper that has opened nothing.
func NewShipper(o ShipperOptions) *Shipper {
	if o.BatchRecords == 0 {
		o.BatchRecords = 10_000
	}
	if o.Interval == 0 {
		o.Interval = 100 * time.Millisecond
	}
	return &Shipper{options: o}
}

// Open opens every source where it was left.
func (s *Shipper) Open(ctx context.Context) error {
	names, err := s.options.From.Sources(ctx)
	if err != nil {
		return fmt.Errorf("the sources of clicks cannot be listed: %w", err)
	}
	for _, name := range names {
		position, err := s.options.Positions.Load(name)
		if err != nil {
			return err
		}
		source, err := s.options.From.Open(ctx, name, position)
		if err != nil {
			return fmt.Errorf("the source %s cannot be opened at %q: %w", name, position, err)
		}
		s.mu.Lock()
		s.sources = append(s.sources, &shipment{name: name, source: source, doubtful: true})
		s.mu.Unlock()
	}
	return nil
}

// Run sends from the sources that Open has opened, until the context ends.
func (s *Shipper) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, one := range s.opened() {
		all.Go(func() {
			background.StandBack(s.options.Niceness)
			if err := s.ship(ctx, one); err != nil && ctx.Err() == nil && !errors.Is(err, queue.ErrClosed) {
				s.report(one.name, err)
			}
		})
	}
	all.Wait()
}

func (s *Shipper) opened() []*shipment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sources
}

// Close closes the sources, after Run.
func (s *Shipper) Close() error {
	var errs []error
	for _, one := range s.opened() {
		errs = append(errs, one.source.Close())
	}
	return errors.Join(errs...)
}

// ship sends batch after batch of one source.
func (s *Shipper) ship(ctx context.Context, one *shipment) error {
	var load load
	for {
		began := s.options.Now()
		taken, err := one.source.Take(ctx, s.options.BatchRecords)
		if err != nil {
			return err
		}
		again := one.doubtful
		if len(taken.Records) < s.options.BatchRecords {
			one.doubtful = false // all that was there has been taken
		}
		for {
			if err = s.options.To.Send(ctx, load.of(taken.Records, again)); err == nil {
				break
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s.report(one.name, err)
			again = true
			pause(ctx, time.Second)
		}
		s.trouble.Store(nil)
		s.sent.Add(int64(len(taken.Records)))
		if again {
			s.marked.Add(int64(len(taken.Records)))
		}
		s.noteNewest(taken.Records)
		if err := errors.Join(s.options.Positions.Save(one.name, taken.To), one.source.Commit(ctx, taken.To)); err != nil {
			s.report(one.name, err) // what is kept too long is no loss
		}
		if len(taken.Records) < s.options.BatchRecords {
			pause(ctx, min(s.options.Interval, s.options.Interval-s.options.Now().Sub(began)))
		}
	}
}

// load is a batch as it is sent. Its memory is used again.
type load struct {
	records []queue.Record
	marked  []byte
}

func (l *load) of(records [][]byte, again bool) []queue.Record {
	l.records = l.records[:0]
	if !again {
		for _, r := range records {
			l.records = append(l.records, queue.Record{Key: affiliate.RecordKey(r), Data: r})
		}
		return l.records
	}
	size := 0
	for _, r := range records {
		size += len(r) + 1
	}
	if cap(l.marked) < size {
		l.marked = make([]byte, 0, size)
	}
	l.marked = l.marked[:0]
	for _, r := range records {
		from := len(l.marked)
		l.marked = affiliate.AppendAgain(l.marked, r)
		l.records = append(l.records, queue.Record{Key: affiliate.RecordKey(r), Data: l.marked[from:len(l.marked):len(l.marked)]})
	}
	return l.records
}

func (s *Shipper) noteNewest(records [][]byte) {
	var newest affiliate.Click
	if err := newest.DecodeRecord(records[len(records)-1]); err == nil {
		s.lastSent.Store(newest.Time().UnixMilli())
	}
}

// report makes trouble visible. Trouble that lasts is logged once.
func (s *Shipper) report(name string, err error) {
	s.retries.Add(1)
	text := err.Error()
	if old := s.trouble.Swap(&text); old == nil || *old != text {
		s.options.Logger.Error("clicks are not being sent; they wait in the journal", "source", name, "reason", err)
	}
}

// Drain waits until nothing is left in the journals, the context ends, or the broker
// refuses.
func (s *Shipper) Drain(ctx context.Context) error {
	for {
		now := s.Stats()
		if now.Lag == (queue.Lag{}) {
			return nil
		}
		if now.Trouble != "" {
			return errors.New(now.Trouble)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ShipperStats says how far the clicks of this machine are.
type ShipperStats struct {
	Sent    int64 // since the start
	Marked  int64 // of them, as perhaps sent before
	Retries int64
	Lag     queue.Lag
	// LagSeconds is the age of the newest click that was sent while others wait.
	LagSeconds float64
	Trouble    string // why sending fails now
}

// Stats returns the state since the start.
func (s *Shipper) Stats() ShipperStats {
	st := ShipperStats{Sent: s.sent.Load(), Marked: s.marked.Load(), Retries: s.retries.Load()}
	for _, one := range s.opened() {
		lag := one.source.Lag()
		st.Lag.Records += lag.Records
		st.Lag.Bytes += lag.Bytes
	}
	if last := s.lastSent.Load(); st.Lag.Bytes > 0 && last > 0 {
		st.LagSeconds = s.options.Now().Sub(time.UnixMilli(last)).Seconds()
	}
	if t := s.trouble.Load(); t != nil {
		st.Trouble = *t
	}
	return st
}
