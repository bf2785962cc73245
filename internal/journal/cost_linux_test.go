package journal

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkAppendCost is the whole price of a record: processor time of this process, the
// goroutines behind Append included, and of the machine, whose kernel threads write the pages
// out. 85,000 records a second of 300 bytes, in rounds of 64 as an event loop under load makes
// them. Give -benchtime=700000x: shorter runs do not reach the steady state. With
// JOURNAL_BENCH_BEHIND=1 nothing is released, so that new memory is needed all the time.
func BenchmarkAppendCost(b *testing.B) {
	const rate, round = 85_000, 64
	j := open(b, b.TempDir(), Options{SegmentBytes: segmentBytesDefault})
	record := make([]byte, 300)
	payloads := make([][]byte, round)
	for i := range payloads {
		payloads[i] = record
	}
	for _, n := range []int{300_000, b.N} { // the first is for warming up
		process, machine, began := processTime(b), machineTime(b), time.Now()
		b.ResetTimer()
		for i := 0; i < n; i += round {
			// Seldom, because sleeping costs more than many appends.
			if due := time.Duration(i) * time.Second / rate; i%(round*16) == 0 && time.Since(began) < due {
				time.Sleep(due - time.Since(began))
			}
			if _, err := j.AppendAll(payloads); err != nil {
				b.Fatal(err)
			}
			if i%(round*256) == 0 {
				releaseUnread(b, j)
			}
		}
		b.ReportMetric(float64(processTime(b)-process)/float64(n), "cpu-ns/record")
		b.ReportMetric(float64(machineTime(b)-machine)/float64(n), "machine-ns/record")
	}
}

// releaseUnread releases as if a reader had seen everything.
func releaseUnread(b *testing.B, j *Journal) {
	j.listMu.Lock()
	for i := range j.segments {
		j.segments[i].clean = true
	}
	j.listMu.Unlock()
	if os.Getenv("JOURNAL_BENCH_BEHIND") != "" {
		return // nobody ships anything
	}
	if err := j.Release(j.End()); err != nil {
		b.Fatal(err)
	}
}

func processTime(b *testing.B) time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// machineTime is all processors' time outside idle, as far as /proc/stat tells.
func machineTime(b *testing.B) time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	sum := 0
	for i, field := range strings.Fields(line)[1:8] {
		if n, err := strconv.Atoi(field); err == nil && i != 3 && i != 4 && i != 7 {
			sum += n
		}
	}
	return time.Duration(sum) * 10 * time.Millisecond
}
