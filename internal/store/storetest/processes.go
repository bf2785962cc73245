package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// RunProcesses runs the part of the suite for engines whose stores several processes write to: a place may be open more
// than once, and its stores are Notifiers.
func RunProcesses(t *testing.T, place func(t *testing.T) string, open Open) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, a, b store.Store)
	}{
		{"updates of two stores run one at a time", testTwoStores},
		{"a view of one store is one moment of both", testViewOfTwo},
		{"an update of one store keeps the other waiting", testWaitForOther},
		{"watch", testWatch},
		{"a slow watcher", testSlowWatch},
		{"the end of a watch", testWatchEnds},
	} {
		t.Run(test.name, func(t *testing.T) {
			where := place(t)
			a, b := open(t, where), open(t, where)
			t.Cleanup(func() {
				if err := errors.Join(a.Close(), b.Close()); err != nil {
					t.Errorf("closing: %v", err)
				}
			})
			test.run(t, a, b)
		})
	}
}

// testTwoStores counts in a document, takes ids, numbers changes and posts from two stores at once.
func testTwoStores(t *testing.T, a, b store.Store) {
	const rounds = 40
	round := func(w store.Writer, who string, i int) error {
		if err := increment(w); err != nil {
			return err
		}
		l := link("main", fmt.Sprintf("%s-%d", who, i))
		add(t, w, l)
		if err := w.Changes().Append([]store.Change{{Kind: "link", Key: who}, {Kind: "link", Key: who}}); err != nil {
			return err
		}
		_, err := w.Books().Post([]ledger.Posting{posting(fmt.Sprint("both-", i), day, "s", move("x", "y", 1)), posting(fmt.Sprint(who, i), day, "s", move("x", "y", 100))})
		return err
	}
	errs := make(chan error, 4)
	for who, s := range map[string]store.Store{"a": a, "b": b} {
		for half := range 2 {
			go func() {
				for i := half; i < rounds; i += 2 {
					if err := s.Update(t.Context(), func(w store.Writer) error { return round(w, who, i) }); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	err := b.View(t.Context(), func(r store.Reader) error {
		doc, err := r.Documents().Get(store.Setting, "n")
		n, err2 := r.Links().Count(store.LinkQuery{})
		changes, err3 := r.Changes().Find(store.ChangeQuery{Limit: 1000})
		held, err4 := r.Books().Balance("y", time.Time{})
		trial, err5 := r.Books().Trial()
		if string(doc.Body) != fmt.Sprint(2*rounds) || n != 2*rounds || len(changes) != 4*rounds || changes[len(changes)-1].Seq != 4*rounds {
			t.Errorf("of %d rounds: %s additions, %d links, %d changes", 2*rounds, doc.Body, n, len(changes))
		}
		for i := 0; i < len(changes); i += 2 {
			if changes[i].Key != changes[i+1].Key {
				t.Errorf("a change came between the two of one update: %+v", changes[i:i+2])
			}
		}
		wantSame(t, "the balance", held, []affiliate.Money{eur(rounds + 2*rounds*100)})
		wantSame(t, "trial", trial, []affiliate.Money{eur(0)})
		return errors.Join(err, err2, err3, err4, err5)
	})
	if err != nil {
		t.Error(err)
	}
}

func testViewOfTwo(t *testing.T, a, b store.Store) {
	err := a.View(t.Context(), func(r store.Reader) error {
		// Nothing was read yet, but the moment is that of the beginning.
		if err := b.Update(t.Context(), increment); err != nil {
			return err
		}
		_, err := r.Documents().Get(store.Setting, "n")
		wantCode(t, err, affiliate.NotFound)
		return nil
	})
	if err == nil {
		err = a.View(t.Context(), func(r store.Reader) error {
			_, err := r.Documents().Get(store.Setting, "n")
			return err
		})
	}
	if err != nil {
		t.Error(err)
	}
}

func testWaitForOther(t *testing.T, a, b store.Store) {
	err := a.Update(t.Context(), func(w store.Writer) error {
		if err := increment(w); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err := b.Update(ctx, func(store.Writer) error { return errors.New("it ran beside another") })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		return b.View(t.Context(), func(r store.Reader) error { // readers do not wait
			_, err := r.Documents().Get(store.Setting, "n")
			wantCode(t, err, affiliate.NotFound)
			return nil
		})
	})
	if err == nil {
		err = b.Update(t.Context(), increment)
	}
	if err != nil {
		t.Error(err)
	}
}

// watch counts the calls of a Watch that runs until the test ends, the first of which it has waited for.
func watch(t *testing.T, s store.Store) (calls chan struct{}) {
	t.Helper()
	calls = make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.(store.Notifier).Watch(ctx, func() { calls <- struct{}{} }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) && affiliate.CodeOf(err) != affiliate.Unavailable {
			t.Errorf("the watch ended with %v", err)
		}
	})
	wantCall(t, calls, "once it listens")
	return calls
}

// waitMost is long after what a test waits for should have happened.
const waitMost = 20 * time.Second

func wantCall(t *testing.T, calls <-chan struct{}, when string) {
	t.Helper()
	select {
	case <-calls:
	case <-time.After(waitMost):
		t.Fatalf("Watch did not call %s", when)
	}
}

func testWatch(t *testing.T, a, b store.Store) {
	calls, own := watch(t, a), watch(t, b)
	change := func(w store.Writer) error { return w.Changes().Append([]store.Change{{Kind: "link", Key: "1"}}) }
	if err := b.Update(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	wantCall(t, calls, "after a change of another store")
	wantCall(t, own, "after a change of its own")
	err := a.View(t.Context(), func(r store.Reader) error {
		last, err := r.Changes().Last()
		if last != 1 {
			t.Errorf("after the call the last change is %d, want 1", last)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	undone := errors.New("no, after all")
	if err := b.Update(t.Context(), func(w store.Writer) error { return errors.Join(change(w), undone) }); !errors.Is(err, undone) {
		t.Error(err)
	}
	if err := b.Update(t.Context(), func(w store.Writer) error {
		return w.Documents().Put(store.Session, store.Document{Key: "s", Body: json.RawMessage(`1`)})
	}); err != nil {
		t.Error(err)
	}
	if err := b.Update(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	wantCall(t, calls, "after the next change")
	select {
	case <-calls:
		t.Error("Watch called for an update that was undone or changed nothing that is in the log")
	case <-time.After(50 * time.Millisecond):
	}
}

// testSlowWatch makes changes while fn is at work: one more call has to follow, and few have to.
func testSlowWatch(t *testing.T, a, b store.Store) {
	entered, leave := make(chan struct{}, 100), make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- a.(store.Notifier).Watch(ctx, func() {
			entered <- struct{}{}
			select {
			case <-leave:
			case <-ctx.Done():
			}
		})
	}()
	defer func() {
		cancel()
		<-done
	}()
	wantCall(t, entered, "once it listens")
	for range 50 {
		if err := b.Update(t.Context(), func(w store.Writer) error { return w.Changes().Append([]store.Change{{Kind: "link"}}) }); err != nil {
			t.Fatal(err)
		}
	}
	if len(entered) > 0 {
		t.Error("two calls overlap")
	}
	leave <- struct{}{}
	wantCall(t, entered, "for what was changed meanwhile")
}

func testWatchEnds(t *testing.T, a, b store.Store) {
	why := errors.New("somebody wants to go home")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.(store.Notifier).Watch(ctx, func() { cancel(why) }) }()
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("a watch whose context ended says %v", err)
	}
	calls := make(chan struct{}, 1)
	go func() { done <- b.(store.Notifier).Watch(t.Context(), func() { calls <- struct{}{} }) }()
	wantCall(t, calls, "once it listens")
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	wantCode(t, <-done, affiliate.Unavailable)
	wantCode(t, b.(store.Notifier).Watch(t.Context(), func() {}), affiliate.Unavailable)
}
