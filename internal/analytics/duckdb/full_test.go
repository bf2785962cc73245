package duckdb

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// A full disk makes DuckDB give its file up. When there is room again, storing
// goes on by itself and every click is there once.
func TestFullDiskAndRoomAgain(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		if os.Getenv("CI") != "" && os.Geteuid() == 0 {
			t.Fatalf("a disk of its own is required in CI: %v", err)
		}
		t.Skipf("wanted: to mount a small disk, but %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	e, err := Open(Options{Path: filepath.Join(dir, "clicks.duckdb"), groupRows: 2048})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 18<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	failures, at, stored := 0, "", 0
	for n := 0; n < 60; n++ {
		batch := fullBatch(n, at)
		for attempt := 0; ; attempt++ {
			err := e.Append(t.Context(), batch)
			if err == nil {
				break
			}
			if failures++; failures == 3 {
				if err := os.Remove(filler); err != nil {
					t.Fatal(err)
				}
			}
			if attempt > 20 {
				t.Fatalf("storing did not go on: %v", err)
			}
		}
		at, stored = batch.To, stored+len(batch.Rows)
	}
	if failures == 0 {
		t.Fatal("the disk did not fill up; the test proves nothing")
	}
	stats, err := e.Stats(t.Context())
	if err != nil || stats.Clicks != int64(stored) {
		t.Errorf("%d clicks are stored, want %d (%v) after %d failures", stats.Clicks, stored, err, failures)
	}
	t.Logf("%d failures", failures)
}

// fullBatch has text that packs badly, to fill a disk soon.
func fullBatch(n int, from string) analytics.Batch {
	rows := make([]analytics.Row, 1000)
	for i := range rows {
		r := &rows[i]
		seed := uint64(n*len(rows) + i)
		r.ID = affiliate.NewClickID(1_790_000_000_000+int64(seed), 1, seed)
		r.Link, r.Outcome, r.Site, r.Slug = 1, affiliate.Redirected, "main", "a"
		r.Visitor = affiliate.NewVisitorID(1, seed)
		for range 20 {
			seed = seed*6364136223846793005 + 1442695040888963407
			r.Agent += fmt.Sprintf("%016x", seed)
		}
	}
	return analytics.Batch{Source: "full", From: from, To: fmt.Sprint(n + 1), Rows: rows}
}
