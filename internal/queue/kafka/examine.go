package kafka

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Examine says what of the topic and its brokers is other than it should be.
func (q *Queue) Examine(ctx context.Context, _ time.Time) ([]affiliate.Finding, error) {
	return q.options.examine(ctx)
}

// Examine says what of the topic and its brokers is other than it should be.
func (p *Producer) Examine(ctx context.Context, _ time.Time) ([]affiliate.Finding, error) {
	return p.options.examine(ctx)
}

type findings []affiliate.Finding

func (f *findings) add(harmful bool, mend, problem string, arguments ...any) {
	*f = append(*f, affiliate.Finding{Problem: fmt.Sprintf(problem, arguments...), Mend: mend, Harmful: harmful})
}

// examine asks over connections of its own, so that it finds what a newcomer would.
func (o Options) examine(ctx context.Context) ([]affiliate.Finding, error) {
	client, err := o.client("examines")
	if err != nil {
		return nil, err
	}
	defer client.Close()
	brokers, err := o.meet(ctx, client)
	if err != nil {
		return nil, err
	}
	var f findings
	o.examineBrokers(ctx, client, brokers, &f)
	admin := kadm.NewClient(client)
	cluster, err := admin.Metadata(ctx, o.Topic)
	if err != nil {
		return f, o.explain(err)
	}
	found := cluster.Topics[o.Topic]
	if found.Err != nil {
		return f, o.explain(found.Err)
	}
	settings, err := settingsOf(ctx, admin, o)
	if err != nil {
		f.add(false, "grant DescribeConfigs on the topic, or look with kafka-configs --describe", "the settings of the topic %s cannot be read: %v", o.Topic, err)
	}
	o.examineCopies(found, settings, len(cluster.Brokers), &f)
	o.examineSettings(found, settings, &f)
	return f, nil
}

func (o Options) examineBrokers(ctx context.Context, client *kgo.Client, brokers []kmsg.MetadataResponseBroker, f *findings) {
	for _, b := range brokers {
		versions, err := askVersions(ctx, client, b)
		switch {
		case err != nil:
			f.add(false, "set its advertised.listeners to an address that can be reached, or start it",
				"broker %d says of itself that it is at %s:%d, which cannot be reached from here: %v", b.NodeID, b.Host, b.Port, err)
		case !speaks24(versions):
			f.add(false, "update it", "the broker at %s:%d is older than Kafka 2.4", b.Host, b.Port)
		}
	}
}

func settingsOf(ctx context.Context, admin *kadm.Client, o Options) (map[string]string, error) {
	described, err := admin.DescribeTopicConfigs(ctx, o.Topic)
	if err != nil {
		return nil, err
	}
	resource, err := described.On(o.Topic, nil)
	if err != nil {
		return nil, err
	}
	if resource.Err != nil {
		return nil, resource.Err
	}
	settings := map[string]string{}
	for _, c := range resource.Configs {
		settings[c.Key] = c.MaybeValue()
	}
	return settings, nil
}

// examineCopies looks at what an acknowledgement by all replicas in sync is worth.
func (o Options) examineCopies(found kadm.TopicDetail, settings map[string]string, brokers int, f *findings) {
	copies := 0
	for _, p := range found.Partitions {
		copies = max(copies, len(p.Replicas))
	}
	inSync, err := strconv.Atoi(settings["min.insync.replicas"])
	// With two copies it is one or the other: nothing is taken without both, or one is enough.
	const mend = "have three brokers, three copies of the topic (kafka-reassign-partitions) and its min.insync.replicas at 2 (kafka-configs --alter)"
	switch known := err == nil; {
	case brokers == 1 && copies < 2: // with more, the others are away
		f.add(false, "run three brokers and give the topic three copies, if losing the machine must not lose clicks",
			"there is one broker, so that records are as safe as its disk")
	case copies < 2, copies < 3 && brokers >= 3:
		f.add(false, mend, "the topic %s is kept by %d of %d brokers", o.Topic, copies, brokers)
	case known && inSync < 2:
		f.add(false, mend, "the topic %s acknowledges a record that only one broker has: min.insync.replicas is %d", o.Topic, inSync)
	case known && inSync >= copies:
		f.add(false, mend, "the topic %s takes nothing while one broker is away: min.insync.replicas is %d and there are %d copies", o.Topic, inSync, copies)
	}
	if err != nil {
		inSync = 1
	}
	o.examineAway(found, inSync, f)
}

// examineAway looks at what is missing because brokers are away. A partition takes records
// while inSync copies are there.
func (o Options) examineAway(found kadm.TopicDetail, inSync int, f *findings) {
	var behind, closed, leaderless []int32
	for k, p := range found.Partitions {
		switch {
		case p.Leader < 0:
			leaderless = append(leaderless, k)
		case len(p.ISR) < inSync:
			closed = append(closed, k)
		}
		if len(p.ISR) < len(p.Replicas) {
			behind = append(behind, k)
		}
	}
	slices.Sort(behind)
	slices.Sort(closed)
	slices.Sort(leaderless)
	if len(behind) > 0 {
		f.add(false, "start the brokers that are away, or wait until they have caught up", "partitions %v of the topic %s have fewer copies in sync than they should", behind, o.Topic)
	}
	if len(closed) > 0 {
		f.add(false, "start the brokers that are away: clicks wait in the journals until then", "partitions %v of the topic %s take nothing: they have fewer copies in sync than min.insync.replicas, which is %d", closed, o.Topic, inSync)
	}
	if len(leaderless) > 0 {
		f.add(false, "start the brokers that keep them", "partitions %v of the topic %s have no leader, so that nothing can be sent to or read from them", leaderless, o.Topic)
	}
}

// examineSettings looks at what else can lose records.
func (o Options) examineSettings(found kadm.TopicDetail, settings map[string]string, f *findings) {
	if n := len(found.Partitions); n < o.Partitions {
		f.add(false, fmt.Sprintf("kafka-topics --alter --partitions %d, and restart those that send; links' records change their partition then", o.Partitions),
			"the topic %s has %d partitions, not %d: no more than %d readers share it", o.Topic, n, o.Partitions, n)
	}
	if settings["unclean.leader.election.enable"] == "true" {
		f.add(true, "set unclean.leader.election.enable of the topic to false", "the topic %s lets a broker lead that lacks records which were acknowledged", o.Topic)
	}
	if policy, given := settings["cleanup.policy"]; given && policy != "delete" {
		f.add(true, "set cleanup.policy of the topic to delete", "the topic %s is compacted (cleanup.policy is %s), which removes records", o.Topic, policy)
	}
	if ms, err := strconv.ParseInt(settings["retention.ms"], 10, 64); err == nil && ms >= 0 && ms < (24*time.Hour).Milliseconds() {
		f.add(false, "set retention.ms of the topic to a day or more, so that reports may be down for a night",
			"the topic %s keeps records for %v", o.Topic, time.Duration(ms)*time.Millisecond)
	}
	if n, err := strconv.Atoi(settings["max.message.bytes"]); err == nil && n < 1<<20 {
		f.add(false, "set max.message.bytes of the topic to 1048588, which is Kafka's own", "the topic %s takes batches of %d bytes only", o.Topic, n)
	}
}
