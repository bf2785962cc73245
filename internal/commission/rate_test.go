package commission

import (
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

func rates(rates ...affiliate.Rate) func(*Facts) {
	return func(f *Facts) { f.Settlement = pays(rates...) }
}

func all(changes ...func(*Facts)) func(*Facts) {
	return func(f *Facts) {
		for _, c := range changes {
			c(f)
		}
	}
}

func orderOf(event, category string, customer affiliate.Customer, amount int64) func(*Facts) {
	return func(f *Facts) {
		r := &f.Reports[0]
		r.Event, r.Category, r.Customer, r.Amount = event, category, customer, eur(amount)
	}
}

func TestRates(t *testing.T) {
	earn := func(n int64) map[string]int64 { return map[string]int64{"c1": n} }
	shop := rates(
		affiliate.Rate{Event: "sale", Category: "shoes", Percent: 120_000},
		affiliate.Rate{Event: "sale", Customer: affiliate.NewCustomer, Percent: 100_000},
		affiliate.Rate{Event: "sale", Percent: 50_000},
		affiliate.Rate{Event: "lead", Fixed: 250},
	)
	tiers := rates(affiliate.Rate{Percent: 50_000, Tiers: []affiliate.Tier{{From: 100_000, Percent: 70_000}, {From: 500_000, Percent: 90_000, Fixed: 100}}})
	volume := func(n int64) func(*Facts) {
		return func(f *Facts) { f.Volume = map[string]int64{"anna": n, "ben": 10_000_000} }
	}
	before := func(n int) func(*Facts) { return func(f *Facts) { f.OrdersBefore = n } }
	earns := func(payout *affiliate.Money) func(*Facts) {
		return func(f *Facts) { f.Side, f.Reports[0].Payout = affiliate.Earns, payout }
	}
	half := func(f *Facts) { f.Reports = append(f.Reports, report("r2", reversed, eur(5_000), days(1))) }
	check(t, []example{
		{"2.5 cents to even", all(rates(affiliate.Rate{Percent: 50_000}), orderOf("", "", "", 50)), affiliate.Pending, 50, earn(2)},
		{"3.5 cents to even", all(rates(affiliate.Rate{Percent: 50_000}), orderOf("", "", "", 70)), affiliate.Pending, 70, earn(4)},
		{"percentage and fixed", rates(affiliate.Rate{Percent: 75_000, Fixed: 100}), affiliate.Pending, 10_000, earn(850)},
		{"event and category", all(shop, orderOf("sale", "shoes", "new", 10_000)), affiliate.Pending, 10_000, earn(1_200)},
		{"a new customer", all(shop, orderOf("sale", "hats", "new", 10_000)), affiliate.Pending, 10_000, earn(1_000)},
		{"a known customer", all(shop, orderOf("sale", "hats", "returning", 10_000)), affiliate.Pending, 10_000, earn(500)},
		{"a customer nobody names", all(shop, orderOf("sale", "hats", "", 10_000)), affiliate.Pending, 10_000, earn(500)},
		{"new by the customer's id", all(shop, orderOf("sale", "hats", "", 10_000), func(f *Facts) { f.Reports[0].CustomerID = "h" }), affiliate.Pending, 10_000, earn(1_000)},
		{"a lead", all(shop, orderOf("lead", "", "", 0)), affiliate.Pending, 0, earn(250)},
		{"no rate fits", all(shop, orderOf("visit", "", "", 10_000)), affiliate.Pending, 10_000, nil},
		{"below the tiers", all(tiers, volume(99_999)), affiliate.Pending, 10_000, earn(500)},
		{"at a tier", all(tiers, volume(100_000)), affiliate.Pending, 10_000, earn(700)},
		{"above both", all(tiers, volume(900_000)), affiliate.Pending, 10_000, earn(1_000)},
		{"a cap", rates(affiliate.Rate{Percent: 100_000, Cap: 600}), affiliate.Pending, 10_000, earn(600)},
		{"a cap on what is left", all(rates(affiliate.Rate{Percent: 100_000, Cap: 600}), half), affiliate.Pending, 5_000, earn(500)},
		{"the third order of three", all(rates(affiliate.Rate{Percent: 100_000, Orders: 3}), before(2)), affiliate.Pending, 10_000, earn(1_000)},
		{"the fourth, though another rate fits", all(rates(affiliate.Rate{Percent: 100_000, Orders: 3}, affiliate.Rate{Percent: 10_000}), before(3)), affiliate.Pending, 10_000, nil},
		{"the network's own word", earns(eur(777)), affiliate.Pending, 10_000, earn(777)},
		{"and what is left of it", all(earns(eur(777)), half), affiliate.Pending, 5_000, earn(388)}, // 388.5
		{"a network that tells none", earns(nil), affiliate.Pending, 10_000, earn(1_000)},
		{"a payout told to a merchant", all(earns(eur(777)), func(f *Facts) { f.Side = affiliate.Pays }), affiliate.Pending, 10_000, earn(1_000)},
	})
}

func TestTermsInForce(t *testing.T) {
	noon := placed.Add(-days(1))
	versions := func(f *Facts) {
		f.Settlement.Terms = append(f.Settlement.Terms, affiliate.CommissionTerms{From: noon, Rates: []affiliate.Rate{{Percent: 50_000}}, HoldDays: 60})
	}
	clicked := func(before time.Duration) func(*Facts) {
		return func(f *Facts) { f.Path = []affiliate.PathTouch{touch("c1", "anna", before)} }
	}
	own := func(f *Facts) {
		f.PartnerTerms = map[string][]affiliate.CommissionTerms{"anna": {{From: noon, Rates: []affiliate.Rate{{Percent: 200_000}}, HoldDays: 1}}}
	}
	check(t, []example{
		{"before the change", all(versions, clicked(days(1)+time.Nanosecond)), affiliate.Pending, 10_000, map[string]int64{"c1": 1_000}},
		{"at the change", all(versions, clicked(days(1))), affiliate.Pending, 10_000, map[string]int64{"c1": 500}},
		{"the partner's own", all(versions, own, clicked(days(1))), affiliate.Pending, 10_000, map[string]int64{"c1": 2_000}},
		{"before the partner's own", all(versions, own, clicked(days(2))), affiliate.Pending, 10_000, map[string]int64{"c1": 1_000}},
		{"a coupon: at the order", all(versions, func(f *Facts) { f.Path, f.Coupon = nil, "ben" }), affiliate.Pending, 10_000, map[string]int64{"": 500}},
		{"before all", func(f *Facts) { f.Settlement.Terms[0].From = placed }, affiliate.Pending, 10_000, nil},
		// The whole order earns 10.00 by c1's terms, 5.00 by c2's: half of each.
		{"touches under two versions", all(versions, func(f *Facts) {
			f.Settlement.Attribution.Model = affiliate.Linear
			f.Path = []affiliate.PathTouch{touch("c1", "anna", days(2)), touch("c2", "ben", time.Hour)}
		}), affiliate.Pending, 10_000, map[string]int64{"c1": 500, "c2": 250}},
	})
	f := facts()
	versions(f)
	if s := Settle(f).Shares[0]; !s.Terms.Equal(noon) || s.Rate != 0 || s.Weight != 1 {
		t.Errorf("%+v, want terms from %s, rate 0", s, noon)
	}
}
