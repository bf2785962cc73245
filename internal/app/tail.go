package app

import (
	"context"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/internal/store"
)

// tailEvery is how often the store is asked for changes when nobody has told of any.
const tailEvery = time.Second

// wake says that the store may have changes. It does not wait.
func (p *publisher) wake() {
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

// tail brings what any process has changed in the store into the table, until the context
// ends. A store that tells of changes is listened to; a connection that is lost, or a
// store that cannot tell, costs a second.
func (p *publisher) tail(ctx context.Context, s store.Store) {
	if n, ok := s.(store.Notifier); ok {
		p.rebuilds.Go(func() {
			for ctx.Err() == nil {
				if err := n.Watch(ctx, p.wake); err != nil && ctx.Err() == nil {
					p.logger.Warn("the store does not tell of changes; it is asked every second", "reason", err)
				}
				sleep(ctx, tailEvery)
			}
		})
	}
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	last := ""
	for {
		text := ""
		if err := p.catchUp(ctx); err != nil && ctx.Err() == nil {
			if text = err.Error(); text != last {
				p.logger.Error("changes of links cannot be read from the store; visitors are served from the table as it is", "reason", err)
			}
		}
		last = text
		select {
		case <-tick.C:
		case <-p.poke:
		case <-ctx.Done():
			return
		}
	}
}

// catchUp applies what the store has and the table has not. While the table is built anew
// there is nothing to add to it.
func (p *publisher) catchUp(ctx context.Context) error {
	if p.busy() {
		return nil
	}
	table := p.tables.Current().Seq()
	notices, last, err := p.catalog.Since(ctx, table)
	if err == nil && last < table && p.tables.Current().Seq() == table {
		return fmt.Errorf("the store knows changes up to %d, the routing table up to %d: the store was lost or rolled back, and is not obeyed. "+
			"Restore its newest backup; or, to go on with what it has, stop the control nodes, remove their folders table, start them, and run: sluice cluster republish", last, table)
	}
	if err != nil || len(notices) == 0 {
		return err
	}
	p.publish(notices)
	p.done()
	return nil
}

// sleep waits, shorter when the context ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
