package routing

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
)

func snapshotOf(t *testing.T, h *Holder) (*Snapshot, []byte) {
	t.Helper()
	s, err := h.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	b, err := io.ReadAll(s)
	if err != nil || int64(len(b)) != s.Bytes {
		t.Fatalf("%d bytes, %v, announced %d", len(b), err, s.Bytes)
	}
	return s, b
}

func openIn(t *testing.T, dir string) *Holder {
	t.Helper()
	h, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// linkChanges are n changes after seq, each of a link of its own.
func linkChanges(seq int64, n int) (changes []Change) {
	if seq == 0 {
		seq++
		changes = append(changes, Change{Seq: seq, Site: &affiliate.Site{ID: "main"}})
	}
	for range n {
		seq++
		changes = append(changes, Change{Seq: seq, Link: link(seq, fmt.Sprintf("link-%d", seq), fmt.Sprintf("https://shop.example/%d", seq))})
	}
	return changes
}

func TestSnapshotMovesATable(t *testing.T) {
	from, to := openIn(t, t.TempDir()), openIn(t, t.TempDir())
	if err := from.Apply(linkChanges(0, 100)); err != nil {
		t.Fatal(err)
	}
	s, file := snapshotOf(t, from)
	if s.Seq != 101 || s.Links != 100 {
		t.Fatalf("seq %d, %d links", s.Seq, s.Links)
	}
	// A table that knows something else gives way, and goes on from there.
	if err := to.Apply(linkChanges(0, 3)); err != nil {
		t.Fatal(err)
	}
	if err := to.Install(bytes.NewReader(file), s.Bytes); err != nil {
		t.Fatal(err)
	}
	if err := to.Apply(linkChanges(101, 5)); err != nil {
		t.Fatal(err)
	}
	check := func(h *Holder) {
		t.Helper()
		if table := h.Current(); table.Seq() != 106 || table.Links() != 105 {
			t.Fatalf("seq %d, %d links", table.Seq(), table.Links())
		}
	}
	check(to)
	dir := to.options.Dir
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	check(openIn(t, dir))
}

func TestInstallRefusesDamage(t *testing.T) {
	from, to := openIn(t, t.TempDir()), openIn(t, t.TempDir())
	if err := from.Apply(linkChanges(0, 20)); err != nil {
		t.Fatal(err)
	}
	if err := to.Apply(linkChanges(0, 7)); err != nil {
		t.Fatal(err)
	}
	s, file := snapshotOf(t, from)
	refused := func(what string, file []byte, size int64) {
		t.Helper()
		if err := to.Install(bytes.NewReader(file), size); err == nil {
			t.Fatalf("%s was installed", what)
		}
		if table := to.Current(); table.Seq() != 8 || table.Links() != 7 {
			t.Fatalf("after %s: seq %d, %d links", what, table.Seq(), table.Links())
		}
	}
	refused("nothing", nil, 0)
	refused("a file cut short", file[:len(file)-1], s.Bytes)
	refused("a file cut short that says so", file[:len(file)-1], s.Bytes-1)
	refused("more than was announced", append(bytes.Clone(file), 0), s.Bytes)
	for _, at := range []int{0, 9, 30, len(file) / 2, len(file) - 1} {
		damaged := bytes.Clone(file)
		damaged[at] ^= 0x40
		refused(fmt.Sprintf("a file with byte %d changed", at), damaged, s.Bytes)
	}
	if err := to.Apply(linkChanges(8, 1)); err != nil {
		t.Fatal(err)
	}
}
