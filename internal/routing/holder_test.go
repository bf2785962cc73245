package routing

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"pgregory.net/rapid"
)

// naive is what a Holder must be: a map from names to targets, and a number.
type naive struct {
	seq   int64
	links map[string]string
}

// machine drives a Holder and the naive model through the same life.
type machine struct {
	h     *Holder
	dir   string
	model naive
	ids   int64
}

var machineNames = []string{"a", "b", "c", "d", "e", "f", "g/h", "ü"}

func (m *machine) open(t *rapid.T) {
	h, err := Open(Options{Dir: m.dir, OverlayMax: 3})
	if err != nil {
		t.Fatal(err)
	}
	m.h = h
}

func (m *machine) next(c Change) Change {
	m.model.seq++
	c.Seq = m.model.seq
	return c
}

func (m *machine) link(slug string) *affiliate.Link {
	m.ids++
	url := fmt.Sprintf("https://shop.example/%d", m.ids)
	m.model.links[slug] = url
	return link(m.ids, slug, url)
}

// Apply puts, renames and deletes a few links in one batch, and some of it twice.
func (m *machine) Apply(t *rapid.T) {
	var batch []Change
	for range rapid.IntRange(1, 4).Draw(t, "changes") {
		name, other := rapid.SampledFrom(machineNames).Draw(t, "name"), rapid.SampledFrom(machineNames).Draw(t, "other")
		switch rapid.SampledFrom([]string{"put", "put", "rename", "delete", "partner"}).Draw(t, "what") {
		case "put":
			batch = append(batch, m.next(Change{Link: m.link(name)}))
		case "rename":
			delete(m.model.links, name)
			batch = append(batch, m.next(Change{NameGone: &LinkName{"main", name}, Link: m.link(other)}))
		case "delete":
			delete(m.model.links, name)
			batch = append(batch, m.next(Change{NameGone: &LinkName{"main", name}}))
		case "partner":
			batch = append(batch, m.next(Change{Partner: &affiliate.Partner{Program: "acme", Code: name, Status: affiliate.Active}}))
		}
	}
	for range rapid.IntRange(1, 2).Draw(t, "times") {
		if err := m.h.Apply(batch); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *machine) Save(t *rapid.T) {
	if err := m.h.Save(); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) Reopen(t *rapid.T) {
	if err := m.h.Close(); err != nil {
		t.Fatal(err)
	}
	m.open(t)
}

// Crash opens the folder as it is, without closing.
func (m *machine) Crash(t *rapid.T) {
	old := m.h
	old.lockIdle()
	m.open(t)
	old.mu.Unlock()
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) Rebuild(t *rapid.T) {
	r, err := m.h.Rebuild()
	if err != nil {
		t.Fatal(err)
	}
	if rapid.IntRange(0, 4).Draw(t, "give up") == 0 {
		r.Discard()
		return
	}
	r.Program(affiliate.Program{ID: "acme"})
	r.Site(*site("other", "other.example")) // so that indexes differ from the old table's
	r.Site(*site("main"))
	for slug := range m.model.links {
		if err := r.Link(m.link(slug)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Publish(m.model.seq); err != nil {
		t.Fatal(err)
	}
}

// Check compares every name.
func (m *machine) Check(t *rapid.T) {
	table := m.h.Current()
	if table.Seq() != m.model.seq || table.Links() != len(m.model.links) {
		t.Fatalf("change %d, %d links; want change %d, %d links", table.Seq(), table.Links(), m.model.seq, len(m.model.links))
	}
	if saved := m.h.Saved(); saved != m.model.seq {
		t.Fatalf("saved up to change %d; want %d", saved, m.model.seq)
	}
	var d affiliate.Decision
	for _, name := range machineNames {
		table.Resolve(&affiliate.Visit{Path: "/go/" + name}, &d)
		if want := m.model.links[name]; string(d.URL) != want {
			t.Fatalf("%s leads to %q; want %q", name, d.URL, want)
		}
	}
}

func TestTableIsTheNaiveModel(t *testing.T) {
	parent := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(parent, "")
		if err != nil {
			t.Fatal(err)
		}
		m := &machine{dir: dir, model: naive{links: map[string]string{}}}
		m.open(t)
		defer func() { _ = m.h.Close() }()
		if err := m.h.Apply([]Change{m.next(Change{Site: site("main")}), m.next(Change{Program: &affiliate.Program{ID: "acme"}})}); err != nil {
			t.Fatal(err)
		}
		t.Repeat(map[string]func(*rapid.T){"apply": m.Apply, "save": m.Save, "reopen": m.Reopen, "crash": m.Crash, "rebuild": m.Rebuild, "": m.Check})
	})
}

// Each batch points all names at one target; a reader that sees two targets has
// seen half of a batch.
func TestReadersSeeWholeBatches(t *testing.T) {
	h := openHolder(t, Options{Dir: t.TempDir(), OverlayMax: 3})
	names := []string{"a", "b", "c", "d", "e"}
	batch := func(n int64) (changes []Change) {
		if n == 0 {
			changes = append(changes, Change{Seq: 1, Site: site("main")})
		}
		for i, name := range names {
			changes = append(changes, Change{Seq: n*10 + int64(i) + 2, Link: link(int64(i+1), name, fmt.Sprintf("https://shop.example/%d", n))})
		}
		return changes
	}
	if err := h.Apply(batch(0)); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() { readBatches(t, h, names, stop) })
	}
	for n := int64(1); n <= 60; n++ {
		if err := h.Apply(batch(n)); err != nil {
			t.Error(err)
		}
		if n%15 == 0 {
			runtime.GC() // lets go of the mappings of old tables
		}
	}
	close(stop)
	readers.Wait()
}

func readBatches(t *testing.T, h *Holder, names []string, stop <-chan struct{}) {
	var d affiliate.Decision
	for {
		table, first := h.Current(), ""
		for _, name := range names {
			table.Resolve(&affiliate.Visit{Path: "/go/" + name}, &d)
			if first == "" {
				first = string(d.URL)
			}
			if string(d.URL) != first {
				t.Errorf("%s leads to %s and %s to %s in one table", names[0], first, name, d.URL)
				return
			}
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

// A merge that was overtaken by a rebuild must not bring the old table back.
func TestRebuildDuringMerge(t *testing.T) {
	h := openHolder(t, Options{Dir: t.TempDir(), OverlayMax: 1000})
	if err := h.Apply([]Change{{Seq: 1, Site: site("main")}, {Seq: 2, Link: link(1, "old", "https://shop.example/old")}}); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	m := h.beginMerge()
	h.mu.Unlock()
	bw, err := m.from.write(h.path(), m.pace)
	if err != nil {
		t.Fatal(err)
	}
	r, err := h.Rebuild()
	if err != nil {
		t.Fatal(err)
	}
	r.Site(*site("main"))
	if err := r.Link(link(2, "new", "https://shop.example/new")); err != nil {
		t.Fatal(err)
	}
	if err := r.Publish(3); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	if err := h.finish(m, bw, nil, nil); !errors.Is(err, errAbandoned) {
		t.Errorf("the merge ended with %v", err)
	}
	h.mu.Unlock()
	for _, when := range []string{"at once", "after a restart"} {
		if got := leads(h.Current(), "new"); got != "https://shop.example/new" {
			t.Errorf("%s: new leads to %q", when, got)
		}
		if got := leads(h.Current(), "old"); got != "" {
			t.Errorf("%s: old still leads to %q", when, got)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		h = openHolder(t, Options{Dir: h.options.Dir})
	}
}

func leads(table *Table, name string) string {
	var d affiliate.Decision
	table.Resolve(&affiliate.Visit{Path: "/go/" + name}, &d)
	return string(d.URL)
}

func TestRefusedChangesChangeNothing(t *testing.T) {
	h := openHolder(t, Options{Dir: t.TempDir()})
	if err := h.Apply([]Change{{Seq: 1, Site: site("main")}}); err != nil {
		t.Fatal(err)
	}
	noSite, noProgram, noWeight, badMacro := link(1, "x", "https://shop.example/"), link(1, "x", "https://shop.example/"), link(1, "x", "https://shop.example/"), link(1, "x", "https://shop.example/{nope}")
	noSite.Site, noProgram.Program = "nowhere", "nobody"
	noWeight.Destinations = append(noWeight.Destinations, noWeight.Destinations[0])
	noWeight.Destinations[0].Weight, noWeight.Destinations[1].Weight = 0, 0
	noDestination := link(1, "x", "https://shop.example/")
	noDestination.Destinations = nil
	for want, l := range map[string]*affiliate.Link{`there is no site "nowhere"`: noSite, `there is no program "nobody"`: noProgram,
		"sum to zero": noWeight, "unknown macro {nope}": badMacro, "no destination": noDestination} {
		err := h.Apply([]Change{{Seq: 2, Link: link(5, "good", "https://shop.example/")}, {Seq: 3, Link: l}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want %q", err, want)
		}
		if h.Current().Seq() != 1 || h.Current().Links() != 0 || leads(h.Current(), "good") != "" {
			t.Errorf("%s: half of the batch is served", want)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.Apply([]Change{{Seq: 2, Site: site("main")}}); err == nil {
		t.Error("a closed table takes changes")
	}
}

// Programs and sites that go must not be taken for those that come.
func TestIndexesAreNotReused(t *testing.T) {
	l := link(1, "thing", "https://shop.example/{program}")
	l.Program = "acme"
	table, err := emptyTable().with([]Change{{Seq: 1, Site: site("main")}, {Seq: 2, Program: &affiliate.Program{ID: "acme"}}, {Seq: 3, Link: l},
		{Seq: 4, ProgramGone: "acme"}, {Seq: 5, Program: &affiliate.Program{ID: "beta"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := leads(table, "thing"); got != "https://shop.example/" {
		t.Errorf("the link of a program that is gone leads to %q", got)
	}
	table, err = table.with([]Change{{Seq: 6, SiteGone: "main"}, {Seq: 7, Site: site("other")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := leads(onlyBase(t, table), "thing"); got != "" {
		t.Errorf("the link of a site that is gone leads to %q", got)
	}
}
