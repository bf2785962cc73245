package settlement

import (
	"cmp"
	"math/big"
	"slices"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Ppm is a ratio in millionths.
type Ppm int64

// epcDigits is how many digits EPC has more than the currency.
const epcDigits = 4

// ratio is n / d, rounded to a millionth, half to even.
func ratio(n, d int64) (Ppm, bool) {
	if d == 0 {
		return 0, false
	}
	return Ppm(nearest(n, 1_000_000, d).Int64()), true
}

// nearest is n × scale / d for d above 0, half to even.
func nearest(n, scale, d int64) *big.Int {
	product := new(big.Int).Mul(big.NewInt(n), big.NewInt(scale))
	q, r := new(big.Int).QuoRem(product, big.NewInt(d), new(big.Int))
	if c := new(big.Int).Lsh(r, 1).CmpAbs(big.NewInt(d)); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(int64(product.Sign())))
	}
	return q
}

// perClick is an amount per click: 12.34 EUR and 7 clicks are "1.762857".
func perClick(minor, clicks int64, currency affiliate.Currency) (string, bool) {
	if clicks == 0 {
		return "", false
	}
	digits := currency.Digits() + epcDigits
	q := nearest(minor, 10_000, clicks)
	sign := ""
	if q.Sign() < 0 {
		sign = "-"
	}
	s := q.Abs(q).String()
	if len(s) <= digits {
		s = strings.Repeat("0", digits+1-len(s)) + s
	}
	return sign + s[:len(s)-digits] + "." + s[len(s)-digits:], true
}

// fraction is an amount per something, to be compared exactly; a denominator of 0 is below all.
type fraction struct{ n, d int64 }

func (f fraction) compare(g fraction) int {
	if f.d == 0 || g.d == 0 {
		return cmp.Compare(min(f.d, 1), min(g.d, 1))
	}
	return new(big.Int).Mul(big.NewInt(f.n), big.NewInt(g.d)).Cmp(new(big.Int).Mul(big.NewInt(g.n), big.NewInt(f.d)))
}

// earningsMetrics are what rows can be ordered by.
var earningsMetrics = map[string]func(*Earnings) fraction{
	"clicks":        func(e *Earnings) fraction { return fraction{e.Clicks, 1} },
	"conversions":   func(e *Earnings) fraction { return fraction{e.Conversions, 1} },
	"pending":       func(e *Earnings) fraction { return fraction{e.Pending, 1} },
	"approved":      func(e *Earnings) fraction { return fraction{e.Approved, 1} },
	"paid":          func(e *Earnings) fraction { return fraction{e.Paid, 1} },
	"reversed":      func(e *Earnings) fraction { return fraction{e.Reversed, 1} },
	"orders":        func(e *Earnings) fraction { return fraction{e.Orders, 1} },
	"net":           func(e *Earnings) fraction { return fraction{e.Net, 1} },
	"settled":       func(e *Earnings) fraction { return fraction{e.Settled, 1} },
	"cr":            func(e *Earnings) fraction { return fraction{e.Conversions - e.Reversed, e.Clicks} },
	"ar":            func(e *Earnings) fraction { return fraction{e.Approved + e.Paid, e.Approved + e.Paid + e.Reversed} },
	"ar_value":      func(e *Earnings) fraction { return fraction{e.approvedOrders, e.decidedWhole} },
	"epc":           func(e *Earnings) fraction { return fraction{e.Net, e.Clicks} },
	"settled_epc":   func(e *Earnings) fraction { return fraction{e.Settled, e.Clicks} },
	"maturity":      func(e *Earnings) fraction { return fraction{e.Approved + e.Paid + e.Reversed, e.Conversions} },
	"reversal_rate": func(e *Earnings) fraction { return fraction{e.Reversed, e.Conversions} },
}

// sort puts rows into the order that was asked for; by itself time goes first, then the largest net
// commission, then clicks. Amounts of different currencies are compared in minor units.
func (q *EarningsQuery) sort(rows []EarningsRow) {
	name, descending := strings.CutPrefix(q.Order, "-")
	times := func(a, b *EarningsRow) int {
		for i, d := range q.By {
			if c := cmp.Compare(a.Values[i], b.Values[i]); (d == "month" || d == "day") && c != 0 {
				return c
			}
		}
		return 0
	}
	slices.SortStableFunc(rows, func(a, b EarningsRow) int {
		c := 0
		if i := slices.Index(q.By, name); i >= 0 {
			c = cmp.Compare(a.Values[i], b.Values[i])
		} else if metric := earningsMetrics[name]; metric != nil {
			c = metric(&a.Earnings).compare(metric(&b.Earnings))
		}
		if descending {
			c = -c
		}
		return cmp.Or(c, times(&a, &b), cmp.Compare(b.Net, a.Net), cmp.Compare(b.Clicks, a.Clicks))
	})
}
