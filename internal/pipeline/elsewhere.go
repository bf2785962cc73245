package pipeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// isElsewhere says that a click was answered by another program and taken in
// afterwards: in any order, after any time, and perhaps not for the first time.
func isElsewhere(r analytics.Row) bool { return r.Signals&affiliate.SignalElsewhere != 0 }

// asks says whether a click must be looked for before it is stored.
func (b *batch) asks(r analytics.Row) bool { return isElsewhere(r) || b.again[r.ID] }

// admit leaves those of a batch's clicks that are new, and marks the first visits of those from
// elsewhere. It is called with arriving held until the batch is stored: then no other
// source can bring the same click in between. An engine that fails is asked until it
// answers.
func (c *Collector) admit(ctx context.Context, b *batch) error {
	for {
		err := c.admitOnce(ctx, b)
		if err == nil || ctx.Err() != nil {
			return err
		}
		c.report(b.Source, err)
		pause(ctx, time.Second)
	}
}

// admitOnce asks everything before it decides anything, so that it can be called again
// after an error.
func (c *Collector) admitOnce(ctx context.Context, b *batch) error {
	met, err := c.known(ctx, b)
	if err != nil {
		return err
	}
	late, err := c.visitsAround(ctx, b.Rows, c.options.Now().Add(-lateAfter))
	if err != nil {
		return err
	}
	before := len(b.Rows)
	b.Rows = slices.DeleteFunc(b.Rows, func(r analytics.Row) bool {
		again := b.asks(r) && met[r.ID]
		if b.asks(r) {
			met[r.ID] = true
		}
		return again
	})
	c.duplicates.Add(int64(before - len(b.Rows)))
	for i := range b.Rows {
		if r := &b.Rows[i]; isElsewhere(*r) && r.Valid() {
			r.Unique = c.isFirst(r, late)
		}
	}
	return nil
}

// known returns which of the clicks that must be looked for the engine has.
func (c *Collector) known(ctx context.Context, b *batch) (map[affiliate.ClickID]bool, error) {
	var ids []affiliate.ClickID
	for i := range b.Rows {
		if b.asks(b.Rows[i]) {
			ids = append(ids, b.Rows[i].ID)
		}
	}
	met := make(map[affiliate.ClickID]bool, len(ids))
	for part := range slices.Chunk(ids, analytics.KnownMax) {
		known, err := c.options.Analytics.Known(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("clicks that may have come before cannot be told from new ones: %w", err)
		}
		for _, id := range known {
			met[id] = true
		}
	}
	return met, nil
}

// visit is somebody on a link.
type visit struct {
	visitor affiliate.VisitorID
	link    int64
}

// lateVisits are the first visits around clicks that memory knows nothing of.
type lateVisits struct {
	until time.Time // clicks before it are late
	first map[visit][]time.Time
}

// visitsAround reads the first visits around those clicks from elsewhere that are older
// than until.
func (c *Collector) visitsAround(ctx context.Context, rows []analytics.Row, until time.Time) (*lateVisits, error) {
	late := &lateVisits{until: until, first: map[visit][]time.Time{}}
	var visitors []affiliate.VisitorID
	var from, to time.Time
	for i := range rows {
		r := &rows[i]
		if at := r.Time(); isElsewhere(*r) && at.Before(until) && r.Valid() {
			if visitors = append(visitors, r.Visitor); len(visitors) == 1 || at.Before(from) {
				from = at
			}
			if at.After(to) {
				to = at
			}
		}
	}
	for part := range slices.Chunk(visitors, analytics.KnownMax) {
		err := c.options.Analytics.UniquesOf(ctx, part, from.Add(-uniqueWindow), to.Add(uniqueWindow), late.add)
		if err != nil {
			return nil, fmt.Errorf("the visits around late clicks cannot be read from analytics: %w", err)
		}
	}
	return late, nil
}

func (l *lateVisits) add(visitor affiliate.VisitorID, link int64, at time.Time) {
	v := visit{visitor, link}
	l.first[v] = append(l.first[v], at)
}

// near says whether a first visit is within uniqueWindow, before or after.
func (l *lateVisits) near(r *analytics.Row) bool {
	return slices.ContainsFunc(l.first[visit{r.Visitor, r.Link}], func(at time.Time) bool {
		return r.Time().Sub(at).Abs() < uniqueWindow
	})
}

// isFirst says whether a click from elsewhere is a first visit, and remembers it if so.
// What was marked stays marked: a late click is no first visit when a later one within
// a day is.
func (c *Collector) isFirst(r *analytics.Row, late *lateVisits) bool {
	at := r.Time()
	if !at.Before(late.until) {
		return c.recent.first(r.Visitor, r.Link, at)
	}
	if late.near(r) || c.recent.near(r.Visitor, r.Link, at) {
		return false
	}
	if at.After(late.until.Add(-uniqueWindow)) && !c.recent.first(r.Visitor, r.Link, at) {
		return false // somebody was quicker
	}
	late.add(r.Visitor, r.Link, at)
	return true
}
