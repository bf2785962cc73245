package routing

import (
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
)

func TestSmoke(t *testing.T) {
	h, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	l := &affiliate.Link{ID: 7, Site: "main", Slug: "the-thing", Destinations: []affiliate.Destination{{URL: "https://www.awin1.com/cread.php?awinmid=1&awinaffid=2&ued=https%3A%2F%2Fx.example#top"}}}
	l.Normalize()
	site := affiliate.Site{ID: "main"}
	site.Normalize()
	if err := h.Apply([]Change{{Seq: 1, Site: &site}, {Seq: 2, Link: l}}); err != nil {
		t.Fatal(err)
	}
	check := func() {
		var d affiliate.Decision
		v := affiliate.Visit{Host: "localhost:80", Path: "/go/The-Thing/", ClickID: "0123"}
		h.Current().Resolve(&v, &d)
		if string(d.URL) != "https://www.awin1.com/cread.php?awinmid=1&awinaffid=2&ued=https%3A%2F%2Fx.example&clickref=0123#top" || d.Code != 302 {
			t.Fatalf("%+v %s", d, d.URL)
		}
	}
	check()
	if err := h.Save(); err != nil {
		t.Fatal(err)
	}
	check()
}

func BenchmarkResolve(b *testing.B) {
	h, _ := Open(Options{Dir: b.TempDir()})
	l := &affiliate.Link{ID: 7, Site: "main", Slug: "the-thing", Destinations: []affiliate.Destination{{URL: "https://www.awin1.com/cread.php?awinmid=1&awinaffid=2"}}}
	l.Normalize()
	site := affiliate.Site{ID: "main"}
	site.Normalize()
	_ = h.Apply([]Change{{Seq: 1, Site: &site}, {Seq: 2, Link: l}})
	_ = h.Save()
	var d affiliate.Decision
	b.ReportAllocs()
	for b.Loop() {
		v := affiliate.Visit{Host: "localhost:80", Path: "/go/the-thing", ClickID: "0123"}
		h.Current().Resolve(&v, &d)
	}
}
