package rabbitmq

import (
	"context"
	"log/slog"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicehq/sluice/internal/queue"
)

// parcelsAhead is how many parcels the broker may send before they are taken, 4 MiB of
// records. In RabbitMQ 3.10 the rest of a chunk comes with it.
const parcelsAhead = 64

// source reads one partition over a channel of its own. A goroutine receives, so that
// what has come is known whether it was taken or not.
type source struct {
	stream string
	conn   *amqp.Connection
	stop   func() // closes the channel
	closed func() // tells the queue
	logger *slog.Logger
	arrive chan struct{} // holds one when something has come or the source has ended
	quit   chan struct{} // closed by end
	ended  sync.WaitGroup

	// These belong to the goroutine that takes.
	from    string // where the next batch begins
	at      place
	records [][]byte // of the parcel that is being taken, without those that were
	batch   [][]byte

	mu      sync.Mutex // guards what follows
	over    error      // why there is no more; nil while there may be
	queued  []arrival  // received and not taken
	unacked int        // received and not acknowledged
	tally   tally
}

// arrival is a message that was received.
type arrival struct {
	offset  int64
	tag     uint64
	before  int      // records of the parcel that had been taken when the source was opened
	records [][]byte // the others
	ack     amqp.Acknowledger
}

// openSource starts to read. It asks for the message before the position first: when that
// is there, nothing is missing; when the broker begins behind it, retention has removed
// records; and when it never comes, the stream is another than the one that was read.
func openSource(ctx context.Context, conn *amqp.Connection, stream string, from place, logger *slog.Logger) (*source, error) {
	s := &source{stream: stream, conn: conn, at: from, logger: logger, closed: func() {},
		arrive: make(chan struct{}, 1), quit: make(chan struct{})}
	messages, first, err := s.attach(ctx, from)
	if err != nil {
		return nil, err
	}
	before := s.at.Record
	s.ended.Go(func() { s.receive(messages, first, before) })
	s.ended.Go(s.watchEnd)
	return s, nil
}

// receive takes in what the broker sends until the channel closes.
func (s *source) receive(messages <-chan amqp.Delivery, first *amqp.Delivery, before int) {
	if first != nil {
		s.received(*first, before)
	}
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				// The connection, or this reading of the stream, is gone; where to go on is
				// known to the caller alone.
				s.end(queue.ErrMoved)
				return
			}
			s.received(m, 0)
		case <-s.quit:
			return
		}
	}
}

// received queues a message, without the records that had been taken before.
func (s *source) received(m amqp.Delivery, before int) {
	a := arrival{offset: offsetOf(m), tag: m.DeliveryTag, ack: m.Acknowledger}
	var err error
	if a.records, err = unpack(nil, m.Body); err != nil {
		// Whoever understands records says what is wrong with this one.
		a.records = [][]byte{m.Body}
	}
	a.before = min(before, len(a.records))
	if a.records = a.records[a.before:]; len(a.records) == 0 {
		a.before = 0 // all of it had been taken; the next has another offset
	}
	s.mu.Lock()
	s.queued = append(s.queued, a)
	s.unacked++
	s.tally.receive(a)
	s.mu.Unlock()
	s.signal()
}

func (s *source) signal() {
	select {
	case s.arrive <- struct{}{}:
	default: // one is enough
	}
}

// Take returns what has been received, and acknowledges it, which has the broker send
// more.
func (s *source) Take(ctx context.Context, limit int) (queue.Batch, error) {
	s.batch = s.batch[:0]
	for len(s.batch) < limit {
		if len(s.records) > 0 {
			s.fill(limit)
			continue
		}
		a, err := s.next(ctx, len(s.batch) == 0)
		if err != nil {
			return queue.Batch{}, err
		}
		if a == nil {
			break
		}
		s.records, s.at = a.records, place{Offset: a.offset, Record: a.before}
	}
	b := queue.Batch{From: s.from, To: s.at.String(), Records: s.batch}
	s.from = b.To
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		return queue.Batch{}, s.over
	}
	s.tally.take(s.at, s.batch)
	return b, nil
}

// fill moves records of the parcel into the batch.
func (s *source) fill(limit int) {
	n := min(limit-len(s.batch), len(s.records))
	s.batch = append(s.batch, s.records[:n]...)
	s.records = s.records[n:]
	if s.at.Record += n; len(s.records) == 0 {
		s.at = place{Offset: s.at.Offset + 1}
	}
}

// next is the oldest message that was received. Without one it waits, or returns nil.
func (s *source) next(ctx context.Context, wait bool) (*arrival, error) {
	for {
		a, acknowledge, err := s.shift()
		if err != nil {
			return nil, err
		}
		if a != nil {
			if acknowledge {
				// A failure ends the channel, which receive hears.
				_ = a.ack.Ack(a.tag, true)
			}
			return a, nil
		}
		if !wait {
			return nil, nil
		}
		select {
		case <-s.arrive:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// shift takes the oldest message out. Several are acknowledged together: at half of what
// may be on its way, and when there is no other.
func (s *source) shift() (a *arrival, acknowledge bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		return nil, false, s.over
	}
	if len(s.queued) == 0 {
		s.queued = nil
		return nil, false, nil
	}
	first := s.queued[0]
	s.queued[0] = arrival{}
	s.queued = s.queued[1:]
	taken := s.unacked - len(s.queued)
	if acknowledge = len(s.queued) == 0 || taken >= parcelsAhead/2; acknowledge {
		s.unacked -= taken
	}
	return &first, acknowledge, nil
}

// Commit stores nothing: the position is its caller's, the records the broker's until
// their time is over.
func (s *source) Commit(_ context.Context, position string) error {
	p, err := parsePlace(position)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally.commit(p)
	return nil
}

// Lag is exact while the broker has sent all there is, and an estimate while it is far
// ahead: messages that have not come are taken to hold as many records as the others did.
func (s *source) Lag() queue.Lag {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tally.lag()
}

// Lost is exact for parcels of one record; for others it supposes that the parcels which
// are gone held as many records as those which came.
func (s *source) Lost() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tally.lost()
}

// end has Take return an error from now on.
func (s *source) end(reason error) {
	s.mu.Lock()
	first := s.over == nil
	if first {
		s.over = reason
	}
	s.mu.Unlock()
	if first {
		close(s.quit)
		s.signal()
		// Not under the locks of those who end it: it asks the broker.
		go s.stop()
	}
}

// Close stops reading.
func (s *source) Close() error {
	s.end(queue.ErrClosed)
	s.ended.Wait()
	s.closed()
	return nil
}

var _ queue.Source = (*source)(nil)
