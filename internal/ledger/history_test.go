package ledger

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"pgregory.net/rapid"
)

var historySeed = flag.Uint64("history", 0, "play the one history of this seed")

// A thousand histories of a program: orders that change, payouts, cancellations,
// bonuses and retries, in any sequence.
func TestThousandHistories(t *testing.T) {
	if *historySeed != 0 {
		if err := play(*historySeed); err != nil {
			t.Fatal(err)
		}
		return
	}
	base := uint64(time.Now().UnixNano())
	for i := range uint64(1000) {
		if err := play(base + i); err != nil {
			t.Fatalf("%v\nplay it again: go test ./internal/ledger -run TestThousandHistories -history %d", err, base+i)
		}
	}
}

func play(seed uint64) error {
	return newHistory(rand.New(rand.NewPCG(seed, 0)).IntN).play(60)
}

// The same with rapid, which looks for the shortest history that fails.
func TestAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		choose := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") }
		if err := newHistory(choose).play(choose(40)); err != nil {
			t.Fatal(err)
		}
	})
}

const program = "acme"

var (
	partners    = []string{"anna", "ben", ""}
	currencies  = []affiliate.Currency{"EUR", "JPY"}
	conversions = []string{"acme/tx1", "acme/tx2", "acme/tx3", "acme/tx4"}
)

// history keeps books as a store would, and beside them what it knows without them.
type history struct {
	choose   func(n int) int // 0 to n-1
	now      time.Time
	postings []Posting
	posted   map[string]bool // ids
	balances Balances
	subjects map[string]map[cell]int64 // sums of a subject's entries

	revisions map[string]int64
	wants     map[string][]Want // the last of each conversion
	payouts   []Payout
	adjusted  map[cell]int64 // sums of adjustments, on Owed
}

func newHistory(choose func(n int) int) *history {
	return &history{
		choose: choose, now: noon, posted: map[string]bool{}, balances: Balances{}, subjects: map[string]map[cell]int64{},
		revisions: map[string]int64{}, wants: map[string][]Want{}, adjusted: map[cell]int64{},
	}
}

func (h *history) play(steps int) error {
	for range steps {
		h.now = h.now.Add(time.Hour)
		step := []func() error{h.change, h.change, h.change, h.run, h.advance, h.advance, h.takeBack, h.adjust, h.retry}[h.choose(9)]
		if err := errors.Join(step(), h.audit()); err != nil {
			return err
		}
	}
	return errors.Join(h.clawBack(), h.audit(), h.replay())
}

var errPosted = errors.New("posted already")

// post is what a store does.
func (h *history) post(p Posting) error {
	if err := p.Check(); err != nil {
		return err
	}
	if h.posted[p.ID] {
		return errPosted
	}
	if err := h.balances.Add(&p); err != nil {
		return err
	}
	if h.subjects[p.Subject] == nil {
		h.subjects[p.Subject] = map[cell]int64{}
	}
	for _, e := range p.Entries {
		h.subjects[p.Subject][cell{e.Account, e.Amount.Currency}] += e.Amount.Minor
	}
	h.posted[p.ID] = true
	h.postings = append(h.postings, p)
	return nil
}

// change makes a conversion something else, as reports and decisions do.
func (h *history) change() error {
	subject := conversions[h.choose(len(conversions))]
	currency := currencies[h.choose(10)/9] // one report in ten has another currency
	var want []Want
	for _, partner := range partners {
		amount := func() affiliate.Money {
			return affiliate.Money{Minor: int64(h.choose(2) * h.choose(10_000)), Currency: currency}
		}
		switch h.choose(4) {
		case 0: // nothing, any more
		case 1:
			want = append(want, Want{Partner: partner, Pending: amount()})
		case 2:
			want = append(want, Want{Partner: partner, Owed: amount()})
		case 3:
			want = append(want, Want{partner, amount(), amount()})
		}
	}
	return h.bring(subject, want)
}

func (h *history) bring(subject string, want []Want) error {
	why, entries := Delta(program, subject, h.have(subject), want)
	h.wants[subject] = want
	if len(entries) == 0 {
		return nil
	}
	p := Posting{ID: PostingID(subject, h.revisions[subject]+1), At: h.now, Why: why, Subject: subject, Entries: entries}
	if err := h.post(p); err != nil {
		return err
	}
	h.revisions[subject]++
	if why, entries := Delta(program, subject, h.have(subject), want); why != "" || entries != nil {
		return fmt.Errorf("%s differs from what was just posted: %s %v", subject, why, entries)
	}
	return nil
}

func (h *history) have(subject string) map[Account]affiliate.Money {
	have := map[Account]affiliate.Money{}
	for at, n := range h.subjects[subject] {
		if n != 0 {
			have[at.account] = affiliate.Money{Minor: n, Currency: at.currency}
		}
	}
	return have
}

// run drafts whatever can be paid.
func (h *history) run() error { return h.pay(int64(h.choose(3) * 2_500)) }

func (h *history) pay(minimum int64) error {
	for _, currency := range currencies {
		lines := Preview(program, h.balances.Owed(program, currency), affiliate.Money{Minor: minimum, Currency: currency}, h.payouts)
		for _, line := range lines {
			if line.Waits != "" {
				continue
			}
			if owed := h.balances[Owed(program, line.Partner)][currency]; line.Amount.Minor <= 0 || line.Amount.Minor < minimum || line.Amount.Minor > owed {
				return fmt.Errorf("%s are to be paid of %d, from %d on", line.Amount, owed, minimum)
			}
			payout, err := Draft(Payout{Program: program, Partner: line.Partner, Amount: line.Amount, Author: "olga", Created: h.now, Upto: h.now}, h.payouts)
			if err != nil {
				return err
			}
			if err := h.post(payout.Transfer()); err != nil {
				return err
			}
			h.payouts = append(h.payouts, payout)
		}
	}
	return nil
}

// advance approves a draft or sends an approved payout; others refuse.
func (h *history) advance() error {
	if len(h.payouts) == 0 {
		return nil
	}
	return h.proceed(h.choose(len(h.payouts)))
}

func (h *history) proceed(i int) error {
	switch p := h.payouts[i]; p.State {
	case PayoutDraft:
		next, err := p.Approve("otto", h.now, true)
		if err != nil {
			return err
		}
		h.payouts[i] = next
	case PayoutApproved:
		next, err := p.Send(h.now)
		if err != nil {
			return err
		}
		h.payouts[i] = next
		return h.post(next.Settle())
	}
	return nil
}

func (h *history) takeBack() error {
	if len(h.payouts) == 0 {
		return nil
	}
	i := h.choose(len(h.payouts))
	if h.payouts[i].State == PayoutUndone {
		return nil
	}
	next, err := h.payouts[i].TakeBack(h.now)
	if err != nil {
		return err
	}
	h.payouts[i] = next
	return h.post(next.Undo("olga", "wrong account"))
}

func (h *history) adjust() error {
	a := Adjustment{ID: fmt.Sprint(len(h.postings)), Why: Bonus, Program: program, Partner: partners[h.choose(3)], Note: "agreed by phone", Author: "olga", At: h.now,
		Amount: affiliate.Money{Minor: int64(1 + h.choose(5_000)), Currency: currencies[h.choose(2)]}}
	if h.choose(2) == 1 {
		a.Why, a.Amount = Manual, a.Amount.Neg()
	}
	p, err := a.Posting()
	if err != nil {
		return err
	}
	h.adjusted[cell{Owed(program, a.Partner), a.Amount.Currency}] += a.Amount.Minor
	return h.post(p)
}

// retry does again what was done, as a worker does who missed the answer.
func (h *history) retry() error {
	if len(h.postings) == 0 {
		return nil
	}
	again := []Posting{h.postings[h.choose(len(h.postings))]}
	if len(h.payouts) > 0 {
		p := h.payouts[h.choose(len(h.payouts))]
		again = append(again, p.Transfer())
		if !p.Sent.IsZero() {
			again = append(again, p.Settle())
		}
		if p.State == PayoutUndone {
			again = append(again, p.Undo("olga", "wrong account"))
		}
	}
	for _, p := range again {
		if err := h.post(p); !errors.Is(err, errPosted) {
			return fmt.Errorf("%s was posted twice: %v", p.ID, err)
		}
	}
	return nil
}

// audit compares the books with what is known without them.
func (h *history) audit() error {
	expected := map[cell]int64{}
	earned := func(at cell, n int64) {
		expected[at] += n
		expected[cell{Cost(program), at.currency}] -= n
	}
	for subject := range h.wants {
		sums := map[cell]int64{}
		for _, w := range h.wants[subject] {
			for at, n := range map[cell]int64{{Pending(program, w.Partner), w.Pending.Currency}: w.Pending.Minor, {Owed(program, w.Partner), w.Owed.Currency}: w.Owed.Minor} {
				sums[at] += n
				earned(at, n)
			}
		}
		for at, n := range h.subjects[subject] {
			if kind, _, _, _ := at.account.Parse(); kind != KindCost && sums[at] != n {
				return fmt.Errorf("%s has %d %s on %s, wanted are %d", subject, n, at.currency, at.account, sums[at])
			}
		}
	}
	for at, n := range h.adjusted {
		earned(at, n)
	}
	for _, p := range h.payouts {
		owed, n := cell{Owed(program, p.Partner), p.Amount.Currency}, p.Amount.Minor
		switch p.State {
		case PayoutDraft, PayoutApproved:
			expected[owed] -= n
			expected[cell{InPayout(program, p.Partner), owed.currency}] += n
		case PayoutSent:
			expected[owed] -= n
			expected[cell{PaidOut(program, p.Partner), owed.currency}] += n
		}
	}
	want := Balances{}
	for at, n := range expected {
		if want[at.account] == nil {
			want[at.account] = map[affiliate.Currency]int64{}
		}
		want[at.account][at.currency] = n
	}
	if !h.balances.Equal(want) {
		return fmt.Errorf("the balances are\n%v, expected are\n%v", h.balances.cells(), want.cells())
	}
	return h.balances.Trial()
}

// clawBack ends a history: all is sent, and whoever then has got too much earns 70
// more than that. The next payout must be of these 70.
func (h *history) clawBack() error {
	settle := func(minimum int64) error {
		if err := h.pay(minimum); err != nil {
			return err
		}
		for range 2 {
			for i := range h.payouts {
				if err := h.proceed(i); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := errors.Join(settle(0), settle(0)); err != nil { // what waited for an open payout comes second
		return err
	}
	before := len(h.payouts)
	for _, currency := range currencies {
		var want []Want
		for _, partner := range partners {
			owed := h.balances[Owed(program, partner)][currency]
			if owed > 0 {
				return fmt.Errorf("%q is still owed %d %s", partner, owed, currency)
			}
			want = append(want, Want{Partner: partner, Owed: affiliate.Money{Minor: 70 - owed, Currency: currency}})
		}
		if err := h.bring("acme/last-"+string(currency), want); err != nil {
			return err
		}
	}
	if err := settle(70); err != nil {
		return err
	}
	netted := h.payouts[before:]
	if n := len(currencies) * len(partners); len(netted) != n {
		return fmt.Errorf("%d payouts were made after clawbacks, want %d", len(netted), n)
	}
	for _, p := range netted {
		if p.Amount.Minor != 70 {
			return fmt.Errorf("the payout after a clawback is of %s", p.Amount)
		}
	}
	return nil
}

func (h *history) replay() error {
	again := Balances{}
	for i := range h.postings {
		p := &h.postings[i]
		for _, e := range p.Entries {
			if kind, _, _, _ := e.Account.Parse(); p.Why == Transfer && kind == KindInPayout && e.Amount.Minor <= 0 {
				return fmt.Errorf("%s transfers %s", p.ID, e.Amount)
			}
		}
		if err := again.Add(p); err != nil {
			return err
		}
	}
	if !again.Equal(h.balances) {
		return fmt.Errorf("a replay of %d postings ends with\n%v, not\n%v", len(h.postings), again.cells(), h.balances.cells())
	}
	return nil
}

// The table in docs/settlement.md, day by day.
func TestClawbackAsDocumented(t *testing.T) {
	h := newHistory(func(int) int { return 0 })
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	stands := func(day, pending, owed, inPayout, paidOut, cost int64) {
		t.Helper()
		want := Balances{
			Pending(program, "anna"): {"EUR": pending}, Owed(program, "anna"): {"EUR": owed}, InPayout(program, "anna"): {"EUR": inPayout},
			PaidOut(program, "anna"): {"EUR": paidOut}, Cost(program): {"EUR": cost},
		}
		if !h.balances.Equal(want) {
			t.Fatalf("day %d: the balances are %v, want %v", day, h.balances.cells(), want.cells())
		}
		do(h.audit())
	}
	do(h.bring("acme/tx1", []Want{{Partner: "anna", Pending: eur(6000)}}))
	stands(1, 6000, 0, 0, 0, -6000)
	do(h.bring("acme/tx1", []Want{{Partner: "anna", Owed: eur(6000)}}))
	stands(31, 0, 6000, 0, 0, -6000)
	do(h.pay(5000))
	stands(32, 0, 0, 6000, 0, -6000)
	do(errors.Join(h.proceed(0), h.proceed(0)))
	stands(33, 0, 0, 0, 6000, -6000)
	do(h.bring("acme/tx1", []Want{{Partner: "anna", Owed: eur(4000)}}))
	stands(40, 0, -2000, 0, 6000, -4000)
	if lines := Preview(program, h.balances.Owed(program, "EUR"), eur(5000), h.payouts); len(lines) != 1 || lines[0] != (Line{"anna", eur(-2000), WaitsForClawback}) {
		t.Fatalf("day 62: the preview is %v", lines)
	}
	do(h.bring("acme/tx2", []Want{{Partner: "anna", Owed: eur(7500)}}))
	stands(70, 0, 5500, 0, 6000, -11500)
	do(h.pay(5000))
	do(errors.Join(h.proceed(1), h.proceed(1)))
	stands(92, 0, 0, 0, 11500, -11500)
	do(h.replay())
}
