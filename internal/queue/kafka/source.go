package kafka

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue"
)

// fetchBytes is how much a source asks for at a time; as much may be waiting to be taken.
const fetchBytes = 4 << 20

// source reads one partition with a client of its own, so that one that is slow holds up
// no other, and memory is bounded.
type source struct {
	queue     *Queue
	partition int
	client    *kgo.Client
	life      context.Context // ends with the source
	kill      context.CancelFunc
	closing   sync.Once

	// These belong to the goroutine that takes.
	from  string // where the next batch begins
	next  int64
	batch [][]byte

	mu             sync.Mutex // guards what follows
	over           error      // why there is no more; nil while there may be
	taken          int64      // the offset behind the last record that was taken
	records, bytes int64      // taken since the source was opened
	committed      int64      // the offset that the caller has stored
	told           int64      // the one that the group knows
	highWatermark  int64
	lost           int64
}

// openSource begins at an offset, or at the beginning for -1, and counts what retention has
// removed from there.
func (q *Queue) openSource(ctx context.Context, k int, from int64) (*source, error) {
	first, end, err := q.bounds(ctx, k)
	if err != nil {
		return nil, err
	}
	asked := max(from, 0)
	start := max(asked, first)
	if start > end {
		q.options.Logger.Error("the partition ends before the position: the brokers have lost records; reading goes on at its end",
			"topic", q.options.Topic, "partition", k, "position", from, "end", end)
		start = end
	}
	s := &source{queue: q, partition: k, next: start, taken: start, committed: start, told: -1, highWatermark: end, lost: max(0, first-asked)}
	if s.lost > 0 {
		q.options.Logger.Error("records were removed before they were read: have the broker keep them longer", "topic", q.options.Topic, "partition", k, "records", s.lost)
	}
	s.client, err = q.options.client("reads",
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{q.options.Topic: {int32(k): kgo.NewOffset().At(start)}}),
		kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxPartitionBytes(fetchBytes), kgo.MaxConcurrentFetches(1))
	if err != nil {
		return nil, err
	}
	s.life, s.kill = context.WithCancel(context.Background())
	return s, nil
}

// bounds are the offsets of a partition's first record and behind its last.
func (q *Queue) bounds(ctx context.Context, k int) (first, end int64, err error) {
	starts, err := q.admin.ListStartOffsets(ctx, q.options.Topic)
	if err != nil {
		return 0, 0, q.options.explain(err)
	}
	ends, err := q.admin.ListEndOffsets(ctx, q.options.Topic)
	if err != nil {
		return 0, 0, q.options.explain(err)
	}
	start, knownStart := starts.Lookup(q.options.Topic, int32(k))
	behind, knownEnd := ends.Lookup(q.options.Topic, int32(k))
	if err := errors.Join(start.Err, behind.Err); err != nil {
		return 0, 0, q.options.explain(err)
	}
	if !knownStart || !knownEnd {
		return 0, 0, affiliate.Errorf(affiliate.NotFound, "kafka: there is no partition %d of the topic %s", k, q.options.Topic)
	}
	return start.Offset, behind.Offset, nil
}

// Take returns what the client has fetched.
func (s *source) Take(ctx context.Context, limit int) (queue.Batch, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	for {
		fetches := s.client.PollRecords(ctx, limit)
		if err := s.ended(); err != nil {
			return queue.Batch{}, err
		}
		if ctx.Err() != nil && fetches.NumRecords() == 0 {
			return queue.Batch{}, ctx.Err()
		}
		if err := s.troubleOf(fetches); err != nil {
			return queue.Batch{}, err
		}
		if fetches.NumRecords() > 0 {
			return s.hand(fetches), nil
		}
	}
}

// troubleOf returns what of a fetch has to be told; the client goes on after the rest.
func (s *source) troubleOf(fetches kgo.Fetches) error {
	for _, f := range fetches.Errors() {
		var lost *kgo.ErrDataLoss
		if errors.As(f.Err, &lost) {
			s.queue.options.Logger.Error("the brokers have lost records; reading goes on where they begin again", "topic", f.Topic, "partition", f.Partition, "error", f.Err)
			continue
		}
		if fetches.NumRecords() == 0 {
			return s.queue.options.explain(f.Err)
		}
	}
	return nil
}

func (s *source) hand(fetches kgo.Fetches) queue.Batch {
	s.batch = s.batch[:0]
	var gap, bytes int64
	fetches.EachRecord(func(r *kgo.Record) {
		gap += max(0, r.Offset-s.next)
		s.next = r.Offset + 1
		s.batch = append(s.batch, r.Value)
		bytes += int64(len(r.Value)) + 1 // an empty record is work too
	})
	b := queue.Batch{From: s.from, To: strconv.FormatInt(s.next, 10), Records: s.batch}
	s.from = b.To
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken, s.records, s.bytes, s.lost = s.next, s.records+int64(len(s.batch)), s.bytes+bytes, s.lost+gap
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		s.highWatermark = max(s.highWatermark, p.HighWatermark)
	})
	return b
}

// Commit notes the position for the lag, and for the group, which is told in the
// background.
func (s *source) Commit(_ context.Context, position string) error {
	at, err := parseOffset(position)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.committed = max(s.committed, at)
	return nil
}

func (s *source) toCommit() (at int64, changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = s.committed != s.told
	s.told = s.committed
	return s.committed, changed
}

// Lag counts the records exactly, as of the last answer; bytes are supposed to be as many
// a record as those that were taken.
func (s *source) Lag() queue.Lag {
	end := s.queue.end(s.partition)
	s.mu.Lock()
	defer s.mu.Unlock()
	lag := queue.Lag{Records: max(0, max(end, s.highWatermark, s.taken)-s.committed)}
	if lag.Bytes = lag.Records; s.records > 0 {
		lag.Bytes = int64(float64(lag.Records) * float64(s.bytes) / float64(s.records))
	}
	return lag
}

func (s *source) Lost() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

func (s *source) ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// end has Take return an error from now on.
func (s *source) end(reason error) {
	s.mu.Lock()
	if s.over == nil {
		s.over = reason
	}
	s.mu.Unlock()
	s.kill()
}

// Close stops reading.
func (s *source) Close() error {
	s.end(queue.ErrClosed)
	s.closing.Do(s.client.Close)
	s.queue.release(s)
	return nil
}

var _ queue.Source = (*source)(nil)
