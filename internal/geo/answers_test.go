package geo

import (
	"hash/maphash"
	"strings"
	"testing"
)

func TestAnswersAreKeptOnce(t *testing.T) {
	c := newCollector()
	swedish := Location{"SE", 29518, "Bredband2 AB"}
	places := map[Location]uint32{}
	for range 3 {
		for _, l := range []Location{{}, swedish, {"DE", 29518, "Bredband2 AB"}, {"", 1, "Other"}, {"SE", 0, ""}} {
			at := c.add(l)
			if had, ok := places[l]; ok && had != at {
				t.Errorf("%+v was at %d and is now at %d", l, had, at)
			}
			places[l] = at
		}
	}
	kept := c.finish()
	if places[Location{}] != unknown || len(kept.list) != 5 || kept.names != "Bredband2 ABOther" {
		t.Errorf("kept %+v, with nothing at %d", kept, places[Location{}])
	}
	for l, at := range places {
		if got := kept.location(at); got != l {
			t.Errorf("at %d: %+v, want %+v", at, got, l)
		}
	}
}

func TestOddNamesOfOwners(t *testing.T) {
	c := newCollector()
	long := strings.Repeat("é", 40_000)
	at := c.add(Location{ASN: 1, Org: long})
	// A collision of hashes, made by hand.
	c.byName[maphash.String(c.seed, "second")] = c.byName[maphash.String(c.seed, long[:65_535])]
	second := c.add(Location{ASN: 2, Org: "second"})
	kept := c.finish()
	if got := kept.location(at).Org; got != long[:65_535] {
		t.Errorf("a name of %d bytes came back with %d", len(long), len(got))
	}
	if got := kept.location(second); got != (Location{ASN: 2, Org: "second"}) {
		t.Errorf("after a collision: %+v", got)
	}
}
