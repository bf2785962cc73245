package queuetest

import (
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/queue"
)

const recordsPerSend = 10_000

// BenchmarkSend sends 10,000 records of 200 bytes at a time, one Send after the other.
func BenchmarkSend(b *testing.B, p queue.Producer) {
	records := clicks()
	before := used(b)
	for b.Loop() {
		if err := p.Send(b.Context(), records); err != nil {
			b.Fatal(err)
		}
	}
	report(b, b.N*recordsPerSend, used(b)-before)
}

// BenchmarkTake has one reader take from the only source there is, in batches of 10,000,
// as the collector does.
func BenchmarkTake(b *testing.B, p queue.Producer, q queue.Queue) {
	records := clicks()
	const sends = 40
	for range sends {
		if err := p.Send(b.Context(), records); err != nil {
			b.Fatal(err)
		}
	}
	before, total := used(b), 0
	for b.Loop() {
		s := Open(b, q, "")
		for n := 0; n < sends*recordsPerSend; {
			batch, err := s.Take(b.Context(), recordsPerSend)
			if err != nil {
				b.Fatal(err)
			}
			n += len(batch.Records)
			total += len(batch.Records)
		}
		_ = s.Close()
	}
	report(b, total, used(b)-before)
}

func clicks() []queue.Record {
	records := make([]queue.Record, recordsPerSend)
	for i := range records {
		records[i] = queue.Record{Key: uint64(i) * 0x9e3779b97f4a7c15, Data: make([]byte, 200)}
		for j := range records[i].Data {
			records[i].Data[j] = byte(i * (j + 7) >> 3)
		}
	}
	return records
}

// used is the processor time of this process.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// report gives the figures by record: what is ours of the processor, and how many a second.
func report(b *testing.B, records int, cpu time.Duration) {
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(records), "cpu-ns/record")
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}
