package affiliate

import (
	"cmp"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Money is an amount in the minor units of a currency: 12.34 EUR is 1234. Amounts of
// different currencies are never added; the methods that take two panic when they are
// asked to, because no input can make that happen.
type Money struct {
	Minor    int64    `json:"minor"`
	Currency Currency `json:"currency"`
}

// AmountDigitsMax is how many digits an amount may have in all: 999,999,999,999,999
// minor units, nine times what is in circulation of any currency, and far from what
// 64 bits hold.
const AmountDigitsMax = 15

// ParseAmount reads a decimal amount exactly: digits with at most one point. Signs,
// exponents, separators of thousands, NaN and more digits than the currency has are
// refused; zeros behind the currency's digits are not, since they change nothing.
func ParseAmount(s string, c Currency) (Money, error) {
	fault := func(format string, args ...any) (Money, error) {
		return Money{}, Errorf(Invalid, "the amount %q %s", clip(s, 40), fmt.Sprintf(format, args...))
	}
	if !c.Known() {
		return fault("has no currency that is known")
	}
	whole, part, pointed := strings.Cut(s, ".")
	if whole == "" || pointed && part == "" || !isDigits(whole) || !isDigits(part) {
		return fault("is not a number; write digits and at most one point, such as 12.34")
	}
	digits := c.Digits()
	if len(part) > digits {
		if strings.Trim(part[digits:], "0") != "" {
			return fault("has more than the %d digits behind the point that %s has", digits, c)
		}
		part = part[:digits]
	}
	all := strings.TrimLeft(whole+part+strings.Repeat("0", digits-len(part)), "0")
	if len(all) > AmountDigitsMax {
		return fault("has more than %d digits", AmountDigitsMax)
	}
	n, _ := strconv.ParseInt("0"+all, 10, 64)
	return Money{Minor: n, Currency: c}, nil
}

func isDigits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// Decimal is the amount as people write it, without the currency: "-12.34".
func (m Money) Decimal() string {
	digits := m.Currency.Digits()
	sign, n := "", uint64(m.Minor)
	if m.Minor < 0 {
		sign, n = "-", -n
	}
	s := strconv.FormatUint(n, 10)
	if digits == 0 {
		return sign + s
	}
	if len(s) <= digits {
		s = strings.Repeat("0", digits+1-len(s)) + s
	}
	return sign + s[:len(s)-digits] + "." + s[len(s)-digits:]
}

func (m Money) String() string { return m.Decimal() + " " + string(m.Currency) }

// Add returns m + n.
func (m Money) Add(n Money) Money {
	m.must(n)
	return Money{Minor: m.Minor + n.Minor, Currency: m.Currency}
}

// Sub returns m - n.
func (m Money) Sub(n Money) Money { return m.Add(n.Neg()) }

// Neg returns -m.
func (m Money) Neg() Money { return Money{Minor: -m.Minor, Currency: m.Currency} }

func (m Money) must(n Money) {
	if m.Currency != n.Currency {
		panic(fmt.Sprintf("BUG: %s and %s are calculated with each other", m, n))
	}
}

// Ratio is a number without rounding, such as an exchange rate: Numerator /
// Denominator, both above 0.
type Ratio struct {
	Numerator   int64 `json:"numerator"`
	Denominator int64 `json:"denominator"`
}

// Percentage is a number of millionths: 7.5 % is 75,000.
type Percentage int64

// Whole is 100 %.
const Whole Percentage = 1_000_000

// Of returns that share of an amount, rounded half to even.
func (p Percentage) Of(m Money) Money {
	return Money{Minor: scale(m.Minor, int64(p), int64(Whole)), Currency: m.Currency}
}

// Convert returns the amount in another currency. The rate is in whole units: one unit
// of the amount's currency is worth rate units of the other. It rounds half to even.
func (m Money) Convert(rate Ratio, to Currency) (Money, error) {
	n, d := big.NewInt(rate.Numerator), big.NewInt(rate.Denominator)
	n.Mul(n, big.NewInt(m.Minor)).Mul(n, power10(to.Digits()))
	d.Mul(d, power10(m.Currency.Digits()))
	q := roundHalfEven(n, d)
	if !q.IsInt64() || len(new(big.Int).Abs(q).String()) > AmountDigitsMax {
		return Money{}, Errorf(Invalid, "%s at a rate of %d/%d has more than %d digits in %s", m, rate.Numerator, rate.Denominator, AmountDigitsMax, to)
	}
	return Money{Minor: q.Int64(), Currency: to}, nil
}

func power10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// scale is n · numerator / denominator, rounded half to even. The result of every
// caller fits: amounts have AmountDigitsMax digits.
func scale(n, numerator, denominator int64) int64 {
	product := new(big.Int).Mul(big.NewInt(n), big.NewInt(numerator))
	return roundHalfEven(product, big.NewInt(denominator)).Int64()
}

// roundHalfEven is n / d for d above 0.
func roundHalfEven(n, d *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(n, d, new(big.Int))
	twice := new(big.Int).Abs(r)
	switch twice.Lsh(twice, 1).Cmp(d) {
	case 0:
		if q.Bit(0) == 0 {
			return q
		}
	case -1:
		return q
	}
	return q.Add(q, big.NewInt(int64(n.Sign())))
}

// Split divides an amount in proportion to weights, of which at least one is above 0. The
// parts sum to the amount: each is rounded down, and the units that are left go one
// each to the largest remainders, of equal ones to the earlier. A negative amount
// splits like the positive one.
func (m Money) Split(weights []uint32) []Money {
	parts := make([]Money, len(weights))
	total := uint64(0)
	for i, w := range weights {
		total += uint64(w)
		parts[i].Currency = m.Currency
	}
	if total == 0 {
		panic("BUG: an amount is split by weights that sum to 0")
	}
	sign, left := int64(1), uint64(m.Minor)
	if m.Minor < 0 {
		sign, left = -1, -left
	}
	amount := left
	remainders, order := make([]uint64, len(weights)), make([]int, len(weights))
	for i, w := range weights {
		hi, lo := bits.Mul64(amount, uint64(w))
		quotient, remainder := bits.Div64(hi, lo, total)
		parts[i].Minor = sign * int64(quotient)
		left -= quotient
		remainders[i], order[i] = remainder, i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(remainders[b], remainders[a]) })
	for _, i := range order[:left] {
		parts[i].Minor += sign
	}
	return parts
}
