package journal

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// powerDisk is what a disk holds for certain: the ranges that were synced, under the names that were.
type powerDisk struct {
	mu    sync.Mutex
	dir   string
	files map[string][]byte
	named map[string]bool
	t     *testing.T
}

// synced is the journal's report. What is in the file now may be younger than what the disk got; the
// pages beyond the range are not taken.
func (d *powerDisk) synced(path string, from, end int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if path == "" {
		for name := range readFiles(d.t, d.dir) {
			d.named[name] = true
		}
		return
	}
	now, err := os.ReadFile(path)
	if err != nil {
		d.t.Error(err)
		return
	}
	name := filepath.Base(path)
	if d.files[name] == nil {
		d.files[name] = make([]byte, len(now))
	}
	end = min((end+pageBytes-1)&^(pageBytes-1), int64(len(now)))
	copy(d.files[name][from:end], now[from:end])
}

// cut takes the power away and returns the folder as it is found afterwards: what was synced, and
// of each other page its old or its new content.
func (d *powerDisk) cut(random *rand.Rand) (after string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	after = d.t.TempDir()
	memory := readFiles(d.t, d.dir)
	for _, name := range slices.Sorted(maps.Keys(memory)) {
		if !d.named[name] && random.IntN(3) == 0 {
			break // nor are the names behind it
		}
		before := d.files[name]
		if before == nil {
			before = make([]byte, len(memory[name]))
		}
		if len(before) > len(memory[name]) { // cut at the end by a recovery
			before = before[:len(memory[name])]
		}
		if err := os.WriteFile(filepath.Join(after, name), mixPages(random, before, memory[name]), 0o640); err != nil {
			d.t.Fatal(err)
		}
	}
	return after
}

// TestPowerCutTakesOneIntervalAtMost cuts the power at any moment of a journal that syncs on its
// interval. At most what was appended since the last sync is lost; nothing is there twice or wrong.
// JOURNAL_POWER_ROUNDS asks for more rounds, JOURNAL_SEED for those of an earlier run.
func TestPowerCutTakesOneIntervalAtMost(t *testing.T) {
	seed, rounds := rand.Uint64(), uint64(60)
	if text := os.Getenv("JOURNAL_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := strconv.ParseUint(os.Getenv("JOURNAL_POWER_ROUNDS"), 10, 64); err == nil {
		rounds = n
	}
	t.Logf("seed %d", seed)
	worst := 0
	for round := range rounds {
		worst = max(worst, powerCutsOnTheInterval(t, rand.New(rand.NewPCG(seed, round))))
		if t.Failed() {
			t.Fatalf("in round %d of JOURNAL_SEED=%d", round, seed)
		}
	}
	t.Logf("at worst %d records lost, of %d an interval", worst, recordsPerInterval)
}

const recordsPerInterval = 120

// powerCutsOnTheInterval lives through a few power cuts in a row and returns the most records that one of
// them took.
func powerCutsOnTheInterval(t *testing.T, random *rand.Rand) (worst int) {
	dir, next := t.TempDir(), 0
	var alive []int // records that must be there
	for range 1 + random.IntN(3) {
		disk := &powerDisk{dir: dir, files: readFiles(t, dir), named: map[string]bool{}, t: t}
		for name := range disk.files {
			disk.named[name] = true
		}
		ticks := make(chan time.Time)
		j := open(t, dir, Options{SegmentBytes: 16 << 10, ticks: ticks, synced: disk.synced})
		var since []int // the last sync
		for range random.IntN(6) {
			for range random.IntN(recordsPerInterval + 1) {
				appendAll(t, j, next, next+1)
				since = append(since, next)
				next++
			}
			ticks <- time.Now()
			ticks <- time.Now() // taken when the one before is through
			alive, since = append(alive, since...), nil
		}
		for range random.IntN(recordsPerInterval + 1) { // the cut comes anywhere in an interval
			appendAll(t, j, next, next+1)
			since = append(since, next)
			next++
		}
		dir = disk.cut(random)
		found := foundAfterCut(t, dir)
		got := slices.DeleteFunc(slices.Clone(since), func(i int) bool { return !slices.Contains(found, i) })
		worst = max(worst, len(since)-len(got))
		if alive = append(alive, got...); !slices.Equal(found, alive) {
			t.Errorf("of %d records, %d of them synced, %d are found", len(alive)+len(since)-len(got), len(alive)-len(got), len(found))
			return worst
		}
	}
	return worst
}

// foundAfterCut returns the numbers of the records in a folder and checks that each is whole.
func foundAfterCut(t *testing.T, dir string) (found []int) {
	t.Helper()
	for _, b := range onDisk(t, dir) {
		i := recordNumber(b)
		if !bytes.Equal(b, payload(i)) {
			t.Errorf("record %d is corrupt", i)
		}
		found = append(found, i)
	}
	return found
}
