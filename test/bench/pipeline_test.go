package main

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics/duckdb"
	"github.com/sluicehq/sluice/internal/geo"
	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/pipeline"
	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/queue/inproc"
	"github.com/sluicehq/sluice/internal/useragent"
)

// BenchmarkPipeline takes clicks from a journal to DuckDB inside this process, so
// that the way can be looked at with a profile:
//
//	go test -run - -bench Pipeline -benchtime 1000000x -cpuprofile cpu.prof ./test/bench
//
// At 100,000 clicks a second on two processors a click may take 20 µs of them,
// of which DuckDB alone takes about 8.
func BenchmarkPipeline(b *testing.B) {
	dir := b.TempDir()
	now := time.Now()
	if err := writeJournal(b.Context(), filepath.Join(dir, "journal"), b.N, now.Add(-48*time.Hour), now); err != nil {
		b.Fatal(err)
	}
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	engine, err := duckdb.Open(duckdb.Options{Path: filepath.Join(dir, "clicks.duckdb"), MemoryLimit: "256MiB"})
	if err != nil {
		b.Fatal(err)
	}
	places, err := geo.Open(geo.Options{})
	if err != nil {
		b.Fatal(err)
	}
	c := pipeline.New(pipeline.Options{
		Queue: inproc.Open(map[string]*journal.Journal{"0/0": j}, nil), Analytics: engine,
		SetAside: func(p queue.Poison) error { b.Error(p.Reason); return nil },
		Enrich:   &pipeline.Enricher{Places: places, Agents: useragent.NewParser(useragent.Options{}), Addresses: pipeline.Truncated},
	})
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	had := processor(syscall.RUSAGE_SELF)
	b.ResetTimer()
	go func() { done <- c.Run(ctx) }()
	if err := c.Drain(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	used := processor(syscall.RUSAGE_SELF) - had
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "clicks/s")
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/click")
	b.ReportMetric(readMemory("/proc/self/status").peak, "peak-MiB")
	stop()
	if err := <-done; err != nil {
		b.Error(err)
	}
	for _, close := range []func() error{engine.Close, j.Close, places.Close} {
		if err := close(); err != nil {
			b.Error(err)
		}
	}
}
