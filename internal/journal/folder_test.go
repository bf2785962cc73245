package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// onDisk reads a folder as another process would.
func onDisk(t *testing.T, dir string) [][]byte {
	t.Helper()
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Reader(Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	payloads, _ := readAll(t, r)
	return payloads
}

// deleteFolder waits until the journal has a segment prepared and takes everything away.
func deleteFolder(t *testing.T, j *Journal, dir string) {
	t.Helper()
	eventually(t, "the next segment", func() bool { return len(j.ready) > 0 })
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// TestFolderDeleted takes the folder away while records are appended. What the journal
// still has in memory comes back, the rest is counted, and nothing is refused.
func TestFolderDeleted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "journal")
	j := open(t, dir, Options{})
	appendAll(t, j, 0, 300)
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	r, err := j.Reader(Position{})
	if err != nil {
		t.Fatal(err)
	}
	shipped := 0
	for r.Position().Segment < 4 { // up to the first record of segment 4
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		shipped++
	}
	shipped-- // that one is in a segment that stays
	if err := errors.Join(j.Release(r.Position()), r.Close()); err != nil {
		t.Fatal(err)
	}
	deleteFolder(t, j, filepath.Dir(dir))
	place := j.End().Segment
	next := 300
	eventually(t, "recording goes on in a new segment", func() bool {
		appendAll(t, j, next, next+1)
		next++
		time.Sleep(5 * time.Millisecond)
		return j.End().Segment > place
	})
	appendAll(t, j, next, next+100)
	next += 100
	if err := j.Sync(); err != nil {
		t.Error(err)
	}
	s := j.Stats()
	kept := onDisk(t, dir)
	if len(kept)+int(s.Deleted)+shipped != next || s.Dropped != 0 {
		t.Errorf("%d appended: %d shipped, %d on disk, %d counted as deleted, %d dropped", next, shipped, len(kept), s.Deleted, s.Dropped)
	}
	if s.Deleted == 0 || s.Alarm.State != Fine || s.Alarm.Lost != s.Deleted || s.Alarm.LastLost.IsZero() {
		t.Errorf("the alarm is %q, want fine with the lost ones counted", s.Alarm)
	}
	wantRecords(t, kept, next-len(kept), next)
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("the new folder is not locked: %v", err)
	}
}

// TestFolderCannotBeMade puts a file in the folder's place: records are then refused and counted
// until it is gone.
func TestFolderCannotBeMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j := open(t, dir, Options{readyWait: time.Millisecond})
	appendAll(t, j, 0, 10)
	deleteFolder(t, j, dir)
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sent, kept := 10, 10
	try := func() bool {
		_, err := j.Append(payload(kept))
		if sent++; err == nil {
			kept++
		}
		return err == nil
	}
	eventually(t, "it is known", func() bool { return j.Stats().FolderGone != "" })
	for range 20 {
		if try() {
			t.Error("a record was kept that would end with the process")
		}
	}
	s := j.Stats()
	if s.Alarm.State != Refusing || !strings.Contains(s.Alarm.Reason, "not a directory") || s.Alarm.Since.IsZero() {
		t.Errorf("the alarm is %q", s.Alarm)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "records are kept again", func() bool { time.Sleep(time.Millisecond); return try() })
	eventually(t, "the alarm ends", func() bool { return j.Stats().Alarm.State == Fine })
	if err := j.Sync(); err != nil {
		t.Error(err)
	}
	s = j.Stats()
	if int(s.Appended) != kept || int(s.Dropped) != sent-kept || s.Deleted != 0 {
		t.Errorf("%d sent and %d kept; counted %d appended, %d dropped, %d deleted", sent, kept, s.Appended, s.Dropped, s.Deleted)
	}
	wantRecords(t, onDisk(t, dir), 0, kept)
}

// TestFolderMissingToTheEnd counts what the end of the program takes with it.
func TestFolderMissingToTheEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := Open(dir, Options{SegmentBytes: smallSegment})
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, j, 0, 10)
	deleteFolder(t, j, dir)
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err == nil {
		t.Error("closed as if all were well")
	}
	if s := j.Stats(); s.Alarm.Lost != 10 {
		t.Errorf("%d records are counted as lost, want 10", s.Alarm.Lost)
	}
}

// TestSegmentFileDeleted takes away the one file that is written to.
func TestSegmentFileDeleted(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	appendAll(t, j, 0, 10)
	eventually(t, "the next segment", func() bool { return len(j.ready) > 0 })
	if err := os.Remove(filepath.Join(dir, segmentName(1))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the next segment is used", func() bool { return j.End().Segment == 1 && j.Stats().Rolls == 1 })
	appendAll(t, j, 10, 20)
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, onDisk(t, dir), 0, 20)
}
