package main

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"
	"time"

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
// and no goroutine on the way more than 10. DuckDB alone takes about 9.
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
	engine, err := openEngine(filepath.Join(dir, "clicks.duckdb"))
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
	if err := c.Open(ctx); err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	had := processor(syscall.RUSAGE_SELF)
	b.ResetTimer()
	go func() { defer close(done); c.Run(ctx) }()
	drain, give := context.WithTimeout(ctx, time.Minute+time.Duration(b.N)*50*time.Microsecond)
	defer give()
	if err := c.Drain(drain); err != nil {
		b.Fatal(err, c.Stats().Trouble)
	}
	b.StopTimer()
	used := processor(syscall.RUSAGE_SELF) - had
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "clicks/s")
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/click")
	b.ReportMetric(readMemory("/proc/self/status").peak, "peak-MiB")
	stop()
	<-done
	for _, close := range []func() error{c.Close, engine.Close, j.Close, places.Close} {
		if err := close(); err != nil {
			b.Error(err)
		}
	}
}
