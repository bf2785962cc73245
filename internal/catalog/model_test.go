package catalog_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
)

const modelSeed = "SLUICE_TEST_SEED" // replays a run of TestModel

// TestModel does the same random things to a catalog and to a map, and compares
// what they answer, what they hold, and what the log and the publisher say they hold.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv(modelSeed); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("replay with %s=%d", modelSeed, seed)
	o := open(t)
	o.program("shop")
	o.program("other")
	o.link("first")
	o.published = nil
	m := &model{office: o, random: rand.New(rand.NewPCG(seed, 0)), links: map[int64]affiliate.Link{}, heard: map[int64]affiliate.Link{}}
	first, err := o.Link(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	m.links[1], m.heard[1] = first, first
	for step := range 600 {
		m.step()
		if step%50 == 49 {
			m.compare()
		}
		if t.Failed() {
			t.Fatalf("at step %d", step)
		}
	}
}

type model struct {
	*office
	random *rand.Rand
	links  map[int64]affiliate.Link
	heard  map[int64]affiliate.Link // what the notices of the publisher add up to
	newest int64                    // highest id seen
}

func (m *model) step() {
	switch n := m.random.IntN(20); {
	case n < 7:
		m.create()
	case n < 12:
		m.update()
	case n < 15:
		m.remove()
	case n < 17:
		m.importSome()
	case n < 18:
		m.obeyCaps()
	default:
		m.find()
	}
}

// make is a random link out of so few that names meet.
func (m *model) make() affiliate.Link {
	pick := func(of ...string) string { return of[m.random.IntN(len(of))] }
	return affiliate.Link{
		Cap:        m.cap(),
		CapReached: []*affiliate.CapReached{nil, {Clicks: 1}}[m.random.IntN(2)], // not for others to say
		Slug:       fmt.Sprintf("%s-%d", pick("Kettle", "mug", "größe"), m.random.IntN(40)), Program: pick("", "shop", "other"),
		Tags: []string{pick("kitchen", "sale", "x")}, Note: pick("", "100%", "a_b"), Status: affiliate.Status(pick("", "active", "paused")),
		Destinations: []affiliate.Destination{{URL: "https://" + pick("a", "b", "c") + ".example/"}},
	}
}

// taken is the id of the link that has the slug, 0 for none.
func (m *model) taken(slug string) int64 {
	slug, _ = affiliate.CanonicalSlug(slug)
	for id, l := range m.links {
		if l.Slug == slug {
			return id
		}
	}
	return 0
}

// any is a random link, in an order that the seed decides.
func (m *model) any() (affiliate.Link, bool) {
	ids := slices.Sorted(maps.Keys(m.links))
	if len(ids) == 0 {
		return affiliate.Link{}, false
	}
	return m.links[ids[m.random.IntN(len(ids))]], true
}

func (m *model) create() {
	l := m.make()
	made, _, err := m.CreateLink(m.t.Context(), operator, l)
	if m.taken(l.Slug) != 0 {
		if affiliate.CodeOf(err) != affiliate.Conflict {
			m.t.Errorf("creating the taken %q: %v", l.Slug, err)
		}
		return
	}
	if err != nil || made.ID <= m.newest || made.Version != 1 {
		m.t.Errorf("created %+v after id %d, %v", made, m.newest, err)
		return
	}
	m.links[made.ID], m.newest = made, made.ID
}

func (m *model) update() {
	there, ok := m.any()
	if !ok {
		return
	}
	next := m.make()
	next.ID = there.ID
	version := m.random.Int64N(there.Version + 1) // 0 is any
	got, _, err := m.UpdateLink(m.t.Context(), operator, next, version)
	other := m.taken(next.Slug)
	switch {
	case version != 0 && version != there.Version:
		if affiliate.CodeOf(err) != affiliate.Stale {
			m.t.Errorf("updating version %d as %d: %v", there.Version, version, err)
		}
	case other != 0 && other != there.ID:
		if affiliate.CodeOf(err) != affiliate.Conflict {
			m.t.Errorf("renaming to the taken %q: %v", next.Slug, err)
		}
	case err != nil || got.ID != there.ID || got.Version != there.Version+1 && text(got) != text(there):
		m.t.Errorf("updated %+v to %+v, %v", there, got, err)
	default:
		m.links[got.ID] = got
	}
}

func (m *model) remove() {
	there, ok := m.any()
	if !ok {
		return
	}
	if err := m.DeleteLink(m.t.Context(), operator, there.ID, there.Version); err != nil {
		m.t.Errorf("deleting %d: %v", there.ID, err)
		return
	}
	delete(m.links, there.ID)
}

// made is a source of links that were made before.
type made struct {
	links []affiliate.Link
	at    int
}

func (s *made) Next() (int64, string, affiliate.Link, error) {
	if s.at == len(s.links) {
		return 0, "", affiliate.Link{}, io.EOF
	}
	s.at++
	return int64(s.at), "", s.links[s.at-1], nil
}

func (m *model) importSome() {
	var source made
	for range 1 + m.random.IntN(10) {
		source.links = append(source.links, m.make())
	}
	given := slices.Clone(source.links)
	report, err := m.ImportLinks(m.t.Context(), operator, &source, catalog.ImportOptions{SkipBad: true, Update: true})
	if err != nil {
		m.t.Error(err)
		return
	}
	seen := map[string]bool{}
	var want catalog.ImportReport
	for _, l := range given {
		slug, _ := affiliate.CanonicalSlug(l.Slug)
		there := m.taken(slug)
		switch {
		case seen[slug]:
			want.Bad++
		case there != 0:
			got, err := m.Link(m.t.Context(), there)
			if err != nil {
				m.t.Error(err)
			}
			if got.Version == m.links[there].Version {
				want.Unchanged++
			} else {
				want.Updated++
			}
			m.links[there] = got
		default:
			want.Created++
			got, err := m.LinkBySlug(m.t.Context(), "", slug)
			if err != nil || got.ID <= m.newest {
				m.t.Errorf("imported %+v after id %d, %v", got, m.newest, err)
			}
			defer func() { m.newest = max(m.newest, got.ID) }() // the order within an import is its own
			m.links[got.ID] = got
		}
		if got := m.links[m.taken(slug)]; !seen[slug] && got.Destinations[0].URL != l.Destinations[0].URL {
			m.t.Errorf("%q leads to %s", slug, got.Destinations[0].URL)
		}
		seen[slug] = true
	}
	if report.Created != want.Created || report.Updated != want.Updated || report.Unchanged != want.Unchanged || report.Bad != want.Bad || !report.Applied {
		m.t.Errorf("got %+v, want %+v", report, want)
	}
}

func (m *model) find() {
	pick := func(of ...string) string { return of[m.random.IntN(len(of))] }
	f := catalog.LinkFilter{Text: pick("", "", "kettle", "GRÖ", "b.example", "%", "_", "-1", "sal"), Tag: pick("", "", "sale", "sal"),
		Program: pick("", "", "shop"), Status: affiliate.Status(pick("", "", "paused")), Limit: 1 + m.random.IntN(7)}
	var want []int64
	for id, l := range m.links {
		words := strings.ToLower(strings.Join([]string{l.Slug, l.Destinations[0].URL, l.Note, strings.Join(l.Tags, "\n")}, "\n"))
		if strings.Contains(words, strings.ToLower(f.Text)) && (f.Tag == "" || slices.Contains(l.Tags, f.Tag)) &&
			(f.Program == "" || l.Program == f.Program) && (f.Status == "" || l.Status == f.Status) {
			want = append(want, id)
		}
	}
	slices.SortFunc(want, func(a, b int64) int { return cmp.Compare(b, a) })
	var got []int64
	for {
		page, err := m.FindLinks(m.t.Context(), f)
		if err != nil || page.Total != int64(len(want)) || len(page.Links) > f.Limit {
			m.t.Fatalf("%+v found %d of %d, want %d, %v", f, len(page.Links), page.Total, len(want), err)
		}
		for _, l := range page.Links {
			got = append(got, l.ID)
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("%+v found %v, want %v", f, got, want)
	}
}

// cap is a random one, or none.
func (m *model) cap() *affiliate.ClickCap {
	if m.random.IntN(2) == 0 {
		return nil
	}
	return &affiliate.ClickCap{Clicks: 1 + m.random.Int64N(5), Per: affiliate.CapPeriods[m.random.IntN(len(affiliate.CapPeriods))]}
}

// obeyCaps closes and opens some of the links, and is wrong about others.
func (m *model) obeyCaps() {
	list, _, err := m.Capped(m.t.Context(), 0)
	if err != nil {
		m.t.Fatal(err)
	}
	var verdicts []catalog.CapVerdict
	want := 0
	for _, c := range list {
		v := catalog.CapVerdict{Capped: c}
		if c.Reached == nil {
			v.Next = &affiliate.CapReached{At: start, Clicks: c.Cap.Clicks}
		}
		l := m.links[c.Link]
		switch m.random.IntN(4) {
		case 0:
			v.Cap.Clicks++
		case 1:
			v.Link += 100_000
		default:
			want++
			l.CapReached = v.Next
			l.Version++
			l.UpdatedAt = m.now()
			m.links[c.Link] = l
		}
		verdicts = append(verdicts, v)
	}
	if n, err := m.ObeyCaps(m.t.Context(), verdicts); err != nil || n != want {
		m.t.Errorf("%d links obey their caps, want %d, %v", n, want, err)
	}
}

// compareCaps holds the documents of caps against the map.
func (m *model) compareCaps() {
	list, seq, err := m.Capped(m.t.Context(), 0)
	if err != nil {
		m.t.Fatal(err)
	}
	got, want := map[int64]string{}, map[int64]string{}
	for _, c := range list {
		got[c.Link] = text(affiliate.Link{Cap: &c.Cap, CapReached: c.Reached})
	}
	for id, l := range m.links {
		if l.Cap != nil {
			want[id] = text(affiliate.Link{Cap: l.Cap, CapReached: l.CapReached})
		} else if l.CapReached != nil {
			m.t.Errorf("the link %d has reached a cap and has none", id)
		}
	}
	if !maps.Equal(got, want) {
		m.t.Errorf("the caps differ:\n%v\n%v", got, want)
	}
	if list, again, err := m.Capped(m.t.Context(), seq); list != nil || again != seq || err != nil {
		m.t.Errorf("nothing has changed since %d: %v, %d, %v", seq, list, again, err)
	}
}

// compare holds the snapshot, the log and the publisher's notices against the map.
func (m *model) compare() {
	want := map[int64]string{}
	for id, l := range m.links {
		want[id] = text(l)
	}
	got := map[int64]string{}
	if _, err := m.Snapshot(m.t.Context(), catalog.Visitor{Link: func(l affiliate.Link) error { got[l.ID] = text(l); return nil }}); err != nil {
		m.t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		m.t.Errorf("the snapshot differs:\n%v\n%v", got, want)
	}
	m.compareCaps()
	logged := map[int64]affiliate.Link{}
	for after := int64(0); ; {
		changes, err := m.Changes(m.t.Context(), after, 100)
		if err != nil {
			m.t.Fatal(err)
		}
		if len(changes) == 0 {
			break
		}
		m.replay(logged, changes)
		after = changes[len(changes)-1].Seq
	}
	m.replay(m.heard, m.published)
	m.published = nil
	for name, links := range map[string]map[int64]affiliate.Link{"log": logged, "publisher": m.heard} {
		got := map[int64]string{}
		for id, l := range links {
			got[id] = text(l)
		}
		if !maps.Equal(got, want) {
			m.t.Errorf("what the %s adds up to differs:\n%v\n%v", name, got, want)
		}
	}
}

func (m *model) replay(links map[int64]affiliate.Link, changes []catalog.Change) {
	for _, ch := range changes {
		if ch.Kind != catalog.KindLink {
			continue
		}
		id, err := strconv.ParseInt(ch.Key, 10, 64)
		if err != nil {
			m.t.Fatal(err)
		}
		if there, ok := links[id]; ok != (ch.Before != nil) || ok && text(there) != string(ch.Before) {
			m.t.Errorf("before change %d there was %s, it says %s", ch.Seq, text(there), ch.Before)
		}
		if ch.Action == catalog.ActionDelete {
			delete(links, id)
			continue
		}
		var l affiliate.Link
		if err := json.Unmarshal(ch.After, &l); err != nil {
			m.t.Fatal(err)
		}
		links[id] = l
	}
}

// text is the document of a link.
func text(l affiliate.Link) string {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	return string(b)
}
