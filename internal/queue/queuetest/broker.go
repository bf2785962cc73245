package queuetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/queue"
)

// Broker is a topic of its own, with nothing in it.
type Broker struct {
	OpenQueue    func(ctx context.Context, over *Link) (queue.Queue, error)
	OpenProducer func(ctx context.Context, over *Link) (queue.Producer, error)
	// Expire waits until the broker has removed the older records, after far more was
	// sent than Setup.RetentionBytes.
	Expire func(t *testing.T)
}

// Setup is how the topic is to be.
type Setup struct {
	Partitions     int
	RetentionBytes int64 // of each partition, 0 for no limit; the broker may keep several times as much
}

// RunBroker checks what is asked of queues that several processes read, over a network.
// They pass Run as well.
func RunBroker(t *testing.T, open func(t *testing.T, s Setup) Broker) {
	for name, test := range map[string]func(*testing.T, func(*testing.T, Setup) Broker){
		"what is sent once is read once":                sentOnce,
		"equal keys come out of one source, in order":   equalKeys,
		"readers share the sources":                     share,
		"a reader that closes hands over":               closes,
		"a reader that is cut off hands over":           cutOff,
		"a reader that hears nothing stops":             deaf,
		"positions are good for another reader":         positions,
		"Send fails while the broker is away":           sendAway,
		"Send ends with its context in a silent broker": sendSilent,
		"records of all lengths":                        lengths,
		"what retention has removed is lost":            lost,
		"Send after Close":                              sendClosed,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

func (b Broker) queue(t *testing.T, over *Link) queue.Queue {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	q, err := b.OpenQueue(ctx, over)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

func (b Broker) producer(t *testing.T, over *Link) queue.Producer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p, err := b.OpenProducer(ctx, over)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// send sends the records from to to-1, with as many different keys.
func send(t *testing.T, p queue.Producer, from, to int) {
	t.Helper()
	records := make([]queue.Record, 0, to-from)
	for i := from; i < to; i++ {
		records = append(records, queue.Record{Key: uint64(i), Data: []byte(numbered(i))})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.Send(ctx, records); err != nil {
		t.Fatal(err)
	}
}

func sentOnce(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 6})
	p := b.producer(t, &Link{})
	var senders sync.WaitGroup
	for s := range 4 {
		senders.Go(func() {
			for n := range 5 {
				from := (s*5 + n) * 500
				send(t, p, from, from+500)
			}
		})
	}
	v := newVault()
	stop := collect(t, b.queue(t, &Link{}), v)
	defer stop()
	senders.Wait()
	eventually(t, 30*time.Second, func() error { return v.holds(10_000) })
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
	defer cancel()
	used := map[string]bool{}
	left := keys * each
	for _, name := range sourcesOf(t, q) {
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

func sourcesOf(t *testing.T, q queue.Queue) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	names, err := q.Sources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// shared waits until the readers have n sources together, each at least one and no two
// the same.
func shared(t *testing.T, n int, readers ...queue.Queue) {
	t.Helper()
	eventually(t, 40*time.Second, func() error {
		var all []string
		for i, q := range readers {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			names, err := q.Sources(ctx)
			cancel()
			if err != nil {
				return err
			}
			if len(names) < n/len(readers) {
				return fmt.Errorf("reader %d of %d has %q", i, len(readers), names)
			}
			all = append(all, names...)
		}
		slices.Sort(all)
		if different := slices.Compact(slices.Clone(all)); len(all) != n || len(different) != n {
			return fmt.Errorf("the readers have %q, want %d different ones", all, n)
		}
		return nil
	})
}

// share has readers join one after the other while records are sent, and storing takes a
// while: none is read twice, which means that no source moves before what was taken from
// it is stored.
func share(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 6})
	p := b.producer(t, &Link{})
	v := newVault()
	v.storing = 700 * time.Millisecond
	sent, enough := 0, make(chan struct{})
	var sender sync.WaitGroup
	sender.Go(func() {
		for {
			send(t, p, sent, sent+10)
			sent += 10
			select {
			case <-enough:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	var readers []queue.Queue
	for range 3 {
		q := b.queue(t, &Link{})
		readers = append(readers, q)
		defer collect(t, q, v)()
		shared(t, 6, readers...)
	}
	close(enough)
	sender.Wait()
	eventually(t, 30*time.Second, func() error { return v.holds(sent) })
	if n := v.refusals(); n > 0 {
		t.Errorf("%d batches were read by two readers", n)
	}
}

func closes(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 4})
	p := b.producer(t, &Link{})
	leaver, stayer := b.queue(t, &Link{}), b.queue(t, &Link{})
	shared(t, 4, leaver, stayer)
	v := newVault()
	defer collect(t, stayer, v)()
	s, err := leaver.Open(t.Context(), sourcesOf(t, leaver)[0], "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := s.Take(context.Background(), 10); err != nil {
				ended <- err
				return
			}
		}
	}()
	send(t, p, 0, 1000)
	if err := leaver.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, queue.ErrClosed) && !errors.Is(err, queue.ErrMoved) {
			t.Errorf("Take of a source that was handed over: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Take does not end when its queue closes")
	}
	shared(t, 4, stayer)
	eventually(t, 30*time.Second, func() error { return v.holds(1000) })
}

func cutOff(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 4})
	p := b.producer(t, &Link{})
	link := &Link{}
	lost, other := b.queue(t, link), b.queue(t, &Link{})
	shared(t, 4, lost, other)
	v := newVault()
	defer collect(t, other, v)()
	s, err := lost.Open(t.Context(), sourcesOf(t, lost)[0], "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	link.Cut()
	send(t, p, 0, 1000)
	shared(t, 4, other)
	eventually(t, 30*time.Second, func() error { return v.holds(1000) })

	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	link.Mend() // by now, if not before, the broker tells that it was another's turn
	for {
		if _, err = s.Take(ctx, 10); err != nil {
			break
		}
	}
	if !errors.Is(err, queue.ErrMoved) {
		t.Errorf("Take of a source that another reads: %v", err)
	}
	shared(t, 4, lost, other)
}

// deaf: nothing comes and nothing breaks, as when a machine between them is gone. The
// reader has to stop by itself, since others take over.
func deaf(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 4})
	p := b.producer(t, &Link{})
	link := &Link{}
	lost, other := b.queue(t, link), b.queue(t, &Link{})
	shared(t, 4, lost, other)
	v := newVault()
	defer collect(t, other, v)()
	s, err := lost.Open(t.Context(), sourcesOf(t, lost)[0], "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	link.Silence()
	send(t, p, 0, 1000)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		if _, err = s.Take(ctx, 10); err != nil {
			break
		}
	}
	if !errors.Is(err, queue.ErrMoved) {
		t.Errorf("Take of a reader that hears nothing: %v", err)
	}
	shared(t, 4, other)
	eventually(t, 30*time.Second, func() error { return v.holds(1000) })
	link.Mend()
	shared(t, 4, lost, other)
}

func positions(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 1})
	p := b.producer(t, &Link{})
	send(t, p, 0, 1000)
	at, next := "", 0
	for n := range 4 {
		q := b.queue(t, &Link{})
		eventually(t, 30*time.Second, func() error {
			if len(sourcesOf(t, q)) != 1 {
				return errors.New("the next reader has no source")
			}
			return nil
		})
		s, err := q.Open(t.Context(), sourcesOf(t, q)[0], at)
		if err != nil {
			t.Fatal(err)
		}
		for limit := next + 250; next < limit; {
			batch := take(t, s, min(7, limit-next))
			if batch.From != at {
				t.Fatalf("reader %d: a batch begins at %q instead of %q", n, batch.From, at)
			}
			for _, r := range batch.Records {
				if string(r) != numbered(next) {
					t.Fatalf("reader %d: got %q, want %q", n, r, numbered(next))
				}
				next++
			}
			at = batch.To
		}
		if n := s.Lost(); n != 0 {
			t.Errorf("%d records are said to be lost", n)
		}
		_ = s.Close()
		_ = q.Close()
	}
}

func sendAway(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 2})
	link := &Link{}
	p := b.producer(t, link)
	send(t, p, 0, 10)
	link.Cut()
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
	eventually(t, 30*time.Second, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return p.Send(ctx, []queue.Record{{Data: []byte("y")}})
	})
}

func sendSilent(t *testing.T, open func(*testing.T, Setup) Broker) {
	b := open(t, Setup{Partitions: 2})
	link := &Link{}
	p := b.producer(t, link)
	send(t, p, 0, 10)
	link.Silence()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	if err := p.Send(ctx, []queue.Record{{Data: []byte("x")}}); err == nil {
		t.Fatal("Send has succeeded with a silent broker")
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("Send has taken %v, its context one second", d)
	}
	link.Mend()
	eventually(t, 30*time.Second, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return p.Send(ctx, []queue.Record{{Data: []byte("y")}})
	})
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
	s, err := q.Open(t.Context(), sourcesOf(t, q)[0], "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for n := 0; n < len(want); {
		for _, r := range take(t, s, 1000).Records {
			if !bytes.Equal(r, want[n]) {
				t.Fatalf("record %d has %d bytes, want %d, or others", n, len(r), len(want[n]))
			}
			n++
		}
	}
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
	s, err := q.Open(t.Context(), sourcesOf(t, q)[0], "")
	if err != nil {
		t.Fatal(err)
	}
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
	if s, err = q.Open(t.Context(), sourcesOf(t, q)[0], at); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
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
