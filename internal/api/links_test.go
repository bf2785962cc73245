package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
)

// add makes a link over the socket.
func (w *world) add(slug, url string) Link {
	w.Helper()
	var l Link
	w.do(socket, "POST", "/links", map[string]any{"slug": slug, "url": url}).want(201, &l)
	return l
}

func TestLifeOfALink(t *testing.T) {
	w := newWorld(t)
	as := w.token("mia", account.Write)
	var made, got Link
	a := w.do(as, "POST", "/links", map[string]any{"slug": "Kettle", "url": "https://shop.example/kettle", "tags": []string{"Kitchen"}}).want(201, &made)
	if made.Slug != "kettle" || made.Site != "blog" || made.Version != 1 || made.Code != 302 || made.Destinations[0].Weight != 1 {
		t.Errorf("made %+v", made)
	}
	if made.ShortURL != "https://blog.example/go/kettle" {
		t.Errorf("short URL %q", made.ShortURL)
	}
	address := fmt.Sprintf("/links/%d", made.ID)
	if a.Header().Get("Location") != prefix+address || a.Header().Get("ETag") != `"1"` {
		t.Errorf("Location %q, ETag %q", a.Header().Get("Location"), a.Header().Get("ETag"))
	}

	a = w.do(as, "GET", address, nil).want(200, &got)
	if a.Header().Get("ETag") != `"1"` || got.ShortURL != made.ShortURL || len(got.Warnings) != 0 {
		t.Errorf("got %+v", got)
	}
	w.do(as, "GET", "/links/by-slug?slug=KETTLE%2F", nil).want(200, &got)
	if got.ID != made.ID {
		t.Errorf("by slug: link %d, want %d", got.ID, made.ID)
	}

	// What was read can be sent back as it is.
	a = w.do(as, "PUT", address, got, "If-Match", `"1"`).want(200, &got)
	if a.Header().Get("ETag") != `"1"` {
		t.Errorf("an update that changes nothing has the ETag %s", a.Header().Get("ETag"))
	}
	got.Code = 301
	a = w.do(as, "PUT", address, got, "If-Match", `"1"`).want(200, &got)
	if a.Header().Get("ETag") != `"2"` || len(got.Warnings) != 1 || got.Warnings[0].Field != "code" {
		t.Errorf("ETag %s, warnings %v", a.Header().Get("ETag"), got.Warnings)
	}
	w.do(as, "PUT", address, got, "If-Match", `"1"`).problem(412, "stale")
	w.do(as, "DELETE", address, nil, "If-Match", `"1"`).problem(412, "stale")
	w.do(as, "DELETE", address, nil, "If-Match", `W/"2"`).want(204, nil)
	w.do(as, "GET", address, nil).problem(404, "not_found")

	var history ChangeList
	w.do(as, "GET", address+"/changes", nil).want(200, &history)
	var actions []string
	for _, c := range history.Items {
		actions = append(actions, c.Action+" by "+c.Actor)
	}
	if want := []string{"delete by mia", "update by mia", "create by mia"}; !slices.Equal(actions, want) {
		t.Errorf("history %v, want %v", actions, want)
	}
}

func TestPatchLink(t *testing.T) {
	w := newWorld(t)
	l := w.add("kettle", "https://shop.example/kettle")
	address := fmt.Sprintf("/links/%d", l.ID)
	for _, step := range []struct {
		name, patch string
		check       func(l *Link) bool
	}{
		{"one field", `{"note": "for spring"}`, func(l *Link) bool { return l.Note == "for spring" && l.Slug == "kettle" && l.Version == 2 }},
		{"a nested field", `{"query": {"mode": "only", "names": ["utm_source"]}}`, func(l *Link) bool { return l.Query.Mode == "only" && l.Note != "" }},
		{"a list is replaced", `{"tags": ["a", "b"]}`, func(l *Link) bool { return slices.Equal(l.Tags, []string{"a", "b"}) }},
		{"null removes", `{"note": null, "tags": null, "query": null}`, func(l *Link) bool { return l.Note == "" && l.Tags == nil && l.Query.IsZero() }},
		{"a rename", `{"slug": "pot"}`, func(l *Link) bool { return l.Slug == "pot" && strings.HasSuffix(l.ShortURL, "/go/pot") }},
		{"url", `{"url": "https://shop.example/pot"}`, func(l *Link) bool {
			return len(l.Destinations) == 1 && l.Destinations[0].URL == "https://shop.example/pot"
		}},
		{"nothing", `{}`, func(l *Link) bool { return l.Slug == "pot" }},
	} {
		t.Run(step.name, func(t *testing.T) {
			var got Link
			w.do(socket, "PATCH", address, step.patch, "Content-Type", mergePatch).want(200, &got)
			if !step.check(&got) {
				t.Errorf("got %+v", got)
			}
		})
	}
	w.do(socket, "PATCH", address, `{"note": "x"}`, "If-Match", `"1"`).problem(412, "stale")
	w.do(socket, "PATCH", "/links/999", `{"note": "x"}`).problem(404, "not_found")
}

func TestListLinks(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.add(fmt.Sprintf("thing-%d", i), fmt.Sprintf("https://shop.example/%d", i))
	}
	w.do(socket, "PATCH", "/links/1", `{"status": "paused", "tags": ["old"]}`).want(200, nil)
	var slugs []string
	cursor := ""
	for pages := 1; ; pages++ {
		var page LinkList
		w.do(socket, "GET", "/links?limit=3&cursor="+cursor, nil).want(200, &page)
		if page.Total != 7 {
			t.Errorf("total %d", page.Total)
		}
		for _, l := range page.Items {
			slugs = append(slugs, l.Slug)
			if l.ShortURL == "" {
				t.Errorf("%s has no short URL", l.Slug)
			}
		}
		if cursor = page.Next; cursor == "" {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if slugs[0] != "thing-6" || len(slugs) != 7 {
		t.Errorf("listed %v", slugs)
	}
	for query, want := range map[string]int64{"q=thing-3": 1, "q=THING": 7, "q=nothing": 0, "tag=old": 1, "status=paused": 1, "status=active": 6, "site=blog": 7, "site=other": 0} {
		a := w.do(socket, "GET", "/links?"+query, nil)
		var page LinkList
		a.want(200, &page)
		if page.Total != want || int64(len(page.Items)) != want || page.Items == nil {
			t.Errorf("%s: %s, want %d", query, a.Body, want)
		}
	}
}

func TestRandomSlug(t *testing.T) {
	w := newWorld(t)
	seen := map[string]bool{}
	for range 20 {
		var l Link
		w.do(socket, "POST", "/links", map[string]any{"url": "https://shop.example/"}).want(201, &l)
		if len(l.Slug) != slugLength || seen[l.Slug] || strings.Trim(l.Slug, slugLetters) != "" {
			t.Errorf("slug %q", l.Slug)
		}
		seen[l.Slug] = true
	}
}

func TestShortURLs(t *testing.T) {
	for _, c := range []struct {
		site   affiliate.Site
		public string
		slug   string
		want   string
	}{
		{affiliate.Site{ID: "a", Prefix: "/go/", Hosts: []string{"a.example", "b.example"}}, "", "x/y", "https://a.example/go/x/y"},
		{affiliate.Site{ID: "a", Prefix: "/", Hosts: []string{"a.example"}}, "", "x", "https://a.example/x"},
		{affiliate.Site{ID: "a", Prefix: "/go/"}, "", "x", ""},
		{affiliate.Site{ID: "a", Prefix: "/go/"}, "http://localhost:8080/", "x", "http://localhost:8080/go/x"},
		{affiliate.Site{ID: "a", Prefix: "/go/"}, "http://localhost:8080", "tür", "http://localhost:8080/go/t%C3%BCr"},
	} {
		s := newServer(Options{PublicURL: func(affiliate.Site) string { return c.public }})
		b := bases{}
		if base := s.baseOf(c.site); base != "" {
			b[c.site.ID] = strings.TrimSuffix(base, "/") + c.site.Prefix
		}
		if got := b.link(affiliate.Link{Site: "a", Slug: c.slug}, nil).ShortURL; got != c.want {
			t.Errorf("%+v %q: %q, want %q", c.site, c.public, got, c.want)
		}
	}
}

func TestIdempotentCreate(t *testing.T) {
	w := newWorld(t)
	mia, admin := w.token("mia", account.Write), w.token("admin", account.Write)
	body := map[string]any{"url": "https://shop.example/kettle"}
	var first, again Link
	w.do(mia, "POST", "/links", body, "Idempotency-Key", "k1").want(201, &first)
	a := w.do(mia, "POST", "/links", body, "Idempotency-Key", "k1").want(201, &again)
	if again.ID != first.ID || again.Slug != first.Slug || again.ShortURL != first.ShortURL {
		t.Errorf("again %+v, first %+v", again, first)
	}
	if a.Header().Get("Idempotent-Replayed") != "true" || a.Header().Get("ETag") != `"1"` || a.Header().Get("Location") == "" {
		t.Errorf("headers %v", a.Header())
	}
	p := w.do(mia, "POST", "/links", map[string]any{"url": "https://shop.example/pot"}, "Idempotency-Key", "k1").problem(422, "invalid")
	if len(p.Errors) != 1 || p.Errors[0].Field != "Idempotency-Key" {
		t.Errorf("errors %v", p.Errors)
	}
	var other Link
	w.do(admin, "POST", "/links", body, "Idempotency-Key", "k1").want(201, &other)
	if other.ID == first.ID {
		t.Error("one caller's key answered another caller")
	}
	// What failed is not remembered.
	taken := map[string]any{"slug": first.Slug, "url": "https://shop.example/"}
	w.do(mia, "POST", "/links", taken, "Idempotency-Key", "k2").problem(409, "conflict")
	w.do(mia, "POST", "/links", body, "Idempotency-Key", "k2").want(201, nil)
}

func TestOneKeySentManyTimesAtOnceAddsOneLink(t *testing.T) {
	w := newWorld(t)
	as := w.token("mia", account.Write)
	ids := make([]int64, 16)
	together(len(ids), func(i int) {
		var l Link
		a := w.do(as, "POST", "/links", map[string]any{"url": "https://shop.example/"}, "Idempotency-Key", "k")
		if json.Unmarshal(a.Body.Bytes(), &l) == nil {
			ids[i] = l.ID
		}
	})
	for _, id := range ids {
		if id == 0 || id != ids[0] {
			t.Fatalf("links %v", ids)
		}
	}
}

func together(n int, fn func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { fn(i) })
	}
	all.Wait()
}

func TestOnlyOneWriterWinsAVersion(t *testing.T) {
	w := newWorld(t)
	l := w.add("kettle", "https://shop.example/kettle")
	codes := make([]int, 16)
	together(len(codes), func(i int) {
		l := l
		l.Note = fmt.Sprint("writer ", i)
		codes[i] = w.do(socket, "PUT", "/links/1", l, "If-Match", `"1"`).Code
	})
	slices.Sort(codes)
	if codes[0] != 200 || codes[1] != 412 || codes[15] != 412 {
		t.Errorf("answers %v, want one 200 and else 412", codes)
	}
}

func TestPatchesOfDifferentFieldsDoNotUndoEachOther(t *testing.T) {
	w := newWorld(t)
	w.add("kettle", "https://shop.example/kettle")
	patches := []string{`{"note": "n"}`, `{"page": "/p"}`, `{"tags": ["t"]}`, `{"block_bots": true}`}
	codes := make([]int, len(patches))
	together(len(patches), func(i int) { codes[i] = w.do(socket, "PATCH", "/links/1", patches[i]).Code })
	var l Link
	w.do(socket, "GET", "/links/1", nil).want(200, &l)
	if l.Note != "n" || l.Page != "/p" || len(l.Tags) != 1 || !l.BlockBots || l.Version != 5 {
		t.Errorf("answers %v, link %+v", codes, l)
	}
}

func TestSitesProgramsPartners(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		list, item, created string
		body, changed       map[string]any
		bad                 map[string]any
		fault               string
	}{
		{"/sites", "/sites/shop", "/sites/shop", map[string]any{"id": "shop", "hosts": []string{"shop.example"}},
			map[string]any{"hosts": []string{"shop.example"}, "default_url": "https://shop.example/"},
			map[string]any{"hosts": []string{"not a host"}}, "hosts[0]"},
		{"/programs", "/programs/acme", "/programs/acme", map[string]any{"id": "acme", "network": "awin"},
			map[string]any{"name": "Acme"}, map[string]any{"partner_param": "?"}, "partner_param"},
		{"/partners", "/partners/acme/mia", "/partners/acme/mia", map[string]any{"program": "acme", "code": "mia"},
			map[string]any{"name": "Mia"}, map[string]any{"status": "gone"}, "status"},
	} {
		t.Run(c.list, func(t *testing.T) {
			if c.list == "/partners" {
				w.do(socket, "POST", "/programs", map[string]any{"id": "acme"}).want(201, nil)
			}
			a := w.do(socket, "POST", c.list, c.body).want(201, nil)
			if a.Header().Get("Location") != prefix+c.created || a.Header().Get("ETag") != `"1"` {
				t.Errorf("headers %v", a.Header())
			}
			w.do(socket, "POST", c.list, c.body).problem(409, "conflict")
			a = w.do(socket, "GET", c.item, nil).want(200, nil)
			if a.Header().Get("ETag") != `"1"` {
				t.Errorf("ETag %s", a.Header().Get("ETag"))
			}
			w.do(socket, "PUT", c.item, c.changed, "If-Match", `"1"`).want(200, nil)
			w.do(socket, "PUT", c.item, c.body, "If-Match", `"1"`).problem(412, "stale")
			w.do(socket, "PUT", c.item, c.body, "If-Match", `"nonsense`).problem(412, "stale")
			p := w.do(socket, "PUT", c.item, c.bad).problem(422, "invalid")
			if len(p.Errors) != 1 || p.Errors[0].Field != c.fault {
				t.Errorf("errors %v, want one of %s", p.Errors, c.fault)
			}
			var listed struct{ Items []map[string]any }
			w.do(socket, "GET", c.list, nil).want(200, &listed)
			if len(listed.Items) == 0 {
				t.Error("the list is empty")
			}
			w.do(w.token("mia", account.Write), "DELETE", c.item, nil).problem(403, "forbidden")
			w.do(socket, "DELETE", c.item, nil, "If-Match", `"2"`).want(204, nil)
			w.do(socket, "GET", c.item, nil).problem(404, "not_found")
			w.do(socket, "DELETE", c.item, nil).problem(404, "not_found")
		})
	}
	w.do(socket, "PUT", "/sites/blog", map[string]any{"id": "other"}).problem(422, "invalid")
}

func TestChanges(t *testing.T) {
	w := newWorld(t)
	var start ChangeList
	w.do(socket, "GET", "/changes", nil).want(200, &start)
	last := start.Items[len(start.Items)-1].Seq
	l := w.add("kettle", "https://shop.example/kettle")
	w.do(socket, "PATCH", "/links/1", `{"note": "x"}`).want(200, nil)
	var page ChangeList
	w.do(socket, "GET", fmt.Sprintf("/changes?after=%d&limit=1", last), nil).want(200, &page)
	if len(page.Items) != 1 || page.Items[0].Action != "create" || page.Items[0].Actor != LocalActor || page.Next != last+1 || page.Items[0].Key != fmt.Sprint(l.ID) {
		t.Fatalf("page %+v", page)
	}
	next := page.Next
	page = ChangeList{}
	w.do(socket, "GET", fmt.Sprintf("/changes?after=%d", next), nil).want(200, &page)
	if len(page.Items) != 1 || page.Items[0].Before == nil || page.Items[0].After == nil || page.Next != 0 {
		t.Errorf("page %+v", page)
	}
	w.do(socket, "GET", "/changes?order=newest&kind=site&key=blog", nil).want(200, &page)
	if len(page.Items) != 1 || page.Items[0].Kind != "site" {
		t.Errorf("of the site: %+v", page)
	}
	w.do(socket, "GET", "/links/999/changes", nil).problem(404, "not_found")
	for _, query := range []string{"order=newest&after=1", "before=1", "kind=site", "order=newest&key=x"} {
		w.do(socket, "GET", "/changes?"+query, nil).problem(422, "invalid")
	}
}

func TestStatus(t *testing.T) {
	w := newWorld(t)
	var plain map[string]any
	w.clock.Add(90e9)
	w.do(socket, "GET", "/status", nil).want(200, &plain)
	if plain["version"] != "1.2.3" || plain["uptime_seconds"] != 90.0 || plain["warnings"] == nil || plain["geo"] == nil {
		t.Errorf("status %v", plain)
	}
	w = newWorld(t, func(o *Options) {
		o.Status = func(context.Context) Status {
			return Status{Links: 3, Warnings: []Warning{{What: "the disk is full", Where: "/data", Remedy: "free some space"}}}
		}
	})
	var status Status
	w.do(socket, "GET", "/status", nil).want(200, &status)
	if status.Links != 3 || status.Warnings[0].Remedy != "free some space" || status.Version != "1.2.3" {
		t.Errorf("status %+v", status)
	}
}

func TestHeadAnswersAsGet(t *testing.T) {
	w := newWorld(t)
	w.add("kettle", "https://shop.example/kettle")
	w.do(socket, http.MethodHead, "/links/1", nil).want(200, nil)
}
