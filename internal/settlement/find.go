package settlement

import (
	"context"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/store"
)

// findings are clicks that were looked up for conversions, by program.
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

// clicksMax is how many clicks are asked for at a time.
const clicksMax = 1000

// find looks up what the reports of a group name.
func (o *Office) find(ctx context.Context, group []*delivery) (*findings, error) {
	var wanted []search
	for _, d := range group {
		wanted = append(wanted, searchOf(d.program, &d.report))
	}
	return o.lookUp(ctx, wanted)
}

// search is what may name the clicks of a conversion.
type search struct {
	program *affiliate.Program
	at      time.Time
	ids     []affiliate.ClickID // the explicit one first
}

func searchOf(p *affiliate.Program, r *affiliate.Report) search {
	s := search{program: p, at: r.At}
	for _, text := range append([]string{r.ClickID}, r.Touches...) {
		if id, err := affiliate.ParseClickID(text); err == nil {
			s.ids = append(s.ids, id)
		}
	}
	return s
}

// lookUp finds clicks by id, and for programs that share a commission among clicks the
// other visits of the same visitors. What it has found when it fails is returned too.
func (o *Office) lookUp(ctx context.Context, wanted []search) (*findings, error) {
	found := newFindings()
	var ids []affiliate.ClickID
	for _, s := range wanted {
		ids = append(ids, s.ids...)
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
	return found, o.lookUpVisits(ctx, wanted, found)
}

func (o *Office) lookUpVisits(ctx context.Context, wanted []search, found *findings) error {
	type span struct {
		program      string
		since, until time.Time
		visitors     []affiliate.VisitorID
	}
	spans := map[string]*span{}
	for _, s := range wanted {
		if s.program.Settlement.Attribution.Model == affiliate.LastClick && !firstOf(s, found) {
			continue
		}
		for _, id := range s.ids {
			click, ok := found.clicks[id]
			if !ok || click.Visitor.IsZero() {
				continue
			}
			since := s.at.AddDate(0, 0, -s.program.Settlement.Attribution.WindowDays)
			of := spans[s.program.ID]
			if of == nil {
				of = &span{program: s.program.ID, since: since, until: s.at}
				spans[s.program.ID] = of
			}
			of.since, of.until = earlier(of.since, since), later(of.until, s.at)
			of.visitors = append(of.visitors, click.Visitor)
		}
	}
	for _, of := range spans {
		touches, err := o.options.Clicks.Visits(ctx, of.program, of.visitors, of.since, of.until)
		if err != nil {
			return err
		}
		for _, t := range touches {
			v := visitor{of.program, t.Visitor}
			found.visits[v] = append(found.visits[v], t)
		}
	}
	return nil
}

// firstOf says that the last-click model needs the visitor's other clicks too: it has no
// explicit click that would decide by itself.
func firstOf(s search, found *findings) bool {
	if len(s.ids) == 0 {
		return false
	}
	_, ok := found.clicks[s.ids[0]]
	return !ok
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

// path returns the touches of a conversion among the findings: valid clicks on links of
// its program.
func (f *findings) path(program string, reports []affiliate.Report) (path []affiliate.PathTouch, click analytics.Touch) {
	seen := map[affiliate.ClickID]bool{}
	add := func(t analytics.Touch) {
		if seen[t.ID] || !t.Valid || t.Program != program {
			return
		}
		seen[t.ID] = true
		path = append(path, affiliate.PathTouch{ClickID: t.ID.String(), At: t.At, Link: t.Link, Partner: t.Partner, Variant: t.Variant, Page: t.Page, Sub1: t.Sub1})
	}
	for i := range reports {
		r := &reports[i]
		for _, id := range searchOf(nil, r).ids {
			t, ok := f.clicks[id]
			if !ok {
				continue
			}
			if click.ID.IsZero() {
				click = t
			}
			add(t)
			for _, other := range f.visits[visitor{program, t.Visitor}] {
				add(other)
			}
		}
	}
	return path, click
}

// due returns what is to be looked up for conversions that wait for their clicks.
func dueSearch(p *affiliate.Program, r reader, c *store.Conversion) (search, error) {
	s := search{program: p, at: c.At}
	reports, err := r.books.Reports(c.Program, c.Tx)
	for i := range reports {
		s.ids = append(s.ids, searchOf(p, &reports[i]).ids...)
	}
	return s, err
}
