package main

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/pipeline"
	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/queue/inproc"
	"github.com/sluicehq/sluice/internal/queue/kafka"
	"github.com/sluicehq/sluice/internal/queue/rabbitmq"
	"github.com/sluicehq/sluice/internal/testkit"
)

// BenchmarkShipper takes clicks from the journals of a node to a broker. On one processor,
// with the broker on others:
//
//	GOMAXPROCS=1 taskset -c 0 go test -run - -bench Shipper -benchtime 1000000x -count 3 ./test/bench
//
// At 100,000 clicks a second a click may take 10 µs of that processor.
func BenchmarkShipper(b *testing.B) {
	for _, broker := range []string{"kafka", "rabbitmq"} {
		b.Run(broker, func(b *testing.B) {
			w := newWay(b, broker)
			from := w.journals(b.N)
			s := pipeline.NewShipper(pipeline.ShipperOptions{From: from, To: w.producer(), Positions: &positions{}, Now: time.Now, Logger: quietly})
			if err := s.Open(b.Context()); err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(b.Context())
			done := make(chan struct{})
			servers, had := w.brokerProcessor(), processor(syscall.RUSAGE_SELF)
			w.wire.Store(0)
			b.ResetTimer()
			go func() { defer close(done); s.Run(ctx) }()
			for s.Stats().Sent < int64(b.N) {
				if now := s.Stats(); now.Trouble != "" {
					b.Fatal(now.Trouble)
				}
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
			w.report(b, processor(syscall.RUSAGE_SELF)-had)
			b.ReportMetric(float64((w.brokerProcessor()-servers).Microseconds())/float64(b.N), "broker-µs/click")
			if marked := s.Stats().Marked; marked > 2 {
				b.Errorf("%d clicks were marked as perhaps sent before", marked)
			}
			b.ReportMetric(float64(w.wire.Load())/float64(b.N), "wire-bytes/click")
			stop()
			<-done
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}

// way is a broker with a topic of its own.
type way struct {
	*testing.B
	broker, address, name string
	wire                  atomic.Int64 // bytes that went to the broker
	partitions            int
}

var quietly = slog.New(slog.DiscardHandler)

func newWay(b *testing.B, broker string) *way {
	b.Helper()
	w := &way{B: b, broker: broker, address: testkit.Engine(b, broker), name: newName(), partitions: 12}
	b.Cleanup(func() { removeTopic(b, broker, w.name, w.partitions) })
	return w
}

// brokerProcessor is what the brokers of this kind on this machine have had of all processors.
func (w *way) brokerProcessor() time.Duration {
	return processorOf(map[string]string{"kafka": "java", "rabbitmq": "beam.smp"}[w.broker])
}

// report gives what every way is measured by.
func (w *way) report(b *testing.B, used time.Duration) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "clicks/s")
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/click")
	b.ReportMetric(0, "ns/op")
}

// journals are the lanes of two event loops, full of clicks.
func (w *way) journals(clicks int) queue.Queue {
	w.Helper()
	dir, now := w.TempDir(), time.Now()
	lanes := map[string]*journal.Journal{}
	for i, n := range []int{clicks / 2, clicks - clicks/2} {
		name := string(rune('1' + i))
		path := filepath.Join(dir, name)
		if err := writeJournal(w.Context(), path, uint64(13+i), n, now.Add(-time.Minute), now); err != nil {
			w.Fatal(err)
		}
		j, err := journal.Open(path, journal.Options{})
		if err != nil {
			w.Fatal(err)
		}
		lanes["1/"+name] = j
	}
	q := inproc.Open(lanes, nil)
	w.Cleanup(func() {
		_ = q.Close()
		for _, j := range lanes {
			_ = j.Close()
		}
	})
	return calm{q}
}

// calm is a queue as a node has it that has been up for a while. What a shipper finds at
// its start may have been sent before, and is marked and asked for; that is over when it
// has once found fewer than it asked for.
type calm struct{ queue.Queue }

func (q calm) Open(ctx context.Context, source, position string) (queue.Source, error) {
	s, err := q.Queue.Open(ctx, source, position)
	return &calmSource{Source: s}, err
}

type calmSource struct {
	queue.Source
	begun bool
}

func (s *calmSource) Take(ctx context.Context, max int) (queue.Batch, error) {
	if !s.begun {
		max, s.begun = 1, true
	}
	return s.Source.Take(ctx, max)
}

func (w *way) kafka() kafka.Options {
	return kafka.Options{Servers: kafkaServers(w.address), Topic: w.name, Partitions: w.partitions, Dial: w.dial}
}

func (w *way) rabbit() rabbitmq.Options {
	return rabbitmq.Options{URLs: []string{w.address}, Name: w.name, Partitions: w.partitions, Dial: w.dial}
}

func (w *way) producer() queue.Producer {
	w.Helper()
	var p queue.Producer
	var err error
	if w.broker == "kafka" {
		p, err = kafka.OpenProducer(w.Context(), w.kafka())
	} else {
		p, err = rabbitmq.OpenProducer(w.Context(), w.rabbit())
	}
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = p.Close() })
	return p
}

func (w *way) queue() queue.Queue {
	w.Helper()
	var q queue.Queue
	var err error
	if w.broker == "kafka" {
		q, err = kafka.OpenQueue(w.Context(), w.kafka())
	} else {
		q, err = rabbitmq.OpenQueue(w.Context(), w.rabbit())
	}
	if err != nil {
		w.Fatal(err)
	}
	return q
}

// dial counts what is sent.
func (w *way) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &countedConn{conn, &w.wire}, nil
}

type countedConn struct {
	net.Conn
	sent *atomic.Int64
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

// positions are kept in memory.
type positions struct{ all sync.Map }

func (p *positions) Load(source string) (string, error) {
	if at, ok := p.all.Load(source); ok {
		return at.(string), nil
	}
	return "", nil
}

func (p *positions) Save(source, position string) error {
	p.all.Store(source, position)
	return nil
}
