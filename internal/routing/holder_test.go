package routing

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
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
	from := h.Current()
	h.mu.Lock()
	h.merging = make(chan struct{})
	h.mu.Unlock()
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
	h.merge(from)
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

// savedFolder holds a base with the link base (changes 1 and 2) and a log with first
// (3) and second (4).
func savedFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	h := openHolder(t, Options{Dir: dir})
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	must(h.Apply([]Change{{Seq: 1, Site: site("main")}, {Seq: 2, Link: link(1, "base", "https://shop.example/base")}}))
	must(h.Save())
	must(h.Apply([]Change{{Seq: 3, Link: link(2, "first", "https://shop.example/first")}}))
	must(h.Apply([]Change{{Seq: 4, Link: link(3, "second", "https://shop.example/second")}}))
	must(h.Close())
	return dir
}

func TestDamageOnDisk(t *testing.T) {
	type damage func([]byte) []byte
	flip := func(at int) damage {
		return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 1; return b }
	}
	cut := func(n int) damage { return func(b []byte) []byte { return b[:len(b)-n] } }
	line := func(n int) int { // offset in the log
		b, err := os.ReadFile(filepath.Join(savedFolder(t), "table.changes"))
		if err != nil {
			t.Fatal(err)
		}
		return len(bytes.Join(bytes.SplitAfter(b, []byte("\n"))[:n], nil))
	}
	gone := damage(func([]byte) []byte { return nil })
	const all, none = "base first second", ""
	const tableAside, logAside = "the saved routing table was set aside", "the log of link changes is damaged"
	for _, c := range []struct {
		name, file string
		do         damage
		seq        int64
		served     string
		says       []string
		aside      []string
	}{
		{"nothing", "table", func(b []byte) []byte { return b }, 4, all, nil, nil},
		{"magic", "table", flip(0), 0, none, []string{tableAside, "it is not a routing table", logAside}, []string{"table.damaged", "table.changes.damaged"}},
		{"newer version", "table", func(b []byte) []byte { b[8]++; return b }, 0, none, []string{tableAside, "it has format version 2 and this program reads 1"}, []string{"table.damaged"}},
		{"header", "table", flip(30), 0, none, []string{tableAside, "its header is damaged"}, []string{"table.damaged"}},
		{"a record", "table", flip(baseHeaderBytes + 3), 0, none, []string{tableAside, "its contents are damaged"}, []string{"table.damaged"}},
		{"the last byte", "table", flip(-1), 0, none, []string{tableAside, "its contents are damaged"}, []string{"table.damaged"}},
		{"cut short", "table", cut(10), 0, none, []string{tableAside, "bytes instead of"}, []string{"table.damaged"}},
		{"shorter than its header", "table", func(b []byte) []byte { return b[:20] }, 0, none, []string{tableAside, "shorter than its header"}, []string{"table.damaged"}},
		{"empty", "table", func(b []byte) []byte { return b[:0] }, 0, none, []string{tableAside, "shorter than its header"}, []string{"table.damaged"}},
		{"table gone", "table", gone, 0, none, []string{logAside, "it continues a routing table that is not there"}, []string{"table.changes.damaged"}},
		{"log gone", "table.changes", gone, 2, "base", nil, nil},
		{"log empty", "table.changes", func(b []byte) []byte { return b[:0] }, 2, "base", nil, nil},
		{"log's head", "table.changes", flip(3), 2, "base", []string{logAside, "checksum does not hold"}, []string{"table.changes.damaged"}},
		{"first batch", "table.changes", flip(line(1) + 20), 2, "base", []string{logAside, "checksum does not hold"}, []string{"table.changes.damaged"}},
		{"second batch", "table.changes", flip(-5), 3, "base first", []string{logAside, "checksum does not hold"}, []string{"table.changes.damaged"}},
		{"torn last batch", "table.changes", cut(7), 3, "base first", []string{"the last change of links was cut off by a crash"}, nil},
		{"only its newline missing", "table.changes", cut(1), 3, "base first", []string{"cut off by a crash"}, nil},
		{"torn head", "table.changes", func(b []byte) []byte { return b[:5] }, 2, "base", []string{"cut off by a crash"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := savedFolder(t)
			harm(t, filepath.Join(dir, c.file), c.do)
			var said bytes.Buffer
			h := openHolder(t, Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&said, nil))})
			if h.Current().Seq() != c.seq || h.Saved() != c.seq {
				t.Errorf("the table is at change %d, saved %d; want %d", h.Current().Seq(), h.Saved(), c.seq)
			}
			for _, name := range strings.Fields(all) {
				want := ""
				if strings.Contains(c.served, name) {
					want = "https://shop.example/" + name
				}
				if got := leads(h.Current(), name); got != want {
					t.Errorf("%s leads to %q; want %q", name, got, want)
				}
			}
			for _, s := range c.says {
				if !strings.Contains(said.String(), s) {
					t.Errorf("the log does not say %q:\n%s", s, &said)
				}
			}
			if len(c.says) == 0 && said.Len() > 0 {
				t.Errorf("the log says: %s", &said)
			}
			for _, name := range c.aside {
				if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
					t.Errorf("it was not kept: %v", err)
				}
			}
			mendedByCatalog(t, h)
		})
	}
}

// mendedByCatalog fills the table again as the catalog would, and restarts.
func mendedByCatalog(t *testing.T, h *Holder) {
	t.Helper()
	r, err := h.Rebuild()
	if err != nil {
		t.Fatal(err)
	}
	r.Site(*site("main"))
	if err := r.Link(link(9, "base", "https://shop.example/mended")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Publish(9), h.Close()); err != nil {
		t.Fatal(err)
	}
	h = openHolder(t, Options{Dir: h.options.Dir})
	if got := leads(h.Current(), "base"); got != "https://shop.example/mended" || h.Current().Seq() != 9 {
		t.Errorf("after mending, base leads to %q at change %d", got, h.Current().Seq())
	}
}

func harm(t *testing.T, path string, do func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b = do(b); b == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A change that could not be written leaves a hole in the log. Nothing may follow
// it there, or a restart would serve a table that never was.
func TestChangeThatCouldNotBeSaved(t *testing.T) {
	dir := t.TempDir()
	h := openHolder(t, Options{Dir: dir, OverlayMax: 1000})
	put := func(seq int64, name string) {
		t.Helper()
		if err := h.Apply([]Change{{Seq: seq, Link: link(seq, name, "https://shop.example/"+name)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Apply([]Change{{Seq: 1, Site: site("main")}}); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	_ = h.log.f.Close() // as a full disk would, it fails every write
	h.mu.Unlock()
	put(2, "lost")
	if leads(h.Current(), "lost") == "" {
		t.Error("a change that could not be saved must be served all the same")
	}
	h.lockIdle() // the merge that the failure set off
	h.mu.Unlock()
	put(3, "next")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = openHolder(t, Options{Dir: dir})
	if h.Current().Seq() != 3 || leads(h.Current(), "lost") == "" || leads(h.Current(), "next") == "" {
		t.Errorf("after a restart the table is at change %d; lost %q, next %q", h.Current().Seq(), leads(h.Current(), "lost"), leads(h.Current(), "next"))
	}
}

func TestUnfinishedFilesAreRemoved(t *testing.T) {
	dir := savedFolder(t)
	for _, name := range []string{"table.new-1", "table.changes.new-2"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	openHolder(t, Options{Dir: dir})
	left, err := fs.Glob(os.DirFS(dir), "*.new-*")
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
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
