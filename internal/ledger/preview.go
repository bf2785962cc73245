package ledger

import (
	"cmp"
	"slices"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Line is what a payout run would do for one partner.
type Line struct {
	Partner string          `json:"partner,omitempty"`
	Amount  affiliate.Money `json:"amount"`
	// Waits is empty when the amount would be paid now, or else says why not.
	Waits string `json:"waits,omitempty"`
}

// Why a partner's balance waits. Of several reasons, the first here is given.
const (
	WaitsForClawback = "clawback"      // it is below zero: what was paid out and reversed is earned first
	WaitsForMinimum  = "below_minimum" // it rolls over to the next payout
	WaitsForPayout   = "payout_open"   // a draft or an approved payout is under way
)

// Preview says who would be paid now, and why the others wait, by partner. owed are
// balances of Owed as Balances.Owed gives them, existing the payouts of the program. A
// balance equal to the minimum is paid; one of 0 has no line. The minimum has a
// currency: balances in another are left out, since nothing says what is small there.
// Ask once for each currency.
func Preview(program string, owed map[string]affiliate.Money, minimum affiliate.Money, existing []Payout) []Line {
	var lines []Line
	for partner, amount := range owed {
		if amount.Minor == 0 || amount.Currency != minimum.Currency {
			continue
		}
		underWay := slices.ContainsFunc(existing, func(p Payout) bool {
			return p.State.open() && p.rivals(program, partner, amount.Currency)
		})
		line := Line{Partner: partner, Amount: amount}
		switch {
		case amount.Minor < 0:
			line.Waits = WaitsForClawback
		case amount.Minor < minimum.Minor:
			line.Waits = WaitsForMinimum
		case underWay:
			line.Waits = WaitsForPayout
		}
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b Line) int { return cmp.Compare(a.Partner, b.Partner) })
	return lines
}
