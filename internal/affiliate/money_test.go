package affiliate

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseAmount(t *testing.T) {
	for _, c := range []struct {
		text     string
		currency Currency
		minor    int64
		decimal  string
	}{
		{"12.34", "EUR", 1234, "12.34"},
		{"12.340", "EUR", 1234, "12.34"},
		{"12.34000000", "EUR", 1234, "12.34"},
		{"12", "EUR", 1200, "12.00"},
		{"12.3", "EUR", 1230, "12.30"},
		{"0", "EUR", 0, "0.00"},
		{"0.00", "EUR", 0, "0.00"},
		{"0.01", "EUR", 1, "0.01"},
		{"0007.50", "EUR", 750, "7.50"},
		{"1234", "JPY", 1234, "1234"},
		{"1234.00", "JPY", 1234, "1234"},
		{"1.234", "KWD", 1234, "1.234"},
		{"1.2", "KWD", 1200, "1.200"},
		{"0.001", "KWD", 1, "0.001"},
		{"9999999999999.99", "EUR", AmountMax, "9999999999999.99"},
		{"999999999999999", "JPY", AmountMax, "999999999999999"},
		{"999999999999.999", "KWD", AmountMax, "999999999999.999"},
	} {
		m, err := ParseAmount(c.text, c.currency)
		if err != nil || m != (Money{c.minor, c.currency}) || m.Decimal() != c.decimal {
			t.Errorf("%q %s is %s: %v", c.text, c.currency, m, err)
		}
	}
}

func TestParseAmountRefuses(t *testing.T) {
	const notANumber = "is not a number"
	for _, c := range []struct {
		text     string
		currency Currency
		says     string
	}{
		{"", "EUR", notANumber},
		{".", "EUR", notANumber},
		{".5", "EUR", notANumber},
		{"5.", "EUR", notANumber},
		{"-1", "EUR", notANumber},
		{"+1", "EUR", notANumber},
		{"-0.00", "EUR", notANumber},
		{"NaN", "EUR", notANumber},
		{"Inf", "EUR", notANumber},
		{"1e5", "EUR", notANumber},
		{"0x10", "EUR", notANumber},
		{"1_000", "EUR", notANumber},
		{"1,000.00", "EUR", notANumber},
		{"1 000", "EUR", notANumber},
		{"1.000,00", "EUR", notANumber},
		{"12,34", "EUR", notANumber},
		{"1.2.3", "EUR", notANumber},
		{" 1", "EUR", notANumber},
		{"1\n", "EUR", notANumber},
		{"1\x00", "EUR", notANumber},
		{"€1", "EUR", notANumber},
		{"{amount}", "EUR", notANumber},
		{"١٢", "EUR", notANumber},
		{"१२.३४", "EUR", notANumber},
		{"1２", "EUR", notANumber},
		{"\xff", "EUR", notANumber},
		{"12.345", "EUR", "more digits behind the point than EUR, which has 2"},
		{"12.3400001", "EUR", "more digits behind the point"},
		{"1.5", "JPY", "JPY, which has 0"},
		{"1.2345", "KWD", "KWD, which has 3"},
		{"10000000000000.00", "EUR", "more than 15 digits"},
		{"1000000000000000", "JPY", "more than 15 digits"},
		{strings.Repeat("9", 40), "EUR", "more than 15 digits"},
		{strings.Repeat("9", 400), "EUR", "longer than 40"},
		{strings.Repeat("0", 400), "EUR", "longer than 40"},
		{"1." + strings.Repeat("0", 400), "EUR", "longer than 40"},
		{"1", "", "ISO 4217"},
		{"1", "eur", "ISO 4217"},
		{"1", "XTS", "ISO 4217"},
	} {
		m, err := ParseAmount(c.text, c.currency)
		if CodeOf(err) != Invalid || !strings.Contains(err.Error(), c.says) || m != (Money{}) {
			t.Errorf("%q %s is %s: %v", c.text, c.currency, m, err)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%q: the message has %d bytes", clip(c.text, 20), len(err.Error()))
		}
	}
}

func TestDecimal(t *testing.T) {
	for want, m := range map[string]Money{
		"-12.34 EUR": {-1234, "EUR"}, "-0.05 EUR": {-5, "EUR"}, "-1 JPY": {-1, "JPY"}, "-0.001 KWD": {-1, "KWD"},
		"-92233720368547758.08 EUR": {math.MinInt64, "EUR"}, "92233720368547758.07 EUR": {math.MaxInt64, "EUR"},
	} {
		if got := m.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestParseReadsWhatDecimalWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Money{rapid.Int64Range(0, AmountMax).Draw(t, "minor"), aCurrency(t)}
		if got, err := ParseAmount(m.Decimal(), m.Currency); err != nil || got != m {
			t.Fatalf("%s becomes %s: %v", m, got, err)
		}
	})
}

func aCurrency(t *rapid.T) Currency {
	return rapid.SampledFrom([]Currency{"EUR", "USD", "JPY", "KWD", "ISK", "TND"}).Draw(t, "currency")
}

func anAmount(t *rapid.T) Money {
	return Money{rapid.Int64Range(-AmountMax, AmountMax).Draw(t, "minor"), aCurrency(t)}
}

func TestParseCurrency(t *testing.T) {
	for text, want := range map[string]Currency{"EUR": "EUR", " eur ": "EUR", "jpy": "JPY", "Kwd": "KWD"} {
		if got, err := ParseCurrency(text); err != nil || got != want {
			t.Errorf("%q is %q: %v", text, got, err)
		}
	}
	for _, text := range []string{"", "EU", "EURO", "€", "XTS", "XAU", "UYI", "BGN", "uſd", "ЕUR", strings.Repeat("E", 1<<20)} {
		if got, err := ParseCurrency(text); CodeOf(err) != Invalid || got != "" || len(err.Error()) > 200 {
			t.Errorf("%q is %q: %v", clip(text, 20), got, err)
		}
	}
	for c, digits := range map[Currency]int{"EUR": 2, "JPY": 0, "KWD": 3, "CLP": 0, "HUF": 2, "TND": 3, "ISK": 0, "XTS": 0} {
		if c.Digits() != digits {
			t.Errorf("%s has %d digits", c, c.Digits())
		}
	}
	if len(currencyDigits) != 155 {
		t.Errorf("there are %d currencies", len(currencyDigits))
	}
}

func TestPercentageOf(t *testing.T) {
	for _, c := range []struct {
		percent Percentage
		of      int64
		want    int64
	}{
		{75_000, 100_00, 7_50},
		{50_000, 50, 2}, // 2.5
		{50_000, 70, 4}, // 3.5
		{50_000, -50, -2},
		{50_000, -70, -4},
		{50_000, 69, 3}, // 3.45
		{50_000, 71, 4}, // 3.55
		{0, 12_34, 0},
		{Whole, 12_34, 12_34},
		{Whole, AmountMax, AmountMax},
		{999_999, AmountMax, 999_998_999_999_999}, // less 999,999,999.999…
		{1, 500_000, 0},
		{1, 500_001, 1},
		{1, 1_500_000, 2},
		{-50_000, 70, -4},
	} {
		if got := c.percent.Of(Money{c.of, "EUR"}); got != (Money{c.want, "EUR"}) {
			t.Errorf("%d ppm of %d is %s, want %d", c.percent, c.of, got, c.want)
		}
	}
}

func TestPercentageIsWithinHalfAUnitAndHalfToEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anAmount(t)
		p := Percentage(rapid.OneOf(rapid.Int64Range(0, int64(Whole)), rapid.SampledFrom([]int64{500_000, 50_000, 125_000, 1})).Draw(t, "ppm"))
		exact := new(big.Rat).Mul(big.NewRat(m.Minor, 1), big.NewRat(int64(p), int64(Whole)))
		wantRounded(t, p.Of(m).Minor, exact)
	})
}

// wantRounded says that got is exact, rounded half to even.
func wantRounded(t *rapid.T, got int64, exact *big.Rat) {
	t.Helper()
	off := new(big.Rat).Sub(big.NewRat(got, 1), exact)
	switch off.Abs(off).Cmp(big.NewRat(1, 2)) {
	case 1:
		t.Fatalf("%d is more than half a unit from %s", got, exact.FloatString(6))
	case 0:
		if got%2 != 0 {
			t.Fatalf("%d is odd, and %s lies in the middle", got, exact.FloatString(6))
		}
	}
}

func TestConvert(t *testing.T) {
	for _, c := range []struct {
		from Money
		rate Ratio
		want Money
	}{
		{Money{100_00, "EUR"}, Ratio{108, 100}, Money{108_00, "USD"}},
		{Money{100_00, "EUR"}, Ratio{1605, 10}, Money{16_050, "JPY"}},
		{Money{16_050, "JPY"}, Ratio{10, 1605}, Money{100_00, "EUR"}},
		{Money{1_00, "EUR"}, Ratio{33, 100}, Money{330, "KWD"}},
		{Money{1_234, "KWD"}, Ratio{3, 1}, Money{370, "EUR"}}, // 3.702
		{Money{50, "JPY"}, Ratio{1, 10_000}, Money{0, "EUR"}}, // 0.5 cents
		{Money{150, "JPY"}, Ratio{1, 10_000}, Money{2, "EUR"}},
		{Money{-150, "JPY"}, Ratio{1, 10_000}, Money{-2, "EUR"}},
		{Money{-250, "JPY"}, Ratio{1, 10_000}, Money{-2, "EUR"}},
		{Money{-251, "JPY"}, Ratio{1, 10_000}, Money{-3, "EUR"}},
		{Money{AmountMax, "EUR"}, Ratio{1, 1}, Money{AmountMax, "USD"}},
		{Money{1, "EUR"}, Ratio{math.MaxInt64, math.MaxInt64}, Money{1, "USD"}},
	} {
		if got, err := c.from.Convert(c.rate, c.want.Currency); err != nil || got != c.want {
			t.Errorf("%s at %v is %s, want %s: %v", c.from, c.rate, got, c.want, err)
		}
	}
	for _, c := range []struct {
		from Money
		rate Ratio
		to   Currency
		says string
	}{
		{Money{1, "EUR"}, Ratio{1, 0}, "USD", "not above 0"},
		{Money{1, "EUR"}, Ratio{0, 1}, "USD", "not above 0"},
		{Money{1, "EUR"}, Ratio{-1, -1}, "USD", "not above 0"},
		{Money{1, "EUR"}, Ratio{}, "USD", "not above 0"},
		{Money{1, "EUR"}, Ratio{1, 1}, "", "cannot be converted"},
		{Money{1, ""}, Ratio{1, 1}, "EUR", "cannot be converted"},
		{Money{AmountMax, "EUR"}, Ratio{1_000_001, 1_000_000}, "USD", "more than 15 digits"},
		{Money{-AmountMax, "EUR"}, Ratio{math.MaxInt64, 1}, "KWD", "more than 15 digits"},
	} {
		if got, err := c.from.Convert(c.rate, c.to); CodeOf(err) != Invalid || !strings.Contains(err.Error(), c.says) || got != (Money{}) {
			t.Errorf("%s at %v into %q is %s: %v", c.from, c.rate, c.to, got, err)
		}
	}
}

// There is half a unit of rounding on the way, seen from where it came, and half a unit
// on the way back.
func TestConvertThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Money{rapid.Int64Range(-1e12, 1e12).Draw(t, "minor"), aCurrency(t)}
		rate := Ratio{rapid.Int64Range(1, 1e9).Draw(t, "numerator"), rapid.Int64Range(1, 1e9).Draw(t, "denominator")}
		to := rapid.SampledFrom([]Currency{"EUR", "JPY", "KWD"}).Draw(t, "to")
		there, err := m.Convert(rate, to)
		if err != nil {
			t.Skip("too much")
		}
		factor := new(big.Rat).SetFrac(power10(to.Digits()), power10(m.Currency.Digits()))
		factor.Mul(factor, big.NewRat(rate.Numerator, rate.Denominator)) // minor units of to for one of m
		wantRounded(t, there.Minor, new(big.Rat).Mul(big.NewRat(m.Minor, 1), factor))

		back, err := there.Convert(Ratio{rate.Denominator, rate.Numerator}, m.Currency)
		if err != nil {
			t.Skip("too much")
		}
		most := new(big.Rat).Inv(factor)
		if most.Cmp(big.NewRat(1, 1)) < 0 {
			most.SetInt64(1) // a unit of m is the finer one or as fine
		}
		if off := big.NewRat(max(back.Minor-m.Minor, m.Minor-back.Minor), 1); off.Cmp(most) > 0 {
			t.Fatalf("%s becomes %s becomes %s; at most %s off", m, there, back, most.FloatString(3))
		}
	})
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		amount  int64
		weights []uint32
		want    []int64
	}{
		{100, []uint32{1, 1, 1}, []int64{34, 33, 33}},
		{101, []uint32{1, 1, 1}, []int64{34, 34, 33}},
		{99, []uint32{40, 20, 40}, []int64{40, 20, 39}},
		{-99, []uint32{40, 20, 40}, []int64{-40, -20, -39}},
		{1, []uint32{50, 50}, []int64{1, 0}},
		{1, []uint32{0, 50, 50}, []int64{0, 1, 0}},
		{5, []uint32{7}, []int64{5}},
		{0, []uint32{1, 2}, []int64{0, 0}},
		{2, []uint32{1, 2, 1}, []int64{1, 1, 0}}, // ½, 1, ½
		{AmountMax, []uint32{math.MaxUint32, math.MaxUint32, 1}, []int64{500_000_000_000_000 - 58_208, 500_000_000_000_000 - 58_208, 116_415}},
		{math.MinInt64, []uint32{1}, []int64{math.MinInt64}},
	} {
		got := minors(Money{c.amount, "EUR"}.Split(c.weights))
		if !slices.Equal(got, c.want) {
			t.Errorf("%d by %v: %v, want %v", c.amount, c.weights, got, c.want)
		}
	}
}

func minors(parts []Money) (out []int64) {
	for _, p := range parts {
		out = append(out, p.Minor)
	}
	return out
}

func TestSplitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anAmount(t)
		weight := rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(0, 3))
		weights := rapid.SliceOfN(weight, 1, 20).Draw(t, "weights")
		total := uint64(0)
		for _, w := range weights {
			total += uint64(w)
		}
		if total == 0 {
			t.Skip("nothing to split by")
		}
		parts, mirror := m.Split(weights), m.Neg().Split(weights)
		sum := Money{0, m.Currency}
		rest := make([]*big.Rat, len(parts)) // what the part was rounded up by, from its floor
		given := make([]bool, len(parts))
		for i, p := range parts {
			sum = sum.Add(p)
			exact := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(m.Minor), new(big.Int).SetUint64(uint64(weights[i]))), new(big.Int).SetUint64(total))
			off := new(big.Rat).Sub(big.NewRat(p.Minor, 1), exact)
			if off.Abs(off).Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("part %d of %s by %v is %s; exactly %s", i, m, weights, p, exact.FloatString(3))
			}
			if mirror[i] != p.Neg() {
				t.Fatalf("part %d of %s is %s, and of the negative %s", i, m, p, mirror[i])
			}
			exact.Abs(exact)
			floor := new(big.Int).Quo(exact.Num(), exact.Denom())
			rest[i] = new(big.Rat).Sub(exact, new(big.Rat).SetInt(floor))
			given[i] = floor.Cmp(big.NewInt(max(p.Minor, -p.Minor))) != 0
		}
		if sum != m {
			t.Fatalf("%s by %v sums to %s", m, weights, sum)
		}
		for i := range parts { // nobody gets a unit before one with a larger remainder, or an equal one further to the front
			for j := range parts {
				if c := rest[i].Cmp(rest[j]); given[j] && !given[i] && (c > 0 || c == 0 && i < j) {
					t.Fatalf("%s by %v: part %d got a unit before part %d", m, weights, j, i)
				}
			}
		}
	})
}

func TestMoneyStopsLoudly(t *testing.T) {
	for name, f := range map[string]func(){
		"other currency": func() { Money{1, "EUR"}.Add(Money{1, "USD"}) },
		"no currency":    func() { Money{1, "EUR"}.Sub(Money{}) },
		"too much":       func() { Money{math.MaxInt64, "EUR"}.Add(Money{1, "EUR"}) },
		"too little":     func() { Money{math.MinInt64, "EUR"}.Sub(Money{1, "EUR"}) },
		"turned round":   func() { Money{math.MinInt64, "EUR"}.Neg() },
		"whole of it":    func() { Whole.Of(Money{math.MinInt64, "EUR"}) },
		"no weights":     func() { Money{1, "EUR"}.Split(nil) },
		"weights of 0":   func() { Money{1, "EUR"}.Split([]uint32{0, 0}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.HasPrefix(said, "BUG: ") {
					t.Errorf("it says %s", said)
				}
			}()
			f()
		})
	}
	if got := (Money{math.MinInt64, "EUR"}).Add(Money{math.MaxInt64, "EUR"}); got.Minor != -1 {
		t.Errorf("the extremes add up to %s", got)
	}
}
