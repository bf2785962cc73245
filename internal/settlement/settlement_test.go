package settlement

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/sqlite"
)

// bench is an office with a store of its own, clicks that are known, and a clock.
type bench struct {
	*Office
	t      testing.TB
	store  store.Store
	clicks *clicks
	mu     sync.Mutex
	time   time.Time
	random uint64
}

// clicks are those that analytics knows.
type clicks struct {
	mu  sync.Mutex
	all []analytics.Touch
}

func (c *clicks) Clicks(_ context.Context, ids []affiliate.ClickID) (found []analytics.Touch, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := map[affiliate.ClickID]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	for _, t := range c.all {
		if wanted[t.ID] {
			found = append(found, t)
		}
	}
	return found, nil
}

func (c *clicks) Touches(_ context.Context, program string, visitors []affiliate.VisitorID, since, until time.Time) (found []analytics.Touch, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.all {
		if t.Program == program && slices.Contains(visitors, t.Visitor) && !t.At.Before(since) && !t.At.After(until) {
			found = append(found, t)
		}
	}
	return found, nil
}

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newBench(t testing.TB, programs ...affiliate.Program) *bench {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "sluice.db")})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	b := &bench{t: t, store: s, clicks: &clicks{}, time: begin}
	for _, p := range programs {
		p.Normalize()
		check(t, p.Validate())
		body, err := json.Marshal(p)
		check(t, err)
		check(t, s.Update(t.Context(), func(w store.Writer) error {
			return w.Documents().Put(store.Program, store.Document{Key: p.ID, Body: body})
		}))
	}
	b.Office = Open(Options{Store: s, Clicks: b.clicks, Now: b.clock, Random: b.next})
	t.Cleanup(b.Close)
	return b
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.time
}

func (b *bench) next() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.random++
	return b.random
}

// wait lets days pass and does what falls due.
func (b *bench) wait(days float64) {
	b.t.Helper()
	b.mu.Lock()
	b.time = b.time.Add(time.Duration(days * 24 * float64(time.Hour)))
	b.mu.Unlock()
	_, err := b.RunDue(b.t.Context())
	check(b.t, err)
}

// click makes a visitor's click known, through a partner.
func (b *bench) click(visitor uint64, partner string) affiliate.ClickID {
	t := analytics.Touch{ID: affiliate.NewClickID(b.clock().UnixMilli(), 1, b.next()), At: b.clock(), Program: "shop", Partner: partner, Link: 7,
		Visitor: affiliate.NewVisitorID(0, visitor), Valid: true}
	b.clicks.mu.Lock()
	defer b.clicks.mu.Unlock()
	b.clicks.all = append(b.clicks.all, t)
	return t.ID
}

func (b *bench) take(r affiliate.Report) Receipt {
	b.t.Helper()
	r.Program = "shop"
	if r.Status == "" {
		r.Status = affiliate.ReportPending
	}
	receipt, err := b.Take(b.t.Context(), r)
	check(b.t, err)
	return receipt
}

// owns reads an account.
func (b *bench) owns(a ledger.Account) (minor int64) {
	b.t.Helper()
	check(b.t, b.store.View(b.t.Context(), func(r store.Reader) error {
		found, err := r.Books().Balance(a, time.Time{})
		for _, m := range found {
			minor += m.Minor
		}
		if err != nil {
			return err
		}
		trial, err := r.Books().Trial()
		for _, m := range trial {
			if m.Minor != 0 {
				b.t.Errorf("the books are off by %s", m)
			}
		}
		return err
	}))
	return minor
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func euros(minor int64) *affiliate.Money { return &affiliate.Money{Minor: minor, Currency: "EUR"} }

// shop pays partners ten percent after 30 days, from 20 EUR on.
func shop(change func(*affiliate.Settlement)) affiliate.Program {
	s := &affiliate.Settlement{Currency: "EUR", MinimumPayout: 2000,
		Terms: []affiliate.CommissionTerms{{From: begin.AddDate(-1, 0, 0), HoldDays: 30, Rates: []affiliate.Rate{{Percent: 100_000}}}}}
	if change != nil {
		change(s)
	}
	return affiliate.Program{ID: "shop", Side: affiliate.Pays, Settlement: s}
}

// From click to paid, and back: the life that docs/settlement.md tells.
func TestFromClickToPaidToClawback(t *testing.T) {
	b := newBench(t, shop(nil))
	id := b.click(1, "anna")
	b.wait(2)
	r := b.take(affiliate.Report{Tx: "order-1", ClickID: id.String(), Amount: euros(30_000)})
	if r.State != affiliate.Pending || b.owns(ledger.Pending("shop", "anna")) != 3000 || b.owns(ledger.Cost("shop")) != -3000 {
		t.Fatalf("after the order: %+v, pending %d", r, b.owns(ledger.Pending("shop", "anna")))
	}
	b.wait(29)
	if got := b.owns(ledger.Owed("shop", "anna")); got != 0 {
		t.Errorf("a day before the hold ends %d are owed", got)
	}
	b.wait(1)
	if pending, owed := b.owns(ledger.Pending("shop", "anna")), b.owns(ledger.Owed("shop", "anna")); pending != 0 || owed != 3000 {
		t.Errorf("after the hold %d are pending and %d owed", pending, owed)
	}
	drafts, err := b.RunPayouts(t.Context(), "shop", "berta")
	check(t, err)
	if again, err := b.RunPayouts(t.Context(), "shop", "berta"); err != nil || len(drafts) != 1 || len(again) != 0 || drafts[0].Amount != *euros(3000) {
		t.Fatalf("drafts %+v, then %+v, %v", drafts, again, err)
	}
	_, err = b.ApprovePayout(t.Context(), drafts[0].ID, "carl")
	check(t, err)
	_, err = b.SendPayout(t.Context(), drafts[0].ID, "carl")
	check(t, err)
	if _, err := b.SendPayout(t.Context(), drafts[0].ID, "carl"); err == nil {
		t.Error("a payout was sent twice")
	}
	if got := b.owns(ledger.PaidOut("shop", "anna")); got != 3000 {
		t.Errorf("%d were paid out", got)
	}
	b.take(affiliate.Report{Tx: "order-1", Status: affiliate.ReportReversed, Reason: affiliate.ReasonReturned})
	if got := b.owns(ledger.Owed("shop", "anna")); got != -3000 {
		t.Errorf("after the return %d are owed", got)
	}
	later := b.click(2, "anna")
	b.take(affiliate.Report{Tx: "order-2", ClickID: later.String(), Amount: euros(70_000), Status: affiliate.ReportApproved})
	b.wait(31)
	drafts, err = b.RunPayouts(t.Context(), "shop", "berta")
	check(t, err)
	if len(drafts) != 1 || drafts[0].Amount != *euros(4000) {
		t.Errorf("the next payout takes back what was reversed: %+v", drafts)
	}
	x, err := b.Explain(t.Context(), r.Conversion)
	check(t, err)
	if x.Conversion.State != affiliate.Reversed || len(x.Steps) < 3 || len(x.Postings) != 3 || len(x.Reports) != 2 {
		t.Errorf("the explanation: state %s, %d steps, %d postings, %d reports", x.Conversion.State, len(x.Steps), len(x.Postings), len(x.Reports))
	}
}

// In whatever order reports arrive, the books end alike.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	facts := []affiliate.Report{
		{Tx: "o", Amount: euros(10_000), At: begin.Add(time.Hour)},
		{Tx: "o", Amount: euros(12_000), At: begin.Add(2 * time.Hour)},
		{Tx: "o", Status: affiliate.ReportReversed, Amount: euros(4_000), At: begin.Add(3 * time.Hour)},
		{Tx: "o", Status: affiliate.ReportApproved, At: begin.Add(4 * time.Hour)},
	}
	for _, mode := range []affiliate.DuplicateMode{affiliate.RejectDuplicates, affiliate.Overwrite, affiliate.AddUp, affiliate.AcceptNew, affiliate.AcceptFlagged, affiliate.ByEvent} {
		var want string
		for n, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}} {
			b := newBench(t, shop(func(s *affiliate.Settlement) { s.Duplicates = mode }))
			id := b.click(1, "anna")
			b.wait(1)
			for _, i := range order {
				r := facts[i]
				r.ClickID = id.String()
				b.take(r)
			}
			got := fmt.Sprint(b.owns(ledger.Pending("shop", "anna")), b.owns(ledger.Owed("shop", "anna")))
			if n == 0 {
				want = got
			}
			if got != want {
				t.Errorf("mode %s, arrival %v: pending and owed %s, otherwise %s", mode, order, got, want)
			}
		}
	}
}

// The same report from many at once is one.
func TestSameReportAtOnce(t *testing.T) {
	b := newBench(t, shop(nil))
	id := b.click(1, "anna")
	var all sync.WaitGroup
	receipts := make([]Receipt, 64)
	for i := range receipts {
		all.Go(func() {
			r, err := b.Take(t.Context(), affiliate.Report{Program: "shop", Tx: "o", Status: affiliate.ReportPending, ClickID: id.String(), Amount: euros(10_000)})
			if err != nil {
				t.Error(err)
			}
			receipts[i] = r
		})
	}
	all.Wait()
	first := 0
	for _, r := range receipts {
		if !r.Duplicate {
			first++
		}
		if r.Conversion != receipts[0].Conversion || r.State != affiliate.Pending {
			t.Errorf("%+v", r)
		}
	}
	if first != 1 || b.owns(ledger.Pending("shop", "anna")) != 1000 {
		t.Errorf("%d of 64 were new, %d are pending", first, b.owns(ledger.Pending("shop", "anna")))
	}
}

// A conversion waits for its click, and finds it when it comes.
func TestConversionBeforeItsClick(t *testing.T) {
	b := newBench(t, shop(nil))
	id := b.click(1, "anna")
	hidden := b.clicks.all
	b.clicks.all = nil
	r := b.take(affiliate.Report{Tx: "o", ClickID: id.String(), Amount: euros(10_000)})
	if r.State != affiliate.Unmatched {
		t.Fatalf("without its click: %+v", r)
	}
	b.wait(0.1)
	b.clicks.all = hidden
	b.wait(0.1)
	if got := b.owns(ledger.Pending("shop", "anna")); got != 1000 {
		t.Errorf("with its click %d are pending", got)
	}
	again := b.take(affiliate.Report{Tx: "o", ClickID: id.String(), Amount: euros(10_000)})
	if !again.Duplicate || again.State != affiliate.Pending {
		t.Errorf("the same again: %+v", again)
	}
}

// A reversal that comes first waits for its order.
func TestReversalBeforeItsOrder(t *testing.T) {
	for _, mode := range []affiliate.DuplicateMode{affiliate.RejectDuplicates, affiliate.AcceptNew} {
		b := newBench(t, shop(func(s *affiliate.Settlement) { s.Duplicates = mode }))
		id := b.click(1, "anna")
		if r := b.take(affiliate.Report{Tx: "o", Status: affiliate.ReportReversed, At: begin.Add(time.Minute)}); r.State != affiliate.Unmatched {
			t.Errorf("%s: a reversal of nothing: %+v", mode, r)
		}
		b.wait(0.01)
		if r := b.take(affiliate.Report{Tx: "o", ClickID: id.String(), Amount: euros(10_000), At: begin}); r.State != affiliate.Reversed {
			t.Errorf("%s: the order behind its reversal: %+v", mode, r)
		}
		var n int
		check(t, b.store.View(t.Context(), func(r store.Reader) error {
			all, err := r.Books().ConversionsOf("shop", "o")
			n = len(all)
			return err
		}))
		if n != 1 || b.owns(ledger.Pending("shop", "anna")) != 0 {
			t.Errorf("%s: %d conversions, %d pending", mode, n, b.owns(ledger.Pending("shop", "anna")))
		}
	}
}

// A person's decision comes before the clock, and is undone by another.
func TestRulings(t *testing.T) {
	b := newBench(t, shop(nil))
	id := b.click(1, "anna")
	r := b.take(affiliate.Report{Tx: "o", ClickID: id.String(), Amount: euros(10_000)})
	for _, step := range []struct {
		do            commission.RulingKind
		days          float64
		pending, owed int64
	}{{commission.Hold, 40, 1000, 0}, {commission.Release, 0, 0, 1000}, {commission.Reverse, 0, 0, 0}, {commission.Approve, 0, 0, 1000}} {
		_, err := b.Rule(t.Context(), r.Conversion, commission.Ruling{Do: step.do, Author: "berta", Reason: affiliate.ReasonFraud})
		check(t, err)
		b.wait(step.days)
		if p, o := b.owns(ledger.Pending("shop", "anna")), b.owns(ledger.Owed("shop", "anna")); p != step.pending || o != step.owed {
			t.Errorf("after %s and %v days: pending %d, owed %d", step.do, step.days, p, o)
		}
		b.wait(0.0001)
	}
	once := commission.Ruling{ID: "r1", Do: commission.Reverse, Author: "berta", Reason: affiliate.ReasonFraud, Amount: euros(5000)}
	for range 2 { // the second time nothing happens
		c, err := b.Rule(t.Context(), r.Conversion, once)
		check(t, err)
		if o := b.owns(ledger.Owed("shop", "anna")); o != 500 || strings.Count(string(c.Rulings), `"id"`) != 5 {
			t.Errorf("owed %d after %s", o, c.Rulings)
		}
		b.wait(0.0001)
	}
	once.Author = "carl"
	if _, err := b.Rule(t.Context(), r.Conversion, once); affiliate.CodeOf(err) != affiliate.Conflict {
		t.Errorf("another decision of the same id: %v", err)
	}
	if _, err := b.Rule(t.Context(), "nothing", commission.Ruling{Do: commission.Hold, Author: "berta"}); err == nil {
		t.Error("a conversion that is not there was held")
	}
}

func TestBadReportsAreRefused(t *testing.T) {
	b := newBench(t, shop(nil))
	for name, r := range map[string]affiliate.Report{
		"a program that is not there": {Program: "nobody", Tx: "o", Amount: euros(1)},
		"no exchange rate":            {Program: "shop", Tx: "o", Amount: &affiliate.Money{Minor: 100, Currency: "USD"}},
	} {
		r.Status = affiliate.ReportPending
		if receipt, err := b.Take(t.Context(), r); err == nil {
			t.Errorf("%s: %+v", name, receipt)
		}
	}
	check(t, b.store.View(t.Context(), func(r store.Reader) error {
		found, err := r.Books().FindConversions(store.ConversionQuery{Limit: 10})
		if len(found) > 0 {
			t.Errorf("something was kept: %+v", found)
		}
		return err
	}))
}

// What a payout pays becomes paid, by the clock's next turn; a payout that comes back makes
// it approved again, and the next one pays it.
func TestPayoutsMakePaid(t *testing.T) {
	b := newBench(t, shop(nil))
	states := func(want ...affiliate.State) {
		t.Helper()
		_, err := b.RunDue(t.Context())
		check(t, err)
		all, err := b.Conversions(t.Context(), ConversionQuery{Program: "shop", Limit: 10})
		check(t, err)
		slices.SortFunc(all, func(x, y Conversion) int { return strings.Compare(x.Tx, y.Tx) })
		var have []affiliate.State
		for i := range all {
			have = append(have, all[i].State)
		}
		if !slices.Equal(have, want) {
			t.Fatalf("the conversions are %v, want %v", have, want)
		}
	}
	pay := func(want int64) string {
		t.Helper()
		drafts, err := b.RunPayouts(t.Context(), "shop", "berta")
		check(t, err)
		if len(drafts) != 1 || drafts[0].Amount != *euros(want) {
			t.Fatalf("the drafts are %+v, want one of %d", drafts, want)
		}
		_, err = b.ApprovePayout(t.Context(), drafts[0].ID, "carl")
		check(t, err)
		_, err = b.SendPayout(t.Context(), drafts[0].ID, "carl")
		check(t, err)
		return drafts[0].ID
	}
	order := func(tx string, minor int64) {
		t.Helper()
		b.take(affiliate.Report{Tx: tx, ClickID: b.click(1, "anna").String(), Amount: euros(minor)})
	}
	order("a", 50_000)
	order("b", 70_000)
	b.wait(40)
	states(affiliate.Approved, affiliate.Approved)
	first := pay(12_000)
	order("c", 90_000)
	states(affiliate.Paid, affiliate.Paid, affiliate.Pending)
	b.take(affiliate.Report{Tx: "b", Status: affiliate.ReportReversed})
	states(affiliate.Paid, affiliate.Reversed, affiliate.Pending)
	b.wait(40)
	pay(2_000) // 90.00 less the 70.00 that were paid for b
	states(affiliate.Paid, affiliate.Reversed, affiliate.Paid)
	_, err := b.UndoPayout(t.Context(), first, "berta", "the bank sent it back")
	check(t, err)
	states(affiliate.Approved, affiliate.Reversed, affiliate.Paid)
	pay(12_000)
	states(affiliate.Paid, affiliate.Reversed, affiliate.Paid)
	check(t, b.store.View(t.Context(), func(r store.Reader) error {
		left, err := r.Documents().List(store.PayoutNews, "")
		if len(left) > 0 {
			t.Errorf("%d payouts are still to be told", len(left))
		}
		return err
	}))
}
