package settlement

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

// A payout takes all that a partner is owed. So what it pays is every posting on that
// account since the transfer of the payout before it: conversions, what was taken back of
// conversions that had been paid, bonuses, and payouts that came back. The conversions
// learn of it in transactions of paymentsMax, so that reports wait for none of them; a
// document for the payout stands in the store until all have, whatever happens meanwhile.
const (
	paymentsMax  = 200
	postingsPage = 1_000
)

// tellConversions is written with a payout that was sent, or that came back after it was.
func tellConversions(w store.Writer, p *ledger.Payout) error {
	return w.Documents().Put(store.PayoutNews, store.Document{Key: p.ID, Body: json.RawMessage("{}")})
}

// runPayments tells the conversions of payouts that were sent or undone since. It returns
// how many it has told.
func (o *Office) runPayments(ctx context.Context) (told int, err error) {
	var news []store.Document
	err = o.options.Store.View(ctx, func(r store.Reader) error {
		news, err = r.Documents().List(store.PayoutNews, "")
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, d := range news {
		n, err := o.runPayment(ctx, d.Key)
		told += n
		if err != nil {
			return told, fmt.Errorf("telling the conversions of the payout %s: %w", d.Key, err)
		}
	}
	return told, nil
}

func (o *Office) runPayment(ctx context.Context, payout string) (told int, err error) {
	var paid map[string]int64
	var p ledger.Payout
	err = o.options.Store.View(ctx, func(view store.Reader) error {
		r := viewing(view)
		if p, err = payoutOf(r, payout); err != nil {
			return err
		}
		paid, err = paidBy(r, &p)
		return err
	})
	if err != nil {
		return 0, err
	}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(paid)), paymentsMax) {
		err := o.options.Store.Update(ctx, func(w store.Writer) error { return o.tellSome(w, p.ID, ids, paid) })
		if err != nil {
			return told, err
		}
		told += len(ids)
	}
	return told, o.options.Store.Update(ctx, func(w store.Writer) error {
		now, err := payoutOf(updating(w), payout)
		if err != nil || now.State != p.State {
			return err // it was undone meanwhile: the next run tells that
		}
		return w.Documents().Delete(store.PayoutNews, payout)
	})
}

func payoutOf(r reader, id string) (p ledger.Payout, err error) {
	d, err := r.documents.Get(store.Payout, id)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(d.Body, &p); err != nil {
		return p, fmt.Errorf("the stored payout %s: %w", id, err)
	}
	return p, nil
}

// tellSome writes a payment into conversions, and settles them with it.
func (o *Office) tellSome(w store.Writer, payout string, conversions []string, paid map[string]int64) error {
	p, err := payoutOf(updating(w), payout)
	if err != nil {
		return err
	}
	for _, id := range conversions {
		c, err := w.Books().Conversion(id)
		if err != nil {
			return err
		}
		if paid[id] == 0 {
			continue // accrued and reversed between two payouts
		}
		payment := commission.Payment{Payout: p.ID, Partner: p.Partner, Amount: affiliate.Money{Minor: paid[id], Currency: p.Amount.Currency}, At: p.Sent, Undone: p.Undone}
		if err := o.addPayment(w, &c, payment); err != nil {
			return err
		}
	}
	return nil
}

// addPayment keeps a payment with a conversion, once, and settles the conversion anew.
func (o *Office) addPayment(w store.Writer, c *store.Conversion, payment commission.Payment) error {
	var kept evidence
	if err := decode(c.Evidence, &kept); err != nil {
		return err
	}
	at := slices.IndexFunc(kept.Payments, func(p commission.Payment) bool { return p.Payout == payment.Payout })
	switch {
	case at < 0:
		kept.Payments = append(kept.Payments, payment)
	case kept.Payments[at].Undone.Equal(payment.Undone):
		return nil
	default:
		kept.Payments[at].Undone = payment.Undone
	}
	c.Evidence = encode(kept)
	if err := w.Books().PutConversion(*c); err != nil { // settle reads it
		return err
	}
	_, err := o.settle(w, transaction{c.Program, c.Tx}, newFindings())
	return err
}

// paidBy sums for each conversion what a payout paid of it, in minor units. It fails when
// that, with bonuses and corrections, is not the amount of the payout: then the books are
// damaged, and nobody is told of anything.
func paidBy(r reader, p *ledger.Payout) (map[string]int64, error) {
	paid := map[string]int64{}
	sum, err := addPaid(r, p, paid)
	if err == nil && sum != p.Amount.Minor {
		err = fmt.Errorf("BUG: what was posted for it sums to %s, not %s", affiliate.Money{Minor: sum, Currency: p.Amount.Currency}, p.Amount)
	}
	return paid, err
}

// addPaid adds what was posted between the transfer of a payout and the one before it.
func addPaid(r reader, p *ledger.Payout, paid map[string]int64) (sum int64, err error) {
	account := ledger.Owed(p.Program, p.Partner)
	transfer := p.Transfer()
	for before := transfer.ID; ; {
		page, err := r.books.Postings(store.PostingQuery{Account: account, Before: before, Limit: postingsPage})
		if err != nil {
			return sum, err
		}
		for i := range page {
			if page[i].Why == ledger.Transfer && page[i].Touches(account, p.Amount.Currency) {
				return sum, nil
			}
			n, err := addPosting(r, &page[i], account, p.Amount.Currency, paid)
			sum += n
			if err != nil {
				return sum, err
			}
		}
		if len(page) < postingsPage {
			return sum, nil
		}
		before = page[len(page)-1].ID
	}
}

// addPosting adds what one posting brought the account. One that brings back a payout stands
// for all that this payout had paid.
func addPosting(r reader, posting *ledger.Posting, account ledger.Account, currency affiliate.Currency, paid map[string]int64) (sum int64, err error) {
	for _, e := range posting.Entries {
		if e.Account == account && e.Amount.Currency == currency {
			sum += e.Amount.Minor
		}
	}
	switch posting.Why {
	case ledger.Undone:
		id, _ := ledger.PayoutOf(posting.Subject)
		undone, err := payoutOf(r, id)
		if err != nil {
			return sum, err
		}
		_, err = addPaid(r, &undone, paid)
		return sum, err
	case ledger.Bonus, ledger.Manual:
	default:
		paid[posting.Subject] += sum
	}
	return sum, nil
}

// paymentsOf returns the payments that are kept with a conversion.
func paymentsOf(c *store.Conversion) ([]commission.Payment, error) {
	var kept evidence
	err := decode(c.Evidence, &kept)
	return kept.Payments, err
}
