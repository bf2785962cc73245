package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// groupMax is how many reports are stored in one transaction. A disk's sync costs the
// same for one as for many, so those that come while it lasts share the next.
const groupMax = 256

// Receipt says what became of a report.
type Receipt struct {
	Report     string          `json:"id"`
	Conversion string          `json:"conversion"`
	State      affiliate.State `json:"state"`
	// Duplicate reports changed nothing: they are known, or the program's mode counts
	// the first alone.
	Duplicate bool `json:"duplicate,omitempty"`
}

// delivery is a report on its way in.
type delivery struct {
	ctx     context.Context
	report  affiliate.Report
	program *affiliate.Program
	digest  string
	receipt Receipt
	err     error
	done    chan struct{}
}

// errClosed is what a report gets that comes when the office has closed.
var errClosed = affiliate.Errorf(affiliate.Unavailable, "the books are closed; try again in a moment")

// Take stores a report and settles its conversion, and returns when both are safe from
// a loss of power. The report's ID and Taken are given here. It is Invalid for amounts
// that cannot be converted into the program's currency, and NotFound for a program
// that is not there or has no settlement.
func (o *Office) Take(ctx context.Context, r affiliate.Report) (Receipt, error) {
	d := &delivery{ctx: ctx, report: r, done: make(chan struct{})}
	select {
	case o.inbox <- d:
	case <-ctx.Done():
		return Receipt{}, ctx.Err()
	case <-o.stopped:
		return Receipt{}, errClosed
	}
	select {
	case <-d.done: // not ctx: what is being stored cannot be taken back
		return d.receipt, d.err
	case <-o.stopped:
		o.ended.Wait()
		select {
		case <-d.done:
			return d.receipt, d.err
		default:
			return Receipt{}, errClosed
		}
	}
}

// takeGroups stores what has come, group by group.
func (o *Office) takeGroups() {
	group := make([]*delivery, 0, groupMax)
	for {
		select {
		case d := <-o.inbox:
			group = append(group[:0], d)
		case <-o.stopped:
			return
		}
		for more := true; more && len(group) < groupMax; {
			select {
			case d := <-o.inbox:
				group = append(group, d)
			default:
				more = false
			}
		}
		o.takeGroup(group)
		for _, d := range group {
			close(d.done)
		}
	}
}

// takeGroup stores a group in one transaction. When that fails, each is tried by itself, so
// that one that cannot be stored spoils it for nobody.
func (o *Office) takeGroup(group []*delivery) {
	if err := o.store(group); err == nil || len(group) == 1 {
		return
	}
	for i := range group {
		group[i].receipt, group[i].err = Receipt{}, nil
		_ = o.store(group[i : i+1])
	}
}

// store takes deliveries in, all or none. Those whose input is wrong are left out with
// their error.
func (o *Office) store(group []*delivery) error {
	ctx := context.WithoutCancel(group[0].ctx)
	err := o.options.Store.View(ctx, func(r store.Reader) error { return o.prepare(viewing(r), group) })
	if err != nil {
		return fail(group, err)
	}
	good := valid(group)
	wanted, err := o.wanted(ctx, good)
	if err != nil {
		return fail(group, err)
	}
	found, err := o.lookUp(ctx, wanted)
	if err != nil {
		// The clicks are looked for again when they can be; the report is not lost.
		o.options.Logger.Warn("clicks cannot be looked up; the conversions wait", "reason", err)
	}
	err = o.options.Store.Update(ctx, func(w store.Writer) error { return o.takeIn(w, good, found) })
	return fail(good, err)
}

// wanted is what the clicks of a group are looked for by: all reports of their transactions.
func (o *Office) wanted(ctx context.Context, group []*delivery) (all []search, err error) {
	place := map[transaction]int{}
	err = o.options.Store.View(ctx, func(r store.Reader) error {
		for _, d := range group {
			tx := transaction{d.report.Program, d.report.Tx}
			at, known := place[tx]
			if !known {
				reports, err := reportsOf(r.Books(), tx)
				if err != nil {
					return err
				}
				at = len(all)
				place[tx], all = at, append(all, search{d.program, reports})
			}
			all[at].reports = append(all[at].reports, d.report)
		}
		return nil
	})
	return all, err
}

func valid(group []*delivery) (good []*delivery) {
	for _, d := range group {
		if d.err == nil {
			good = append(good, d)
		}
	}
	return good
}

func fail(group []*delivery, err error) error {
	if err == nil {
		return nil
	}
	for _, d := range group {
		if d.err == nil {
			d.err = err
		}
	}
	return err
}

// prepare completes the reports: id, time, and amounts in the program's currency.
func (o *Office) prepare(r reader, group []*delivery) error {
	programs := programs{documents: r.documents}
	now := o.now()
	for _, d := range group {
		p, err := programs.get(d.report.Program)
		if err != nil {
			var wrong *affiliate.Error
			if !errors.As(err, &wrong) {
				return err
			}
			d.err = err
			continue
		}
		d.program = p
		d.digest = digest(&d.report, p.Settlement.Duplicates)
		d.report.ID = affiliate.NewReportID(now, o.options.Random())
		d.report.Taken = now
		if d.report.At.IsZero() {
			d.report.At = now
		}
		d.report.At = d.report.At.UTC().Truncate(time.Millisecond) // as our own clock is read
		d.err = o.convert(r, &d.report, p.Settlement.Currency)
	}
	return nil
}

// takeIn writes the reports and settles what they are about.
func (o *Office) takeIn(w store.Writer, group []*delivery, found *findings) error {
	group, err := refuseTransitions(w.Books(), group)
	if err != nil || len(group) == 0 {
		return err
	}
	batch := make([]store.Report, len(group))
	for i, d := range group {
		batch[i] = store.Report{Report: d.report, Digest: d.digest}
	}
	known, err := w.Books().AddReports(batch)
	if err != nil {
		return err
	}
	for _, i := range known {
		group[i].receipt.Duplicate = true
	}
	settled := map[transaction]*settled{}
	for _, d := range group {
		tx := transaction{d.report.Program, d.report.Tx}
		s := settled[tx]
		if s == nil {
			if s, err = o.settle(w, tx, found); err != nil {
				return fmt.Errorf("settling the transaction %q of %s: %w", tx.id, tx.program, err)
			}
			settled[tx] = s
		}
		s.receipt(d)
	}
	return nil
}
