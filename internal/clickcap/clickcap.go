// Package clickcap keeps the caps of links: it compares what the reports count with what each
// link may send, closes links whose cap is reached, and opens them when their period has
// ended, or their cap was raised.
//
// It looks again every Interval. A visitor never waits for it and nobody is refused by it: a link
// is closed by a change of its document, which reaches redirects as every other change does. So
// a link exceeds its cap by what its visitors click meanwhile (docs/caps.md). All it
// knows is in the store and the reports; it can begin anywhere, at any time, and in two
// processes at once. Where nothing can be counted, links stay as they are, and the end of
// a period opens them all the same.
package clickcap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/catalog"
)

// Interval is how often caps are looked at.
const Interval = 2 * time.Second

// lookMax is how long one look may take before it is given up.
const lookMax = time.Minute

// lateAfter is how old the newest knowledge may be before an operator is told: that of the
// reports, which are a second or so behind, and the last look itself. The reports must be late at
// lateLooks looks in a row: after a quiet hour the first click makes them late for a moment.
const (
	lateAfter = 5 * time.Second
	lateLooks = 3
)

// Links are what the keeper needs of the catalog; catalog.Catalog says what they promise.
type Links interface {
	Capped(ctx context.Context, since int64) (links []catalog.Capped, seq int64, err error)
	ObeyCaps(ctx context.Context, verdicts []catalog.CapVerdict) (changed int, err error)
}

// Reports are what the keeper needs of the engine that counts clicks.
type Reports interface {
	Report(ctx context.Context, q analytics.Query) (*analytics.Report, error)
}

// Options of a keeper. Links and Reports must be set.
type Options struct {
	Links   Links
	Reports Reports
	// Lag is how far the reports are behind, as far as this process knows; nil: unknown.
	Lag func() time.Duration
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// Logger is told which links are closed and opened; discarded by default.
	Logger *slog.Logger
}

// Keeper keeps the caps. One goroutine at a time calls Look or Run; anybody, Warning.
type Keeper struct {
	options Options
	counter counter
	links   []catalog.Capped
	seq     int64 // of the change that links are as of; -1: they have yet to be read

	mu     sync.Mutex
	active bool // somebody is in Run
	capped int
	looked time.Time // when the last look that succeeded was, or Run began
	fault  error     // of the last look
	lag    time.Duration
	late   int // looks in a row at which lag was above lateAfter
}

// New returns a keeper that has not looked yet.
func New(o Options) *Keeper {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Lag == nil {
		o.Lag = func() time.Duration { return 0 }
	}
	return &Keeper{options: o, seq: -1, counter: counter{reports: o.Reports}}
}

// Run looks every Interval until the context ends.
func (k *Keeper) Run(ctx context.Context) {
	k.begin(true)
	defer k.begin(false)
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		before := k.faultOf()
		if err := k.Look(ctx); err != nil && before == nil && ctx.Err() == nil {
			k.options.Logger.Error("caps of clicks cannot be kept; it is tried again, and nobody is refused meanwhile", "reason", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (k *Keeper) begin(active bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.active, k.looked, k.fault, k.late = active, k.options.Now(), nil, 0
}

func (k *Keeper) faultOf() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fault
}

// Look compares once, and closes and opens what must be. After an error what could be decided
// without the missing part is done.
func (k *Keeper) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookMax)
	defer cancel()
	err, lag := k.look(ctx), k.options.Lag()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lag = lag; lag > lateAfter {
		k.late++
	} else {
		k.late = 0
	}
	if k.capped, k.fault = len(k.links), err; err == nil {
		k.looked = k.options.Now()
	}
	return err
}

func (k *Keeper) look(ctx context.Context) error {
	links, seq, err := k.options.Links.Capped(ctx, k.seq)
	if err != nil {
		return fmt.Errorf("reading which links have caps: %w", err)
	}
	if seq != k.seq {
		k.links, k.seq = links, seq
	}
	if len(k.links) == 0 {
		k.counter.forget()
		return nil
	}
	now := k.options.Now().UTC().Truncate(time.Millisecond)
	counts, counting := k.counter.count(ctx, now, k.links)
	verdicts := k.judge(now, counts)
	if len(verdicts) == 0 {
		return counting
	}
	n, err := k.options.Links.ObeyCaps(ctx, verdicts)
	if err != nil {
		err = fmt.Errorf("closing and opening links: %w", err)
	}
	if n > 0 {
		k.options.Logger.Info("caps of clicks have closed or opened links", "links", n)
	}
	return errors.Join(counting, err)
}

// judge says which links must change. counts lacks those that could not be counted.
func (k *Keeper) judge(now time.Time, counts map[int64]int64) (verdicts []catalog.CapVerdict) {
	for _, l := range k.links {
		n, known := counts[l.Link]
		next := l.Reached
		_, until := l.Cap.Period(now)
		switch {
		case known && n < l.Cap.Clicks, !known && next != nil && over(next, now):
			next = nil
		case known && (next == nil || !endsAt(next, until)):
			next = &affiliate.CapReached{At: now, Clicks: n}
			if !until.IsZero() {
				next.Until = &until
			}
		}
		if next != l.Reached {
			verdicts = append(verdicts, catalog.CapVerdict{Capped: l, Next: next})
		}
	}
	return verdicts
}

// over says that the period in which a cap was reached has ended.
func over(r *affiliate.CapReached, now time.Time) bool {
	return r.Until != nil && !now.Before(*r.Until)
}

func endsAt(r *affiliate.CapReached, until time.Time) bool {
	if r.Until == nil {
		return until.IsZero()
	}
	return r.Until.Equal(until)
}

// Warning says why caps are not kept as closely as they should be, or "".
func (k *Keeper) Warning() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.active || k.capped == 0 && k.fault == nil {
		return ""
	}
	if k.fault != nil {
		return fmt.Sprintf("caps of clicks cannot be kept: %v", k.fault)
	}
	if late := k.options.Now().Sub(k.looked); late > lateAfter {
		return fmt.Sprintf("caps of clicks were last looked at %.0f s ago", late.Seconds())
	}
	if k.late >= lateLooks {
		return fmt.Sprintf("clicks are counted %.0f s late, so links exceed their caps by as much", k.lag.Seconds())
	}
	return ""
}

var _ Links = (*catalog.Catalog)(nil)
