package queuetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/queue"
)

// Traffic is records that are sent and stored while something happens to the broker. They
// are numbered. As the Shipper does, it sends those of a Send that failed again, until they
// are taken, and none before them.
type Traffic struct {
	readers []queue.Queue
	sources int
	vault   *vault
	stop    func() // and waits

	mu      sync.Mutex
	sent    int          // records that the broker has taken
	again   map[int]bool // those that were sent more than once
	trouble error        // of the last Send
}

// StartTraffic has a producer send and readers collect until the test ends. They have so
// many sources together.
func StartTraffic(t *testing.T, p queue.Producer, sources int, readers ...queue.Queue) *Traffic {
	f := &Traffic{readers: readers, sources: sources, vault: newVault(), again: map[int]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	var sender sync.WaitGroup
	f.stop = func() {
		cancel()
		sender.Wait()
	}
	t.Cleanup(f.stop)
	sender.Go(func() { f.send(ctx, p) })
	for _, q := range readers {
		collect(t, q, f.vault)
	}
	return f
}

// send goes on until ctx ends.
func (f *Traffic) send(ctx context.Context, p queue.Producer) {
	const each = 20
	for from := 0; ctx.Err() == nil; from += each {
		for {
			err := send(context.Background(), p, from, from+each)
			f.note(from, each, err)
			if err == nil || ctx.Err() != nil {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(4 * time.Millisecond) // the records are kept in memory
	}
}

func (f *Traffic) note(from, n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.trouble = err; err == nil {
		f.sent = from + n
		return
	}
	for i := range n {
		f.again[from+i] = true
	}
}

func (f *Traffic) state() (sent int, trouble error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent, f.trouble
}

// GoesOn waits until as many new records are sent, whatever was sent is stored, and each
// source has one reader and each reader a source.
func (f *Traffic) GoesOn(t *testing.T, when string) {
	t.Helper()
	began := time.Now()
	f.advance(t, when)
	shared(t, f.sources, f.readers...)
	t.Logf("%s: it goes on after %v", when, time.Since(began).Round(100*time.Millisecond))
}

// advance waits until new records are sent and stored, by whatever reader.
func (f *Traffic) advance(t *testing.T, when string) {
	t.Helper()
	before, _ := f.state()
	Eventually(t, 90*time.Second, func() error {
		sent, trouble := f.state()
		if stored := f.vault.upTo(); stored < before+500 {
			return fmt.Errorf("%s: %d records are sent, before it were %d; those before %d are stored; %v", when, sent, before, stored, trouble)
		}
		return nil
	})
}

// Waits checks that nothing is sent for a while.
func (f *Traffic) Waits(t *testing.T, when string, d time.Duration) {
	t.Helper()
	before, _ := f.state()
	time.Sleep(d)
	if sent, _ := f.state(); sent > before {
		t.Errorf("%s: %d records are said to be sent", when, sent-before)
	}
}

// End sends no more and checks what has come: whatever was sent, and only what was sent
// again more than once.
func (f *Traffic) End(t *testing.T) {
	t.Helper()
	f.stop()
	sent, trouble := f.state()
	if trouble != nil {
		t.Fatalf("the last records were not sent: %v", trouble)
	}
	Eventually(t, 30*time.Second, func() error { return f.vault.holdsAgain(sent, f.again) })
	t.Logf("%d records, %d of them sent again, %d batches refused", sent, len(f.again), f.vault.refusals())
}
