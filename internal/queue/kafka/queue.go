package kafka

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue"
)

const (
	// askEvery is how often the topic and the ends of its partitions are asked for.
	askEvery = 2 * time.Second
	// leaveWithin is how long a source that moves may stay open so that what was taken can
	// be stored before another reads on.
	leaveWithin      = 5 * time.Second
	rebalanceTimeout = 20 * time.Second
)

// Queue is one member of the group that reads a topic. Its client belongs to the group and
// fetches nothing; each source has one of its own, which belongs to none.
//
// A source that is opened a second time ends the first.
type Queue struct {
	options Options
	client  *kgo.Client
	admin   *kadm.Client
	stop    context.CancelFunc
	ended   chan struct{}

	mu       sync.Mutex
	topic    topic
	assigned map[int]*holding // by partition
	joined   chan struct{}    // closed by the first assignment
	beat     time.Time        // when the group's coordinator has answered last
	trouble  error            // of the last time that the brokers were asked
	closed   bool
	ends     map[int]int64 // by partition, the offset behind the last record
}

// holding is a partition that the group has given to this member.
type holding struct {
	source *source       // that is open, or nil
	free   chan struct{} // closed when the source of a partition that moves is closed
	moving bool
}

// OpenQueue connects, makes the topic when it is not there yet, and joins the group.
func OpenQueue(ctx context.Context, o Options) (*Queue, error) {
	o, err := o.settle()
	if err != nil {
		return nil, err
	}
	q := &Queue{options: o, ended: make(chan struct{}), assigned: map[int]*holding{}, joined: make(chan struct{}), ends: map[int]int64{}}
	// The topic first: a group that waits for one that is missing notices it late.
	asking, err := o.client("asks")
	if err != nil {
		return nil, err
	}
	q.admin = kadm.NewClient(asking)
	if q.topic, err = openTopic(ctx, asking, o); err != nil {
		asking.Close()
		return nil, err
	}
	q.client, err = o.client("reads",
		kgo.ConsumerGroup(o.Group),
		kgo.ConsumeTopics(o.Topic),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(sessionTimeout),
		kgo.HeartbeatInterval(heartbeatEvery),
		kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) { q.gained(got[o.Topic]) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { q.revoked(gone[o.Topic], true) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { q.revoked(gone[o.Topic], false) }),
		kgo.WithHooks(q),
	)
	if err != nil {
		asking.Close()
		return nil, err
	}
	q.client.PauseFetchTopics(o.Topic)
	life, stop := context.WithCancel(context.Background())
	q.stop = stop
	go q.ask(life)
	return q, nil
}

// OnBrokerE2E notes when the coordinator of the group has answered.
func (q *Queue) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e kgo.BrokerE2E) {
	switch kmsg.Key(key) {
	case kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat:
		if e.Err() == nil {
			q.mu.Lock()
			q.beat = time.Now()
			q.mu.Unlock()
		}
	}
}

// gained takes what the group has given to this member.
func (q *Queue) gained(partitions []int32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, k := range partitions {
		q.assigned[int(k)] = &holding{}
	}
	select {
	case <-q.joined:
	default:
		close(q.joined)
	}
}

// revoked ends the sources that move. In good order their readers have a moment to store
// what they have taken; the group waits.
func (q *Queue) revoked(partitions []int32, inOrder bool) {
	var wait []chan struct{}
	q.mu.Lock()
	for _, k := range partitions {
		h := q.assigned[int(k)]
		if h == nil {
			continue
		}
		h.moving = true
		if h.source != nil {
			h.free = make(chan struct{})
			wait = append(wait, h.free)
			h.source.end(queue.ErrMoved)
		}
	}
	inOrder = inOrder && !q.closed
	q.mu.Unlock()
	limit := time.After(leaveWithin)
	for _, free := range wait {
		if !inOrder {
			break
		}
		select {
		case <-free:
		case <-limit:
			inOrder = false
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, k := range partitions {
		delete(q.assigned, int(k))
	}
}

// Sources lists the partitions that the group has given to this member. It waits for the
// first time.
func (q *Queue) Sources(ctx context.Context) ([]string, error) {
	select {
	case <-q.joined:
	case <-q.ended:
	case <-ctx.Done():
		return nil, q.options.explain(ctx.Err())
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return nil, queue.ErrClosed
	case q.silent():
		return nil, affiliate.Errorf(affiliate.Unavailable, "kafka: the group %s has not answered for %v: check that the brokers run", q.options.Group, time.Since(q.beat).Round(time.Second))
	}
	var numbers []int
	for k, h := range q.assigned {
		if !h.moving && k < q.topic.partitions {
			numbers = append(numbers, k)
		}
	}
	slices.Sort(numbers)
	var names []string
	for _, k := range numbers {
		names = append(names, q.topic.source(k))
	}
	return names, nil
}

// silent says that the group will have given the partitions to others by now.
func (q *Queue) silent() bool { return time.Since(q.beat) > sessionTimeout }

// Open reads a partition that Sources has named. A position behind the end of the log, as
// after an election of a broker that lacked records, is that end.
func (q *Queue) Open(ctx context.Context, name, position string) (queue.Source, error) {
	q.mu.Lock()
	t, closed := q.topic, q.closed
	q.mu.Unlock()
	if closed {
		return nil, queue.ErrClosed
	}
	k, err := t.number(name)
	if err != nil {
		return nil, err
	}
	from, err := parseOffset(position)
	if err != nil {
		return nil, err
	}
	if !q.holds(k) {
		return nil, queue.ErrMoved
	}
	s, err := q.openSource(ctx, k, from)
	if err != nil {
		return nil, err
	}
	s.from = position
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.assigned[k]
	if q.closed || h == nil || h.moving {
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
	h := q.assigned[k]
	return h != nil && !h.moving && !q.silent()
}

// release forgets a source that was closed.
func (q *Queue) release(s *source) {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.assigned[s.partition]
	if h == nil || h.source != s {
		return
	}
	if h.source = nil; h.free != nil {
		close(h.free)
		h.free = nil
	}
}

// ask looks after what changes without a word: the topic, the ends of its partitions,
// whether the group is silent. And it tells the group what was committed.
func (q *Queue) ask(ctx context.Context) {
	defer close(q.ended)
	ticks := time.NewTicker(askEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		q.mu.Lock()
		if q.silent() {
			q.endAll(queue.ErrMoved)
		}
		q.mu.Unlock()
		try, cancel := context.WithTimeout(ctx, connectTimeout)
		err := q.askOnce(try)
		cancel()
		q.mu.Lock()
		if q.trouble == nil && err != nil && ctx.Err() == nil {
			q.options.Logger.Warn("Kafka does not answer; it is asked again", "topic", q.options.Topic, "error", err)
		}
		q.trouble = err
		q.mu.Unlock()
	}
}

func (q *Queue) askOnce(ctx context.Context) error {
	cluster, err := q.admin.Metadata(ctx, q.options.Topic)
	if err != nil {
		return q.options.explain(err)
	}
	if t, whole := topicOf(cluster, q.options.Topic); whole {
		q.mu.Lock()
		if t.id != q.topic.id {
			q.options.Logger.Warn("the topic was replaced by another; it is read from its beginning", "topic", t.name, "before", q.topic.id, "now", t.id)
			q.endAll(queue.ErrMoved)
		}
		q.topic = t
		q.mu.Unlock()
	}
	ends, err := q.admin.ListEndOffsets(ctx, q.options.Topic)
	if err != nil {
		return q.options.explain(err)
	}
	commits := map[int32]kgo.EpochOffset{}
	q.mu.Lock()
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err == nil {
			q.ends[int(o.Partition)] = o.Offset
		}
	})
	for k, h := range q.assigned {
		if h.source != nil {
			if at, changed := h.source.toCommit(); changed {
				commits[int32(k)] = kgo.EpochOffset{Epoch: -1, Offset: at}
			}
		}
	}
	q.mu.Unlock()
	if len(commits) > 0 {
		// It is for tools that show the lag; the next one makes up for a failure.
		q.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{q.options.Topic: commits}, nil)
	}
	return nil
}

// endAll ends all sources; q.mu is held.
func (q *Queue) endAll(reason error) {
	for _, h := range q.assigned {
		if h.source != nil {
			h.source.end(reason)
		}
	}
}

func (q *Queue) end(k int) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ends[k]
}

// Close leaves the group; the others take over at once.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	q.endAll(queue.ErrClosed)
	q.mu.Unlock()
	q.stop()
	<-q.ended
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = q.client.LeaveGroupContext(ctx) // without it the group notices a little later
	q.client.Close()
	q.admin.Close()
	return nil
}

func parseOffset(position string) (int64, error) {
	if position == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(position, 10, 64)
	if err == nil && n < 0 {
		err = errors.New("it is negative")
	}
	if err != nil {
		return 0, affiliate.Errorf(affiliate.Invalid, "kafka: %q is no position of a partition", position)
	}
	return n, nil
}

var (
	_ queue.Queue        = (*Queue)(nil)
	_ affiliate.Examiner = (*Queue)(nil)
	_ kgo.HookBrokerE2E  = (*Queue)(nil)
)
