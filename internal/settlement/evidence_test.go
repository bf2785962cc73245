package settlement

import (
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// save replaces the program of a bench.
func (b *bench) save(p affiliate.Program) {
	b.t.Helper()
	p.Normalize()
	check(b.t, p.Validate())
	check(b.t, b.store.Update(b.t.Context(), func(w store.Writer) error {
		return w.Documents().Put(store.Program, store.Document{Key: p.ID, Body: encode(p)})
	}))
}

// A program that changes its model and its mode changes no conversion that is there.
func TestConversionsKeepWhatTheProgramSaid(t *testing.T) {
	first := func(s *affiliate.Settlement) {
		s.Attribution.Model, s.Duplicates = affiliate.FirstClick, affiliate.AddUp
	}
	b := newBench(t, shop(first))
	anna := b.click(1, "anna")
	b.wait(1)
	b.click(1, "ben")
	b.wait(1)
	old := func(amount int64) affiliate.Report {
		return affiliate.Report{Tx: "old", ClickID: anna.String(), Amount: euros(amount), At: b.clock()}
	}
	b.take(old(10_000))
	if got := b.owns(ledger.Pending("shop", "anna")); got != 1000 {
		t.Fatalf("%d are pending for the first click", got)
	}
	b.save(shop(func(s *affiliate.Settlement) { s.Attribution.Model = affiliate.LastClick }))
	b.wait(0.1)
	b.take(old(5_000))
	if got := b.owns(ledger.Pending("shop", "anna")); got != 1500 {
		t.Errorf("after the change %d are pending; the order was to be added up, by the first click", got)
	}
}

// A click that does not count for its order decides nothing: the visitor's others are looked for, in the
// last-click model too.
func TestClickBehindItsOrder(t *testing.T) {
	b := newBench(t, shop(nil))
	b.click(1, "anna")
	b.wait(1)
	order := b.clock()
	b.wait(1)
	late := b.click(1, "ben")
	b.wait(0.01)
	if r := b.take(affiliate.Report{Tx: "o", ClickID: late.String(), Amount: euros(10_000), At: order}); r.State != affiliate.Pending {
		t.Errorf("the order of an hour before its click: %+v", r)
	}
	if anna, ben := b.owns(ledger.Pending("shop", "anna")), b.owns(ledger.Pending("shop", "ben")); anna != 1000 || ben != 0 {
		t.Errorf("%d are pending for the click before the order, %d for the one behind it", anna, ben)
	}
}

// A nonce tells two reports apart where each is an order by itself or adds to one, and
// nowhere else.
func TestNoncesTellReportsApart(t *testing.T) {
	for mode, apart := range map[affiliate.DuplicateMode]bool{affiliate.RejectDuplicates: false, affiliate.AcceptNew: true, affiliate.AcceptFlagged: false,
		affiliate.Overwrite: false, affiliate.AddUp: true, affiliate.ByEvent: false} {
		b := newBench(t, shop(func(s *affiliate.Settlement) { s.Duplicates = mode }))
		r := affiliate.Report{Tx: "o", ClickID: b.click(1, "anna").String(), Amount: euros(10_000), Nonce: "one"}
		b.take(r)
		r.Nonce = "two"
		if got := b.take(r); got.Duplicate == apart {
			t.Errorf("%s: the same with another nonce: %+v", mode, got)
		}
	}
}

// So little of an order that it is nothing in the program's currency takes back nothing,
// rather than all.
func TestReversalOfLessThanACent(t *testing.T) {
	b := newBench(t, shop(nil))
	check(t, b.PutRates(t.Context(), []affiliate.FXRate{{Ratio: affiliate.Ratio{Numerator: 1, Denominator: 20_000}, From: "IDR", To: "EUR", Date: begin.Format(time.DateOnly), Source: "test"}}))
	id := b.click(1, "anna")
	b.take(affiliate.Report{Tx: "o", ClickID: id.String(), Amount: euros(10_000)})
	_, err := b.Take(t.Context(), affiliate.Report{Program: "shop", Tx: "o", Status: affiliate.ReportReversed, Amount: &affiliate.Money{Minor: 5000, Currency: "IDR"}})
	if affiliate.CodeOf(err) != affiliate.Invalid || b.owns(ledger.Pending("shop", "anna")) != 1000 {
		t.Errorf("%v; %d are pending", err, b.owns(ledger.Pending("shop", "anna")))
	}
}

// Of two decisions at the same moment the one that was made later decides.
func TestRulingsOfOneMoment(t *testing.T) {
	b := newBench(t, shop(nil))
	r := b.take(affiliate.Report{Tx: "o", ClickID: b.click(1, "anna").String(), Amount: euros(10_000)})
	for n := range 10 {
		b.mu.Lock()
		b.random = 1000 - uint64(n) // so that ids do not grow by themselves
		b.mu.Unlock()
		do, want := commission.Approve, int64(1000)
		if n%2 == 1 {
			do, want = commission.Reverse, 0
		}
		_, err := b.Rule(t.Context(), r.Conversion, commission.Ruling{Do: do, Author: "berta"})
		check(t, err)
		if got := b.owns(ledger.Owed("shop", "anna")); got != want {
			t.Fatalf("after decision %d, %s, %d are owed", n, do, got)
		}
	}
}
