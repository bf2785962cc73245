package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The journal that is broken: three segments, of which the first two are full.
//
//	segment 1   records  1 to 33
//	segment 2   records 34 to 66
//	segment 3   records 67 to 86, cut behind the last by Close
const (
	brokenPayload = 101 // 3 bytes of padding
	brokenStride  = 120
	brokenFull    = (smallSegment - headerBytes) / brokenStride // 33
	brokenRecords = 2*brokenFull + 20
)

// at is the offset of record i, counted from 0, of any segment.
func at(i int) int64 { return headerBytes + int64(i)*brokenStride }

type damageFunc func(t *testing.T, dir string)

// TestCorruption breaks a journal in one way at a time. survive is how many of the 86
// records must still be read, told is what the operator gets to know. Opening the
// broken journal and appending to it must change neither, and no byte that could not
// be read may be deleted.
func TestCorruption(t *testing.T) {
	for _, c := range []struct {
		name    string
		damage  damageFunc
		survive int
		told    []string
	}{
		{"nothing", none, 86, nil},

		{"torn segment header", cut(2, 40), 53, []string{
			"segment 2, offset 0, 40 bytes: the file is shorter than a segment header",
			"segment 3, offset 64: records 34 to 66 are missing; 33 records lost"}},
		{"empty file", cut(2, 0), 53, []string{
			"segment 3, offset 64: records 34 to 66 are missing; 33 records lost"}},
		{"zeroed segment header", zero(2, 0, headerBytes), 86, []string{
			"segment 2, offset 0, 64 bytes: the segment header's checksum does not match"}},
		{"torn record header", cut(3, at(19)+12), 85, []string{
			"segment 3, offset 2344, 9 bytes: the record reaches beyond the end of the segment, and no whole record follows in this segment"}},
		{"torn payload", cut(3, at(19)+50), 85, []string{
			"segment 3, offset 2344, 50 bytes: the record reaches beyond the end of the segment, and no whole record follows in this segment"}},
		{"torn payload, length not published", both(zero(3, at(19), 4), zero(3, at(19)+50, 80)), 85, []string{
			"segment 3, offset 2344, 50 bytes: a write that was cut short behind the last record; it had not been acknowledged"}},

		{"bit in a record's length", flip(2, at(5)), 85, []string{
			"segment 2, offset 664, 120 bytes: the record's checksum does not match; 1 record lost"}},
		{"high bit in a record's length", flip(2, at(5)+3), 85, []string{
			"segment 2, offset 664, 120 bytes: the record's length is impossible; 1 record lost"}},
		{"bit in a record's checksum", flip(2, at(5)+4), 85, []string{
			"segment 2, offset 664, 120 bytes: the record's checksum does not match; 1 record lost"}},
		{"bit in a record's sequence", flip(2, at(5)+8), 85, []string{
			"segment 2, offset 664, 120 bytes: the record's checksum does not match; 1 record lost"}},
		{"bit in a payload", flip(2, at(5)+20), 85, []string{
			"segment 2, offset 664, 120 bytes: the record's checksum does not match; 1 record lost"}},
		{"bit in the padding", flip(2, at(5)+118), 86, []string{
			"segment 2, offset 781, 3 bytes: the padding behind a record is not zero; the record itself is whole"}},
		{"bit in a segment's first record", flip(2, at(0)+20), 85, []string{
			"segment 2, offset 64, 120 bytes: the record's checksum does not match; 1 record lost"}},
		{"bit in a segment's last record", flip(2, at(32)+20), 85, []string{
			"segment 2, offset 3904, 117 bytes: the record's checksum does not match, and no whole record follows in this segment",
			"segment 3, offset 64: record 66 is missing; 1 record lost"}},
		{"bit in the last record of all", flip(3, at(19)+20), 85, []string{
			"segment 3, offset 2344, 117 bytes: the record's checksum does not match, and no whole record follows in this segment"}},
		{"two neighbours", both(flip(2, at(5)+20), flip(2, at(6)+20)), 84, []string{
			"segment 2, offset 664, 240 bytes: the record's checksum does not match; 2 records lost"}},
		{"two apart", both(flip(2, at(5)+20), flip(2, at(9))), 84, []string{
			"segment 2, offset 664, 120 bytes: the record's checksum does not match; 1 record lost",
			"segment 2, offset 1144, 120 bytes: the record's checksum does not match; 1 record lost"}},

		{"bit in the header's magic", flip(2, headerMagic), 86, headerTold(2)},
		{"bit in the header's version", flip(2, headerVersion), 86, headerTold(2)},
		{"bit in the header's checksum", flip(2, headerChecksum), 86, headerTold(2)},
		{"bit in the header's segment number", flip(2, headerNumber), 86, headerTold(2)},
		{"bit in the header's previous segment", flip(2, headerPrevious), 86, headerTold(2)},
		{"bit in the header's time of creation", flip(2, headerCreated), 86, headerTold(2)},
		{"bit in the header's capacity", flip(2, headerCapacity), 86, headerTold(2)},
		{"bit in the header's reserved bytes", flip(2, headerReserved), 86, headerTold(2)},
		{"bit in the header's first sequence", flip(2, headerFirst), 86, []string{
			"segment 2, offset 0, 64 bytes: the first sequence in the segment header does not match its checksum"}},
		{"bit in the first sequence's checksum", flip(2, headerFirstCheck), 86, []string{
			"segment 2, offset 0, 64 bytes: the first sequence in the segment header does not match its checksum"}},
		{"bit in the last segment's header", flip(3, headerNumber), 86, headerTold(3)},
		{"header and first record", both(flip(2, headerNumber), flip(2, at(0)+20)), 85, []string{
			"segment 2, offset 0, 64 bytes: the segment header's checksum does not match",
			"segment 2, offset 64, 120 bytes: the record's checksum does not match; 1 record lost"}},

		{"zero-filled tail of the last segment", zero(3, at(15), 5*brokenStride), 81, nil},
		{"zero-filled tail of a full segment", zero(2, at(20), smallSegment-at(20)), 73, []string{
			"segment 3, offset 64: records 54 to 66 are missing; 13 records lost"}},
		{"zeros behind the tail", extend(3, make([]byte, 9000)), 86, nil},
		{"zeros instead of a segment", zero(2, 0, smallSegment), 53, []string{
			"segment 3, offset 64: records 34 to 66 are missing; 33 records lost"}},
		{"zeros instead of the last segment", zero(3, 0, smallSegment), 66, nil},
		{"hole of zeros", zero(2, at(5)+40, 300), 83, []string{
			"segment 2, offset 664, 360 bytes: the record's checksum does not match; 3 records lost"}},
		{"hole of zeros over whole records", zero(2, at(5), 2*brokenStride), 84, []string{
			"segment 2, offset 664, 240 bytes: zeros where a record must be; 2 records lost"}},

		{"truncated segment", cut(2, at(20)), 73, []string{
			"segment 3, offset 64: records 54 to 66 are missing; 13 records lost"}},
		{"truncated within a record", cut(1, at(10)+50), 63, []string{
			"segment 1, offset 1264, 50 bytes: the record reaches beyond the end of the segment, and no whole record follows in this segment",
			"segment 2, offset 64: records 11 to 33 are missing; 23 records lost"}},
		{"missing middle segment", remove(2), 53, []string{
			"segment 3, offset 64: segment 2 is missing: records 34 to 66 are missing; 33 records lost"}},
		{"missing middle segment and a bad header behind it", both(remove(2), flip(3, headerNumber)), 53, []string{
			"segment 3, offset 0, 64 bytes: the segment header's checksum does not match",
			"segment 3, offset 64: segment 2 is missing: records 34 to 66 are missing; 33 records lost"}},
		{"missing first segment, as after a release", remove(1), 53, nil},
		{"wrong version", version(2, 7), 53, []string{
			"segment 2, offset 0, 4096 bytes: written in journal format 7, this program reads format 1"}},
		{"wrong version of the last segment", version(3, 7), 66, []string{
			"segment 3, offset 0, 2464 bytes: written in journal format 7, this program reads format 1"}},

		{"garbage behind the tail", extend(3, garbage(500)), 86, []string{
			"segment 3, offset 2464, 500 bytes: the record's length is impossible, and no whole record follows in this segment"}},
		{"garbage instead of a segment", overwrite(2, 0, garbage(smallSegment)), 53, []string{
			"segment 2, offset 0, 64 bytes: the segment header's checksum does not match",
			"segment 2, offset 64, 4032 bytes: the record's length is impossible, and no whole record follows in this segment",
			"segment 3, offset 64: records 34 to 66 are missing; 33 records lost"}},
		{"garbage in the middle", overwrite(2, at(5)+13, garbage(200)), 84, []string{
			"segment 2, offset 664, 240 bytes: the record's checksum does not match; 2 records lost"}},
		{"an older segment copied over a newer one", copied(1, 2), 53, []string{
			"segment 2, offset 0: the file is named segment 2, its header says segment 1",
			"segment 2, offset 64, 3957 bytes: the record is older than the one before it, and no whole record follows in this segment",
			"segment 3, offset 64: records 34 to 66 are missing; 33 records lost"}},
		{"a record repeated in place of the next", repeated(2, 5), 85, []string{
			"segment 2, offset 784, 120 bytes: the record is older than the one before it; 1 record lost"}},
	} {
		t.Run(c.name, func(t *testing.T) { testCorruption(t, c.damage, c.survive, c.told) })
	}
}

func testCorruption(t *testing.T, damage damageFunc, survive int, told []string) {
	dir := brokenJournal(t)
	damage(t, dir)
	before := readFiles(t, dir)

	at := readBroken(t, dir)
	at.check(t, "at rest", survive, told)
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if int(v.Records) != survive || len(v.Damages) != len(told) {
		t.Errorf("verify: %d records and %d damages, want %d and %d", v.Records, len(v.Damages), survive, len(told))
	}

	// The writer comes back and goes on behind it.
	j := open(t, dir, Options{})
	for range 5 {
		if _, err := j.Append(make([]byte, brokenPayload)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	payloads, damages := readLive(t, j, Position{})
	live := broken{payloads, damages}
	live.check(t, "live", survive+5, told)

	if err := j.Release(j.End()); err != nil {
		t.Fatal(err)
	}
	checkKept(t, dir, before, damages)
}

// broken is what reading the broken journal gave.
type broken struct {
	payloads [][]byte
	damages  []Damage
}

func readBroken(t *testing.T, dir string) broken {
	payloads, damages := readDir(t, dir, Position{})
	return broken{payloads, damages}
}

func (b broken) check(t *testing.T, when string, survive int, told []string) {
	t.Helper()
	if len(b.payloads) != survive {
		t.Errorf("%s: %d records survive, want %d", when, len(b.payloads), survive)
	}
	var got []string
	for _, d := range b.damages {
		line := d.String()
		if hint := " (" + d.Hint + ")"; d.Hint == "" || !strings.HasSuffix(line, hint) {
			t.Errorf("%s: %q does not say what to do", when, line)
		} else {
			got = append(got, strings.TrimSuffix(line, hint))
		}
	}
	if !slices.Equal(got, told) {
		t.Errorf("%s: the operator is told\n\t%s\nwant\n\t%s", when, strings.Join(got, "\n\t"), strings.Join(told, "\n\t"))
	}
}

// checkKept makes sure that every damaged file is still there, byte for byte, once all
// has been released: set aside with its reason, or in its place if its version is foreign.
func checkKept(t *testing.T, dir string, before map[string][]byte, damages []Damage) {
	t.Helper()
	for _, d := range damages {
		name := segmentName(d.Segment)
		content, was := before[name]
		if d.Bytes == 0 || !was {
			continue
		}
		path := filepath.Join(dir, setAsideFolder, name)
		if strings.Contains(d.Reason, "format") {
			path = filepath.Join(dir, name)
		} else if reason, err := os.ReadFile(path + ".reason.txt"); err != nil {
			t.Error(err)
		} else if !strings.Contains(string(reason), d.Reason) {
			t.Errorf("the reason beside %s does not say %q:\n%s", name, d.Reason, reason)
		}
		kept, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("damaged segment %d is gone: %v", d.Segment, err)
			continue
		}
		if !bytes.Equal(bytes.TrimRight(kept, "\x00"), bytes.TrimRight(content, "\x00")) {
			t.Errorf("damaged segment %d was changed", d.Segment)
		}
	}
}

func brokenJournal(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	j := open(t, dir, Options{})
	for i := range brokenRecords {
		b := bytes.Repeat([]byte{byte(i + 1)}, brokenPayload)
		if _, err := j.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func readFiles(t *testing.T, dir string) map[string][]byte {
	files := map[string][]byte{}
	for _, path := range segmentFiles(t, dir) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = b
	}
	return files
}

// Ways to break a journal.

func none(*testing.T, string) {}

func both(a, b damageFunc) damageFunc {
	return func(t *testing.T, dir string) { a(t, dir); b(t, dir) }
}

// change rewrites a segment's file.
func change(segment uint64, edit func(b []byte) []byte) damageFunc {
	return func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, segmentName(segment))
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, edit(b), 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

func flip(segment uint64, offset int64) damageFunc {
	return change(segment, func(b []byte) []byte { b[offset] ^= 0x10; return b })
}

func cut(segment uint64, size int64) damageFunc {
	return change(segment, func(b []byte) []byte { return b[:size] })
}

func zero(segment uint64, from, n int64) damageFunc {
	return change(segment, func(b []byte) []byte {
		clear(b[from:min(from+n, int64(len(b)))])
		return b
	})
}

func extend(segment uint64, tail []byte) damageFunc {
	return change(segment, func(b []byte) []byte { return append(b, tail...) })
}

func overwrite(segment uint64, from int64, with []byte) damageFunc {
	return change(segment, func(b []byte) []byte { copy(b[from:], with); return b })
}

func repeated(segment uint64, record int) damageFunc {
	return change(segment, func(b []byte) []byte {
		copy(b[at(record+1):at(record+2)], b[at(record):at(record+1)])
		return b
	})
}

// version gives a segment another format version, with the checksum that goes with it.
func version(segment uint64, v uint32) damageFunc {
	return change(segment, func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[headerVersion:], v)
		binary.LittleEndian.PutUint32(b[headerChecksum:], sumHeader(b))
		return b
	})
}

func remove(segment uint64) damageFunc {
	return func(t *testing.T, dir string) {
		if err := os.Remove(filepath.Join(dir, segmentName(segment))); err != nil {
			t.Fatal(err)
		}
	}
}

func copied(from, to uint64) damageFunc {
	return func(t *testing.T, dir string) {
		b, err := os.ReadFile(filepath.Join(dir, segmentName(from)))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, segmentName(to)), b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

func garbage(n int) []byte { return bytes.Repeat([]byte{0xa5}, n) }

func headerTold(segment int) []string {
	return []string{fmt.Sprintf("segment %d, offset 0, 64 bytes: the segment header's checksum does not match", segment)}
}

// TestRecordInsideAPayloadIsNotBelieved damages the length of a record whose payload, sent by a
// stranger, holds the bytes of whole records. The search for the next record meets them first.
func TestRecordInsideAPayloadIsNotBelieved(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	forged := make([]byte, 240)
	for i, sequence := range []uint64{1, 50, 1 << 40} {
		putRecord(forged[i*80:], sequence, []byte("forged"))
	}
	appendAll(t, j, 0, 1)
	if _, err := j.Append(forged); err != nil {
		t.Fatal(err)
	}
	appendAll(t, j, 1, 5)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	flip(1, headerBytes+paddedBytes(len(payload(0)))+3)(t, dir)
	got, damages := readDir(t, dir, Position{})
	wantRecords(t, got, 0, 5)
	if len(damages) != 1 || damages[0].Records != 1 || damages[0].Bytes != 256 {
		t.Errorf("damage %v, want the one record", damages)
	}
}
