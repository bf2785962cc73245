package routing

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export/exporttest"
)

// vectorFile is one file of testdata/decisions.
type vectorFile exporttest.File

// vectorsMin keeps the vectors from silently getting fewer.
const vectorsMin = 500

func TestDecisionVectors(t *testing.T) {
	total := 0
	files, err := exporttest.Vectors("../../testdata/decisions")
	check(t, err)
	for _, f := range files {
		t.Run(f.Name, func(t *testing.T) { (*vectorFile)(f).run(t) })
		total += len(f.Cases)
	}
	if total < vectorsMin {
		t.Errorf("there are %d decision vectors; there were at least %d", total, vectorsMin)
	}
	if packedVectors < total/3 {
		t.Errorf("%d of %d URLs come packed", packedVectors, total)
	}
}

func (f *vectorFile) run(t *testing.T) {
	seen := map[string]bool{}
	for i := range f.Cases {
		c := &f.Cases[i]
		if seen[c.Name] {
			t.Errorf("two cases are called %q", c.Name)
		}
		seen[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			links := f.Links
			if c.Links != nil {
				links = *c.Links
			}
			got := f.decide(t, links, &c.Visit)
			want, _ := json.Marshal(c.Expect)
			if have, _ := json.Marshal(got); string(have) != string(want) {
				t.Errorf("\n have %s\n want %s", have, want)
			}
		})
	}
}

// decide resolves the visit twice, from the overlay and from a base in a file, and
// wants the same answer.
func (f *vectorFile) decide(t *testing.T, links []affiliate.Link, v *exporttest.Visit) exporttest.Expectation {
	t.Helper()
	changed, err := emptyTable().with(f.changes(links))
	check(t, err)
	got := resolve(t, changed, v)
	checkPacked(t, changed, v)
	if saved := resolve(t, onlyBase(t, changed), v); !slices.Equal(saved.Why, got.Why) || saved.URL != got.URL {
		t.Errorf("the saved table decides otherwise: %+v, %+v", saved, got)
	}
	return got
}

// checkPacked wants a packed URL to be the URL.
func checkPacked(t *testing.T, table *Table, v *exporttest.Visit) {
	t.Helper()
	var d affiliate.Decision
	id, visit := affiliate.NewClickID(1781524800123, 1, 2), visitOf(t, v)
	visit.ClickID = id.String()
	table.Resolve(&visit, &d)
	if len(d.PackedURL) == 0 {
		return
	}
	packedVectors++
	c, w := affiliate.Click{ID: id, Code: 302, URL: string(d.URL)}, affiliate.NewRecordWriter()
	var got affiliate.Click
	if err := got.DecodeRecord(w.AppendRecord(nil, &c, d.PackedURL)); err != nil || got.URL != c.URL {
		t.Errorf("the URL %q is packed as %x, which is %q (%v)", c.URL, d.PackedURL, got.URL, err)
	}
}

// packedVectors counts the decisions whose URL came packed.
var packedVectors int

func resolve(t *testing.T, table *Table, v *exporttest.Visit) exporttest.Expectation {
	t.Helper()
	var d affiliate.Decision
	visit := visitOf(t, v)
	table.Resolve(&visit, &d)
	return outcome(&d)
}

func emptyTable() *Table { return &Table{world: newWorld(), base: emptyBase} }

// onlyBase is the table as a start from disk would find it.
func onlyBase(t testing.TB, from *Table) *Table {
	t.Helper()
	bw, err := from.write(filepath.Join(t.TempDir(), "table"), newPace(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bw.install(); err != nil {
		t.Fatal(err)
	}
	b, w, err := openBase(bw.path)
	if err != nil {
		t.Fatal(err)
	}
	return &Table{seq: b.header.seq, world: w, base: b, links: int(b.header.links)}
}

// changes are the documents in order.
func (f *vectorFile) changes(links []affiliate.Link) (changes []Change) {
	add := func(c Change) {
		c.Seq = int64(len(changes) + 1)
		changes = append(changes, c)
	}
	for i := range f.Sites {
		add(Change{Site: &f.Sites[i]})
	}
	for i := range f.Programs {
		add(Change{Program: &f.Programs[i]})
	}
	for i := range f.Partners {
		add(Change{Partner: &f.Partners[i]})
	}
	for i := range links {
		add(Change{Link: &links[i]})
	}
	return changes
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func visitOf(t *testing.T, v *exporttest.Visit) affiliate.Visit {
	t.Helper()
	action, ok := affiliate.ParseAction(v.Action)
	device, known := affiliate.ParseDevice(v.Device)
	if !ok || !known && v.Device != "" {
		t.Fatalf("the visit's action %q or device %q is not one", v.Action, v.Device)
	}
	return affiliate.Visit{Host: v.Host, Path: v.Path, Query: v.Query, Time: v.Time.UnixMilli(), ClickID: v.ClickID, Visitor: v.Visitor,
		Returning: v.Returning, Action: action, Language: v.Language, Referrer: v.Referrer, Country: v.Country, Device: device}
}

func outcome(d *affiliate.Decision) exporttest.Expectation {
	return exporttest.Expectation{Outcome: d.Outcome.String(), Code: d.Code, URL: string(d.URL), Link: d.Link, Site: d.Site, Slug: strings.Clone(d.Slug),
		Program: d.Program, Partner: strings.Clone(d.Partner), Variant: strings.Clone(d.Variant), Rule: strings.Clone(d.Rule), Why: d.Why.Strings()}
}
