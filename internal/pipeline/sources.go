package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/queue"
)

// openSource opens a source where the engine stands.
func (c *Collector) openSource(ctx context.Context, name string) error {
	position, err := c.options.Analytics.Position(ctx, name)
	if err != nil {
		return fmt.Errorf("the position of %s cannot be read from analytics: %w", name, err)
	}
	source, err := c.options.Queue.Open(ctx, name, position)
	if err != nil {
		return fmt.Errorf("the source %s cannot be opened at %q: %w", name, position, err)
	}
	c.closeSource(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources[name] = source
	return nil
}

// closeSource closes a source, which holds nothing that could be lost.
func (c *Collector) closeSource(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.sources[name]; old != nil {
		c.lost += old.Lost()
		_ = old.Close()
		delete(c.sources, name)
	}
}

// lookEvery is how often the queue is asked which sources there are.
const lookEvery = 500 * time.Millisecond

// Run collects from the sources that Open has opened, and from those that come to this
// process later, until the context ends or the queue is closed.
func (c *Collector) Run(ctx context.Context) {
	c.mu.Lock()
	names := slices.Collect(maps.Keys(c.sources))
	c.mu.Unlock()
	running := &running{names: map[string]bool{}}
	away := false // the queue was, when it was last asked
	for {
		for _, name := range names {
			if running.begin(name) {
				running.all.Go(func() { c.collect(ctx, name); running.end(name) })
			}
		}
		pause(ctx, lookEvery)
		if ctx.Err() != nil {
			break
		}
		var err error
		if names, err = c.options.Queue.Sources(ctx); errors.Is(err, queue.ErrClosed) {
			break
		}
		if err == nil {
			names, err = c.openNew(ctx, names, running)
		}
		switch {
		case err != nil && ctx.Err() == nil:
			c.report("the queue", err)
			away = true
		case err == nil && away: // there may be no click to say so
			c.trouble.Store(nil)
			away = false
		}
	}
	running.all.Wait()
}

// running are the sources that are being collected.
type running struct {
	all   sync.WaitGroup
	mu    sync.Mutex
	names map[string]bool
}

func (r *running) begin(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names[name] {
		return false
	}
	r.names[name] = true
	return true
}

func (r *running) end(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.names, name)
}

func (r *running) has(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names[name]
}

// openNew opens sources that have come to this process, and returns those that it
// could. Whoever had them before has stored visits that memory knows nothing of.
func (c *Collector) openNew(ctx context.Context, names []string, running *running) (opened []string, err error) {
	names = slices.DeleteFunc(names, running.has)
	if len(names) == 0 {
		return nil, nil
	}
	if err := c.learn(ctx); err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range names {
		err := c.openSource(ctx, name)
		if err == nil {
			opened = append(opened, name)
		} else if !errors.Is(err, queue.ErrMoved) {
			errs = append(errs, err)
		}
	}
	return opened, errors.Join(errs...)
}
