package commission

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// earnings are what the whole order earns by the terms of one touch.
type earnings struct {
	terms  *affiliate.CommissionTerms // nil: none were in force
	from   time.Time
	rate   int // -1: none
	amount int64
}

// tariff names what touches must share to earn the same.
type tariff struct {
	partner string
	terms   *affiliate.CommissionTerms
}

// price says for each credit what the whole order would earn, were all of it the
// credit's. Credits of one partner and version are priced, and explained, once.
func price(f *Facts, o *order, credits []credit, x *explanation) []earnings {
	known := map[tariff]earnings{}
	priced := make([]earnings, len(credits))
	for i, c := range credits {
		terms, owner := f.termsAt(c.partner, c.at)
		key := tariff{c.partner, terms}
		e, ok := known[key]
		if !ok {
			e = earnings{terms: terms, rate: -1}
			if terms == nil {
				x.say("terms", "%s: no terms were in force at %s", c, moment(c.at))
			} else {
				e.from = terms.From
				x.say("terms", "%s at %s: the terms of %s %s", c, moment(c.at), owner, since(terms.From))
			}
			f.earn(o, c, &e, x)
			known[key] = e
		}
		priced[i] = e
	}
	return priced
}

// String names a credit in the explanation.
func (c credit) String() string {
	what := "click " + c.clickID
	if c.clickID == "" {
		what = "the coupon"
	}
	if c.partner == "" {
		return what + ", without a partner"
	}
	return what + " of " + c.partner
}

// termsAt is the version in force at a moment, the partner's own before the program's, and
// whose it is.
func (f *Facts) termsAt(partner string, at time.Time) (*affiliate.CommissionTerms, string) {
	if partner != "" {
		if own := inForce(f.PartnerTerms[partner], at); own != nil {
			return own, partner
		}
	}
	return inForce(f.Settlement.Terms, at), "the program"
}

func inForce(versions []affiliate.CommissionTerms, at time.Time) *affiliate.CommissionTerms {
	var found *affiliate.CommissionTerms
	for i := range versions {
		v := &versions[i]
		if !v.From.After(at) && (found == nil || !v.From.Before(found.From)) {
			found = v
		}
	}
	return found
}

// earn finds the commission of the whole order by one version.
func (f *Facts) earn(o *order, c credit, e *earnings, x *explanation) {
	currency := f.Settlement.Currency
	if f.Side != affiliate.Pays && o.payout != nil {
		e.amount = o.remains(*o.payout)
		x.say("commission", "the sender tells a commission of %s; for %s it is %s", money(*o.payout, currency), o.left, money(e.amount, currency))
		return
	}
	if e.terms == nil {
		x.say("commission", "without terms it is %s", money(0, currency))
		return
	}
	customer := f.customer(o)
	for i := range e.terms.Rates {
		if r := &e.terms.Rates[i]; fits(r, o, customer) {
			e.rate = i
			e.amount = f.rate(o, c.partner, i, r, x)
			return
		}
	}
	x.say("rate", "no rate fits event %q, category %q, customer %q: the commission is %s", o.told.event, o.told.category, customer, money(0, currency))
}

// customer is what the sender says, or else what the customer's earlier orders say. Of a
// customer whom nobody names nothing is known.
func (f *Facts) customer(o *order) affiliate.Customer {
	switch {
	case o.told.customer != affiliate.AnyCustomer:
		return o.told.customer
	case f.OrdersBefore > 0:
		return affiliate.ReturningCustomer
	case o.told.customerID != "":
		return affiliate.NewCustomer
	}
	return affiliate.AnyCustomer
}

func fits(r *affiliate.Rate, o *order, customer affiliate.Customer) bool {
	return (r.Event == "" || r.Event == o.told.event) &&
		(r.Category == "" || r.Category == o.told.category) &&
		(r.Customer == affiliate.AnyCustomer || r.Customer == customer)
}

// rate applies one rate: percentage of what is left of the order, the fixed amount in the same
// proportion, then the cap.
func (f *Facts) rate(o *order, partner string, index int, r *affiliate.Rate, x *explanation) int64 {
	currency := f.Settlement.Currency
	if r.Orders > 0 && f.OrdersBefore >= r.Orders {
		x.say("rate", "rate %d%s pays the first %d orders of a customer, and this is order %d: the commission is %s",
			index, conditions(r), r.Orders, f.OrdersBefore+1, money(0, currency))
		return 0
	}
	share, fixed := r.Percent, r.Fixed
	if t := reached(r.Tiers, f.Volume[partner]); t != nil {
		share, fixed = t.Percent, t.Fixed
		x.say("tier", "%s of the month before this order reach the tier from %s", money(f.Volume[partner], currency), money(t.From, currency))
	}
	part, extra := usable(share.Of(o.left).Minor), o.remains(usable(fixed))
	amount := plus(part, extra)
	x.say("rate", "rate %d%s: %s of %s is %s, fixed %s: %s", index, conditions(r),
		percent(share), o.left, money(part, currency), money(extra, currency), money(amount, currency))
	if r.Cap > 0 && amount > r.Cap {
		amount = r.Cap
		x.say("cap", "one conversion earns at most %s", money(amount, currency))
	}
	return amount
}

// reached is the highest tier from which the volume is.
func reached(tiers []affiliate.Tier, volume int64) *affiliate.Tier {
	var found *affiliate.Tier
	for i := range tiers {
		if t := &tiers[i]; t.From <= volume && (found == nil || t.From >= found.From) {
			found = t
		}
	}
	return found
}

func conditions(r *affiliate.Rate) string {
	var all []string
	for _, c := range [][2]string{{"event", r.Event}, {"category", r.Category}, {"customer", string(r.Customer)}} {
		if c[1] != "" {
			all = append(all, fmt.Sprintf("%s %q", c[0], c[1]))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, ", ") + ")"
}
