package inproc_test

import (
	"log/slog"
	"testing"

	"github.com/sluicehq/sluice/internal/journal"
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
	defer s.Close()
	b, err := s.Take(t.Context(), 10)
	if err != nil || len(b.Records) != 1 || b.From != "99:4096" {
		t.Fatalf("got %+v, %v", b, err)
	}
}
