package commission

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// The order of the examples is placed on 1 March 2026 at noon.
var placed = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

func eur(minor int64) *affiliate.Money { return &affiliate.Money{Minor: minor, Currency: "EUR"} }

func pays(rates ...affiliate.Rate) *affiliate.Settlement {
	return &affiliate.Settlement{Currency: "EUR", Terms: []affiliate.CommissionTerms{{From: placed.Add(-days(365)), Rates: rates, HoldDays: 30}}}
}

func tenPercent() *affiliate.Settlement { return pays(affiliate.Rate{Percent: 100_000}) }

func report(id string, status affiliate.ReportStatus, amount *affiliate.Money, after time.Duration) affiliate.Report {
	at := placed.Add(after)
	return affiliate.Report{ID: id, Program: "shop", Tx: "T1", Status: status, Amount: amount, At: at, Taken: at, Source: affiliate.ByPostback}
}

func touch(id, partner string, before time.Duration) affiliate.PathTouch {
	return affiliate.PathTouch{ClickID: id, Partner: partner, At: placed.Add(-before)}
}

// facts are an order of 100.00 EUR, pending, one hour after anna's click, settled a minute later.
func facts() *Facts {
	return &Facts{
		Settlement: tenPercent(), Side: affiliate.Pays,
		Reports: []affiliate.Report{report("r1", affiliate.ReportPending, eur(10_000), 0)},
		Path:    []affiliate.PathTouch{touch("c1", "anna", time.Hour)},
		Now:     placed.Add(time.Minute),
	}
}

// example is one row: what differs from facts, and what should come out.
type example struct {
	name   string
	change func(*Facts)
	state  affiliate.State
	order  int64
	shares map[string]int64 // by click id, "" a coupon
}

func check(t *testing.T, examples []example) {
	t.Helper()
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			f := facts()
			e.change(f)
			out := Settle(f)
			got := map[string]int64{}
			for _, s := range out.Shares {
				got[s.ClickID] = s.Amount.Minor
			}
			want := e.shares
			if want == nil {
				want = map[string]int64{}
			}
			if out.State != e.state || out.Order != *eur(e.order) || !cmp.Equal(got, want) {
				t.Errorf("%s, order %s, shares %v; want %s, %s, %v\n%s", out.State, out.Order, got, e.state, eur(e.order), want, story(out))
			}
		})
	}
}

func story(out Outcome) string {
	s := ""
	for _, step := range out.Steps {
		s += step.Rule + ": " + step.Text + "\n"
	}
	return s
}
