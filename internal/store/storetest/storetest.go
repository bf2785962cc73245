// Package storetest is the suite that every engine of store runs. It holds the
// engine to the prose of the contract, against whatever really keeps the data.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// Open opens the store of a place, such as a folder or a database's name. The same
// place opened again, after Close, holds what was stored in it.
type Open func(t *testing.T, place string) store.Store

// Run runs the suite. Every test has a place of its own.
func Run(t *testing.T, place func(t *testing.T) string, open Open) {
	tests := []test{
		{"documents", testDocuments},
		{"documents by prefix", testPrefix},
		{"sweep", testSweep},
		{"links", testLinks},
		{"names are unique per site", testTaken},
		{"large batch", testLargeBatch},
		{"ids are not reused", testIDs},
		{"find", testFind},
		{"find pages", testPages},
		{"find inside find", testNested},
		{"changes", testChanges},
		{"an error leaves nothing", testRollback},
		{"a panic leaves nothing", testPanic},
		{"the end of the context leaves nothing", testCancelled},
		{"waiting ends with the context", testWaiting},
		{"a view is one moment", testSnapshot},
		{"updates run one at a time", testSerial},
		{"what is stored stays", testReopen},
		{"closed", testClosed},
		{"every byte", testBytes},
		{"bytes handed in are not kept", testNotKept},
	}
	for _, test := range append(tests, booksTests...) {
		t.Run(test.name, func(t *testing.T) {
			s := &suite{T: t, place: place(t), open: open}
			s.Store = open(t, s.place)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("closing: %v", err)
				}
			})
			test.run(t, s)
		})
	}
}

type test struct {
	name string
	run  func(t *testing.T, s *suite)
}

// suite is one test's store.
type suite struct {
	*testing.T
	store.Store
	place string
	open  Open
}

// update and view fail the test on an error.
func (s *suite) update(fn func(w store.Writer) error) {
	s.Helper()
	if err := s.Store.Update(s.Context(), fn); err != nil {
		s.Fatal(err)
	}
}

func (s *suite) view(fn func(r store.Reader) error) {
	s.Helper()
	if err := s.Store.View(s.Context(), fn); err != nil {
		s.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code affiliate.Code) {
	t.Helper()
	if err == nil || affiliate.CodeOf(err) != code {
		t.Errorf("got the error %v, want one of code %q", err, code)
	}
}

// add inserts links with fresh ids and fails the test when a name is taken.
func add(t *testing.T, w store.Writer, links ...affiliate.Link) []affiliate.Link {
	t.Helper()
	first, err := w.Links().Reserve(len(links))
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]store.Link, len(links))
	for i := range links {
		links[i].ID = first + int64(i)
		rows[i] = row(&links[i])
	}
	if taken, err := w.Links().Insert(rows); err != nil || len(taken) > 0 {
		t.Fatal(taken, err)
	}
	return links
}

func row(l *affiliate.Link) store.Link {
	body, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	return store.Link{Link: l, Body: body}
}

func link(site, slug string) affiliate.Link {
	return affiliate.Link{Site: site, Slug: slug, Status: affiliate.Active, Code: 302, Version: 1,
		Destinations: []affiliate.Destination{{ID: "a", URL: "https://shop.example/" + slug, Weight: 1}}}
}

func testRollback(t *testing.T, s *suite) {
	want := errors.New("no, after all")
	err := s.Store.Update(t.Context(), func(w store.Writer) error {
		writeALot(t, w)
		return want
	})
	if !errors.Is(err, want) {
		t.Errorf("the function's error came back as %v", err)
	}
	wantEmpty(t, s)
}

func testPanic(t *testing.T, s *suite) {
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = s.Store.Update(t.Context(), func(w store.Writer) error {
			writeALot(t, w)
			panic("BUG")
		})
	}()
	wantEmpty(t, s)
}

func testCancelled(t *testing.T, s *suite) {
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Store.Update(ctx, func(w store.Writer) error {
		writeALot(t, w)
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	wantEmpty(t, s)
}

func writeALot(t *testing.T, w store.Writer) {
	t.Helper()
	if err := w.Documents().Put(store.Site, store.Document{Key: "main", Body: json.RawMessage(`{}`)}); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		add(t, w, link("main", fmt.Sprintf("link-%d", i)))
	}
	if err := w.Changes().Append([]store.Change{{Actor: "a", Kind: "link", Action: "create", Key: "1", After: json.RawMessage(`{}`)}}); err != nil {
		t.Fatal(err)
	}
}

// wantEmpty says that nothing is left, and that the store goes on working.
func wantEmpty(t *testing.T, s *suite) {
	t.Helper()
	s.view(func(r store.Reader) error {
		_, err := r.Documents().Get(store.Site, "main")
		wantCode(t, err, affiliate.NotFound)
		n, err := r.Links().Count(store.LinkQuery{})
		if err != nil || n != 0 {
			t.Errorf("%d links are left, %v", n, err)
		}
		last, err := r.Changes().Last()
		if err != nil || last != 0 {
			t.Errorf("change %d is left, %v", last, err)
		}
		return nil
	})
	s.update(func(w store.Writer) error { writeALot(t, w); return nil })
}

func testWaiting(t *testing.T, s *suite) {
	entered, leave := make(chan bool), make(chan bool)
	done := make(chan error, 1)
	go func() {
		done <- s.Store.Update(t.Context(), func(store.Writer) error {
			close(entered)
			<-leave
			return nil
		})
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := s.Store.Update(ctx, func(store.Writer) error { return errors.New("it ran beside another") })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func testSnapshot(t *testing.T, s *suite) {
	s.update(func(w store.Writer) error { add(t, w, link("main", "first")); return nil })
	s.view(func(r store.Reader) error {
		if _, err := r.Links().BySlug("main", "first"); err != nil {
			return err
		}
		s.update(func(w store.Writer) error { add(t, w, link("main", "second")); return nil })
		n, err := r.Links().Count(store.LinkQuery{})
		if err != nil || n != 1 {
			t.Errorf("the view saw %d links after another was added, want 1, %v", n, err)
		}
		_, err = r.Links().BySlug("main", "second")
		wantCode(t, err, affiliate.NotFound)
		return nil
	})
	s.view(func(r store.Reader) error {
		_, err := r.Links().BySlug("main", "second")
		return err
	})
}

// testSerial adds to a number from many goroutines: none of the additions may be lost.
func testSerial(t *testing.T, s *suite) {
	const writers, rounds = 8, 25
	errs := make(chan error, writers)
	for range writers {
		go func() {
			errs <- func() error {
				for range rounds {
					if err := s.Store.Update(t.Context(), increment); err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	s.view(func(r store.Reader) error {
		doc, err := r.Documents().Get(store.Setting, "n")
		if err != nil || string(doc.Body) != fmt.Sprint(writers*rounds) {
			t.Errorf("%s of %d additions are there, %v", doc.Body, writers*rounds, err)
		}
		return nil
	})
}

func increment(w store.Writer) error {
	n := 0
	doc, err := w.Documents().Get(store.Setting, "n")
	if err == nil {
		err = json.Unmarshal(doc.Body, &n)
	}
	if err != nil && affiliate.CodeOf(err) != affiliate.NotFound {
		return err
	}
	return w.Documents().Put(store.Setting, store.Document{Key: "n", Body: json.RawMessage(fmt.Sprint(n + 1))})
}

func testReopen(t *testing.T, s *suite) {
	var made []affiliate.Link
	s.update(func(w store.Writer) error {
		made = add(t, w, link("main", "one"), link("main", "two"))
		if err := w.Documents().Put(store.Setting, store.Document{Key: "k", Body: json.RawMessage(`"v"`)}); err != nil {
			return err
		}
		return w.Changes().Append([]store.Change{{Kind: "link", Key: "1"}, {Kind: "link", Key: "2"}})
	})
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	s.Store = s.open(t, s.place)
	s.update(func(w store.Writer) error {
		if got, err := w.Links().Get(made[1].ID); err != nil || got.Slug != "two" {
			t.Errorf("got %+v, %v", got, err)
		}
		if got := add(t, w, link("main", "three"))[0].ID; got <= made[1].ID {
			t.Errorf("after a restart id %d was given again", got)
		}
		next := []store.Change{{Kind: "link", Key: "3"}}
		if err := w.Changes().Append(next); err != nil || next[0].Seq != 3 {
			t.Errorf("after a restart the next change has number %d, want 3, %v", next[0].Seq, err)
		}
		_, err := w.Documents().Get(store.Setting, "k")
		return err
	})
}

func testClosed(t *testing.T, s *suite) {
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Store.View(t.Context(), func(store.Reader) error { return nil }), affiliate.Unavailable)
	wantCode(t, s.Store.Update(t.Context(), func(store.Writer) error { return nil }), affiliate.Unavailable)
	if err := s.Store.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}
