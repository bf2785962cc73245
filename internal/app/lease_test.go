package app

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/store/sqlite"
)

// What is done once for all has one holder at a time.
func TestLease(t *testing.T) {
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	holder := func() *leaseholder {
		return newLeaseholder(db, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	}
	first, second := holder(), holder()
	take := func(l *leaseholder, want bool) {
		t.Helper()
		if held, err := l.take(t.Context()); err != nil || held != want {
			t.Fatalf("held %t, %v, want %t", held, err, want)
		}
	}
	take(first, true)
	take(second, false)
	now = now.Add(leaseFor - time.Second)
	take(first, true) // renewed
	now = now.Add(leaseFor - time.Second)
	take(second, false)
	now = now.Add(time.Second)
	take(second, true) // the first is dead, or paused
	take(first, false)
	second.giveBack(t.Context())
	take(first, true)
}

// Work ends when its holder has lost the lease, and nobody else began before.
func TestWorkUnderALease(t *testing.T) {
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	var mu sync.Mutex
	working := map[string]bool{}
	work := func(name string) func(context.Context) {
		return func(ctx context.Context) {
			mu.Lock()
			if len(working) > 0 {
				t.Errorf("%s works while %v do", name, working)
			}
			working[name] = true
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			delete(working, name)
			mu.Unlock()
		}
	}
	works := func(name string) bool {
		mu.Lock()
		defer mu.Unlock()
		return working[name]
	}
	run := func(name string) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			newLeaseholder(db, time.Now, slog.New(slog.DiscardHandler)).run(ctx, work(name))
		}()
		return func() { cancel(); <-done }
	}
	stopFirst := run("first")
	waitFor(t, func() bool { return works("first") })
	stopSecond := run("second")
	defer stopSecond()
	time.Sleep(50 * time.Millisecond)
	if works("second") {
		t.Fatal("both work")
	}
	stopFirst() // gives it back
	waitFor(t, func() bool { return works("second") })
}
