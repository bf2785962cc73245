// Package queuetest is the suite that every queue passes.
package queuetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/queue"
)

// Fixture is one queue under test.
type Fixture struct {
	Queue queue.Queue
	// Source is a stream that Append writes to.
	Source string
	Append func(t *testing.T, record string)
}

// FixtureOf is a queue over a broker that has one source.
func FixtureOf(t *testing.T, q queue.Queue, p queue.Producer) Fixture {
	t.Helper()
	names := Sources(t, q)
	if len(names) != 1 {
		t.Fatalf("the sources are %q, want one", names)
	}
	return Fixture{Queue: q, Source: names[0], Append: func(t *testing.T, record string) {
		if err := p.Send(t.Context(), []queue.Record{{Data: []byte(record)}}); err != nil {
			t.Fatal(err)
		}
	}}
}

// Run checks the contract. open returns a fresh queue with nothing in it.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for name, test := range map[string]func(*testing.T, Fixture){
		"records come in order and once":          inOrder,
		"batches touch without gap or overlap":    contiguous,
		"reading goes on at a position":           resumes,
		"Take waits for the first record":         waits,
		"Take ends with its context":              endsWithContext,
		"a committed position can be opened":      commits,
		"lag counts what was not committed":       lags,
		"an unknown source is an error":           unknownSource,
		"a position that is none is an error":     badPosition,
		"nothing can be opened after Close":       closed,
		"the source is listed":                    listed,
		"records keep every byte, the empty too":  bytesKept,
		"uncommitted records are delivered again": again,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // with a broker they mostly wait
			test(t, open(t))
		})
	}
}

func start(t *testing.T, f Fixture, position string) queue.Source {
	t.Helper()
	s, err := f.Queue.Open(t.Context(), f.Source, position)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func fill(t *testing.T, f Fixture, from, to int) {
	for i := from; i < to; i++ {
		f.Append(t, numbered(i))
	}
}

// expect takes n records, the last that there are, and checks that they are numbered from
// first. It asks for more than are left, so that one too many shows.
func expect(t *testing.T, s queue.Source, first, n int) (to string) {
	t.Helper()
	for seen := 0; seen < n; {
		b := take(t, s, 7)
		checkNumbers(t, b, first+seen)
		seen, to = seen+len(b.Records), b.To
	}
	return to
}

func inOrder(t *testing.T, f Fixture) {
	fill(t, f, 0, 100)
	expect(t, start(t, f, ""), 0, 100)
}

func contiguous(t *testing.T, f Fixture) {
	fill(t, f, 0, 50)
	s := start(t, f, "")
	at := ""
	for n := 0; n < 50; {
		b := take(t, s, 8)
		if b.From != at {
			t.Fatalf("a batch begins at %q, the one before ended at %q", b.From, at)
		}
		if len(b.Records) == 0 || len(b.Records) > 8 {
			t.Fatalf("a batch of %d records, asked for at most 8", len(b.Records))
		}
		at, n = b.To, n+len(b.Records)
	}
}

func resumes(t *testing.T, f Fixture) {
	fill(t, f, 0, 14)
	at := expect(t, start(t, f, ""), 0, 14)
	fill(t, f, 14, 20)
	expect(t, start(t, f, at), 14, 6)
}

func waits(t *testing.T, f Fixture) {
	s := start(t, f, "")
	got := make(chan queue.Batch, 1)
	go func() {
		if b, err := s.Take(t.Context(), 5); err == nil {
			got <- b
		}
	}()
	f.Append(t, "late")
	select {
	case b := <-got:
		if string(b.Records[0]) != "late" {
			t.Fatalf("got %q", b.Records[0])
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Take did not return after a record was appended")
	}
}

func endsWithContext(t *testing.T, f Fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	s := start(t, f, "")
	failed := make(chan error, 1)
	go func() { _, err := s.Take(ctx, 5); failed <- err }()
	cancel()
	select {
	case err := <-failed:
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Take outlived its context")
	}
}

func commits(t *testing.T, f Fixture) {
	fill(t, f, 0, 7)
	s := start(t, f, "")
	at := expect(t, s, 0, 7)
	if err := s.Commit(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	fill(t, f, 7, 10)
	expect(t, start(t, f, at), 7, 3)
}

func lags(t *testing.T, f Fixture) {
	fill(t, f, 0, 10)
	s := start(t, f, "")
	first := take(t, s, 4)
	for len(first.Records) < 4 { // a broker sends what it has so far
		more := take(t, s, 4-len(first.Records))
		first = queue.Batch{From: first.From, To: more.To, Records: append(slices.Clone(first.Records), more.Records...)}
	}
	if err := s.Commit(t.Context(), first.To); err != nil {
		t.Fatal(err)
	}
	ExpectLag(t, s, 6) // 10 records, 4 committed
	if lag := s.Lag(); lag.Bytes <= 0 {
		t.Fatalf("6 records are left: lag %+v", lag)
	}
	ahead := take(t, s, 2) // one batch ahead of what is committed next
	if err := s.Commit(t.Context(), first.To); err != nil {
		t.Fatal(err)
	}
	ExpectLag(t, s, 6) // taking ahead changes nothing
	at := expect(t, s, 4+len(ahead.Records), 6-len(ahead.Records))
	if err := s.Commit(t.Context(), ahead.To); err != nil {
		t.Fatal(err)
	}
	ExpectLag(t, s, int64(6-len(ahead.Records))) // what was taken ahead is committed
	if err := s.Commit(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	ExpectLag(t, s, 0) // everything is committed
	if lag := s.Lag(); lag != (queue.Lag{}) {
		t.Fatalf("everything is committed: lag %+v", lag)
	}
}

func unknownSource(t *testing.T, f Fixture) {
	if s, err := f.Queue.Open(t.Context(), "nowhere", ""); err == nil {
		_ = s.Close()
		t.Fatal("a source that does not exist was opened")
	}
}

func badPosition(t *testing.T, f Fixture) {
	if s, err := f.Queue.Open(t.Context(), f.Source, "not a position"); err == nil {
		_ = s.Close()
		t.Fatal("a position that is none was accepted")
	}
}

func closed(t *testing.T, f Fixture) {
	if err := f.Queue.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Queue.Open(t.Context(), f.Source, ""); !errors.Is(err, queue.ErrClosed) {
		t.Fatalf("got %v", err)
	}
}

func listed(t *testing.T, f Fixture) {
	f.Append(t, "x")
	names, err := f.Queue.Sources(t.Context())
	if err != nil || len(names) != 1 || names[0] != f.Source {
		t.Fatalf("got %q, %v, want %q", names, err, f.Source)
	}
}

func bytesKept(t *testing.T, f Fixture) {
	want := []string{"\x00\xff\n", "", string(make([]byte, 3000))}
	for _, r := range want {
		f.Append(t, r)
	}
	s := start(t, f, "")
	for n := 0; n < len(want); {
		for _, r := range take(t, s, 10).Records {
			if string(r) != want[n] {
				t.Fatalf("record %d: got %q", n, r)
			}
			n++
		}
	}
}

func again(t *testing.T, f Fixture) {
	fill(t, f, 0, 5)
	expect(t, start(t, f, ""), 0, 5)
	expect(t, start(t, f, ""), 0, 5)
}
