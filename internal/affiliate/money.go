package affiliate

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Money is an amount in the minor units of a currency: 12.34 EUR is 1234. Amounts of
// different currencies are never added, and a sum that 64 bits cannot hold is never cut:
// both panic, because a loud stop is better than a ledger that is wrong. Whoever adds
// up amounts from outside compares their currencies first.
type Money struct {
	Minor    int64    `json:"minor"`
	Currency Currency `json:"currency"`
}

// AmountDigitsMax is how many digits an amount from outside may have in all, those
// behind the point among them. AmountMax is the largest: 9,999,999,999,999.99 EUR. Nine
// thousand of them fit into 64 bits, and a browser's numbers hold one exactly.
const (
	AmountDigitsMax       = 15
	AmountMax       int64 = 999_999_999_999_999
)

// amountBytesMax bounds the text of an amount: AmountDigitsMax, a point, and more zeros
// than anybody writes in front or behind.
const amountBytesMax = 40

// ParseAmount reads a decimal amount exactly: digits with at most one point. Signs,
// exponents, separators of thousands, NaN and more digits than the currency has are
// refused; zeros in front, or behind the currency's digits, are not, since they change
// nothing.
func ParseAmount(s string, c Currency) (Money, error) {
	fault := func(format string, args ...any) (Money, error) {
		return Money{}, Errorf(Invalid, "the amount %q %s", clip(s, 40), fmt.Sprintf(format, args...))
	}
	if !c.Known() {
		return fault("has no currency that is known; give its ISO 4217 code, such as EUR")
	}
	if len(s) > amountBytesMax {
		return fault("is longer than %d characters", amountBytesMax)
	}
	whole, part, pointed := strings.Cut(s, ".")
	if whole == "" || pointed && part == "" || !isDigits(whole) || !isDigits(part) {
		return fault("is not a number; write digits and at most one point, such as 12.34")
	}
	digits := c.Digits()
	if len(part) > digits {
		if strings.Trim(part[digits:], "0") != "" {
			return fault("has more digits behind the point than %s, which has %d", c, digits)
		}
		part = part[:digits]
	}
	all := strings.TrimLeft(whole+part+strings.Repeat("0", digits-len(part)), "0")
	if len(all) > AmountDigitsMax {
		return fault("has more than %d digits, those behind the point of %s among them", AmountDigitsMax, c)
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
	sign := ""
	if m.Minor < 0 {
		sign = "-"
	}
	s := strconv.FormatUint(magnitude(m.Minor), 10)
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
	if m.Currency != n.Currency {
		panic(fmt.Sprintf("BUG: %s and %s are added", m, n))
	}
	sum := m.Minor + n.Minor
	if (m.Minor < 0) == (n.Minor < 0) && (sum < 0) != (m.Minor < 0) {
		panic(fmt.Sprintf("BUG: the sum of %s and %s does not fit into 64 bits", m, n))
	}
	return Money{Minor: sum, Currency: m.Currency}
}

// Sub returns m - n.
func (m Money) Sub(n Money) Money { return m.Add(n.Neg()) }

// Neg returns -m.
func (m Money) Neg() Money {
	if m.Minor == math.MinInt64 {
		panic(fmt.Sprintf("BUG: %s turned round does not fit into 64 bits", m))
	}
	return Money{Minor: -m.Minor, Currency: m.Currency}
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

// Of returns that share of an amount: the product in 128 bits, rounded once, half to
// even.
func (p Percentage) Of(m Money) Money {
	hi, lo := bits.Mul64(magnitude(m.Minor), magnitude(int64(p)))
	share, rest := bits.Div64(hi, lo, uint64(Whole))
	if twice := 2 * rest; twice > uint64(Whole) || twice == uint64(Whole) && share&1 == 1 {
		share++
	}
	if share > math.MaxInt64 {
		panic(fmt.Sprintf("BUG: %d millionths of %s do not fit into 64 bits", p, m))
	}
	out := Money{Minor: int64(share), Currency: m.Currency}
	if (m.Minor < 0) != (p < 0) {
		return out.Neg()
	}
	return out
}

// magnitude is the number without its sign.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// Convert returns the amount in another currency. The rate is in whole units, not minor
// ones: one EUR is worth rate USD. It rounds once, half to even. Invalid: the rate is not
// above 0, a currency is not known, or the result is beyond AmountMax.
func (m Money) Convert(rate Ratio, to Currency) (Money, error) {
	switch {
	case rate.Numerator <= 0 || rate.Denominator <= 0:
		return Money{}, Errorf(Invalid, "the exchange rate %d/%d is not above 0", rate.Numerator, rate.Denominator)
	case !m.Currency.Known() || !to.Known():
		return Money{}, Errorf(Invalid, "%q cannot be converted into %q: give ISO 4217 codes, such as EUR", clip(string(m.Currency), 20), clip(string(to), 20))
	}
	n, d := big.NewInt(rate.Numerator), big.NewInt(rate.Denominator)
	n.Mul(n, big.NewInt(m.Minor)).Mul(n, power10(to.Digits()))
	d.Mul(d, power10(m.Currency.Digits()))
	q := roundHalfEven(n, d)
	if q.CmpAbs(big.NewInt(AmountMax)) > 0 {
		return Money{}, Errorf(Invalid, "%s at a rate of %d/%d has more than %d digits in %s; check the rate", m, rate.Numerator, rate.Denominator, AmountDigitsMax, to)
	}
	return Money{Minor: q.Int64(), Currency: to}, nil
}

func power10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// roundHalfEven is n / d for d above 0.
func roundHalfEven(n, d *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(n, d, new(big.Int))
	twice := new(big.Int).Lsh(r, 1)
	if c := twice.CmpAbs(d); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(int64(n.Sign())))
	}
	return q
}

// Split divides an amount in proportion to weights, of which at least one is above 0. The
// parts sum to the amount: each is rounded down, and the units that are left go one
// each to the largest remainders, of equal ones to the earlier; a weight of 0 gets
// nothing. A negative amount splits as the mirror image of the positive one. It panics
// when no weight is above 0.
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
	sign, amount := int64(1), magnitude(m.Minor)
	if m.Minor < 0 {
		sign = -1
	}
	left := amount
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
