package ledger

import (
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Adjustment is money that a person gives or takes beside the terms: a Bonus, which
// can only give, or a Manual correction in either direction.
type Adjustment struct {
	ID      string           `json:"id"` // of whoever asks; the same id is posted once
	Why     Why              `json:"why"`
	Program string           `json:"program"`
	Partner string           `json:"partner,omitempty"`
	Amount  affiliate.Money  `json:"amount"`
	Reason  affiliate.Reason `json:"reason,omitempty"`
	Note    string           `json:"note,omitempty"` // needed where there is no reason
	Author  string           `json:"author"`
	At      time.Time        `json:"at"`
}

// Posting moves the amount from the program's Cost to what the partner is owed. It
// fails as Check does, and for a Why that is no adjustment.
func (a Adjustment) Posting() (Posting, error) {
	subject := "adjustment:" + a.ID
	p := Posting{
		ID: PostingID(subject, 1), At: a.At, Why: a.Why, Subject: subject, Author: a.Author, Note: a.Note, Reason: a.Reason,
		Entries: []Entry{{Owed(a.Program, a.Partner), a.Amount}, {Cost(a.Program), opposite(a.Amount)}},
	}
	switch {
	case a.Why != Bonus && a.Why != Manual:
		return Posting{}, p.refuse("%.40q is no adjustment; use bonus or manual", a.Why)
	case a.ID == "":
		return Posting{}, p.refuse("the adjustment has no id; give one, so that it is posted once")
	}
	if err := p.Check(); err != nil {
		return Posting{}, err
	}
	return p, nil
}
