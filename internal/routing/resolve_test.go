package routing

import (
	"net/url"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"pgregory.net/rapid"
)

// Whatever a visitor sends, the scheme and the host of the answer are the
// operator's.
func TestNoVisitorChoosesWhereALinkLeads(t *testing.T) {
	followed := 0
	rapid.Check(t, func(t *rapid.T) {
		changes := []Change{{Seq: 1, Site: &affiliate.Site{ID: "main", Prefix: "/go/", DefaultURL: "https://default.example/"}}}
		for i := range programs {
			changes = append(changes, Change{Seq: int64(2 + i), Program: &programs[i]})
		}
		table, err := emptyTable().with(append(changes, Change{Seq: 9, Link: validLink(t, 1)}))
		if err != nil {
			t.Fatal(err)
		}
		d := affiliate.Decision{}
		v := hostileVisit(t)
		table.Resolve(&v, &d)
		if len(d.URL) == 0 {
			return
		}
		u, err := url.Parse(string(d.URL))
		if err != nil {
			t.Fatalf("%s is no URL: %v", d.URL, err)
		}
		if u.Scheme != "https" || u.User != nil || !allowedHosts[affiliate.CanonicalHost(u.Host)] {
			t.Fatalf("%+v was sent to %s", v, d.URL)
		}
		for _, c := range d.URL {
			if c <= ' ' || c >= 0x7f {
				t.Fatalf("%q has a byte that ends or splits a header", d.URL)
			}
		}
		followed++
	})
	if followed == 0 {
		t.Error("no visit was sent anywhere, so nothing was tested")
	}
}

func hostileVisit(t *rapid.T) affiliate.Visit {
	v := affiliate.Visit{Host: "any.example", Path: "/go/thing", ClickID: "clk1", Time: 1,
		Query:    "url=" + hostile.Draw(t, "url") + "&p=" + hostile.Draw(t, "p") + "&" + hostile.Draw(t, "query") + "&q=" + hostile.Draw(t, "q") + "&sub1=" + hostile.Draw(t, "sub1"),
		Referrer: "https://" + hostile.Draw(t, "referrer"),
		Action:   rapid.SampledFrom([]affiliate.Action{affiliate.Pass, affiliate.Decoy}).Draw(t, "action"),
	}
	if rapid.Bool().Draw(t, "good page") {
		v.Query = "url=https%3A%2F%2Fpages.example%2F" + hostile.Draw(t, "page") + "&" + v.Query
	}
	return v
}

func FuzzResolve(f *testing.F) {
	l := link(1, "thing", "https://shop.example/p?tag=1&x={query.x}#f")
	l.Program, l.DeepLink, l.Query.Mode = "acme", true, affiliate.QueryPass
	l.Rules = []affiliate.Rule{{ID: "r", When: []affiliate.Condition{
		{On: affiliate.OnLanguage, In: []string{"en"}}, {On: affiliate.OnReferrer, NotIn: []string{"(none)"}}}, Destinations: l.Destinations}}
	table, err := emptyTable().with([]Change{{Seq: 1, Site: site("main")}, {Seq: 2, Program: &programs[0]}, {Seq: 3, Link: l}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("blog.example:80", "/go/thing", "url=https%3A%2F%2Fpages.example&a=1", "en;q=0.5", "https://x.example")
	f.Add("", "/GO//th%69ng/anna)", "ref=x&=&&%", ",;q=", "://")
	f.Add("[::1", "/go/%", "url=https://a.pages.example:1/%zz", "q=.", "a://@:")
	f.Fuzz(func(t *testing.T, host, path, query, language, referrer string) {
		var d affiliate.Decision
		v := affiliate.Visit{Host: host, Path: path, Query: query, Language: language, Referrer: referrer, ClickID: "clk1"}
		table.Resolve(&v, &d)
		if (len(d.URL) > 0) != (d.Outcome != affiliate.Missing && d.Outcome != affiliate.Blocked) {
			t.Errorf("outcome %s with the URL %q", d.Outcome, d.URL)
		}
	})
}

// hot are the links that most visits follow; none of them may cost an allocation.
func hot() map[string]func(*affiliate.Link, *affiliate.Visit) {
	country := affiliate.Condition{On: affiliate.OnCountry, In: []string{"DE"}}
	phone := affiliate.Condition{On: affiliate.OnDevice, In: []string{"phone"}}
	return map[string]func(*affiliate.Link, *affiliate.Visit){
		"plain": func(*affiliate.Link, *affiliate.Visit) {},
		"query": func(l *affiliate.Link, v *affiliate.Visit) {
			l.Query.Mode, v.Query = affiliate.QueryPass, "utm_source=news&utm_medium=mail&ref=anna&sub1=x"
		},
		"country and device rule": func(l *affiliate.Link, v *affiliate.Visit) {
			l.Rules = []affiliate.Rule{{ID: "dach", When: []affiliate.Condition{country, phone}, Destinations: l.Destinations}}
			v.Country, v.Device = "DE", affiliate.Phone
		},
		"four variants": func(l *affiliate.Link, v *affiliate.Visit) {
			for range 3 {
				l.Destinations = append(l.Destinations, affiliate.Destination{URL: "https://shop.example/", Weight: 2})
			}
			v.Visitor = "0123456789abcdef"
		},
		"time rule": func(l *affiliate.Link, v *affiliate.Visit) {
			l.Rules = []affiliate.Rule{{ID: "day", When: []affiliate.Condition{{On: affiliate.OnTime, Zone: "Europe/Berlin", From: "09:00"}}, Destinations: l.Destinations}}
			v.Time = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC).UnixMilli()
		},
		"language and referrer rule": func(l *affiliate.Link, v *affiliate.Visit) {
			l.Rules = []affiliate.Rule{{ID: "r", When: []affiliate.Condition{{On: affiliate.OnLanguage, In: []string{"de"}},
				{On: affiliate.OnReferrer, In: []string{"news.example"}}}, Destinations: l.Destinations}}
			v.Language, v.Referrer = "de-DE,de;q=0.9,en;q=0.8", "https://news.example/post"
		},
		"partner": func(l *affiliate.Link, v *affiliate.Visit) { l.Program, v.Query = "acme", "ref=anna" },
	}
}

// hotTable saves one of the links among others and returns the visit of it.
func hotTable(t testing.TB, change func(*affiliate.Link, *affiliate.Visit)) (*Table, *affiliate.Visit) {
	t.Helper()
	v := &affiliate.Visit{Host: "blog.example", Path: "/go/the-thing", ClickID: "0123456789abcdef01234567"}
	l := link(7, "the-thing", "https://www.awin1.com/cread.php?awinmid=1&awinaffid=2")
	change(l, v)
	l.Normalize()
	table, err := emptyTable().with([]Change{{Seq: 1, Site: site("main", "blog.example")}, {Seq: 2, Program: &programs[0]},
		{Seq: 3, Partner: &affiliate.Partner{Program: "acme", Code: "anna", Status: affiliate.Active}}, {Seq: 4, Link: l}})
	if err != nil {
		t.Fatal(err)
	}
	return onlyBase(t, table), v
}

func TestResolveAllocatesNothing(t *testing.T) {
	for name, change := range hot() {
		t.Run(name, func(t *testing.T) {
			table, v := hotTable(t, change)
			var d affiliate.Decision
			table.Resolve(v, &d)
			if d.Outcome != affiliate.Redirected {
				t.Fatalf("the visit was not sent on: %+v", d)
			}
			if n := testing.AllocsPerRun(100, func() { table.Resolve(v, &d) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// A decision outlives the table that made it: the file may be unmapped.
func TestDecisionOutlivesItsTable(t *testing.T) {
	l := link(1, "thing", "https://shop.example/")
	l.Page, l.Partner, l.Program = "/review", "own", "acme"
	l.Rules = []affiliate.Rule{{ID: "all", Destinations: []affiliate.Destination{{ID: "v", URL: "https://shop.example/r", Weight: 1}}}}
	changed, err := emptyTable().with([]Change{{Seq: 1, Site: site("main")}, {Seq: 2, Program: &programs[0]}, {Seq: 3, Link: l}})
	if err != nil {
		t.Fatal(err)
	}
	table := onlyBase(t, changed)
	var d affiliate.Decision
	table.Resolve(&affiliate.Visit{Path: "/go/thing"}, &d)
	mapped := table.base.file
	for name, s := range map[string]string{"slug": d.Slug, "page": d.Page, "partner": d.Partner, "rule": d.Rule, "variant": d.Variant, "site": d.Site, "program": d.Program} {
		if s == "" || within(s, mapped) {
			t.Errorf("%s %q points into the table's file", name, s)
		}
	}
	if within(view(d.URL), mapped) {
		t.Error("the URL points into the table's file")
	}
}

func BenchmarkResolve(b *testing.B) {
	for name, change := range hot() {
		b.Run(name, func(b *testing.B) {
			table, v := hotTable(b, change)
			var d affiliate.Decision
			b.ReportAllocs()
			for b.Loop() {
				table.Resolve(v, &d)
			}
		})
	}
}
