package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// FuzzReader feeds anything to the reader. It must neither fail nor hang, must account for
// its progress, and must not hand out a record that the file does not hold with a right checksum.
func FuzzReader(f *testing.F) {
	golden, err := os.ReadFile(goldenFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden, uint64(0), false)
	f.Add(golden, uint64(0), true)
	f.Add(golden[:300], uint64(100), false)
	f.Add(golden[headerBytes:], uint64(0), true)
	f.Add([]byte{}, uint64(64), false)
	for _, i := range []int{5, 14, 50, 64, 66, 70, 90, 200} {
		b := append([]byte(nil), golden...)
		b[i] ^= 0x40
		f.Add(b, uint64(0), false)
		f.Add(b, uint64(0), true)
	}
	dir := f.TempDir()
	path := filepath.Join(dir, segmentName(1))
	f.Fuzz(func(t *testing.T, file []byte, offset uint64, mend bool) {
		if mend {
			file = append([]byte(nil), file...) // the engine's own
			mendChecksums(file)
		}
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		r := newReader(oneSegment{path: path, number: 1}, Position{Segment: 1, Offset: int64(offset % (1 << 20))})
		r.OnDamage = func(d Damage) {
			if d.Offset < 0 || d.Bytes < 0 || d.Offset+d.Bytes > max(int64(len(file)), headerBytes) || d.Reason == "" {
				t.Errorf("the damage is not in the file: %+v", d)
			}
		}
		last := Record{Position: Position{Segment: 1}}
		for {
			record, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if record.Sequence <= last.Sequence || !last.Position.Before(record.Position) {
				t.Fatalf("sequence %d at %s comes after %d at %s", record.Sequence, record.Position, last.Sequence, last.Position)
			}
			checkInFile(t, file, record)
			last = record
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// checkInFile reads the record again the plain way, straight from the format's description.
func checkInFile(t *testing.T, file []byte, r Record) {
	t.Helper()
	end := r.Position.Offset
	start := end - (16+int64(len(r.Payload))+7)&^7
	if start < 64 || start%8 != 0 {
		t.Fatalf("a record begins at %d", start)
	}
	length := int64(binary.LittleEndian.Uint32(file[start:]))
	covered := append(append([]byte(nil), file[start:start+4]...), file[start+8:start+length]...)
	sum := crc32.Checksum(covered, crc32.MakeTable(crc32.Castagnoli))
	switch {
	case length != 16+int64(len(r.Payload)):
		t.Fatalf("the length at %d is %d, the payload has %d bytes", start, length, len(r.Payload))
	case sum != binary.LittleEndian.Uint32(file[start+4:]):
		t.Fatalf("the record at %d has a wrong checksum", start)
	case r.Sequence != binary.LittleEndian.Uint64(file[start+8:]):
		t.Fatalf("the record at %d has another sequence", start)
	case string(r.Payload) != string(file[start+16:start+length]):
		t.Fatalf("the record at %d has another payload", start)
	}
}

// mendChecksums gives every chain of lengths right checksums, so that the fuzzer gets
// behind them.
func mendChecksums(file []byte) {
	for at := int64(headerBytes); at+frameBytes <= int64(len(file)); {
		length := int64(binary.LittleEndian.Uint32(file[at:]))
		if length < frameBytes || at+length > int64(len(file)) {
			at += alignment
			continue
		}
		binary.LittleEndian.PutUint32(file[at+4:], checksum(uint32(length), file[at+8:at+length]))
		at += (length + alignment - 1) &^ (alignment - 1)
	}
}
