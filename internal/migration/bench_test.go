package migration_test

import (
	"context"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/migration"
	"github.com/sluicehq/sluice/internal/store"
)

// size is how much a benchmark moves: MIGRATION_BENCH, or what is usual.
func size(b *testing.B, usual int) int {
	b.Helper()
	if s := os.Getenv("MIGRATION_BENCH"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return usual
}

// stopwatch tells the steps of a migration apart.
type stopwatch struct {
	last  string
	begun time.Time
	took  map[string]time.Duration
}

func (s *stopwatch) step(step migration.Step) { s.at(step.What) }

func (s *stopwatch) at(what string) {
	if s.took == nil {
		s.took = map[string]time.Duration{}
	}
	now := time.Now()
	if s.last != "" {
		s.took[s.last] += now.Sub(s.begun)
	}
	s.last, s.begun = what, now
}

// BenchmarkStore moves 100,000 links with as many changes; MIGRATION_BENCH=1000000 moves a million.
func BenchmarkStore(b *testing.B) {
	n := size(b, 100_000)
	path := filepath.Join(b.TempDir(), "store.db")
	s := openSQLite(b, path, false)
	for done := 0; done < n; done += 100_000 {
		if err := s.Update(context.Background(), func(w store.Writer) error { return benchLinks(w, min(100_000, n-done)) }); err != nil {
			b.Fatal(err)
		}
	}
	_ = s.Close()
	from := openSQLite(b, path, true)
	for b.Loop() {
		var watch stopwatch
		report := mustMove(b, migration.StoreOptions{From: from, To: openPostgres(b, schema(b), true), Progress: watch.step})
		watch.at("")
		b.ReportMetric(float64(report.Moved)/watch.took["moving the store"].Seconds(), "items_moved/s")
		b.ReportMetric(float64(report.Items())/watch.took["comparing the store"].Seconds(), "items_compared/s")
	}
}

func benchLinks(w store.Writer, n int) error {
	first, err := w.Links().Reserve(n)
	if err != nil {
		return err
	}
	links, changes := make([]store.Link, n), make([]store.Change, n)
	for i := range n {
		l := &affiliate.Link{ID: first + int64(i), Site: "blog", Slug: fmt.Sprintf("product-%d", first+int64(i)), Status: affiliate.Active, Tags: []string{"summer", "shoes"}, Program: "shop", Partner: "anna",
			Destinations: []affiliate.Destination{{ID: "a", URL: fmt.Sprintf("https://shop.example/p/%d?aff=123&sub={click_id}", i), Weight: 100}}}
		body, err := json.Marshal(l)
		if err != nil {
			return err
		}
		links[i] = store.Link{Link: l, Body: body}
		changes[i] = store.Change{At: time.UnixMilli(1_790_000_000_000), Actor: "anna", Kind: "link", Action: "create", Key: strconv.FormatInt(l.ID, 10), After: body}
	}
	if _, err := w.Links().Insert(links); err != nil {
		return err
	}
	return w.Changes().Append(changes)
}

// BenchmarkClicks moves 200,000 clicks of 10 days; MIGRATION_BENCH=5000000 moves five million.
func BenchmarkClicks(b *testing.B) {
	n := size(b, 200_000)
	random := mathrand.New(mathrand.NewPCG(1, 2))
	path := filepath.Join(b.TempDir(), "clicks.duckdb")
	e := openDuckDB(b, path, false)
	var rows []analytics.Row
	for i := range n {
		at := firstDay.Add(10 * 24 * time.Hour * time.Duration(i) / time.Duration(n))
		r := click(random, uint64(i), 1)
		r.ID = affiliate.NewClickID(at.UnixMilli(), 7, uint64(i))
		r.URL, r.Agent = fmt.Sprintf("https://shop.example/p/%d?sub=%s", r.Link, r.ID), "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
		for k := range r.Subs[1:] {
			r.Subs[k+1] = ""
		}
		if rows = append(rows, r); len(rows) == 100_000 || i == n-1 {
			if err := e.Append(context.Background(), analytics.Batch{Source: "1/0", From: position(b, e, "1/0"), To: strconv.Itoa(i), Rows: rows}); err != nil {
				b.Fatal(err)
			}
			rows = rows[:0]
		}
	}
	_ = e.Close()
	from := openDuckDB(b, path, true)
	for b.Loop() {
		to := openClickHouse(b, database(b))
		begun := time.Now()
		report := mustMoveClicks(b, migration.ClicksOptions{From: from, To: to})
		b.ReportMetric(float64(report.Moved)/time.Since(begun).Seconds(), "clicks_moved_and_compared/s")
		begun = time.Now()
		report = mustMoveClicks(b, migration.ClicksOptions{From: from, To: to, CheckOnly: true})
		b.ReportMetric(float64(report.Items())/time.Since(begun).Seconds(), "clicks_compared/s")
	}
}
