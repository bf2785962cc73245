package kafka

import (
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// explain says what to do about an error of the library or the broker.
func (o Options) explain(err error) error {
	where := strings.Join(o.Servers, ", ")
	var coded *affiliate.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded):
		return err
	case errors.Is(err, kerr.SaslAuthenticationFailed), strings.Contains(err.Error(), "SASL_AUTHENTICATION_FAILED"), strings.Contains(err.Error(), "invalid credentials"):
		return affiliate.Errorf(affiliate.Unsigned, "kafka: %s refuses the user or the password: check both, and the mechanism, which is %s", where, o.Mechanism)
	case strings.Contains(err.Error(), "is SASL missing"):
		return affiliate.Errorf(affiliate.Unsigned, "kafka: %s asks for a user on this port: give user and password", where)
	case strings.Contains(err.Error(), "tls alert record"):
		return fmt.Errorf("kafka: %s speaks TLS on this port: turn TLS on: %w", where, err)
	case errors.Is(err, kerr.IllegalSaslState):
		return affiliate.Errorf(affiliate.Unsigned, "kafka: %s does not ask for a user on this port: leave user and password out, or use the port with SASL", where)
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return affiliate.Errorf(affiliate.Unsigned, "kafka: %s does not take the mechanism %s: choose another (sasl.enabled.mechanisms of the broker)", where, o.Mechanism)
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return affiliate.Errorf(affiliate.Forbidden, "kafka: the user may not use the topic %s (%v): grant Read, Write, Describe and DescribeConfigs on it, and Create when it is not there yet (kafka-acls)", o.Topic, err)
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return affiliate.Errorf(affiliate.Forbidden, "kafka: the user may not use the group %s: grant Read on it (kafka-acls)", o.Group)
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return affiliate.Errorf(affiliate.NotFound, "kafka: there is no topic %s: restart to have it made, or make it", o.Topic)
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return affiliate.Errorf(affiliate.TooLarge, "kafka: the topic %s takes no batch of this size: set its max.message.bytes to 1048588, which is Kafka's own, or more", o.Topic)
	case errors.Is(err, kerr.NotEnoughReplicas), errors.Is(err, kerr.NotEnoughReplicasAfterAppend):
		return affiliate.Errorf(affiliate.Unavailable, "kafka: too few brokers that keep the topic %s are up (%v): start them", o.Topic, err)
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return affiliate.Errorf(affiliate.Invalid, "kafka: there are too few brokers for %d copies of the topic %s: start more, or ask for fewer", o.Replication, o.Topic)
	case strings.Contains(err.Error(), "first record does not look like a TLS handshake"), o.tls != nil && strings.Contains(err.Error(), "closed the connection immediately"):
		return fmt.Errorf("kafka: %s does not speak TLS on this port: turn TLS off, or use the port for it: %w", where, err)
	case strings.Contains(err.Error(), "certificate"):
		return fmt.Errorf("kafka: the certificate of %s is not trusted: name the file of its authority: %w", where, err)
	}
	return fmt.Errorf("kafka: %s: %w", where, err)
}

// unreachable is a broker that did not answer at all.
func (o Options) unreachable(err error) error {
	if explained := o.explain(err); affiliate.CodeOf(explained) != "" || strings.Contains(explained.Error(), "TLS") || strings.Contains(explained.Error(), "certificate") {
		return explained
	}
	return affiliate.Errorf(affiliate.Unavailable, "kafka: no broker can be reached at %s (%v): check that it runs and that the address is right", strings.Join(o.Servers, ", "), err)
}
