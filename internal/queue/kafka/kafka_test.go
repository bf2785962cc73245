package kafka_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/queue/kafka"
	"github.com/sluicehq/sluice/internal/queue/queuetest"
	"github.com/sluicehq/sluice/internal/testkit"
)

// admin speaks to the broker beside what is tested.
func admin(t testing.TB) *kadm.Client {
	client, err := kgo.NewClient(kgo.SeedBrokers(server(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

func server(t testing.TB) string {
	return strings.TrimPrefix(testkit.Engine(t, "KAFKA"), "kafka://")
}

// optionsOf returns options for a topic of the test's own, which is removed afterwards.
func optionsOf(t testing.TB) kafka.Options {
	o := kafka.Options{Servers: []string{server(t)}, Topic: "sluice.test." + strings.ToLower(rand.Text()), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	broker := admin(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if _, err := broker.DeleteTopics(ctx, o.Topic); err != nil {
			t.Error(err)
		}
		if _, err := broker.DeleteGroups(ctx, o.Topic); err != nil {
			t.Log(err) // a broker just begun may not have said who coordinates; the group is in nobody's way
		}
	})
	return o
}

func openProducer(t testing.TB, o kafka.Options) *kafka.Producer {
	t.Helper()
	return queuetest.Opened(t, func(ctx context.Context) (*kafka.Producer, error) { return kafka.OpenProducer(ctx, o) })
}

func openQueue(t testing.TB, o kafka.Options) *kafka.Queue {
	t.Helper()
	return queuetest.Opened(t, func(ctx context.Context) (*kafka.Queue, error) { return kafka.OpenQueue(ctx, o) })
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
		o.Partitions, o.RetentionBytes = s.Partitions, s.RetentionBytes
		over := func(l *queuetest.Link) kafka.Options {
			o := o
			o.Dial = l.Dial
			return o
		}
		return queuetest.Broker{
			OpenQueue: func(ctx context.Context, l *queuetest.Link) (queue.Queue, error) {
				return kafka.OpenQueue(ctx, over(l))
			},
			OpenProducer: func(ctx context.Context, l *queuetest.Link) (queue.Producer, error) {
				return kafka.OpenProducer(ctx, over(l))
			},
			Expire: func(t *testing.T) {
				// Retention looks at whole segments, which are of a gigabyte.
				var before kadm.Offsets
				before.Add(kadm.Offset{Topic: o.Topic, Partition: 0, At: 2000})
				if _, err := admin(t).DeleteRecords(t.Context(), before); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
