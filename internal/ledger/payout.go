package ledger

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Payout is one transfer to one partner in one currency; the partner "" is us, paid by
// the program. A draft has taken its money from Owed already, so that nothing is paid
// twice; taking it back returns the money.
type Payout struct {
	ID      string          `json:"id"` // given by Draft
	Program string          `json:"program"`
	Partner string          `json:"partner,omitempty"`
	Amount  affiliate.Money `json:"amount"`           // above 0
	Method  string          `json:"method,omitempty"` // the kind of way to pay
	State   PayoutState     `json:"state"`
	// Upto is the moment up to which postings were counted.
	Upto     time.Time `json:"upto"`
	Created  time.Time `json:"created"`
	Approved time.Time `json:"approved,omitzero"`
	Sent     time.Time `json:"sent,omitzero"`
	Undone   time.Time `json:"undone,omitzero"`
	Author   string    `json:"author"`
	Approver string    `json:"approver,omitempty"`
}

// PayoutState is how far a payout is: draft, approved, sent; undone from any of them.
type PayoutState string

// The states of payouts.
const (
	PayoutDraft    PayoutState = "draft"
	PayoutApproved PayoutState = "approved"
	PayoutSent     PayoutState = "sent"
	PayoutUndone   PayoutState = "undone" // for good; the money is owed again
)

// open says that the payout is under way.
func (s PayoutState) open() bool { return s == PayoutDraft || s == PayoutApproved }

// Draft makes a payout of Program, Partner, Amount, Method, Author, Created and Upto.
// existing are all payouts of the program so far, in whatever state; their number
// gives the id, so that runs that saw the same past make the same payout, and only one
// of them can be stored. It fails with Conflict while another payout to the partner in
// the currency is under way.
func Draft(p Payout, existing []Payout) (Payout, error) {
	number := 1
	for _, other := range existing {
		if !other.rivals(p.Program, p.Partner, p.Amount.Currency) {
			continue
		}
		if other.State.open() {
			return Payout{}, affiliate.Errorf(affiliate.Conflict, "the payout %s to %q is %s; send it or undo it before the next", other.ID, p.Partner, other.State)
		}
		number++
	}
	p.ID = fmt.Sprintf("%s:%s:%s:%d", p.Program, p.Partner, p.Amount.Currency, number)
	p.State, p.Approver = PayoutDraft, ""
	p.Approved, p.Sent, p.Undone = time.Time{}, time.Time{}, time.Time{}
	if p.Author == "" {
		return Payout{}, affiliate.Errorf(affiliate.Invalid, "the payout %s has no author; say who drafts it", p.ID)
	}
	transfer := p.Transfer()
	if err := transfer.Check(); err != nil {
		return Payout{}, err
	}
	return p, nil
}

// rivals says that the payout is to the same partner in the same currency.
func (p Payout) rivals(program, partner string, currency affiliate.Currency) bool {
	return p.Program == program && p.Partner == partner && p.Amount.Currency == currency
}

// Approve lets a draft be sent. confirm asks for a second person: the approver is then
// not the author.
func (p Payout) Approve(approver string, at time.Time, confirm bool) (Payout, error) {
	switch {
	case p.State != PayoutDraft:
		return Payout{}, p.conflict("approved", "only a draft can be")
	case strings.TrimSpace(approver) == "":
		return Payout{}, affiliate.Errorf(affiliate.Invalid, "the payout %s has no approver; say who approves it", p.ID)
	case confirm && samePerson(approver, p.Author):
		return Payout{}, affiliate.Errorf(affiliate.Forbidden, "%s has drafted the payout %s; the program asks for a second person to approve it", p.Author, p.ID)
	}
	p.State, p.Approver, p.Approved = PayoutApproved, approver, at
	return p, nil
}

// samePerson is generous: an account's name in another spelling is no second person.
func samePerson(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

// Send says that an approved payout was transferred. Settle is its posting.
func (p Payout) Send(at time.Time) (Payout, error) {
	if p.State != PayoutApproved {
		return Payout{}, p.conflict("sent", "only an approved one can be")
	}
	p.State, p.Sent = PayoutSent, at
	return p, nil
}

// TakeBack ends a payout that shall not be, or that came back. Undo is its posting.
func (p Payout) TakeBack(at time.Time) (Payout, error) {
	if !p.State.open() && p.State != PayoutSent {
		return Payout{}, p.conflict("undone", "only a draft, an approved or a sent one can be")
	}
	p.State, p.Undone = PayoutUndone, at
	return p, nil
}

func (p Payout) conflict(done, rule string) error {
	return affiliate.Errorf(affiliate.Conflict, "the payout %s is %s and cannot be %s: %s; read it again", p.ID, p.State, done, rule)
}

// Subject is what the postings of a payout are about. No conversion is called so,
// since programs have no colon.
func (p Payout) Subject() string { return "payout:" + p.ID }

// The postings of a payout are numbered by its steps: Transfer is the first; Settle and
// the Undo of what was never sent are both the second, so that of a transfer and a
// cancellation at the same moment only one can be posted; the Undo of what was sent is
// the third. Made twice, they are the same.

// Transfer is the posting of a draft: owed to in payout.
func (p Payout) Transfer() Posting {
	return p.posting(1, Transfer, p.Created, p.Author, Owed, InPayout)
}

// Settle is the posting of a payout that was sent: in payout to paid out.
func (p Payout) Settle() Posting {
	return p.posting(2, Settled, p.Sent, p.Approver, InPayout, PaidOut)
}

// Undo is the posting of a payout that was taken back: what is in payout, or was paid
// out, is owed again. The note says why.
func (p Payout) Undo(author, note string) Posting {
	undo := p.posting(2, Undone, p.Undone, author, InPayout, Owed)
	if !p.Sent.IsZero() {
		undo = p.posting(3, Undone, p.Undone, author, PaidOut, Owed)
	}
	undo.Note = note
	return undo
}

func (p Payout) posting(revision int64, why Why, at time.Time, author string, from, to func(program, partner string) Account) Posting {
	return Posting{
		ID: PostingID(p.Subject(), revision), At: at, Why: why, Subject: p.Subject(), Author: author,
		Entries: []Entry{{from(p.Program, p.Partner), opposite(p.Amount)}, {to(p.Program, p.Partner), p.Amount}},
	}
}

// PayoutOf returns the id of the payout that a subject stands for, if it does.
func PayoutOf(subject string) (id string, ok bool) { return strings.CutPrefix(subject, "payout:") }
