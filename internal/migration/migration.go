// Package migration moves an installation from one set of engines to another: a store into an empty
// store, clicks into an engine of reports, and then compares both sides.
//
// What it promises. The old engines are only read. Every step goes on where an interruption
// has left the one before, whenever and however that was. Store tells the target ready only after both sides
// were read once more and were the same: every item of every group, the ledger's trial balance and
// every account's balance, recomputed from its entries. Clicks are stored once, known by their ids,
// and a day counts as moved when number and checksum of its rows are equal on both sides.
//
// It does no I/O but through the contracts, and knows no engine. That nobody changes either side
// meanwhile is the caller's to see to; what was changed nevertheless is found, and named.
package migration

import (
	"encoding/hex"
	"fmt"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Step says how far the work is.
type Step struct {
	What  string `json:"what"` // "moving the store", "comparing the store", "moving clicks", "comparing clicks"
	Done  int64  `json:"done"`
	Total int64  `json:"total"` // about
}

// Difference is what is not the same on both sides. It names things and never shows their content,
// which may be secret.
type Difference struct {
	Group string `json:"group"` // of the store; "trial balance", "balances"; "clicks"
	// Items is how many differ, 0 where it is not about items.
	Items int64  `json:"items,omitempty"`
	First string `json:"first"` // what it is and how it differs
}

func (d Difference) String() string {
	if d.Items > 1 {
		return fmt.Sprintf("%s: %s; %d differ in all", d.Group, d.First, d.Items)
	}
	return d.Group + ": " + d.First
}

// Compared is a part that was compared.
type Compared struct {
	Group    string `json:"group"` // of the store, or a day of clicks
	Items    int64  `json:"items"` // of the source
	Checksum string `json:"checksum"`
	Same     bool   `json:"same"`
}

// Report says what was done and found.
type Report struct {
	Moved       int64        `json:"moved"`              // items or clicks, by this run
	Before      int64        `json:"before"`             // that were there when it began
	Copies      int64        `json:"copies,omitempty"`   // clicks that the source has twice, of which one is moved
	Nameless    int64        `json:"nameless,omitempty"` // clicks without an id, which are not moved
	Compared    []Compared   `json:"compared"`
	Differences []Difference `json:"differences"`
}

// Same says whether both sides are.
func (r *Report) Same() bool { return len(r.Differences) == 0 }

// Items are those of the source that were compared.
func (r *Report) Items() (n int64) {
	for _, c := range r.Compared {
		n += c.Items
	}
	return n
}

func hexOf(sum []byte) string { return hex.EncodeToString(sum) }

// conflict refuses a target.
func conflict(format string, args ...any) error {
	return affiliate.Errorf(affiliate.Conflict, format, args...)
}
