package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// endOfBooks asks for what holds now.
var endOfBooks time.Time

// balances are those of a program's accounts.
func (w *world) balances(ctx context.Context, s *shop) (map[ledger.Account]int64, error) {
	found := map[ledger.Account]int64{}
	err := w.store.View(ctx, func(r store.Reader) error {
		for _, prefix := range []string{"partner/" + s.ID + "/", "own/" + s.ID + "/", "program/" + s.ID + "/"} {
			all, err := r.Books().Balances(prefix, endOfBooks)
			if err != nil {
				return err
			}
			for _, b := range all {
				if b.Currency != s.Settlement.Currency {
					return fmt.Errorf("%s holds %s", b.Account, b.Money)
				}
				found[b.Account] = b.Minor
			}
		}
		return nil
	})
	return found, err
}

// pay runs the payouts of a program, and plans what becomes of the drafts.
func (w *world) pay(ctx context.Context, s *shop) error {
	have, err := w.balances(ctx, s)
	if err != nil {
		return err
	}
	want := map[string]int64{}
	for account, minor := range have {
		kind, _, partner, _ := account.Parse()
		underWay := slices.ContainsFunc(slices.Collect(maps.Values(s.payouts)), func(p ledger.Payout) bool {
			return p.Partner == partner && (p.State == ledger.PayoutDraft || p.State == ledger.PayoutApproved)
		})
		if kind == ledger.KindOwed && minor > 0 && minor >= s.Settlement.MinimumPayout && !underWay {
			want[partner] = minor
		}
	}
	drafts, err := w.office.RunPayouts(ctx, s.ID, "emil")
	if errors.Is(err, errFull) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, p := range drafts {
		if _, known := s.payouts[p.ID]; known {
			return fmt.Errorf("the payout %s is drafted again", p.ID)
		}
		if p.Amount.Minor != want[p.Partner] || p.Amount.Currency != s.Settlement.Currency {
			return fmt.Errorf("the payout %s is of %s; %d are payable", p.ID, p.Amount, want[p.Partner])
		}
		delete(want, p.Partner)
		s.payouts[p.ID] = p
		w.played["payout"]++
		w.onPayout(s, p.ID)
	}
	if len(want) > 0 {
		return fmt.Errorf("nobody drafted payouts of %v", want)
	}
	if again, err := w.office.RunPayouts(ctx, s.ID, "emil"); err != nil || len(again) > 0 {
		return fmt.Errorf("the same payout run again drafts %+v (%w)", again, err)
	}
	after, err := w.balances(ctx, s)
	if err != nil {
		return err
	}
	for _, p := range drafts {
		if owed := after[ledger.Owed(s.ID, p.Partner)]; owed != 0 {
			return fmt.Errorf("after the draft of the payout %s %d are owed still", p.ID, owed)
		}
	}
	return w.checkTrial(ctx)
}

// onPayout plans the steps of a payout: most are approved and sent, some are taken back, and
// each step is tried again when it is done, or not allowed.
func (w *world) onPayout(s *shop, id string) {
	at := w.now
	step := func(name string, percent int, do func(context.Context) error) {
		if at = at.Add(w.upTo(6 * day)); w.chance(percent) {
			w.on(at, name, do)
		}
	}
	undo := func(ctx context.Context) error {
		p, err := w.office.UndoPayout(ctx, id, "emil", "it came back")
		return w.moved(ctx, s, id, p, err, ledger.PayoutUndone, ledger.PayoutDraft, ledger.PayoutApproved, ledger.PayoutSent)
	}
	send := func(ctx context.Context) error {
		p, err := w.office.SendPayout(ctx, id, "carl")
		return w.moved(ctx, s, id, p, err, ledger.PayoutSent, ledger.PayoutApproved)
	}
	step("payout undone", 5, undo)
	step("payout approved", 90, func(ctx context.Context) error {
		if _, err := w.office.ApprovePayout(ctx, id, "Emil "); s.Settlement.Confirm && s.payouts[id].State == ledger.PayoutDraft {
			if affiliate.CodeOf(err) != affiliate.Forbidden && !errors.Is(err, errFull) {
				return fmt.Errorf("the author of %s approves it alone: %w", id, err)
			}
		} else if err == nil {
			return w.moved(ctx, s, id, ledger.Payout{State: ledger.PayoutApproved}, nil, ledger.PayoutApproved, ledger.PayoutDraft)
		}
		p, err := w.office.ApprovePayout(ctx, id, "dora")
		return w.moved(ctx, s, id, p, err, ledger.PayoutApproved, ledger.PayoutDraft)
	})
	step("payout undone", 5, undo)
	step("payout sent", 90, send)
	step("payout sent again", 20, send)
	step("payout undone", 10, undo)
}

// moved says whether a payout may be moved from where it is, and notes where it is then.
func (w *world) moved(ctx context.Context, s *shop, id string, p ledger.Payout, err error, to ledger.PayoutState, from ...ledger.PayoutState) error {
	if errors.Is(err, errFull) {
		return nil
	}
	known := s.payouts[id]
	if may := slices.Contains(from, known.State); may != (err == nil) {
		return fmt.Errorf("the payout %s is %s; making it %s: %w", id, known.State, to, err)
	}
	if err != nil {
		if affiliate.CodeOf(err) != affiliate.Conflict {
			return err
		}
		return nil
	}
	if p.State != to {
		return fmt.Errorf("the payout %s became %s, not %s", id, p.State, to)
	}
	known.State = to
	s.payouts[id] = known
	return w.checkPayout(ctx, s, id)
}

// checkPayout reads a payout's postings.
func (w *world) checkPayout(ctx context.Context, s *shop, id string) error {
	p := s.payouts[id]
	return w.store.View(ctx, func(r store.Reader) error {
		all, err := r.Books().Postings(store.PostingQuery{Subject: p.Subject(), Limit: 10})
		if err != nil {
			return err
		}
		times := map[ledger.Why]int{}
		for _, posting := range all {
			times[posting.Why]++
			for _, e := range posting.Entries {
				if abs(e.Amount.Minor) != p.Amount.Minor {
					return fmt.Errorf("the payout %s of %s is posted with %s", id, p.Amount, e.Amount)
				}
			}
		}
		if times[ledger.Transfer] != 1 || times[ledger.Settled] > 1 || times[ledger.Undone] > 1 || p.State == ledger.PayoutSent && times[ledger.Settled] != 1 {
			return fmt.Errorf("the payout %s is %s and was posted %v", id, p.State, times)
		}
		return nil
	})
}

// adjust gives a bonus or corrects by hand, once however often it is asked.
func (w *world) adjust(ctx context.Context, s *shop) error {
	a := ledger.Adjustment{ID: fmt.Sprintf("%s-%d", s.ID, w.events), Why: pick(w, ledger.Bonus, ledger.Manual), Program: s.ID, Author: "dora", Note: "thanks",
		Amount: affiliate.Money{Minor: 1 + w.dice.Int64N(3000), Currency: s.Settlement.Currency}}
	if s.Side == affiliate.Pays {
		a.Partner = pick(w, "anna", "ben", "cleo")
	}
	if a.Why == ledger.Manual && w.chance(60) {
		a.Amount.Minor = -a.Amount.Minor
	}
	err := w.office.Adjust(ctx, a)
	if errors.Is(err, errFull) {
		return nil
	}
	if err != nil {
		return err
	}
	s.adjusted[a.Partner] += a.Amount.Minor
	if err := w.office.Adjust(ctx, a); err != nil && !errors.Is(err, errFull) {
		return fmt.Errorf("the adjustment %s, asked for twice: %w", a.ID, err) // what it posts, the audit counts
	}
	a.Amount.Minor *= 2
	if err := w.office.Adjust(ctx, a); affiliate.CodeOf(err) != affiliate.Conflict && !errors.Is(err, errFull) {
		return fmt.Errorf("the adjustment %s was taken with another amount: %w", a.ID, err)
	}
	return w.checkTrial(ctx)
}

// stranger sends what cannot be taken in; nothing of it may remain.
func (w *world) stranger(ctx context.Context, s *shop) error {
	bad := affiliate.Report{Program: s.ID, Tx: "strange", Status: affiliate.ReportPending, Amount: money(100, "GBP"), At: w.now}
	if w.chance(50) {
		bad.Program = "nobody"
	}
	if receipt, err := w.office.Take(ctx, bad); affiliate.CodeOf(err) == "" && !errors.Is(err, errFull) {
		return fmt.Errorf("a report that cannot be settled is answered %+v, %w", receipt, err)
	}
	return w.store.View(ctx, func(r store.Reader) error {
		reports, err := r.Books().Reports(bad.Program, bad.Tx)
		if err == nil && len(reports) > 0 {
			err = fmt.Errorf("what was refused is stored: %+v", reports)
		}
		return err
	})
}
