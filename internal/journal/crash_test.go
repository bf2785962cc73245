package journal

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// childDir tells a copy of this test binary to be a writer that gets killed.
const childDir = "JOURNAL_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := appendForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendForever appends from several goroutines and acknowledges each record on standard
// output once Append has returned, as a redirect would be answered.
func appendForever(dir string) error {
	j, err := Open(dir, Options{SegmentBytes: 64 << 10, readyWait: patience})
	if err != nil {
		return err
	}
	failed := make(chan error)
	var out sync.Mutex
	for writer := range 3 {
		go func() {
			b := make([]byte, 200)
			for i := uint64(0); ; i++ {
				binary.LittleEndian.PutUint64(b, uint64(os.Getpid())<<32|uint64(writer)<<28|i)
				if _, err := j.Append(b); err != nil {
					failed <- err
				}
				out.Lock()
				_, err := os.Stdout.Write(b[:8])
				out.Unlock()
				if err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

// TestKilledWriterLosesNothingAcknowledged kills a writer again and again in the same folder.
func TestKilledWriterLosesNothingAcknowledged(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	acknowledged := map[uint64]bool{}
	for range rounds {
		for _, id := range runAndKill(t, dir, random.IntN(4000)) {
			acknowledged[id] = true
		}
	}
	j := open(t, dir, Options{})
	payloads, damages := readLive(t, j, Position{})
	seen := map[uint64]bool{}
	for _, b := range payloads {
		id := binary.LittleEndian.Uint64(b)
		if seen[id] {
			t.Errorf("record %x is there twice", id)
		}
		seen[id] = true
	}
	for id := range acknowledged {
		if !seen[id] {
			t.Errorf("record %x was acknowledged and is lost", id)
		}
	}
	for _, d := range damages { // a copy cut short is all that a kill may leave
		if d.Records > 0 || d.Hint != hintTail {
			t.Errorf("unexpected damage: %s", d)
		}
	}
	t.Logf("%d records acknowledged, %d read, %d writes cut short, %d segments", len(acknowledged), len(seen), len(damages), len(segmentFiles(t, dir)))
}

// runAndKill starts a writer, kills it with signal 9 after so many acknowledgements, and returns
// all of them, including those that were still in the pipe.
func runAndKill(t *testing.T, dir string, after int) (ids []uint64) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	pipe, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(pipe)
	var id [8]byte
	for {
		if _, err := io.ReadFull(out, id[:]); err != nil {
			break
		}
		ids = append(ids, binary.LittleEndian.Uint64(id[:]))
		if len(ids) == after+1 {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // it was killed
	if len(ids) <= after {
		t.Fatalf("the writer ended by itself after %d records", len(ids))
	}
	return ids
}
