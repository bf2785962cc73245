package commission

import (
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

func TestPaymentsMakePaid(t *testing.T) {
	euros := func(minor int64) affiliate.Money { return affiliate.Money{Minor: minor, Currency: "EUR"} }
	day := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	anna, ben := Share{Partner: "anna", Amount: euros(800)}, Share{Partner: "ben", Amount: euros(200)}
	paid := func(partner string, minor int64) Payment {
		return Payment{Payout: "shop:" + partner + ":EUR:1", Partner: partner, Amount: euros(minor), At: day}
	}
	undone := paid("anna", 800)
	undone.Undone = day.AddDate(0, 0, 3)
	for name, c := range map[string]struct {
		state    affiliate.State
		shares   []Share
		payments []Payment
		want     affiliate.State
		says     string
	}{
		"nothing yet":             {affiliate.Approved, []Share{anna}, nil, affiliate.Approved, ""},
		"whole":                   {affiliate.Approved, []Share{anna}, []Payment{paid("anna", 800)}, affiliate.Paid, "paid 8.00 EUR to anna"},
		"one of two":              {affiliate.Approved, []Share{anna, ben}, []Payment{paid("anna", 800)}, affiliate.Approved, ""},
		"both":                    {affiliate.Approved, []Share{anna, ben}, []Payment{paid("anna", 800), paid("ben", 200)}, affiliate.Paid, "every share"},
		"ours":                    {affiliate.Approved, []Share{{Amount: euros(5)}}, []Payment{paid("", 5)}, affiliate.Paid, "to us"},
		"it grew since":           {affiliate.Approved, []Share{anna}, []Payment{paid("anna", 700)}, affiliate.Approved, ""},
		"the rest, later":         {affiliate.Approved, []Share{anna}, []Payment{paid("anna", 700), paid("anna", 100)}, affiliate.Paid, ""},
		"partly taken back":       {affiliate.Approved, []Share{ben}, []Payment{paid("ben", 800)}, affiliate.Paid, "6.00 EUR too much"},
		"reversed after payment":  {affiliate.Reversed, nil, []Payment{paid("anna", 800)}, affiliate.Reversed, "8.00 EUR too much were paid by now: they are taken off the next payout"},
		"and taken off the next":  {affiliate.Reversed, nil, []Payment{paid("anna", 800), paid("anna", -800)}, affiliate.Reversed, "8.00 EUR were taken off the payout"},
		"undone":                  {affiliate.Approved, []Share{anna}, []Payment{undone}, affiliate.Approved, "was undone"},
		"undone, then paid again": {affiliate.Approved, []Share{anna}, []Payment{undone, paid("anna", 800)}, affiliate.Paid, ""},
		"nobody earns anything":   {affiliate.Approved, nil, nil, affiliate.Approved, ""},
	} {
		x := &explanation{}
		out := Outcome{State: c.state, Shares: c.shares, Commission: euros(0)}
		settlePayments(c.payments, &out, x)
		var said strings.Builder
		for _, s := range x.steps {
			said.WriteString(s.Text + "\n")
		}
		if out.State != c.want || !strings.Contains(said.String(), c.says) {
			t.Errorf("%s: %s, want %s; it says %s", name, out.State, c.want, &said)
		}
	}
}
