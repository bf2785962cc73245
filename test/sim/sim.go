// Package sim plays years of affiliate programs' lives against the settlement, and checks
// the books after every step. What happens follows from a seed alone, so whatever goes
// wrong can be played again:
//
//	SIM_SEED=17 go test ./test/sim -run TestProgramYears
//
// A world has a clock, shops (programs with partners and terms), visitors who click, and
// merchants who report: late, twice, out of order, in dollars, and with changes of mind.
// People rule, pay and take payouts back; the process ends at any moment and another one goes on.
// Nothing here is asked of the settlement's own rules: what should be is told by
// expect.go, which is written from docs/settlement.md.
package sim

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/settlement"
	"github.com/sluicehq/sluice/internal/store"
)

// begin is when every world begins.
var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Options of a world.
type Options struct {
	Seed  uint64
	Shops int // programs
	Years int
	// Store opens the store; it is called again after the death of a process, with what
	// was there before, and must close that one if it opens another.
	Store func(before store.Store) (store.Store, error)
	// Faults are those that the settlement is known to have, played all the same.
	Faults Faults
}

// Violation is a promise that does not hold.
type Violation struct {
	Seed  uint64
	Shops int
	Years int
	Step  int
	At    time.Time
	Event string
	Err   error
}

func (v *Violation) Error() string {
	return fmt.Sprintf("seed %d (%d shops, %d years), step %d (%s, %s): %v", v.Seed, v.Shops, v.Years, v.Step, v.At.Format(time.RFC3339), v.Event, v.Err)
}

func (v *Violation) Unwrap() error { return v.Err }

// Result is what was played.
type Result struct {
	Steps  int
	Events map[string]int
	Digest string // of all postings
}

// world is one simulation.
type world struct {
	options Options
	dice    *rand.Rand // of what happens
	ids     *rand.Rand // of what the office draws
	now     time.Time
	end     time.Time
	store   store.Store
	disk    *disk
	office  *settlement.Office
	left    []*settlement.Office // abandoned without an end
	shops   []*shop
	clicks  *clicks
	agenda  agenda
	played  map[string]int
	events  int
	ranDue  time.Time // when the clock's work was done last
}

// Play plays a world to its end. An error is a *Violation.
func Play(ctx context.Context, o Options) (Result, error) {
	w := &world{options: o, dice: rand.New(rand.NewPCG(o.Seed, 1)), ids: rand.New(rand.NewPCG(o.Seed, 2)), now: begin, ranDue: begin,
		end: begin.AddDate(o.Years, 0, 0), clicks: newClicks(), played: map[string]int{}}
	w.clicks.now = func() time.Time { return w.now }
	step, name := 0, "opening"
	fail := func(err error) (Result, error) {
		return Result{Steps: step, Events: w.played}, &Violation{Seed: o.Seed, Shops: o.Shops, Years: o.Years, Step: step, At: w.now, Event: name, Err: err}
	}
	if err := w.open(ctx); err != nil {
		return fail(err)
	}
	defer w.close()
	for ; len(w.agenda) > 0 && w.agenda[0].at.Before(w.end); step++ {
		e := heap.Pop(&w.agenda).(event)
		w.now, name = e.at, e.name
		w.played[name]++
		if err := e.do(ctx); err != nil {
			return fail(err)
		}
	}
	w.now, name = w.end, "the end"
	if err := w.audit(ctx); err != nil {
		return fail(err)
	}
	digest, err := w.digest(ctx)
	if err != nil {
		return fail(err)
	}
	return Result{Steps: step, Events: w.played, Digest: digest}, nil
}

// open makes the world and what happens in it by itself.
func (w *world) open(ctx context.Context) (err error) {
	if w.store, err = w.options.Store(nil); err != nil {
		return err
	}
	w.disk = &disk{w.store, false}
	for i := range w.options.Shops {
		s, err := w.newShop(ctx, i)
		if err != nil {
			return err
		}
		w.shops = append(w.shops, s)
	}
	w.office = w.newOffice()
	w.every("rates", 7*day, 0, w.importRates)
	w.every("clock", 26*time.Hour, 20*time.Hour, w.runDue)
	w.every("restart", 20*day, 40*day, w.restart)
	w.every("disk full", 15*day, 40*day, func(context.Context) error { w.disk.full = true; return nil })
	w.every("analytics down", 30*day, 60*day, func(context.Context) error {
		w.clicks.blind = w.now.Add(w.upTo(2 * day)).Truncate(time.Millisecond)
		return nil
	})
	w.every("audit", 365*day, 0, w.audit)
	for _, s := range w.shops {
		w.every("order", 2*day, 14*day, func(context.Context) error { return w.newStory(s) })
		w.every("terms", 60*day, 200*day, func(ctx context.Context) error { return w.changeTerms(ctx, s) })
		w.every("payout run", 30*day, 2*day, func(ctx context.Context) error { return w.pay(ctx, s) })
		w.every("adjustment", 60*day, 100*day, func(ctx context.Context) error { return w.adjust(ctx, s) })
		w.every("stranger", 60*day, 90*day, func(ctx context.Context) error { return w.stranger(ctx, s) })
	}
	return nil
}

func (w *world) newOffice() *settlement.Office {
	return settlement.Open(settlement.Options{Store: w.disk, Clicks: w.clicks, Now: func() time.Time { return w.now }, Random: w.ids.Uint64})
}

func (w *world) close() {
	for _, o := range append(w.left, w.office) {
		o.Close()
	}
	_ = w.store.Close()
}

// restart ends the process, in order or not, and begins another on the same store.
func (w *world) restart(context.Context) (err error) {
	if w.chance(50) {
		w.office.Close()
	} else {
		w.played["abandoned"]++
		w.left = append(w.left, w.office)
	}
	if w.store, err = w.options.Store(w.store); err != nil {
		return err
	}
	w.disk.Store = w.store
	w.office = w.newOffice()
	return nil
}

// runDue lets the clock do its work.
func (w *world) runDue(ctx context.Context) error {
	if _, err := w.office.RunDue(ctx); err != nil {
		if errors.Is(err, errFull) {
			return nil // it is late, no more
		}
		return err
	}
	w.ranDue = w.now
	return w.checkTrial(ctx)
}

// event is something that happens at a moment.
type event struct {
	at   time.Time
	seq  int // the order of those at one moment
	name string
	do   func(context.Context) error
}

// agenda is a heap by time.
type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].seq < a[j].seq
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(e any)   { *a = append(*a, e.(event)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// on puts something on the agenda. The past is now.
func (w *world) on(at time.Time, name string, do func(context.Context) error) {
	if at.Before(w.now) {
		at = w.now
	}
	w.events++
	heap.Push(&w.agenda, event{at.Truncate(time.Millisecond), w.events, name, do})
}

// every does something again and again, after a time and a random one.
func (w *world) every(name string, after, random time.Duration, do func(context.Context) error) {
	var again func(context.Context) error
	next := func() time.Duration { return after + w.upTo(random) }
	again = func(ctx context.Context) error {
		w.on(w.now.Add(next()), name, again)
		return do(ctx)
	}
	first := next()
	if name == "rates" {
		first = 0
	}
	w.on(w.now.Add(first), name, again)
}

// chance is true in so many of a hundred cases.
func (w *world) chance(percent int) bool { return w.dice.IntN(100) < percent }

func (w *world) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(w.dice.Int64N(int64(d)))
}

func pick[T any](w *world, of ...T) T { return of[w.dice.IntN(len(of))] }

// errFull is what a full disk says.
var errFull = &store.Failure{Place: "the disk", Err: store.ErrFull}

// disk is a store whose next Update fails at its end when it is full.
type disk struct {
	store.Store
	full bool
}

func (d *disk) Update(ctx context.Context, fn func(store.Writer) error) error {
	return d.Store.Update(ctx, func(w store.Writer) error {
		if err := fn(w); err != nil {
			return err
		}
		if d.full {
			d.full = false
			return errFull
		}
		return nil
	})
}

// put stores a document as the catalog would.
func (w *world) put(ctx context.Context, kind store.Kind, key string, of any) error {
	body, err := json.Marshal(of)
	if err != nil {
		return err
	}
	return w.store.Update(ctx, func(u store.Writer) error {
		return u.Documents().Put(kind, store.Document{Key: key, Body: body})
	})
}

// digest is the same for the same postings.
func (w *world) digest(ctx context.Context) (string, error) {
	sum := sha256.New()
	err := w.store.View(ctx, func(r store.Reader) error {
		all, err := r.Books().Postings(store.PostingQuery{Limit: postingsMax})
		if err != nil {
			return err
		}
		return json.NewEncoder(sum).Encode(all)
	})
	return hex.EncodeToString(sum.Sum(nil)[:16]), err
}

// postingsMax is more than any world makes.
const postingsMax = 10_000_000

// money is an amount that a report tells.
func money(minor int64, c affiliate.Currency) *affiliate.Money {
	return &affiliate.Money{Minor: minor, Currency: c}
}
