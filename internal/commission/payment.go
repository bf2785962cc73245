package commission

import (
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Payment is what a conversion had in a payout that was sent: what it had earned its
// partner since the payout before. Below zero it was taken off that payout, because it had
// been paid and was taken back.
type Payment struct {
	Payout  string          `json:"payout"` // id
	Partner string          `json:"partner,omitempty"`
	Amount  affiliate.Money `json:"amount"`
	At      time.Time       `json:"at"`              // when the payout was sent
	Undone  time.Time       `json:"undone,omitzero"` // when it came back; it counts no more
}

// settlePayments makes an approved conversion paid when each share has been paid whole, and
// says what every payment was.
func settlePayments(payments []Payment, out *Outcome, x *explanation) {
	left := map[string]int64{}
	for _, s := range out.Shares {
		left[s.Partner] += s.Amount.Minor
	}
	for _, p := range payments {
		whom := p.Partner
		if whom == "" {
			whom = "us"
		}
		switch {
		case !p.Undone.IsZero():
			x.say("payment", "the payout %s paid %s to %s at %s, and was undone at %s", p.Payout, p.Amount, whom, moment(p.At), moment(p.Undone))
			continue
		case p.Amount.Minor < 0:
			x.say("payment", "%s were taken off the payout %s to %s of %s: they had been paid before", affiliate.Money{Minor: -p.Amount.Minor, Currency: p.Amount.Currency}, p.Payout, whom, moment(p.At))
		default:
			x.say("payment", "the payout %s paid %s to %s at %s", p.Payout, p.Amount, whom, moment(p.At))
		}
		left[p.Partner] -= p.Amount.Minor
	}
	if len(payments) == 0 {
		return
	}
	over, under := int64(0), int64(0)
	for _, n := range left {
		over += max(-n, 0)
		under += max(n, 0)
	}
	if over > 0 {
		x.say("payment", "%s too much were paid by now: they are taken off the next payout", affiliate.Money{Minor: over, Currency: out.Commission.Currency})
	}
	if out.State == affiliate.Approved && under == 0 && len(out.Shares) > 0 {
		out.State = affiliate.Paid
		x.say("state", "paid: every share was in a payout that was sent")
	}
}
