package settlement

import (
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// A reversal counts where its order did: it stays with its click, its partner, and what it was before.
func TestReversedStaysWithItsClick(t *testing.T) {
	b := newBench(t, shop(nil))
	id := b.click(1, "anna")
	b.wait(2)
	order := affiliate.Report{Program: "shop", Tx: "A-1", Status: affiliate.ReportPending, Amount: euros(10000), ClickID: id.String()}
	r := b.take(order)
	before, err := b.Conversion(t.Context(), r.Conversion)
	check(t, err)
	order.Status, order.Amount = affiliate.ReportReversed, nil
	b.take(order)
	after, err := b.Conversion(t.Context(), r.Conversion)
	check(t, err)
	if after.State != affiliate.Reversed || after.Order.Minor != 0 || after.Whole != 10000 || after.Partner != "anna" || after.ClickID != id.String() ||
		after.ClickAt.IsZero() || !after.ClickAt.Equal(before.ClickAt) || after.Link != before.Link {
		t.Errorf("after the reversal it is %+v", after)
	}
}

func TestPerClick(t *testing.T) {
	for _, c := range []struct {
		minor, clicks int64
		currency      affiliate.Currency
		want          string
	}{
		{1234, 7, "EUR", "1.762857"},
		{5, 1000, "EUR", "0.000050"},
		{1, 20000, "EUR", "0.000000"}, // half to even: down
		{3, 20000, "EUR", "0.000002"}, // half to even: up
		{-3, 20000, "EUR", "-0.000002"},
		{10, 3, "JPY", "3.3333"},
		{1, 3, "KWD", "0.0003333"},
		{affiliate.AmountMax, 1, "EUR", "9999999999999.990000"},
	} {
		if got, ok := perClick(c.minor, c.clicks, c.currency); !ok || got != c.want {
			t.Errorf("%d %s by %d clicks are %s, want %s", c.minor, c.currency, c.clicks, got, c.want)
		}
	}
	if _, ok := perClick(1, 0, "EUR"); ok {
		t.Error("there is something per no click")
	}
}

// The example of docs/settlement.md.
func TestFormulas(t *testing.T) {
	e := Earnings{Currency: "EUR", Clicks: 1000, Conversions: 30, Pending: 6, Approved: 20, Reversed: 4, Orders: 256000, Net: 25600, Settled: 19600,
		approvedOrders: 196000, decidedWhole: 240000}
	for name, c := range map[string]struct {
		ratio func() (Ppm, bool)
		want  Ppm
	}{"cr": {e.CR, 26_000}, "ar": {e.AR, 833_333}, "ar_value": {e.ARValue, 816_667}, "maturity": {e.Maturity, 800_000}, "reversal_rate": {e.ReversalRate, 133_333}} {
		if got, ok := c.ratio(); !ok || got != c.want {
			t.Errorf("%s is %d, want %d", name, got, c.want)
		}
	}
}
