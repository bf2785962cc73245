package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// What one of the control nodes does for all of them is done by whoever holds a lease: a
// document in the store that says who, and until when. A holder that dies, or is cut off,
// loses it after leaseFor. Two may do the work for moments when their clocks differ
// by more than that, or one was paused: everything that is done under it may be done
// twice, it is only a waste, or a webhook that is delivered again.
const (
	leaseFor   = 15 * time.Second
	leaseRenew = 4 * time.Second
	leaseName  = "lease.books"
)

// lease is what the document says.
type lease struct {
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

// leaseholder runs something while it holds the lease.
type leaseholder struct {
	store  store.Store
	name   string // of this process
	now    func() time.Time
	logger *slog.Logger
}

func newLeaseholder(s store.Store, now func() time.Time, logger *slog.Logger) *leaseholder {
	return &leaseholder{store: s, name: rand.Text(), now: now, logger: logger}
}

// run calls work with a context that ends when the lease is lost, as often as it is taken,
// until ctx ends. Then it gives the lease back.
func (l *leaseholder) run(ctx context.Context, work func(context.Context)) {
	for ctx.Err() == nil {
		if held, err := l.take(ctx); err == nil && held {
			l.hold(ctx, work)
		}
		sleep(ctx, leaseRenew)
	}
}

// hold works and renews.
func (l *leaseholder) hold(ctx context.Context, work func(context.Context)) {
	working, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { work(working) })
	for held := l.now(); working.Err() == nil; {
		sleep(working, leaseRenew)
		if working.Err() != nil {
			break
		}
		if ok, err := l.take(ctx); err == nil && ok {
			held = l.now()
		} else if err == nil || l.now().Sub(held) > leaseFor-leaseRenew {
			l.logger.Warn("another control node settles what is due, delivers webhooks and keeps caps of clicks from now on", "reason", err)
			break
		}
	}
	stop()
	done.Wait()
	if ctx.Err() != nil {
		l.giveBack(context.WithoutCancel(ctx))
	}
}

// take takes or renews the lease, if nobody else has it.
func (l *leaseholder) take(ctx context.Context) (held bool, err error) {
	err = l.store.Update(ctx, func(w store.Writer) error {
		now := l.now()
		var there lease
		doc, err := w.Documents().Get(store.Setting, leaseName)
		if err == nil {
			if err := json.Unmarshal(doc.Body, &there); err != nil {
				return err
			}
		} else if affiliate.CodeOf(err) != affiliate.NotFound {
			return err
		}
		if held = there.Holder == l.name || !there.Until.After(now); !held {
			return nil
		}
		return l.put(w, lease{l.name, now.Add(leaseFor)})
	})
	return held && err == nil, err
}

func (l *leaseholder) put(w store.Writer, to lease) error {
	body, err := json.Marshal(to)
	if err != nil {
		return err
	}
	return w.Documents().Put(store.Setting, store.Document{Key: leaseName, Body: body})
}

// giveBack lets another take it at once.
func (l *leaseholder) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = l.store.Update(ctx, func(w store.Writer) error { return l.put(w, lease{}) }) // it ends by itself otherwise
}
