package commission

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// amountMax is the largest amount that a report can tell, affiliate.AmountDigitsMax
// nines. Sums stop there, so that what follows cannot overflow.
const amountMax = 999_999_999_999_999

// plus adds two amounts that are not negative.
func plus(a, b int64) int64 { return min(min(a, amountMax)+min(b, amountMax), amountMax) }

// magnitude is an amount without its sign, to be added up by plus: some senders write
// what they take back with a minus.
func magnitude(n int64) int64 {
	if n < 0 {
		return -max(n, -amountMax)
	}
	return n
}

// inProportion is n · part / whole, rounded half to even, for 0 <= n and
// 0 <= part <= whole, whole above 0.
func inProportion(n, part, whole int64) int64 {
	hi, lo := bits.Mul64(uint64(n), uint64(part))
	q, r := bits.Div64(hi, lo, uint64(whole))
	rest := uint64(whole) - r
	if r > rest || r == rest && q%2 == 1 {
		q++
	}
	return int64(q)
}

// percent writes a percentage: "7.5 %".
func percent(p affiliate.Percentage) string {
	s := fmt.Sprintf("%d.%04d", p/10_000, p%10_000)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".") + " %"
}

func money(n int64, c affiliate.Currency) affiliate.Money {
	return affiliate.Money{Minor: n, Currency: c}
}
