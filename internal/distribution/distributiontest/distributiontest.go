// Package distributiontest is the suite that every distribution passes.
package distributiontest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/distribution"
)

// Fixture is one distribution with nothing in it.
type Fixture struct {
	Distribution distribution.Distribution
	// Another opens a second connection to the same.
	Another func(t *testing.T) distribution.Distribution
	// Lose removes everything, as an engine does that has lost its disk.
	Lose func(t *testing.T)
}

// Run checks the contract. open returns a fresh distribution with nothing in it.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for name, test := range map[string]func(*testing.T, Fixture){
		"an empty log has no head":                    empty,
		"a log belongs to an installation":            installation,
		"a higher epoch begins anew":                  epochs,
		"a log begins with a snapshot":                beginsWithSnapshot,
		"a step twice, late or overlapping adds once": idempotent,
		"a step may not leave a gap":                  gap,
		"steps are waited for":                        waits,
		"waiting ends with its context":               endsWithContext,
		"several writers make one log":                writers,
		"a snapshot comes back as it was":             snapshot,
		"a snapshot may be replaced while it is read": replaced,
		"an older snapshot does not replace a newer":  older,
		"formats are kept side by side":               formats,
		"a snapshot that is not its sum is refused":   wrongSum,
		"what was lost can be begun again":            lost,
		"a value keeps its highest revision":          values,
		"nodes see each other":                        board,
		"nothing is wrong":                            examined,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

const home = "installation-1"

func begin(t *testing.T, f Fixture) {
	t.Helper()
	if err := f.Distribution.Begin(t.Context(), home, 1); err != nil {
		t.Fatal(err)
	}
}

func head(t *testing.T, f Fixture, want distribution.Head) {
	t.Helper()
	if got, err := f.Distribution.Head(t.Context()); err != nil || got != want {
		t.Fatalf("head %+v, %v, want %+v", got, err, want)
	}
}

// at is the head of a log from the snapshot of change first to seq.
func at(first, seq int64) distribution.Head {
	return distribution.Head{Installation: home, Epoch: 1, Seq: seq, First: first}
}

func step(from, to int64) distribution.Step {
	return distribution.Step{From: from, To: to, Body: fmt.Appendf(nil, "\x00\xff%d to %d", from, to)}
}

func add(t *testing.T, f Fixture, s distribution.Step) {
	t.Helper()
	if err := f.Distribution.Append(t.Context(), 1, s); err != nil {
		t.Fatal(err)
	}
}

func steps(t *testing.T, f Fixture, after int64) []distribution.Step {
	t.Helper()
	got, err := f.Distribution.Steps(t.Context(), 1, after, 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func expect(t *testing.T, got []distribution.Step, want ...distribution.Step) {
	t.Helper()
	same := func(a, b distribution.Step) bool {
		return a.From == b.From && a.To == b.To && a.Reload == b.Reload && bytes.Equal(a.Body, b.Body)
	}
	if !slices.EqualFunc(got, want, same) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// contents of a snapshot that is not a whole number of anything.
func contents(seed uint64, bytes int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed)})
	b := make([]byte, bytes)
	_, _ = r.Read(b)
	copy(b[:bytes/2], make([]byte, bytes/2)) // half of it can be compressed
	return b
}

func describe(seq int64, format int, file []byte) distribution.Snapshot {
	sum := sha256.Sum256(file)
	return distribution.Snapshot{Seq: seq, Format: format, Links: 7, Bytes: int64(len(file)), SHA256: hex.EncodeToString(sum[:]), Seal: "sealed"}
}

func put(t *testing.T, f Fixture, seq int64, format int, file []byte) {
	t.Helper()
	if err := f.Distribution.PutSnapshot(t.Context(), 1, describe(seq, format, file), bytes.NewReader(file)); err != nil {
		t.Fatal(err)
	}
}

func snapshots(t *testing.T, f Fixture) []distribution.Snapshot {
	t.Helper()
	all, err := f.Distribution.Snapshots(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, f Fixture, s distribution.Snapshot) []byte {
	t.Helper()
	r, err := f.Distribution.OpenSnapshot(t.Context(), 1, s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func empty(t *testing.T, f Fixture) {
	head(t, f, distribution.Head{})
	expect(t, steps(t, f, 0))
	if all := snapshots(t, f); len(all) != 0 {
		t.Fatalf("snapshots %v", all)
	}
}

func installation(t *testing.T, f Fixture) {
	begin(t, f)
	begin(t, f)
	head(t, f, at(0, 0))
	err := f.Distribution.Begin(t.Context(), "installation-2", 9)
	if affiliate.CodeOf(err) != affiliate.Conflict {
		t.Fatalf("another installation: %v", err)
	}
	head(t, f, at(0, 0))
}

func epochs(t *testing.T, f Fixture) {
	begin(t, f)
	put(t, f, 5, 1, []byte("five"))
	if err := f.Distribution.Begin(t.Context(), home, 2); err != nil {
		t.Fatal(err)
	}
	head(t, f, distribution.Head{Installation: home, Epoch: 2})
	if all, err := f.Distribution.Snapshots(t.Context(), 2); err != nil || len(all) != 0 {
		t.Fatalf("a new epoch has snapshots: %v, %v", all, err)
	}
	if err := f.Distribution.Begin(t.Context(), home, 1); affiliate.CodeOf(err) != affiliate.Conflict {
		t.Fatalf("back to epoch 1: %v", err)
	}
}

func beginsWithSnapshot(t *testing.T, f Fixture) {
	begin(t, f)
	if err := f.Distribution.Append(t.Context(), 1, step(0, 1)); !errors.Is(err, distribution.ErrGap) {
		t.Fatalf("a step into an empty log: %v", err)
	}
	put(t, f, 5, 1, []byte("five"))
	head(t, f, at(5, 5))
	add(t, f, step(5, 6))
	head(t, f, at(5, 6))
	expect(t, steps(t, f, 0), distribution.Step{To: 5, Reload: true}, step(5, 6))
	// A newer snapshot of what the log has come to needs no mark.
	put(t, f, 6, 1, []byte("six"))
	expect(t, steps(t, f, 5), step(5, 6))
}

func idempotent(t *testing.T, f Fixture) {
	begin(t, f)
	put(t, f, 5, 1, nil)
	add(t, f, step(5, 6))
	add(t, f, step(5, 6))
	add(t, f, step(6, 9))
	add(t, f, step(5, 7)) // late
	add(t, f, step(7, 12))
	expect(t, steps(t, f, 5), step(5, 6), step(6, 9), step(7, 12))
	expect(t, steps(t, f, 9), step(7, 12))
	head(t, f, at(5, 12))
}

func gap(t *testing.T, f Fixture) {
	begin(t, f)
	put(t, f, 5, 1, nil)
	if err := f.Distribution.Append(t.Context(), 1, step(6, 7)); !errors.Is(err, distribution.ErrGap) {
		t.Fatalf("a gap: %v", err)
	}
	head(t, f, at(5, 5))
}

func waits(t *testing.T, f Fixture) {
	begin(t, f)
	put(t, f, 5, 1, nil)
	got := make(chan []distribution.Step, 1)
	other := f.Another(t)
	go func() {
		for {
			if s, err := other.Steps(t.Context(), 1, 5, time.Second); err != nil || len(s) > 0 {
				got <- s
				return
			}
		}
	}()
	time.Sleep(20 * time.Millisecond)
	add(t, f, step(5, 6))
	select {
	case s := <-got:
		expect(t, s, step(5, 6))
	case <-time.After(10 * time.Second):
		t.Fatal("a waiting reader was not told of a step")
	}
}

func endsWithContext(t *testing.T, f Fixture) {
	begin(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { _, err := f.Distribution.Steps(ctx, 1, 0, time.Minute); ended <- err }()
	time.Sleep(50 * time.Millisecond) // it waits by now
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Fatal("no error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("waiting outlived its context")
	}
}

// writers read the same change log and add what they think is missing.
func writers(t *testing.T, f Fixture) {
	begin(t, f)
	put(t, f, 1, 1, nil)
	const last = 200
	var all sync.WaitGroup
	for n := range 3 {
		d := f.Another(t)
		r := rand.New(rand.NewPCG(1, uint64(n)))
		all.Go(func() {
			for {
				h, err := d.Head(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if h.Seq >= last {
					return
				}
				if err := d.Append(t.Context(), 1, step(h.Seq, min(h.Seq+1+r.Int64N(4), last))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	reached := int64(1)
	for _, s := range steps(t, f, 1) {
		if s.From > reached || s.To <= reached {
			t.Fatalf("a step from %d to %d after %d", s.From, s.To, reached)
		}
		reached = s.To
	}
	if reached != last {
		t.Fatalf("the log ends at %d", reached)
	}
}

func snapshot(t *testing.T, f Fixture) {
	begin(t, f)
	file := contents(1, 5<<20+12345)
	put(t, f, 5, 2, file)
	all := snapshots(t, f)
	want := describe(5, 2, file)
	if len(all) != 1 {
		t.Fatalf("%d snapshots", len(all))
	}
	got := all[0]
	got.Place = ""
	if got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	if !bytes.Equal(read(t, f, all[0]), file) {
		t.Fatal("the file has changed")
	}
	put(t, f, 6, 2, nil)
	if b := read(t, f, snapshots(t, f)[0]); len(b) != 0 {
		t.Fatalf("an empty file has %d bytes", len(b))
	}
}

func replaced(t *testing.T, f Fixture) {
	begin(t, f)
	file := contents(1, 12<<20)
	put(t, f, 5, 1, file)
	r, err := f.Distribution.OpenSnapshot(t.Context(), 1, snapshots(t, f)[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	put(t, f, 6, 1, contents(2, 3<<20))
	b, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(b, file) {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if s := snapshots(t, f); len(s) != 1 || s[0].Seq != 6 {
		t.Fatalf("snapshots %+v", s)
	}
}

func older(t *testing.T, f Fixture) {
	begin(t, f)
	put(t, f, 6, 1, []byte("six"))
	put(t, f, 5, 1, []byte("five"))
	if s := snapshots(t, f); len(s) != 1 || s[0].Seq != 6 || string(read(t, f, s[0])) != "six" {
		t.Fatalf("snapshots %+v", s)
	}
	head(t, f, at(6, 6))
}

func formats(t *testing.T, f Fixture) {
	begin(t, f)
	put(t, f, 5, 1, []byte("old"))
	put(t, f, 6, 2, []byte("new"))
	s := snapshots(t, f)
	if len(s) != 2 || s[0].Format != 2 || s[1].Format != 1 || string(read(t, f, s[1])) != "old" || string(read(t, f, s[0])) != "new" {
		t.Fatalf("snapshots %+v", s)
	}
}

func wrongSum(t *testing.T, f Fixture) {
	begin(t, f)
	s := describe(5, 1, []byte("five"))
	if err := f.Distribution.PutSnapshot(t.Context(), 1, s, bytes.NewReader([]byte("fivE"))); affiliate.CodeOf(err) != affiliate.Invalid {
		t.Fatalf("another file: %v", err)
	}
	if err := f.Distribution.PutSnapshot(t.Context(), 1, s, bytes.NewReader([]byte("fiv"))); affiliate.CodeOf(err) != affiliate.Invalid {
		t.Fatalf("a shorter file: %v", err)
	}
	if all := snapshots(t, f); len(all) != 0 {
		t.Fatalf("snapshots %+v", all)
	}
	head(t, f, at(0, 0))
}

func lost(t *testing.T, f Fixture) {
	begin(t, f)
	file := contents(1, 3<<20)
	put(t, f, 5, 1, file)
	add(t, f, step(5, 6))
	s := snapshots(t, f)[0]
	f.Lose(t)
	head(t, f, distribution.Head{})
	if r, err := f.Distribution.OpenSnapshot(t.Context(), 1, s); err == nil {
		if _, err = io.ReadAll(r); err == nil {
			t.Fatal("a snapshot that is gone was read")
		}
		_ = r.Close()
	} else if affiliate.CodeOf(err) != affiliate.NotFound {
		t.Fatalf("a snapshot that is gone: %v", err)
	}
	begin(t, f)
	if err := f.Distribution.Append(t.Context(), 1, step(6, 7)); !errors.Is(err, distribution.ErrGap) {
		t.Fatalf("a step into a lost log: %v", err)
	}
	put(t, f, 7, 1, file)
	add(t, f, step(7, 8))
	expect(t, steps(t, f, 6), distribution.Step{To: 7, Reload: true}, step(7, 8))
}

func values(t *testing.T, f Fixture) {
	ctx, d := t.Context(), f.Distribution
	if _, _, err := d.Value(ctx, "keys"); affiliate.CodeOf(err) != affiliate.NotFound {
		t.Fatalf("no value: %v", err)
	}
	for _, v := range []struct {
		revision int64
		value    string
	}{{2, "two\x00\xff"}, {1, "one"}, {2, "again"}} {
		if err := d.PutValue(ctx, "keys", v.revision, []byte(v.value)); err != nil {
			t.Fatal(err)
		}
		if revision, value, err := f.Another(t).Value(ctx, "keys"); err != nil || revision != 2 || string(value) != "two\x00\xff" {
			t.Fatalf("got %d %q, %v", revision, value, err)
		}
	}
	if err := d.PutValue(ctx, "keys", 3, make([]byte, distribution.ValueBytesMax+1)); affiliate.CodeOf(err) != affiliate.TooLarge {
		t.Fatalf("too large: %v", err)
	}
	if err := d.PutValue(ctx, "keys", 3, nil); err != nil {
		t.Fatal(err)
	}
	if revision, value, err := d.Value(ctx, "keys"); err != nil || revision != 3 || len(value) != 0 {
		t.Fatalf("got %d %q, %v", revision, value, err)
	}
}

func board(t *testing.T, f Fixture) {
	ctx, other := t.Context(), f.Another(t)
	a := distribution.Node{Name: "redirect-1", Number: 1, Role: "redirect", Seq: 5, Waiting: 3, SkewMillis: -2}
	b := distribution.Node{Name: "control-2", Number: 2, Role: "control"}
	clock, err := f.Distribution.Announce(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Announce(ctx, b); err != nil {
		t.Fatal(err)
	}
	nodes, err := f.Distribution.Nodes(ctx)
	if err != nil || len(nodes) != 2 {
		t.Fatalf("got %+v, %v", nodes, err)
	}
	a.Said = clock
	if nodes[0].Name != "control-2" || nodes[1] != a {
		t.Fatalf("got %+v", nodes)
	}
	if err := other.Leave(ctx, "control-2"); err != nil {
		t.Fatal(err)
	}
	if nodes, err = other.Nodes(ctx); err != nil || len(nodes) != 1 || nodes[0].Name != "redirect-1" {
		t.Fatalf("got %+v, %v", nodes, err)
	}
}

func examined(t *testing.T, f Fixture) {
	found, err := f.Distribution.Examine(t.Context(), time.Now())
	if err != nil || len(found) != 0 {
		t.Fatalf("got %+v, %v", found, err)
	}
	found, err = f.Distribution.Examine(t.Context(), time.Now().Add(-time.Minute))
	if err != nil || len(found) != 1 {
		t.Fatalf("a clock that is a minute behind: got %+v, %v", found, err)
	}
}
