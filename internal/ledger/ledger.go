// Package ledger is double-entry bookkeeping: entries are only ever added, those that
// belong together sum to zero in each currency, and a balance is the sum of an
// account's entries. It is pure: the store keeps the entries, settlement says why.
//
// What it promises. Delta posts the difference between what a subject should be and
// what was posted for it, so facts may arrive in any order and any number of times. A
// posting's id follows from its subject and its place in the subject's history
// (PostingID), so that whoever keeps ids unique posts each change once, whatever is
// retried and by however many workers. Check refuses what would break the sums.
//
// What it leaves to others: to keep ids unique, to post in the transaction that read
// the balances, and to give times that never run backwards.
//
// docs/settlement.md tells the rules with examples in numbers.
package ledger

import (
	"strconv"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

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

// opposite is what the other account of a pair gets. It cuts the smallest integer, which
// has no opposite and anybody can ask for, so that Check refuses it with a sentence.
func opposite(m affiliate.Money) affiliate.Money {
	return affiliate.Money{Minor: -m.Minor, Currency: m.Currency}
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

// PostingID names the posting that takes a subject from one revision to the next. The
// revision is 1 for a subject's first posting and one more for each that follows, so
// two workers that saw the same past make the same id and only one of them can post;
// the other reads again and finds nothing left to do, or the next change.
func PostingID(subject string, revision int64) string {
	return subject + "/" + strconv.FormatInt(revision, 10)
}

// Touches says whether the posting moves an account in a currency.
func (p *Posting) Touches(account Account, currency affiliate.Currency) bool {
	for _, e := range p.Entries {
		if e.Account == account && e.Amount.Currency == currency {
			return true
		}
	}
	return false
}
