package settlement

import (
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/store"
)

// refuseTransitions leaves out the reports that say approved or paid of an order after all
// of it was reversed: a state that nothing leads to. They are Conflicts, for their senders
// believe in money that is gone. One that happened before the reversal and comes late is
// taken like any other, and so is one that was taken before: the answer is that it is known.
func refuseTransitions(books store.BooksReader, group []*delivery) ([]*delivery, error) {
	for _, d := range group {
		if d.report.Status != affiliate.ReportApproved && d.report.Status != affiliate.ReportPaid {
			continue
		}
		since, err := reversedSince(books, d)
		if err != nil {
			return nil, err
		}
		if !since.IsZero() && d.report.At.After(since) {
			d.err = &affiliate.Error{
				Code:    affiliate.Conflict,
				Message: "the order " + d.report.Tx + " was reversed on " + since.UTC().Format(time.DateOnly) + " and cannot be " + string(d.report.Status) + " again; report what was bought again under a new txid",
				Faults:  []affiliate.Fault{{Field: "status", Message: "reversed orders stay reversed"}},
			}
		}
	}
	return valid(group), nil
}

// reversedSince is when the order that a report is about was reversed wholly, or zero: it
// was not, the report is known already, or in its mode it counts whatever came before.
func reversedSince(books store.BooksReader, d *delivery) (since time.Time, err error) {
	mode := d.program.Settlement.Duplicates
	if mode != affiliate.RejectDuplicates && mode != affiliate.ByEvent {
		return since, nil
	}
	tx := transaction{d.report.Program, d.report.Tx}
	conversions, err := books.ConversionsOf(tx.program, tx.id)
	if err != nil {
		return since, err
	}
	at := slices.IndexFunc(conversions, func(c store.Conversion) bool { return mode != affiliate.ByEvent || c.Event == d.report.Event })
	if at < 0 || conversions[at].State != affiliate.Reversed {
		return since, nil
	}
	var rulings []commission.Ruling
	if err := decode(conversions[at].Rulings, &rulings); err != nil {
		return since, err
	}
	for _, r := range rulings {
		if r.Do == commission.Reverse && r.At.After(since) {
			since = r.At
		}
	}
	reports, err := books.Reports(tx.program, tx.id)
	for i := range reports {
		r := &reports[i]
		if digest(r, mode) == d.digest {
			return time.Time{}, err
		}
		if r.Status == affiliate.ReportReversed && r.At.After(since) {
			since = r.At
		}
	}
	return since, err
}
