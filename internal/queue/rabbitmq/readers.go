package rabbitmq

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue"
)

const (
	helloEvery  = 2 * time.Second
	forgetAfter = 6 * time.Second
	// answersWithin is how long a newcomer waits for the others before it takes what seems
	// to be nobody's.
	answersWithin = 300 * time.Millisecond
	// leaveWithin is how long a reader that was told of a move may go on with what it has
	// taken before the lock is opened all the same.
	leaveWithin = 5 * time.Second
	// closeWithin is how long a reader that closes waits for the broker.
	closeWithin = 5 * time.Second
	readersMax  = 1000
	helloMax    = 16 << 10
)

// hello is what readers tell each other.
type hello struct {
	Reader string `json:"reader"`
	Held   []int  `json:"held"` // partitions whose lock it has
	Bye    bool   `json:"bye,omitempty"`
}

// peer is another reader, as it was last heard.
type peer struct {
	held []int
	seen time.Time
}

// membership is the part that a queue takes over one pair of connections. In an alarm the
// broker no longer listens to a connection that sends, so the one that reads and holds the
// locks sends nothing.
type membership struct {
	queue   *Queue
	conn    *amqp.Connection
	topic   topic
	ch      *amqp.Channel // of conn, for opening locks
	hellos  <-chan amqp.Delivery
	voice   *amqp.Connection // for hellos
	saying  *amqp.Channel
	blocked chan amqp.Blocking
	muted   bool             // there is an alarm
	closed  chan *amqp.Error // of either
	peers   map[string]peer
	refuse  map[int]time.Time // when a lock was refused: not to ask at every turn
}

// join connects and says hello.
func (q *Queue) join(ctx context.Context) (*membership, error) {
	m := &membership{queue: q, peers: map[string]peer{}, refuse: map[int]time.Time{}, closed: make(chan *amqp.Error, 2), blocked: make(chan amqp.Blocking, 8)}
	var err error
	if m.conn, err = q.options.connect(ctx, "reads"); err != nil {
		return nil, err
	}
	if m.voice, err = q.options.connect(ctx, "says"); err != nil {
		closeSoon(m.conn)
		return nil, err
	}
	// The library waits for answers without an end.
	stop := context.AfterFunc(ctx, m.close)
	if err = m.enter(ctx); err == nil && !stop() {
		err = ctx.Err()
	}
	if err != nil {
		q.options.turnAway()
		m.close()
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.conn, q.topic, q.trouble = m.conn, m.topic, nil
	return m, nil
}

func (m *membership) close() {
	closeSoon(m.voice)
	closeSoon(m.conn)
}

// closeSoon closes a connection of which nothing is expected any more.
func closeSoon(conn *amqp.Connection) { _ = conn.CloseDeadline(time.Now().Add(time.Second)) }

func (m *membership) enter(ctx context.Context) (err error) {
	m.queue.mu.Lock()
	known := m.queue.topic
	m.queue.mu.Unlock()
	if m.topic, err = openTopic(ctx, m.conn, m.queue.options, known); err != nil {
		return err
	}
	if m.ch, err = m.conn.Channel(); err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	m.ch.NotifyClose(m.closed)
	if m.saying, err = m.voice.Channel(); err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	m.voice.NotifyBlocked(m.blocked)
	if err := m.listen(); err != nil {
		return err
	}
	return m.say(false)
}

// listen hears what other readers say.
func (m *membership) listen() (err error) {
	exchange := m.exchange()
	if err := m.ch.ExchangeDeclare(exchange, "fanout", false, true, false, false, nil); err != nil {
		return explainDeclare("the exchange "+exchange, err)
	}
	// What nobody fetches is worth nothing after a while.
	inbox, err := m.ch.QueueDeclare("", false, true, true, false, amqp.Table{"x-message-ttl": int64(forgetAfter.Milliseconds()), "x-max-length": int64(10_000)})
	if err != nil {
		return explainDeclare("a queue for what other readers say", err)
	}
	if err := m.ch.QueueBind(inbox.Name, "", exchange, false, nil); err != nil {
		return explainDeclare("the exchange "+exchange, err)
	}
	if m.hellos, err = m.ch.Consume(inbox.Name, "", true, true, false, false, nil); err != nil {
		return explainDeclare("a queue for what other readers say", err)
	}
	return nil
}

func (m *membership) exchange() string { return m.topic.name + ".readers" }

// say tells the others that this reader lives and what it holds.
func (m *membership) say(bye bool) error {
	if m.muted {
		return nil // the others keep what they hold as long as the locks tell them to
	}
	h := hello{Reader: m.queue.id, Bye: bye}
	m.queue.mu.Lock()
	for k := range m.queue.held {
		h.Held = append(h.Held, k)
	}
	m.queue.mu.Unlock()
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return m.saying.Publish(m.exchange(), "", false, false, amqp.Publishing{DeliveryMode: amqp.Transient, Body: body})
}

// run takes part until the connection breaks or ctx ends.
func (m *membership) run(ctx context.Context) error {
	ticks := time.NewTicker(helloEvery)
	defer ticks.Stop()
	settle := time.NewTimer(answersWithin)
	defer settle.Stop()
	settled := false
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case reason := <-m.closed:
			return brokenError(m.conn, reason)
		case b, ok := <-m.blocked:
			if !ok {
				return brokenError(m.voice, nil)
			}
			m.muted = b.Active
		case d, ok := <-m.hellos:
			if !ok {
				return brokenError(m.conn, nil)
			}
			err = m.heard(d.Body, time.Now())
		case <-ticks.C:
			err = m.say(false)
		case <-settle.C:
			settled = true
		case <-m.queue.wake:
		}
		if err == nil && settled {
			err = m.share(time.Now())
		}
		if err != nil {
			return err
		}
	}
}

func brokenError(conn *amqp.Connection, reason *amqp.Error) error {
	if reason == nil {
		return affiliate.Errorf(affiliate.Unavailable, "rabbitmq: the connection to %s is closed", conn.RemoteAddr())
	}
	return affiliate.Errorf(affiliate.Unavailable, "rabbitmq: the connection to %s broke: %v", conn.RemoteAddr(), reason)
}

// heard notes what another reader says. A newcomer is answered at once, so that it need
// not wait for the next turn to know who there is.
func (m *membership) heard(body []byte, now time.Time) error {
	var h hello
	if len(body) > helloMax || json.Unmarshal(body, &h) != nil || h.Reader == "" || h.Reader == m.queue.id {
		return nil
	}
	_, known := m.peers[h.Reader]
	switch {
	case h.Bye:
		delete(m.peers, h.Reader)
	case known || len(m.peers) < readersMax:
		m.peers[h.Reader] = peer{held: h.Held, seen: now}
		if !known {
			return m.say(false)
		}
	}
	return nil
}

// share compares what this reader holds with what it should, and takes a step towards it.
func (m *membership) share(now time.Time) error {
	readers := []string{m.queue.id}
	theirs := map[int]bool{}
	for id, p := range m.peers {
		if now.Sub(p.seen) > forgetAfter {
			delete(m.peers, id)
			continue
		}
		readers = append(readers, id)
		for _, k := range p.held {
			theirs[k] = true
		}
	}
	mine := map[int]bool{}
	for k, reader := range assign(readers, m.topic.Partitions) {
		mine[k] = reader == m.queue.id
	}
	changed, err := m.let(mine, now)
	if err != nil {
		return err
	}
	for k := range m.topic.Partitions {
		if !mine[k] || theirs[k] || m.queue.has(k) || now.Sub(m.refuse[k]) < helloEvery {
			continue
		}
		locked, err := lock(m.conn, m.topic.lock(k))
		if err != nil {
			return err
		}
		if !locked {
			m.refuse[k] = now
			continue
		}
		m.queue.mu.Lock()
		m.queue.held[k] = &holding{}
		m.queue.mu.Unlock()
		changed = true
	}
	m.queue.mu.Lock()
	select {
	case <-m.queue.settled:
	default:
		close(m.queue.settled)
	}
	m.queue.mu.Unlock()
	if changed {
		return m.say(false)
	}
	return nil
}

func (q *Queue) has(k int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held[k] != nil
}

// let gives up what is not this reader's any more: its source ends, and when it was
// closed, or has had its time, the lock is opened. A partition that comes back before
// stays, but its source has to be opened again.
func (m *membership) let(mine map[int]bool, now time.Time) (changed bool, err error) {
	var open []int
	m.queue.mu.Lock()
	for k, h := range m.queue.held {
		switch {
		case mine[k]:
			h.leaving = time.Time{}
			continue
		case h.leaving.IsZero():
			h.leaving = now
			if h.source != nil {
				h.source.end(queue.ErrMoved)
				time.AfterFunc(leaveWithin, m.wake)
			}
		}
		if h.source == nil || now.Sub(h.leaving) >= leaveWithin {
			delete(m.queue.held, k)
			open = append(open, k)
		}
	}
	m.queue.mu.Unlock()
	for _, k := range open {
		if _, err := m.ch.QueueDelete(m.topic.lock(k), false, false, false); err != nil {
			return true, err
		}
	}
	return len(open) > 0, nil
}

func (m *membership) wake() {
	select {
	case m.queue.wake <- struct{}{}:
	default: // it is awake
	}
}

// goodbye opens the locks and tells the others, so that they take over at once.
func (m *membership) goodbye() {
	m.queue.mu.Lock()
	held := m.queue.held
	m.queue.held = map[int]*holding{}
	m.queue.mu.Unlock()
	for k := range held {
		if _, err := m.ch.QueueDelete(m.topic.lock(k), false, false, false); err != nil {
			return // closing the connection opens the rest; the others notice it a little later
		}
	}
	_ = m.say(true) // as above
}

// assign shares the partitions out: each goes to the reader that its hash likes best,
// among those that have not got their share yet. Shares differ by one at most, readers
// that know of the same others find the same, and few partitions move when one comes or
// goes.
func assign(readers []string, partitions int) []string {
	slices.Sort(readers)
	share, more := partitions/len(readers), partitions%len(readers)
	has := map[string]int{}
	result := make([]string, partitions)
	for k := range result {
		reader := slices.MaxFunc(readers, func(a, b string) int {
			return cmp.Or(cmp.Compare(room(has[a], share, more), room(has[b], share, more)), cmp.Compare(liking(a, k), liking(b, k)))
		})
		if has[reader]++; has[reader] > share {
			more--
		}
		result[k] = reader
	}
	return result
}

// room is 1 for a reader that takes another partition.
func room(has, share, more int) int {
	if has < share || has == share && more > 0 {
		return 1
	}
	return 0
}

func liking(reader string, partition int) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s/%d", reader, partition)
	// The last bytes hardly move the upper bits of this hash; Spread's mixing does.
	return uint64(queue.Spread(h.Sum64(), 1<<62))
}
