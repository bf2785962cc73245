package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// channel is where the server tells that changes were committed.
func channel(schema string) string { return "sluice_" + schema }

// How long to wait before a lost connection is tried again.
const (
	watchAgainFirst = 100 * time.Millisecond
	watchAgainMost  = 5 * time.Second
)

// Watch listens on a connection of its own. The server queues what it has to tell, so a slow fn delays nobody,
// and is called once for all that came meanwhile.
func (s *Store) Watch(ctx context.Context, fn func()) error {
	leave, err := s.gate.Enter()
	if err != nil {
		return err
	}
	leave() // Close ends it and does not wait for it
	ctx, stop := s.gate.Until(ctx)
	defer stop()
	news := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.listenAlways(ctx, news)
	}()
	defer func() { <-done }()
	defer stop() // also when fn panics
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-news:
			fn()
		}
	}
}

// listenAlways listens until ctx ends, and connects again when it must.
func (s *Store) listenAlways(ctx context.Context, news chan<- struct{}) {
	wait := watchAgainFirst
	for lost := false; ; lost = true {
		err := s.listen(ctx, func() {
			if lost {
				s.logger.Info("the store tells of changes again", "database", s.place)
				lost = false
			}
			wait = watchAgainFirst
			select {
			case news <- struct{}{}:
			default: // fn has not come to the last one yet
			}
		})
		if ctx.Err() != nil {
			return
		}
		s.logger.Warn("the store cannot tell of other nodes' changes; it will be tried again", "database", s.place, "error", s.failure(err), "after", wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, watchAgainMost)
	}
}

// listen calls fn as soon as it would not miss anything any more, and whenever there is news.
func (s *Store) listen(ctx context.Context, fn func()) error {
	conn, err := pgx.ConnectConfig(ctx, s.watching.Copy())
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		_ = conn.Close(ending)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+channel(s.schema)); err != nil {
		return err
	}
	for {
		fn()
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}
