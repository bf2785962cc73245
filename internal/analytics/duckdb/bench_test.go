package duckdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/analytics/analyticstest"
)

// What the figures are to be compared with: a click is a row of 19 numbers, 110
// bytes, written into a vector, the log and the table, and one in ten brings a
// new row of some 200 bytes for a side table. At 250,000 clicks a second the log
// takes 30 MB/s and a click has 4 µs of one core; a report over seven days of
// twenty million clicks reads four narrow columns, some 150 MB unpacked, at about
// 1 GB/s and core, and a join with a side table costs as much again.
//
//	go test -run - -bench Append -benchtime 1000000x ./internal/analytics/duckdb
//	ANALYTICS_CLICKS=20000000 go test -run - -bench Kept -timeout 1h ./internal/analytics/duckdb

// benchOptions are the defaults, unless ANALYTICS_MEMORY or ANALYTICS_THREADS says otherwise.
func benchOptions(path string) Options {
	return Options{Path: path, MemoryLimit: os.Getenv("ANALYTICS_MEMORY"), Threads: analyticstest.Setting("THREADS", 0)}
}

// openBench opens the file ANALYTICS_FILE, which may hold the clicks of an earlier run,
// or one that goes with the benchmark.
func openBench(b *testing.B) *Engine {
	b.Helper()
	path := os.Getenv("ANALYTICS_FILE")
	if path == "" {
		path = filepath.Join(b.TempDir(), "clicks.duckdb")
	}
	e := mustOpen(b, benchOptions(path))
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	})
	return e
}

// settle brings what the log holds into the tables.
func settle(b *testing.B, e *Engine) {
	b.Helper()
	if _, err := e.db.Exec("CHECKPOINT"); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	e := mustOpen(b, benchOptions(filepath.Join(b.TempDir(), "clicks.duckdb")))
	analyticstest.BenchmarkAppend(b, e, 20_000)
	b.Log(memoryPeak())
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkKept measures what is asked of many clicks, after it has measured storing
// them in batches of ANALYTICS_BATCH.
func BenchmarkKept(b *testing.B) {
	e := openBench(b)
	analyticstest.BenchmarkKept(b, e, analyticstest.Setting("BATCH", 20_000), func() {
		settle(b, e)
		b.Log("before the questions: " + memoryPeak())
	})
	b.Log("after the questions: " + memoryPeak())
}

// memoryPeak is the kernel's word on this process, where it has one.
func memoryPeak() string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "no /proc"
	}
	var found []string
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "RssAnon") || strings.HasPrefix(line, "RssFile") {
			found = append(found, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(found, ", ")
}
