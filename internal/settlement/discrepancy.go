package settlement

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// Kinds of discrepancies.
const (
	StillUnmatched    = "unmatched"          // nobody's for more than a day
	FlaggedConversion = "flagged"            // held for a person
	AmountsDiffer     = "amounts_differ"     // reports of one order tell different amounts
	CurrenciesDiffer  = "currencies_differ"  // reports of one transaction came in different currencies
	CommissionDiffers = "commission_differs" // a report tells another commission than the terms give
	PaymentDiffers    = "payment_differs"    // the network says it has paid, and something else than the books have
	LedgerDiffers     = "ledger_differs"     // what is posted is not the sum of the shares
	RejectedReports   = "rejected_reports"   // how many were refused, by reason
)

// Limits of a search for discrepancies.
const (
	DiscrepanciesMax   = 1000
	discrepancyScanMax = 20_000 // conversions, and rejections, that one search reads, the newest first
	discrepancyPage    = 500
	unmatchedAfter     = 24 * time.Hour
)

// DiscrepancyQuery asks what does not add up.
type DiscrepancyQuery struct {
	Program string    // "": all
	Since   time.Time // of the orders, and of the rejections; zero: all
	Limit   int       // must be set
}

// Discrepancy is something that does not add up.
type Discrepancy struct {
	Kind    string
	Program string
	Subject string // id of the conversion, number of the transaction, or reason of rejections
	Message string
	Amount  *affiliate.Money
	At      time.Time
}

// Discrepancies lists what does not add up, the latest first. more says that there is more, or that not all
// conversions of the time could be looked at.
func (o *Office) Discrepancies(ctx context.Context, q DiscrepancyQuery) (found []Discrepancy, more bool, err error) {
	err = o.options.Store.View(ctx, func(view store.Reader) error {
		a := audit{office: o, reader: viewing(view), query: &q, seen: map[transaction]bool{}, now: o.now()}
		a.programs = &programs{documents: a.documents}
		if err := errors.Join(a.conversions(), a.rejections()); err != nil {
			return err
		}
		found, more = a.found, a.cut
		return nil
	})
	slices.SortStableFunc(found, func(a, b Discrepancy) int { return b.At.Compare(a.At) })
	if len(found) > q.Limit {
		found, more = found[:q.Limit], true
	}
	return found, more, err
}

// audit is one search, in one view of the store.
type audit struct {
	reader
	office   *Office
	programs *programs
	query    *DiscrepancyQuery
	seen     map[transaction]bool
	now      time.Time
	found    []Discrepancy
	cut      bool
}

func (a *audit) add(kind, program, subject string, amount *affiliate.Money, at time.Time, format string, args ...any) {
	a.found = append(a.found, Discrepancy{Kind: kind, Program: program, Subject: subject, Amount: amount, At: at, Message: fmt.Sprintf(format, args...)})
}

// conversions looks at each conversion of the time, and once at each of their transactions.
func (a *audit) conversions() error {
	query := store.ConversionQuery{Program: a.query.Program, From: a.query.Since, Limit: discrepancyPage}
	for read := 0; ; {
		page, err := a.books.FindConversions(query)
		if err != nil {
			return err
		}
		for i := range page {
			if err := a.conversion(&page[i]); err != nil {
				return err
			}
		}
		read += len(page)
		if len(page) < discrepancyPage {
			return nil
		}
		if read >= discrepancyScanMax || len(a.found) > DiscrepanciesMax {
			a.cut = true
			return nil
		}
		query.Before = page[len(page)-1].ID
	}
}

func (a *audit) conversion(c *store.Conversion) error {
	if c.State == affiliate.Unmatched && a.now.Sub(c.At) > unmatchedAfter {
		a.add(StillUnmatched, c.Program, c.ID, &c.Order, c.At, "the order %q is nobody's since %s: its click or its order is not known", c.Tx, c.At.UTC().Format(time.DateOnly))
	}
	if c.Flagged {
		a.add(FlaggedConversion, c.Program, c.ID, &c.Order, c.At, "the order %q is held until a person decides; explain the conversion to see why", c.Tx)
	}
	if err := a.ledger(c); err != nil {
		return err
	}
	tx := transaction{c.Program, c.Tx}
	if a.seen[tx] {
		return nil
	}
	a.seen[tx] = true
	return a.transaction(tx)
}

// ledger compares what was posted about a conversion with its shares.
func (a *audit) ledger(c *store.Conversion) error {
	have, err := a.books.SubjectBalances(c.ID)
	if err != nil {
		return err
	}
	posted := affiliate.Money{Currency: c.Order.Currency}
	for account, m := range have {
		kind, _, _, ok := account.Parse()
		if !ok || kind != ledger.KindPending && kind != ledger.KindOwed {
			continue
		}
		if m.Currency != posted.Currency {
			a.add(LedgerDiffers, c.Program, c.ID, &m, c.Updated, "the ledger has %s on %s for the order %q, whose currency is %s", m, account, c.Tx, posted.Currency)
			return nil
		}
		posted = posted.Add(m)
	}
	shares, err := sumOfShares(c)
	if err != nil {
		return err
	}
	if shares != posted {
		off := posted.Sub(shares)
		a.add(LedgerDiffers, c.Program, c.ID, &off, c.Updated, "the ledger has %s for the order %q, whose shares are %s", posted, c.Tx, shares)
	}
	return nil
}

// sumOfShares is what the ledger should have: nothing of what is unmatched or reversed.
func sumOfShares(c *store.Conversion) (affiliate.Money, error) {
	sum := affiliate.Money{Currency: c.Order.Currency}
	if c.State == affiliate.Unmatched || c.State == affiliate.Reversed {
		return sum, nil
	}
	shares, err := SharesOf(c)
	if err != nil {
		return sum, fmt.Errorf("the shares of the conversion %s: %w", c.ID, err)
	}
	for _, s := range shares {
		sum = sum.Add(s.Amount)
	}
	return sum, nil
}

// transaction compares the reports of a transaction with each other and with the books.
func (a *audit) transaction(tx transaction) error {
	p, err := a.programs.get(tx.program)
	if affiliate.CodeOf(err) == affiliate.NotFound {
		return nil // nothing is expected of a program that is gone
	}
	if err != nil {
		return err
	}
	reports, err := reportsOf(a.books, tx)
	if err != nil || len(reports) == 0 {
		return err
	}
	orders, err := a.books.ConversionsOf(tx.program, tx.id)
	if err != nil {
		return err
	}
	e, err := a.office.gather(a.reader, a.programs, p, tx, reports, orders, newFindings())
	if err != nil {
		return err
	}
	a.amounts(e.Mode, p, tx, reports)
	for i := range orders {
		if err := a.commission(p, e, &orders[i]); err != nil {
			return err
		}
	}
	return nil
}

// amounts compares what reports tell of the same order. Where each report is an order, or is
// added to one, they may differ.
func (a *audit) amounts(mode affiliate.DuplicateMode, p *affiliate.Program, tx transaction, reports []affiliate.Report) {
	currency := func(r *affiliate.Report) affiliate.Currency {
		if r.Received != nil {
			return r.Received.Currency
		}
		return p.Settlement.Currency
	}
	first := map[string]*affiliate.Report{} // by event, where that tells orders apart
	var any *affiliate.Report
	for i := range reports {
		r := &reports[i]
		if r.Amount == nil || r.Status == affiliate.ReportReversed {
			continue
		}
		if any == nil {
			any = r
		} else if currency(any) != currency(r) {
			a.add(CurrenciesDiffer, tx.program, tx.id, r.Amount, r.Taken, "the reports of the order came in %s and in %s", currency(any), currency(r))
			return
		}
		if mode == affiliate.AcceptNew || mode == affiliate.AcceptFlagged || mode == affiliate.AddUp {
			continue
		}
		event := ""
		if mode == affiliate.ByEvent {
			event = r.Event
		}
		switch f := first[event]; {
		case f == nil:
			first[event] = r
		case *f.Amount != *r.Amount:
			a.add(AmountsDiffer, tx.program, tx.id, r.Amount, r.Taken, "one report tells %s, a later one %s", f.Amount, r.Amount)
			return
		}
	}
}

// commission compares what a network tells with what the terms give, and what it says it has
// paid with the books.
func (a *audit) commission(p *affiliate.Program, e *evidence, c *store.Conversion) error {
	facts := e.facts
	facts.Order = c.Event
	_, facts.Coupon = e.couponOf(c.Event)
	if err := decode(c.Rulings, &facts.Rulings); err != nil {
		return err
	}
	told := commission.Settle(&facts)
	var payout, paid *affiliate.Report
	facts.Reports = slices.Clone(facts.Reports)
	for i := range facts.Reports {
		r := &facts.Reports[i]
		if ofOrder(e.Mode, c, r) && r.Status != affiliate.ReportReversed && r.Payout != nil {
			payout = &e.facts.Reports[i]
			if r.Status == affiliate.ReportPaid {
				paid = payout
			}
		}
		r.Payout = nil
	}
	if c.State == affiliate.Unmatched || c.State == affiliate.Reversed {
		return nil
	}
	if paid != nil && paid.Payout.Currency == told.Commission.Currency && *paid.Payout != told.Commission {
		off := paid.Payout.Sub(told.Commission)
		a.add(PaymentDiffers, c.Program, c.ID, &off, paid.Taken, "the network has paid %s for the order %q, for which the books have %s", paid.Payout, c.Tx, told.Commission)
	}
	if payout == nil {
		return nil
	}
	// What the terms give for what is left, beside what is told for it: for an order that pays us,
	// that is what the books have.
	terms, says := commission.Settle(&facts).Commission, told.Commission
	if p.Side == affiliate.Pays {
		says = *payout.Payout
		if c.Whole != c.Order.Minor {
			return nil // what was told was of the whole
		}
	}
	// Terms that give nothing leave the commission to the sender.
	if terms.Minor != 0 && terms.Currency == says.Currency && terms != says {
		off := says.Sub(terms)
		a.add(CommissionDiffers, c.Program, c.ID, &off, payout.Taken, "a report tells a commission of %s for the order %q; by the terms it is %s", says, c.Tx, terms)
	}
	return nil
}

// ofOrder says that a report is about a conversion and not about another of its transaction.
func ofOrder(mode affiliate.DuplicateMode, c *store.Conversion, r *affiliate.Report) bool {
	switch mode {
	case affiliate.AcceptNew, affiliate.AcceptFlagged:
		return r.ID == c.Event
	case affiliate.ByEvent:
		return r.Event == c.Event
	}
	return true
}

// rejections counts the reports that were refused, by program and reason.
func (a *audit) rejections() error {
	type group struct{ program, reason string }
	counts := map[group]int{}
	latest := map[group]*store.Rejection{}
	query := store.RejectionQuery{Program: a.query.Program, Limit: discrepancyPage}
	old := false
	for read := 0; !old; {
		page, err := a.books.Rejections(query)
		if err != nil {
			return err
		}
		for i := range page {
			r := &page[i]
			if old = r.At.Before(a.query.Since); old {
				break
			}
			g := group{r.Program, r.Reason}
			counts[g]++
			if latest[g] == nil {
				latest[g] = r
			}
		}
		read += len(page)
		if len(page) < discrepancyPage {
			break
		}
		if read >= discrepancyScanMax {
			a.cut = true
			break
		}
		query.Before = page[len(page)-1].ID
	}
	for g, r := range latest {
		a.add(RejectedReports, g.program, g.reason, nil, r.At, "%d reports were refused; the last one: %s", counts[g], r.Message)
	}
	slices.SortFunc(a.found[len(a.found)-len(latest):], func(x, y Discrepancy) int {
		return cmp.Or(y.At.Compare(x.At), cmp.Compare(x.Program, y.Program), cmp.Compare(x.Subject, y.Subject))
	})
	return nil
}
