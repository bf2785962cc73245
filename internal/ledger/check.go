package ledger

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Limits of one posting.
const (
	EntriesMax   = 1_000
	NameBytesMax = 512   // of an id or a subject
	NoteBytesMax = 2_000 // of a note; an author and a reason have as many at most

	amountMax = 999_999_999_999_999 // affiliate.AmountDigitsMax digits
)

// whys says what each kind of posting needs: explained ones a person and the person's
// reason, and those with a gain at least nothing below zero on that kind of account,
// so that no transfer is ever negative.
var whys = map[Why]struct {
	explained bool
	gain      Kind
}{
	Accrued:  {},
	Changed:  {},
	Approved: {},
	Reversed: {},
	Transfer: {gain: KindInPayout},
	Settled:  {gain: KindPaidOut},
	Undone:   {explained: true, gain: KindOwed},
	Bonus:    {explained: true, gain: KindOwed},
	Manual:   {explained: true},
}

// Check reports the first thing wrong with a posting, as an Invalid error. A posting
// without fault keeps every balance of the ledger summing to zero.
func (p *Posting) Check() error {
	if fault := p.headFault(); fault != "" {
		return p.refuse("%s", fault)
	}
	if n := len(p.Entries); n < 2 || n > EntriesMax {
		return p.refuse("it has %d entries; a posting has 2 to %d", n, EntriesMax)
	}
	sums := map[affiliate.Currency]*big.Int{}
	for i, e := range p.Entries {
		if fault := e.fault(whys[p.Why].gain); fault != "" {
			return p.refuse("entry %d %s", i+1, fault)
		}
		addTo(sums, e.Amount.Currency, e.Amount.Minor)
	}
	if currency, off := imbalance(sums); off != nil {
		return p.refuse("its entries in %s sum to %s minor units; they must sum to 0: post the counterpart in the same posting", currency, off)
	}
	return nil
}

func (p *Posting) refuse(format string, args ...any) error {
	return affiliate.Errorf(affiliate.Invalid, "the posting %.80q cannot be made: %s", p.ID, fmt.Sprintf(format, args...))
}

func (p *Posting) headFault() string {
	rule, known := whys[p.Why]
	switch {
	case p.ID == "" || len(p.ID) > NameBytesMax:
		return fmt.Sprintf("its id has %d bytes; an id has 1 to %d", len(p.ID), NameBytesMax)
	case p.Subject == "" || len(p.Subject) > NameBytesMax:
		return fmt.Sprintf("its subject has %d bytes; a subject has 1 to %d", len(p.Subject), NameBytesMax)
	case p.At.IsZero():
		return "it has no time; give the moment from which it holds"
	case !known:
		return fmt.Sprintf("%.40q is not a reason to post; use accrued, changed, approved, reversed, payout, settled, undone, bonus or manual", p.Why)
	case len(p.Author) > NoteBytesMax || len(p.Note) > NoteBytesMax || len(p.Reason) > NoteBytesMax:
		return fmt.Sprintf("its author, note or reason is longer than %d bytes; shorten it", NoteBytesMax)
	case rule.explained && p.Author == "":
		return fmt.Sprintf("it is %s and has no author; say who decides it", p.Why)
	case rule.explained && p.Reason == "" && p.Note == "":
		return fmt.Sprintf("it is %s and has neither reason nor note; say why", p.Why)
	}
	return ""
}

func (e Entry) fault(gain Kind) string {
	kind, _, _, ok := e.Account.Parse()
	switch n := e.Amount.Minor; {
	case !ok:
		return fmt.Sprintf("has %.200q, which is no account; programs and partners have ids of 1 to %d bytes without slash, colon or space", e.Account, idBytesMax)
	case !e.Amount.Currency.Known():
		return fmt.Sprintf("has the currency %.20q, which is not known; use an ISO 4217 code, such as EUR", e.Amount.Currency)
	case kind == KindFX && e.Account != FX(e.Amount.Currency):
		return fmt.Sprintf("puts %s on %s; that account holds its own currency alone", e.Amount, e.Account)
	case n == 0:
		return fmt.Sprintf("moves nothing on %s; leave it out", e.Account)
	case n > amountMax || n < -amountMax:
		return fmt.Sprintf("moves %s on %s; an amount has at most %d digits", e.Amount, e.Account, affiliate.AmountDigitsMax)
	case n < 0 && kind == gain:
		return fmt.Sprintf("takes %s from %s, where such a posting can only give; transfers are never negative", e.Amount, e.Account)
	}
	return ""
}

// addTo adds without a limit: a sum is judged before it is known to be small.
func addTo(sums map[affiliate.Currency]*big.Int, currency affiliate.Currency, minor int64) {
	sum := sums[currency]
	if sum == nil {
		sum = new(big.Int)
		sums[currency] = sum
	}
	sum.Add(sum, big.NewInt(minor))
}

// imbalance is the first currency, by name, that does not sum to zero.
func imbalance(sums map[affiliate.Currency]*big.Int) (affiliate.Currency, *big.Int) {
	var off []affiliate.Currency
	for currency, sum := range sums {
		if sum.Sign() != 0 {
			off = append(off, currency)
		}
	}
	if len(off) == 0 {
		return "", nil
	}
	first := slices.Min(off)
	return first, sums[first]
}
