// Package analyticstest holds the tests that every engine of package analytics
// must pass. They say what the contract means; an engine that needs an exception
// does not keep the contract.
package analyticstest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// Harness opens engines for the suite.
type Harness struct {
	// Open returns an empty engine.
	Open func(t *testing.T) analytics.Engine
	// Reopen closes the engine and opens what it kept.
	Reopen func(t *testing.T, e analytics.Engine) analytics.Engine
	// Second opens what the engine keeps once more, as another collector does; nil
	// where that belongs to one process.
	Second func(t *testing.T, e analytics.Engine) analytics.Engine
	// InParts is set where several servers keep the clicks: a reader may see a part of
	// a batch that is being stored, and more on one server than a moment later on another.
	InParts bool
	// Together has the tests run beside each other: most of their time goes to waiting
	// for a server.
	Together bool
}

// rounds is how often something random is asked: less where each question goes to several
// servers, for the suite asks one of them alone as well.
func (h Harness) rounds(n int) int {
	if h.InParts {
		return n / 4
	}
	return n
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	tests := []struct {
		name string
		run  func(t *testing.T, h Harness)
	}{
		{"a batch is stored once", batchOnce},
		{"rows and position survive together", surviveTogether},
		{"sources stand on their own", sourcesAlone},
		{"an empty batch moves the position", emptyBatch},
		{"a batch that is given up leaves nothing", givenUp},
		{"what counts as a click", whatCounts},
		{"every dimension", everyDimension},
		{"days of a zone", daysOfZone},
		{"late clicks land in their own hour", lateClicks},
		{"bounds are half open to the millisecond", bounds},
		{"a link keeps its id when its name changes", renamed},
		{"filters", filters},
		{"order, limit and totals", orderLimitTotals},
		{"an empty engine answers", emptyEngine},
		{"bad queries say what is allowed", badQueries},
		{"a report stops with its context", stopped},
		{"reports agree with counting by hand", agreeWithModel},
		{"unique clicks come back", uniqueClicks},
		{"clicks are found by id", findClicks},
		{"clicks of one moment are found", findClicksOfOneMoment},
		{"clicks that are known", knownClicks},
		{"which of many are known", knownAmongMany},
		{"unique clicks of visitors", uniquesOfVisitors},
		{"touches of visitors", findTouches},
		{"the newest touches of a visitor", findNewestTouches},
		{"look-ups are bounded", lookUpsAreBounded},
		{"look-ups agree with finding by hand", lookUpsAgreeWithModel},
		{"hostile strings", hostileStrings},
		{"CSV", exportCSV},
		{"CSV disarms formulas", exportFormulas},
		{"Parquet", exportParquet},
		{"exports choose and end as asked", exportEnds},
		{"reading while appending", readWhileAppending},
		{"two collectors of a source", twoCollectors},
		{"a batch stored by two at once counts once", twoAtOnce},
		{"stats", stats},
		{"a dump is all that was stored", dumpAll},
		{"a dump of a time", dumpTime},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if h.Together {
				t.Parallel()
			}
			test.run(t, h)
		})
	}
}

// open returns an engine that is closed when the test ends.
func open(t *testing.T, h Harness) analytics.Engine {
	t.Helper()
	e := h.Open(t)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("closing the engine: %v", err)
		}
	})
	return e
}

// noon of the day on which most stories play.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// click is a valid click on link 1, changed as the story wants. Clicks of one
// story have different n.
func click(at time.Time, n uint64, change ...func(*analytics.Row)) analytics.Row {
	var r analytics.Row
	r.ID = affiliate.NewClickID(at.UnixMilli(), 0xabcd, n)
	r.Visitor = affiliate.NewVisitorID(uint16(n>>3), n*0x9e3779b97f4a7c15)
	r.Link, r.Site, r.Slug, r.Host = 1, "blog", "deal", "go.example.com"
	r.Outcome, r.Code = affiliate.Redirected, 302
	r.URL = "https://shop.example/p?sub=" + r.ID.String()
	r.Unique = true
	for _, f := range change {
		f(&r)
	}
	return r
}

// appendRows appends rows behind what the source "node/1" already has.
func appendRows(t *testing.T, e analytics.Engine, rows ...analytics.Row) {
	t.Helper()
	ctx := context.Background()
	from, err := e.Position(ctx, "node/1")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Append(ctx, analytics.Batch{Source: "node/1", From: from, To: fmt.Sprint(from, "+", len(rows)), Rows: rows}); err != nil {
		t.Fatal(err)
	}
}

func report(t *testing.T, e analytics.Engine, q analytics.Query) *analytics.Report {
	t.Helper()
	r, err := e.Report(context.Background(), q)
	if err != nil {
		t.Fatalf("report %+v: %v", q, err)
	}
	return r
}

// total counts all rows of the engine.
func total(t *testing.T, e analytics.Engine) int64 {
	t.Helper()
	return report(t, e, analytics.Query{All: true}).Totals[analytics.Total]
}

func position(t *testing.T, e analytics.Engine, source string) string {
	t.Helper()
	p, err := e.Position(context.Background(), source)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func batchOnce(t *testing.T, h Harness) {
	e := open(t, h)
	ctx := context.Background()
	first := analytics.Batch{Source: "a", From: "", To: "100", Rows: []analytics.Row{click(noon, 1), click(noon, 2)}}
	if got := position(t, e, "a"); got != "" {
		t.Fatalf("an unknown source stands at %q, want the beginning", got)
	}
	if err := e.Append(ctx, first); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"", "99", "100 "} {
		again := first
		again.From = from
		if err := e.Append(ctx, again); !errors.Is(err, analytics.ErrPosition) {
			t.Errorf("a batch from %q was answered with %v, want ErrPosition", from, err)
		}
	}
	if got, want := position(t, e, "a"), "100"; got != want {
		t.Errorf("the source stands at %q, want %q", got, want)
	}
	if got := total(t, e); got != 2 {
		t.Errorf("%d rows are stored, want 2", got)
	}
	next := analytics.Batch{Source: "a", From: "100", To: "200", Rows: []analytics.Row{click(noon, 3)}}
	if err := e.Append(ctx, next); err != nil {
		t.Errorf("after the refused ones the next batch: %v", err)
	}
	if got := total(t, e); got != 3 {
		t.Errorf("%d rows are stored, want 3", got)
	}
}

func surviveTogether(t *testing.T, h Harness) {
	e := h.Open(t)
	ctx := context.Background()
	batch := analytics.Batch{Source: "a", To: "1"}
	for n := range uint64(5000) {
		batch.Rows = append(batch.Rows, click(noon.Add(time.Duration(n)*time.Second), n))
	}
	if err := e.Append(ctx, batch); err != nil {
		t.Fatal(err)
	}
	e = h.Reopen(t, e)
	if got := position(t, e, "a"); got != "1" {
		t.Errorf("after reopening the source stands at %q, want 1", got)
	}
	if err := e.Append(ctx, batch); !errors.Is(err, analytics.ErrPosition) {
		t.Errorf("the same batch after reopening: %v, want ErrPosition", err)
	}
	batch.From, batch.To = "1", "2"
	if err := e.Append(ctx, batch); err != nil {
		t.Error(err)
	}
	e = h.Reopen(t, e)
	if got := total(t, e); got != 10_000 {
		t.Errorf("%d rows are stored, want 10000", got)
	}
	if rows := report(t, e, analytics.Query{By: []analytics.Dimension{analytics.ByLink}}).Rows; len(rows) != 1 || rows[0]["link"] != "deal" {
		t.Errorf("the link's name after reopening: %v", rows)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func sourcesAlone(t *testing.T, h Harness) {
	e := open(t, h)
	ctx := context.Background()
	for _, source := range []string{"1/0", "1/1", "2/0"} {
		if err := e.Append(ctx, analytics.Batch{Source: source, To: "at " + source, Rows: []analytics.Row{click(noon, 1)}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, source := range []string{"1/0", "1/1", "2/0"} {
		if got := position(t, e, source); got != "at "+source {
			t.Errorf("%s stands at %q", source, got)
		}
	}
}

func emptyBatch(t *testing.T, h Harness) {
	e := open(t, h)
	if err := e.Append(context.Background(), analytics.Batch{Source: "a", To: "7"}); err != nil {
		t.Fatal(err)
	}
	if got := position(t, e, "a"); got != "7" {
		t.Errorf("the source stands at %q, want 7", got)
	}
}

func givenUp(t *testing.T, h Harness) {
	e := open(t, h)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := e.Append(ctx, analytics.Batch{Source: "a", To: "1", Rows: []analytics.Row{click(noon, 1)}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a batch with a context that has ended: %v, want that it was canceled", err)
	}
	if p, n := position(t, e, "a"), total(t, e); p != "" || n != 0 {
		t.Errorf("position %q and %d rows, want nothing", p, n)
	}
	appendRows(t, e, click(noon, 1))
	if n := total(t, e); n != 1 {
		t.Errorf("%d rows after appending again, want 1", n)
	}
}

func stats(t *testing.T, h Harness) {
	e := open(t, h)
	appendRows(t, e, click(noon, 1), click(noon.Add(-90*24*time.Hour), 2), click(noon.Add(time.Millisecond), 3))
	s, err := e.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if s.Engine == "" || s.Clicks != 3 || !s.First.Equal(noon.Add(-90*24*time.Hour)) || !s.Last.Equal(noon.Add(time.Millisecond)) || s.Bytes <= 0 {
		t.Errorf("stats are %+v", s)
	}
}

func uniqueClicks(t *testing.T, h Harness) {
	e := open(t, h)
	type seen struct {
		visitor affiliate.VisitorID
		link    int64
		at      int64
	}
	want := map[seen]int{}
	var rows []analytics.Row
	for n := range uint64(300) {
		r := click(noon.Add(time.Duration(n)*17*time.Minute), n, func(r *analytics.Row) {
			r.Link = int64(n%7) + 1
			r.Unique = n%3 != 0
		})
		if n == 50 {
			r.Visitor = affiliate.VisitorID{}
			copy(r.Visitor[:], "zzzzzzzzzzzzzzzz") // the highest there is
		}
		rows = append(rows, r)
		if r.Unique && n >= 10 {
			want[seen{r.Visitor, r.Link, r.Time().UnixMilli()}]++
		}
	}
	appendRows(t, e, rows...)
	got := map[seen]int{}
	err := e.Uniques(context.Background(), noon.Add(10*17*time.Minute), func(v affiliate.VisitorID, link int64, at time.Time) {
		got[seen{v, link, at.UnixMilli()}]++
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Errorf("%d unique clicks, want %d", len(got), len(want))
	}
	for s, n := range want {
		if got[s] != n {
			t.Errorf("%v came %d times, want %d", s, got[s], n)
		}
	}
}
