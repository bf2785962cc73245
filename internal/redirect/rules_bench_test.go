package redirect_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/geo"
	"github.com/sluicehq/sluice/internal/routing"
	"github.com/sluicehq/sluice/internal/useragent"
)

// asked finds out what a rule asks for, as the redirect does.
type asked struct {
	places *geo.DB
	ip     netip.Addr
}

func (k *asked) Country() string          { return k.places.Country(k.ip) }
func (k *asked) Device() affiliate.Device { return affiliate.OtherDevice }

// ruleBenchmarks are the kinds of rules; each link has one that decides.
func ruleBenchmarks() map[string]func(*affiliate.Link) {
	other := []affiliate.Destination{{URL: "https://shop.example/other/thing?utm_source=blog&utm_medium=link"}}
	rule := func(c affiliate.Condition) func(*affiliate.Link) {
		return func(l *affiliate.Link) {
			l.Rules = []affiliate.Rule{{ID: "rule", When: []affiliate.Condition{c}, Destinations: other}}
		}
	}
	return map[string]func(*affiliate.Link){
		"country":  rule(affiliate.Condition{On: affiliate.OnCountry, In: []string{"AT", "CH", "DE"}}),
		"device":   rule(affiliate.Condition{On: affiliate.OnDevice, In: []string{"phone"}}),
		"language": rule(affiliate.Condition{On: affiliate.OnLanguage, In: []string{"de"}}),
		"time":     rule(affiliate.Condition{On: affiliate.OnTime, Zone: "Europe/Berlin", Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "09:00", To: "17:00"}),
		"date":     rule(affiliate.Condition{On: affiliate.OnDate, After: new(time.Unix(1_700_000_000, 0).UTC())}),
		"schedule": func(l *affiliate.Link) {
			l.StartsAt, l.EndsAt = new(time.Unix(1_700_000_000, 0).UTC()), new(time.Unix(2_500_000_000, 0).UTC())
		},
		"four variants": func(l *affiliate.Link) {
			for range 3 {
				l.Destinations = append(l.Destinations, affiliate.Destination{URL: l.Destinations[0].URL, Weight: 2})
			}
		},
	}
}

// BenchmarkRules tells what each kind of rule adds to a decision: the same link with
// it and without it, in turns, for visitors from 4096 addresses, each looked up once
// a visit in the built-in country data.
//
//	go test -run - -bench Rules -benchtime 1x ./internal/redirect
func BenchmarkRules(b *testing.B) {
	const rounds, visits = 21, 50_000
	places, err := geo.Open(geo.Options{})
	if err != nil {
		b.Fatal(err)
	}
	table, kinds := tableOfRules(b)
	addresses := addressesOf(places)
	if len(addresses) == 0 {
		b.Skip("no country data is built in: run scripts/fetch-geo.sh")
	}
	var d affiliate.Decision
	v := affiliate.Visit{Host: "blog.example", ClickID: "0123456789abcdef01234567", Visitor: "0123456789abcdef", Time: 1_790_000_000_000,
		Language: "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7"}
	k := &asked{places: places}
	agent := "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
	resolve := func(path string) time.Duration {
		v.Path = path
		start := time.Now()
		for i := range visits {
			k.ip, v.Country = addresses[i%len(addresses)], ""
			v.Device, v.Knowledge = affiliate.Phone, k
			table.Resolve(&v, &d)
		}
		return time.Since(start)
	}
	for b.Loop() {
		added := map[string][]float64{}
		for range rounds {
			plain := resolve("/go/plain")
			for _, kind := range kinds {
				added[kind] = append(added[kind], float64((resolve("/go/"+slug(kind))-plain).Nanoseconds())/visits)
			}
			start := time.Now()
			for range visits {
				useragent.Classify(agent, "?1")
			}
			added["device class, once a request"] = append(added["device class, once a request"], float64(time.Since(start).Nanoseconds())/visits)
		}
		for kind, ns := range added {
			slices.Sort(ns)
			b.Logf("%-28s adds %3.0f ns (%.0f to %.0f)", kind, ns[rounds/2], ns[0], ns[rounds-1])
			b.ReportMetric(ns[rounds/2], fmt.Sprintf("ns-%s", slug(kind)))
		}
		for _, kind := range append(kinds, "plain") {
			v.Path = "/go/" + slug(kind)
			if n := testing.AllocsPerRun(1000, func() { v.Country = ""; table.Resolve(&v, &d) }); n != 0 {
				b.Errorf("%s: %v allocations", kind, n)
			}
		}
	}
}

func slug(kind string) string {
	return string(slices.DeleteFunc([]byte(kind), func(c byte) bool { return c == ' ' || c == ',' }))
}

func tableOfRules(b *testing.B) (*routing.Table, []string) {
	b.Helper()
	h, err := routing.Open(routing.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = h.Close() })
	s := affiliate.Site{ID: "main", Hosts: []string{"blog.example"}}
	s.Normalize()
	changes := []routing.Change{{Seq: 1, Site: &s}}
	add := func(kind string, change func(*affiliate.Link)) {
		l := &affiliate.Link{ID: int64(len(changes)), Site: "main", Slug: slug(kind),
			Destinations: []affiliate.Destination{{URL: "https://shop.example/the/thing?utm_source=blog&utm_medium=link"}}}
		change(l)
		l.Normalize()
		changes = append(changes, routing.Change{Seq: int64(len(changes) + 1), Link: l})
	}
	add("plain", func(*affiliate.Link) {})
	var kinds []string
	for kind, change := range ruleBenchmarks() {
		add(kind, change)
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	if err := h.Apply(changes); err != nil {
		b.Fatal(err)
	}
	if err := h.Save(); err != nil {
		b.Fatal(err)
	}
	return h.Current(), kinds
}

// addressesOf are addresses of visitors from everywhere that the data knows.
func addressesOf(places *geo.DB) (known []netip.Addr) {
	for i := uint32(1); i < 1<<20 && len(known) < 4096; i++ {
		x := i * 2654435761
		if a := netip.AddrFrom4([4]byte{byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)}); places.Country(a) != "" {
			known = append(known, a)
		}
	}
	return known
}
