package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shippedFiles returns the kept segments once all of them are compressed.
func shippedFiles(t *testing.T, dir string, want int) []shippedFile {
	t.Helper()
	var files []shippedFile
	eventually(t, "all that was shipped is compressed", func() bool {
		var err error
		if files, err = listShipped(dir); err != nil {
			t.Fatal(err)
		}
		for _, s := range files {
			if !s.compressed {
				return false
			}
		}
		return len(files) == want
	})
	return files
}

// TestShippedSegmentsAreKept compresses what was released and nothing else, and
// shows it to whoever looks into the folder.
func TestShippedSegmentsAreKept(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{Keep: time.Hour})
	appendAll(t, j, 0, 300)
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := j.Release(Position{Segment: 4, Offset: headerBytes}); err != nil {
		t.Fatal(err)
	}
	raw := j.Stats().Bytes
	files := shippedFiles(t, dir, 3)
	if again := j.Stats().Bytes; again != raw {
		t.Errorf("what is not shipped takes %d bytes and then %d", raw, again)
	}
	for _, s := range files {
		if s.bytes >= smallSegment {
			t.Errorf("segment %d takes %d bytes compressed", s.number, s.bytes)
		}
	}
	wantRecords(t, onDisk(t, dir), 0, 300)
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := d.Stat()
	if err != nil || stat.ShippedFiles != 3 || stat.ShippedBytes == 0 {
		t.Errorf("stat %+v, %v", stat, err)
	}
	if v, err := d.Verify(t.Context(), nil); err != nil || v.Records != 300 || len(v.Damages) > 0 {
		t.Errorf("verify %+v, %v", v, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, Options{}) // a configuration that keeps nothing
	shippedFiles(t, dir, 0)
	got, _ := readLive(t, j, Position{})
	if len(got) == 0 || !bytes.Equal(got[len(got)-1], payload(299)) {
		t.Error("what had not been shipped is gone")
	}
}

// TestKeepByAge steps the clock about. Only time that has passed makes a segment old.
func TestKeepByAge(t *testing.T) {
	var wall, up atomic.Int64
	start := time.Now()
	o := Options{
		Keep: time.Hour, Now: func() time.Time { return start.Add(time.Duration(wall.Load())) },
		uptime: func() time.Duration { return time.Duration(up.Load()) },
	}
	dir := t.TempDir()
	j := open(t, dir, o)
	next := 0
	ship := func() {
		place := j.End()
		appendAll(t, j, next, next+100)
		if next += 100; !place.Before(j.End()) {
			t.Errorf("the end went from %s to %s", place, j.End())
		}
		if err := errors.Join(j.Sync(), j.Release(j.End())); err != nil {
			t.Fatal(err)
		}
	}
	trim := func() {
		poke(j.shipped)
		eventually(t, "it was looked at", func() bool { return len(j.shipped) == 0 })
		if err := j.trimShipped(); err != nil {
			t.Fatal(err)
		}
	}
	ship()
	first := len(shippedFiles(t, dir, int(j.End().Segment)-1))
	for _, step := range []time.Duration{-5 * time.Hour, 100 * time.Hour, -time.Hour, 0} {
		wall.Store(int64(step))
		before := len(shippedFiles(t, dir, int(j.End().Segment)-1))
		ship()
		trim()
		if after := len(shippedFiles(t, dir, int(j.End().Segment)-1)); after <= before {
			t.Errorf("after a step of %s %d segments are kept, before it %d", step, after, before)
		}
	}
	all := len(shippedFiles(t, dir, int(j.End().Segment)-1))
	up.Store(int64(59 * time.Minute))
	ship()
	trim()
	last := len(shippedFiles(t, dir, int(j.End().Segment)-1)) - all
	up.Store(int64(61 * time.Minute))
	trim()
	shippedFiles(t, dir, last)
	if first == 0 || last == 0 {
		t.Errorf("%d and %d segments are no test", first, last)
	}
	kept := onDisk(t, dir)
	wantRecords(t, kept, next-len(kept), next)
}

func TestKeepBySize(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{KeepBytes: 5 * smallSegment})
	appendAll(t, j, 0, 2000)
	if err := errors.Join(j.Sync(), j.Release(j.End())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the oldest are gone", func() bool {
		files, err := listShipped(dir)
		if err != nil {
			t.Fatal(err)
		}
		sum, packed := int64(0), true
		for _, s := range files {
			sum += s.bytes
			packed = packed && s.compressed
		}
		// How many that are depends on how many were compressed before the limit was met.
		return packed && len(files) > 0 && sum <= 5*smallSegment
	})
	kept := onDisk(t, dir)
	if len(kept) == 2000 {
		t.Error("nothing was deleted")
	}
	wantRecords(t, kept, 2000-len(kept), 2000)
}

// TestFullDiskTakesTheShippedFirst makes the disk full and expects recording to go on in the
// place of what had been shipped.
func TestFullDiskTakesTheShippedFirst(t *testing.T) {
	dir := t.TempDir()
	var full atomic.Bool
	j := open(t, dir, Options{Keep: time.Hour, allocate: func(f *os.File, size int64) error {
		files, err := listShipped(dir)
		if err != nil {
			return err
		}
		if full.Load() && len(files) > 3 {
			return unix.ENOSPC
		}
		return preallocate(f, size)
	}})
	appendAll(t, j, 0, 600)
	if err := errors.Join(j.Sync(), j.Release(Position{Segment: 9, Offset: headerBytes})); err != nil {
		t.Fatal(err)
	}
	shippedFiles(t, dir, 8)
	full.Store(true)
	appendAll(t, j, 600, 1000)
	if s := j.Stats(); s.Dropped != 0 {
		t.Errorf("%d records dropped", s.Dropped)
	}
	kept := onDisk(t, dir)
	wantRecords(t, kept, 1000-len(kept), 1000)
	if files, _ := listShipped(dir); len(files) > 3 {
		t.Errorf("%d shipped segments on a full disk", len(files))
	}
}

// TestCompressingIsCrashSafe leaves the folder as each step of compressing does when the power is
// cut there.
func TestCompressingIsCrashSafe(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{Keep: time.Hour})
	appendAll(t, j, 0, 150)
	if err := errors.Join(j.Sync(), j.Release(j.End())); err != nil {
		t.Fatal(err)
	}
	files := shippedFiles(t, dir, int(j.End().Segment)-1)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for i, whole := range []bool{false, true} { // the compressed form of segments 1 and 2
		raw, err := openShipped(dir, files[i].number)
		if err != nil {
			t.Fatal(err)
		}
		size, _ := raw.size()
		b := make([]byte, size)
		if _, err := raw.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		plain := filepath.Join(dir, shippedFolder, segmentName(files[i].number))
		if err := os.WriteFile(plain, b, 0o640); err != nil {
			t.Fatal(err)
		}
		if whole {
			continue
		}
		if err := os.Remove(files[i].path); err != nil {
			t.Fatal(err)
		}
	}
	// One that was trimmed while it was compressed: nobody will write its name again.
	aside := filepath.Join(dir, shippedFolder, segmentName(99)+compressedSuffix+preparingSuffix)
	if err := os.WriteFile(aside, []byte("half of it"), 0o640); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, onDisk(t, dir), 0, 150) // before anybody tidied up
	if listed, err := listShipped(dir); err != nil || len(listed) != len(files) {
		t.Errorf("%d shipped segments are listed, want %d (%v)", len(listed), len(files), err)
	}
	open(t, dir, Options{Keep: time.Hour})
	eventually(t, "only the compressed ones are left", func() bool {
		entries, err := os.ReadDir(filepath.Join(dir, shippedFolder))
		if err != nil {
			t.Fatal(err)
		}
		packed := 0
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), compressedSuffix) {
				packed++
			}
		}
		return packed == len(files) && packed == len(entries)
	})
	wantRecords(t, onDisk(t, dir), 0, 150)
}
