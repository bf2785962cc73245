package kafka

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// topic is what the brokers say of it.
type topic struct {
	name       string
	id         string // as Kafka's tools show it; "AA…" from brokers before 2.8, which have none
	partitions int
}

func (t topic) source(k int) string { return t.name + "@" + t.id + "/" + strconv.Itoa(k) }

// number finds the partition of a source.
func (t topic) number(source string) (int, error) {
	rest, ok := strings.CutPrefix(source, t.name+"@"+t.id+"/")
	k, err := strconv.Atoi(rest)
	if !ok || err != nil || k < 0 || k >= t.partitions || t.source(k) != source {
		return 0, affiliate.Errorf(affiliate.NotFound, "kafka: there is no source %q: the topic is %s@%s with %d partitions", source, t.name, t.id, t.partitions)
	}
	return k, nil
}

// metadataOfKafka24 is the version of the metadata request that came with Kafka 2.4.
const metadataOfKafka24 = 9

// openTopic makes sure that there are brokers that can be spoken to, and that they have the
// topic, which is made when it is missing.
func openTopic(ctx context.Context, client *kgo.Client, o Options) (topic, error) {
	brokers, err := o.meet(ctx, client)
	if err != nil {
		return topic{}, err
	}
	if err := o.reachable(ctx, client, brokers); err != nil {
		return topic{}, err
	}
	admin := kadm.NewClient(client)
	cluster, err := admin.Metadata(ctx, o.Topic)
	if err != nil {
		return topic{}, o.explain(err)
	}
	if found := cluster.Topics[o.Topic]; found.Err != nil && !errors.Is(found.Err, kerr.UnknownTopicOrPartition) {
		return topic{}, o.explain(found.Err)
	} else if found.Err != nil || len(found.Partitions) == 0 {
		if err := o.makeTopic(ctx, admin, len(cluster.Brokers)); err != nil {
			return topic{}, err
		}
	}
	return waitTopic(ctx, admin, o)
}

// waitTopic waits until each partition of the topic has a leader.
func waitTopic(ctx context.Context, admin *kadm.Client, o Options) (topic, error) {
	for {
		cluster, err := admin.Metadata(ctx, o.Topic)
		if err != nil {
			return topic{}, o.explain(err)
		}
		t, whole := topicOf(cluster, o.Topic)
		if whole {
			return t, nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return topic{}, affiliate.Errorf(affiliate.Unavailable, "kafka: partitions of the topic %s have no leader (%v): start the brokers that keep them", o.Topic, ctx.Err())
		}
	}
}

// topicOf reads the answer of a broker. whole says that there is nothing to wait for.
func topicOf(cluster kadm.Metadata, name string) (t topic, whole bool) {
	found := cluster.Topics[name]
	t = topic{name: name, id: base64.RawURLEncoding.EncodeToString(found.ID[:]), partitions: len(found.Partitions)}
	if found.Err != nil || len(found.Partitions) == 0 {
		return t, false
	}
	for _, p := range found.Partitions {
		if p.Leader < 0 {
			return t, false
		}
	}
	return t, true
}

// meet asks the servers that were configured for all that there are.
func (o Options) meet(ctx context.Context, client *kgo.Client) (brokers []kmsg.MetadataResponseBroker, err error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{} // none; without a list it is all
	for _, seed := range client.SeedBrokers() {
		ask, cancel := context.WithTimeout(ctx, connectTimeout)
		var answer kmsg.Response
		answer, err = seed.Request(ask, request)
		cancel()
		if all, ok := answer.(*kmsg.MetadataResponse); err == nil && ok {
			// The client has to know them as well. Whether they can be reached is asked next.
			_ = client.Ping(ctx)
			return all.Brokers, nil
		}
	}
	return nil, o.unreachable(err)
}

// reachable asks each broker at the address that it advertises. That this is one where
// clients cannot come is the classic mistake: the first answer comes from the address that
// was configured, everything else goes elsewhere.
func (o Options) reachable(ctx context.Context, client *kgo.Client, brokers []kmsg.MetadataResponseBroker) error {
	var last error
	for _, b := range brokers {
		versions, err := askVersions(ctx, client, b)
		if err != nil {
			last = affiliate.Errorf(affiliate.Unavailable,
				"kafka: %s has answered, but broker %d says of itself that it is at %s:%d, which cannot be reached from here (%v): set its advertised.listeners to an address that can",
				strings.Join(o.Servers, ", "), b.NodeID, b.Host, b.Port, err)
			continue
		}
		if !speaks24(versions) {
			return affiliate.Errorf(affiliate.Unavailable, "kafka: the broker at %s:%d is older than Kafka 2.4: update it", b.Host, b.Port)
		}
		return nil // one is enough to go on; Examine asks all
	}
	return last
}

func askVersions(ctx context.Context, client *kgo.Client, b kmsg.MetadataResponseBroker) (*kmsg.ApiVersionsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout/2)
	defer cancel()
	request := kmsg.NewPtrApiVersionsRequest()
	request.ClientSoftwareName, request.ClientSoftwareVersion = "sluice", "1"
	answer, err := client.Broker(int(b.NodeID)).Request(ctx, request)
	if err != nil {
		return nil, err
	}
	versions, ok := answer.(*kmsg.ApiVersionsResponse)
	if !ok {
		return nil, fmt.Errorf("an answer of type %T", answer)
	}
	return versions, nil
}

func speaks24(versions *kmsg.ApiVersionsResponse) bool {
	for _, k := range versions.ApiKeys {
		if k.ApiKey == int16(kmsg.Metadata) {
			return k.MaxVersion >= metadataOfKafka24
		}
	}
	return false
}

func (o Options) makeTopic(ctx context.Context, admin *kadm.Client, brokers int) error {
	copies := o.Replication
	if copies == 0 {
		copies = min(3, brokers)
	}
	o.Replication = copies // for the words of an error
	inSync := "1"
	if copies >= 3 {
		inSync = "2" // one broker may be away, and what is acknowledged is on two
	}
	settings := map[string]*string{
		"retention.ms":                   text(strconv.FormatInt(o.Retention.Milliseconds(), 10)),
		"min.insync.replicas":            &inSync,
		"unclean.leader.election.enable": text("false"),
		"cleanup.policy":                 text("delete"),
	}
	if o.RetentionBytes > 0 {
		settings["retention.bytes"] = text(strconv.FormatInt(o.RetentionBytes, 10))
	}
	made, err := admin.CreateTopic(ctx, int32(o.Partitions), int16(copies), settings, o.Topic)
	if err == nil {
		err = made.Err
	}
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	if explained := o.explain(err); affiliate.CodeOf(explained) != "" {
		return explained
	}
	return affiliate.Errorf(affiliate.Unavailable, "kafka: the topic %s is missing and cannot be made (%v): make it with kafka-topics --create --partitions %d", o.Topic, err, o.Partitions)
}

func text(s string) *string { return &s }
