package queuetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue"
)

// The steps of which tests consist, those of an engine's own traits too. Their records
// are numbered: "record 0", "record 1" and so on.

// patience is how long a step may take that is done at once by an idle machine.
const patience = 20 * time.Second

// Soon is a context for what is done at once.
func Soon(t testing.TB) context.Context { return Within(t, patience) }

// Within is a context that ends with the test or after a while.
func Within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// Opened opens a queue or a producer, and closes it when the test ends.
func Opened[T io.Closer](t testing.TB, open func(ctx context.Context) (T, error)) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	opened, err := open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened
}

// Sources are the names of the sources that a queue has now.
func Sources(t testing.TB, q queue.Queue) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	names, err := q.Sources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Open opens the first source that a queue has, and closes it when the test ends.
func Open(t testing.TB, q queue.Queue, position string) queue.Source {
	t.Helper()
	names := Sources(t, q)
	if len(names) == 0 {
		t.Fatal("the reader has no source")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := q.Open(ctx, names[0], position)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Send sends the records from to to-1 at once, with as many different keys.
func Send(t testing.TB, p queue.Producer, from, to int) {
	t.Helper()
	if err := send(t.Context(), p, from, to); err != nil {
		t.Fatal(err)
	}
}

// send is Send for goroutines that may not end the test.
func send(ctx context.Context, p queue.Producer, from, to int) error {
	records := make([]queue.Record, 0, to-from)
	for i := from; i < to; i++ {
		records = append(records, queue.Record{Key: uint64(i), Data: []byte(numbered(i))})
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return p.Send(ctx, records)
}

func numbered(i int) string { return fmt.Sprintf("record %d", i) }

// Read takes n records, checks that they are numbered from first, and returns the position
// behind them.
func Read(t testing.TB, s queue.Source, first, n int) (to string) {
	t.Helper()
	for seen := 0; seen < n; {
		b := take(t, s, n-seen)
		checkNumbers(t, b, first+seen)
		seen, to = seen+len(b.Records), b.To
	}
	return to
}

func take(t testing.TB, s queue.Source, limit int) queue.Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b, err := s.Take(ctx, limit)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checkNumbers(t testing.TB, b queue.Batch, first int) {
	t.Helper()
	for i, r := range b.Records {
		if want := numbered(first + i); string(r) != want {
			t.Fatalf("got %q, want %q", r, want)
		}
	}
}

// ExpectLag waits for a lag of so many records, since a broker is asked in the background.
func ExpectLag(t testing.TB, s queue.Source, records int64) {
	t.Helper()
	Eventually(t, 10*time.Second, func() error {
		if lag := s.Lag(); lag.Records != records {
			return fmt.Errorf("lag %+v, want %d records", lag, records)
		}
		return nil
	})
}

// ExpectMoved takes until the source ends because another reads it now.
func ExpectMoved(t testing.TB, s queue.Source, limit time.Duration) {
	t.Helper()
	ctx := Within(t, limit)
	for {
		if _, err := s.Take(ctx, 10); err != nil {
			if !errors.Is(err, queue.ErrMoved) {
				t.Errorf("Take of a source that another reads: %v", err)
			}
			return
		}
	}
}

// ExpectRefusal checks what an error says to whoever has configured the queue. "secret-word"
// is the password, which it never says.
func ExpectRefusal(t testing.TB, err error, code affiliate.Code, say ...string) {
	t.Helper()
	if err == nil || affiliate.CodeOf(err) != code {
		t.Fatalf("got %v with code %q, want %q", err, affiliate.CodeOf(err), code)
	}
	for _, want := range say {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "secret-word") {
		t.Errorf("%q tells the password", err)
	}
}

// Eventually waits until there is no error any more.
func Eventually(t testing.TB, limit time.Duration, check func() error) {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v: %v", limit, err)
		}
	}
}
