package ledger

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// draft is the first payout of 60.00 EUR to Anna.
func draft(t *testing.T, existing ...Payout) Payout {
	t.Helper()
	p, err := Draft(Payout{Program: "acme", Partner: "anna", Amount: eur(6000), Method: "sepa", Author: "olga", Created: noon, Upto: noon}, existing)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPreview(t *testing.T) {
	owed := map[string]affiliate.Money{
		"anna": eur(6000), "ben": eur(4999), "cleo": eur(5000), "dora": eur(-2000), "emil": eur(9000), "fay": eur(9000), "gus": eur(9000),
		"hal": eur(9000), "ida": jpy(900_000), "joe": eur(0), "kim": eur(10), "lea": eur(-1),
	}
	at := func(program, partner string, currency affiliate.Currency, state PayoutState) Payout {
		return Payout{Program: program, Partner: partner, Amount: affiliate.Money{Minor: 1, Currency: currency}, State: state}
	}
	existing := []Payout{
		at("acme", "emil", "EUR", PayoutDraft), at("acme", "fay", "EUR", PayoutApproved), at("acme", "gus", "EUR", PayoutSent), at("acme", "gus", "EUR", PayoutUndone),
		at("shop", "hal", "EUR", PayoutDraft), at("acme", "hal", "JPY", PayoutDraft), at("acme", "kim", "EUR", PayoutDraft), at("acme", "lea", "EUR", PayoutDraft),
	}
	want := []Line{
		{"anna", eur(6000), ""}, {"ben", eur(4999), WaitsForMinimum}, {"cleo", eur(5000), ""}, {"dora", eur(-2000), WaitsForClawback},
		{"emil", eur(9000), WaitsForPayout}, {"fay", eur(9000), WaitsForPayout}, {"gus", eur(9000), ""}, {"hal", eur(9000), ""},
		{"kim", eur(10), WaitsForMinimum}, {"lea", eur(-1), WaitsForClawback},
	}
	if lines := Preview("acme", owed, eur(5000), existing); !slices.Equal(lines, want) {
		t.Errorf("the preview is\n%v, want\n%v", lines, want)
	}
	// Without a minimum whatever is above zero is paid, and never what is below.
	lines := Preview("acme", map[string]affiliate.Money{"a": eur(1), "b": eur(0), "c": eur(-1)}, eur(0), nil)
	if !slices.Equal(lines, []Line{{"a", eur(1), ""}, {"c", eur(-1), WaitsForClawback}}) {
		t.Errorf("the preview is %v", lines)
	}
}

func TestDraftIsNumbered(t *testing.T) {
	first := draft(t)
	if first.ID != "acme:anna:EUR:1" || first.State != PayoutDraft {
		t.Errorf("the draft is %+v", first)
	}
	if again := draft(t); again != first {
		t.Errorf("the same run makes %+v", again)
	}
	undone, _ := first.TakeBack(noon)
	other := Payout{Program: "acme", Partner: "ben", Amount: eur(1), State: PayoutDraft}
	if next := draft(t, undone, other); next.ID != "acme:anna:EUR:2" {
		t.Errorf("the draft after one that was undone is %s", next.ID)
	}
}

func TestDraftRefuses(t *testing.T) {
	good := Payout{Program: "acme", Partner: "anna", Amount: eur(6000), Author: "olga", Created: noon, Upto: noon}
	open, approved := good, good
	open.State, approved.State = PayoutDraft, PayoutApproved
	for _, c := range []struct {
		name     string
		change   func(*Payout)
		existing []Payout
		code     affiliate.Code
		want     string
	}{
		{"nothing", func(p *Payout) { p.Amount.Minor = 0 }, nil, affiliate.Invalid, "moves nothing"},
		{"less than nothing", func(p *Payout) { p.Amount.Minor = -1 }, nil, affiliate.Invalid, "never negative"},
		{"too much", func(p *Payout) { p.Amount.Minor = amountMax + 1 }, nil, affiliate.Invalid, "15 digits"},
		{"the smallest integer", func(p *Payout) { p.Amount.Minor = math.MinInt64 }, nil, affiliate.Invalid, "15 digits"},
		{"no program", func(p *Payout) { p.Program = "" }, nil, affiliate.Invalid, "no account"},
		{"no author", func(p *Payout) { p.Author = "" }, nil, affiliate.Invalid, "author"},
		{"no time", func(p *Payout) { p.Created = time.Time{} }, nil, affiliate.Invalid, "no time"},
		{"beside a draft", func(*Payout) {}, []Payout{open}, affiliate.Conflict, "is draft"},
		{"beside an approved one", func(*Payout) {}, []Payout{approved}, affiliate.Conflict, "is approved"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := good
			c.change(&p)
			_, err := Draft(p, c.existing)
			if affiliate.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %s with %q", err, c.code, c.want)
			}
		})
	}
}

func TestPayoutTransitions(t *testing.T) {
	steps := map[string]func(Payout) (Payout, error){
		"approve": func(p Payout) (Payout, error) { return p.Approve("otto", noon, true) },
		"send":    func(p Payout) (Payout, error) { return p.Send(noon) },
		"undo":    func(p Payout) (Payout, error) { return p.TakeBack(noon) },
	}
	allowed := map[PayoutState]map[string]PayoutState{
		PayoutDraft:    {"approve": PayoutApproved, "undo": PayoutUndone},
		PayoutApproved: {"send": PayoutSent, "undo": PayoutUndone},
		PayoutSent:     {"undo": PayoutUndone},
		PayoutUndone:   {},
		"":             {},
	}
	for state, moves := range allowed {
		for name, step := range steps {
			p := draft(t)
			p.State = state
			next, err := step(p)
			if want, ok := moves[name]; ok && (err != nil || next.State != want) {
				t.Errorf("%s of a payout that is %q: %q %v, want %q", name, state, next.State, err, want)
			} else if !ok && affiliate.CodeOf(err) != affiliate.Conflict {
				t.Errorf("%s of a payout that is %q: %q %v", name, state, next.State, err)
			}
		}
	}
}

func TestASecondPersonApproves(t *testing.T) {
	for _, c := range []struct {
		approver string
		confirm  bool
		code     affiliate.Code
	}{
		{"otto", true, ""}, {"otto", false, ""}, {"olga", false, ""},
		{"olga", true, affiliate.Forbidden}, {"Olga", true, affiliate.Forbidden}, {" olga ", true, affiliate.Forbidden},
		{"", true, affiliate.Invalid}, {"", false, affiliate.Invalid}, {" ", true, affiliate.Invalid},
	} {
		if _, err := draft(t).Approve(c.approver, noon, c.confirm); affiliate.CodeOf(err) != c.code {
			t.Errorf("approved by %q, second person %v: %v, want %q", c.approver, c.confirm, err, c.code)
		}
	}
}

func TestPostingsOfAPayout(t *testing.T) {
	owed, inPayout, paidOut := Owed("acme", "anna"), InPayout("acme", "anna"), PaidOut("acme", "anna")
	drafted := draft(t)
	approved, _ := drafted.Approve("otto", noon.Add(time.Hour), true)
	sent, _ := approved.Send(noon.Add(2 * time.Hour))
	cancelled, _ := approved.TakeBack(noon.Add(2 * time.Hour))
	returned, _ := sent.TakeBack(noon.Add(72 * time.Hour))
	for _, c := range []struct {
		posting  Posting
		id       string
		why      Why
		at       time.Time
		from, to Account
	}{
		{drafted.Transfer(), "payout:acme:anna:EUR:1/1", Transfer, noon, owed, inPayout},
		{returned.Transfer(), "payout:acme:anna:EUR:1/1", Transfer, noon, owed, inPayout},
		{sent.Settle(), "payout:acme:anna:EUR:1/2", Settled, noon.Add(2 * time.Hour), inPayout, paidOut},
		// Of a cancellation and a transfer at the same moment only one can be posted.
		{cancelled.Undo("olga", "wrong account"), "payout:acme:anna:EUR:1/2", Undone, noon.Add(2 * time.Hour), inPayout, owed},
		{returned.Undo("olga", "came back"), "payout:acme:anna:EUR:1/3", Undone, noon.Add(72 * time.Hour), paidOut, owed},
	} {
		p := c.posting
		if err := p.Check(); err != nil {
			t.Error(err)
		}
		want := []Entry{{c.from, eur(-6000)}, {c.to, eur(6000)}}
		if p.ID != c.id || p.Why != c.why || !p.At.Equal(c.at) || p.Subject != "payout:acme:anna:EUR:1" || !slices.Equal(p.Entries, want) {
			t.Errorf("the posting is %+v\nwant %s %s %s %v", p, c.id, c.why, c.at, want)
		}
	}
	// A step that was not taken has no posting, and neither has an undo without reason.
	for _, p := range []Posting{drafted.Settle(), drafted.Undo("olga", "too early"), cancelled.Undo("olga", ""), cancelled.Undo("", "wrong account")} {
		if p.Check() == nil {
			t.Errorf("%+v can be posted", p)
		}
	}
}

func TestAdjustments(t *testing.T) {
	good := Adjustment{ID: "a1", Why: Bonus, Program: "acme", Partner: "anna", Amount: eur(500), Note: "100 orders in a month", Author: "olga", At: noon}
	p, err := good.Posting()
	if err != nil || p.ID != "adjustment:a1/1" || p.Subject != "adjustment:a1" || !slices.Equal(p.Entries, []Entry{{Owed("acme", "anna"), eur(500)}, {Cost("acme"), eur(-500)}}) {
		t.Errorf("the posting is %+v, %v", p, err)
	}
	for _, c := range []struct {
		name   string
		change func(*Adjustment)
		ok     bool
	}{
		{"a correction that takes", func(a *Adjustment) { a.Why, a.Amount = Manual, eur(-500) }, true},
		{"a reason without note", func(a *Adjustment) { a.Note, a.Reason = "", affiliate.ReasonDispute }, true},
		{"a bonus that takes", func(a *Adjustment) { a.Amount = eur(-500) }, false},
		{"a bonus of nothing", func(a *Adjustment) { a.Amount = eur(0) }, false},
		{"the smallest integer", func(a *Adjustment) { a.Why, a.Amount = Manual, eur(math.MinInt64) }, false},
		{"no author", func(a *Adjustment) { a.Author = "" }, false},
		{"no reason", func(a *Adjustment) { a.Note = "" }, false},
		{"no id", func(a *Adjustment) { a.ID = "" }, false},
		{"no time", func(a *Adjustment) { a.At = time.Time{} }, false},
		{"no adjustment", func(a *Adjustment) { a.Why = Accrued }, false},
		{"an undo", func(a *Adjustment) { a.Why = Undone }, false},
	} {
		a := good
		c.change(&a)
		if _, err := a.Posting(); (err == nil) != c.ok || err != nil && affiliate.CodeOf(err) != affiliate.Invalid {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
