package commission

import (
	"cmp"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// The defaults of affiliate.Attribution.
const (
	windowDays   = 30
	halfLifeDays = 7
)

// credit is a touch, or a coupon, with its weight.
type credit struct {
	partner string
	clickID string    // "": a coupon
	at      time.Time // whose terms decide
	weight  uint32
}

// attribute says whose the order is: the touches that count, weighted by the program's
// model. There are none when neither a click nor a coupon belongs to the order.
func attribute(f *Facts, o *order, x *explanation) []credit {
	rule := f.Settlement.Attribution
	if rule.CouponFirst && f.Coupon != "" {
		x.say("identity", "the coupon is %s's, and coupons come first in this program", f.Coupon)
		return couponCredit(f, o)
	}
	if path := f.touches(o, x); len(path) > 0 {
		return weigh(path, o.at, rule, x)
	}
	if f.Coupon != "" {
		x.say("identity", "no click counts; the coupon is %s's", f.Coupon)
		return couponCredit(f, o)
	}
	return nil
}

// lead is the credit with the greatest weight.
func lead(credits []credit) (l Lead) {
	weight := uint32(0)
	for _, c := range credits {
		if c.weight > weight {
			l, weight = Lead{Partner: c.partner, ClickID: c.clickID}, c.weight
		}
	}
	return l
}

func couponCredit(f *Facts, o *order) []credit {
	return []credit{{partner: f.Coupon, at: o.at, weight: 1}}
}

// touches are the clicks that count, by time. An explicit click id says which click led to
// the order, so what the visitor touched after it is left out.
func (f *Facts) touches(o *order, x *explanation) []affiliate.PathTouch {
	path, days := f.window(o), cmp.Or(f.Settlement.Attribution.WindowDays, windowDays)
	x.say("window", "%d of %d known touches lie within the %d days before the order", len(path), len(f.Path), days)
	asked := ""
	for _, r := range o.reports {
		if r.ClickID == "" {
			continue
		}
		asked = cmp.Or(asked, r.ClickID)
		if i := slices.IndexFunc(path, func(t affiliate.PathTouch) bool { return t.ClickID == r.ClickID }); i >= 0 {
			x.say("identity", "the order names the click %s of %s", r.ClickID, moment(path[i].At))
			return path[:i+1]
		}
	}
	switch {
	case asked != "" && len(path) > 0:
		x.say("identity", "the order names the click %s, which is not known or not within the window; the visitor's other touches count", asked)
	case asked != "":
		x.say("identity", "the order names the click %s, which is not known or not within the window", asked)
	case len(path) > 0:
		x.say("identity", "the visitor's touches count; the order names no click")
	}
	return path
}

// window are the touches with order - window <= click <= order, by time. Times are
// compared in whole seconds: senders tell no more, and a click and its order within one
// second would else be in the wrong order half of the time.
func (f *Facts) window(o *order) []affiliate.PathTouch {
	last := o.at.UTC().Truncate(time.Second)
	begin := last.AddDate(0, 0, -cmp.Or(f.Settlement.Attribution.WindowDays, windowDays))
	sorted := slices.Clone(f.Path)
	slices.SortFunc(sorted, func(a, b affiliate.PathTouch) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ClickID, b.ClickID), cmp.Compare(a.Partner, b.Partner))
	})
	seen := make(map[string]bool, len(sorted))
	return slices.DeleteFunc(sorted, func(t affiliate.PathTouch) bool {
		at := t.At.UTC().Truncate(time.Second)
		repeated := seen[t.ClickID]
		seen[t.ClickID] = true
		return repeated || at.Before(begin) || at.After(last)
	})
}

// weigh applies the model to the touches, which are at least one.
func weigh(path []affiliate.PathTouch, order time.Time, rule affiliate.Attribution, x *explanation) []credit {
	model, n := cmp.Or(rule.Model, affiliate.LastClick), len(path)
	credits := make([]credit, n)
	for i, t := range path {
		credits[i] = credit{partner: t.Partner, clickID: t.ClickID, at: t.At}
	}
	switch model {
	case affiliate.FirstClick:
		credits = credits[:1]
		credits[0].weight = 1
	case affiliate.Linear:
		for i := range credits {
			credits[i].weight = 1
		}
	case affiliate.Decay:
		decay(credits, order, int64(cmp.Or(rule.HalfLifeDays, halfLifeDays)))
	case affiliate.PositionBased:
		position(credits)
	default:
		credits = credits[n-1:]
		credits[0].weight = 1
	}
	credits = slices.DeleteFunc(credits, func(c credit) bool { return c.weight == 0 })
	x.say("model", "%s: %d of %d touches are credited, from click %s to click %s", model, len(credits), n, credits[0].clickID, credits[len(credits)-1].clickID)
	return credits
}

// decay halves the weight with every half-life of age. Where all touches are too old to
// weigh anything, the last has all.
func decay(credits []credit, order time.Time, halfLifeDays int64) {
	const day = 24 * 60 * 60
	for i := range credits {
		age := max(order.Unix()-credits[i].at.Unix(), 0)
		credits[i].weight = decayWeight(age, halfLifeDays*day)
	}
	last := &credits[len(credits)-1]
	last.weight = max(last.weight, 1)
}

// position gives 40 % to the first, 40 % to the last and 20 % to those between, in equal
// parts; two have half each.
func position(credits []credit) {
	n := len(credits)
	for i := range credits {
		credits[i].weight = 1
	}
	if n > 2 {
		ends := uint32(2 * (n - 2))
		credits[0].weight, credits[n-1].weight = ends, ends
	}
}
