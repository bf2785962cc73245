package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// shop is a program, with all that the simulation knows of it.
type shop struct {
	affiliate.Program
	index    int
	partners []affiliate.Partner
	stories  map[string]*story
	names    []string // of stories, in their order
	history  bool     // its terms look at the past
	adjusted map[string]int64
	payouts  map[string]ledger.Payout
}

var currencies = []affiliate.Currency{"EUR", "JPY", "KWD"}

// newShop makes a program; side, model, mode and currency take turns, so that a few worlds
// have met them all together.
func (w *world) newShop(ctx context.Context, index int) (*shop, error) {
	n := int(w.options.Seed)*w.options.Shops + index
	s := &shop{index: index, stories: map[string]*story{}, adjusted: map[string]int64{}, payouts: map[string]ledger.Payout{}}
	s.history = w.chance(20)
	c := currencies[n%3]
	s.Program = affiliate.Program{ID: fmt.Sprintf("shop%d", index), Side: []affiliate.Side{affiliate.Pays, affiliate.Earns}[n/2%2], Settlement: &affiliate.Settlement{
		Currency: c, Duplicates: affiliate.DuplicateModes[n%6], MinimumPayout: pick[int64](w, 0, 2000, 10_000), Confirm: w.chance(50),
		Attribution: affiliate.Attribution{Model: affiliate.Models[n%5], WindowDays: pick(w, 7, 30, 60), HalfLifeDays: pick(w, 3, 7), CouponFirst: w.chance(30)},
		Terms:       []affiliate.CommissionTerms{w.newTerms(s, time.Time{})},
	}}
	s.Normalize()
	if err := s.Validate(); err != nil {
		return nil, err
	}
	for i, code := range []string{"anna", "ben", "cleo"} {
		p := affiliate.Partner{Program: s.ID, Code: code, Coupons: []string{[]string{"ANNA10", "BEN10", "CLEO10"}[i]}}
		p.Normalize()
		if err := p.Validate(); err != nil {
			return nil, err
		}
		s.partners = append(s.partners, p)
		if err := w.put(ctx, store.Partner, s.ID+"/"+code, &p); err != nil {
			return nil, err
		}
	}
	return s, w.put(ctx, store.Program, s.ID, &s.Program)
}

// newTerms draws a version.
func (w *world) newTerms(s *shop, from time.Time) affiliate.CommissionTerms {
	t := affiliate.CommissionTerms{From: from, HoldDays: pick(w, 0, 14, 30, 60), Manual: w.chance(10)}
	if w.chance(30) {
		t.LockDay = 1 + w.dice.IntN(28)
	}
	if w.chance(30) {
		t.Rates = append(t.Rates, affiliate.Rate{Category: "books", Percent: w.percent()})
	}
	if w.chance(20) {
		t.Rates = append(t.Rates, affiliate.Rate{Customer: affiliate.NewCustomer, Percent: w.percent(), Fixed: 150})
	}
	if w.chance(20) {
		t.Rates = append(t.Rates, affiliate.Rate{Event: "lead", Fixed: 333})
	}
	if w.chance(95) {
		r := affiliate.Rate{Percent: w.percent(), Fixed: pick[int64](w, 0, 0, 0, 77), Cap: pick[int64](w, 0, 0, 0, 900)}
		if s.history {
			r.Tiers = []affiliate.Tier{{From: 30_000, Percent: w.percent()}, {From: 100_000, Percent: w.percent(), Fixed: 5}}
			r.Orders = pick(w, 0, 2)
		}
		t.Rates = append(t.Rates, r)
	}
	return t
}

// percent is a percentage, half of the time one that rounds to halves of a cent.
func (w *world) percent() affiliate.Percentage {
	if w.chance(50) {
		return pick[affiliate.Percentage](w, 50_000, 75_000, 100_000, 150_000)
	}
	return affiliate.Percentage(200 + w.dice.IntN(250_000))
}

// changeTerms adds a version from now on, to the program or to a partner.
func (w *world) changeTerms(ctx context.Context, s *shop) error {
	from := w.now.Truncate(time.Second).Add(time.Second + w.upTo(72*time.Hour).Truncate(time.Second))
	if w.chance(30) {
		p := &s.partners[w.dice.IntN(len(s.partners))]
		next := *p
		next.Terms = append(slices.Clone(p.Terms), w.newTerms(s, from))
		next.Normalize()
		if next.Validate() != nil || p.CanBecome(&next, w.now) != nil {
			return nil // two at one moment
		}
		*p = next
		return w.put(ctx, store.Partner, s.ID+"/"+p.Code, p)
	}
	next := s.Program
	own := *s.Settlement
	next.Settlement = &own
	own.Terms = append(slices.Clone(own.Terms), w.newTerms(s, from))
	next.Normalize()
	if next.Validate() != nil || s.Settlement.CanBecome(next.Settlement, w.now) != nil {
		return nil
	}
	s.Program = next
	return w.put(ctx, store.Program, s.ID, &s.Program)
}

// importRates brings the dollar's rates of a week.
func (w *world) importRates(ctx context.Context) error {
	for _, to := range currencies {
		units := map[affiliate.Currency]int64{"EUR": 92, "JPY": 15_000, "KWD": 31}[to]
		rate := affiliate.FXRate{From: "USD", To: to, Date: w.now.Format(time.DateOnly), Source: "ecb",
			Ratio: affiliate.Ratio{Numerator: units*1000 + w.dice.Int64N(units*100), Denominator: 100_000}}
		if err := w.put(ctx, store.Rate, "USD/"+string(to)+"/"+rate.Date, &rate); err != nil {
			return err
		}
		if w.chance(50) {
			w.on(w.now.Add(2*24*time.Hour), "late rate", func(ctx context.Context) error {
				rate.Numerator += units
				return w.put(ctx, store.Rate, "USD/"+string(to)+"/"+rate.Date, &rate)
			})
		}
	}
	return nil
}
