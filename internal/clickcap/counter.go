package clickcap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/catalog"
)

// A month of clicks is not counted anew every two seconds: what is older than settledAge is counted
// once in settledFor and remembered. A click that arrives later than settledAge after it was made
// is therefore known up to settledFor later.
const (
	settledAge = time.Hour
	settledFor = 10 * time.Minute
)

// The bounds of a total: an engine asked without bounds would look for them first.
var (
	beginning = time.Unix(1, 0).UTC()
	end       = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// counter counts the clicks of links in their periods.
type counter struct {
	reports Reports
	windows map[span]*window
}

// span is [since, until).
type span struct{ since, until time.Time }

// window is a period and the links that are counted in it.
type window struct {
	links   []int64
	before  map[int64]int64 // clicks in [since, edge) of links that have been counted so far
	edge    time.Time
	counted time.Time // when the first of before was
}

// Count returns the clicks of a link in the period that an instant is in, and the period as
// affiliate.ClickCap.Period tells it. It counts anew, whatever a keeper has counted.
func Count(ctx context.Context, reports Reports, at time.Time, link int64, limit *affiliate.ClickCap) (since, until time.Time, clicks int64, err error) {
	c := counter{reports: reports}
	counts, err := c.ask(ctx, spanOf(limit, at), []int64{link})
	since, until = limit.Period(at)
	return since, until, counts[link], err
}

// spanOf is in which clicks are counted at an instant.
func spanOf(c *affiliate.ClickCap, at time.Time) span {
	since, until := c.Period(at)
	if until.IsZero() {
		return span{beginning, end}
	}
	return span{since, until}
}

// count returns the clicks of each link in its period. Links that could not be counted are left
// out, and the error says why.
func (c *counter) count(ctx context.Context, now time.Time, links []catalog.Capped) (map[int64]int64, error) {
	next := map[span]*window{}
	for i := range links {
		s := spanOf(&links[i].Cap, now)
		w := next[s]
		if w == nil {
			w = &window{}
			if there := c.windows[s]; there != nil {
				*w = *there
				w.links = nil
			}
			next[s] = w
		}
		w.links = append(w.links, links[i].Link)
	}
	c.windows = next
	counts := make(map[int64]int64, len(links))
	var faults []error
	for s, w := range c.windows {
		n, err := c.window(ctx, now, s, w)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		maps.Copy(counts, n)
	}
	return counts, errors.Join(faults...)
}

func (c *counter) forget() { c.windows = nil }

// window counts what is old once in a while, and the rest now.
func (c *counter) window(ctx context.Context, now time.Time, s span, w *window) (map[int64]int64, error) {
	if now.Sub(s.since) < 2*settledAge {
		return c.ask(ctx, s, w.links)
	}
	if age := now.Sub(w.counted); w.before == nil || age < 0 || age >= settledFor {
		w.before, w.edge, w.counted = map[int64]int64{}, now.Add(-settledAge), now
	}
	var missing []int64
	kept := make(map[int64]int64, len(w.links))
	for _, id := range w.links {
		if n, ok := w.before[id]; ok {
			kept[id] = n
		} else {
			missing = append(missing, id)
		}
	}
	old, err := c.ask(ctx, span{s.since, w.edge}, missing)
	if err != nil {
		return nil, err
	}
	maps.Copy(kept, old)
	w.before = kept
	counts, err := c.ask(ctx, span{w.edge, s.until}, w.links)
	for id := range counts {
		counts[id] += w.before[id]
	}
	return counts, err
}

// ask counts the clicks that were sent to destinations; links without any count 0.
func (c *counter) ask(ctx context.Context, s span, links []int64) (map[int64]int64, error) {
	counts := make(map[int64]int64, len(links))
	for part := range slices.Chunk(links, analytics.ValuesMax) {
		ids := make([]string, len(part))
		for i, id := range part {
			ids[i] = "#" + strconv.FormatInt(id, 10)
			counts[id] = 0
		}
		r, err := c.reports.Report(ctx, query(s, ids))
		if err != nil {
			return nil, fmt.Errorf("counting clicks: %w", err)
		}
		if r.More {
			return nil, errors.New("counting clicks: links have been renamed too often for one report") // more than 100 names each
		}
		for _, row := range r.Rows {
			id, isID := row[analytics.LinkID].(int64)
			n, isCount := row[analytics.Clicks].(int64)
			if !isID || !isCount {
				panic(fmt.Sprintf("BUG: a report by link has the row %v", row))
			}
			counts[id] += n // a link has a row for each of its names
		}
	}
	return counts, nil
}

// query asks for what counts towards caps: valid clicks that were sent to a destination, by
// link. What the fallback has answered was not sent.
func query(s span, links []string) analytics.Query {
	return analytics.Query{
		Filter: analytics.Filter{Since: s.since, Until: s.until, Is: map[analytics.Dimension][]string{
			analytics.ByLink: links, analytics.ByOutcome: {affiliate.Redirected.String()}}},
		By: []analytics.Dimension{analytics.ByLink}, Limit: analytics.RowsMax,
	}
}
