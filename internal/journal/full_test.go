package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// eventually waits for a state that the background goroutines bring about.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %s for: %s", patience, what)
		}
	}
}

// fillUntilFull appends until the journal refuses, and then some. It returns how many were kept.
func fillUntilFull(t *testing.T, j *Journal, from int) (kept int) {
	t.Helper()
	refused := uint64(0)
	for i := from; ; i++ {
		_, err := j.Append(payload(i))
		if err == nil {
			continue
		}
		if !errors.Is(err, ErrFull) {
			t.Fatalf("got %v, want ErrFull", err)
		}
		refused++
		kept = i
		break
	}
	eventually(t, "the reason is known", func() bool { return j.Stats().Trouble != "" })
	before := j.Stats().DroppedFull
	for range 10 { // the largest, so that none fits into what is left
		if _, err := j.Append(make([]byte, 3000)); !errors.Is(err, ErrFull) {
			t.Fatalf("got %v, want ErrFull", err)
		}
		refused++
	}
	if got := j.Stats().DroppedFull; got != before+10 || j.Stats().Dropped != got {
		t.Errorf("%d refusals counted, want %d", got, before+10)
	}
	return kept
}

// checkResume releases what was kept and expects recording to go on by itself.
func checkResume(t *testing.T, j *Journal, kept int, space func()) {
	t.Helper()
	place := j.End()
	got, damages := readLive(t, j, Position{})
	wantRecords(t, got, 0, kept)
	wantNoDamage(t, damages)
	space()
	eventually(t, "space is found again", func() bool { return j.Stats().Trouble == "" })
	appendAll(t, j, kept, kept+20)
	got, damages = readLive(t, j, place)
	wantRecords(t, got, kept, kept+20)
	wantNoDamage(t, damages)
}

func TestLimitRefusesAndReleaseResumes(t *testing.T) {
	j := open(t, t.TempDir(), Options{MaxBytes: 4 * smallSegment})
	kept := fillUntilFull(t, j, 0)
	if s := j.Stats(); s.Bytes > 4*smallSegment || s.Segments != 4 {
		t.Errorf("%d bytes in %d segments, want the limit and no more", s.Bytes, s.Segments)
	}
	checkResume(t, j, kept, func() {
		if err := j.Release(j.End()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNoSpaceRefusesAndResumes(t *testing.T) {
	var full atomic.Bool
	j := open(t, t.TempDir(), Options{allocate: func(f *os.File, size int64) error {
		if full.Load() {
			return unix.ENOSPC
		}
		return preallocate(f, size)
	}})
	appendAll(t, j, 0, 100)
	full.Store(true)
	kept := fillUntilFull(t, j, 100)
	if text := j.Stats().Trouble; !strings.Contains(text, "no space left on device") {
		t.Errorf("the operator is told %q", text)
	}
	checkResume(t, j, kept, func() { full.Store(false) })
}

// TestOpenOnAFullDisk must not keep the program from starting: it records as soon as it can.
func TestOpenOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	appendAll(t, j, 0, 100)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	var space atomic.Bool
	o := Options{allocate: func(f *os.File, size int64) error {
		if space.Load() {
			return preallocate(f, size)
		}
		return unix.ENOSPC
	}}
	for range 2 { // the second time behind a run that never recorded
		j = open(t, dir, o)
		if _, err := j.Append(payload(0)); !errors.Is(err, ErrFull) {
			t.Errorf("got %v, want ErrFull", err)
		}
		got, damages := readLive(t, j, Position{})
		wantRecords(t, got, 0, 100)
		wantNoDamage(t, damages)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	j = open(t, dir, o)
	checkResume(t, j, 100, func() { space.Store(true) })
	if s := j.Stats(); s.LastSequence != 120 {
		t.Errorf("the last sequence is %d, want 120", s.LastSequence)
	}
}

func TestOpenAtTheLimitStaysWithinIt(t *testing.T) {
	dir := t.TempDir()
	o := Options{MaxBytes: 3 * smallSegment}
	j := open(t, dir, o)
	kept := fillUntilFull(t, j, 0)
	for range 3 {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = open(t, dir, o)
		if s := j.Stats(); s.Bytes > o.MaxBytes {
			t.Errorf("%d bytes after a restart, want at most %d", s.Bytes, o.MaxBytes)
		}
	}
	checkResume(t, j, kept, func() {
		if err := j.Release(j.End()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestHangingDiskHoldsUpOneAppendOnly(t *testing.T) {
	hang, hung := make(chan struct{}), make(chan struct{}, 10)
	var after atomic.Int32
	j := open(t, t.TempDir(), Options{readyWait: readyWaitDefault, allocate: func(f *os.File, size int64) error {
		if after.Add(1) > 2 {
			hung <- struct{}{}
			<-hang
		}
		return preallocate(f, size)
	}})
	kept := 0
	for ; ; kept++ {
		if _, err := j.Append(payload(kept)); err != nil {
			break
		}
	}
	<-hung
	for range 100 {
		if _, err := j.Append(make([]byte, 3000)); !errors.Is(err, ErrFull) {
			t.Fatalf("got %v, want ErrFull", err)
		}
	}
	if s := j.Stats(); s.Waits > 3 { // two good segments at most, and the one that hangs
		t.Errorf("%d appends waited for a disk that hangs, want the first one only", s.Waits)
	}
	close(hang)
	eventually(t, "the next segment", func() bool { return len(j.ready) > 0 })
	appendAll(t, j, kept, kept+10)
}

// TestDiskFailsUnderTheMap cuts the current segment's file, so that writing to its pages is the
// same fault (SIGBUS) that a dying disk causes.
func TestDiskFailsUnderTheMap(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 64 << 10})
	appendAll(t, j, 0, 40) // less than a page
	eventually(t, "the next segment", func() bool { return len(j.ready) > 0 })
	if err := os.Truncate(filepath.Join(dir, segmentName(1)), pageBytes); err != nil {
		t.Fatal(err)
	}
	kept := 40
	var err error
	for ; kept < 1000; kept++ {
		if _, err = j.Append(payload(kept)); err != nil {
			break
		}
	}
	if !errors.Is(err, errFault) {
		t.Fatalf("got %v, want the disk's fault", err)
	}
	appendAll(t, j, kept, kept+50)
	if s := j.Stats(); s.DroppedFailed != 1 || s.Dropped != 1 {
		t.Errorf("got %+v, want one record dropped by the fault", s)
	}
	got, _ := readLive(t, j, Position{})
	wantRecords(t, got, 0, kept+50)
	if err := j.Release(j.End()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, setAsideFolder, segmentName(1))); err != nil {
		t.Errorf("the failed segment was not set aside: %v", err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir     string
		options Options
		want    string
	}{
		{file, Options{}, "not a directory"},
		{t.TempDir(), Options{SegmentBytes: 100}, "segment size 100: want 4096 to 1073741824 bytes"},
		{t.TempDir(), Options{SyncInterval: -1}, "sync interval -1ns: want more than 0"},
		{t.TempDir(), Options{MaxBytes: 5000}, "limit of 5000 bytes: want at least two segments of 16777216 bytes"},
		{t.TempDir(), Options{allocate: func(*os.File, int64) error { return unix.EACCES }}, "permission denied"},
	} {
		j, err := Open(c.dir, c.options)
		if err == nil {
			_ = j.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	if _, err := OpenDir(file + "-absent"); err == nil || !strings.Contains(err.Error(), "there is no folder") {
		t.Errorf("an absent folder: %v", err)
	}
}
