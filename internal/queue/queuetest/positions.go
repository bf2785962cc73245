package queuetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/queue"
)

func positions(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 1})
	p := b.producer(t, &Link{})
	Send(t, p, 0, 1000)
	at, next := "", 0
	for n := range 4 {
		q := b.queue(t, &Link{})
		shared(t, 1, q)
		s := Open(t, q, at)
		for limit := next + 250; next < limit; {
			batch := take(t, s, min(7, limit-next))
			if batch.From != at {
				t.Fatalf("reader %d: a batch begins at %q instead of %q", n, batch.From, at)
			}
			checkNumbers(t, batch, next)
			at, next = batch.To, next+len(batch.Records)
		}
		if n := s.Lost(); n != 0 {
			t.Errorf("%d records are said to be lost", n)
		}
		_ = s.Close()
		_ = q.Close()
	}
}

// openedTwice: one source has one reader within the process too.
func openedTwice(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 1})
	p, q := b.producer(t, &Link{}), b.queue(t, &Link{})
	first, second := Open(t, q, ""), Open(t, q, "")
	Send(t, p, 0, 3)
	if _, err := first.Take(Within(t, 10*time.Second), 1); !errors.Is(err, queue.ErrMoved) {
		t.Errorf("Take of the source that was opened first: %v", err)
	}
	_ = first.Close()
	Read(t, second, 0, 3)
}

func lost(t *testing.T, open func(*testing.T, Setup) Broker) {
	const sent = 3000
	b := open(t, Setup{Partitions: 1, RetentionBytes: 200_000})
	p := b.producer(t, &Link{})
	one := func(i int) {
		if err := p.Send(t.Context(), []queue.Record{{Data: fmt.Appendf(nil, "%06d %01000d", i, i)}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		one(i)
	}
	q := b.queue(t, &Link{})
	s := Open(t, q, "")
	read, at := 0, ""
	for read < 5 {
		batch := take(t, s, 5-read)
		read, at = read+len(batch.Records), batch.To
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for i := 10; i < sent; i++ {
		one(i)
	}
	b.Expire(t)
	s = Open(t, q, at)
	for last := -1; last < sent-1; {
		batch := take(t, s, 100)
		if batch.From != at {
			t.Fatalf("a batch begins at %q, the one before ended at %q", batch.From, at)
		}
		at = batch.To
		for _, r := range batch.Records {
			var n int
			if _, err := fmt.Sscanf(string(r), "%d ", &n); err != nil || n <= last {
				t.Fatalf("record %d came after %d (%v)", n, last, err)
			}
			last = n
			read++
		}
	}
	// A broker's own entries may be among those that are gone.
	if n := int(s.Lost()); n == 0 || read == sent || read+n < sent || read+n > sent+sent/20 {
		t.Errorf("of %d records %d were read and %d are said to be lost", sent, read, n)
	}
}
