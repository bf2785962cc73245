package pipeline

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// TestRecentAgainstAMap compares with the plain definition: the first visit, and
// the first one at least 24 hours after the last that was one.
func TestRecentAgainstAMap(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	type visit struct {
		v    affiliate.VisitorID
		link int64
	}
	model := map[visit]time.Time{}
	r := newRecent()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for range 300_000 {
		at = at.Add(time.Duration(random.IntN(4)) * time.Second)
		k := visit{affiliate.NewVisitorID(uint16(random.IntN(2)), uint64(random.IntN(9000))), int64(random.IntN(5))}
		last, seen := model[k]
		want := !seen || at.Truncate(time.Minute).Sub(last) >= uniqueWindow
		if want {
			model[k] = at.Truncate(time.Minute)
		}
		if got := r.first(k.v, k.link, at); got != want {
			t.Fatalf("%v at %s: first is %v, want %v (last %s)", k, at, got, want, last)
		}
	}
}

func TestRecentForgetsAfterADay(t *testing.T) {
	r := newRecent()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for day := range 5 {
		for i := range 100_000 {
			r.first(affiliate.NewVisitorID(uint16(day), uint64(i)), 1, at.AddDate(0, 0, day).Add(time.Duration(i)*time.Millisecond))
		}
	}
	if len(r.slots) > 1<<19 {
		t.Errorf("%d slots for the visits of a day, five days in a row", len(r.slots))
	}
}

func TestRecentTakesLateClicks(t *testing.T) {
	r := newRecent()
	v := affiliate.NewVisitorID(1, 2)
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	if !r.first(v, 1, at) {
		t.Fatal("the first visit is none")
	}
	if r.first(v, 1, at.Add(-time.Hour)) {
		t.Error("a click that arrives late makes the visit count twice")
	}
	if !r.first(v, 2, at) {
		t.Error("another link is another visit")
	}
}

// A click of the day before that comes late is a first visit beside today's, and does not make
// that forgotten.
func TestRecentKeepsTheNewest(t *testing.T) {
	r := newRecent()
	v := affiliate.NewVisitorID(1, 2)
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	if !r.first(v, 1, at) || !r.first(v, 1, at.Add(-uniqueWindow-time.Minute)) {
		t.Fatal("two visits a day apart are not both first ones")
	}
	if r.first(v, 1, at.Add(time.Hour)) || !r.near(v, 1, at.Add(time.Hour)) {
		t.Error("the visit an hour before is forgotten")
	}
	if r.near(v, 1, at.Add(uniqueWindow)) || r.near(v, 2, at) {
		t.Error("visits are near that are not")
	}
}

func BenchmarkRecent(b *testing.B) {
	r := newRecent()
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	n := uint64(0)
	for b.Loop() {
		n++
		r.first(affiliate.NewVisitorID(0, n%4_000_000), 1, at)
	}
}
