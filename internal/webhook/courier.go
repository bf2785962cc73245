package webhook

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// Options of a Courier. Store, Now and Random must be set.
type Options struct {
	Store  store.Store
	Now    func() time.Time
	Random func() uint64
	Policy Policy
	Seals  *Seals // the Desk's
	// Transport takes the place of the one that keeps to Policy; for tests.
	Transport http.RoundTripper
	// Roots are the authorities that vouch for receivers; the system's by default.
	Roots *x509.CertPool
	// Timeout of one attempt, from connecting to the end of the answer; 10 s by default.
	Timeout time.Duration
	// Parallel is how many messages are under way at most; 16 by default. To one host it is
	// never more than 4.
	Parallel int
	// Interval between two looks into an outbox that was empty; 1 s by default.
	Interval time.Duration
	Logger   *slog.Logger // discarded by default; no secret and no answer is ever logged
}

const (
	dueMax         = 256 // messages of one step
	perHost        = 4
	connectTimeout = 5 * time.Second
	// stepTakes is how long a step goes on to begin with messages: a slow host with
	// many of them then makes room for the others.
	stepTakes = 10 * time.Second
	// hostRest is how long the messages for a host wait that failed in this step.
	hostRest = 30 * time.Second
)

// Courier delivers what is in the outbox. There may be one for a store.
type Courier struct {
	options      Options
	plain, https *http.Client
	wake         chan struct{}
	stepping     sync.Mutex
	counts       [kinds]atomic.Int64
}

// New makes a courier, which does nothing before Run or Deliver.
func New(o Options) *Courier {
	o.Timeout = cmp.Or(max(o.Timeout, 0), 10*time.Second)
	o.Parallel = cmp.Or(max(o.Parallel, 0), 16)
	o.Interval = cmp.Or(max(o.Interval, 0), time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Courier{options: o, plain: o.client(true), https: o.client(false), wake: make(chan struct{}, 1)}
}

// Stats count what became of attempts since the courier was made.
type Stats struct {
	Delivered int64
	Failed    int64 // and tried again later
	Dead      int64 // set aside
	Put       int64 // put off without an attempt, because their host was failing or slow
}

// Stats returns them.
func (c *Courier) Stats() Stats {
	return Stats{Delivered: c.counts[done].Load(), Failed: c.counts[retry].Load(), Dead: c.counts[dead].Load() + c.counts[gone].Load(), Put: c.counts[off].Load()}
}

// Wake makes Run look into the outbox now. It never waits.
func (c *Courier) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run delivers until the context ends; attempts that are under way then are finished,
// which takes Timeout at most. A store that fails is logged and tried again.
func (c *Courier) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
		case <-timer.C:
		}
		n, err := c.Deliver(ctx)
		wait := c.options.Interval
		switch {
		case err != nil && ctx.Err() == nil:
			c.options.Logger.Error("messages cannot be delivered", "reason", err)
		case n > 0:
			wait = 0
		}
		timer.Reset(wait)
	}
}

// Deliver takes one step: it tries messages that are due and returns how many of them were
// attended to, which is 0 when nothing is due. What became of each is in the store when
// it returns. An error is the store's; what was sent and could not be noted is sent again.
func (c *Courier) Deliver(ctx context.Context) (n int, err error) {
	c.stepping.Lock()
	defer c.stepping.Unlock()
	batch, err := c.due(ctx)
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	taking, stop := context.WithTimeout(ctx, stepTakes)
	defer stop()
	results := make(chan result, len(batch))
	room := make(chan struct{}, c.options.Parallel)
	var under sync.WaitGroup
	for _, q := range queues(batch) {
		for range min(perHost, len(q.waiting)) {
			under.Go(func() { c.work(taking, ctx, q, room, results) })
		}
	}
	go func() {
		under.Wait()
		close(results)
	}()
	for first := range results {
		group := []result{first}
		for len(results) > 0 {
			group = append(group, <-results)
		}
		if noted := c.note(ctx, group); noted != nil {
			err = cmp.Or[error](err, noted)
			stop() // what cannot be noted would be sent again
			continue
		}
		n += len(group)
	}
	return n, err
}

// errand is a message with where it goes.
type errand struct {
	store.Message
	target target
	host   string
}

// due reads messages of ours that are due, and their targets.
func (c *Courier) due(ctx context.Context) (batch []errand, err error) {
	err = c.options.Store.View(ctx, func(r store.Reader) error {
		messages, err := r.Books().DueMessages(c.options.Now(), dueMax)
		if err != nil {
			return err
		}
		targets := map[string]target{}
		for _, m := range messages {
			if m.Kind != KindWebhook && m.Kind != KindPostback {
				continue
			}
			to, known := targets[m.Target]
			if !known {
				if to, err = readTarget(r.Documents(), m.Kind, m.Target); err != nil {
					return err
				}
				targets[m.Target] = to
			}
			batch = append(batch, errand{Message: m, target: to, host: to.host()})
		}
		return nil
	})
	return batch, err
}

// queue is what waits for one host.
type queue struct {
	mu      sync.Mutex
	waiting []errand
	rest    time.Duration // above 0: the host has failed, and is left alone so long
}

func queues(batch []errand) map[string]*queue {
	all := map[string]*queue{}
	for _, e := range batch {
		q := all[e.host]
		if q == nil {
			q = &queue{}
			all[e.host] = q
		}
		q.waiting = append(q.waiting, e)
	}
	return all
}

// next takes the next message, and says whether it is to be tried.
func (q *queue) next() (e errand, rest time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return e, 0, false
	}
	e, q.waiting = q.waiting[0], q.waiting[1:]
	return e, q.rest, true
}

func (q *queue) restFor(d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.rest = max(q.rest, d)
}

// work delivers messages of one queue. When the time for taking is over, what is left goes
// behind all that is due; when the host fails, it waits a little.
func (c *Courier) work(taking, ctx context.Context, q *queue, room chan struct{}, results chan<- result) {
	for {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		e, rest, ok := q.next()
		switch {
		case !ok || ctx.Err() != nil:
			<-room
			return
		case rest > 0 || taking.Err() != nil:
			results <- result{errand: e, kind: off, after: rest}
		default:
			r := c.attempt(ctx, e)
			if r.rest > 0 {
				q.restFor(r.rest)
			}
			results <- r
		}
		<-room
	}
}

// note writes what became of messages. It goes on when the context ends, because they
// were sent.
func (c *Courier) note(ctx context.Context, group []result) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	err := c.options.Store.Update(ctx, func(w store.Writer) error {
		for i := range group {
			if err := c.noteOne(w, &group[i]); err != nil && affiliate.CodeOf(err) != affiliate.NotFound {
				return err // of those that are not found, somebody has disposed
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("what became of %d messages cannot be noted: %w", len(group), err)
	}
	for i := range group {
		c.count(&group[i])
	}
	return nil
}

const noteTimeout = 10 * time.Second

func (c *Courier) noteOne(w store.Writer, r *result) error {
	books, now := w.Books(), c.options.Now()
	switch r.kind {
	case done:
		return books.Done(r.ID)
	case retry:
		return books.Retry(r.ID, now.Add(r.after), r.told())
	case off: // not tried, so the attempt is not counted
		if err := books.Done(r.ID); err != nil {
			return err
		}
		m := r.Message
		m.NotBefore = now.Add(r.after)
		return books.Enqueue([]store.Message{m})
	case gone:
		changed, err := r.target.disable(w, now)
		if err != nil {
			return err
		}
		if !changed { // its URL was edited meanwhile, so another one is gone
			return books.Retry(r.ID, now, r.told())
		}
	}
	return books.Dead(r.ID, r.told())
}

func (c *Courier) count(r *result) {
	c.counts[r.kind].Add(1)
	log := c.options.Logger.With("message", r.ID, "target", r.Target, "attempt", r.Attempts+1)
	switch r.kind {
	case done:
		log.Debug("a message was delivered")
	case retry:
		log.Info("a message was not taken and is tried again", "reason", r.reason, "after", r.after)
	case off:
		if r.reason != "" {
			log.Warn("a message waits", "reason", r.reason)
		}
	case dead:
		log.Warn("a message is given up", "reason", r.reason)
	case gone:
		log.Warn("an endpoint is disabled, because it is gone", "reason", r.reason)
	}
}
