package settlement

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// Preview says who would be paid now in a program, and why the others wait.
func (o *Office) Preview(ctx context.Context, program string) (lines []ledger.Line, err error) {
	err = o.options.Store.View(ctx, func(r store.Reader) error {
		lines, _, err = preview(viewing(r), program)
		return err
	})
	return lines, err
}

func preview(r reader, program string) ([]ledger.Line, []ledger.Payout, error) {
	programs := &programs{documents: r.documents}
	p, err := programs.get(program)
	if err != nil {
		return nil, nil, err
	}
	existing, err := payouts(r, program)
	if err != nil {
		return nil, nil, err
	}
	balances, err := balances(r, p)
	if err != nil {
		return nil, nil, err
	}
	minimum := affiliate.Money{Minor: p.Settlement.MinimumPayout, Currency: p.Settlement.Currency}
	return ledger.Preview(program, balances.Owed(program, minimum.Currency), minimum, existing), existing, nil
}

// balances reads what a program's partners, or we, have.
func balances(r reader, p *affiliate.Program) (ledger.Balances, error) {
	all := ledger.Balances{}
	for _, prefix := range []string{"partner/" + p.ID + "/", "own/" + p.ID + "/"} {
		found, err := r.books.Balances(prefix, endOfBooks)
		if err != nil {
			return nil, err
		}
		for _, b := range found {
			if all[b.Account] == nil {
				all[b.Account] = map[affiliate.Currency]int64{}
			}
			all[b.Account][b.Currency] = b.Minor
		}
	}
	return all, nil
}

// payouts returns all payouts of a program, by id.
func payouts(r reader, program string) ([]ledger.Payout, error) {
	documents, err := r.documents.List(store.Payout, program+":")
	if err != nil {
		return nil, err
	}
	all := make([]ledger.Payout, len(documents))
	for i, d := range documents {
		if err := json.Unmarshal(d.Body, &all[i]); err != nil {
			return nil, fmt.Errorf("the stored payout %s: %w", d.Key, err)
		}
	}
	return all, nil
}

// Payouts returns the payouts of a program, the latest last.
func (o *Office) Payouts(ctx context.Context, program string) (all []ledger.Payout, err error) {
	err = o.options.Store.View(ctx, func(r store.Reader) error {
		all, err = payouts(viewing(r), program)
		return err
	})
	return all, err
}

// RunPayouts drafts a payout for every partner of a program whose balance does not wait. The
// balances and the payouts that are under way are read in the transaction that writes the
// drafts, so a run that is repeated, or that two people start at once, pays nobody twice.
func (o *Office) RunPayouts(ctx context.Context, program, author string) (drafts []ledger.Payout, err error) {
	err = o.options.Store.Update(ctx, func(w store.Writer) error {
		drafts = nil
		lines, existing, err := preview(updating(w), program)
		if err != nil {
			return err
		}
		now := o.now()
		for _, line := range lines {
			if line.Waits != "" {
				continue
			}
			p, err := ledger.Draft(ledger.Payout{Program: program, Partner: line.Partner, Amount: line.Amount, Author: author, Created: now, Upto: now}, existing)
			if err != nil {
				return err
			}
			if p.Method, err = methodOf(updating(w), program, p.Partner); err != nil {
				return err
			}
			if err := putPayout(w, &p, p.Transfer()); err != nil {
				return err
			}
			drafts = append(drafts, p)
		}
		return nil
	})
	return drafts, err
}

// methodOf is the kind of way in which a partner is paid.
func methodOf(r reader, program, partner string) (string, error) {
	if partner == "" {
		return "", nil
	}
	programs := &programs{documents: r.documents}
	partners, err := programs.of(program)
	if err != nil {
		return "", err
	}
	for _, p := range partners {
		if p.Code == partner && p.Method != nil {
			return string(p.Method.Kind), nil
		}
	}
	return "", nil
}

func putPayout(w store.Writer, p *ledger.Payout, postings ...ledger.Posting) error {
	if err := w.Documents().Put(store.Payout, store.Document{Key: p.ID, Body: encode(p)}); err != nil {
		return err
	}
	for i := range postings {
		if err := postings[i].Check(); err != nil {
			return err
		}
	}
	added, err := w.Books().Post(postings)
	if err == nil && added != len(postings) {
		err = affiliate.Errorf(affiliate.Conflict, "the payout %s has been moved on by somebody else; read it again", p.ID)
	}
	return err
}

// ApprovePayout lets a draft be sent.
func (o *Office) ApprovePayout(ctx context.Context, id, approver string) (ledger.Payout, error) {
	return o.movePayout(ctx, id, func(w store.Writer, p *ledger.Payout) ([]ledger.Posting, error) {
		programs := &programs{documents: w.Documents()}
		program, err := programs.get(p.Program)
		if err != nil {
			return nil, err
		}
		*p, err = p.Approve(approver, o.now(), program.Settlement.Confirm)
		return nil, err
	})
}

// SendPayout says that an approved payout was transferred; author says so.
func (o *Office) SendPayout(ctx context.Context, id, author string) (ledger.Payout, error) {
	return o.movePayout(ctx, id, func(w store.Writer, p *ledger.Payout) (_ []ledger.Posting, err error) {
		if *p, err = p.Send(o.now()); err != nil {
			return nil, err
		}
		settled := p.Settle()
		settled.Author = author
		return []ledger.Posting{settled}, tellConversions(w, p)
	})
}

// UndoPayout takes a payout back by a counter-entry: its amount is owed again.
func (o *Office) UndoPayout(ctx context.Context, id, author, note string) (ledger.Payout, error) {
	return o.movePayout(ctx, id, func(w store.Writer, p *ledger.Payout) (undo []ledger.Posting, err error) {
		if *p, err = p.TakeBack(o.now()); err != nil {
			return nil, err
		}
		undo = []ledger.Posting{p.Undo(author, note)}
		if p.Sent.IsZero() {
			return undo, nil
		}
		return undo, tellConversions(w, p)
	})
}

func (o *Office) movePayout(ctx context.Context, id string, move func(store.Writer, *ledger.Payout) ([]ledger.Posting, error)) (p ledger.Payout, err error) {
	err = o.options.Store.Update(ctx, func(w store.Writer) error {
		if p, err = payoutOf(updating(w), id); err != nil {
			return err
		}
		postings, err := move(w, &p)
		if err != nil {
			return err
		}
		if err := putPayout(w, &p, postings...); err != nil || o.options.Outgoing == nil {
			return err
		}
		return o.options.Outgoing.Payout(w, p)
	})
	return p, err
}
