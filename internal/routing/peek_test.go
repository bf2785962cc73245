package routing

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// served is where a name leads.
func served(h *Holder, slug string) string {
	var d affiliate.Decision
	h.Current().Resolve(&affiliate.Visit{Host: "x", Path: "/go/" + slug}, &d)
	return string(d.URL)
}

// A successor serves the folder of a process that still changes it, and owns it when
// that has gone.
func TestPeekAndOwn(t *testing.T) {
	dir := t.TempDir()
	first, err := Open(Options{Dir: dir, OverlayMax: 20}) // merges all the time
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Apply([]Change{{Seq: 1, Site: &affiliate.Site{ID: "main", Prefix: "/go/"}}}); err != nil {
		t.Fatal(err)
	}
	const changes = 1500
	var applying sync.WaitGroup
	applying.Go(func() {
		for i := range changes {
			if err := first.Apply([]Change{{Seq: int64(2 + i), Link: link(int64(i+1), fmt.Sprintf("l%d", i), "https://shop.example/")}}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var h *Holder
	for range 40 {
		before := first.Current().Seq()
		if h, err = Peek(Options{Dir: dir, OverlayMax: 20}); err != nil {
			t.Fatal(err)
		}
		if got := h.Current().Seq(); got < before {
			t.Fatalf("change %d was served, the successor knows %d", before, got)
		}
		if n := h.Current().Seq() - 1; n > 0 && served(h, fmt.Sprintf("l%d", n-1)) == "" {
			t.Fatalf("change %d is not served", n+1)
		}
	}
	applying.Wait()
	if err := h.Apply([]Change{{Seq: 9000, Link: link(9000, "z", "https://shop.example/z")}}); err == nil {
		t.Error("a change was taken before the folder was the successor's")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.Own(); err != nil {
		t.Fatal(err)
	}
	if got := h.Current().Links(); got != changes {
		t.Errorf("%d links, want %d", got, changes)
	}
	if err := h.Apply([]Change{{Seq: 9000, Link: link(9000, "z", "https://shop.example/z")}}); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if got := again.Current(); got.Links() != changes+1 || served(again, "z") != "https://shop.example/z" {
		t.Errorf("%d links after a restart", got.Links())
	}
}

// Looking changes nothing: not what is damaged, not what another process is writing.
func TestPeekLeavesTheFolderAlone(t *testing.T) {
	dir := t.TempDir()
	h, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		c := Change{Seq: int64(1 + i), Site: &affiliate.Site{ID: "main", Prefix: "/go/"}}
		if i > 0 {
			c = Change{Seq: int64(1 + i), Link: link(int64(i), fmt.Sprintf("l%d", i), "https://shop.example/")}
		}
		if err := h.Apply([]Change{c}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "table.changes")
	whole, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	torn := whole[:len(whole)-5]
	if err := os.WriteFile(log, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	unfinished := filepath.Join(dir, "table.new-1")
	if err := os.WriteFile(unfinished, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	peeking, err := Peek(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := peeking.Current().Links(); got != 1 || peeking.Saved() != 2 {
		t.Errorf("%d links of a torn log, saved up to %d", got, peeking.Saved())
	}
	after, err := os.ReadFile(log)
	if err != nil || string(after) != string(torn) {
		t.Errorf("the log was changed: %v", err)
	}
	if _, err := os.Stat(unfinished); err != nil {
		t.Errorf("what another process writes was taken away: %v", err)
	}
}
