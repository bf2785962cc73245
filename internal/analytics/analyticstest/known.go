package analyticstest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// wantKnown asks which clicks are there and compares, in any order.
func wantKnown(t *testing.T, e analytics.Engine, what string, ids []affiliate.ClickID, want ...analytics.Row) {
	t.Helper()
	got, err := e.Known(context.Background(), ids)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	byText := func(a, b affiliate.ClickID) int { return strings.Compare(string(a[:]), string(b[:])) }
	wanted := idsOf(want...)
	slices.SortFunc(got, byText)
	slices.SortFunc(wanted, byText)
	if !slices.Equal(got, wanted) {
		t.Errorf("%s: %d are known, want %d: %s, want %s", what, len(got), len(wanted), clipIDs(got), clipIDs(wanted))
	}
}

func clipIDs(ids []affiliate.ClickID) string {
	return fmt.Sprint(ids[:min(len(ids), 5)])
}

func knownClicks(t *testing.T, h Harness) {
	e := open(t, h)
	now, old, older := click(noon, 1), click(noon.Add(-90*24*time.Hour), 2), click(noon.AddDate(-1, 0, 0), 3)
	// Reports leave it out, but it is there.
	missing := click(noon, 4, func(r *analytics.Row) { r.Link, r.Outcome = 0, affiliate.Missing })
	noID := click(noon, 6, func(r *analytics.Row) { r.ID = affiliate.ClickID{} })
	first, highest := click(time.UnixMilli(0), 1), click(time.UnixMilli(1<<48-1), 1<<56-1)
	all := idsOf(now, old, older, missing, first, highest)
	wantKnown(t, e, "in an empty engine", all)
	appendRows(t, e, now, noID, older)
	wantKnown(t, e, "before the others come", all, now, older)
	appendRows(t, e, old, missing, first, highest)
	wantKnown(t, e, "everything", all, now, old, older, missing, first, highest)
	wantKnown(t, e, "nothing", nil)
	wantKnown(t, e, "the zero id", append(idsOf(noID), affiliate.NewClickID(0, 0, 0)))
	wantKnown(t, e, "twice the same", idsOf(now, old, now), now, old)
	for _, stranger := range []affiliate.ClickID{
		affiliate.NewClickID(noon.UnixMilli()+1, 0xabcd, 1), affiliate.NewClickID(noon.UnixMilli(), 0xabce, 1),
		affiliate.NewClickID(noon.UnixMilli(), 0xbbcd, 1), affiliate.NewClickID(noon.UnixMilli(), 0xabcd, 1<<50|1),
	} {
		wantKnown(t, e, "a stranger", []affiliate.ClickID{stranger})
		wantKnown(t, e, "a stranger with one who is known", []affiliate.ClickID{stranger, now.ID}, now)
	}
	if err := e.Append(context.Background(), analytics.Batch{Source: "node/2", To: "1", Rows: []analytics.Row{now}}); err != nil {
		t.Fatal(err)
	}
	wantKnown(t, e, "one that two sources have", idsOf(now), now)

	e = h.Reopen(t, e)
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	wantKnown(t, e, "after a restart", all, now, old, older, missing, first, highest)
}

// knownAmongMany asks about as many as one may, of many hours, half of them there.
func knownAmongMany(t *testing.T, h Harness) {
	random, _ := seeded(t)
	e := open(t, h)
	var rows []analytics.Row
	for n := range uint64(analytics.KnownMax / 2) {
		at := noon.Add(-time.Duration(random.IntN(100)) * time.Hour).Add(time.Duration(random.IntN(5)) * time.Millisecond)
		if n%7 == 0 {
			at = noon.AddDate(0, 0, -random.IntN(300)) // in more runs than anybody would ask for one by one
		}
		rows = append(rows, click(at, n+1))
	}
	appendRows(t, e, rows...)
	ids := idsOf(rows...)
	for i := range rows {
		ids = append(ids, affiliate.NewClickID(rows[i].Time().UnixMilli(), 0xabcd, 1<<40|uint64(i)))
	}
	random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	wantKnown(t, e, "half of them", ids, rows...)
	if _, err := e.Known(context.Background(), make([]affiliate.ClickID, analytics.KnownMax+1)); affiliate.CodeOf(err) != affiliate.TooLarge {
		t.Errorf("too many ids: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Known(ctx, ids); !errors.Is(err, context.Canceled) {
		t.Errorf("for a context that has ended: %v, want that it was canceled", err)
	}
}

func uniquesOfVisitors(t *testing.T, h Harness) {
	e := open(t, h)
	anna, bert := affiliate.NewVisitorID(1, 1), affiliate.NewVisitorID(1, 2)
	by := func(at time.Time, n uint64, v affiliate.VisitorID, change ...func(*analytics.Row)) analytics.Row {
		return click(at, n, append([]func(*analytics.Row){func(r *analytics.Row) { r.Visitor = v }}, change...)...)
	}
	day := 24 * time.Hour
	a1, a2 := by(noon.Add(-90*day), 1, anna), by(noon, 2, anna, func(r *analytics.Row) { r.Link = 7 })
	b1 := by(noon, 3, bert)
	appendRows(t, e, a2, b1, a1,
		by(noon, 4, anna, func(r *analytics.Row) { r.Unique = false }),
		by(noon, 5, anna, func(r *analytics.Row) { r.Verdict = affiliate.VerdictBot }),
		by(noon, 6, affiliate.VisitorID{}),
		by(noon, 7, affiliate.NewVisitorID(2, 1))) // shares a part with anna
	for _, test := range []struct {
		what         string
		visitors     []affiliate.VisitorID
		since, until time.Time
		want         []analytics.Row
	}{
		{"all of one", []affiliate.VisitorID{anna, anna}, noon.Add(-100 * day), noon, []analytics.Row{a1, a2}},
		{"both", []affiliate.VisitorID{anna, bert}, noon, noon, []analytics.Row{a2, b1}},
		{"the ends count", []affiliate.VisitorID{anna}, noon.Add(-90 * day), noon.Add(-1), []analytics.Row{a1}},
		{"between", []affiliate.VisitorID{anna, bert}, noon.Add(-90*day + 1), noon.Add(-1), nil},
		{"nobody", []affiliate.VisitorID{{}, affiliate.NewVisitorID(0, 0)}, noon.Add(-100 * day), noon, nil},
	} {
		type visit struct {
			visitor affiliate.VisitorID
			link    int64
			at      time.Time
		}
		got, want := map[visit]int{}, map[visit]int{}
		err := e.UniquesOf(context.Background(), test.visitors, test.since, test.until, func(v affiliate.VisitorID, link int64, at time.Time) {
			got[visit{v, link, at}]++
		})
		for _, r := range test.want {
			want[visit{r.Visitor, r.Link, r.Time()}]++
		}
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v: %v", test.what, got, want, err)
		}
	}
	if err := e.UniquesOf(context.Background(), make([]affiliate.VisitorID, analytics.KnownMax+1), noon, noon, nil); affiliate.CodeOf(err) != affiliate.TooLarge {
		t.Errorf("too many visitors: %v", err)
	}
}
