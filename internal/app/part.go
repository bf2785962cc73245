package app

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// part is what a process opens for as long as it takes while the rest of it goes on, such as
// its back office, or its way to the broker.
type part[T any] struct {
	opened  atomic.Pointer[T]
	trouble atomic.Pointer[string] // why it is not open
}

// get returns the part, or nil while it is not open.
func (p *part[T]) get() *T { return p.opened.Load() }

// begin makes it open.
func (p *part[T]) begin(t *T) {
	p.opened.Store(t)
	p.trouble.Store(nil)
}

// end returns the part, which is not open any more, or nil if it was not.
func (p *part[T]) end() *T { return p.opened.Swap(nil) }

// fault says why it could not be opened when that was last tried; "" while it was not, or is
// open.
func (p *part[T]) fault() string {
	if t := p.trouble.Load(); t != nil {
		return *t
	}
	return ""
}

// trial is how a part is tried to be opened.
type trial struct {
	without string        // what the log says is not done meanwhile
	most    time.Duration // between two tries
	final   func() bool   // says that a failure is not to be tried again; nil: it always is
	logger  *slog.Logger
}

// keepOpening tries until it is open, or the context ends: then it returns nil. The error is
// one that is final.
func (p *part[T]) keepOpening(ctx context.Context, t trial, open func(context.Context) (*T, error)) (*T, error) {
	for wait := time.Second; ; wait = min(2*wait, t.most) {
		opened, err := open(ctx)
		if err == nil {
			p.begin(opened)
			return opened, nil
		}
		if ctx.Err() != nil {
			return nil, nil
		}
		if t.final != nil && t.final() {
			return nil, err
		}
		text := err.Error()
		p.trouble.Store(&text)
		t.logger.Error(t.without, "reason", err, "next try in", wait)
		sleep(ctx, wait)
	}
}
