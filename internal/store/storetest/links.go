package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

func wantSame[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func testLinks(t *testing.T, s *suite) {
	var id int64
	s.update(func(w store.Writer) error {
		l := add(t, w, link("main", "kettle"))[0]
		id = l.ID
		got, err := w.Links().Get(id)
		if err != nil || got.Slug != "kettle" || got.ID != id || got.Destinations[0].URL != l.Destinations[0].URL {
			t.Errorf("the transaction does not see its own write: %+v, %v", got, err)
		}
		return nil
	})
	s.update(func(w store.Writer) error {
		l := link("blog", "tea-kettle")
		l.ID, l.Version = id, 2
		if err := w.Links().Replace(row(&l)); err != nil {
			return err
		}
		stranger := link("main", "stranger")
		stranger.ID = id + 1000
		wantCode(t, w.Links().Replace(row(&stranger)), affiliate.NotFound)
		return nil
	})
	s.view(func(r store.Reader) error {
		got, err := r.Links().BySlug("blog", "tea-kettle")
		if err != nil || got.ID != id || got.Version != 2 {
			t.Errorf("got %+v, %v", got, err)
		}
		_, err = r.Links().BySlug("main", "kettle")
		wantCode(t, err, affiliate.NotFound)
		return nil
	})
	s.update(func(w store.Writer) error {
		if err := w.Links().Delete(id); err != nil {
			return err
		}
		wantCode(t, w.Links().Delete(id), affiliate.NotFound)
		_, err := w.Links().Get(id)
		wantCode(t, err, affiliate.NotFound)
		_, err = w.Links().BySlug("blog", "tea-kettle")
		wantCode(t, err, affiliate.NotFound)
		return nil
	})
}

func testTaken(t *testing.T, s *suite) {
	s.update(func(w store.Writer) error {
		there := add(t, w, link("main", "a"), link("main", "b"), link("blog", "a"))
		first, err := w.Links().Reserve(6)
		if err != nil {
			return err
		}
		batch := []affiliate.Link{link("main", "a"), link("main", "c"), link("main", "c"), link("blog", "c"), link("blog", "a"), link("main", "d")}
		var rows []store.Link
		for i := range batch {
			batch[i].ID = first + int64(i)
			rows = append(rows, row(&batch[i]))
		}
		taken, err := w.Links().Insert(rows)
		if err != nil {
			return err
		}
		wantSame(t, "places of taken names", taken, []int{0, 2, 4})
		for i, want := range []int64{there[0].ID, batch[1].ID, batch[1].ID, batch[3].ID, there[2].ID, batch[5].ID} {
			got, err := w.Links().BySlug(batch[i].Site, batch[i].Slug)
			if err != nil || got.ID != want {
				t.Errorf("%s/%s leads to link %d, want %d, %v", batch[i].Site, batch[i].Slug, got.ID, want, err)
			}
		}
		if n, err := w.Links().Count(store.LinkQuery{}); err != nil || n != 6 {
			t.Errorf("%d links, %v, want 6", n, err)
		}
		renamed := there[1]
		renamed.Slug = "a"
		wantCode(t, w.Links().Replace(row(&renamed)), affiliate.Conflict)
		moved := there[0]
		moved.Site = "blog"
		wantCode(t, w.Links().Replace(row(&moved)), affiliate.Conflict)
		return nil
	})
}

// testLargeBatch puts taken names at the edges of whatever portions an engine
// cuts a batch into.
func testLargeBatch(t *testing.T, s *suite) {
	s.update(func(w store.Writer) error {
		var rows []store.Link
		var want []int
		var links []affiliate.Link
		first, err := w.Links().Reserve(1234)
		if err != nil {
			return err
		}
		for i := range 1234 {
			slug := fmt.Sprintf("link-%d", i)
			if i%100 == 99 || i == 1233 {
				slug = "link-0"
				want = append(want, i)
			}
			l := link("main", slug)
			l.ID = first + int64(i)
			links = append(links, l)
		}
		for i := range links {
			rows = append(rows, row(&links[i]))
		}
		taken, err := w.Links().Insert(rows)
		if err != nil {
			return err
		}
		wantSame(t, "places of taken names", taken, want)
		n := 0
		err = w.Links().Find(store.LinkQuery{Ascending: true}, func(l affiliate.Link) error {
			if l.Slug != links[l.ID-first].Slug {
				t.Errorf("link %d is %s", l.ID, l.Slug)
			}
			n++
			return nil
		})
		if n != len(links)-len(want) {
			t.Errorf("%d links, want %d", n, len(links)-len(want))
		}
		return err
	})
}

func testIDs(t *testing.T, s *suite) {
	var last int64
	s.update(func(w store.Writer) error {
		first, err := w.Links().Reserve(10)
		if err != nil || first != 1 {
			t.Errorf("the first id is %d, %v", first, err)
		}
		last = add(t, w, link("main", "a"))[0].ID
		if last != 11 {
			t.Errorf("after ten reserved ids comes %d", last)
		}
		return w.Links().Delete(last)
	})
	s.update(func(w store.Writer) error {
		if got := add(t, w, link("main", "a"))[0].ID; got <= last {
			t.Errorf("id %d was given again", got)
		}
		return nil
	})
}

// portfolio is what testFind looks through.
func portfolio() []affiliate.Link {
	kettle, mug, pan, old, percent := link("main", "best-kettle"), link("main", "mug"), link("blog", "pan"), link("blog", "old_pan"), link("blog", "discount")
	kettle.Tags, kettle.Program = []string{"kitchen", "sale"}, "shop"
	mug.Program, mug.Partner, mug.Note = "shop", "ada", "Ask Bob\nabout the Kettle"
	pan.Tags, pan.Page = []string{"kitchen-ware"}, "/reviews/Pans"
	pan.Rules = []affiliate.Rule{{Destinations: []affiliate.Destination{{URL: "https://pans.example/DE"}}}}
	old.Status, old.Program, old.Partner = affiliate.Paused, "other", "ada"
	percent.Note, percent.Tags, percent.Fallback = `100% \o/`, []string{"größe"}, "https://fallback.example/"
	return []affiliate.Link{kettle, mug, pan, old, percent}
}

func testFind(t *testing.T, s *suite) {
	s.update(func(w store.Writer) error { add(t, w, portfolio()...); return nil })
	for _, c := range []struct {
		name  string
		query store.LinkQuery
		want  []int64
	}{
		{"all", store.LinkQuery{}, []int64{5, 4, 3, 2, 1}},
		{"ascending", store.LinkQuery{Ascending: true}, []int64{1, 2, 3, 4, 5}},
		{"site", store.LinkQuery{Site: "main"}, []int64{2, 1}},
		{"no such site", store.LinkQuery{Site: "mai"}, nil},
		{"program", store.LinkQuery{Program: "shop"}, []int64{2, 1}},
		{"partner", store.LinkQuery{Program: "shop", Partner: "ada"}, []int64{2}},
		{"status", store.LinkQuery{Status: affiliate.Paused}, []int64{4}},
		{"tag", store.LinkQuery{Tag: "kitchen"}, []int64{1}},
		{"last tag", store.LinkQuery{Tag: "sale"}, []int64{1}},
		{"part of a tag", store.LinkQuery{Tag: "kitch"}, nil},
		{"tag in upper case", store.LinkQuery{Tag: "GRÖSSE"}, nil},
		{"foreign tag", store.LinkQuery{Tag: "GRÖßE"}, []int64{5}},
		{"slug", store.LinkQuery{Text: "kettle"}, []int64{2, 1}},
		{"letter case", store.LinkQuery{Text: "KETTLE"}, []int64{2, 1}},
		{"destination", store.LinkQuery{Text: "shop.example/mug"}, []int64{2}},
		{"destination of a rule", store.LinkQuery{Text: "pans.example/de"}, []int64{3}},
		{"fallback", store.LinkQuery{Text: "fallback.example"}, []int64{5}},
		{"page", store.LinkQuery{Text: "/reviews/pans"}, []int64{3}},
		{"text of a tag", store.LinkQuery{Text: "kitch"}, []int64{3, 1}},
		{"percent sign", store.LinkQuery{Text: "100%"}, []int64{5}},
		{"percent sign alone", store.LinkQuery{Text: "%"}, []int64{5}},
		{"underscore", store.LinkQuery{Text: "d_p"}, []int64{4}},
		{"backslash", store.LinkQuery{Text: `\o`}, []int64{5}},
		{"quote", store.LinkQuery{Text: `'`}, nil},
		{"star", store.LinkQuery{Text: `*`}, nil},
		{"everything at once", store.LinkQuery{Site: "blog", Text: "pan", Status: affiliate.Paused, Program: "other", Partner: "ada"}, []int64{4}},
		{"limit", store.LinkQuery{Limit: 2}, []int64{5, 4}},
		{"before", store.LinkQuery{Before: 3}, []int64{2, 1}},
		{"before and limit", store.LinkQuery{Before: 5, Limit: 1, Site: "blog"}, []int64{4}},
	} {
		s.view(func(r store.Reader) error {
			var got []int64
			if err := r.Links().Find(c.query, func(l affiliate.Link) error { got = append(got, l.ID); return nil }); err != nil {
				return err
			}
			wantSame(t, c.name, got, c.want)
			c.query.Limit = 0
			n, err := r.Links().Count(c.query)
			if c.query.Limit == 0 && n != int64(len(got)) && c.name != "limit" && c.name != "before and limit" {
				t.Errorf("%s: counted %d, found %d", c.name, n, len(got))
			}
			return err
		})
	}
}

// testPages walks through more links than an engine is likely to read ahead.
func testPages(t *testing.T, s *suite) {
	const n = 2500
	s.update(func(w store.Writer) error {
		links := make([]affiliate.Link, n)
		for i := range links {
			links[i] = link([]string{"main", "blog"}[i%2], fmt.Sprintf("link-%d", i))
		}
		add(t, w, links...)
		return nil
	})
	s.view(func(r store.Reader) error {
		var got []int64
		before := int64(0)
		for {
			size := 0
			err := r.Links().Find(store.LinkQuery{Site: "blog", Before: before, Limit: 100}, func(l affiliate.Link) error {
				got, before = append(got, l.ID), l.ID
				size++
				return nil
			})
			if err != nil {
				return err
			}
			if size == 0 {
				break
			}
		}
		var want []int64
		for id := int64(n); id > 0; id -= 2 {
			want = append(want, id)
		}
		wantSame(t, "all pages", got, want)
		return nil
	})
	stop := fmt.Errorf("enough")
	s.view(func(r store.Reader) error {
		seen := 0
		err := r.Links().Find(store.LinkQuery{}, func(affiliate.Link) error {
			if seen++; seen == 700 {
				return stop
			}
			return nil
		})
		if err != stop || seen != 700 {
			t.Errorf("stopped at %d with %v", seen, err)
		}
		return nil
	})
}

func testNested(t *testing.T, s *suite) {
	s.update(func(w store.Writer) error {
		for i := range 700 {
			add(t, w, link("main", fmt.Sprintf("link-%d", i)))
		}
		n := 0
		err := w.Links().Find(store.LinkQuery{Ascending: true}, func(l affiliate.Link) error {
			n++
			_, err := w.Links().BySlug(l.Site, l.Slug)
			return err
		})
		if n != 700 {
			t.Errorf("saw %d links", n)
		}
		return err
	})
}
