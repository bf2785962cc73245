package kafka_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/queue/kafka"
	"github.com/sluicehq/sluice/internal/queue/queuetest"
	"github.com/sluicehq/sluice/internal/testkit"
)

// cluster is three brokers that a test may break, and a topic of theirs.
type cluster struct {
	servers *testkit.Servers
	options kafka.Options
	admin   *kadm.Client
}

func openCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{servers: testkit.OwnServers(t, "kafka-cluster")}
	addresses, err := c.servers.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	c.options = kafka.Options{
		Servers: strings.Split(strings.TrimPrefix(addresses["KAFKA_CLUSTER"], "kafka://"), ","), Topic: "clicks", Partitions: 6,
		SendTimeout: 3 * time.Second, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.options.Servers...), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c.admin = kadm.NewClient(client)
	queuetest.Eventually(t, time.Minute, func() error { // else a topic would have too few copies
		met, err := c.admin.BrokerMetadata(queuetest.Soon(t))
		if err == nil && len(met.Brokers) < 3 {
			err = fmt.Errorf("there are the brokers %v", met.Brokers.NodeIDs())
		}
		return err
	})
	return c
}

// topic is what the brokers say of it.
func (c *cluster) topic(t *testing.T) kadm.Metadata {
	t.Helper()
	found, err := c.admin.Metadata(queuetest.Soon(t), c.options.Topic)
	if err == nil {
		err = found.Topics.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// leaders are the brokers, the one that leads most of the topic's partitions first.
func (c *cluster) leaders(t *testing.T) []int32 {
	t.Helper()
	leads := map[int32]int{}
	for _, p := range c.topic(t).Topics[c.options.Topic].Partitions {
		leads[p.Leader]++
	}
	ids := []int32{1, 2, 3}
	slices.SortStableFunc(ids, func(a, b int32) int { return leads[b] - leads[a] })
	return ids
}

// coordinator is the broker that looks after the group of readers.
func (c *cluster) coordinator(t *testing.T) int32 {
	t.Helper()
	found := c.admin.FindGroupCoordinators(queuetest.Soon(t), c.options.Topic)[c.options.Topic]
	if found.Err != nil {
		t.Fatal(found.Err)
	}
	return found.NodeID
}

func (c *cluster) signal(t *testing.T, signal syscall.Signal, brokers ...int32) {
	t.Helper()
	for _, id := range brokers {
		if err := c.servers.Signal(fmt.Sprintf("kafka-cluster/%d", c.servers.Port+41+int(id)), signal); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%v: brokers %v", signal, brokers)
}

// back starts the brokers that were killed.
func (c *cluster) back(t *testing.T) {
	t.Helper()
	if err := c.servers.Do("start", "kafka-cluster"); err != nil {
		t.Fatal(err)
	}
	t.Log("all brokers run")
}

// finds waits until examining says something, or nothing at all for "".
func finds(t *testing.T, p *kafka.Producer, what string) {
	t.Helper()
	queuetest.Eventually(t, time.Minute, func() error {
		findings, err := p.Examine(queuetest.Soon(t), time.Now())
		said := fmt.Sprint(findings)
		if err != nil || what == "" && len(findings) > 0 || !strings.Contains(said, what) {
			return fmt.Errorf("examining finds %s (%v), not %q", said, err, what)
		}
		return nil
	})
}

// strict sends to a topic that takes nothing unless both of its copies are there. Each
// broker has some of it.
func (c *cluster) strict(t *testing.T) *kafka.Producer {
	t.Helper()
	o := c.options
	o.Topic, o.Partitions, o.Replication = "strict", 3, 2
	p := openProducer(t, o)
	two := "2"
	if _, err := c.admin.AlterTopicConfigs(queuetest.Soon(t), []kadm.AlterConfig{{Name: "min.insync.replicas", Value: &two}}, o.Topic); err != nil {
		t.Fatal(err)
	}
	return p
}

// expectCopies checks how the topic was made.
func (c *cluster) expectCopies(t *testing.T) {
	t.Helper()
	for k, p := range c.topic(t).Topics[c.options.Topic].Partitions {
		if len(p.Replicas) != 3 {
			t.Errorf("partition %d has the copies %v, want 3", k, p.Replicas)
		}
	}
	described, err := c.admin.DescribeTopicConfigs(queuetest.Soon(t), c.options.Topic)
	if err != nil {
		t.Fatal(err)
	}
	resource, err := described.On(c.options.Topic, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(resource.Configs, func(setting kadm.Config) bool {
		return setting.Key == "min.insync.replicas" && setting.MaybeValue() == "2" && setting.Source == kmsg.ConfigSourceDynamicTopicConfig
	}) {
		t.Error("the topic itself does not say that min.insync.replicas is 2")
	}
}

// TestBrokersAreAway kills brokers of a cluster, and has one stand still, while records are
// sent and collected. What was acknowledged is there in the end, and twice only what was sent
// twice.
func TestBrokersAreAway(t *testing.T) {
	t.Parallel()
	c := openCluster(t)
	producer := openProducer(t, c.options)
	c.expectCopies(t)
	readers := []queue.Queue{openQueue(t, c.options), openQueue(t, c.options)}
	traffic := queuetest.StartTraffic(t, producer, readers...)
	traffic.GoesOn(t, "at first")
	finds(t, producer, "")

	strict := c.strict(t)
	finds(t, strict, "is kept by 2 of 3 brokers")
	away := c.leaders(t)[0]
	c.signal(t, syscall.SIGKILL, away)
	traffic.GoesOn(t, "without the broker that leads most")
	finds(t, producer, "have fewer copies in sync than they should")
	finds(t, strict, "take nothing: they have fewer copies in sync")
	c.back(t)
	finds(t, producer, "")

	if coordinator := c.coordinator(t); coordinator != away {
		c.signal(t, syscall.SIGKILL, coordinator)
		traffic.GoesOn(t, "without the coordinator of the group")
		c.back(t)
		finds(t, producer, "")
	}

	c.signal(t, syscall.SIGKILL, c.leaders(t)[:2]...)
	traffic.Waits(t, "with one broker of three")
	finds(t, producer, "cannot be reached from here")
	c.back(t)
	traffic.GoesOn(t, "with all brokers again")
	finds(t, producer, "")

	still := c.leaders(t)[0]
	c.signal(t, syscall.SIGSTOP, still)
	time.Sleep(10 * time.Second) // others lead by then
	c.signal(t, syscall.SIGCONT, still)
	traffic.GoesOn(t, "after a broker stood still")
	finds(t, producer, "")

	traffic.End(t, c.options.Partitions)
	queuetest.Eventually(t, time.Minute, func() error {
		ends, err := c.admin.ListEndOffsets(queuetest.Soon(t), c.options.Topic)
		if err != nil {
			return err
		}
		kept := 0
		ends.Each(func(o kadm.ListedOffset) { kept += int(o.Offset) })
		if stored := traffic.Stored(); stored != kept {
			return fmt.Errorf("the brokers keep %d records, the readers have %d", kept, stored)
		}
		return nil
	})
}
