package pipeline_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/geo"
	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/pipeline"
	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/queue/inproc"
	"github.com/sluicehq/sluice/internal/queue/rabbitmq"
	"github.com/sluicehq/sluice/internal/testkit"
	"github.com/sluicehq/sluice/internal/useragent"
)

// carrier is a rig whose clicks go through a broker.
type carrier struct {
	*rig
	topic string
	url   string
}

func newCarrier(t *testing.T) *carrier {
	c := &carrier{rig: newRig(t), topic: "test." + rand.Text(), url: testkit.Engine(t, "RABBITMQ")}
	t.Cleanup(func() {
		broker, err := amqp.Dial(c.url)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = broker.Close() }()
		for _, queue := range []string{c.topic, c.topic + ".0", c.topic + ".1"} {
			if channel, err := broker.Channel(); err == nil {
				_, _ = channel.QueueDelete(queue, false, false, false)
			}
		}
		if channel, err := broker.Channel(); err == nil {
			_ = channel.ExchangeDelete(c.topic+".readers", false, false)
		}
	})
	return c
}

func (c *carrier) options() rabbitmq.Options {
	return rabbitmq.Options{URLs: []string{c.url}, Name: c.topic, Partitions: 2}
}

// positions are kept in memory; a process that dies may have lost the newest.
type positions struct {
	mu  sync.Mutex
	all map[string]string
}

func (p *positions) Load(source string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[source], nil
}

func (p *positions) Save(source, position string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all[source] = position
	return nil
}

// unsure sends, and then says now and then that it does not know whether it has.
type unsure struct {
	queue.Producer
	fail atomic.Int64 // so many times
}

func (u *unsure) Send(ctx context.Context, records []queue.Record) error {
	if err := u.Producer.Send(ctx, records); err != nil {
		return err
	}
	if u.fail.Add(-1) >= 0 {
		return errors.New("the connection was lost before the broker had said that it has them")
	}
	return nil
}

// ship sends everything that is in the journal, then what late adds to it, of which it is unsure
// some times.
func (c *carrier) ship(from pipeline.Positions, late func(), failures int) pipeline.ShipperStats {
	c.t.Helper()
	to, err := rabbitmq.OpenProducer(c.t.Context(), c.options())
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = to.Close() }()
	doubts := &unsure{Producer: to}
	s := pipeline.NewShipper(pipeline.ShipperOptions{From: inproc.Open(map[string]*journal.Journal{"0/0": c.journal}, slog.New(slog.DiscardHandler)),
		To: doubts, Positions: from, BatchRecords: 30, Interval: time.Millisecond, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(c.t.Context())
	if err := s.Open(ctx); err != nil {
		c.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	sent := func(least int64) {
		c.t.Helper()
		for deadline := time.Now().Add(30 * time.Second); s.Stats().Lag != (queue.Lag{}) || s.Stats().Sent < least; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				c.t.Fatalf("not everything was sent: %+v", s.Stats())
			}
		}
	}
	sent(1)
	if late != nil {
		doubts.fail.Store(int64(failures))
		before := s.Stats().Sent
		late()
		sent(before + 1)
	}
	stats := s.Stats()
	cancel()
	<-done
	if err := s.Close(); err != nil {
		c.t.Error(err)
	}
	return stats
}

// gather collects from the broker until so many clicks are stored and records set aside.
func (c *carrier) gather(clicks, poison int64) pipeline.Stats {
	c.t.Helper()
	places, err := geo.Open(geo.Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = places.Close() }()
	from, err := rabbitmq.OpenQueue(c.t.Context(), c.options())
	if err != nil {
		c.t.Fatal(err)
	}
	var mu sync.Mutex // sources are collected at the same time
	collector := pipeline.New(pipeline.Options{Queue: from, Analytics: c.engine, Interval: time.Millisecond, Now: func() time.Time { return noon.Add(time.Minute) },
		Enrich: &pipeline.Enricher{Places: places, Agents: useragent.NewParser(useragent.Options{}), Addresses: pipeline.Truncated},
		SetAside: func(p queue.Poison) error {
			mu.Lock()
			defer mu.Unlock()
			c.poison = append(c.poison, p)
			return nil
		}})
	ctx, cancel := context.WithCancel(c.t.Context())
	if err := collector.Open(ctx); err != nil {
		c.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); collector.Run(ctx) }()
	var s pipeline.Stats
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if s = collector.Stats(); s.Stored >= clicks && s.SetAside >= poison {
			break
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("not everything was collected: %+v", s)
		}
	}
	time.Sleep(300 * time.Millisecond) // for what should not come
	s = collector.Stats()
	cancel()
	<-done
	if err := errors.Join(collector.Close(), from.Close()); err != nil {
		c.t.Error(err)
	}
	return s
}

func (c *carrier) kept(clicks int64) {
	c.t.Helper()
	stats, err := c.engine.Stats(c.t.Context())
	if err != nil || stats.Clicks != clicks {
		c.t.Fatalf("%d clicks are kept, %v, want %d", stats.Clicks, err, clicks)
	}
}

func TestClicksGoThroughABroker(t *testing.T) {
	c, progress := newCarrier(t), &positions{all: map[string]string{}}
	for visitor := range uint64(100) {
		c.append(visitor, nil)
	}
	if _, err := c.journal.Append([]byte("\x09no click")); err != nil {
		t.Fatal(err)
	}
	if s := c.ship(progress, nil, 0); s.Sent != 101 || s.Marked == 0 {
		t.Fatalf("sent %+v", s)
	}
	if s := c.gather(100, 1); s.Stored != 100 || s.SetAside != 1 || s.Duplicates != 0 || s.Lost != 0 {
		t.Fatalf("collected %+v", s)
	}
	c.kept(100)
	if len(c.poison) != 1 || string(c.poison[0].Record) != "\x09no click" || !strings.Contains(c.poison[0].Reason, "version 9") {
		t.Fatalf("set aside: %+v", c.poison)
	}

	// A process that lost its positions sends all of it again, and says so.
	for visitor := range uint64(10) {
		c.append(1000+visitor, nil)
	}
	if s := c.ship(&positions{all: map[string]string{}}, nil, 0); s.Sent < 10 {
		t.Fatalf("sent again %+v", s)
	}
	s := c.gather(10, 0)
	if s.Stored != 10 {
		t.Fatalf("collected again %+v", s)
	}
	c.kept(110)
}

// What the broker may have or not is sent again, marked, and kept once; what it has is not marked.
func TestUncertainSend(t *testing.T) {
	c := newCarrier(t)
	c.append(0, nil)
	sent := c.ship(&positions{all: map[string]string{}}, func() {
		for visitor := range uint64(200) {
			c.append(visitor, func(click *affiliate.Click) { click.Link = 2 })
		}
	}, 3)
	if sent.Sent != 201 || sent.Retries != 3 || sent.Marked < 2 || sent.Marked > 31 {
		t.Fatalf("sent %+v", sent)
	}
	s := c.gather(201, 0)
	if s.Stored != 201 || s.Duplicates == 0 {
		t.Fatalf("collected %+v", s)
	}
	c.kept(201)
}
