// Package settlement keeps the books: it takes reports of orders in, finds the clicks
// that they name, and keeps the ledger at what the rules of commission say.
//
//	report ─► stored ─► commission.Settle(all facts) ─► ledger.Delta ─► posting
//	clock ──┘              person's ruling ──┘
//
// A report is stored, its conversion settled and the difference posted in one
// transaction, before it is acknowledged. Nothing depends on the order in which facts
// arrive: what a conversion should be is computed from all of them each time, and what
// the ledger says is brought to it by a posting of the difference. A posting has an id
// that its subject and revision give, so doing something twice does it once.
//
// Time passes by RunDue: holds end, locks come and clicks that were not known are looked
// for again, from stored moments, so an outage of any length only makes them late.
package settlement

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// Clicks finds the clicks that conversions name.
type Clicks interface {
	// Clicks returns those with these ids; ids that are not there, or not yet, are left out.
	Clicks(ctx context.Context, ids []affiliate.ClickID) ([]analytics.Touch, error)
	// Touches returns the valid clicks of visitors on a program's links in [since, until].
	Touches(ctx context.Context, program string, visitors []affiliate.VisitorID, since, until time.Time) ([]analytics.Touch, error)
}

// Outgoing tells others what has happened. What it writes is in the transaction of the change,
// so that nothing is told that did not happen, and nothing that did is left out.
type Outgoing interface {
	// Conversion is told of one that was changed; before is nil for a new one, why is that of the posting, "" for none.
	Conversion(w store.Writer, before, after *store.Conversion, why ledger.Why) error
	// Payout is told of one that was sent or undone.
	Payout(w store.Writer, p ledger.Payout) error
}

// Options of an Office. Store, Clicks, Now and Random must be set.
type Options struct {
	Store  store.Store
	Clicks Clicks
	Now    func() time.Time
	Random func() uint64
	// Outgoing may be nil.
	Outgoing Outgoing
	Logger   *slog.Logger
}

// Office keeps the books. Its methods may be called from several goroutines.
type Office struct {
	options Options
	inbox   chan *delivery
	stopped chan struct{}
	ended   sync.WaitGroup
}

// Open begins to take reports in. Close ends it.
func Open(o Options) *Office {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	office := &Office{options: o, inbox: make(chan *delivery, groupMax), stopped: make(chan struct{})}
	office.ended.Go(office.takeGroups)
	return office
}

// Close waits for the reports that are being taken in. Those that come later are refused.
func (o *Office) Close() {
	close(o.stopped)
	o.ended.Wait()
}

// now is the time to the millisecond, which is what the store keeps.
func (o *Office) now() time.Time { return o.options.Now().UTC().Truncate(time.Millisecond) }

// reader reads the store, in a View or in an Update.
type reader struct {
	documents store.DocumentReader
	books     store.BooksReader
}

func viewing(r store.Reader) reader  { return reader{r.Documents(), r.Books()} }
func updating(w store.Writer) reader { return reader{w.Documents(), w.Books()} }
