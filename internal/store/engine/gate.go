package engine

import (
	"context"
	"sync"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Gate is what the transactions of a store within one process pass. One Update is within at a time, and
// none is when the store is taken apart, nor enters afterwards.
type Gate struct {
	refusal error
	writing chan struct{} // holds one token: the right to write
	running sync.WaitGroup
	closing chan struct{} // closed by Close

	mu     sync.Mutex // guards closed, and the start of what running counts
	closed bool
}

// NewGate opens the gate of a store, whose name, "the store at ...", is for people.
func NewGate(name string) *Gate {
	g := &Gate{refusal: affiliate.Errorf(affiliate.Unavailable, "%s is closed", name),
		writing: make(chan struct{}, 1), closing: make(chan struct{})}
	g.writing <- struct{}{}
	return g
}

// Enter lets a transaction in until it calls leave. Unavailable: the store is closed.
func (g *Gate) Enter() (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, g.refusal
	}
	g.running.Add(1)
	return g.running.Done, nil
}

// EnterAlone is Enter of an Update, which waits until no other is within: as long as ctx lasts, whose error it
// returns otherwise.
func (g *Gate) EnterAlone(ctx context.Context) (leave func(), err error) {
	done, err := g.Enter()
	if err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		done()
		return nil, ctx.Err()
	case <-g.writing:
		return func() {
			g.writing <- struct{}{}
			done()
		}, nil
	}
}

// Until returns a context that ends with ctx, with stop, and as soon as the store is being closed; its cause
// is then the error of Enter. It is for what need not be waited for.
func (g *Gate) Until(ctx context.Context) (until context.Context, stop func()) {
	until, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-until.Done():
		case <-g.closing:
			cancel(g.refusal)
		}
	}()
	return until, func() { cancel(nil) }
}

// Close lets nobody in any more and waits for those within. The first to call it takes the store apart.
func (g *Gate) Close() (first bool) {
	g.mu.Lock()
	first = !g.closed
	g.closed = true
	g.mu.Unlock()
	if first {
		close(g.closing)
	}
	g.running.Wait()
	return first
}
