package inproc_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/queue/inproc"
	"github.com/sluicehq/sluice/internal/queue/queuetest"
)

func TestQueue(t *testing.T) {
	queuetest.Run(t, func(t *testing.T) queuetest.Fixture {
		j := openJournal(t)
		return queuetest.Fixture{
			Queue: inproc.Open(map[string]*journal.Journal{"1/0": j}, slog.New(slog.DiscardHandler)), Source: "1/0",
			Append: func(t *testing.T, record string) {
				if _, err := j.Append([]byte(record)); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func openJournal(t *testing.T) *journal.Journal {
	j, err := journal.Open(t.TempDir(), journal.Options{SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func TestReplacedJournalIsReadFromItsBeginning(t *testing.T) {
	j := openJournal(t)
	if _, err := j.Append([]byte("new")); err != nil {
		t.Fatal(err)
	}
	q := inproc.Open(map[string]*journal.Journal{"1/0": j}, slog.New(slog.DiscardHandler))
	s, err := q.Open(t.Context(), "1/0", "99:4096")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	b, err := s.Take(t.Context(), 10)
	if err != nil || len(b.Records) != 1 || b.From != "99:4096" {
		t.Fatalf("got %+v, %v", b, err)
	}
}

func TestNoLagAfterReopening(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.Options{SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append([]byte("stored before the restart")); err != nil {
		t.Fatal(err)
	}
	stored := j.End().String()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if j, err = journal.Open(dir, journal.Options{SegmentBytes: 64 << 10}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	q := inproc.Open(map[string]*journal.Journal{"1/0": j}, slog.New(slog.DiscardHandler))
	s, err := q.Open(t.Context(), "1/0", stored)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if b, err := s.Take(ctx, 10); err == nil {
		t.Fatalf("took %q again", b.Records)
	}
	if lag := s.Lag(); lag != (queue.Lag{}) {
		t.Fatalf("nothing is left, but the lag is %+v", lag)
	}
}
