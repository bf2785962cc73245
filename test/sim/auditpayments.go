package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// auditPayments goes through all that partners were ever owed, from the first posting on,
// and compares what each payout took with what the conversions know of it.
func (w *world) auditPayments(ctx context.Context, s *shop, all []store.Conversion) error {
	var postings []ledger.Posting
	err := w.store.View(ctx, func(r store.Reader) (err error) {
		postings, err = r.Books().Postings(store.PostingQuery{Limit: postingsMax})
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(postings)
	paid := replayPayouts(s, postings)
	for i := range all {
		if err := s.auditPaid(&all[i], paid); err != nil {
			return fmt.Errorf("the conversion %s of %s is %s: %w", all[i].ID, all[i].Tx, all[i].State, err)
		}
	}
	for id, part := range paid {
		if s.payouts[id].State == ledger.PayoutSent && len(part) > 0 {
			return fmt.Errorf("the payout %s paid %v, and these conversions know nothing of it", id, part)
		}
	}
	return nil
}

// replayPayouts returns what each payout paid of each conversion, in minor units.
func replayPayouts(s *shop, postings []ledger.Posting) map[string]map[string]int64 {
	paid, open := map[string]map[string]int64{}, map[ledger.Account]map[string]int64{}
	for i := range postings {
		p := &postings[i]
		for _, e := range p.Entries {
			if kind, program, _, _ := e.Account.Parse(); kind != ledger.KindOwed || program != s.ID {
				continue
			}
			if open[e.Account] == nil {
				open[e.Account] = map[string]int64{}
			}
			id, _ := ledger.PayoutOf(p.Subject)
			switch p.Why {
			case ledger.Transfer:
				paid[id], open[e.Account] = open[e.Account], nil
			case ledger.Undone:
				for conversion, minor := range paid[id] {
					open[e.Account][conversion] += minor
				}
			case ledger.Bonus, ledger.Manual:
			default:
				open[e.Account][p.Subject] += e.Amount.Minor
			}
		}
	}
	for _, part := range paid {
		maps.DeleteFunc(part, func(_ string, minor int64) bool { return minor == 0 })
	}
	return paid
}

// auditPaid compares the payments that a conversion knows with those of the ledger, and
// takes them out of there.
func (s *shop) auditPaid(c *store.Conversion, paid map[string]map[string]int64) error {
	var kept struct {
		Payments []commission.Payment `json:"payments"`
	}
	var shares []commission.Share
	if len(c.Evidence) > 0 {
		if err := json.Unmarshal(c.Evidence, &kept); err != nil {
			return err
		}
	}
	if len(c.Shares) > 0 {
		if err := json.Unmarshal(c.Shares, &shares); err != nil {
			return err
		}
	}
	had := map[string]int64{}
	for _, p := range kept.Payments {
		state := s.payouts[p.Payout].State
		if sent := state == ledger.PayoutSent; sent != p.Undone.IsZero() || !sent && state != ledger.PayoutUndone {
			return fmt.Errorf("its payment %+v is of a payout that is %s", p, state)
		}
		if paid[p.Payout][c.ID] != p.Amount.Minor {
			return fmt.Errorf("it knows of %s by the payout %s, which paid %d of it", p.Amount, p.Payout, paid[p.Payout][c.ID])
		}
		delete(paid[p.Payout], c.ID)
		if p.Undone.IsZero() {
			had[p.Partner] += p.Amount.Minor
		}
	}
	whole := len(kept.Payments) > 0 && len(shares) > 0
	for _, share := range shares {
		had[share.Partner] -= share.Amount.Minor
	}
	for _, minor := range had {
		whole = whole && minor >= 0
	}
	locked := c.State == affiliate.Approved || c.State == affiliate.Paid
	if locked && whole != (c.State == affiliate.Paid) {
		return fmt.Errorf("its payments are %+v, its shares %+v", kept.Payments, shares)
	}
	return nil
}
