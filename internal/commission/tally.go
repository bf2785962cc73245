package commission

import (
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// tally adds up reports of one order.
type tally struct {
	currency affiliate.Currency
	opened   []affiliate.Report // all but reversals, by time
	amount   *affiliate.Money
	payout   *affiliate.Money
	approved time.Time // since when, without a word to the contrary; zero: not
	taken    int64     // by reversals in part
	all      bool      // reversed in full
	repeated bool      // an earlier report opened an order of this transaction
	flagged  bool      // an amount cannot be used
}

// readAll makes one order of all reports, which are sorted by time.
func (t *tally) readAll(mode affiliate.DuplicateMode, sorted []affiliate.Report) {
	for i := range sorted {
		r := &sorted[i]
		if r.Status == affiliate.ReportReversed {
			t.reverse(r)
			continue
		}
		t.opened = append(t.opened, *r)
		switch mode {
		case affiliate.Overwrite:
			t.overwrite(r)
		case affiliate.AddUp:
			t.amount, t.payout = sum(t.amount, t.use(r.Amount)), sum(t.payout, t.use(r.Payout))
		default:
			t.amount, t.payout = first(t.amount, t.use(r.Amount)), first(t.payout, t.use(r.Payout))
		}
		t.approve(r)
	}
}

// readOne makes an order of the report of that name, or else of the first that opens one.
// A reversal in full is about every order of the transaction; one in part takes from the
// last order first, then from those before it.
func (t *tally) readOne(name string, sorted []affiliate.Report) {
	opens := func(r affiliate.Report) bool { return r.Status != affiliate.ReportReversed }
	at := slices.IndexFunc(sorted, func(r affiliate.Report) bool { return opens(r) && r.ID == name })
	if at < 0 {
		at = slices.IndexFunc(sorted, opens)
	}
	later := int64(0)
	for i := range sorted {
		r := &sorted[i]
		switch {
		case !opens(*r):
			t.reverse(r)
		case i < at:
			t.repeated = true
		case i > at:
			if r.Amount != nil && r.Amount.Currency == t.currency {
				later = plus(later, usable(r.Amount.Minor))
			}
		default:
			t.opened = []affiliate.Report{*r}
			t.amount, t.payout = t.use(r.Amount), t.use(r.Payout)
			t.approve(r)
		}
	}
	t.taken = max(t.taken-later, 0)
}

// reverse counts a reversal. An amount of zero is none: senders who reject an order write
// what is left of it.
func (t *tally) reverse(r *affiliate.Report) {
	if minor(r.Amount) == 0 {
		t.all = true
		return
	}
	if r.Amount.Currency != t.currency {
		t.flagged = true
		return
	}
	t.taken = plus(t.taken, magnitude(r.Amount.Minor))
}

// overwrite forgets what earlier reports said of status and amount. A commission that was told
// with the earlier amount goes with it.
func (t *tally) overwrite(r *affiliate.Report) {
	if r.Amount != nil || r.Payout != nil {
		if r.Amount != nil {
			t.amount = t.use(r.Amount)
		}
		t.payout = t.use(r.Payout)
	}
	t.taken, t.all = 0, false
	if r.Status == affiliate.ReportPending {
		t.approved = time.Time{}
	}
}

// approve notes the first report that says so, by the time at which it could be acted upon.
func (t *tally) approve(r *affiliate.Report) {
	if r.Status != affiliate.ReportApproved && r.Status != affiliate.ReportPaid {
		return
	}
	at := r.At
	if r.Taken.After(at) {
		at = r.Taken
	}
	if t.approved.IsZero() || at.Before(t.approved) {
		t.approved = at
	}
}

// use is an amount as it counts: never negative, never beyond amountMax, and only in the
// program's currency.
func (t *tally) use(m *affiliate.Money) *affiliate.Money {
	if m == nil {
		return nil
	}
	if m.Currency != t.currency {
		t.flagged = true
		return nil
	}
	return &affiliate.Money{Minor: usable(m.Minor), Currency: t.currency}
}

func usable(n int64) int64 { return min(max(n, 0), amountMax) }

func first(have, next *affiliate.Money) *affiliate.Money {
	if have != nil {
		return have
	}
	return next
}

func sum(have, next *affiliate.Money) *affiliate.Money {
	if have == nil || next == nil {
		return first(have, next)
	}
	return &affiliate.Money{Minor: plus(have.Minor, next.Minor), Currency: have.Currency}
}
