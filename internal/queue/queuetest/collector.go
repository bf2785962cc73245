package queuetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/queue"
)

// vault stands for the reports: it stores records together with the position they lead
// to, and takes a batch only when it begins where the last one ended.
type vault struct {
	storing time.Duration // how long it takes

	mu       sync.Mutex
	position map[string]string
	times    map[string]int // how often each record was stored
	from     map[string]string
	refused  int // batches that began elsewhere: somebody else had stored them
}

func newVault() *vault {
	return &vault{position: map[string]string{}, times: map[string]int{}, from: map[string]string{}}
}

func (v *vault) at(source string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.position[source]
}

func (v *vault) store(source string, b queue.Batch) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.position[source] != b.From {
		v.refused++
		return false
	}
	v.position[source] = b.To
	for _, r := range b.Records {
		v.times[string(r)]++
		v.from[string(r)] = source
	}
	return true
}

// refusals is how many batches were read by two.
func (v *vault) refusals() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.refused
}

// holds reports what is wrong while the records 0 … n-1 are not stored once each.
func (v *vault) holds(n int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range n {
		if times := v.times[numbered(i)]; times != 1 {
			return fmt.Errorf("%q is stored %d times; %d different ones of %d are there", numbered(i), times, len(v.times), n)
		}
	}
	if len(v.times) != n {
		return fmt.Errorf("%d different records are stored, not %d", len(v.times), n)
	}
	return nil
}

// collect reads whatever sources the queue has, as the collector does, until the test
// ends.
func collect(t *testing.T, q queue.Queue, v *vault) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		var mu sync.Mutex
		open := map[string]bool{}
		for ctx.Err() == nil {
			names, err := q.Sources(ctx)
			if errors.Is(err, queue.ErrClosed) {
				return
			}
			for _, name := range names { // none after an error, such as a broken connection
				mu.Lock()
				busy := open[name]
				open[name] = true
				mu.Unlock()
				if busy {
					continue
				}
				running.Go(func() {
					readSource(ctx, t, q, name, v)
					mu.Lock()
					delete(open, name)
					mu.Unlock()
				})
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

func readSource(ctx context.Context, t *testing.T, q queue.Queue, name string, v *vault) {
	s, err := q.Open(ctx, name, v.at(name))
	if err != nil {
		return // it is tried again while it is listed
	}
	defer func() { _ = s.Close() }()
	unlessOver := func(what string, err error) {
		if ctx.Err() == nil && !errors.Is(err, queue.ErrMoved) && !errors.Is(err, queue.ErrClosed) {
			t.Errorf("%s of %s: %v", what, name, err)
		}
	}
	for {
		b, err := s.Take(ctx, 100)
		if err != nil {
			unlessOver("Take", err)
			return
		}
		time.Sleep(v.storing)
		if !v.store(name, b) {
			return
		}
		if err := s.Commit(ctx, b.To); err != nil {
			unlessOver("Commit", err)
		}
	}
}
