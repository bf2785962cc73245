package main

import (
	"context"
	"os"
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
// At 250,000 clicks a second on two processors a click may take 8 µs of them, and
// no goroutine on the way more than 4.
func BenchmarkPipeline(b *testing.B) {
	p := openPipeline(b, b.N, 0)
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan struct{})
	had := processor(syscall.RUSAGE_SELF)
	b.ResetTimer()
	go func() { defer close(done); p.collector.Run(ctx) }()
	drain, give := context.WithTimeout(ctx, time.Minute+time.Duration(b.N)*50*time.Microsecond)
	defer give()
	if err := p.collector.Drain(drain); err != nil {
		b.Fatal(err, p.collector.Stats().Trouble)
	}
	b.StopTimer()
	used := processor(syscall.RUSAGE_SELF) - had
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "clicks/s")
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/click")
	b.ReportMetric(readMemory("/proc/self/status").peak, "peak-MiB")
	stop()
	<-done
	p.close()
	b.ReportMetric(float64(p.bytes())/float64(b.N), "disk-bytes/click")
}

// openedPipeline has a journal full of clicks and an empty engine.
type openedPipeline struct {
	b         *testing.B
	collector *pipeline.Collector
	path      string
	closers   []func() error
}

func openPipeline(b *testing.B, clicks, niceness int) *openedPipeline {
	b.Helper()
	dir := b.TempDir()
	now := time.Now()
	if err := writeJournal(b.Context(), filepath.Join(dir, "journal"), 13, clicks, now.Add(-48*time.Hour), now); err != nil {
		b.Fatal(err)
	}
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	p := &openedPipeline{b: b, path: filepath.Join(dir, "clicks.duckdb")}
	engine, err := openEngine(p.path)
	if err != nil {
		b.Fatal(err)
	}
	places, err := geo.Open(geo.Options{})
	if err != nil {
		b.Fatal(err)
	}
	p.collector = pipeline.New(pipeline.Options{
		Queue: inproc.Open(map[string]*journal.Journal{"0/0": j}, nil), Analytics: engine, Niceness: niceness,
		SetAside: func(p queue.Poison) error { b.Error(p.Reason); return nil },
		Enrich:   &pipeline.Enricher{Places: places, Agents: useragent.NewParser(useragent.Options{}), Addresses: pipeline.Truncated},
	})
	p.closers = []func() error{p.collector.Close, engine.Close, j.Close, places.Close}
	if err := p.collector.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	return p
}

func (p *openedPipeline) close() {
	for _, close := range p.closers {
		if err := close(); err != nil {
			p.b.Error(err)
		}
	}
}

// bytes is what the clicks take on disk.
func (p *openedPipeline) bytes() int64 {
	info, err := os.Stat(p.path)
	if err != nil {
		p.b.Fatal(err)
	}
	return info.Size()
}
