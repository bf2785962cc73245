package settlement

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/remittance"
	"github.com/sluicehq/sluice/internal/store"
)

// What faces read of the books, in the words of the store.
type (
	Conversion      = store.Conversion
	ConversionQuery = store.ConversionQuery
	Rejection       = store.Rejection
	RejectionQuery  = store.RejectionQuery
)

// Conversion returns a conversion as it stands, or NotFound.
func (o *Office) Conversion(ctx context.Context, id string) (c Conversion, err error) {
	err = o.options.Store.View(ctx, func(r store.Reader) error {
		c, err = r.Books().Conversion(id)
		return err
	})
	return c, err
}

// Conversions returns the chosen, the newest order first. The query's Limit must be set.
func (o *Office) Conversions(ctx context.Context, query ConversionQuery) (found []Conversion, err error) {
	err = o.options.Store.View(ctx, func(r store.Reader) error {
		found, err = r.Books().FindConversions(query)
		return err
	})
	return found, err
}

// SharesOf returns who earns what by a conversion, as it was settled last.
func SharesOf(c *Conversion) (shares []commission.Share, err error) {
	return shares, decode(c.Shares, &shares)
}

// Rejections returns the reports that were not taken in, the last that came first. The
// query's Limit must be set.
func (o *Office) Rejections(ctx context.Context, query RejectionQuery) (found []Rejection, err error) {
	err = o.options.Store.View(ctx, func(r store.Reader) error {
		found, err = r.Books().Rejections(query)
		return err
	})
	return found, err
}

// Balance is what a partner of a program has in one currency; the partner "" is us.
type Balance struct {
	Program, Partner string
	Pending          affiliate.Money // waits for approval
	Owed             affiliate.Money // payable; below zero: paid and taken back since
	InPayout         affiliate.Money
	PaidOut          affiliate.Money
}

// BalanceQuery chooses balances; empty fields choose all.
type BalanceQuery struct {
	Program string
	Partner string // "" is all, and us
	Network string // of the program
	At      time.Time
}

// Balances returns what partners had at a moment, that moment included, by program, partner
// and currency; the zero time is now. It is NotFound for a program that is not there or has
// no settlement.
func (o *Office) Balances(ctx context.Context, q BalanceQuery) (all []Balance, err error) {
	prefixes := []string{"own/", "partner/"}
	if q.Program != "" {
		prefixes = []string{"own/" + q.Program + "/", "partner/" + q.Program + "/"}
	}
	err = o.options.Store.View(ctx, func(view store.Reader) error {
		r := viewing(view)
		programs := &programs{documents: r.documents}
		if q.Program != "" {
			if _, err := programs.get(q.Program); err != nil {
				return err
			}
		}
		table := balanceTable{rows: map[balanceKey]*Balance{}}
		for _, prefix := range prefixes {
			found, err := r.books.Balances(prefix, q.At)
			if err != nil {
				return err
			}
			for _, b := range found {
				table.add(b)
			}
		}
		all = table.sorted(q.Partner)
		if q.Network == "" {
			return nil
		}
		all, err = programs.ofNetwork(q.Network, all)
		return err
	})
	return all, err
}

// ofNetwork keeps the balances in programs of a network.
func (p *programs) ofNetwork(network string, all []Balance) (kept []Balance, err error) {
	for _, b := range all {
		program, err := p.get(b.Program)
		if err != nil {
			return nil, err
		}
		if program.Network == network {
			kept = append(kept, b)
		}
	}
	return kept, nil
}

// TotalBalances adds balances up, by currency.
func TotalBalances(all []Balance) (totals []Balance) {
	for _, b := range all {
		at := slices.IndexFunc(totals, func(t Balance) bool { return t.Owed.Currency == b.Owed.Currency })
		if at < 0 {
			totals = append(totals, Balance{Pending: b.Pending, Owed: b.Owed, InPayout: b.InPayout, PaidOut: b.PaidOut})
			continue
		}
		t := &totals[at]
		t.Pending, t.Owed, t.InPayout, t.PaidOut = t.Pending.Add(b.Pending), t.Owed.Add(b.Owed), t.InPayout.Add(b.InPayout), t.PaidOut.Add(b.PaidOut)
	}
	slices.SortFunc(totals, func(a, b Balance) int { return cmp.Compare(a.Owed.Currency, b.Owed.Currency) })
	return totals
}

// balanceTable gathers accounts to one row for each partner and currency.
type balanceTable struct{ rows map[balanceKey]*Balance }

type balanceKey struct {
	program, partner string
	currency         affiliate.Currency
}

func (t *balanceTable) add(b store.Balance) {
	kind, program, partner, ok := b.Account.Parse()
	if !ok {
		return
	}
	key := balanceKey{program, partner, b.Currency}
	row := t.rows[key]
	if row == nil {
		none := affiliate.Money{Currency: b.Currency}
		row = &Balance{Program: program, Partner: partner, Pending: none, Owed: none, InPayout: none, PaidOut: none}
		t.rows[key] = row
	}
	switch kind {
	case ledger.KindPending:
		row.Pending = b.Money
	case ledger.KindOwed:
		row.Owed = b.Money
	case ledger.KindInPayout:
		row.InPayout = b.Money
	case ledger.KindPaidOut:
		row.PaidOut = b.Money
	}
}

func (t *balanceTable) sorted(partner string) []Balance {
	all := []Balance{}
	for _, row := range t.rows {
		if partner == "" || row.Partner == partner {
			all = append(all, *row)
		}
	}
	slices.SortFunc(all, func(a, b Balance) int {
		return cmp.Or(cmp.Compare(a.Program, b.Program), cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.Owed.Currency, b.Owed.Currency))
	})
	return all
}

// statementPage is how many postings are read at a time.
const statementPage = 500

// Statement returns what a partner was owed at since, what changed it until before until, and
// what was owed then, in the currency of the program; the partner "" is us. Moments are cut to the millisecond.
func (o *Office) Statement(ctx context.Context, program, partner string, since, until time.Time) (s remittance.Statement, err error) {
	account := ledger.Owed(program, partner)
	s = remittance.Statement{Partner: partner, From: since.UTC().Truncate(time.Millisecond), Until: until.UTC().Truncate(time.Millisecond)}
	err = o.options.Store.View(ctx, func(view store.Reader) error {
		r := viewing(view)
		programs := &programs{documents: r.documents}
		p, err := programs.get(program)
		if err != nil {
			return err
		}
		currency := p.Settlement.Currency
		if s.Opening, err = heldBefore(r, account, s.From, currency); err != nil {
			return err
		}
		if s.Closing, err = heldBefore(r, account, s.Until, currency); err != nil {
			return err
		}
		s.Lines, err = statementLines(r, account, currency, s.From, s.Until)
		return err
	})
	return s, err
}

// heldBefore is a balance just before a moment: the store keeps milliseconds and counts the
// moment itself.
func heldBefore(r reader, account ledger.Account, at time.Time, currency affiliate.Currency) (affiliate.Money, error) {
	none := affiliate.Money{Currency: currency}
	found, err := r.books.Balance(account, at.Add(-time.Millisecond))
	for _, m := range found {
		if m.Currency == currency {
			return m, err
		}
	}
	return none, err
}

func statementLines(r reader, account ledger.Account, currency affiliate.Currency, since, until time.Time) (lines []remittance.Line, err error) {
	query := store.PostingQuery{Account: account, Limit: statementPage}
	for {
		page, err := r.books.Postings(query)
		if err != nil {
			return nil, err
		}
		for i := range page {
			p := &page[i]
			if p.At.Before(since) {
				page = nil
				break
			}
			if line, ok := statementLine(p, account, currency); ok && p.At.Before(until) {
				lines = append(lines, line)
			}
		}
		if len(page) < statementPage || len(lines) > remittance.LinesMax {
			slices.Reverse(lines)
			return lines, nil
		}
		query.Before = page[len(page)-1].ID
	}
}

// statementLine is what a posting does to one account in one currency.
func statementLine(p *ledger.Posting, account ledger.Account, currency affiliate.Currency) (line remittance.Line, ok bool) {
	line = remittance.Line{At: p.At, Conversion: p.Subject, Why: string(p.Why), Amount: affiliate.Money{Currency: currency}}
	for _, e := range p.Entries {
		if e.Account == account && e.Amount.Currency == currency {
			line.Amount = line.Amount.Add(e.Amount)
			ok = true
		}
	}
	return line, ok
}
