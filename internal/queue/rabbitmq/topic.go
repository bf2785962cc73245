package rabbitmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// topic is what the broker says of it: the first message of the stream NAME.
type topic struct {
	Version int `json:"version"`
	// ID tells a topic from an older one of the same name, whose positions mean nothing
	// in this one.
	ID         string `json:"id"`
	Partitions int    `json:"partitions"`

	name string
	// unlike is what the broker says of partitions that were made otherwise than the
	// options ask for; they are used as they are.
	unlike string
}

func (t topic) partition(k int) string { return t.name + "." + strconv.Itoa(k) }

func (t topic) lock(k int) string { return t.partition(k) + ".reader" }

func (t topic) source(k int) string { return t.name + "@" + t.ID + "/" + strconv.Itoa(k) }

// number finds the partition of a source.
func (t topic) number(source string) (int, error) {
	rest, ok := strings.CutPrefix(source, t.name+"@"+t.ID+"/")
	k, err := strconv.Atoi(rest)
	if !ok || err != nil || k < 0 || k >= t.Partitions || t.source(k) != source {
		return 0, affiliate.Errorf(affiliate.NotFound, "rabbitmq: there is no source %q: the topic is %s@%s with %d partitions", source, t.name, t.ID, t.Partitions)
	}
	return k, nil
}

// openTopic reads which topic there is, and makes one when there is none; one that is known is
// only read. Several may do
// so at once: whatever message comes first in the stream NAME counts for all. A stream that
// another is just making refuses for a moment, so it is tried a few times.
func openTopic(ctx context.Context, conn *amqp.Connection, o Options, known topic) (t topic, err error) {
	if known.ID != "" {
		return known.reopen(ctx, conn, o)
	}
	for try := range 20 {
		if t, err = tryTopic(ctx, conn, o); err == nil || conn.IsClosed() {
			return t, err
		}
		switch affiliate.CodeOf(err) {
		case "", affiliate.Unavailable:
		default:
			return t, err
		}
		if errors.Is(err, errNoCopy) && len(o.URLs) > 1 {
			return t, err // another node has one
		}
		select {
		case <-time.After(time.Duration(min(try+1, 10)) * 50 * time.Millisecond):
		case <-ctx.Done():
			return t, err
		}
	}
	return t, err
}

// reopen reads the topic over another connection. It makes nothing: a node that was cut off
// may not know of streams that the others have, and would put empty ones in their place. Nor
// does it ask the streams' leaders, of which one may be silent.
func (t topic) reopen(ctx context.Context, conn *amqp.Connection, o Options) (topic, error) {
	now, err := readTopic(ctx, conn, o, nil)
	if affiliate.CodeOf(err) == affiliate.NotFound {
		err = affiliate.Errorf(affiliate.NotFound, "rabbitmq: the broker at %s does not know the stream %s: look whether its cluster is whole (rabbitmqctl cluster_status), or restart to have the stream made again, empty", conn.RemoteAddr(), o.Name)
	}
	if now.ID == t.ID {
		now.unlike = t.unlike
	}
	return now, err
}

// tryTopic makes what is missing while it holds a lock: the broker may fail when two
// connections make the same stream.
func tryTopic(ctx context.Context, conn *amqp.Connection, o Options) (topic, error) {
	known, err := exists(conn, o.Name)
	if err != nil {
		return topic{}, err
	}
	if !known {
		return makeTopic(ctx, conn, o)
	}
	t, err := readTopic(ctx, conn, o, writeTopic)
	if err != nil {
		return t, err
	}
	gone, err := missing(ctx, conn, t)
	if err != nil {
		return t, err
	}
	if len(gone) > 0 {
		return makeTopic(ctx, conn, o)
	}
	return t, t.makePartitions(conn, o)
}

func makeTopic(ctx context.Context, conn *amqp.Connection, o Options) (topic, error) {
	name := o.Name + ".making"
	locked, err := lock(conn, name)
	if err != nil {
		return topic{}, err
	}
	if !locked {
		return topic{}, affiliate.Errorf(affiliate.Unavailable, "rabbitmq: another process is just making the topic %s: try again", o.Name)
	}
	defer unlock(conn, name)
	known, err := exists(conn, o.Name)
	if err != nil {
		return topic{}, err
	}
	if !known {
		plan := amqp.Table{"x-queue-type": "stream", "x-queue-leader-locator": "least-leaders"}
		if o.Replication > 0 {
			plan["x-initial-cluster-size"] = o.Replication
		}
		if _, err := declareStream(conn, o.Name, plan); err != nil {
			return topic{}, err
		}
		if err := writeTopic(ctx, conn, o); err != nil {
			return topic{}, err
		}
	}
	t, err := readTopic(ctx, conn, o, writeTopic)
	if err != nil {
		return t, err
	}
	return t, t.makePartitions(conn, o)
}

// makePartitions declares all partitions, and notes when one is there that differs.
func (t *topic) makePartitions(conn *amqp.Connection, o Options) error {
	for k := range t.Partitions {
		unlike, err := declareStream(conn, t.partition(k), o.partitionArguments())
		if err != nil {
			return err
		}
		if unlike != nil {
			t.unlike = unlike.Error()
		}
	}
	return nil
}

func exists(conn *amqp.Connection, name string) (bool, error) {
	ch, err := conn.Channel()
	if err != nil {
		return false, fmt.Errorf("rabbitmq: %w", err)
	}
	defer func() { _ = ch.Close() }() // it may be closed already
	_, err = ch.QueueDeclarePassive(name, true, false, false, false, nil)
	if isMissing(err) {
		return false, nil
	}
	if err != nil {
		return false, explainDeclare("the stream "+name, err)
	}
	return true, nil
}

// lock declares an exclusive queue that stands for something only one may do, and reports
// whether it was free. The broker deletes it with the connection.
func lock(conn *amqp.Connection, name string) (bool, error) {
	ch, err := conn.Channel() // the broker closes it with a refusal
	if err != nil {
		return false, fmt.Errorf("rabbitmq: %w", err)
	}
	defer func() { _ = ch.Close() }()
	_, err = ch.QueueDeclare(name, false, false, true, false, nil)
	if has(err, amqp.ResourceLocked) {
		return false, nil
	}
	if err != nil {
		return false, explainDeclare("the lock "+name, err)
	}
	return true, nil
}

func unlock(conn *amqp.Connection, name string) {
	ch, err := conn.Channel()
	if err != nil {
		return // the connection is gone, and the lock with it
	}
	defer func() { _ = ch.Close() }()
	_, _ = ch.QueueDelete(name, false, false, false) // as above
}

// partitionArguments tell the broker how a partition is kept.
func (o Options) partitionArguments() amqp.Table {
	arguments := amqp.Table{
		"x-queue-type":                    "stream",
		"x-queue-leader-locator":          "least-leaders",
		"x-max-age":                       fmt.Sprintf("%ds", int64(o.Retention.Seconds())),
		"x-stream-max-segment-size-bytes": o.SegmentBytes,
	}
	if o.RetentionBytes > 0 {
		arguments["x-max-length-bytes"] = o.RetentionBytes
	}
	if o.Replication > 0 {
		arguments["x-initial-cluster-size"] = o.Replication
	}
	return arguments
}

// declareStream makes a stream unless it is there. One with other arguments is taken as
// it is; unlike is then what the broker says about it.
func declareStream(conn *amqp.Connection, name string, arguments amqp.Table) (unlike, err error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: %w", err)
	}
	defer func() { _ = ch.Close() }() // it may be closed already
	_, first := ch.QueueDeclare(name, true, false, false, false, arguments)
	if first == nil {
		return nil, nil
	}
	if !has(first, amqp.PreconditionFailed) && !has(first, amqp.AccessRefused) {
		return nil, explainDeclare("the stream "+name, first)
	}
	again, err := conn.Channel() // the broker has closed the one that it has answered so
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: %w", err)
	}
	defer func() { _ = again.Close() }()
	if _, err := again.QueueDeclarePassive(name, true, false, false, false, nil); err != nil {
		return nil, explainDeclare("the stream "+name, err)
	}
	switch {
	case has(first, amqp.AccessRefused):
		return nil, nil
	case strings.Contains(first.Error(), "x-queue-type"), strings.Contains(first.Error(), "durable"):
		return nil, explainDeclare("the stream "+name, first)
	}
	return first, nil
}

// readTopic waits for the first message of the stream NAME and has one written when none comes.
func readTopic(ctx context.Context, conn *amqp.Connection, o Options, write func(context.Context, *amqp.Connection, Options) error) (topic, error) {
	t := topic{name: o.Name}
	messages, stop, err := consume(conn, o.Name, "first", 1)
	if err != nil {
		return t, explainDeclare("the stream "+o.Name, err)
	}
	defer stop()
	for range 10 {
		select {
		case m, ok := <-messages:
			if !ok {
				return t, affiliate.Errorf(affiliate.Unavailable, "rabbitmq: the broker has ended the reading of %s", o.Name)
			}
			if err := json.Unmarshal(m.Body, &t); err != nil || t.Version != 1 || t.Partitions < 1 || t.Partitions > partitionsMax || t.ID == "" {
				return t, affiliate.Errorf(affiliate.Conflict, "rabbitmq: the stream %s does not begin with the description of a topic: choose another name for the topic", o.Name)
			}
			return t, nil
		case <-time.After(time.Second):
			// Whoever has made the stream was not able to write, or is about to.
			if write == nil {
				continue
			}
			if err := write(ctx, conn, o); err != nil {
				return t, err
			}
		case <-ctx.Done():
			return t, ctx.Err()
		}
	}
	return t, affiliate.Errorf(affiliate.Unavailable, "rabbitmq: the stream %s takes or gives back no message: look at the broker's log", o.Name)
}

// writeTopic describes the topic. The broker may refuse it when another is just making
// the stream; reading shows whether it was stored.
func writeTopic(ctx context.Context, conn *amqp.Connection, o Options) error {
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	defer func() { _ = ch.Close() }()
	if err := ch.Confirm(false); err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	body, err := json.Marshal(topic{Version: 1, ID: newID(), Partitions: o.Partitions})
	if err != nil {
		return err
	}
	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", o.Name, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, ContentType: "application/json", Body: body})
	if err != nil {
		return fmt.Errorf("rabbitmq: the stream %s takes no message: %w", o.Name, err)
	}
	_, err = confirm.WaitContext(ctx)
	return err
}

// consume reads a stream from an offset, "first" or "last", on a channel of its own,
// until stop. At most window messages, and the rest of the broker's chunk, are on their
// way without an acknowledgement.
func consume(conn *amqp.Connection, stream string, from any, window int) (messages <-chan amqp.Delivery, stop func(), err error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, nil, err
	}
	stop = func() { _ = ch.Close() } // closing tells nothing that matters
	if err := ch.Qos(window, 0, false); err != nil {
		stop()
		return nil, nil, err
	}
	messages, err = ch.Consume(stream, "", false, false, false, false, amqp.Table{"x-stream-offset": from})
	if err != nil {
		stop()
		return nil, nil, err
	}
	return messages, stop, nil
}

// offsetOf is the number of a message in its stream.
func offsetOf(m amqp.Delivery) int64 {
	offset, _ := m.Headers["x-stream-offset"].(int64)
	return offset
}
