package kafka

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue"
)

const (
	// linger lets the records of one Send, and of others at the same time, go together.
	linger = 2 * time.Millisecond
	// What may wait for a broker, of all Sends together. Those that do not fit wait.
	recordsBufferedMax = 100_000
	bytesBufferedMax   = 64 << 20
)

// Producer sends records, one message each. One client serves all goroutines.
type Producer struct {
	options Options
	client  *kgo.Client
	topic   topic
	closed  atomic.Bool
}

// OpenProducer connects, makes the topic when it is not there yet, and fails when either
// cannot be had. Afterwards the client reconnects by itself.
func OpenProducer(ctx context.Context, o Options) (*Producer, error) {
	o, err := o.settle()
	if err != nil {
		return nil, err
	}
	client, err := o.client("sends",
		kgo.DefaultProduceTopic(o.Topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()), // a third of the cost of LZ4, see the decision
		kgo.MaxBufferedRecords(recordsBufferedMax),
		kgo.MaxBufferedBytes(bytesBufferedMax),
		kgo.RecordDeliveryTimeout(o.SendTimeout),
	)
	if err != nil {
		return nil, err
	}
	t, err := openTopic(ctx, client, o)
	if err != nil {
		client.Close()
		return nil, err
	}
	return &Producer{options: o, client: client, topic: t}, nil
}

// Send waits until all replicas in sync have the records. When its context ends before,
// some may still be on their way and be stored later.
func (p *Producer) Send(ctx context.Context, records []queue.Record) error {
	if p.closed.Load() {
		return queue.ErrClosed
	}
	total := 0
	for i := range records {
		if len(records[i].Data) > RecordBytesMax {
			return affiliate.Errorf(affiliate.TooLarge, "kafka: a record of %d bytes is longer than %d", len(records[i].Data), RecordBytesMax)
		}
		total += len(records[i].Data)
	}
	if len(records) == 0 {
		return nil
	}
	if _, ends := ctx.Deadline(); !ends {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.options.SendTimeout)
		defer cancel()
	}
	s := &sending{left: len(records), done: make(chan struct{})}
	messages, data := make([]kgo.Record, len(records)), make([]byte, 0, total)
	for i, r := range records {
		start := len(data)
		data = append(data, r.Data...) // the client may need it after Send has given up
		messages[i].Value = data[start:len(data):len(data)]
		messages[i].Partition = int32(queue.Spread(r.Key, p.topic.partitions))
		p.client.Produce(ctx, &messages[i], s.finish)
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		return p.away(ctx.Err())
	}
	switch {
	case s.err == nil:
		return nil
	case p.closed.Load():
		return queue.ErrClosed
	case ctx.Err() != nil:
		return p.away(ctx.Err())
	}
	return p.options.explain(s.err)
}

// away finds out why nothing was acknowledged.
func (p *Producer) away(ended error) error {
	if p.closed.Load() {
		return queue.ErrClosed
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := p.client.Ping(ctx); err != nil {
		return fmt.Errorf("%w (%w)", p.options.unreachable(err), ended)
	}
	return fmt.Errorf("kafka: the topic %s has not acknowledged the records: %w", p.options.Topic, ended)
}

// sending is one call of Send.
type sending struct {
	mu   sync.Mutex
	left int
	err  error // read after done
	done chan struct{}
}

func (s *sending) finish(_ *kgo.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	if s.left--; s.left == 0 {
		close(s.done)
	}
}

// Close ends the connections. A Send that runs fails.
func (p *Producer) Close() error {
	if !p.closed.Swap(true) {
		p.client.Close()
	}
	return nil
}

var (
	_ queue.Producer     = (*Producer)(nil)
	_ affiliate.Examiner = (*Producer)(nil)
)
