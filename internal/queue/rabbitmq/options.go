// Package rabbitmq carries click records through RabbitMQ streams.
//
// A source is one stream queue, read over AMQP 0.9.1: like a partition of Kafka it is
// replicated, confirmed, kept for a time whether it was read or not, and can be read
// again from any position. The broker stores no progress; positions are its caller's.
//
//	NAME            stream, one message: which topic this is and how many partitions it has
//	NAME.0 … N-1    streams, one for each partition: messages are parcels of records
//	NAME.readers    fanout exchange over which the readers tell each other that they live
//	NAME.K.reader   exclusive queue without messages: whoever has declared it reads partition K
//
// The package needs RabbitMQ 3.9, where streams begin. It reconnects by itself. See
// docs/decisions/0023-brokers-carry-clicks-by-position.md.
package rabbitmq

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// RecordBytesMax is the longest record that is taken.
const RecordBytesMax = 64 << 10

// Options say where the broker is and how the topic is made when it is not there yet.
// The zero value of everything but URLs is good.
type Options struct {
	// URLs are the nodes, such as amqps://user:password@host:5671/vhost. They are tried
	// in turn, from the one after that which was of no more use.
	URLs []string
	// User and Password replace those of the URLs when User is not empty.
	User, Password string
	// CAFile holds PEM certificates of the authorities that amqps:// trusts instead of the
	// machine's.
	CAFile string

	// Name of the topic, "sluice.clicks" unless given. All queues of it begin with it.
	Name string
	// Partitions of a topic that is not there yet, 12 unless given; afterwards the broker
	// says how many there are.
	Partitions int
	// Replication is how many nodes of a cluster keep a copy, all of them unless given. It
	// is for a topic that is not there yet, as are the three that follow.
	Replication int
	// Retention is how long records are kept, read or not; 7 days unless given.
	Retention time.Duration
	// RetentionBytes limits each partition besides; 0 for no limit.
	RetentionBytes int64
	// SegmentBytes is what is removed at a time, 100 MB unless given.
	SegmentBytes int64

	// Member is how this reader is called in logs and in the broker's list of connections;
	// the machine's name unless given.
	Member string
	// SendTimeout ends a Send whose context has no end; 30 seconds unless given.
	SendTimeout time.Duration
	// Dial opens connections, as net.Dialer.DialContext does, which is used unless given.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Logger *slog.Logger

	turn *atomic.Int64 // counts the nodes that were of no use
}

const (
	partitionsMax = 1024
	// heartbeat is how often each side shows the other that it lives: after two of them in
	// silence the broker gives a reader's locks to others.
	heartbeat      = 5 * time.Second
	connectTimeout = 10 * time.Second
	writeTimeout   = 20 * time.Second
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`)

// settle fills in what was not given and refuses what cannot be meant.
func (o Options) settle() (Options, error) {
	setDefault(&o.Name, "sluice.clicks")
	setDefault(&o.Partitions, 12)
	setDefault(&o.Retention, 7*24*time.Hour)
	setDefault(&o.SegmentBytes, 100_000_000)
	setDefault(&o.SendTimeout, 30*time.Second)
	if o.Member == "" {
		o.Member, _ = os.Hostname() // it is only shown
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	o.turn = &atomic.Int64{}
	switch {
	case len(o.URLs) == 0:
		return o, affiliate.Errorf(affiliate.Invalid, "rabbitmq: no URL is given: write one such as amqp://user:password@host:5672/")
	case !nameForm.MatchString(o.Name):
		return o, affiliate.Errorf(affiliate.Invalid, "rabbitmq: the topic's name %q is not 1 to 200 letters, digits, dots, dashes and underscores", o.Name)
	case o.Partitions < 1 || o.Partitions > partitionsMax:
		return o, affiliate.Errorf(affiliate.Invalid, "rabbitmq: %d partitions are not between 1 and %d", o.Partitions, partitionsMax)
	case o.Retention < time.Minute:
		return o, affiliate.Errorf(affiliate.Invalid, "rabbitmq: records that are kept for %v would be gone before they are read: use a day or more", o.Retention)
	case o.RetentionBytes < 0 || o.SegmentBytes < 0 || o.Replication < 0:
		return o, affiliate.Errorf(affiliate.Invalid, "rabbitmq: a limit below 0 means nothing")
	}
	for _, u := range o.URLs {
		if _, err := amqp.ParseURI(u); err != nil {
			return o, affiliate.Errorf(affiliate.Invalid, "rabbitmq: the URL of %s cannot be read: write it as amqp://user:password@host:5672/vhost, with %%-escapes in user and password", hostOf(u))
		}
	}
	return o, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// hostOf is what may be shown of an URL.
func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	_, after, found := strings.Cut(address, "@")
	if !found {
		return "an unreadable address"
	}
	return after
}

// connect tries the nodes in turn and returns the first connection that can be had.
func (o Options) connect(ctx context.Context, purpose string) (*amqp.Connection, error) {
	var last error
	for range o.URLs {
		u := o.URLs[o.turn.Load()%int64(len(o.URLs))]
		conn, err := o.connectTo(ctx, u, purpose)
		if err == nil {
			return conn, nil
		}
		last = explainConnect(hostOf(u), err)
		o.turnAway()
	}
	return nil, last
}

// turnAway has the next node tried first. One that does not answer costs as long as
// connecting may take, and one that answers need not be able to do what it is asked.
func (o Options) turnAway() { o.turn.Add(1) }

// onAnyNode tries again while it fails for want of a copy, once for each node.
func onAnyNode[T any](o Options, open func() (T, error)) (opened T, err error) {
	for range o.URLs {
		if opened, err = open(); !errors.Is(err, errNoCopy) {
			break
		}
	}
	return opened, err
}

func (o Options) connectTo(ctx context.Context, address, purpose string) (*amqp.Connection, error) {
	config := amqp.Config{
		Heartbeat:  heartbeat,
		Locale:     "en_US",
		Properties: amqp.Table{"product": "sluice", "connection_name": fmt.Sprintf("sluice %s %s %s", o.Name, purpose, o.Member)},
		Dial: func(network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, connectTimeout)
			defer cancel()
			conn, err := o.Dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			// The library lifts it when the conversation has begun.
			if err := conn.SetDeadline(time.Now().Add(connectTimeout)); err != nil {
				return nil, err
			}
			return &patientConn{conn}, nil
		},
	}
	if o.User != "" {
		config.SASL = []amqp.Authentication{&amqp.PlainAuth{Username: o.User, Password: o.Password}}
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, err
		}
		authorities := x509.NewCertPool()
		if !authorities.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no PEM certificate", o.CAFile)
		}
		config.TLSClientConfig = &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}
	}
	conn, err := amqp.DialConfig(address, config)
	if err != nil {
		return nil, err
	}
	if err := checkVersion(conn); err != nil {
		_ = conn.CloseDeadline(time.Now().Add(time.Second))
		return nil, err
	}
	return conn, nil
}

// patientConn waits for a write only so long: a broker in an alarm stops reading, and
// the library would wait for ever.
type patientConn struct{ net.Conn }

func (c *patientConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// newID is unlike every other of its kind.
func newID() string {
	id := make([]byte, 6)
	_, _ = rand.Read(id) // it never fails
	return hex.EncodeToString(id)
}
