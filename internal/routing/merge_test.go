package routing

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// heldMerge opens a table whose merge stands still at its first pause, after "base",
// until the test lets it go.
func heldMerge(t *testing.T, dir string) (h *Holder, release func()) {
	t.Helper()
	held, released := make(chan struct{}), make(chan struct{})
	var once sync.Once
	h = openHolder(t, Options{Dir: dir, OverlayMax: 1, Pause: func() {
		once.Do(func() { close(held) })
		<-released
	}})
	changes := []Change{{Seq: 1, Site: site("main")}}
	for i := range int64(workPerStep + 1) { // so that there is a pause
		changes = append(changes, Change{Seq: i + 2, Link: link(i+1, fmt.Sprintf("link-%d", i), "https://shop.example/before")})
	}
	if err := h.Apply(changes); err != nil {
		t.Fatal(err)
	}
	<-held
	return h, sync.OnceFunc(func() { close(released) })
}

// While a base is written, what changes stands above what is being saved, and
// stays when it is saved.
func TestChangesDuringAMerge(t *testing.T) {
	dir := t.TempDir()
	h, release := heldMerge(t, dir)
	seq := h.Current().Seq()
	if err := h.Apply([]Change{{Seq: seq + 1, Link: link(1, "link-0", "https://shop.example/after")},
		{Seq: seq + 2, NameGone: &LinkName{"main", "link-1"}}, {Seq: seq + 3, Link: link(99999, "fresh", "https://shop.example/fresh")}}); err != nil {
		t.Fatal(err)
	}
	wantAfter := func(when string) {
		t.Helper()
		for name, want := range map[string]string{"link-0": "https://shop.example/after", "link-1": "", "link-2": "https://shop.example/before", "fresh": "https://shop.example/fresh"} {
			if got := leads(h.Current(), name); got != want {
				t.Errorf("%s: %s leads to %q; want %q", when, name, got, want)
			}
		}
		if h.Current().Links() != workPerStep+1 || h.Current().Seq() != seq+3 {
			t.Errorf("%s: %d links at change %d", when, h.Current().Links(), h.Current().Seq())
		}
	}
	wantAfter("during the merge")
	release()
	h.lockIdle()
	h.mu.Unlock()
	if got := h.Current().base.header.seq; got != seq {
		t.Errorf("the base holds everything up to change %d; want %d", got, seq)
	}
	if h.Current().changed != 3 || h.Current().frozen.parts != nil {
		t.Errorf("after the merge %d changes stand above the base, frozen %v", h.Current().changed, h.Current().frozen.parts != nil)
	}
	wantAfter("after the merge")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	changes, err := os.ReadFile(filepath.Join(dir, "table.changes"))
	if err != nil || bytes.Count(changes, []byte("\n")) != 2 {
		t.Errorf("the log has %d lines, %v; want its head and one batch", bytes.Count(changes, []byte("\n")), err)
	}
	h = openHolder(t, Options{Dir: dir})
	wantAfter("after a restart")
}

// A server that stops does not wait for a merge: the log has it all.
func TestCloseGivesAMergeUp(t *testing.T) {
	dir := t.TempDir()
	h, release := heldMerge(t, dir)
	seq := h.Current().Seq()
	ended := make(chan error)
	go func() { ended <- h.Close() }()
	for abandonedYet := false; !abandonedYet; time.Sleep(time.Millisecond) {
		h.mu.Lock()
		abandonedYet = h.merging != nil && h.merging.pace.mode.Load() == abandoned
		h.mu.Unlock()
	}
	release()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v; want the log alone", left, err)
	}
	h = openHolder(t, Options{Dir: dir})
	if h.Current().Seq() != seq || leads(h.Current(), "link-7") == "" {
		t.Errorf("after a restart the table is at change %d; want %d", h.Current().Seq(), seq)
	}
}

// A merge that fails leaves the table as if it had never begun.
func TestFailedMerge(t *testing.T) {
	h := openHolder(t, Options{Dir: t.TempDir(), OverlayMax: 1000})
	put := func(seq int64, slug, url string) {
		t.Helper()
		if err := h.Apply([]Change{{Seq: seq, Link: link(seq, slug, url)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Apply([]Change{{Seq: 1, Site: site("main")}}); err != nil {
		t.Fatal(err)
	}
	put(2, "both", "https://shop.example/before")
	put(3, "before", "https://shop.example/before")
	h.mu.Lock()
	m := h.beginMerge()
	h.mu.Unlock()
	put(4, "both", "https://shop.example/after")
	put(5, "after", "https://shop.example/after")
	failure := errors.New("the disk is full")
	h.mu.Lock()
	if err := h.finish(m, nil, nil, failure); !errors.Is(err, failure) {
		t.Errorf("it ended with %v", err)
	}
	h.mu.Unlock()
	for _, name := range []string{"both", "before", "after"} {
		want := "https://shop.example/" + strings.Replace(name, "both", "after", 1)
		if got := leads(h.Current(), name); got != want {
			t.Errorf("%s leads to %q; want %q", name, got, want)
		}
	}
	if now := h.Current(); now.changed != 3 || now.Links() != 3 || now.frozen.parts != nil {
		t.Errorf("%d changes, %d links, frozen %v", now.changed, now.Links(), now.frozen.parts != nil)
	}
	if err := h.Save(); err != nil || h.Current().changed != 0 || leads(h.Current(), "both") != "https://shop.example/after" {
		t.Errorf("saving it later: %v; %d changes; both leads to %q", err, h.Current().changed, leads(h.Current(), "both"))
	}
}

// A batch in the log that cannot be served ends the replay where it stands, however
// many are replayed together.
func TestReplayStopsAtABatchThatCannotBeServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := openChangeLog(path, 0, func([]Change) error { return nil }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for seq := int64(1); seq <= 5; seq++ {
		if err := l.append([]Change{{Seq: seq}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	served := int64(0)
	l, err = openChangeLog(path, 0, func(changes []Change) error {
		if lastSeq(changes) > 3 {
			return errors.New("not servable")
		}
		served = lastSeq(changes)
		return nil
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if served != 3 || l.seq != 3 {
		t.Errorf("served up to change %d, the log ends at %d; want 3", served, l.seq)
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(path + ".damaged")
	if err != nil || bytes.Count(kept, []byte("\n")) != 2 {
		t.Errorf("set aside: %d lines, %v; want 2", bytes.Count(kept, []byte("\n")), err)
	}
}

func TestNameThatNoVisitCanAskForIsRefused(t *testing.T) {
	h := openHolder(t, Options{Dir: t.TempDir()})
	err := h.Apply([]Change{{Seq: 1, Site: site("main")}, {Seq: 2, Link: link(1, strings.Repeat("x", 201), "https://shop.example/")}})
	if err == nil || !strings.Contains(err.Error(), "longer than 200 bytes") {
		t.Errorf("error %v", err)
	}
}
