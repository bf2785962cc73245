package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// audit looks at everything, at the end of each year.
func (w *world) audit(ctx context.Context) error {
	w.disk.full = false
	if err := w.runDue(ctx); err != nil {
		return err
	}
	if err := w.replay(ctx); err != nil {
		return err
	}
	for _, s := range w.shops {
		if err := w.auditShop(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// replay adds up all postings again, in their order.
func (w *world) replay(ctx context.Context) error {
	return w.store.View(ctx, func(r store.Reader) error {
		all, err := r.Books().Postings(store.PostingQuery{Limit: postingsMax})
		if err != nil {
			return err
		}
		slices.Reverse(all)
		again, met := ledger.Balances{}, map[string]bool{}
		for i := range all {
			p := &all[i]
			if err := p.Check(); err != nil {
				return err
			}
			if met[p.ID] {
				return fmt.Errorf("the posting %s is there twice", p.ID)
			}
			if i > 0 && p.At.Before(all[i-1].At) {
				return fmt.Errorf("the posting %s is dated before the one it follows", p.ID)
			}
			met[p.ID] = true
			if err := again.Add(p); err != nil {
				return err
			}
		}
		kept, err := r.Books().Balances("", endOfBooks)
		if err != nil {
			return err
		}
		have := ledger.Balances{}
		for _, b := range kept {
			if have[b.Account] == nil {
				have[b.Account] = map[affiliate.Currency]int64{}
			}
			have[b.Account][b.Currency] = b.Minor
		}
		if !have.Equal(again) {
			return fmt.Errorf("the balances are %v, a replay of all postings says %v", have, again)
		}
		return again.Trial()
	})
}

func (w *world) auditShop(ctx context.Context, s *shop) error {
	var all []store.Conversion
	err := w.store.View(ctx, func(r store.Reader) (err error) {
		for _, name := range s.names {
			if err := w.checkStory(r.Books(), s.stories[name]); err != nil {
				return err
			}
		}
		all, err = r.Books().FindConversions(store.ConversionQuery{Program: s.ID, Limit: postingsMax})
		return err
	})
	if err != nil {
		return err
	}
	met := map[string]bool{}
	for i := range all {
		met[all[i].Tx] = true
		if err := w.explain(ctx, s, &all[i]); err != nil {
			return fmt.Errorf("the conversion %s of %s: %w", all[i].ID, all[i].Tx, err)
		}
	}
	for _, name := range s.names {
		if len(s.stories[name].facts) > 0 && !met[name] {
			return fmt.Errorf("the transaction %s was reported and is no conversion", name)
		}
	}
	if err := w.auditPayments(ctx, s, all); err != nil {
		return err
	}
	return w.auditBalances(ctx, s, all)
}

// explain derives a conversion again.
func (w *world) explain(ctx context.Context, s *shop, c *store.Conversion) error {
	x, err := w.office.Explain(ctx, c.ID)
	if err != nil {
		return err
	}
	if state := stateOf(x.Steps); state != string(c.State) {
		return fmt.Errorf("it is %s, its explanation ends with %q", c.State, state)
	}
	shares, err := json.Marshal(x.Shares)
	if err != nil {
		return err
	}
	if string(shares) != string(c.Shares) {
		return fmt.Errorf("its shares are %s, its explanation says %s", c.Shares, shares)
	}
	if len(x.Reports) == 0 {
		return fmt.Errorf("its explanation has no report")
	}
	return nil
}

// auditBalances compares what partners are owed with what they earned, less what they were paid.
func (w *world) auditBalances(ctx context.Context, s *shop, all []store.Conversion) error {
	want := map[ledger.Account]int64{}
	for i := range all {
		var shares []commission.Share
		if err := json.Unmarshal(all[i].Shares, &shares); err != nil {
			return err
		}
		for _, share := range shares {
			switch all[i].State {
			case affiliate.Pending:
				want[ledger.Pending(s.ID, share.Partner)] += share.Amount.Minor
			case affiliate.Approved, affiliate.Paid:
				want[ledger.Owed(s.ID, share.Partner)] += share.Amount.Minor
			}
		}
	}
	for partner, minor := range s.adjusted {
		want[ledger.Owed(s.ID, partner)] += minor
	}
	for _, p := range s.payouts {
		switch p.State {
		case ledger.PayoutDraft, ledger.PayoutApproved:
			want[ledger.InPayout(s.ID, p.Partner)] += p.Amount.Minor
			want[ledger.Owed(s.ID, p.Partner)] -= p.Amount.Minor
		case ledger.PayoutSent:
			want[ledger.PaidOut(s.ID, p.Partner)] += p.Amount.Minor
			want[ledger.Owed(s.ID, p.Partner)] -= p.Amount.Minor
		}
	}
	have, err := w.balances(ctx, s)
	if err != nil {
		return err
	}
	for account, minor := range have {
		if kind, _, _, _ := account.Parse(); kind != ledger.KindCost && want[account] != minor {
			return fmt.Errorf("%s holds %d; conversions, adjustments and payouts say %d", account, minor, want[account])
		}
		delete(want, account)
	}
	for account, minor := range want {
		if minor != 0 {
			return fmt.Errorf("%s holds nothing; conversions, adjustments and payouts say %d", account, minor)
		}
	}
	return nil
}
