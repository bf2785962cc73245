package queuetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue"
)

func sentOnce(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 6})
	p := b.producer(t, &Link{})
	var senders sync.WaitGroup
	for s := range 4 {
		senders.Go(func() {
			for n := range 5 {
				from := (s*5 + n) * 500
				if err := send(t.Context(), p, from, from+500); err != nil {
					t.Error(err)
				}
			}
		})
	}
	v := newVault()
	collect(t, b.queue(t, &Link{}), v)
	senders.Wait()
	Eventually(t, 30*time.Second, func() error { return v.holds(10_000) })
	if n := v.refusals(); n > 0 {
		t.Errorf("%d batches did not begin where the one before ended", n)
	}
}

func equalKeys(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 5})
	p := b.producer(t, &Link{})
	q := b.queue(t, &Link{})
	const keys, each = 40, 25
	for n := range each {
		var records []queue.Record
		for key := range keys {
			records = append(records, queue.Record{Key: uint64(key), Data: fmt.Appendf(nil, "%d %d", key, n)})
		}
		if err := p.Send(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	next, home := map[int]int{}, map[int]string{}
	var readers sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel() // which the last record does
	used := map[string]bool{}
	left := keys * each
	for _, name := range Sources(t, q) {
		readers.Go(func() {
			s, err := q.Open(ctx, name, "")
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = s.Close() }()
			for {
				batch, err := s.Take(ctx, 10)
				if err != nil {
					return // the end
				}
				mu.Lock()
				for _, r := range batch.Records {
					var key, n int
					if _, err := fmt.Sscanf(string(r), "%d %d", &key, &n); err != nil {
						t.Error(err)
					}
					if n != next[key] {
						t.Errorf("record %d of key %d came when %d was due", n, key, next[key])
					}
					if home[key] != "" && home[key] != name {
						t.Errorf("key %d came out of %s and of %s", key, home[key], name)
					}
					next[key], home[key], used[name] = n+1, name, true
					if left--; left == 0 {
						cancel()
					}
				}
				mu.Unlock()
			}
		})
	}
	readers.Wait()
	if left != 0 {
		t.Errorf("%d records did not come", left)
	}
	if len(used) < 3 {
		t.Errorf("40 keys came out of %d sources of 5", len(used))
	}
}

func lengths(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 1})
	p := b.producer(t, &Link{})
	var want [][]byte
	for i, n := range []int{0, 1, 0, 0, 127, 128, 64 << 10, 0, 200, 64<<10 - 1, 300, 40 << 10, 40 << 10, 0} {
		want = append(want, bytes.Repeat([]byte{byte(i)}, n))
	}
	for range 300 { // more than one parcel, and the longest between them
		want = append(want, []byte("short"))
	}
	var records []queue.Record
	for _, w := range want {
		records = append(records, queue.Record{Data: bytes.Clone(w)})
	}
	if err := p.Send(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		clear(r.Data) // it is not retained
	}
	if err := p.Send(t.Context(), []queue.Record{{Data: make([]byte, 64<<10+1)}}); affiliate.CodeOf(err) != affiliate.TooLarge {
		t.Errorf("a record of more than 64 KiB: %v", err)
	}
	if err := p.Send(t.Context(), nil); err != nil {
		t.Errorf("nothing is sent: %v", err)
	}
	q := b.queue(t, &Link{})
	s := Open(t, q, "")
	for n := 0; n < len(want); {
		for _, r := range take(t, s, 1000).Records {
			if !bytes.Equal(r, want[n]) {
				t.Fatalf("record %d has %d bytes, want %d, or others", n, len(r), len(want[n]))
			}
			n++
		}
	}
}

func sendAway(t *testing.T, open func(*testing.T, Setup) Broker) { sendWithout(t, open, (*Link).Cut) }

func sendSilent(t *testing.T, open func(*testing.T, Setup) Broker) {
	sendWithout(t, open, (*Link).Silence)
}

// sendWithout sends while the broker cannot be heard, and when it is there again.
func sendWithout(t *testing.T, open func(*testing.T, Setup) Broker, interrupt func(*Link)) {
	b := open(t, Setup{Partitions: 2})
	link := &Link{}
	p := b.producer(t, link)
	Send(t, p, 0, 10)
	interrupt(link)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	if err := p.Send(ctx, []queue.Record{{Data: []byte("x")}}); err == nil {
		t.Fatal("Send has succeeded without a broker")
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("Send has taken %v, its context one second", d)
	}
	link.Mend()
	Eventually(t, 30*time.Second, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return p.Send(ctx, []queue.Record{{Data: []byte("y")}})
	})
}

func sendClosed(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 1})
	p := b.producer(t, &Link{})
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Send(t.Context(), []queue.Record{{Data: []byte("x")}}); !errors.Is(err, queue.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
