package routing

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// vectorFile is one file of testdata/decisions; see docs/formats/decisions.md.
type vectorFile struct {
	About    string
	Sites    []affiliate.Site
	Programs []affiliate.Program
	Partners []affiliate.Partner
	Links    []affiliate.Link
	Cases    []vector
}

type vector struct {
	Name   string
	Links  *[]affiliate.Link
	Visit  vectorVisit
	Expect expectation
}

type vectorVisit struct {
	Host, Path, Query  string
	Time               time.Time
	ClickID            string `json:"click_id"`
	Visitor            string
	Returning          bool
	Action             string
	Language, Referrer string
	Country, Device    string
}

type expectation struct {
	Outcome string   `json:"outcome"`
	Code    int      `json:"code"`
	URL     string   `json:"url,omitempty"`
	Link    int64    `json:"link,omitempty"`
	Site    string   `json:"site,omitempty"`
	Slug    string   `json:"slug,omitempty"`
	Program string   `json:"program,omitempty"`
	Partner string   `json:"partner,omitempty"`
	Variant string   `json:"variant,omitempty"`
	Rule    string   `json:"rule,omitempty"`
	Why     []string `json:"why"`
}

// vectorsMin keeps the vectors from silently getting fewer.
const vectorsMin = 500

func TestDecisionVectors(t *testing.T) {
	total := 0
	for _, path := range vectorPaths(t) {
		f := readVectors(t, path)
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) { f.run(t) })
		total += len(f.Cases)
	}
	if total < vectorsMin {
		t.Errorf("there are %d decision vectors; there were at least %d", total, vectorsMin)
	}
	if packedVectors < total/3 {
		t.Errorf("%d of %d URLs come packed", packedVectors, total)
	}
}

func vectorPaths(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("../../testdata/decisions/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no decision vectors found: %v", err)
	}
	return paths
}

func readVectors(t *testing.T, path string) *vectorFile {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	var f vectorFile
	if err := d.Decode(&f); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return &f
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
func (f *vectorFile) decide(t *testing.T, links []affiliate.Link, v *vectorVisit) expectation {
	t.Helper()
	changed, err := emptyTable().with(f.changes(t, links))
	check(t, err)
	got := resolve(t, changed, v)
	checkPacked(t, changed, v)
	if saved := resolve(t, onlyBase(t, changed), v); !slices.Equal(saved.Why, got.Why) || saved.URL != got.URL {
		t.Errorf("the saved table decides otherwise: %+v, %+v", saved, got)
	}
	return got
}

// checkPacked wants a packed URL to be the URL.
func checkPacked(t *testing.T, table *Table, v *vectorVisit) {
	t.Helper()
	var d affiliate.Decision
	id, visit := affiliate.NewClickID(1781524800123, 1, 2), v.visit(t)
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

func resolve(t *testing.T, table *Table, v *vectorVisit) expectation {
	t.Helper()
	var d affiliate.Decision
	visit := v.visit(t)
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

// changes are the documents in order. Links must be valid: a vector about a link
// that cannot be saved would bind nobody.
func (f *vectorFile) changes(t *testing.T, links []affiliate.Link) (changes []Change) {
	t.Helper()
	add := func(c Change) {
		c.Seq = int64(len(changes) + 1)
		changes = append(changes, c)
	}
	sites := map[string]affiliate.Site{}
	programs := map[string]*affiliate.Program{}
	for _, s := range f.Sites {
		s.Normalize()
		check(t, s.Validate())
		sites[s.ID] = s
		add(Change{Site: &s})
	}
	for _, p := range f.Programs {
		p.Normalize()
		check(t, p.Validate())
		programs[p.ID] = &p
		add(Change{Program: &p})
	}
	for _, p := range f.Partners {
		check(t, p.Validate())
		add(Change{Partner: &p})
	}
	for _, l := range links {
		l.Normalize()
		_, err := l.Validate(affiliate.Surroundings{Site: sites[l.Site], Program: programs[l.Program], Operator: true})
		check(t, err)
		add(Change{Link: &l})
	}
	return changes
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (v *vectorVisit) visit(t *testing.T) affiliate.Visit {
	t.Helper()
	action, ok := affiliate.ParseAction(v.Action)
	device, known := affiliate.ParseDevice(v.Device)
	if !ok || !known && v.Device != "" {
		t.Fatalf("the visit's action %q or device %q is not one", v.Action, v.Device)
	}
	return affiliate.Visit{Host: v.Host, Path: v.Path, Query: v.Query, Time: v.Time.UnixMilli(), ClickID: v.ClickID, Visitor: v.Visitor,
		Returning: v.Returning, Action: action, Language: v.Language, Referrer: v.Referrer, Country: v.Country, Device: device}
}

func outcome(d *affiliate.Decision) expectation {
	return expectation{Outcome: d.Outcome.String(), Code: d.Code, URL: string(d.URL), Link: d.Link, Site: d.Site, Slug: strings.Clone(d.Slug),
		Program: d.Program, Partner: strings.Clone(d.Partner), Variant: strings.Clone(d.Variant), Rule: strings.Clone(d.Rule), Why: d.Why.Strings()}
}
