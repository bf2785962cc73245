package rabbitmq

import (
	"context"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue"
)

// Queue is one reader of a topic. The readers tell each other that they live, and share
// the partitions by the same rule, so that each moves only when it has to. That a
// partition has one reader is not left to the rule: the broker keeps a lock for each.
//
// A source that is opened a second time ends the first.
type Queue struct {
	options Options
	id      string // unlike that of any other reader
	stop    context.CancelFunc
	ended   chan struct{}

	mu      sync.Mutex
	conn    *amqp.Connection // nil while there is none
	topic   topic
	held    map[int]*holding // by partition
	settled chan struct{}    // closed when the first sharing out is done
	trouble error            // why there is no connection
	closed  bool
	wake    chan struct{} // tells the readers' loop that something was let go
}

// holding is a partition that this reader has locked.
type holding struct {
	source  *source   // that is open, or nil
	leaving time.Time // when it was decided to give it up; zero while it stays
}

// OpenQueue connects, makes the topic when it is not there yet, joins its readers, and
// fails when it cannot. Afterwards the connection is kept, whatever happens to it: while
// there is none there are no sources.
func OpenQueue(ctx context.Context, o Options) (*Queue, error) {
	o, err := o.settle()
	if err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.Background())
	q := &Queue{
		options: o, id: newID(), stop: stop, ended: make(chan struct{}),
		held: map[int]*holding{}, settled: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	first, err := onAnyNode(o, func() (*membership, error) { return q.join(ctx) })
	if err != nil {
		stop()
		return nil, err
	}
	go q.keep(life, first)
	return q, nil
}

// keep takes part until the queue closes, over as many connections as it needs.
func (q *Queue) keep(ctx context.Context, now *membership) {
	defer close(q.ended)
	for wait := reconnectMin; ; {
		if now != nil {
			wait = reconnectMin
			err := now.run(ctx)
			if ctx.Err() != nil {
				now.goodbye()
			}
			q.lose(err)
			now.close()
			if ctx.Err() != nil {
				return
			}
			q.options.turnAway()
			q.options.Logger.Warn("the connection to RabbitMQ broke; its sources are opened again over the next", "topic", q.options.Name, "error", err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		var err error
		try, cancel := context.WithTimeout(ctx, tryTimeout)
		now, err = q.join(try)
		if cancel(); err != nil {
			wait = min(2*wait, reconnectMax)
			q.options.Logger.Warn("RabbitMQ cannot be reached; it is tried again", "topic", q.options.Name, "in", wait, "error", err)
			q.lose(err)
		}
	}
}

// lose ends what depended on a connection: the broker has opened its locks.
func (q *Queue) lose(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.conn, q.trouble = nil, err
	for k, h := range q.held {
		if h.source != nil {
			h.source.end(queue.ErrMoved)
		}
		delete(q.held, k)
	}
}

// Sources lists the partitions that this reader has locked. It waits for the first
// sharing out, which takes less than a second.
func (q *Queue) Sources(ctx context.Context) ([]string, error) {
	select {
	case <-q.settled:
	case <-q.ended:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, queue.ErrClosed
	}
	if q.conn == nil {
		return nil, q.trouble
	}
	var names []string
	for k := range q.topic.Partitions {
		if h := q.held[k]; h != nil && h.leaving.IsZero() {
			names = append(names, q.topic.source(k))
		}
	}
	return names, nil
}

// Open reads a partition that Sources has named.
func (q *Queue) Open(ctx context.Context, name, position string) (queue.Source, error) {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil, queue.ErrClosed
	}
	conn, t := q.conn, q.topic
	q.mu.Unlock()
	k, err := t.number(name)
	if err != nil {
		return nil, err
	}
	from, err := parsePlace(position)
	if err != nil {
		return nil, err
	}
	if !q.holds(k) {
		return nil, queue.ErrMoved
	}
	s, err := openSource(ctx, conn, t.partition(k), from, q.options.Logger)
	if err != nil {
		return nil, err
	}
	s.from = position
	s.closed = func() { q.release(k, s) }
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.held[k]
	if q.closed || q.conn != conn || h == nil || !h.leaving.IsZero() {
		s.end(queue.ErrMoved)
		return nil, queue.ErrMoved
	}
	if h.source != nil {
		h.source.end(queue.ErrMoved)
	}
	h.source = s
	return s, nil
}

func (q *Queue) holds(k int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.held[k]
	return q.conn != nil && h != nil && h.leaving.IsZero()
}

// release forgets a source that was closed, and has its lock opened when another reader
// waits for it.
func (q *Queue) release(k int, s *source) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if h := q.held[k]; h != nil && h.source == s {
		h.source = nil
		select {
		case q.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

// Close leaves the readers; the others take over at once.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	for _, h := range q.held {
		if h.source != nil {
			h.source.end(queue.ErrClosed)
		}
	}
	conn := q.conn
	q.mu.Unlock()
	q.stop()
	select {
	case <-q.ended:
	case <-time.After(closeWithin): // what it asks is not answered
		if conn != nil {
			closeSoon(conn)
		}
		<-q.ended
	}
	return nil
}

var (
	_ queue.Queue        = (*Queue)(nil)
	_ affiliate.Examiner = (*Queue)(nil)
	_ affiliate.Examiner = (*Producer)(nil)
)
