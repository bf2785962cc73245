package routing

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
		{"newer version", "table", func(b []byte) []byte { b[8]++; return b }, 0, none, []string{tableAside, "it has format version 3 and this program reads 1 to 2"}, []string{"table.damaged"}},
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

// One failed write is enough: the log must not take the change after it, even when
// the disk has room again.
func TestLogWithoutHoles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	open := func() (*changeLog, []int64) {
		var seqs []int64
		l, err := openChangeLog(path, 0, func(changes []Change) error {
			seqs = append(seqs, lastSeq(changes))
			return nil
		}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return l, seqs
	}
	l, _ := open()
	if err := l.append([]Change{{Seq: 1}}); err != nil {
		t.Fatal(err)
	}
	good := l.f
	full, err := os.Open(path) // not for writing, so every write fails
	if err != nil {
		t.Fatal(err)
	}
	l.f = full
	if err := l.append([]Change{{Seq: 2}}); err == nil {
		t.Fatal("the write did not fail")
	}
	l.f = good
	if err := l.append([]Change{{Seq: 3}}); err == nil {
		t.Error("a change is taken after one that was lost")
	}
	if l.seq != 1 {
		t.Errorf("it says that it holds change %d", l.seq)
	}
	if err := l.restart(3); err != nil {
		t.Fatal(err)
	}
	l.broken = nil // a base holds change 3 now
	if err := errors.Join(l.append([]Change{{Seq: 4}}), l.close()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+"-after-3"); err != nil {
		t.Fatal(err)
	}
	path += "-after-3"
	l, seqs := open()
	if len(seqs) != 0 {
		t.Errorf("a log that continues from change 3 is replayed onto nothing: %v", seqs)
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
}
