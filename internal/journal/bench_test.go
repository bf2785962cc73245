package journal

import (
	"errors"
	"io"
	"testing"
	"time"
)

// Sketch: a click is about 300 bytes. 50,000 clicks a second are 16 MB/s: one segment of
// 16 MiB a second, 20 msyncs a second of 800 kB each. The writer's share of a core
// at 80 ns per record is 0.4 %.
const clickBytes = 300

// settle waits, outside the measured time, until the next segment is prepared.
func settle(b *testing.B, j *Journal) {
	b.StopTimer()
	defer b.StartTimer()
	if err := j.Sync(); err != nil {
		b.Fatal(err)
	}
	if err := j.Release(j.End()); err != nil {
		b.Fatal(err)
	}
	for len(j.ready) == 0 {
		if trouble := j.Stats().Trouble; trouble != "" {
			b.Fatal(trouble)
		}
		time.Sleep(time.Millisecond)
	}
}

// BenchmarkAppend is what a click pays. Half a segment at a time, since a loop without
// requests in between is a hundred times faster than any traffic, and faster than disks.
func BenchmarkAppend(b *testing.B) {
	j := open(b, b.TempDir(), Options{SegmentBytes: segmentBytesDefault})
	record := make([]byte, clickBytes)
	batch := int(j.options.SegmentBytes / 2 / paddedBytes(clickBytes))
	b.SetBytes(clickBytes)
	b.ReportAllocs()
	for i := range b.N {
		if i%batch == 0 {
			settle(b, j)
		}
		if _, err := j.Append(record); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(j.Stats().Rolls), "rolls")
}

// BenchmarkAppendAll is what a click pays in an event loop that appends eight at a time.
func BenchmarkAppendAll(b *testing.B) {
	j := open(b, b.TempDir(), Options{SegmentBytes: segmentBytesDefault})
	round := make([][]byte, 8)
	for i := range round {
		round[i] = make([]byte, clickBytes)
	}
	batch := int(j.options.SegmentBytes/2/paddedBytes(clickBytes)) / len(round) * len(round)
	b.SetBytes(clickBytes)
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(round) {
		if i%batch == 0 {
			settle(b, j)
		}
		if _, err := j.AppendAll(round); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppendSteady appends 100,000 records a second for as long as asked and reports the
// slowest, which is where segments change and the disk syncs.
func BenchmarkAppendSteady(b *testing.B) {
	const rate = 100_000
	j := open(b, b.TempDir(), Options{SegmentBytes: segmentBytesDefault})
	record := make([]byte, clickBytes)
	var took []time.Duration
	began := time.Now()
	for i := range b.N {
		if due := time.Duration(i) * time.Second / rate; i%50 == 0 && time.Since(began) < due {
			time.Sleep(due - time.Since(began))
		}
		start := time.Now()
		if _, err := j.Append(record); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	reportQuantiles(b, took)
	b.ReportMetric(float64(j.Stats().Rolls), "rolls")
}

// BenchmarkRead is what the pipeline pays, page cache warm.
func BenchmarkRead(b *testing.B) {
	j := open(b, b.TempDir(), Options{SegmentBytes: segmentBytesDefault})
	record := make([]byte, clickBytes)
	for range 150_000 {
		if _, err := j.Append(record); err != nil {
			b.Fatal(err)
		}
	}
	r, err := j.Reader(Position{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(clickBytes)
	b.ReportAllocs()
	for b.Loop() {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
			if r, err = j.Reader(Position{}); err != nil {
				b.Fatal(err)
			}
		} else if err != nil {
			b.Fatal(err)
		}
	}
	_ = r.Close()
}
