package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestPowerCut models the loss of power: what was synced is there, and of every page written since,
// either the old or the new content, as the disk pleases. Nothing synced may be lost,
// nothing may come out wrong or twice, and a consumer that has already seen more than
// the disk kept must find everything that is appended afterwards.
func TestPowerCut(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range uint64(40) {
		powerCut(t, rand.New(rand.NewPCG(seed, round)))
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

func powerCut(t *testing.T, random *rand.Rand) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 16 << 10, SyncInterval: time.Hour})
	synced := random.IntN(500)
	appendAll(t, j, 0, synced)
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	onDisk := readFiles(t, dir)
	for name := range onDisk { // a prepared one may be there; its name is not synced
		if name > segmentName(j.End().Segment) {
			delete(onDisk, name)
		}
	}
	appended := synced + random.IntN(500)
	appendAll(t, j, synced, appended)
	seen := j.End() // by a consumer that follows closely
	inMemory := readFiles(t, dir)
	after := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(inMemory)) {
		pages, before := inMemory[name], onDisk[name]
		if before == nil {
			if random.IntN(4) == 0 {
				break // the names from here on were not synced
			}
			before = make([]byte, len(pages))
		}
		mixed := mixPages(random, before, pages)
		if err := os.WriteFile(filepath.Join(after, name), mixed, 0o640); err != nil {
			t.Fatal(err)
		}
	}

	j = open(t, after, Options{SegmentBytes: 16 << 10})
	fresh := appended + 1000
	appendAll(t, j, fresh, fresh+100)
	checkAfterPowerCut(t, j, synced, appended, fresh)
	got, _ := readLive(t, j, seen)
	wantRecords(t, got, fresh, fresh+100)
}

// checkAfterPowerCut reads everything: all that was synced, some of what was appended
// later, and all that came afterwards, in order.
func checkAfterPowerCut(t *testing.T, j *Journal, synced, appended, fresh int) {
	t.Helper()
	r, err := j.Reader(Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	next, survived := 0, 0
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		i := int(binary.LittleEndian.Uint64(record.Payload))
		if i < next || !bytes.Equal(record.Payload, payload(i)) || i >= appended && i < fresh {
			t.Fatalf("record %d after %d", i, next-1)
		}
		if next = i + 1; i < synced {
			survived++
		}
	}
	if survived != synced || next != fresh+100 {
		t.Errorf("%d of %d synced records survive, the last one is %d of %d", survived, synced, next-1, fresh+99)
	}
}

func mixPages(random *rand.Rand, before, now []byte) []byte {
	mixed := bytes.Clone(before)
	chance := random.Float64()
	for from := 0; from < len(now); from += pageBytes {
		if random.Float64() < chance {
			end := min(from+pageBytes, len(now))
			copy(mixed[from:end], now[from:end])
		}
	}
	return mixed
}
