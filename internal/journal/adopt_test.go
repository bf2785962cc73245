package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// leave writes records and leaves the folder as a writer does that closed it, or as one that
// was killed: the space it had reserved is still there.
func leave(t *testing.T, dir string, records int, killed bool) {
	t.Helper()
	j, err := Open(dir, Options{SegmentBytes: smallSegment, readyWait: patience})
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, j, 0, records)
	eventually(t, "the next segment", func() bool { return len(j.ready) > 0 })
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if killed {
		last := segmentFiles(t, dir)
		if err := os.Truncate(last[len(last)-1], smallSegment); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, lockFile), []byte("1\n"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

func adopt(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := Adopt(dir, Options{SegmentBytes: smallSegment})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return j
}

// TestAdopt drains what a writer left, in two goes, and then writes to the folder again: numbers and
// sequences must go on, so that a consumer's old position never means another record.
func TestAdopt(t *testing.T) {
	for name, killed := range map[string]bool{"closed": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			leave(t, dir, 200, killed)
			j := adopt(t, dir)
			if _, err := j.Append(payload(0)); !errors.Is(err, ErrClosed) || j.Drained() {
				t.Errorf("append says %v, drained %t", err, j.Drained())
			}
			r, err := j.Reader(Position{})
			if err != nil {
				t.Fatal(err)
			}
			var middle, last Position
			for i := range 200 {
				record, err := r.Next()
				if err != nil || int(binary.LittleEndian.Uint64(record.Payload)) != i {
					t.Fatalf("record %d: %v", i, err)
				}
				if last = record.Position; i == 99 {
					middle = last
				}
			}
			if err := r.Wait(context.Background()); !errors.Is(err, ErrClosed) {
				t.Errorf("at the end wait says %v", err)
			}
			if err := errors.Join(j.Release(middle), r.Close(), j.Close()); err != nil {
				t.Fatal(err)
			}

			j = adopt(t, dir)
			got, damages := readLive(t, j, middle)
			wantRecords(t, got, 100, 200)
			wantNoDamage(t, damages)
			if err := j.Release(last); err != nil {
				t.Fatal(err)
			}
			files := segmentFiles(t, dir)
			if !j.Drained() || len(files) != 1 {
				t.Errorf("drained %t with %v left", j.Drained(), files)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if j = adopt(t, dir); !j.Drained() {
				t.Error("not drained when adopted again")
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}

			j = open(t, dir, Options{})
			appendAll(t, j, 200, 210)
			got, damages = readLive(t, j, last)
			wantRecords(t, got, 200, 210)
			wantNoDamage(t, damages)
			if s := j.Stats(); s.LastSequence != 210 {
				t.Errorf("the last sequence is %d, want 210", s.LastSequence)
			}
		})
	}
}

func TestAdoptWhileTheWriterLives(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	if _, err := Adopt(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	adopt(t, dir)
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("an adopted folder is open to a writer: %v", err)
	}
	if _, err := Adopt(filepath.Join(dir, "absent"), Options{}); err == nil {
		t.Error("adopted a folder that is not there")
	}
}
