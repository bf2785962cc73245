// Package kafka carries click records through a topic of Kafka, or of a broker that speaks
// its protocol.
//
// A source is one partition, "TOPIC@ID/3": the id tells a topic from one of the same name
// that was there before. Its position is the next offset. A consumer group says who reads
// which partition and nothing else: each source is opened where its caller says, and
// offsets are committed to the group only so that tools can show the lag.
//
// Records are acknowledged by all replicas that are in sync and stored once each, however
// often they had to be sent within one Send (idempotent producer). The package needs Kafka
// 2.4. It reconnects by itself. See docs/decisions/0023-brokers-carry-clicks-by-position.md.
package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// RecordBytesMax is the longest record that is taken.
const RecordBytesMax = 64 << 10

// Options say where the brokers are and how the topic is made when it is not there yet.
// The zero value of everything but Servers is good.
type Options struct {
	// Servers are some of the brokers, as host:port; they tell of the others.
	Servers []string
	// User and Password for SASL, which is not used without a user. Mechanism is "PLAIN",
	// "SCRAM-SHA-256" or "SCRAM-SHA-512", PLAIN unless given.
	User, Password, Mechanism string
	// TLS speaks TLS. CAFile holds PEM certificates of the authorities that are trusted
	// instead of the machine's.
	TLS    bool
	CAFile string

	// Topic is "sluice.clicks" unless given.
	Topic string
	// Partitions of a topic that is not there yet, 12 unless given; afterwards the broker
	// says how many there are.
	Partitions int
	// Replication is how many brokers keep a copy: three, or all when there are fewer. It
	// is for a topic that is not there yet, as are the two that follow.
	Replication int
	// Retention is how long records are kept, read or not; 7 days unless given.
	Retention time.Duration
	// RetentionBytes limits each partition besides; 0 for no limit.
	RetentionBytes int64

	// Group of readers that share the topic; the topic's name unless given.
	Group string
	// Member is how this process is called in the brokers' logs; the machine's name unless
	// given.
	Member string
	// SendTimeout ends a Send whose context has no end; 30 seconds unless given.
	SendTimeout time.Duration
	// Dial opens connections, as net.Dialer.DialContext does, which is used unless given.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Logger *slog.Logger

	tls *tls.Config // what TLS and CAFile mean
}

const (
	partitionsMax  = 1024
	connectTimeout = 10 * time.Second
	dialTimeout    = 5 * time.Second
	// sessionTimeout is when the group gives the partitions of a silent reader to others;
	// brokers take 6 seconds or more.
	sessionTimeout = 8 * time.Second
	heartbeatEvery = 2 * time.Second
)

var topicForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

// settle fills in what was not given and refuses what cannot be meant.
func (o Options) settle() (Options, error) {
	setDefault(&o.Topic, "sluice.clicks")
	setDefault(&o.Group, o.Topic)
	setDefault(&o.Partitions, 12)
	setDefault(&o.Retention, 7*24*time.Hour)
	setDefault(&o.SendTimeout, 30*time.Second)
	setDefault(&o.Mechanism, "PLAIN")
	if o.Member == "" {
		o.Member, _ = os.Hostname() // it is only shown
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	switch {
	case len(o.Servers) == 0:
		return o, affiliate.Errorf(affiliate.Invalid, "kafka: no server is given: write one such as host:9092")
	case !topicForm.MatchString(o.Topic) || o.Topic == "." || o.Topic == "..":
		return o, affiliate.Errorf(affiliate.Invalid, "kafka: the topic's name %q is not 1 to 249 letters, digits, dots, dashes and underscores", o.Topic)
	case o.Partitions < 1 || o.Partitions > partitionsMax:
		return o, affiliate.Errorf(affiliate.Invalid, "kafka: %d partitions are not between 1 and %d", o.Partitions, partitionsMax)
	case o.Retention < time.Minute:
		return o, affiliate.Errorf(affiliate.Invalid, "kafka: records that are kept for %v would be gone before they are read: use a day or more", o.Retention)
	case o.RetentionBytes < 0 || o.Replication < 0:
		return o, affiliate.Errorf(affiliate.Invalid, "kafka: a limit below 0 means nothing")
	case o.mechanism() == nil:
		return o, affiliate.Errorf(affiliate.Invalid, "kafka: there is no SASL mechanism %q here: use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", o.Mechanism)
	}
	for _, server := range o.Servers {
		if _, _, err := net.SplitHostPort(server); err != nil {
			return o, affiliate.Errorf(affiliate.Invalid, "kafka: the server %q is not written as host:port", server)
		}
	}
	if !o.TLS && o.CAFile == "" {
		return o, nil
	}
	o.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile == "" {
		return o, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return o, fmt.Errorf("kafka: %w", err)
	}
	if o.tls.RootCAs = x509.NewCertPool(); !o.tls.RootCAs.AppendCertsFromPEM(pem) {
		return o, fmt.Errorf("kafka: %s holds no PEM certificate", o.CAFile)
	}
	return o, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) mechanism() sasl.Mechanism {
	switch o.Mechanism {
	case "PLAIN":
		return plain.Auth{User: o.User, Pass: o.Password}.AsMechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: o.User, Pass: o.Password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: o.User, Pass: o.Password}.AsSha512Mechanism()
	}
	return nil
}

// client returns a client with what all of them need.
func (o Options) client(purpose string, more ...kgo.Opt) (*kgo.Client, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(o.Servers...),
		kgo.ClientID("sluice-" + purpose + "-" + o.Member),
		kgo.Dialer(o.dial),
		kgo.RequestTimeoutOverhead(connectTimeout),
		kgo.RetryBackoffFn(func(try int) time.Duration { return min(time.Duration(try)*250*time.Millisecond, 5*time.Second) }),
		kgo.MetadataMinAge(time.Second),
	}
	if o.User != "" {
		options = append(options, kgo.SASL(o.mechanism()))
	}
	client, err := kgo.NewClient(append(options, more...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return client, nil
}

// dial is bounded, whoever opens the connection: the client waits for it even when it
// closes.
func (o Options) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := o.Dial(ctx, network, address)
	if err != nil || o.tls == nil {
		return conn, err
	}
	config := o.tls.Clone()
	if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
		return nil, err
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // what went wrong is known
		return nil, err
	}
	return secure, nil
}
