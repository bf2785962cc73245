package nginx

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// What stands around the address: headers, cookie, log, and who gets which.
func TestAnswers(t *testing.T) {
	binary := needNginx(t)
	dir := t.TempDir()
	source := leadTo("https://shop.example/?c={click_id}")
	source.Links = each([]affiliate.Link{
		{ID: 1, Site: "main", Slug: "thing", Destinations: []affiliate.Destination{{URL: "https://shop.example/?c={click_id}"}}, BlockBots: true},
		{ID: 2, Site: "main", Slug: "code", Code: 308, Destinations: []affiliate.Destination{{URL: "https://shop.example/{ts}"}}, Page: "/a|b"},
		{ID: 3, Site: "main", Slug: "test", Destinations: []affiliate.Destination{{URL: "https://shop.example/a", Weight: 1}, {URL: "https://shop.example/b", Weight: 1}}},
		{ID: 4, Site: "main", Slug: "other", Destinations: []affiliate.Destination{{URL: "https://shop.example/a", Weight: 1}, {URL: "https://shop.example/b", Weight: 1}}},
	})
	before := time.Now()
	if _, err := newTarget(t, dir, "").Export(t.Context(), source, before, dir); err != nil {
		t.Fatal(err)
	}
	s := startNginx(t, binary, dir)
	defer s.stop(t)
	person := []string{"Host: blog.example", "User-Agent: " + agents[""], "Accept: */*"}

	got := s.get(t, "/go/thing?a=%22", append(person, `Referer: https://x.example/"\`, "Sec-Fetch-Dest: document"))
	line := s.logged(t)
	if line == nil {
		t.Fatal("nothing is logged")
	}
	id, err := affiliate.ParseClickID(line.ID)
	if err != nil || got.location != "https://shop.example/?c="+line.ID || !strings.HasPrefix(line.ID, "z") {
		t.Errorf("the click id is %q (%v), the address %q", line.ID, err, got.location)
	}
	_ = id
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer-when-downgrade", "X-Content-Type-Options": ""} {
		if have := got.header.Get(name); have != want {
			t.Errorf("%s is %q, want %q", name, have, want)
		}
	}
	cookie := regexp.MustCompile(`^sluice_v=([0-9a-hjkmnp-tv-z]{16}); Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax$`).FindStringSubmatch(got.header.Get("Set-Cookie"))
	if cookie == nil || cookie[1] != line.Visitor || line.Returning {
		t.Fatalf("the cookie is %q, the log says %+v", got.header.Get("Set-Cookie"), line)
	}
	if line.Path != "/go/thing" || line.Query != "a=%22" || line.Method != "GET" || line.Proto != "HTTP/1.0" || line.Scheme != "http" || line.Host != "blog.example" ||
		line.Referrer != `https://x.example/"\` || line.FetchDest != "document" || line.Accept != "*/*" || line.Agent != agents[""] {
		t.Errorf("the log says %+v", line)
	}

	got = s.get(t, "/go/thing", append(person, "Cookie: a=b; sluice_v="+cookie[1]))
	if line = s.logged(t); line.Visitor != cookie[1] || !line.Returning || !strings.Contains(got.header.Get("Set-Cookie"), cookie[1]) {
		t.Errorf("the visitor comes back and is %+v", line)
	}
	got = s.get(t, "/go/thing", append(person, "Cookie: sluice_v=UPPER"))
	if line = s.logged(t); line.Visitor == "UPPER" || line.Returning || got.header.Get("Set-Cookie") == "" {
		t.Errorf("a cookie that is none of ours makes %+v", line)
	}
	for _, h := range []string{"DNT: 1", "Sec-GPC: 1"} {
		got = s.get(t, "/go/thing", append(person, h, "Cookie: sluice_v="+cookie[1]))
		if line = s.logged(t); line.Visitor != "" || line.Returning || got.header.Get("Set-Cookie") != "" || got.location == "" {
			t.Errorf("%s: the log says %+v, the cookie is %q", h, line, got.header.Get("Set-Cookie"))
		}
	}
	got = s.get(t, "/go/thing", []string{"Host: blog.example", "User-Agent: " + declaredBot})
	if line = s.logged(t); got.code != 403 || line.Outcome != "block" || line.Code != 403 || line.URL != "" || line.Variant != "" || got.header.Get("Set-Cookie") != "" || !strings.Contains(got.body, "for people") {
		t.Errorf("a bot gets %d, the log says %+v", got.code, line)
	}
	got = s.do(t, "HEAD /go/code HTTP/1.1", append(person, "Connection: close", "Purpose: prefetch"))
	if line = s.logged(t); got.code != 308 || line.Method != "HEAD" || line.Purpose != "prefetch" || line.Proto != "HTTP/1.1" || line.Page != "/ab" {
		t.Errorf("HEAD gets %d, the log says %+v", got.code, line)
	}
	if got = s.do(t, "POST /go/code HTTP/1.0", append(person, "Content-Length: 0")); got.code != 405 || s.logged(t) != nil {
		t.Errorf("POST gets %d", got.code)
	}
	got = s.get(t, "/go/nothing", person)
	if line = s.logged(t); got.code != 404 || line.Outcome != "not_found" || line.Link != 0 || got.header.Get("Cache-Control") != "no-store" || got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("Set-Cookie") != "" {
		t.Errorf("an unknown name gets %d, the log says %+v", got.code, line)
	}
	if got = s.get(t, "/elsewhere", person); got.code != 404 || s.logged(t) != nil {
		t.Errorf("a path outside gets %d", got.code)
	}

	// The same signed cookie, whose end differs after each click, is dealt the same destination.
	dealt, otherwise := map[string]int{}, 0
	for i := range 40 {
		key := strings.Repeat(string(rune('A'+i%26)), 15) + string(rune('a'+i/26))
		first := s.get(t, "/go/test", append(person, "Cookie: sluice="+key+strings.Repeat("x", 30))).location
		second := s.get(t, "/go/test", append(person, "Cookie: sluice="+key+strings.Repeat("y", 56))).location
		if first != second {
			t.Errorf("the visitor %s is sent to %q and to %q", key, first, second)
		}
		dealt[first]++
		if s.get(t, "/go/other", append(person, "Cookie: sluice="+key+strings.Repeat("x", 30))).location != first {
			otherwise++
		}
		s.logged(t)
		s.logged(t)
		s.logged(t)
	}
	if len(dealt) != 2 || dealt["https://shop.example/a"] < 5 || dealt["https://shop.example/b"] < 5 {
		t.Errorf("visitors are dealt %v", dealt)
	}
	if otherwise < 5 || otherwise > 35 {
		t.Errorf("two links with the same weights deal %d of 40 visitors otherwise: their shares depend on each other", otherwise)
	}
}
