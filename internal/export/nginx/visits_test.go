package nginx

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
)

// visitLinks ask for all that a visit can bring.
func visitLinks() []affiliate.Link {
	to := func(url string) []affiliate.Destination {
		return []affiliate.Destination{{ID: "a", URL: url, Weight: 1}}
	}
	rule := func(id string, url string, when ...affiliate.Condition) affiliate.Rule {
		return affiliate.Rule{ID: id, When: when, Destinations: to(url)}
	}
	pass := affiliate.QueryPolicy{Mode: affiliate.QueryPass}
	links := []affiliate.Link{
		{Slug: "sub", Destinations: to("https://shop.example/p?s={sub1}&q={query.q}&c={click_id}")},
		{Slug: "path", Destinations: to("https://shop.example/{sub1}/x?r={raw:query.q}")},
		{Slug: "pass", Destinations: to("https://shop.example/p?tag=me#top"), Query: pass},
		{Slug: "only", Destinations: to("https://shop.example/p"), Query: affiliate.QueryPolicy{Mode: affiliate.QueryOnly, Names: []string{"a", "b.c", "q"}}},
		{Slug: "paid", Program: "acme", Partner: "own", Destinations: to("https://shop.example/p?via={partner}"), Query: pass},
		{Slug: "deep", Program: "net", DeepLink: true, Query: pass, Destinations: to("https://www.awin1.com/cread.php?awinmid=1&awinaffid=2")},
		{Slug: "own", Program: "acme", DeepLink: true, Destinations: to("https://shop.example/?x=1")},
		{Slug: "bots", Destinations: to("https://shop.example/p?s={sub1}&c={click_id}&q={query.q}"), BlockBots: true},
		{Slug: "rules", Destinations: to("https://shop.example/own?c={country}&d={device}&h={referrer_host}"), Rules: []affiliate.Rule{
			rule("r1", "https://shop.example/1", affiliate.Condition{On: affiliate.OnCountry, In: []string{"DE", "AT"}}, affiliate.Condition{On: affiliate.OnDevice, NotIn: []string{"phone"}}),
			rule("r2", "https://shop.example/2?q={query.q}", affiliate.Condition{On: affiliate.OnQuery, Name: "q", In: []string{"a b", "50%", "x+y", "ü"}}),
			rule("r3", "https://shop.example/3", affiliate.Condition{On: affiliate.OnLanguage, In: []string{"de", "pt-br"}}, affiliate.Condition{On: affiliate.OnReferrer, NotIn: []string{"shop.example", "(none)"}}),
			rule("r4", "https://shop.example/4", affiliate.Condition{On: affiliate.OnReferrer, In: []string{"blog.example"}}),
			rule("r5", "https://shop.example/5", affiliate.Condition{On: affiliate.OnQuery, Name: "a", NotIn: []string{"*"}}, affiliate.Condition{On: affiliate.OnVisitor, In: []string{"returning"}}),
		}},
	}
	for i := range links {
		links[i].ID, links[i].Site = int64(i+1), "main"
		links[i].Normalize()
	}
	return links
}

var (
	queryBits = []string{"a", "b.c", "q", "sub1", "sub10", "ref", "tag", "TAG", "url", "=", "=", "=", "&", "&", "&", "+", "%20", "%2B", "%c3%bc", "%C3%BC", "50%25", "50%", "x", "anna", "ANNA", "bert",
		"a b", "/", ":", ";", "'", "(", "[", "]", "{", "}", "|", "\\", "^", "`", "<", "\"", "?", "~", "%41", "%7E", "%2f", "%2F", "$", "!", "*", ",", "@", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}
	pages = []string{"url=https%3A%2F%2Fshop.example%2Fp", "url=HTTPS%3A%2F%2Fa.SHOP.example", "url=http%3A%2F%2Fplain.example%3Fa%3Db%26c", "url=https%3A%2F%2Fport.example%3A8443%2F%23x", "url=https%3A%2F%2Fport.example",
		"url=http%3A%2F%2Fshop.example%2F", "url=https%3A%2F%2Fevil.example%2Fshop.example", "url=https%3A%2F%2Fshop.example%40evil.example%2F", "url=https%3A%2F%2Fshop.example.evil.example%2F", "url=https%3A%2F%2Fxshop.example%2F",
		"url=https%3A%2F%2Fshop.example%5C%2F", "url=https%3A%2F%2Fshop.example%2F%25", "url=https%3A%2F%2Fshop.example%2F%2541", "url=https%3A%2F%2Fshop.example%2F%0A", "url=https://shop.example/p", "url=https%3a%2f%2fshop.example", "url=//shop.example", "url=https%3A%2F%2Fshop.example:8443%2F"}
	languages = []string{"", "de", "de-DE,de;q=0.9,en;q=0.8", "en,de", "pt-BR", "en;q=0.5,de;q=0.9", "*;q=1,de", "en;q=0,de", "de;q=0.3 , fr;q=0.7", "de;q=x,en", " , de"}
	referrers = []string{"", "https://blog.example/a?b", "https://www.blog.example", "http://u:p@shop.example:8080/", "https://BLOG.example/", "https://blog.example./x", "blog.example", "android-app://org.x.y/", "https://[::1]:80/", "https://evil.example/?x=https://blog.example/"}
)

// What nginx makes of visits of every kind is what the routing table makes of them, or a kind of
// shortfall says that it may not be.
func TestVisits(t *testing.T) {
	binary := needNginx(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 3))
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	links := visitLinks()
	hosts := &affiliate.DeepLink{Hosts: []string{"shop.example", "*.shop.example", "http://plain.example", "port.example:8443"}}
	programs := []affiliate.Program{{ID: "acme", DeepLink: hosts}, {ID: "net", Network: "awin", DeepLink: hosts}}
	for i := range programs {
		programs[i].Normalize()
	}
	source := &export.Source{Sites: []affiliate.Site{{ID: "main", Hosts: []string{"blog.example"}, Prefix: "/go/", DefaultURL: "https://blog.example/"}}, Programs: programs,
		Partners: []affiliate.Partner{{Program: "acme", Code: "anna", Status: affiliate.Active}, {Program: "acme", Code: "bert", Status: affiliate.Paused}}, Links: each(links)}
	at := time.Now().Truncate(time.Millisecond)
	dir := t.TempDir()
	target, err := New(Options{CountryHeader: "X-Country", Log: dir + "/visits.log"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := target.Export(t.Context(), source, at, dir); err != nil {
		t.Fatal(err)
	}
	table := routingTable(t, source, nil)
	s := startNginx(t, binary, dir)
	defer s.stop(t)
	alike, excused := 0, map[string]int{}
	const visits = 4000
	for range visits {
		var q strings.Builder
		for range random.IntN(5) {
			if random.IntN(6) > 0 {
				q.WriteString(pick(queryBits[:9]) + "=")
			}
			for range random.IntN(4) {
				q.WriteString(pick(queryBits[9:]))
			}
			q.WriteString("&")
		}
		if random.IntN(6) == 0 {
			q.WriteString(pick(pages))
		}
		l := &links[random.IntN(len(links))]
		path := "/go/" + l.Slug
		if random.IntN(8) == 0 {
			path += pick([]string{"/", "/anna", "/nobody.", ",", "-x"})
		}
		agent := pick([]string{agents["phone"], agents["tablet"], agents["desktop"], declaredBot, "curl/8.5"})
		v := affiliate.Visit{Host: "blog.example", Path: path, Query: strings.ReplaceAll(q.String(), " ", ""), Language: pick(languages), Referrer: pick(referrers), Country: pick([]string{"", "DE", "US"}),
			Time: at.UnixMilli(), Returning: random.IntN(2) == 0}
		v.Device, v.Action = classify(agent)
		head := []string{"Host: blog.example", "User-Agent: " + agent}
		for name, value := range map[string]string{"Accept-Language": v.Language, "Referer": v.Referrer, "X-Country": v.Country} {
			if value != "" {
				head = append(head, name+": "+value)
			}
		}
		if v.Returning {
			head = append(head, "Cookie: other=1; sluice_v="+visitorCookie("x"))
			v.Returning = v.Action == affiliate.Pass
		}
		target := path
		if v.Query != "" {
			target += "?" + v.Query
		}
		got := s.get(t, target, head)
		line := s.logged(t)
		if line == nil {
			t.Fatalf("%s: nothing is logged", target)
		}
		v.ClickID = line.ID
		var d affiliate.Decision
		table.Resolve(&v, &d)
		if got.code == d.Code && got.location == string(d.URL) && line.Variant == d.Variant && line.Rule == d.Rule && line.Partner == d.Partner && line.Link == d.Link &&
			sortedWhy(line.Why) == strings.Join(d.Why.Strings(), ",") {
			alike++
			continue
		}
		var concerned *affiliate.Link
		if d.Link != 0 {
			concerned = l
		}
		kind := ""
		for _, k := range Kinds() {
			if k.Concerns(concerned, &v) {
				kind = k.What
				break
			}
		}
		if slices.Contains(strings.Split(line.Why, ","), "deep_link") && d.Why&affiliate.WhyDeepLink == 0 {
			t.Errorf("%s: nginx follows ?url= where Sluice does not, to %q", target, got.location)
		}
		if kind == "" {
			t.Errorf("%s (%q %q %q): nginx answers %d %q, rule %q, why %q; want %d %q, rule %q, why %v", target, agent, v.Language, v.Referrer,
				got.code, got.location, line.Rule, sortedWhy(line.Why), d.Code, d.URL, d.Rule, d.Why.Strings())
		}
		excused[kind]++
	}
	t.Log(fmt.Sprint(alike, " of ", visits, " alike; ", excused))
	if alike < visits/2 {
		t.Errorf("only %d of %d visits are answered alike", alike, visits)
	}
}
