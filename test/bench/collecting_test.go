package main

import (
	"context"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/analytics/clickhouse"
	"github.com/sluicehq/sluice/internal/geo"
	"github.com/sluicehq/sluice/internal/pipeline"
	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/testkit"
	"github.com/sluicehq/sluice/internal/useragent"
)

// BenchmarkCollector takes clicks from a broker to ClickHouse, which has the other
// processor and some of ours:
//
//	go test -run - -bench Collector -benchtime 1000000x -count 3 ./test/bench
//
// At 100,000 clicks a second on two processors, which ClickHouse and the broker share with
// us, a click may take 20 µs of them.
func BenchmarkCollector(b *testing.B) {
	for _, broker := range []string{"kafka", "rabbitmq"} {
		for name, batches := range map[string]pipeline.Options{
			"server": {BacklogRecords: 51_200}, "small": {BatchRecords: 10_240}, "large": {BatchRecords: 51_200},
		} {
			b.Run(broker+"/"+name, func(b *testing.B) { collect(newWay(b, broker), batches) })
		}
	}
}

// collect measures a collector with batches as in the options.
func collect(w *way, o pipeline.Options) {
	b := w.B
	w.fill(b.N)
	q, database, conn := w.queue(), newName(), clickHouse(b)
	b.Cleanup(func() { removeDatabase(b, conn, database) })
	engine, err := clickhouse.Open(b.Context(), clickhouse.Options{URL: testkit.Engine(b, "clickhouse"), Database: database})
	if err != nil {
		b.Fatal(err)
	}
	places, err := geo.Open(geo.Options{})
	if err != nil {
		b.Fatal(err)
	}
	o.Queue, o.Analytics, o.SetAside = q, engine, func(p queue.Poison) error { b.Error(p.Reason); return nil }
	o.Enrich = &pipeline.Enricher{Places: places, Agents: useragent.NewParser(useragent.Options{}), Addresses: pipeline.Truncated}
	c := pipeline.New(o)
	w.settled(q)
	if err := c.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan struct{})
	servers, had := processorOf("clickhouse-serv"), processor(syscall.RUSAGE_SELF)
	b.ResetTimer()
	go func() { defer close(done); c.Run(ctx) }()
	for now := c.Stats(); now.Stored < int64(b.N); now = c.Stats() {
		if now.Trouble != "" {
			b.Fatal(now.Trouble)
		}
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	w.report(b, processor(syscall.RUSAGE_SELF)-had)
	b.ReportMetric(float64((processorOf("clickhouse-serv")-servers).Microseconds())/float64(b.N), "clickhouse-µs/click")
	b.ReportMetric(readMemory("/proc/self/status").peak, "peak-MiB")
	stop()
	<-done
	for _, close := range []func() error{c.Close, q.Close, engine.Close, places.Close} {
		if err := close(); err != nil {
			b.Error(err)
		}
	}
}

// settled waits until the only reader has every partition.
func (w *way) settled(q queue.Queue) {
	w.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if names, err := q.Sources(w.Context()); err == nil && len(names) == w.partitions {
			return
		}
		if time.Now().After(deadline) {
			w.Fatal("the partitions did not come to their only reader")
		}
	}
}

// fill puts clicks into the topic.
func (w *way) fill(clicks int) {
	w.Helper()
	from := w.journals(clicks)
	s := pipeline.NewShipper(pipeline.ShipperOptions{From: from, To: w.producer(), Positions: &positions{}, Now: time.Now, Logger: quietly})
	if err := s.Open(w.Context()); err != nil {
		w.Fatal(err)
	}
	ctx, stop := context.WithCancel(w.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	for s.Stats().Sent < int64(clicks) && s.Stats().Trouble == "" {
		time.Sleep(time.Millisecond)
	}
	stop()
	<-done
	if err := s.Close(); err != nil || s.Stats().Sent < int64(clicks) {
		w.Fatal(err, s.Stats().Trouble)
	}
}

// BenchmarkClickHouseBytes stores b.N clicks of 14 days in batches of 50,000, lets ClickHouse merge
// them, and tells what a click takes:
//
//	go test -run - -bench ClickHouseBytes -benchtime 5000000x -timeout 30m ./test/bench
func BenchmarkClickHouseBytes(b *testing.B) {
	if b.N == 1 {
		return // the trial before the number that was asked for
	}
	database, conn := newName(), clickHouse(b)
	b.Cleanup(func() { removeDatabase(b, conn, database) })
	engine, err := clickhouse.Open(b.Context(), clickhouse.Options{URL: testkit.Engine(b, "clickhouse"), Database: database})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	f, rows, position := newTraffic(7), make([]analytics.Row, 50_000), ""
	span := float64(days * 24 * time.Hour / time.Millisecond)
	start, step := float64(time.Now().UnixMilli())-span, span/float64(b.N)
	for done := 0; done < b.N; done += len(rows) {
		rows = rows[:min(len(rows), b.N-done)]
		f.Rows(rows, start+step*float64(done), step)
		next := strconv.Itoa(done + len(rows))
		if err := engine.Append(b.Context(), analytics.Batch{Source: "1/0", From: position, To: next, Rows: rows}); err != nil {
			b.Fatal(err)
		}
		position = next
	}
	b.ReportMetric(0, "ns/op")
	before := tableSizes(b, conn, database)
	for table := range before {
		began := time.Now()
		if err := conn.Exec(b.Context(), "OPTIMIZE TABLE "+database+"."+table+" FINAL"); err != nil {
			b.Fatal(err)
		}
		b.Logf("%s was merged in %.1f s", table, time.Since(began).Seconds())
	}
	for table, s := range tableSizes(b, conn, database) {
		b.Logf("%s: %d rows, %.1f bytes a click on disk before the last merges in %d parts, %.1f after them in %d", table, s.rows,
			float64(before[table].bytes)/float64(b.N), before[table].parts, float64(s.bytes)/float64(b.N), s.parts)
		if s.rows == uint64(b.N) {
			b.ReportMetric(float64(s.bytes)/float64(b.N), "disk-bytes/click")
		}
	}
}

type tableSize struct{ rows, bytes, parts uint64 }
