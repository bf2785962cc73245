package queuetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/queue"
)

const (
	trafficSenders = 3
	trafficEach    = 20 // records of a Send
	// trafficPatience is for servers that come back on a busy machine, and for what waits until
	// they are known to be away.
	trafficPatience = 2 * time.Minute
)

// Traffic is what goes through a broker while a test breaks it: several senders send numbered
// records without pause, and readers collect them. A Send that fails is made again, as by
// the pipeline's Shipper.
type Traffic struct {
	producer queue.Producer
	readers  []queue.Queue
	vault    *vault
	stop     chan struct{}
	sending  sync.WaitGroup
	end      func() // stops the senders and waits for them

	mu      sync.Mutex
	senders [trafficSenders]senderState
	given   map[int]int // how often a record was given to Send, where that is not once
	trouble error       // of the last Send that failed
}

// senderState counts the records of one sender. Each is sent after the one before was
// acknowledged.
type senderState struct {
	acknowledged, collected int // from its first on, without a gap
	failures                int // of Send
}

// StartTraffic begins at once. It ends with the test.
func StartTraffic(t *testing.T, p queue.Producer, readers ...queue.Queue) *Traffic {
	f := &Traffic{producer: p, readers: readers, vault: newVault(), stop: make(chan struct{}), given: map[int]int{}}
	for _, q := range readers {
		collect(t, q, f.vault)
	}
	for s := range trafficSenders {
		f.sending.Go(func() { f.send(s) })
	}
	f.end = sync.OnceFunc(func() {
		close(f.stop)
		f.sending.Wait()
	})
	t.Cleanup(f.end)
	return f
}

// numberOf is the number of the i-th record of a sender.
func numberOf(sender, i int) int { return i*trafficSenders + sender }

func (f *Traffic) send(sender int) {
	for first := 0; ; first += trafficEach {
		records := make([]queue.Record, trafficEach)
		for i := range records {
			n := numberOf(sender, first+i)
			records[i] = queue.Record{Key: uint64(n), Data: []byte(numbered(n))}
		}
		for times := 1; ; times++ {
			select {
			case <-f.stop:
				return
			default:
			}
			err := f.producer.Send(context.Background(), records)
			f.note(sender, first, times, err)
			if err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func (f *Traffic) note(sender, first, times int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.senders[sender]
	if err != nil {
		s.failures++
		f.trouble = err
	} else {
		s.acknowledged = first + trafficEach
	}
	for i := first; i < first+trafficEach && times > 1; i++ {
		f.given[numberOf(sender, i)] = times
	}
}

// state is how far each sender is.
func (f *Traffic) state() [trafficSenders]senderState {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.vault.mu.Lock()
	defer f.vault.mu.Unlock()
	for n := range f.senders {
		for s := &f.senders[n]; f.vault.times[numbered(numberOf(n, s.collected))] > 0; {
			s.collected++
		}
	}
	return f.senders
}

// until waits until it is so for each sender.
func (f *Traffic) until(t *testing.T, what string, so func(before, now senderState) bool) {
	t.Helper()
	before, began := f.state(), time.Now()
	Eventually(t, trafficPatience, func() error {
		for n, now := range f.state() {
			if !so(before[n], now) {
				f.mu.Lock()
				defer f.mu.Unlock()
				return fmt.Errorf("%s: not so for sender %d: %+v, before %+v; the last error of a Send: %v", what, n, now, before[n], f.trouble)
			}
		}
		return nil
	})
	t.Logf("%s after %v", what, time.Since(began).Round(100*time.Millisecond))
}

// GoesOn waits until everything that was acknowledged has been collected, and more.
func (f *Traffic) GoesOn(t *testing.T, when string) {
	t.Helper()
	f.until(t, when+", it goes on", func(before, now senderState) bool { return now.collected > before.acknowledged+200 })
}

// Waits waits until no Send succeeds any more, and sees that this stays so.
func (f *Traffic) Waits(t *testing.T, when string) {
	t.Helper()
	failed := func(before, now senderState) bool { return now.failures > before.failures }
	f.until(t, when+", sending fails", failed)
	before := f.state()
	f.until(t, when+", it fails again", failed)
	for n, now := range f.state() {
		if now.acknowledged != before[n].acknowledged {
			t.Errorf("%s: records %d to %d of sender %d are acknowledged", when, before[n].acknowledged, now.acknowledged, n)
		}
	}
}

// End ends the senders and waits until the readers have everything, from the given number
// of sources. What was acknowledged is there, and what is there several times was sent as often.
func (f *Traffic) End(t *testing.T, sources int) {
	t.Helper()
	f.end()
	f.until(t, "at the end, all is there", func(_, now senderState) bool { return now.collected >= now.acknowledged })
	shared(t, sources, f.readers...)
	f.vault.mu.Lock()
	defer f.vault.mu.Unlock()
	twice := 0
	for record, times := range f.vault.times {
		var n int
		if _, err := fmt.Sscanf(record, "record %d", &n); err != nil {
			t.Fatalf("%q was not sent", record)
		}
		if most := max(1, f.given[n]); times > most {
			t.Errorf("%q is there %d times and was sent %d times", record, times, most)
		}
		if times > 1 {
			twice++
		}
	}
	t.Logf("%d records are there, %d of them more than once; %d were sent more than once; %d batches were refused",
		len(f.vault.times), twice, len(f.given), f.vault.refused)
}

// Stored is how many records the readers have taken and stored, each time counted.
func (f *Traffic) Stored() int {
	f.vault.mu.Lock()
	defer f.vault.mu.Unlock()
	all := 0
	for _, times := range f.vault.times {
		all += times
	}
	return all
}
