package ledger

import (
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Account is where money stands. Its name says whose it is and in which state:
//
//	partner/<program>/<code>/<kind>   what a partner is owed or was paid
//	own/<program>/<kind>              the same for us, where the program pays us
//	program/<program>/cost            where commissions come from; it mirrors the others
//	fx/<currency>                     what exchange rates have left over
type Account string

// Kind is what an account holds.
type Kind string

// The kinds.
const (
	KindPending  Kind = "pending"
	KindOwed     Kind = "owed" // approved and payable
	KindInPayout Kind = "in_payout"
	KindPaidOut  Kind = "paid_out"
	KindCost     Kind = "cost"
	KindFX       Kind = "fx"
)

// idBytesMax is how long a program's id or a partner's code may be.
const idBytesMax = 64

// Pending is where commissions wait for their approval. The partner "" is us, in a
// program that pays us. This and the following return "", which is no account and is
// refused by Check, for ids that would make a name ambiguous: empty or too long ones,
// and those with a slash, a colon, a space or a control character.
func Pending(program, partner string) Account { return holding(program, partner, KindPending) }

// Owed is where approved commissions wait for a payout. Below zero, the partner was
// paid what has been taken back since.
func Owed(program, partner string) Account { return holding(program, partner, KindOwed) }

// InPayout is where money stands from a payout's draft until it is sent.
func InPayout(program, partner string) Account { return holding(program, partner, KindInPayout) }

// PaidOut is what was sent.
func PaidOut(program, partner string) Account { return holding(program, partner, KindPaidOut) }

// Cost is the counter-account of a program's commissions: minus all that its partners,
// or we, have got or are owed.
func Cost(program string) Account {
	if !validID(program) {
		return ""
	}
	return Account("program/" + program + "/" + string(KindCost))
}

// FX is where an exchange between currencies meets its counterpart and leaves its
// differences. It holds that one currency alone.
func FX(currency affiliate.Currency) Account {
	if !currency.Known() {
		return ""
	}
	return Account(string(KindFX) + "/" + string(currency))
}

func holding(program, partner string, kind Kind) Account {
	switch {
	case !validID(program):
		return ""
	case partner == "":
		return Account("own/" + program + "/" + string(kind))
	case !validID(partner):
		return ""
	}
	return Account("partner/" + program + "/" + partner + "/" + string(kind))
}

func validID(id string) bool {
	return id != "" && len(id) <= idBytesMax && !strings.ContainsFunc(id, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == '/' || r == ':' // a colon parts the ids of payouts
	})
}

// Parse takes a name apart. The program is "" for FX and the partner is "" where the
// account is ours, the program's or FX. ok is false for what is no account.
func (a Account) Parse() (kind Kind, program, partner string, ok bool) {
	parts := strings.Split(string(a), "/")
	last := parts[len(parts)-1]
	switch len(parts) {
	case 4:
		program, partner, kind = parts[1], parts[2], Kind(last)
	case 3:
		program, kind = parts[1], Kind(last)
	case 2:
		kind = Kind(parts[0])
	}
	if a == "" || a != named(kind, program, partner, affiliate.Currency(last)) {
		return "", "", "", false
	}
	return kind, program, partner, true
}

// named makes the one name that these parts have.
func named(kind Kind, program, partner string, currency affiliate.Currency) Account {
	switch kind {
	case KindPending, KindOwed, KindInPayout, KindPaidOut:
		return holding(program, partner, kind)
	case KindCost:
		return Cost(program)
	case KindFX:
		return FX(currency)
	}
	return ""
}
