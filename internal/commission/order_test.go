package commission

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

const (
	pending  = affiliate.ReportPending
	approved = affiliate.ReportApproved
	reversed = affiliate.ReportReversed
)

// mode settles these reports in a mode of duplicates.
func mode(m affiliate.DuplicateMode, order string, reports ...affiliate.Report) func(*Facts) {
	return func(f *Facts) { f.Settlement.Duplicates, f.Order, f.Reports = m, order, reports }
}

func ofEventNamed(event string, r affiliate.Report) affiliate.Report {
	r.Event = event
	return r
}

func TestDuplicates(t *testing.T) {
	r100 := report("r1", pending, eur(10_000), 0)
	r60 := report("r2", pending, eur(6_000), time.Hour)
	approves := report("r2", approved, eur(6_000), time.Hour)
	again := r100
	again.ID, again.Taken = "r9", placed.Add(time.Hour)
	nonce := again
	nonce.Nonce = "n2"
	check(t, []example{
		{"reject: the first counts", mode("", "", r60, r100), affiliate.Pending, 10_000, map[string]int64{"c1": 1_000}},
		{"reject: first by its own time, not by arrival", func(f *Facts) {
			late := r100
			late.Taken = placed.Add(days(1))
			mode("", "", r60, late)(f)
		}, affiliate.Pending, 10_000, map[string]int64{"c1": 1_000}},
		{"reject: a status gets through", mode("", "", r100, approves), affiliate.Approved, 10_000, map[string]int64{"c1": 1_000}},
		{"reject: a status by an earlier report stays", mode("", "", report("r1", approved, eur(10_000), 0), r60), affiliate.Approved, 10_000, map[string]int64{"c1": 1_000}},
		{"reject: what the first leaves open, the next tells", mode("", "", report("r1", pending, nil, 0), r60), affiliate.Pending, 6_000, map[string]int64{"c1": 600}},
		{"overwrite: the latest amount", mode(affiliate.Overwrite, "", r100, r60), affiliate.Pending, 6_000, map[string]int64{"c1": 600}},
		{"overwrite: the latest status", mode(affiliate.Overwrite, "", report("r1", approved, eur(10_000), 0), r60), affiliate.Pending, 6_000, map[string]int64{"c1": 600}},
		{"overwrite: a later report takes a reversal back", mode(affiliate.Overwrite, "", r100, report("r2", reversed, nil, time.Hour), report("r3", pending, eur(5_000), days(1))), affiliate.Pending, 5_000, map[string]int64{"c1": 500}},
		{"overwrite: reversed at last", mode(affiliate.Overwrite, "", r60, report("r3", reversed, nil, days(1))), affiliate.Reversed, 0, nil},
		{"add", mode(affiliate.AddUp, "", r100, r60), affiliate.Pending, 16_000, map[string]int64{"c1": 1_600}},
		{"add: the same message twice", mode(affiliate.AddUp, "", r100, again), affiliate.Pending, 10_000, map[string]int64{"c1": 1_000}},
		{"add: the same with another nonce", mode(affiliate.AddUp, "", r100, nonce), affiliate.Pending, 20_000, map[string]int64{"c1": 2_000}},
		{"new: the first", mode(affiliate.AcceptNew, "", r60, r100), affiliate.Pending, 10_000, map[string]int64{"c1": 1_000}},
		{"new: the second", mode(affiliate.AcceptNew, "r2", r100, r60), affiliate.Pending, 6_000, map[string]int64{"c1": 600}},
		{"new: 70.00 back, 60.00 of it from the second", mode(affiliate.AcceptNew, "r2", r100, r60, report("r3", reversed, eur(7_000), days(1))), affiliate.Reversed, 0, nil},
		{"new: 70.00 back, 10.00 of it from the first", mode(affiliate.AcceptNew, "r1", r100, r60, report("r3", reversed, eur(7_000), days(1))), affiliate.Pending, 9_000, map[string]int64{"c1": 900}},
		{"flag: the repeat", mode(affiliate.AcceptFlagged, "r2", r100, approves), affiliate.Pending, 6_000, map[string]int64{"c1": 600}},
		{"by_event: sale", mode(affiliate.ByEvent, "sale", ofEventNamed("sale", r100), ofEventNamed("upsell", r60)), affiliate.Pending, 10_000, map[string]int64{"c1": 1_000}},
		{"by_event: upsell", mode(affiliate.ByEvent, "upsell", ofEventNamed("sale", r100), ofEventNamed("upsell", r60)), affiliate.Pending, 6_000, map[string]int64{"c1": 600}},
		{"by_event: one reversed", mode(affiliate.ByEvent, "sale", ofEventNamed("sale", r100), ofEventNamed("upsell", r60), ofEventNamed("upsell", report("r3", reversed, nil, days(1)))), affiliate.Pending, 10_000, map[string]int64{"c1": 1_000}},
		{"by_event: all reversed", mode(affiliate.ByEvent, "sale", ofEventNamed("sale", r100), ofEventNamed("upsell", r60), report("r3", reversed, nil, days(1))), affiliate.Reversed, 0, nil},
	})
}

func TestOrdersOfATransaction(t *testing.T) {
	r100, r60 := report("r1", pending, eur(10_000), time.Minute), report("r2", approved, eur(6_000), 0)
	back := report("r3", reversed, nil, time.Hour)
	for _, e := range []struct {
		name    string
		mode    affiliate.DuplicateMode
		reports []affiliate.Report
		want    []string
	}{
		{"none", affiliate.AcceptNew, nil, nil},
		{"reject", affiliate.RejectDuplicates, []affiliate.Report{r100, r60, back}, []string{""}},
		{"new, by time", affiliate.AcceptNew, []affiliate.Report{r100, r60, back}, []string{"r2", "r1"}},
		{"flag, a reversal alone", affiliate.AcceptFlagged, []affiliate.Report{back}, []string{""}},
		{"events", affiliate.ByEvent, []affiliate.Report{ofEventNamed("upsell", r100), ofEventNamed("sale", r60), back}, []string{"sale", "upsell"}},
	} {
		if got := Orders(e.mode, e.reports); !slices.Equal(got, e.want) {
			t.Errorf("%s: %q, want %q", e.name, got, e.want)
		}
	}
}

func TestReversals(t *testing.T) {
	fixed := func(f *Facts) { f.Settlement = pays(affiliate.Rate{Percent: 50_000, Fixed: 333}) }
	back := func(amounts ...*affiliate.Money) func(*Facts) {
		return func(f *Facts) {
			for i, a := range amounts {
				f.Reports = append(f.Reports, report(string(rune('s'+i)), reversed, a, days(i+1)))
			}
		}
	}
	both := func(a, b func(*Facts)) func(*Facts) { return func(f *Facts) { a(f); b(f) } }
	check(t, []example{
		{"in full", back(nil), affiliate.Reversed, 0, nil},
		{"of zero is in full", back(eur(0)), affiliate.Reversed, 0, nil},
		{"in part", back(eur(3_000)), affiliate.Pending, 7_000, map[string]int64{"c1": 700}},
		{"in part, written with a minus", back(eur(-3_000)), affiliate.Pending, 7_000, map[string]int64{"c1": 700}},
		{"the smallest number there is", back(eur(math.MinInt64)), affiliate.Reversed, 0, nil},
		{"in parts", back(eur(3_000), eur(2_500)), affiliate.Pending, 4_500, map[string]int64{"c1": 450}},
		{"in parts that are more than the order", back(eur(8_000), eur(8_000)), affiliate.Reversed, 0, nil},
		// 5 % of 50.00 is 2.50; 3.33 halved is 1.665, to even 1.66.
		{"fixed in proportion, half to even", both(fixed, back(eur(5_000))), affiliate.Pending, 5_000, map[string]int64{"c1": 250 + 166}},
		{"fixed is zero when all is back", both(fixed, back(eur(10_000))), affiliate.Reversed, 0, nil},
		{"of an order without amount", func(f *Facts) {
			fixed(f)
			f.Reports[0].Amount = nil
			back(eur(1))(f)
		}, affiliate.Reversed, 0, nil},
		{"before its order", func(f *Facts) { f.Reports = []affiliate.Report{report("r2", reversed, nil, 0)} }, affiliate.Unmatched, 0, nil},
		{"before its order, which came", func(f *Facts) { f.Reports = append(f.Reports, report("r0", reversed, nil, -time.Hour)) }, affiliate.Reversed, 0, nil},
		{"over an approval", both(back(nil), func(f *Facts) { f.Reports = append(f.Reports, report("z", approved, nil, days(9))) }), affiliate.Reversed, 0, nil},
		{"of an order that nobody led to", both(back(nil), func(f *Facts) { f.Path = nil }), affiliate.Reversed, 0, nil},
	})
}

func TestAmountInAnotherCurrencyIsHeld(t *testing.T) {
	f := facts()
	f.Reports[0].Amount = &affiliate.Money{Minor: 10_000, Currency: "USD"}
	f.Now = placed.Add(days(90))
	if out := Settle(f); !out.Flagged || !out.Held || out.State != affiliate.Pending || out.Commission.Minor != 0 {
		t.Errorf("%+v", out)
	}
}
