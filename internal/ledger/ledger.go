// Package ledger is double-entry bookkeeping: entries are only ever added, those that
// belong together sum to zero in each currency, and a balance is the sum of an
// account's entries. It is pure: the store keeps the entries, settlement says why.
package ledger

import (
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Account is where money stands. Its name is "program/<id>/<kind>" for what a program
// owes or has cost, "partner/<program>/<code>/<kind>" for what a partner is owed.
type Account string

// Posting is entries that belong together.
type Posting struct {
	ID      string           `json:"id"` // unique: the same posting is never added twice
	At      time.Time        `json:"at"` // never before that of an earlier posting
	Why     Why              `json:"why"`
	Subject string           `json:"subject"` // the conversion, payout or adjustment it is about
	Author  string           `json:"author,omitempty"`
	Note    string           `json:"note,omitempty"`
	Reason  affiliate.Reason `json:"reason,omitempty"`
	Entries []Entry          `json:"entries"`
}

// Entry is one line. Positive amounts are what the account's holder gets or is owed.
type Entry struct {
	Account Account         `json:"account"`
	Amount  affiliate.Money `json:"amount"`
}

// Why a posting was made.
type Why string

// The reasons of postings.
const (
	Accrued  Why = "accrued"  // an order: pending
	Changed  Why = "changed"  // its amount or its partners are other than was posted
	Approved Why = "approved" // pending to approved
	Reversed Why = "reversed"
	Transfer Why = "payout"  // approved to in payout
	Settled  Why = "settled" // in payout to paid
	Undone   Why = "undone"  // a payout taken back
	Bonus    Why = "bonus"
	Manual   Why = "manual"
)
