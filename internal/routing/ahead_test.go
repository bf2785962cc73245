package routing

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Where a link is looked for ahead is where Resolve finds it, as far as nothing
// collides with it.
func TestAheadGoesWhereLinksAre(t *testing.T) {
	const links = 500
	table := emptyTable()
	changes := []Change{{Seq: 1, Site: site("main")}}
	for i := range int64(links) {
		changes = append(changes, Change{Seq: i + 2, Link: link(i+1, fmt.Sprint("link-", i), fmt.Sprint("https://shop.example/p/", i))})
	}
	table, err := table.with(changes)
	check(t, err)
	table = onlyBase(t, table)
	var a Ahead
	a.Start(table)
	found := 0
	for i := range links {
		a.Add("any.example", fmt.Sprint("/go/link-", i))
	}
	if len(a.places) != links {
		t.Fatalf("%d places for %d visits", len(a.places), links)
	}
	places := slices.Clone(a.places)
	a.Fetch()
	for i, place := range places {
		slot := table.base.slot(place)
		if slot != 0 {
			if _, slug, _ := recordName(table.base.record(int64(slot & slotOffsetMask))); slug == fmt.Sprint("link-", i) {
				found++
			}
		}
	}
	if found < links*2/3 {
		t.Errorf("%d of %d links are where they are looked for first", found, links)
	}
}

// Whatever visitors ask for, and whether there is a table at all, looking ahead is harmless.
func TestAheadTakesAnything(t *testing.T) {
	small, err := emptyTable().with([]Change{{Seq: 1, Site: &affiliate.Site{ID: "main", Hosts: []string{"blog.example"}, Prefix: "/go/"}},
		{Seq: 2, Link: link(1, "thing", "https://shop.example/")}})
	check(t, err)
	for name, table := range map[string]*Table{"nothing": emptyTable(), "changes": small, "a base": onlyBase(t, small)} {
		var a Ahead
		for range 2 {
			a.Start(table)
			for _, host := range []string{"blog.example", "BLOG.example", "elsewhere.example", ""} {
				for _, path := range []string{"/go/thing", "/go/", "/", "", "*", "/GO/thing", "/go/%74hing", "/go/\x00"} {
					a.Add(host, path)
				}
			}
			a.Fetch()
		}
		if want := map[string]int{"a base": 4}[name]; len(a.places) != want {
			t.Errorf("%s: %d places, want %d: one for each path of the known host that has the prefix", name, len(a.places), want)
		}
	}
}

// A table that version 1 has written is served as it is.
func TestVersion1IsRead(t *testing.T) {
	b, err := os.ReadFile("testdata/tables/version-1")
	check(t, err)
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "table"), b, 0o600))
	h := openHolder(t, Options{Dir: dir})
	id := affiliate.NewClickID(1781524800123, 1, 2)
	for range 2 { // and again when it was merged into a base of this version
		for slug, want := range map[string]string{"plain": "https://shop.example/p/1",
			"counted": "https://www.awin1.com/cread.php?awinmid=1702&clickref=" + id.String() + "&ued=https%3A%2F%2Fshop.example%2F"} {
			var d affiliate.Decision
			h.Current().Resolve(&affiliate.Visit{Host: "any.example", Path: "/go/" + slug, ClickID: id.String(), Time: 1}, &d)
			if string(d.URL) != want || len(d.PackedURL) != 0 {
				t.Errorf("%s leads to %q, packed as %x; want %q, not packed", slug, d.URL, d.PackedURL, want)
			}
		}
		check(t, h.Apply([]Change{{Seq: h.Current().Seq() + 1, Link: link(3, "new", "https://shop.example/new")}}))
		check(t, h.Save())
	}
}
