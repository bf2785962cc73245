package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/sqlite"
)

// A world of so many programs and years is one simulation.
const (
	shopsOfWorld = 6
	yearsOfWorld = 2
)

// yearsWanted is how many program-years are played: SIM_YEARS, or what suits the build.
func yearsWanted(t *testing.T, plain, raced int) int {
	if s := os.Getenv("SIM_YEARS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("SIM_YEARS: %q is not a number of years", s)
		}
		return n
	}
	if raced > 0 && raceDetector || testing.Short() {
		return raced
	}
	return plain
}

// seedsWanted are the seeds of so many worlds: from SIM_SEED, or 1, on.
func seedsWanted(t *testing.T, worlds int) []uint64 {
	from, s := uint64(1), os.Getenv("SIM_SEED")
	if s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("SIM_SEED: %q is not a seed", s)
		}
		from = n
		if os.Getenv("SIM_YEARS") == "" {
			worlds = 1
		}
	}
	seeds := make([]uint64, worlds)
	for i := range seeds {
		seeds[i] = from + uint64(i)
	}
	return seeds
}

// faultsWanted are the known faults that are played all the same: SIM_FAULTS={"LateClick":true}.
func faultsWanted(t *testing.T) (f Faults) {
	if s := os.Getenv("SIM_FAULTS"); s != "" {
		if err := json.Unmarshal([]byte(s), &f); err != nil {
			t.Fatalf("SIM_FAULTS: %v", err)
		}
	}
	return f
}

// A thousand years of programs, with a store in memory.
func TestProgramYears(t *testing.T) {
	playAll(t, "in memory", yearsWanted(t, 1000, 36), func(seed uint64) (Result, error) {
		return Play(t.Context(), Options{Seed: seed, Shops: shopsOfWorld, Years: yearsOfWorld, Store: inMemory, Faults: faultsWanted(t)})
	})
}

// Some years with SQLite, whose postings must be those of the store in memory.
func TestProgramYearsOnSQLite(t *testing.T) {
	years := min(yearsWanted(t, 20, 4), 200)
	shops, span := 4, 1
	played := map[string]int{}
	for _, seed := range seedsWanted(t, max(years/shops/span, 1)) {
		o := Options{Seed: seed, Shops: shops, Years: span, Store: onDisk(t)}
		result, err := Play(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		o.Store = inMemory
		twin, err := Play(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if twin.Digest != result.Digest {
			t.Errorf("seed %d: the postings on SQLite have the digest %s, in memory %s", seed, result.Digest, twin.Digest)
		}
		add(played, result.Events)
	}
	report(t, "on SQLite", years, played)
}

// A seed says everything that happens.
func TestSeedReplays(t *testing.T) {
	var digests []string
	for _, seed := range []uint64{7, 7, 8} {
		result, err := Play(t.Context(), Options{Seed: seed, Shops: 3, Years: 1, Store: inMemory})
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, result.Digest)
	}
	if digests[0] != digests[1] || digests[0] == digests[2] {
		t.Errorf("the seeds 7, 7 and 8 give %v", digests)
	}
}

func inMemory(before store.Store) (store.Store, error) {
	if before != nil {
		return before, nil
	}
	return newMemory(), nil
}

// onDisk opens the same database again and again.
func onDisk(t *testing.T) func(store.Store) (store.Store, error) {
	path := filepath.Join(t.TempDir(), "sluice.db")
	return func(before store.Store) (store.Store, error) {
		if before != nil {
			if err := before.Close(); err != nil {
				return nil, err
			}
		}
		return sqlite.Open(t.Context(), sqlite.Options{Path: path})
	}
}

// playAll plays worlds on all processors until so many program-years have passed.
func playAll(t *testing.T, where string, years int, play func(seed uint64) (Result, error)) {
	worlds := max((years+shopsOfWorld*yearsOfWorld-1)/(shopsOfWorld*yearsOfWorld), 1)
	seeds := seedsWanted(t, worlds)
	var next atomic.Int64
	var mu sync.Mutex
	var all sync.WaitGroup
	played, violations := map[string]int{}, 0
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(seeds) {
					return
				}
				result, err := play(seeds[n])
				mu.Lock()
				add(played, result.Events)
				if err != nil {
					if violations++; violations <= 10 {
						t.Errorf("%v\nplay it again: SIM_SEED=%d go test ./test/sim -run '^%s$'", err, seeds[n], t.Name())
					}
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	report(t, where, len(seeds)*shopsOfWorld*yearsOfWorld, played)
	t.Logf("seeds %d to %d, violations: %d", seeds[0], seeds[len(seeds)-1], violations)
}

func add(to, more map[string]int) {
	for name, n := range more {
		to[name] += n
	}
}

// report says what was played.
func report(t *testing.T, where string, years int, played map[string]int) {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(played)) {
		fmt.Fprintf(&b, "\n  %8d  %s", played[name], name)
	}
	t.Logf("%d program-years %s, from %s on:%s", years, where, begin.Format(time.DateOnly), b.String())
}
