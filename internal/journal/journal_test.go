package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const smallSegment = 4096

// open opens a journal with small segments and closes it with the test.
func open(t testing.TB, dir string, o Options) *Journal {
	t.Helper()
	if o.SegmentBytes == 0 {
		o.SegmentBytes = smallSegment
	}
	if o.readyWait == 0 {
		o.readyWait = patience // appending here is faster than any traffic and any disk
	}
	j, err := Open(dir, o)
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

// payload is the record number i, of a length that varies with i.
func payload(i int) []byte {
	b := make([]byte, 40+i%57)
	for k := range b {
		b[k] = byte(i*31 + k)
	}
	binary.LittleEndian.PutUint64(b, uint64(i))
	return b
}

func appendAll(t testing.TB, j *Journal, from, to int) Position {
	t.Helper()
	var end Position
	for i := from; i < to; i++ {
		p, err := j.Append(payload(i))
		if err != nil {
			t.Fatalf("append record %d: %v", i, err)
		}
		if !end.Before(p) {
			t.Fatalf("record %d ends at %s, the one before at %s", i, p, end)
		}
		end = p
	}
	return end
}

// readAll reads to the end and returns copies of the payloads and the damage met.
func readAll(t testing.TB, r *Reader) (payloads [][]byte, damages []Damage) {
	t.Helper()
	r.OnDamage = func(d Damage) { damages = append(damages, d) }
	last := uint64(0)
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return payloads, damages
		}
		if err != nil {
			t.Fatal(err)
		}
		if record.Sequence <= last {
			t.Fatalf("sequence %d after %d", record.Sequence, last)
		}
		last = record.Sequence
		payloads = append(payloads, bytes.Clone(record.Payload))
	}
}

func readDir(t testing.TB, dir string, from Position) ([][]byte, []Damage) {
	t.Helper()
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Reader(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	return readAll(t, r)
}

func readLive(t testing.TB, j *Journal, from Position) ([][]byte, []Damage) {
	t.Helper()
	r, err := j.Reader(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	return readAll(t, r)
}

func wantRecords(t testing.TB, got [][]byte, from, to int) {
	t.Helper()
	if len(got) != to-from {
		t.Fatalf("read %d records, want %d", len(got), to-from)
	}
	for i, b := range got {
		if !bytes.Equal(b, payload(from+i)) {
			t.Fatalf("record %d differs: % x", from+i, b)
		}
	}
}

func wantNoDamage(t testing.TB, damages []Damage) {
	t.Helper()
	for _, d := range damages {
		t.Errorf("unexpected damage: %s", d)
	}
}

func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestRecordsComeBackInOrderAcrossSegments(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	end := appendAll(t, j, 0, 500)
	if j.End() != end {
		t.Errorf("end %s, want %s", j.End(), end)
	}
	got, damages := readLive(t, j, Position{})
	wantRecords(t, got, 0, 500)
	wantNoDamage(t, damages)

	got, damages = readDir(t, dir, Position{})
	wantRecords(t, got, 0, 500)
	wantNoDamage(t, damages)

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	got, damages = readDir(t, dir, Position{})
	wantRecords(t, got, 0, 500)
	wantNoDamage(t, damages)
}

func TestReaderStartsAtAnyPosition(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	var ends []Position
	for i := range 200 {
		p, err := j.Append(payload(i))
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, p)
	}
	for i, p := range ends {
		got, damages := readLive(t, j, p)
		wantRecords(t, got, i+1, 200)
		wantNoDamage(t, damages)
	}
	_, err := j.Reader(Position{Segment: j.End().Segment, Offset: j.End().Offset + 8})
	if !errors.Is(err, ErrAhead) {
		t.Errorf("a position behind the end: got %v, want ErrAhead", err)
	}
}

func TestRestartContinuesSequencesInANewSegment(t *testing.T) {
	dir := t.TempDir()
	var place Position
	for run := range 5 {
		j := open(t, dir, Options{})
		if r := j.Recovery(); r.LastSequence != uint64(run*60) || len(r.Damages) != 0 {
			t.Errorf("run %d recovered %+v", run, r)
		}
		got, damages := readLive(t, j, place)
		wantRecords(t, got, run*60-min(run, 1), run*60)
		wantNoDamage(t, damages)
		appendAll(t, j, run*60, run*60+59)
		place = j.End()
		appendAll(t, j, run*60+59, run*60+60)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, damages := readDir(t, dir, Position{})
	wantRecords(t, got, 0, 300)
	wantNoDamage(t, damages)
}

func TestEmptySegmentsDoNotPileUp(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	appendAll(t, j, 0, 10)
	var place Position
	for range 20 {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = open(t, dir, Options{})
		place = j.End()
	}
	if n := len(segmentFiles(t, dir)); n > 3 {
		t.Errorf("%d segments after 20 restarts without a record, want at most 3", n)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, Options{})
	appendAll(t, j, 10, 20)
	got, damages := readLive(t, j, place)
	wantRecords(t, got, 10, 20)
	wantNoDamage(t, damages)
	got, damages = readLive(t, j, Position{})
	wantRecords(t, got, 0, 20)
	wantNoDamage(t, damages)
}

func TestSequencesSurviveThatEverythingIsReleased(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	appendAll(t, j, 0, 300)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		j = open(t, dir, Options{})
		if err := j.Release(j.End()); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	j = open(t, dir, Options{})
	appendAll(t, j, 300, 301)
	if s := j.Stats(); s.LastSequence != 301 || s.Appended != 1 || s.Segments != 1 {
		t.Errorf("got %+v, want sequence 301 in the only segment", s)
	}
}

func TestSecondWriterIsRefused(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v, want ErrLocked", err)
	} else {
		t.Log(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, Options{})
}

func TestAppendRefusesWhatItCanNotKeep(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	largest := smallSegment - headerBytes - frameBytes
	if _, err := j.Append(make([]byte, largest)); err != nil {
		t.Errorf("the largest record: %v", err)
	}
	if _, err := j.Append(make([]byte, largest+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a byte more: got %v, want ErrTooLarge", err)
	}
	if _, err := j.Append(nil); err != nil {
		t.Errorf("an empty record: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: got %v, want ErrClosed", err)
	}
	s := j.Stats()
	if s.Appended != 2 || s.Dropped != 2 || s.DroppedTooLarge != 1 || s.DroppedClosed != 1 {
		t.Errorf("got %+v, want 2 appended, 1 too large, 1 closed", s)
	}
}

func TestSyncReachesTheEnd(t *testing.T) {
	j := open(t, t.TempDir(), Options{SyncInterval: time.Hour})
	end := appendAll(t, j, 0, 100)
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	if s := j.Stats(); s.Synced != end || s.UnsyncedBytes != 0 || s.LastSync.IsZero() {
		t.Errorf("got %+v, want everything synced up to %s", s, end)
	}
}

func TestReleaseKeepsTheSegmentOfThePosition(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	appendAll(t, j, 0, 100)
	place := j.End()
	appendAll(t, j, 100, 400)
	if err := j.Release(place); err != nil {
		t.Fatal(err)
	}
	got, damages := readLive(t, j, place)
	wantRecords(t, got, 100, 400)
	wantNoDamage(t, damages)
	if first := j.Stats().First.Segment; first != place.Segment {
		t.Errorf("the first segment is %d, want %d", first, place.Segment)
	}
	if _, err := os.Stat(filepath.Join(dir, segmentName(place.Segment-1))); err == nil {
		t.Error("the segment before is still there")
	}
	if err := j.Release(Position{Segment: 1 << 30}); !errors.Is(err, ErrAhead) {
		t.Errorf("release behind the end: got %v, want ErrAhead", err)
	}
}

func TestPositionText(t *testing.T) {
	p := Position{Segment: 12, Offset: 4096}
	text, err := p.MarshalText()
	if err != nil || string(text) != "12:4096" {
		t.Fatalf("got %q, %v", text, err)
	}
	var q Position
	if err := q.UnmarshalText(text); err != nil || q != p {
		t.Errorf("got %v, %v, want %v", q, err, p)
	}
	for _, bad := range []string{"", "12", "12:", ":4", "a:4", "12:-1", "12:4:5", "-1:0"} {
		if _, err := ParsePosition(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if !p.Before(Position{12, 4097}) || !p.Before(Position{13, 0}) || p.Before(p) || !(Position{}).Before(p) {
		t.Error("positions are out of order")
	}
}

// recordNumber is the i that payload was called with.
func recordNumber(b []byte) int { return int(binary.LittleEndian.Uint64(b)) }
