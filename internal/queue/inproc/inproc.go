// Package inproc is the queue of a single machine: the journal itself. Records are
// on disk already, in order, and stay there until they are committed, so nothing
// is copied anywhere else.
package inproc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/queue"
)

// Queue reads journals.
type Queue struct {
	journals map[string]*journal.Journal
	logger   *slog.Logger

	mu     sync.Mutex
	closed bool
}

// Open returns a queue over the journals, by source name. They stay the caller's
// to close, after the queue.
func Open(journals map[string]*journal.Journal, logger *slog.Logger) *Queue {
	return &Queue{journals: maps.Clone(journals), logger: logger}
}

// Sources lists the journals.
func (q *Queue) Sources(context.Context) ([]string, error) {
	return slices.Sorted(maps.Keys(q.journals)), nil
}

// Open reads a journal from a position. A position that the journal has never
// reached means that its folder was replaced; it is then read from the beginning,
// because whatever is in it is new.
func (q *Queue) Open(_ context.Context, name, position string) (queue.Source, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, queue.ErrClosed
	}
	j := q.journals[name]
	if j == nil {
		return nil, fmt.Errorf("inproc: there is no journal %q", name)
	}
	var from journal.Position
	if position != "" {
		var err error
		if from, err = journal.ParsePosition(position); err != nil {
			return nil, fmt.Errorf("inproc: the position %q of journal %s cannot be read: %w", position, name, err)
		}
	}
	r, err := j.Reader(from)
	if errors.Is(err, journal.ErrAhead) {
		q.logger.Warn("the journal was replaced; it is read from its beginning", "journal", name, "position", position, "end", j.End())
		r, err = j.Reader(journal.Position{})
	}
	if err != nil {
		return nil, err
	}
	return &source{name: name, journal: j, reader: r, from: position, committed: mark{position: r.Position()}}, nil
}

// Close refuses further reading. Sources that are open stay so.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	return nil
}

// source reads one journal.
type source struct {
	name    string
	journal *journal.Journal
	reader  *journal.Reader
	from    string // where the next batch begins

	bytes   []byte // the batch's records, one after the other
	records [][]byte

	mu        sync.Mutex // guards what follows
	taken     []mark     // ends of the batches that are handed out and not committed
	committed mark
}

// mark is a place in the journal and the number of the record before it, 0 when
// that is not known.
type mark struct {
	position journal.Position
	sequence uint64
}

// Take copies what is there, since a record of the reader lives only until the next.
func (s *source) Take(ctx context.Context, limit int) (queue.Batch, error) {
	s.bytes, s.records = s.bytes[:0], s.records[:0]
	var last journal.Record
	var ends []int
	for len(ends) < limit {
		end := s.journal.End()
		rec, err := s.reader.Next()
		if errors.Is(err, io.EOF) {
			if len(ends) > 0 {
				break
			}
			s.nothingBefore(end)
			if err := s.reader.Wait(ctx); err != nil {
				return queue.Batch{}, waitError(err)
			}
			continue
		}
		if err != nil {
			return queue.Batch{}, err
		}
		s.bytes = append(s.bytes, rec.Payload...)
		ends = append(ends, len(s.bytes))
		last = rec
	}
	start := 0
	for _, end := range ends {
		s.records = append(s.records, s.bytes[start:end:end])
		start = end
	}
	batch := queue.Batch{From: s.from, To: last.Position.String(), Records: s.records}
	s.from = batch.To
	s.mu.Lock()
	s.taken = append(s.taken, mark{last.Position, last.Sequence})
	s.mu.Unlock()
	return batch, nil
}

// nothingBefore notes that there is no record left before a place of the journal.
// A journal that was just opened ends behind the records that it begins with, in
// a segment that is still empty.
func (s *source) nothingBefore(end journal.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.taken) == 0 {
		s.committed.position = end
	}
}

func waitError(err error) error {
	if errors.Is(err, journal.ErrClosed) {
		return queue.ErrClosed
	}
	return err
}

// Commit lets the journal drop the segments that lie wholly before the position.
func (s *source) Commit(_ context.Context, position string) error {
	p, err := journal.ParsePosition(position)
	if err != nil {
		return err
	}
	s.mu.Lock()
	for i, m := range s.taken {
		if m.position == p {
			s.committed = m
			s.taken = append(s.taken[:0], s.taken[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	return s.journal.Release(p)
}

// Lag compares the journal's end with what was committed. Until the first Commit
// only the bytes are known.
func (s *source) Lag() (lag queue.Lag) {
	s.mu.Lock()
	done := s.committed
	s.mu.Unlock()
	stats := s.journal.Stats()
	if !done.position.Before(stats.End) || stats.LastSequence == done.sequence {
		return lag
	}
	if done.sequence > 0 {
		lag.Records = int64(stats.LastSequence - done.sequence)
	}
	if lag.Bytes = stats.Bytes; done.position.Segment == stats.End.Segment {
		lag.Bytes = stats.End.Offset - done.position.Offset
	}
	return lag
}

// Lost is 0: what the journal could not take was never in it and is counted there.
func (s *source) Lost() int64 { return 0 }

func (s *source) Close() error { return s.reader.Close() }

var (
	_ queue.Queue  = (*Queue)(nil)
	_ queue.Source = (*source)(nil)
)
