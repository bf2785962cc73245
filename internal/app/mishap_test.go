package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// The clock goes back by hours, and forward again: no visitor is refused, no click
// is lost, counted twice, or given the id of another.
func TestClockThatStepsBack(t *testing.T) {
	var offset atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	p := &process{t: t, out: &output{}}
	cfg := settings(t.TempDir())
	a, err := Build(t.Context(), cfg, Options{Version: "test", Out: p.out, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	p.app = a
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, a.Close()); err != nil {
			t.Error(err)
		}
	})
	p.links = p.find(`links\s+(http://\S+)/go/`)
	p.find(`(data  )`)
	if code := p.call("POST", "/api/v1/links", `{"slug":"a","url":"https://shop.example/?id={click_id}"}`, nil); code != 201 {
		t.Fatalf("creating a link: %d", code)
	}
	seen := map[string]bool{}
	clicks := 0
	for _, step := range []time.Duration{0, -3 * time.Hour, -26 * time.Hour, 2 * time.Hour, 0} {
		offset.Store(int64(step))
		for range 25 {
			to := p.click("a")
			if len(to) < 24 || seen[to] {
				t.Fatalf("after a step of %s a visitor is sent to %q", step, to)
			}
			seen[to] = true
			clicks++
		}
	}
	offset.Store(0)
	var report struct{ Totals map[string]float64 }
	waitFor(t, func() bool {
		p.call("GET", "/api/v1/reports/clicks?by=link&since=7d", "", &report)
		return report.Totals["clicks"] >= float64(clicks)-25 // those of the future are not in it
	})
	waitFor(t, func() bool { return a.office.get().reports.collector.Stats().Lag.Bytes == 0 })
	stats, err := a.office.get().reports.analytics.Stats(t.Context())
	if err != nil || stats.Clicks != int64(clicks) {
		t.Errorf("%d clicks are stored, %d were made: %v", stats.Clicks, clicks, err)
	}
}

// Somebody deletes the journal's folder under the process: visitors do not notice,
// what is lost is counted, and recording goes on in a new folder.
func TestJournalFolderDeleted(t *testing.T) {
	dir := t.TempDir()
	cfg := settings(dir)
	cfg.Loops = 1
	p := startWith(t, cfg, nil)
	p.call("POST", "/api/v1/links", `{"slug":"a","url":"https://shop.example/a"}`, nil)
	made := 0
	click := func() {
		if got := p.click("a"); got != "https://shop.example/a" {
			t.Fatalf("click %d is sent to %q", made, got)
		}
		made++
	}
	click()
	p.clicks(1)
	if err := os.RemoveAll(filepath.Join(dir, "journal")); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		click()
	}
	waitFor(t, func() bool { // a new folder is there, and takes clicks
		_, err := os.Stat(filepath.Join(dir, "journal", "1"))
		return err == nil
	})
	waitFor(t, func() bool {
		click()
		time.Sleep(20 * time.Millisecond)
		clicks, err := p.app.office.get().reports.analytics.Stats(t.Context())
		return err == nil && clicks.Clicks > 1
	})
	waitFor(t, func() bool {
		stored, err := p.app.office.get().reports.analytics.Stats(t.Context())
		return err == nil && stored.Clicks+p.app.lostClicks() >= int64(made)
	})
	stored, err := p.app.office.get().reports.analytics.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d clicks made, %d stored, %d counted as lost", made, stored.Clicks, p.app.lostClicks())
	if stored.Clicks > int64(made) {
		t.Errorf("%d clicks of %d are stored", stored.Clicks, made)
	}
}
