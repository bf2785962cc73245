package journal

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var writeGolden = flag.Bool("write-golden", false, "write the golden file of a new format version; never over an existing one")

const goldenFile = "testdata/v1.journal"

// goldenPayloads are the records of the golden file: empty, short, every padding, every byte.
func goldenPayloads() [][]byte {
	payloads := [][]byte{{}, []byte("sluice")}
	for n := range 9 {
		payloads = append(payloads, bytes.Repeat([]byte{byte('a' + n)}, n+1))
	}
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return append(payloads, all)
}

// writeGoldenJournal writes the golden records with a clock that stands still.
func writeGoldenJournal(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	clock := func() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) }
	j := open(t, dir, Options{Now: clock})
	for _, b := range goldenPayloads() {
		if _, err := j.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, segmentName(1))
}

// TestGoldenFileIsStillRead keeps the promise that what was once written stays readable.
func TestGoldenFileIsStillRead(t *testing.T) {
	if _, err := os.Stat(goldenFile); *writeGolden && os.IsNotExist(err) {
		b, err := os.ReadFile(writeGoldenJournal(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(goldenFile, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, segmentName(1)), golden, 0o640); err != nil {
		t.Fatal(err)
	}
	got, damages := readDir(t, dir, Position{})
	wantNoDamage(t, damages)
	want := goldenPayloads()
	if len(got) != len(want) {
		t.Fatalf("read %d records, want %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("record %d is %q, want %q", i+1, got[i], want[i])
		}
	}
	j := open(t, dir, Options{})
	if r := j.Recovery(); r.LastSequence != uint64(len(want)) || len(r.Damages) != 0 {
		t.Errorf("recovered %+v", r)
	}
}

// TestWriterStillWritesTheGoldenFile notices a change of format that forgot the version.
func TestWriterStillWritesTheGoldenFile(t *testing.T) {
	golden, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(writeGoldenJournal(t))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, golden) {
		t.Errorf("the same records make other bytes than %s: a new format needs a new version, a new golden file, and a reader of the old", goldenFile)
	}
}
