package analyticstest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// dumper is the engine's, or the test is skipped.
func dumper(t *testing.T, e analytics.Engine) analytics.Dumper {
	t.Helper()
	d, ok := e.(analytics.Dumper)
	if !ok {
		t.Skip("the engine does not dump")
	}
	return d
}

func dump(t *testing.T, d analytics.Dumper, since, until time.Time) (rows []analytics.Row) {
	t.Helper()
	err := d.Dump(context.Background(), since, until, func(part []analytics.Row) error {
		rows = append(rows, part...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func byID(a, b analytics.Row) int { return strings.Compare(string(a.ID[:]), string(b.ID[:])) }

func dumpAll(t *testing.T, h Harness) {
	random, seed := seeded(t)
	e := open(t, h)
	d := dumper(t, e)
	if days, err := d.Days(context.Background()); err != nil || len(days) != 0 {
		t.Fatalf("an empty engine has the days %v, %v", days, err)
	}
	full, _ := everything()
	want := []analytics.Row{full, click(noon, 77, func(r *analytics.Row) { *r = analytics.Row{Click: affiliate.Click{ID: r.ID}} }),
		click(time.UnixMilli(0), 1), click(noon, 78, func(r *analytics.Row) { r.IP = netip.MustParseAddr("0.0.0.0") }),
		click(noon, 79, func(r *analytics.Row) { r.IP = netip.MustParseAddr("255.1.0.9"); r.URL = r.ID.String() })}
	for n := range uint64(3000) {
		want = append(want, randomClick(random, 100+n))
	}
	appendRows(t, e, want...)
	slices.SortFunc(want, byID)
	days, err := d.Days(context.Background())
	if err != nil || len(days) < 300 {
		t.Fatalf("%d days, %v", len(days), err)
	}
	var got []analytics.Row
	for i, day := range days {
		rows := dump(t, d, day.Start, day.Start.Add(24*time.Hour))
		if len(rows) != int(day.Rows) || day.Start.Truncate(24*time.Hour) != day.Start || i > 0 && !day.Start.After(days[i-1].Start) {
			t.Errorf("the day %v has %d rows and %d are dumped", day.Start, day.Rows, len(rows))
		}
		got = append(got, rows...)
	}
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			t.Fatalf("ANALYTICS_SEED=%d: %d were stored and %d dumped; they differ from %d on: stored\n%.1500s\ndumped\n%.1500s", seed, len(want), len(got), i,
				fmt.Sprintf("%+v", want[min(i, len(want)):min(i+1, len(want))]), fmt.Sprintf("%+v", got[min(i, len(got)):min(i+1, len(got))]))
		}
	}
	positions, err := d.Positions(context.Background())
	if at := position(t, e, "node/1"); err != nil || len(positions) != 1 || positions["node/1"] != at || at == "" {
		t.Errorf("the positions are %v, %v, and the source stands at %q", positions, err, at)
	}
}

func dumpTime(t *testing.T, h Harness) {
	e := open(t, h)
	d := dumper(t, e)
	var rows []analytics.Row
	for n := range uint64(40_000) { // more than are read at a time
		rows = append(rows, click(noon.Add(time.Duration(n)*time.Millisecond), n))
	}
	appendRows(t, e, rows...)
	for _, c := range []struct{ since, until int }{{0, 40_000}, {500, 1500}, {7, 8}, {39_999, 50_000}, {40_000, 50_000}} {
		got := dump(t, d, noon.Add(time.Duration(c.since)*time.Millisecond), noon.Add(time.Duration(c.until)*time.Millisecond))
		want := rows[min(c.since, len(rows)):min(c.until, len(rows))]
		if !slices.EqualFunc(got, want, func(a, b analytics.Row) bool { return a.ID == b.ID }) {
			t.Errorf("from %d to %d: %d rows, want %d", c.since, c.until, len(got), len(want))
		}
	}
	enough := errors.New("enough")
	parts := 0
	err := d.Dump(context.Background(), noon, noon.Add(time.Hour), func(part []analytics.Row) error {
		parts++
		if len(part) > analytics.DumpRows {
			t.Errorf("%d rows at a time", len(part))
		}
		return fmt.Errorf("stop: %w", enough)
	})
	if !errors.Is(err, enough) || parts != 1 {
		t.Errorf("after %d parts: %v", parts, err)
	}
}
