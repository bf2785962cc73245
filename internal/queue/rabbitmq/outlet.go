package rabbitmq

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue"
)

// parcelsInFlight is how many parcels may wait for their confirmation, 8 MiB of records.
const parcelsInFlight = 128

// confirmWithin is how long a broker without an alarm may take to confirm a parcel. A channel
// that was opened while a stream changed its leader may never confirm what is sent to it.
const confirmWithin = 10 * time.Second

// outlet is one connection of a producer with its channel. One goroutine publishes, so
// that the numbers of the parcels are in order; one reads what the broker answers, so
// that a parcel's return is seen before its confirmation, as the broker sends them.
type outlet struct {
	conn  *amqp.Connection
	ch    *amqp.Channel
	topic topic
	host  string

	work   chan parcel
	window chan struct{} // holds one for each parcel that is not confirmed
	broken chan struct{} // closed when the connection is of no more use
	once   sync.Once

	mu      sync.Mutex
	waiting map[uint64]parcel // by the broker's number
	reason  error
	blocked string    // why the broker takes nothing; "" when it does
	free    time.Time // since when it does
}

type parcel struct {
	sending   *sending
	partition int
	body      []byte
	since     time.Time // when it was sent
	returned  string    // why no partition has taken it
}

// sending is one call of Send.
type sending struct {
	done chan struct{}
	mu   sync.Mutex
	left int
	err  error // read after done
}

func (s *sending) add() {
	s.mu.Lock()
	s.left++
	s.mu.Unlock()
}

// finish counts a parcel whose fate is known. The first error is the one that is told.
func (s *sending) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	if s.left--; s.left == 0 {
		close(s.done)
	}
}

// openOutlet opens the topic that is known, or whatever there is.
func openOutlet(ctx context.Context, o Options, known topic) (*outlet, error) {
	conn, err := o.connect(ctx, "sends")
	if err != nil {
		return nil, err
	}
	// The library waits for answers without an end.
	stop := context.AfterFunc(ctx, func() { closeSoon(conn) })
	out, err := newOutlet(ctx, conn, o, known)
	if !stop() && err == nil {
		err = ctx.Err()
		out.fail(err)
	}
	if err != nil {
		o.turnAway()
		closeSoon(conn)
		return nil, err
	}
	return out, nil
}

func newOutlet(ctx context.Context, conn *amqp.Connection, o Options, known topic) (*outlet, error) {
	t, err := openTopic(ctx, conn, o, known)
	if err != nil {
		return nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: %w", err)
	}
	if err := ch.Confirm(false); err != nil {
		return nil, fmt.Errorf("rabbitmq: %w", err)
	}
	out := &outlet{
		conn: conn, ch: ch, topic: t, host: conn.RemoteAddr().String(),
		work: make(chan parcel), window: make(chan struct{}, parcelsInFlight), broken: make(chan struct{}),
		waiting: map[uint64]parcel{},
	}
	go out.listen(ch.NotifyPublish(make(chan amqp.Confirmation)), ch.NotifyReturn(make(chan amqp.Return)),
		conn.NotifyBlocked(make(chan amqp.Blocking, 8)), ch.NotifyClose(make(chan *amqp.Error, 1)))
	go out.write()
	return out, nil
}

// publish queues a parcel when there is room for it.
func (o *outlet) publish(ctx context.Context, s *sending, partition int, body []byte) error {
	select {
	case o.window <- struct{}{}:
	case <-o.broken:
		return o.err()
	case <-ctx.Done():
		return o.explain(ctx.Err())
	}
	s.add()
	select {
	case o.work <- parcel{sending: s, partition: partition, body: body}:
		return nil
	case <-o.broken:
		s.finish(nil)
		return o.err()
	case <-ctx.Done():
		<-o.window
		s.finish(nil)
		return o.explain(ctx.Err())
	}
}

// write publishes until the connection breaks.
func (o *outlet) write() {
	number := uint64(0)
	for {
		select {
		case <-o.broken:
			return
		case p := <-o.work:
			number++
			body := p.body
			p.body = nil
			if err := o.register(number, p); err != nil {
				p.sending.finish(err)
				return
			}
			// A failure leaves the channel of no use: listen hears that it is closed.
			if err := o.ch.Publish("", o.topic.partition(p.partition), true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body}); err != nil {
				o.fail(fmt.Errorf("rabbitmq: %s: %w", o.host, err))
				return
			}
			returnBuffer(body)
		}
	}
}

// register has a parcel wait for its confirmation, unless none can come any more.
func (o *outlet) register(number uint64, p parcel) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reason == nil {
		p.since = time.Now()
		o.waiting[number] = p
	}
	return o.reason
}

// listen hears the broker's answers until the channel closes.
func (o *outlet) listen(confirms chan amqp.Confirmation, returns chan amqp.Return, blocks chan amqp.Blocking, closed chan *amqp.Error) {
	watch := time.NewTicker(time.Second)
	defer watch.Stop()
	for {
		select {
		case now := <-watch.C:
			if o.unanswered(now) {
				// The rest of what it says is heard until it is closed.
				o.fail(affiliate.Errorf(affiliate.Unavailable, "rabbitmq: %s has not confirmed records for %v", o.host, confirmWithin))
			}
		case c, ok := <-confirms:
			if !ok {
				confirms = nil
				continue
			}
			o.confirmed(c)
		case r, ok := <-returns:
			if !ok {
				returns = nil
				continue
			}
			o.returned(r)
		case b, ok := <-blocks:
			if !ok {
				blocks = nil
				continue
			}
			o.setBlocked(b)
		case err := <-closed:
			reason := affiliate.Errorf(affiliate.Unavailable, "rabbitmq: the connection to %s is closed", o.host)
			if err != nil {
				reason = affiliate.Errorf(affiliate.Unavailable, "rabbitmq: the connection to %s broke: %v", o.host, err)
			}
			o.fail(reason)
			return
		}
	}
}

func (o *outlet) confirmed(c amqp.Confirmation) {
	o.mu.Lock()
	p, known := o.waiting[c.DeliveryTag]
	delete(o.waiting, c.DeliveryTag)
	o.mu.Unlock()
	if !known {
		return
	}
	<-o.window
	switch name := o.topic.partition(p.partition); {
	case p.returned != "":
		p.sending.finish(affiliate.Errorf(affiliate.NotFound, "rabbitmq: the stream %s is gone (%s): restart to make it again, or restore it", name, p.returned))
	case !c.Ack:
		p.sending.finish(affiliate.Errorf(affiliate.Unavailable, "rabbitmq: the broker could not store records in the stream %s: look at its log", name))
	default:
		p.sending.finish(nil)
	}
}

// returned marks what waits for the stream that a parcel came back from. Which of them
// it was is not said; all of them share its fate.
func (o *outlet) returned(r amqp.Return) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for number, p := range o.waiting {
		if o.topic.partition(p.partition) == r.RoutingKey {
			p.returned = r.ReplyText
			o.waiting[number] = p
		}
	}
}

// unanswered reports whether a parcel waits for too long.
func (o *outlet) unanswered(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.blocked != "" || now.Sub(o.free) < confirmWithin {
		return false
	}
	for _, p := range o.waiting {
		if now.Sub(p.since) >= confirmWithin {
			return true
		}
	}
	return false
}

func (o *outlet) setBlocked(b amqp.Blocking) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.blocked, o.free = "", time.Now()
	if b.Active {
		o.blocked = b.Reason
		if o.blocked == "" {
			o.blocked = "it gives no reason"
		}
	}
}

// explain adds what the broker has against us to the end of a context.
func (o *outlet) explain(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.blocked != "" {
		return fmt.Errorf("%w (%w)", blockedError(o.host, o.blocked), err)
	}
	return fmt.Errorf("rabbitmq: %s has not confirmed the records: %w", o.host, err)
}

func blockedError(host, reason string) error {
	return affiliate.Errorf(affiliate.Unavailable, "rabbitmq: %s has raised an alarm and takes nothing (%s): free space on its disk, or memory; rabbitmqctl alarms says which", host, reason)
}

func (o *outlet) isBroken() bool { return o.err() != nil }

func (o *outlet) err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reason
}

// fail ends the outlet, and with an error every Send that waits for it.
func (o *outlet) fail(reason error) {
	o.once.Do(func() {
		o.mu.Lock()
		o.reason = reason
		left := o.waiting
		o.waiting = map[uint64]parcel{}
		o.mu.Unlock()
		close(o.broken)
		for _, p := range left {
			p.sending.finish(reason)
		}
	})
}

func (o *outlet) close() {
	o.fail(queue.ErrClosed)
	closeSoon(o.conn)
}
