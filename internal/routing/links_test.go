package routing

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/sluicehq/sluice/internal/affiliate"
	"pgregory.net/rapid"
)

// openHolder opens a table that is closed with the test.
func openHolder(t testing.TB, o Options) *Holder {
	t.Helper()
	h, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func site(id string, hosts ...string) *affiliate.Site {
	s := &affiliate.Site{ID: id, Hosts: hosts}
	s.Normalize()
	return s
}

func link(id int64, slug, url string) *affiliate.Link {
	l := &affiliate.Link{ID: id, Site: "main", Slug: slug, Destinations: []affiliate.Destination{{URL: url}}}
	l.Normalize()
	return l
}

// allowedHosts are the only ones that the links of validLink may lead to.
var allowedHosts = map[string]bool{"shop.example": true, "www.awin1.com": true, "prf.hn": true, "clk.tradedoubler.com": true,
	"fallback.example": true, "default.example": true, "pages.example": true, "a.pages.example": true}

var programs = []affiliate.Program{
	{ID: "acme", SubID: &affiliate.SubID{Param: "sid", Value: "{click_id}.{raw:sub1}"}, DeepLink: &affiliate.DeepLink{Hosts: []string{"pages.example", "*.pages.example"}}},
	{ID: "net", DeepLink: &affiliate.DeepLink{Hosts: []string{"pages.example"}, Param: "to"}},
}

var targets = []string{"https://shop.example", "https://shop.example/", "https://shop.example/p?tag=1", "https://shop.example/{raw:query.p}",
	"https://shop.example/{query.p}?x={raw:query.q}#f", "HTTPS://Shop.Example/?", "https://www.awin1.com/cread.php?m=1#x",
	"https://prf.hn/click/camref:1/destination:https%3A%2F%2Fshop.example", "https://clk.tradedoubler.com/click?url=x",
	"https://shop.example/?u={raw:referrer_host}&s={raw:sub1}", "https://shop.example/{raw:link}"}

// validLink draws a link that Validate accepts.
func validLink(t *rapid.T, id int64) *affiliate.Link {
	destination := rapid.Custom(func(t *rapid.T) affiliate.Destination {
		return affiliate.Destination{URL: rapid.SampledFrom(targets).Draw(t, "url"), Weight: rapid.IntRange(1, 9).Draw(t, "weight"), Down: rapid.Bool().Draw(t, "down")}
	})
	l := &affiliate.Link{ID: id, Site: "main", Slug: "thing",
		Destinations: rapid.SliceOfN(destination, 1, 3).Draw(t, "destinations"),
		Status:       rapid.SampledFrom([]affiliate.Status{affiliate.Active, affiliate.Active, affiliate.Paused}).Draw(t, "status"),
		Program:      rapid.SampledFrom([]string{"", "acme", "net"}).Draw(t, "program"),
		Fallback:     rapid.SampledFrom([]string{"", "https://fallback.example/{raw:query.p}"}).Draw(t, "fallback"),
		Query:        affiliate.QueryPolicy{Mode: rapid.SampledFrom([]affiliate.QueryMode{affiliate.QueryDrop, affiliate.QueryPass}).Draw(t, "query")},
	}
	l.DeepLink = l.Program != "" && rapid.Bool().Draw(t, "deep link")
	if rapid.Bool().Draw(t, "rule") {
		l.Rules = []affiliate.Rule{{When: []affiliate.Condition{{On: affiliate.OnQuery, Name: "q", In: []string{"*"}}}, Destinations: rapid.SliceOfN(destination, 1, 2).Draw(t, "rule's")}}
	}
	l.Normalize()
	s := affiliate.Surroundings{Site: *site("main"), Operator: true}
	for i := range programs {
		if programs[i].ID == l.Program {
			s.Program = &programs[i]
		}
	}
	if _, err := l.Validate(s); err != nil {
		t.Fatalf("the generator draws an invalid link: %v", err)
	}
	return l
}

// hostile draws text that people use to get out of a URL.
var hostile = rapid.Custom(func(t *rapid.T) string {
	parts := []string{"https://", "http://", "//", "/", "\\", "@", ":", "?", "#", "&", "=", "%", "%2F", "%40", "%5C", "%0d%0a", "\r\n", " ", "evil.example",
		"shop.example", "pages.example", "a.pages.example", ".pages.example", ":80", "[::1]", "javascript:", "sid=", "tag=", "x", "ü", "%ff", "{click_id}", "..", "\x00"}
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 8).Draw(t, "parts"), "")
})

// within says that the string's bytes are part of b.
func within(s string, b []byte) bool {
	at, from := uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return from <= at && at < from+uintptr(len(b))
}
