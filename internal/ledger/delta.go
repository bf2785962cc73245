package ledger

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Want is what a subject should have brought a partner by now; the partner "" is us.
type Want struct {
	Partner       string
	Pending, Owed affiliate.Money
}

// Delta returns the entries that bring what was posted for a subject to what it should
// be, balanced against the program's Cost, and why. They are in the order of account and
// currency; there are none, and no why, when nothing differs. Wants of one partner are
// added up, and a partner whom no want names should have nothing.
//
// have are the sums of the postings of this subject alone. A payout moves money under
// its own subject: Delta neither sees nor repeats it, so that taking back what was paid
// out leaves Owed below zero, for the next payout to net. Two things are our own fault and
// panic: have with an account that no Delta posts to, since to go on would undo a
// payout, and wants in more than one currency, since a conversion has one.
func Delta(program, subject string, have map[Account]affiliate.Money, want []Want) (why Why, entries []Entry) {
	before, after := map[cell]int64{}, map[cell]int64{}
	for account, m := range have {
		kind, of, _, ok := account.Parse()
		switch {
		case !ok || of != program || kind != KindPending && kind != KindOwed && kind != KindCost:
			panic(fmt.Sprintf("BUG: %s of the program %s is said to have entries on %q", subject, program, account))
		case kind != KindCost && m.Minor != 0:
			before[cell{account, m.Currency}] = m.Minor
		}
	}
	for _, w := range want {
		accumulate(after, cell{Pending(program, w.Partner), w.Pending.Currency}, w.Pending.Minor)
		accumulate(after, cell{Owed(program, w.Partner), w.Owed.Currency}, w.Owed.Minor)
	}
	oneCurrency(subject, after)
	changes := difference(after, before)
	why = reason(before, after, changes)
	for at, change := range changes {
		entries = append(entries, Entry{at.account, affiliate.Money{Minor: change, Currency: at.currency}})
	}
	for at, change := range counterparts(program, changes) {
		entries = append(entries, Entry{at.account, affiliate.Money{Minor: change, Currency: at.currency}})
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Amount.Currency, b.Amount.Currency))
	})
	return why, entries
}

// oneCurrency stops at what have could not tell: two currencies on one account.
func oneCurrency(subject string, after map[cell]int64) {
	var first affiliate.Currency
	for at := range after {
		if first != "" && at.currency != first {
			panic(fmt.Sprintf("BUG: %s should have brought both %s and %s", subject, first, at.currency))
		}
		first = at.currency
	}
}

func difference(after, before map[cell]int64) map[cell]int64 {
	changes := map[cell]int64{}
	for at, n := range after {
		accumulate(changes, at, n)
	}
	for at, n := range before {
		accumulate(changes, at, -n)
	}
	return changes
}

// counterparts are what the program's Cost takes, for each currency.
func counterparts(program string, changes map[cell]int64) map[cell]int64 {
	costs := map[cell]int64{}
	for at, change := range changes {
		accumulate(costs, cell{Cost(program), at.currency}, -change)
	}
	return costs
}

func reason(before, after, changes map[cell]int64) Why {
	switch {
	case len(changes) == 0:
		return ""
	case len(before) == 0:
		return Accrued
	case len(after) == 0:
		return Reversed
	case onlyApproves(changes):
		return Approved
	}
	return Changed
}

// onlyApproves says that each partner has as much more of Owed as less of Pending.
func onlyApproves(changes map[cell]int64) bool {
	for at := range changes {
		_, program, partner, _ := at.account.Parse()
		pending := changes[cell{Pending(program, partner), at.currency}]
		owed := changes[cell{Owed(program, partner), at.currency}]
		if owed <= 0 || pending != -owed {
			return false
		}
	}
	return true
}

// accumulate adds to a sum, which stops at what 64 bits hold, and drops it at zero. A
// sum that stopped is refused by Check: it has too many digits or leaves the posting
// unbalanced.
func accumulate(sums map[cell]int64, at cell, n int64) {
	sum := sums[at] + n
	switch have := sums[at]; {
	case n > 0 && sum < have:
		sum = math.MaxInt64
	case n < 0 && sum > have:
		sum = -math.MaxInt64
	}
	if sum == 0 {
		delete(sums, at)
		return
	}
	sums[at] = sum
}
