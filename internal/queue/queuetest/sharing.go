package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/queue"
)

// shared waits until the readers have n sources together, each at least one and no two
// the same.
func shared(t *testing.T, n int, readers ...queue.Queue) {
	t.Helper()
	Eventually(t, 40*time.Second, func() error {
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
	v.storing = 1500 * time.Millisecond // longer than a broker takes to move a source
	sent, enough := 0, make(chan struct{})
	var sender sync.WaitGroup
	sender.Go(func() {
		for {
			if err := send(t.Context(), p, sent, sent+10); err != nil {
				t.Error(err)
				return
			}
			sent += 10
			select {
			case <-enough:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	var readers []queue.Queue
	for range 3 {
		q := b.queue(t, &Link{})
		readers = append(readers, q)
		collect(t, q, v)
		shared(t, 6, readers...)
	}
	close(enough)
	sender.Wait()
	Eventually(t, 30*time.Second, func() error { return v.holds(sent) })
	if n := v.refusals(); n > 0 {
		t.Errorf("%d batches were read by two readers", n)
	}
}

// pair is two readers of a topic with four partitions. One is about to leave and has a
// source open; what it gives up is collected by the other.
type pair struct {
	link          *Link // of the one that leaves
	leaver, other queue.Queue
	source        queue.Source // of the one that leaves
	producer      queue.Producer
	vault         *vault // of the other
}

func openPair(t *testing.T, open func(*testing.T, Setup) Broker) pair {
	b := open(t, Setup{Partitions: 4})
	p := pair{link: &Link{}, vault: newVault(), producer: b.producer(t, &Link{})}
	p.leaver, p.other = b.queue(t, p.link), b.queue(t, &Link{})
	shared(t, 4, p.leaver, p.other)
	collect(t, p.other, p.vault)
	p.source = Open(t, p.leaver, "")
	return p
}

// expectHandover waits until the other reader has everything.
func (p pair) expectHandover(t *testing.T) {
	t.Helper()
	shared(t, 4, p.other)
	Eventually(t, 30*time.Second, func() error { return p.vault.holds(1000) })
}

func closes(t *testing.T, open func(*testing.T, Setup) Broker) {
	p := openPair(t, open)
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := p.source.Take(context.Background(), 10); err != nil {
				ended <- err
				return
			}
		}
	}()
	Send(t, p.producer, 0, 1000)
	if err := p.leaver.Close(); err != nil {
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
	p.expectHandover(t)
}

func cutOff(t *testing.T, open func(*testing.T, Setup) Broker) {
	p := openPair(t, open)
	p.link.Cut()
	Send(t, p.producer, 0, 1000)
	p.expectHandover(t)
	p.link.Mend() // by now, if not before, the broker tells that it was another's turn
	ExpectMoved(t, p.source, 40*time.Second)
	shared(t, 4, p.leaver, p.other)
}

// deaf: nothing comes and nothing breaks, as when a machine between them is gone. The
// reader has to stop by itself, since others take over.
func deaf(t *testing.T, open func(*testing.T, Setup) Broker) {
	p := openPair(t, open)
	p.link.Silence()
	Send(t, p.producer, 0, 1000)
	ExpectMoved(t, p.source, 30*time.Second)
	p.expectHandover(t)
	p.link.Mend()
	shared(t, 4, p.leaver, p.other)
}
