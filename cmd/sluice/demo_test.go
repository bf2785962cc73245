package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/analytics/duckdb"
	"github.com/sluicehq/sluice/internal/config"
)

func TestDemoFillsAnEmptyFolderOnce(t *testing.T) {
	engine, err := duckdb.Open(duckdb.Options{Path: filepath.Join(t.TempDir(), "clicks.duckdb"), MemoryLimit: "128MiB", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { change(t, engine.Close()) }()
	data := t.TempDir()
	var out, errOut bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, errOut: &errOut, now: time.Now}
	cfg := config.Default()
	cfg.Data = data
	c, err := p.openOffline(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.fill(t.Context(), c, engine, data, 1, 10); err != nil {
		t.Fatal(err)
	}
	contains(t, out.String(), "30 links on 2 sites")
	if err := p.fill(t.Context(), c, engine, data, 1, 10); exitCode(err) != exitProblems {
		t.Errorf("a second time: %v", err)
	}
	change(t, c.Close())
	r, err := engine.Report(t.Context(), analytics.Query{Filter: analytics.Filter{Since: time.Now().AddDate(0, 0, -11), Until: time.Now()}, By: []analytics.Dimension{analytics.ByLink}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Totals["clicks"] < 5000 || len(r.Rows) < 25 {
		t.Errorf("%d clicks on %d links", r.Totals["clicks"], len(r.Rows))
	}
	if total := linkCount(t, data); total != 30 {
		t.Errorf("%d links", total)
	}
}
