package settlement

import (
	"context"
	"errors"
	"time"

	"github.com/sluicehq/sluice/internal/store"
)

// dueMax is how many conversions are settled in one transaction of RunDue.
const dueMax = 200

// RunDue settles what the clock has made due: holds that have ended, locks that have come,
// and clicks to look for again; and what payouts have paid since. It returns how many
// conversions it has looked at. The moments are stored, so nothing is missed by an outage,
// only late.
func (o *Office) RunDue(ctx context.Context) (settled int, err error) {
	for n := dueMax; n == dueMax && err == nil; settled += n {
		n, err = o.runDue(ctx)
	}
	told, failed := o.runPayments(ctx)
	return settled + told, errors.Join(err, failed)
}

func (o *Office) runDue(ctx context.Context) (n int, err error) {
	var due []store.Conversion
	var wanted []search
	now := o.now()
	err = o.options.Store.View(ctx, func(view store.Reader) error {
		r := viewing(view)
		if due, err = r.books.DueConversions(now, dueMax); err != nil {
			return err
		}
		programs := &programs{documents: r.documents}
		for i := range due {
			p, err := programs.get(due[i].Program)
			if err != nil {
				return err
			}
			reports, err := reportsOf(r.books, transaction{due[i].Program, due[i].Tx})
			if err != nil {
				return err
			}
			wanted = append(wanted, search{p, reports})
		}
		return nil
	})
	if err != nil || len(due) == 0 {
		return 0, err
	}
	found, err := o.lookUp(ctx, wanted)
	if err != nil {
		o.options.Logger.Warn("clicks cannot be looked up; the conversions wait", "reason", err)
	}
	return len(due), o.options.Store.Update(ctx, func(w store.Writer) error {
		done := map[transaction]bool{}
		for i := range due {
			tx := transaction{due[i].Program, due[i].Tx}
			if done[tx] {
				continue
			}
			done[tx] = true
			if _, err := o.settle(w, tx, found); err != nil {
				return err
			}
		}
		return nil
	})
}

// Waiting for clicks: a click may still be on its way from the journal, or from another
// machine. After a week nobody looks any more by the clock; a new report does.
const (
	lookFirst = 2 * time.Second
	lookLast  = 7 * 24 * time.Hour
)

// nextLook is when the click of an unmatched conversion is looked for again: a quarter of
// its age from now, so that some fifty looks cover the week. Zero: not by the clock.
func nextLook(since, now time.Time) time.Time {
	age := now.Sub(since)
	if age > lookLast {
		return time.Time{}
	}
	return now.Add(max(lookFirst, age/4))
}
