package nginx

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
	"github.com/sluicehq/sluice/internal/routing"
)

// breakers are what ends or means something in nginx's configuration.
var breakers = []string{`"`, `'`, `\`, `;`, `}`, `{`, `$`, `$host`, `${host}`, `$$`, "\n", "\r\n", "\t", " ", "#", "~", "*", "\x00", "\x7f", "|", "<c>", "<", ">", `\"`, `\\`, `\n`,
	`"; }`, `return 200 "x"; #`, "include /etc/passwd;", "(?<x>", "$1", "%00", "%0a", "%7B", "é", "\xff", "a", "b", "/", "?", "&", "=", "default", "volatile", "x1", "-", "."}

// No text of a link ends the word it is written in: nginx takes every configuration, and what it
// answers is what the routing table answers, or the link is refused by name.
func TestHostileText(t *testing.T) {
	binary := needNginx(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	text := func(n int) string {
		var b strings.Builder
		for range random.IntN(n) {
			b.WriteString(breakers[random.IntN(len(breakers))])
		}
		return b.String()
	}
	var links []affiliate.Link
	add := func(url, page, value string) {
		id := int64(len(links) + 1)
		l := affiliate.Link{ID: id, Site: "main", Slug: fmt.Sprintf("l%d", id), Status: affiliate.Active, Page: page,
			Destinations: []affiliate.Destination{{ID: "a", URL: url, Weight: 1}}}
		if value != "" {
			l.Rules = []affiliate.Rule{{ID: "r", When: []affiliate.Condition{{On: affiliate.OnQuery, Name: "q", NotIn: []string{value}}}, Destinations: l.Destinations}}
		}
		links = append(links, l)
	}
	for _, b := range breakers {
		add("https://shop.example/"+b, "", "")
		add("https://shop.example/?x="+b+"&y=$x", "/p"+b, "v"+b)
	}
	for range 300 {
		add("https://shop.example/"+text(10), text(6), text(4))
	}
	long := `";}$host\` + strings.Repeat(`a$";`, 2100)
	for _, n := range []int{3000, 3490, 3500, 3510, 4095, 4096, 8000, affiliate.URLBytesMax} {
		add(("https://shop.example/" + long)[:n], "", "")
		add(("https://shop.example/?c={click_id}&x=" + long)[:n], strings.Repeat("p$", 1000), "x")
	}
	hostileIDs := []string{`a"b`, "a|b", "a\nb", "$host", "a b"}
	for _, id := range hostileIDs {
		add("https://shop.example/", "", "")
		links[len(links)-1].Destinations[0].ID = id
		add("https://shop.example/", "", "x")
		links[len(links)-1].Rules[0].ID = id
	}
	for _, slug := range []string{"a b", `a"`, "a;b", "a{b", "a$b", "../x", "A", "é\n"} {
		add("https://shop.example/", "", "")
		links[len(links)-1].Slug = slug
	}
	site := affiliate.Site{ID: "main", Hosts: []string{"blog.example"}, Prefix: "/go/"}
	at := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	source := &export.Source{Sites: []affiliate.Site{site}, Links: func(yield func(*affiliate.Link, error) bool) {
		for i := range links {
			if !yield(&links[i], nil) {
				return
			}
		}
	}}
	dir := t.TempDir()
	target, err := New(Options{Log: dir + "/visits.log"})
	if err != nil {
		t.Fatal(err)
	}
	report, err := target.Export(t.Context(), source, at, dir)
	if err != nil {
		t.Fatal(err)
	}
	isRefused := map[int64]bool{}
	for _, s := range report.Shortfalls {
		if s.What == refused {
			isRefused[s.Link] = true
		}
	}
	if report.Links+report.Refused != len(links) || len(isRefused) != report.Refused || report.Links < len(links)/4 {
		t.Fatalf("of %d links %d are written and %d refused, %d by name", len(links), report.Links, report.Refused, len(isRefused))
	}
	table := routingTable(t, source, isRefused)
	s := startNginx(t, binary, dir)
	defer s.stop(t)
	for i := range links {
		l := &links[i]
		if isRefused[l.ID] {
			continue
		}
		got := s.get(t, "/go/"+l.Slug, []string{"Host: blog.example", "User-Agent: " + agents[""]})
		line := s.logged(t)
		if line == nil {
			t.Fatalf("link %d: nothing is logged", l.ID)
		}
		v := affiliate.Visit{Host: "blog.example", Path: "/go/" + l.Slug, Time: at.UnixMilli(), ClickID: line.ID}
		var d affiliate.Decision
		table.Resolve(&v, &d)
		if got.code != d.Code || got.location != string(d.URL) || line.URL != string(d.URL) || line.Rule != d.Rule || line.Link != l.ID {
			t.Errorf("link %d: nginx answers %d %q and logs rule %q, want %d %q %q", l.ID, got.code, got.location, line.Rule, d.Code, d.URL, d.Rule)
		}
	}
	b, err := os.ReadFile(dir + "/error.log")
	if err != nil || bytes.Contains(b, []byte("[error]")) {
		t.Errorf("nginx complains: %s (%v)", b, err)
	}
}

// routingTable is what Sluice itself would serve.
func routingTable(t *testing.T, source *export.Source, without map[int64]bool) *routing.Table {
	t.Helper()
	h, err := routing.Open(routing.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	var changes []routing.Change
	add := func(c routing.Change) {
		c.Seq = int64(len(changes) + 1)
		changes = append(changes, c)
	}
	for i := range source.Sites {
		add(routing.Change{Site: &source.Sites[i]})
	}
	for i := range source.Programs {
		add(routing.Change{Program: &source.Programs[i]})
	}
	for i := range source.Partners {
		add(routing.Change{Partner: &source.Partners[i]})
	}
	for l := range source.Links {
		if !without[l.ID] {
			add(routing.Change{Link: l})
		}
	}
	if err := h.Apply(changes); err != nil {
		t.Fatal(err)
	}
	return h.Current()
}
