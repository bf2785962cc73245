// Package commission says what a conversion should be: whose it is, what each partner
// earns by it, and in which state it is. It is a pure function of all facts that are
// known, so the order in which they arrive does not matter, and what was settled can be
// settled again to see why. What the ledger already says, and what is to be posted to
// make it agree, is the business of others.
//
//	reports ─► order ─► touches ─► weights ─► terms, rate ─► shares ─► state
//
// docs/settlement.md states each rule with an example; the tests hold the same numbers.
package commission

import (
	"fmt"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Facts are all that is known of one conversion. The order within the slices never
// matters. The caller bounds their lengths; Settle reads them and keeps nothing.
type Facts struct {
	Settlement *affiliate.Settlement // of the program, validated
	Side       affiliate.Side
	// Reports are all of the transaction, duplicates among them.
	Reports []affiliate.Report
	// Order is the name, by Orders, of the one order of the transaction that is settled;
	// "" is the first.
	Order string
	// Path are all touches of the visitor on the program that are known. The window is
	// applied here.
	Path []affiliate.PathTouch
	// Coupon is the partner who owns the coupon of the reports; "" is none.
	Coupon string
	// PartnerTerms are a partner's own versions. Where one is in force it comes before the
	// program's.
	PartnerTerms map[string][]affiliate.CommissionTerms
	Rulings      []Ruling
	Payments     []Payment // what payouts paid of it, in their order
	// Volume is what each partner brought in the calendar month (UTC) of the order, before
	// it, in minor units; ours is that of "".
	Volume map[string]int64
	// OrdersBefore counts the earlier orders of the customer.
	OrdersBefore int
	Now          time.Time
}

// Ruling is a decision of a person about a conversion. Of approve and reverse the latest
// decides, of hold and release too; "latest" goes by At, then ID.
type Ruling struct {
	ID     string           `json:"id"`
	Author string           `json:"author"`
	Note   string           `json:"note,omitempty"`
	At     time.Time        `json:"at"`
	Do     RulingKind       `json:"do"`
	Reason affiliate.Reason `json:"reason,omitempty"`
	// Amount of the order that a reversal takes back; nil or zero is all of it.
	Amount *affiliate.Money `json:"amount,omitempty"`
}

// RulingKind is what a ruling does.
type RulingKind string

// The rulings.
const (
	Approve RulingKind = "approve" // at once; after a reversal by a person it undoes it
	Reverse RulingKind = "reverse" // at once
	Hold    RulingKind = "hold"    // neither the clock nor a report approves until a release
	Release RulingKind = "release"
)

// Outcome is what a conversion should be.
type Outcome struct {
	State affiliate.State // Paid is said by the ledger alone: a payout was sent
	Order affiliate.Money // what the order amounts to, reversals taken off
	Whole affiliate.Money // what it amounted to before them
	At    time.Time       // of the order; of the first report while the order is not known
	// Shares are what partners (or we, as Partner "") should have: none of zero, by the
	// time of the touch, then its click id.
	Shares []Share
	// Commission is the sum of the shares and of what stays with the merchant because a
	// touch has no partner.
	Commission affiliate.Money
	// Lead is the touch, or the coupon, with the greatest weight, of equal ones the first: whose the
	// order is also when nothing is earned by it, as after a reversal. Zero: nobody's.
	Lead    Lead
	Due     time.Time // when the clock alone changes this outcome next; zero: never
	Flagged bool      // something about it needs a person: it counts as held
	Held    bool      // by a flag or a ruling, now: only a person moves it on
	Steps   []Step    // why, in the order in which the rules were applied
}

// Lead names a touch; without a ClickID it is a coupon.
type Lead struct{ Partner, ClickID string }

// Share is one touch's part of a commission.
type Share struct {
	Partner string
	ClickID string // "": a coupon
	Weight  uint32 // in proportion to those of the other touches
	Amount  affiliate.Money
	Terms   time.Time // from when the version holds that it fell under; zero: none
	Rate    int       // which rate of that version; -1: none, or the sender told the commission
}

// Step is one sentence of the explanation.
type Step struct {
	Rule string `json:"rule"`
	Text string `json:"text"`
}

// explanation collects the steps.
type explanation struct{ steps []Step }

func (x *explanation) say(rule, format string, args ...any) {
	x.steps = append(x.steps, Step{Rule: rule, Text: fmt.Sprintf(format, args...)})
}

// Settle applies every rule. It fails on no input: what it cannot make sense of it holds
// for a person and says so.
func Settle(f *Facts) Outcome {
	x := &explanation{}
	rulings := readRulings(f.Rulings, f.Settlement.Currency)
	o := readOrder(f, rulings, x)
	out := Outcome{
		State: affiliate.Unmatched, Order: o.left, Whole: o.whole, At: o.at, Flagged: o.flagged,
		Commission: affiliate.Money{Currency: f.Settlement.Currency},
	}
	var credits []credit
	if o.known {
		credits = attribute(f, o, x)
	}
	out.Lead = lead(credits)
	priced := price(f, o, credits, x)
	out.Shares, out.Commission = share(f, o, credits, priced, x)
	switch {
	case !o.known:
		x.say("state", "unmatched: no report of the order itself is known yet")
	case o.gone:
		out.State = affiliate.Reversed
		x.say("state", "reversed: nothing of the order is left")
	case len(credits) == 0:
		x.say("state", "unmatched: no click and no coupon of a partner belongs to the order")
	default:
		timing := decide(f, o, rulings, priced, x)
		out.State, out.Due, out.Held = timing.state, timing.due, timing.held
	}
	settlePayments(f.Payments, &out, x)
	out.Steps = x.steps
	return out
}

// since writes from when terms hold; those without a begin have always held.
func since(t time.Time) string {
	if t.IsZero() {
		return "that have always held"
	}
	return "from " + moment(t)
}

// moment writes a time for an explanation.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
