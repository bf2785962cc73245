package settlement

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
)

func TestParseRate(t *testing.T) {
	for _, c := range []struct {
		text     string
		n, d     int64
		complain string
	}{
		{"1.0567", 10567, 10000, ""},
		{"1.0500", 105, 100, ""},
		{"158", 158, 1, ""},
		{"100", 100, 1, ""},
		{"0.000012", 12, 1_000_000, ""},
		{"999999999999999", 999_999_999_999_999, 1, ""},
		{"1e3", 0, 0, "not a number"},
		{"-1", 0, 0, "not a number"},
		{"1,05", 0, 0, "not a number"},
		{"1.", 0, 0, "not a number"},
		{".5", 0, 0, "not a number"},
		{"", 0, 0, "not a number"},
		{"NaN", 0, 0, "not a number"},
		{"0.000", 0, 0, "not above 0"},
		{"1234567890.1234567", 0, 0, "more than 15 digits"},
		{"0.0000000000000001", 0, 0, "more than 15 digits"},
	} {
		got, err := ParseRate(c.text)
		if c.complain == "" && (err != nil || got.Numerator*c.d != got.Denominator*c.n) {
			t.Errorf("%q is %d/%d, %v; want %d/%d", c.text, got.Numerator, got.Denominator, err, c.n, c.d)
		}
		if c.complain != "" && (err == nil || !strings.Contains(err.Error(), c.complain)) {
			t.Errorf("%q: %v; want %q", c.text, err, c.complain)
		}
	}
}

func TestReadECB(t *testing.T) {
	history := "Date,USD,JPY,CYP,KWD,\n2026-02-27,1.0567,158.25,N/A,0.3245,\n2026-02-26,1.05,N/A,0.58,N/A,\n"
	rates, unknown, err := ReadECB(strings.NewReader(history))
	check(t, err)
	var got []string
	for _, r := range rates {
		got = append(got, string(r.From)+"/"+string(r.To)+" "+r.Date)
	}
	if want := []string{"EUR/USD 2026-02-27", "EUR/JPY 2026-02-27", "EUR/KWD 2026-02-27", "EUR/USD 2026-02-26"}; !slices.Equal(got, want) || !slices.Equal(unknown, []string{"CYP"}) {
		t.Errorf("rates %v, unknown %v", got, unknown)
	}
	daily := "Date, USD, JPY, \n27 February 2026, 1.0567, 158.25, \n"
	if rates, _, err = ReadECB(strings.NewReader(daily)); err != nil || len(rates) != 2 || rates[0].Date != "2026-02-27" || rates[0].Numerator != 10567 {
		t.Errorf("the daily file: %v, %v", rates, err)
	}
	for _, c := range []struct{ name, file, want string }{
		{"empty", "", "line 1"},
		{"another file", "slug,url\na,b\n", "line 1"},
		{"a bad rate", "Date,USD\n2026-02-27,1.2.3\n", "line 2: USD"},
		{"a bad day", "Date,USD\nyesterday,1.2\n", `line 2: "yesterday"`},
		{"too many cells", "Date,USD\n2026-02-27,1.2,3,4\n", "line 2"},
	} {
		if _, _, err := ReadECB(strings.NewReader(c.file)); affiliate.CodeOf(err) != affiliate.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
}

// A rate serves both directions, exactly, and a report in another currency.
func TestRatesServeBothDirections(t *testing.T) {
	b := newBench(t, shop(nil))
	usd := affiliate.FXRate{Ratio: affiliate.Ratio{Numerator: 5, Denominator: 4}, From: "EUR", To: "USD", Date: "2026-02-27", Source: "ECB"}
	older := usd
	older.Date, older.Numerator = "2026-02-26", 6
	check(t, b.PutRates(t.Context(), []affiliate.FXRate{usd, older}))
	id := b.click(1, "anna")
	r := b.take(affiliate.Report{Tx: "usd", ClickID: id.String(), Amount: &affiliate.Money{Minor: 12_500, Currency: "USD"}})
	x, err := b.Explain(t.Context(), r.Conversion)
	check(t, err)
	if x.Conversion.Order != *euros(10_000) || x.Reports[0].Rate.Source != "ECB" {
		t.Errorf("125.00 USD became %s", x.Conversion.Order)
	}
	both, err := b.Rates(t.Context(), "USD", "EUR", 10)
	check(t, err)
	if len(both) != 2 || both[0].Date != "2026-02-27" || both[0].Numerator != 4 || both[0].Denominator != 5 {
		t.Errorf("back: %+v", both)
	}
	latest, err := b.Rates(t.Context(), "EUR", "", 10)
	check(t, err)
	if len(latest) != 1 || latest[0] != usd {
		t.Errorf("the latest of EUR: %+v", latest)
	}
	bad := []affiliate.FXRate{usd, {From: "EUR", To: "ZZZ", Date: "2026-02-27"}, {From: "EUR", To: "EUR"}}
	err = b.PutRates(t.Context(), bad)
	if affiliate.CodeOf(err) != affiliate.Invalid || !strings.Contains(err.Error(), "items[1].to") || !strings.Contains(err.Error(), "items[2].to") {
		t.Errorf("bad rates: %v", err)
	}
}
