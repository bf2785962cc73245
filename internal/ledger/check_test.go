package ledger

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func eur(minor int64) affiliate.Money { return affiliate.Money{Minor: minor, Currency: "EUR"} }
func jpy(minor int64) affiliate.Money { return affiliate.Money{Minor: minor, Currency: "JPY"} }

// bonus is a posting without fault.
func bonus() Posting {
	return Posting{ID: "b/1", At: noon, Why: Bonus, Subject: "b", Author: "olga", Note: "first of the month",
		Entries: []Entry{{Owed("acme", "anna"), eur(500)}, {Cost("acme"), eur(-500)}}}
}

func TestCheck(t *testing.T) {
	var long, tooLong []Entry
	for range EntriesMax / 2 {
		long = append(long, Entry{Owed("acme", "anna"), eur(amountMax)})
	}
	for range EntriesMax / 2 {
		long = append(long, Entry{Cost("acme"), eur(-amountMax)})
	}
	tooLong = append(append(tooLong, long...), Entry{Owed("acme", "anna"), jpy(1)}, Entry{Cost("acme"), jpy(-1)})
	heap := make([]Entry, EntriesMax)
	for i := range heap {
		heap[i] = Entry{Owed("acme", "anna"), eur(amountMax)}
	}
	for _, c := range []struct {
		name   string
		change func(*Posting)
		want   string // a part of the error; "" for none
	}{
		{"a bonus", func(*Posting) {}, ""},
		{"a reason in place of a note", func(p *Posting) { p.Note, p.Reason = "", affiliate.ReasonOther }, ""},
		{"two currencies", func(p *Posting) {
			p.Entries = append(p.Entries, Entry{Owed("acme", "anna"), jpy(7)}, Entry{Cost("acme"), jpy(-7)})
		}, ""},
		{"an exchange", func(p *Posting) {
			p.Why = Manual
			p.Entries = []Entry{{Owed("acme", "anna"), eur(-100)}, {FX("EUR"), eur(100)}, {FX("JPY"), jpy(-163)}, {Owed("acme", "anna"), jpy(163)}}
		}, ""},
		{"the largest", func(p *Posting) { p.Entries = long }, ""},
		{"an order needs no author", func(p *Posting) { p.Why, p.Author, p.Note = Accrued, "", "" }, ""},

		{"too many entries", func(p *Posting) { p.Entries = tooLong }, fmt.Sprintf("%d entries", EntriesMax+2)},
		{"off by as much as can be", func(p *Posting) { p.Entries = heap }, fmt.Sprintf("EUR sum to %d", EntriesMax*amountMax)},
		{"no entries", func(p *Posting) { p.Entries = nil }, "0 entries"},
		{"one entry", func(p *Posting) { p.Entries = p.Entries[:1] }, "1 entries"},
		{"a cent is missing", func(p *Posting) { p.Entries[0].Amount.Minor-- }, "sum to -1 minor"},
		{"currencies never make up for each other", func(p *Posting) { p.Entries[0].Amount.Currency = "JPY" }, "in EUR sum to -500"},
		{"an amount of 0", func(p *Posting) { p.Entries = append(p.Entries, Entry{Cost("acme"), eur(0)}) }, "entry 3 moves nothing"},
		{"16 digits", func(p *Posting) { p.Entries[0].Amount, p.Entries[1].Amount = eur(amountMax+1), eur(-amountMax-1) }, "at most 15 digits"},
		{"the smallest integer", func(p *Posting) { p.Entries[1].Amount = eur(math.MinInt64) }, "at most 15 digits"},
		{"no account", func(p *Posting) { p.Entries[1].Account = Cost("ac/me") }, `entry 2 has "", which is no account`},
		{"an invented account", func(p *Posting) { p.Entries[0].Account = "partner/acme/anna/gifts" }, "no account"},
		{"no currency", func(p *Posting) { p.Entries[0].Amount.Currency = "" }, "not known"},
		{"an exchange on the account of another currency", func(p *Posting) { p.Why, p.Entries[1].Account = Manual, FX("JPY") }, "its own currency alone"},
		{"no author", func(p *Posting) { p.Author = "" }, "no author"},
		{"no reason", func(p *Posting) { p.Note = "" }, "neither reason nor note"},
		{"a correction without reason", func(p *Posting) { p.Why, p.Note = Manual, "" }, "neither reason nor note"},
		{"a payout undone by nobody", func(p *Posting) { p.Why, p.Author = Undone, "" }, "no author"},
		{"a bonus that takes", func(p *Posting) { p.Entries[0].Amount, p.Entries[1].Amount = eur(-500), eur(500) }, "never negative"},
		{"a negative transfer", func(p *Posting) {
			p.Why, p.Entries = Transfer, []Entry{{Owed("acme", "anna"), eur(9)}, {InPayout("acme", "anna"), eur(-9)}}
		}, "never negative"},
		{"a negative payment", func(p *Posting) {
			p.Why, p.Entries = Settled, []Entry{{InPayout("acme", "anna"), eur(9)}, {PaidOut("acme", "anna"), eur(-9)}}
		}, "never negative"},
		{"an unknown why", func(p *Posting) { p.Why = "gift" }, `"gift" is not a reason`},
		{"no id", func(p *Posting) { p.ID = "" }, "its id has 0 bytes"},
		{"a long id", func(p *Posting) { p.ID = strings.Repeat("x", NameBytesMax+1) }, "its id has 513 bytes"},
		{"no subject", func(p *Posting) { p.Subject = "" }, "its subject has 0 bytes"},
		{"no time", func(p *Posting) { p.At = time.Time{} }, "no time"},
		{"a long note", func(p *Posting) { p.Note = strings.Repeat("x", NoteBytesMax+1) }, "longer than 2000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := bonus()
			c.change(&p)
			err := p.Check()
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || affiliate.CodeOf(err) != affiliate.Invalid):
				t.Errorf("the error is %v, want one with %q", err, c.want)
			case err != nil && len(err.Error()) > 600:
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestTheLargestAmountHasTheDigitsOfAmounts(t *testing.T) {
	if n := len(strconv.Itoa(amountMax)); n != affiliate.AmountDigitsMax || len(strconv.Itoa(amountMax+1)) == n {
		t.Errorf("the largest amount %d has %d digits", amountMax, n)
	}
}

func TestBalances(t *testing.T) {
	b := Balances{}
	p := bonus()
	p.Entries = []Entry{{Owed("acme", "anna"), eur(300)}, {Owed("acme", "anna"), eur(200)}, {Cost("acme"), eur(-500)}}
	if err := b.Add(&p); err != nil {
		t.Fatal(err)
	}
	want := Balances{Owed("acme", "anna"): {"EUR": 500, "JPY": 0}, Cost("acme"): {"EUR": -500}, FX("EUR"): {}}
	if !b.Equal(want) || !want.Equal(b) {
		t.Errorf("the balances are %v, want %v", b, want)
	}
	if b.Equal(Balances{Owed("acme", "anna"): {"EUR": 500}}) || b.Equal(Balances{}) {
		t.Error("balances are equal that are not")
	}
	if err := b.Trial(); err != nil {
		t.Error(err)
	}
	b[Cost("acme")]["EUR"] = -499
	if err := b.Trial(); err == nil || !strings.Contains(err.Error(), "EUR sum to 1 minor") {
		t.Errorf("the trial balance says %v", err)
	}
	// Four accounts whose sum is 2^64, which is 0 in 64 bits.
	b = Balances{"a": {"EUR": 1 << 62}, "b": {"EUR": 1 << 62}, "c": {"EUR": 1 << 62}, "d": {"EUR": 1 << 62}}
	if b.Trial() == nil {
		t.Error("the trial balance overflows")
	}
}

func TestOwed(t *testing.T) {
	b := Balances{Owed("acme", "anna"): {"EUR": 500, "JPY": 3}, Owed("acme", "ben"): {"EUR": -7}, Owed("acme", "cleo"): {"EUR": 0}, Owed("acme", ""): {"EUR": 9},
		Owed("shop", "anna"): {"EUR": 1}, Pending("acme", "dora"): {"EUR": 1}, Cost("acme"): {"EUR": -502}}
	owed := b.Owed("acme", "EUR")
	if len(owed) != 3 || owed["anna"] != eur(500) || owed["ben"] != eur(-7) || owed[""] != eur(9) {
		t.Errorf("owed are %v", owed)
	}
}

// A balance that would overflow is refused whole: the other account stays too.
func TestAddRefusesOverflow(t *testing.T) {
	for _, near := range []int64{math.MaxInt64 - 499, math.MinInt64 + 499} {
		b := Balances{Owed("acme", "anna"): {"EUR": near}, Cost("acme"): {"EUR": 0}}
		p := bonus()
		if near < 0 {
			p.Entries[0].Amount, p.Entries[1].Amount = eur(-500), eur(500)
		}
		p.Entries[0], p.Entries[1] = p.Entries[1], p.Entries[0]
		if err := b.Add(&p); affiliate.CodeOf(err) != affiliate.TooLarge {
			t.Errorf("the error is %v", err)
		}
		if b[Owed("acme", "anna")]["EUR"] != near || b[Cost("acme")]["EUR"] != 0 {
			t.Errorf("the balances have changed: %v", b)
		}
	}
}
