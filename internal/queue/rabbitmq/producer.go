package rabbitmq

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue"
)

// Producer packs records into parcels and has the broker confirm each of them, with
// many on their way at a time. One connection serves all goroutines.
type Producer struct {
	options Options
	stop    context.CancelFunc
	ended   chan struct{}

	mu      sync.Mutex
	current *outlet       // nil while there is no connection
	trouble error         // why there is none
	changed chan struct{} // closed when current changes
	closed  bool
}

// OpenProducer connects, makes the topic when it is not there yet, and fails when either
// cannot be had. Afterwards the connection is kept, whatever happens to it.
func OpenProducer(ctx context.Context, o Options) (*Producer, error) {
	o, err := o.settle()
	if err != nil {
		return nil, err
	}
	first, err := onAnyNode(o, func() (*outlet, error) { return openOutlet(ctx, o, topic{}) })
	if err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.Background())
	p := &Producer{options: o, stop: stop, ended: make(chan struct{}), current: first, changed: make(chan struct{})}
	go p.keep(life, first)
	return p, nil
}

// keep replaces a connection that has broken.
func (p *Producer) keep(ctx context.Context, now *outlet) {
	defer close(p.ended)
	known := now.topic
	for wait := reconnectMin; ; {
		if now != nil {
			wait, known = reconnectMin, now.topic
			select {
			case <-now.broken:
			case <-ctx.Done():
				now.close()
				return
			}
			p.options.Logger.Warn("the connection to RabbitMQ broke; it is made again", "topic", p.options.Name, "error", now.err())
			p.set(nil, now.err())
			p.options.turnAway()
			now.close()
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		var err error
		try, cancel := context.WithTimeout(ctx, tryTimeout)
		now, err = openOutlet(try, p.options, known)
		if cancel(); err != nil {
			wait = min(2*wait, reconnectMax)
			p.options.Logger.Warn("RabbitMQ cannot be reached; it is tried again", "topic", p.options.Name, "in", wait, "error", err)
			p.set(nil, err)
			continue
		}
		p.set(now, nil)
	}
}

const (
	reconnectMin = 250 * time.Millisecond
	reconnectMax = 5 * time.Second
	tryTimeout   = 30 * time.Second
)

func (p *Producer) set(o *outlet, trouble error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current, p.trouble = o, trouble
	close(p.changed)
	p.changed = make(chan struct{})
}

// Send waits for a connection if there is none, and for the broker's confirmation of
// every parcel. An error says what was in the way: the broker is away, it has raised an
// alarm and takes nothing, a partition is gone.
func (p *Producer) Send(ctx context.Context, records []queue.Record) error {
	for i := range records {
		if len(records[i].Data) > RecordBytesMax {
			return affiliate.Errorf(affiliate.TooLarge, "rabbitmq: a record of %d bytes is longer than %d", len(records[i].Data), RecordBytesMax)
		}
	}
	if _, ends := ctx.Deadline(); !ends {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.options.SendTimeout)
		defer cancel()
	}
	out, err := p.outlet(ctx)
	if err != nil || len(records) == 0 {
		return err
	}
	s := &sending{done: make(chan struct{}), left: 1} // 1 for the packing
	if err := pack(records, out.topic.Partitions, func(k int, parcel []byte) error {
		return out.publish(ctx, s, k, parcel)
	}); err != nil {
		s.finish(err)
	} else {
		s.finish(nil)
	}
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return out.explain(ctx.Err())
	}
}

// outlet waits for a connection.
func (p *Producer) outlet(ctx context.Context) (*outlet, error) {
	for {
		p.mu.Lock()
		current, trouble, changed, closed := p.current, p.trouble, p.changed, p.closed
		p.mu.Unlock()
		switch {
		case closed:
			return nil, queue.ErrClosed
		case current != nil && !current.isBroken():
			return current, nil
		case current != nil:
			trouble = current.err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (%w)", trouble, ctx.Err())
		}
	}
}

// pack hands out parcels of one partition each, in the order of the records.
func pack(records []queue.Record, partitions int, publish func(partition int, parcel []byte) error) error {
	type open struct {
		parcel  []byte
		records int
	}
	parcels := make([]open, partitions)
	for _, r := range records {
		k := queue.Spread(r.Key, partitions)
		o := &parcels[k]
		if o.records > 0 && (o.records == parcelRecordsMax || len(o.parcel)+len(r.Data) > parcelBytesMax) {
			if err := publish(k, o.parcel); err != nil {
				return err
			}
			*o = open{}
		}
		if o.parcel == nil {
			o.parcel = takeBuffer()
		}
		o.parcel = addRecord(o.parcel, r.Data)
		o.records++
	}
	for k, o := range parcels {
		if o.records > 0 {
			if err := publish(k, o.parcel); err != nil {
				return err
			}
		}
	}
	return nil
}

// buffers are used again when the library has written them.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

func takeBuffer() []byte { return (*buffers.Get().(*[]byte))[:0] }

func returnBuffer(b []byte) { buffers.Put(&b) }

// Close ends the connection. A Send that runs fails.
func (p *Producer) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
	p.stop()
	<-p.ended
	return nil
}

var _ queue.Producer = (*Producer)(nil)
