package settlement

import (
	"context"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// findings are clicks that were looked up for conversions.
type findings struct {
	clicks map[affiliate.ClickID]analytics.Touch
	visits map[visitor][]analytics.Touch
}

// visitor of a program.
type visitor struct {
	program string
	id      affiliate.VisitorID
}

func newFindings() *findings {
	return &findings{clicks: map[affiliate.ClickID]analytics.Touch{}, visits: map[visitor][]analytics.Touch{}}
}

// search is what may name the clicks of a transaction.
type search struct {
	program *affiliate.Program
	reports []affiliate.Report
}

// ids are the clicks that the reports name.
func (s *search) ids() (all []affiliate.ClickID) {
	for i := range s.reports {
		all = append(all, clicksOf(&s.reports[i])...)
	}
	return all
}

// clicksOf returns the clicks that a report names, the explicit one first.
func clicksOf(r *affiliate.Report) (all []affiliate.ClickID) {
	for _, text := range append([]string{r.ClickID}, r.Touches...) {
		if id, err := affiliate.ParseClickID(text); err == nil {
			all = append(all, id)
		}
	}
	return all
}

// span is from the begin of the first report's window to the last report.
func (s *search) span() (since, until time.Time) {
	since, until = s.reports[0].At, s.reports[0].At
	for i := range s.reports {
		since, until = earlier(since, s.reports[i].At), later(until, s.reports[i].At)
	}
	return since.AddDate(0, 0, -s.program.Settlement.Attribution.WindowDays), until
}

// clicksMax is how many clicks, and visitors, are asked for at a time.
const clicksMax = analytics.ClicksMax

// lookUp finds clicks by id, and the other visits of the same visitors where they
// matter. What it has found when it fails is returned too.
func (o *Office) lookUp(ctx context.Context, wanted []search) (*findings, error) {
	found := newFindings()
	var ids []affiliate.ClickID
	for i := range wanted {
		ids = append(ids, wanted[i].ids()...)
	}
	for len(ids) > 0 {
		n := min(len(ids), clicksMax)
		touches, err := o.options.Clicks.Clicks(ctx, ids[:n])
		if err != nil {
			return found, err
		}
		for _, t := range touches {
			found.clicks[t.ID] = t
		}
		ids = ids[n:]
	}
	for i := range wanted {
		if err := o.lookUpVisits(ctx, &wanted[i], found); err != nil {
			return found, err
		}
	}
	return found, nil
}

// lookUpVisits finds the other visits of a transaction's visitors.
func (o *Office) lookUpVisits(ctx context.Context, s *search, found *findings) error {
	since, until := s.span()
	if s.decidedByOne(found) {
		return nil
	}
	var visitors []affiliate.VisitorID
	for _, id := range s.ids() {
		v := visitor{s.program.ID, found.clicks[id].Visitor}
		if _, known := found.visits[v]; !known && !v.id.IsZero() && len(visitors) < clicksMax {
			found.visits[v] = nil
			visitors = append(visitors, v.id)
		}
	}
	if len(visitors) == 0 {
		return nil
	}
	touches, err := o.options.Clicks.Touches(ctx, s.program.ID, visitors, since, until)
	for _, t := range touches {
		v := visitor{s.program.ID, t.Visitor}
		found.visits[v] = append(found.visits[v], t)
	}
	return err
}

// decidedByOne says that the explicit click decides by itself, as it does nearly always:
// the last one counts, and each report's is a valid one of the program inside the report's
// own window.
func (s *search) decidedByOne(found *findings) bool {
	if s.program.Settlement.Attribution.Model != affiliate.LastClick {
		return false
	}
	for i := range s.reports {
		r := &s.reports[i]
		if r.ClickID == "" && len(r.Touches) == 0 {
			continue
		}
		id, err := affiliate.ParseClickID(r.ClickID)
		t := found.clicks[id]
		window := r.At.AddDate(0, 0, -s.program.Settlement.Attribution.WindowDays)
		if err != nil || !t.Valid || t.Program != s.program.ID || t.At.Before(window) || t.At.After(r.At) {
			return false
		}
	}
	return true
}

func touchOf(t analytics.Touch) affiliate.PathTouch {
	return affiliate.PathTouch{ClickID: t.ID.String(), At: t.At, Link: t.Link, Partner: t.Partner, Variant: t.Variant, Page: t.Page, Sub1: t.Sub1}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
