package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store/engine"
)

// enter lets somebody in and fails the test when that is refused.
func enter(t *testing.T, in func() (func(), error)) (leave func()) {
	t.Helper()
	leave, err := in()
	if err != nil {
		t.Fatal(err)
	}
	return leave
}

func TestUpdatesAreAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := engine.NewGate("the store")
		ctx, cancel := context.WithCancel(t.Context())
		alone := func() (func(), error) { return g.EnterAlone(ctx) }
		first := enter(t, alone)
		enter(t, g.Enter)() // others pass beside it

		entered := false
		var second sync.WaitGroup
		second.Go(func() {
			leave := enter(t, alone)
			entered = true
			leave()
		})
		synctest.Wait()
		if entered {
			t.Error("two are within")
		}
		first()
		second.Wait()

		first = enter(t, alone)
		cancel()
		if _, err := g.EnterAlone(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting ended with %v", err)
		}
		first()
		g.Close() // hangs should the one that gave up count as within
	})
}

func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := engine.NewGate("the store")
		until, stop := g.Until(t.Context())
		defer stop()
		leave := enter(t, g.Enter)

		closed := make(chan bool, 2)
		for range cap(closed) {
			go func() { closed <- g.Close() }()
		}
		synctest.Wait()
		if len(closed) > 0 {
			t.Error("Close has left somebody within")
		}
		_, refusal := g.Enter()
		if affiliate.CodeOf(refusal) != affiliate.Unavailable || refusal.Error() != "the store is closed" {
			t.Errorf("a closing store says %v", refusal)
		}
		if cause := context.Cause(until); cause != refusal {
			t.Errorf("who need not be waited for goes on, or goes because of %v", cause)
		}
		leave()
		if first, second := <-closed, <-closed; first == second {
			t.Error("the store is to be taken apart once")
		}
	})
}
