package sim

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
)

// expectation is what docs/settlement.md says of one order. It is written anew, with other
// means than the settlement where that is possible, so that a mistake has to be made twice
// to go unseen.
type expectation struct {
	known, gone, flagged bool
	at                   time.Time
	whole, left          int64
	payout               *int64 // as the sender told it
	event, category      string
	customer             affiliate.Customer
	merchant             time.Time // since when the sender approves; zero: not
	opened               []affiliate.Report
	credits              []credit
	lock                 time.Time // when the clock approves; zero: never
}

// credit is a touch, or the coupon, that has a part of the commission.
type credit struct {
	click, partner string
	weight         float64
	terms          *affiliate.CommissionTerms
	earned         int64 // of the whole order by these terms
}

// named are the orders of a transaction.
func named(mode affiliate.DuplicateMode, reports []affiliate.Report) (names []string) {
	for _, r := range reports {
		switch mode {
		case affiliate.AcceptNew, affiliate.AcceptFlagged:
			if r.Status != affiliate.ReportReversed {
				names = append(names, r.ID)
			}
		case affiliate.ByEvent:
			if !wholeTransaction(&r) {
				names = append(names, r.Event)
			}
		}
	}
	if len(names) == 0 {
		names = []string{""}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// wholeTransaction says that a report takes back every event.
func wholeTransaction(r *affiliate.Report) bool {
	return r.Status == affiliate.ReportReversed && r.Event == "" && (r.Amount == nil || r.Amount.Minor == 0)
}

// expect says what an order should be.
func (s *shop) expect(order string, reports []affiliate.Report, rulings []commission.Ruling, path []affiliate.PathTouch, coupon string) *expectation {
	mode := s.Settlement.Duplicates
	reports = slices.Clone(reports)
	slices.SortFunc(reports, func(a, b affiliate.Report) int {
		return cmp.Or(a.At.Compare(b.At), a.Taken.Compare(b.Taken), cmp.Compare(a.ID, b.ID))
	})
	x := &expectation{}
	if len(reports) > 0 {
		x.at = reports[0].At
	}
	if mode == affiliate.ByEvent {
		reports = slices.DeleteFunc(reports, func(r affiliate.Report) bool { return r.Event != order && !wholeTransaction(&r) })
	}
	taken, all := x.read(mode, order, reports)
	for _, r := range rulings {
		if r.Do == commission.Reverse && r.Amount != nil {
			taken += abs(r.Amount.Minor)
		}
	}
	if len(x.opened) == 0 {
		return x
	}
	x.known, x.at, x.left = true, x.opened[0].At, x.whole
	if taken > 0 {
		x.left = max(x.whole-taken, 0)
		x.gone = x.left == 0
	}
	if last := latest(rulings, commission.Approve, commission.Reverse); all || last != nil && last.Do == commission.Reverse {
		x.left, x.gone = 0, true
	}
	for _, r := range x.opened {
		x.event, x.category, x.customer = cmp.Or(x.event, r.Event), cmp.Or(x.category, r.Category), cmp.Or(x.customer, r.Customer)
	}
	s.attribute(x, path, coupon)
	for i := range x.credits {
		x.credits[i].earned = s.earned(x, x.credits[i].terms)
	}
	x.lock = x.locked()
	return x
}

// read finds the amount by the mode of duplicates, and what reversals take.
func (x *expectation) read(mode affiliate.DuplicateMode, order string, reports []affiliate.Report) (taken int64, all bool) {
	var amounts, payouts []int64
	later, met := int64(0), false
	for _, r := range reports {
		switch {
		case r.Status == affiliate.ReportReversed && (r.Amount == nil || r.Amount.Minor == 0):
			all = true
			continue
		case r.Status == affiliate.ReportReversed:
			taken += abs(r.Amount.Minor)
			continue
		case mode != affiliate.AcceptNew && mode != affiliate.AcceptFlagged:
		case r.ID == order:
			x.flagged, met = mode == affiliate.AcceptFlagged && met, true
		case len(x.opened) == 0:
			met = true
			continue
		default:
			if r.Amount != nil {
				later += r.Amount.Minor
			}
			continue
		}
		x.opened = append(x.opened, r)
		if mode == affiliate.Overwrite {
			taken, all = 0, false
			if r.Amount != nil || r.Payout != nil {
				payouts = nil
			}
			if r.Amount != nil {
				amounts = nil
			}
			if r.Status == affiliate.ReportPending {
				x.merchant = time.Time{}
			}
		}
		if r.Amount != nil {
			amounts = append(amounts, r.Amount.Minor)
		}
		if r.Payout != nil {
			payouts = append(payouts, r.Payout.Minor)
		}
		if r.Status == affiliate.ReportApproved || r.Status == affiliate.ReportPaid {
			at := latestOf(r.At, r.Taken)
			if x.merchant.IsZero() || at.Before(x.merchant) {
				x.merchant = at
			}
		}
	}
	x.whole, _ = told(mode, amounts)
	if payout, ok := told(mode, payouts); ok {
		x.payout = &payout
	}
	return max(taken-later, 0), all
}

// told is an amount as the mode takes it from several.
func told(mode affiliate.DuplicateMode, amounts []int64) (sum int64, ok bool) {
	if len(amounts) == 0 {
		return 0, false
	}
	if mode != affiliate.AddUp {
		return amounts[0], true
	}
	for _, n := range amounts {
		sum += n
	}
	return sum, true
}

// attribute says whose the order is.
func (s *shop) attribute(x *expectation, path []affiliate.PathTouch, coupon string) {
	rule := s.Settlement.Attribution
	last := x.at.Truncate(time.Second)
	path = slices.DeleteFunc(slices.Clone(path), func(t affiliate.PathTouch) bool {
		age := last.Sub(t.At.Truncate(time.Second))
		return age < 0 || age > time.Duration(rule.WindowDays)*day
	})
	slices.SortFunc(path, func(a, b affiliate.PathTouch) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ClickID, b.ClickID))
	})
	owner := ""
	for _, p := range s.partners {
		if slices.Contains(p.Coupons, affiliate.CanonicalCoupon(coupon)) {
			owner = p.Code
		}
	}
	if owner != "" && (rule.CouponFirst || len(path) == 0) {
		x.credits = []credit{{partner: owner, weight: 1, terms: s.termsAt(owner, x.at)}}
		return
	}
	for _, r := range x.opened {
		if at := slices.IndexFunc(path, func(t affiliate.PathTouch) bool { return r.ClickID != "" && t.ClickID == r.ClickID }); at >= 0 {
			path = path[:at+1]
			break
		}
	}
	n := len(path)
	for i, t := range path {
		c := credit{click: t.ClickID, partner: t.Partner, weight: weightOf(rule, i, n, last.Sub(t.At.Truncate(time.Second)))}
		if c.weight > 0 {
			c.terms = s.termsAt(t.Partner, t.At)
			x.credits = append(x.credits, c)
		}
	}
}

// weightOf is the part of touch i of n by the model, in proportion to the others'.
func weightOf(rule affiliate.Attribution, i, n int, age time.Duration) float64 {
	first, last := i == 0, i == n-1
	switch rule.Model {
	case affiliate.FirstClick:
		return one(first)
	case affiliate.Linear:
		return 1
	case affiliate.Decay:
		return math.Exp2(-age.Hours() / 24 / float64(rule.HalfLifeDays))
	case affiliate.PositionBased:
		switch {
		case n <= 2:
			return 1
		case first || last:
			return 0.4
		}
		return 0.2 / float64(n-2)
	}
	return one(last)
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// termsAt is the version at a click: the partner's own before the program's.
func (s *shop) termsAt(partner string, at time.Time) (found *affiliate.CommissionTerms) {
	lists := [][]affiliate.CommissionTerms{s.Settlement.Terms}
	for _, p := range s.partners {
		if p.Code == partner {
			lists = append([][]affiliate.CommissionTerms{p.Terms}, lists...)
		}
	}
	for _, versions := range lists {
		for i := range versions {
			if !versions[i].From.After(at) {
				found = &versions[i] // they are in the order of time
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// earned is the commission of what is left of the order.
func (s *shop) earned(x *expectation, terms *affiliate.CommissionTerms) int64 {
	if x.gone {
		return 0
	}
	if s.Side == affiliate.Earns && x.payout != nil {
		return x.part(*x.payout)
	}
	if terms == nil {
		return 0
	}
	for _, r := range terms.Rates {
		if r.Event != "" && r.Event != x.event || r.Category != "" && r.Category != x.category || r.Customer != "" && r.Customer != x.customer {
			continue
		}
		n := halfEven(big.NewRat(x.left*int64(r.Percent), int64(affiliate.Whole))) + x.part(r.Fixed)
		if r.Cap > 0 {
			n = min(n, r.Cap)
		}
		return n
	}
	return 0
}

// part is what is left of an amount that belongs to the whole order.
func (x *expectation) part(n int64) int64 {
	if x.left == x.whole {
		return n
	}
	return halfEven(big.NewRat(n*x.left, x.whole))
}

// halfEven rounds a number that is not negative.
func halfEven(r *big.Rat) int64 {
	twice := new(big.Rat).Add(new(big.Rat).Add(r, r), big.NewRat(1, 1))
	q, rest := new(big.Int).QuoRem(twice.Num(), new(big.Int).Mul(big.NewInt(2), twice.Denom()), new(big.Int))
	if rest.Sign() == 0 && q.Bit(0) == 1 {
		return q.Int64() - 1
	}
	return q.Int64()
}

// locked is when the clock approves.
func (x *expectation) locked() (lock time.Time) {
	for _, c := range x.credits {
		if c.terms == nil || c.terms.Manual {
			return time.Time{}
		}
		end := x.at.UTC().Add(time.Duration(c.terms.HoldDays) * day)
		if n := c.terms.LockDay; n > 0 {
			end = time.Date(end.Year(), end.Month()+1, n, 0, 0, 0, 0, time.UTC)
		}
		lock = latestOf(lock, end)
	}
	return lock
}

// latest is the last ruling of some kinds; a reversal in part is of none.
func latest(rulings []commission.Ruling, kinds ...commission.RulingKind) (found *commission.Ruling) {
	for i := range rulings {
		r := &rulings[i]
		if slices.Contains(kinds, r.Do) && (r.Do != commission.Reverse || r.Amount == nil) && (found == nil || !r.At.Before(found.At)) {
			found = r
		}
	}
	return found
}

func latestOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
