package rabbitmq_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/queue/queuetest"
	"github.com/sluicehq/sluice/internal/queue/rabbitmq"
	"github.com/sluicehq/sluice/internal/testkit"
)

// optionsOf returns options for a topic of the test's own, which is removed afterwards.
func optionsOf(t testing.TB) rabbitmq.Options {
	address := testkit.Engine(t, "RABBITMQ")
	o := rabbitmq.Options{URLs: []string{address}, Name: "sluice.test." + strings.ToLower(rand.Text()), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	t.Cleanup(func() {
		conn, err := amqp.Dial(address)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		ch, err := conn.Channel()
		if err != nil {
			t.Error(err)
			return
		}
		for k := range 16 {
			if _, err := ch.QueueDelete(fmt.Sprintf("%s.%d", o.Name, k), false, false, false); err != nil {
				t.Error(err)
			}
		}
		if _, err := ch.QueueDelete(o.Name, false, false, false); err != nil {
			t.Error(err)
		}
	})
	return o
}

func openProducer(t testing.TB, o rabbitmq.Options) *rabbitmq.Producer {
	t.Helper()
	return queuetest.Opened(t, func(ctx context.Context) (*rabbitmq.Producer, error) { return rabbitmq.OpenProducer(ctx, o) })
}

func openQueue(t testing.TB, o rabbitmq.Options) *rabbitmq.Queue {
	t.Helper()
	return queuetest.Opened(t, func(ctx context.Context) (*rabbitmq.Queue, error) { return rabbitmq.OpenQueue(ctx, o) })
}

func TestQueue(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t *testing.T) queuetest.Fixture {
		o := optionsOf(t)
		o.Partitions = 1
		return queuetest.FixtureOf(t, openQueue(t, o), openProducer(t, o))
	})
}

func TestBroker(t *testing.T) {
	t.Parallel()
	queuetest.RunBroker(t, func(t *testing.T, s queuetest.Setup) queuetest.Broker {
		o := optionsOf(t)
		o.Partitions = s.Partitions
		if s.RetentionBytes > 0 {
			o.RetentionBytes, o.SegmentBytes = s.RetentionBytes, s.RetentionBytes/4
		}
		over := func(l *queuetest.Link) rabbitmq.Options {
			o := o
			o.Dial = l.Dial
			return o
		}
		return queuetest.Broker{
			OpenQueue: func(ctx context.Context, l *queuetest.Link) (queue.Queue, error) {
				return rabbitmq.OpenQueue(ctx, over(l))
			},
			OpenProducer: func(ctx context.Context, l *queuetest.Link) (queue.Producer, error) {
				return rabbitmq.OpenProducer(ctx, over(l))
			},
			Expire: func(t *testing.T) {}, // it was done while they were sent
		}
	})
}
