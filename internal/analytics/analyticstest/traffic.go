package analyticstest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// Traffic makes clicks for measurements as a busy publisher sees them: TrafficLinks
// links of which few get most of the clicks, 3,000 user agents, 5,000 pages, addresses
// from everywhere, a new visitor for most clicks, one in ten a bot.
type Traffic struct {
	random                              *rand.Rand
	links                               *rand.Zipf
	agents, pages, languages, countries []string
	networks, slugs, urls               []string
}

// TrafficLinks is how many links are clicked; the first ones most often.
const TrafficLinks = 100_000

// Program is what all links of a Traffic belong to.
const Program = "shop"

// NewTraffic makes traffic on links that have these short names and targets, by
// number from 0; "{click_id}" in a target becomes the click's id, as a network wants to
// have it. The same seed makes the same clicks.
func NewTraffic(seed uint64, slug, target func(link int) string) *Traffic {
	random := rand.New(rand.NewPCG(seed, 11))
	f := &Traffic{random: random, links: rand.NewZipf(random, 1.1, 10, TrafficLinks-1)}
	for i := range 3000 {
		f.agents = append(f.agents, f.agent(i))
		f.networks = append(f.networks, fmt.Sprintf("Telecom Operator %d Ltd.", i))
	}
	for i := range 5000 {
		f.pages = append(f.pages, fmt.Sprintf("/%d/%02d/best-things-number-%d/", 2018+random.IntN(8), 1+random.IntN(12), i))
	}
	letter := func() rune { return rune('a' + random.IntN(26)) }
	for range 100 {
		f.languages = append(f.languages, fmt.Sprintf("%c%[1]c-%c%[2]c,%[1]c%[1]c;q=0.9,en;q=0.8", letter(), letter()))
		f.countries = append(f.countries, strings.ToUpper(string([]rune{letter(), letter()})))
	}
	for i := range TrafficLinks {
		f.slugs = append(f.slugs, slug(i))
		f.urls = append(f.urls, target(i))
	}
	return f
}

// Things is traffic on links to the things of a shop, "the-thing-0" and so on.
func Things() *Traffic {
	return NewTraffic(7,
		func(link int) string { return "the-thing-" + strconv.Itoa(link) },
		func(link int) string {
			return "https://www.amazon.de/dp/B0" + strconv.Itoa(link) + "?tag=example-21&ascsubtag={click_id}"
		})
}

func (f *Traffic) agent(i int) string {
	n := f.random.IntN
	switch i % 3 {
	case 0:
		return fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.%d.%d Safari/537.36", 100+n(40), n(9000), n(200))
	case 1:
		return fmt.Sprintf("Mozilla/5.0 (iPhone; CPU iPhone OS %d_%d like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%d.%d Mobile/15E148 Safari/604.1", 14+n(5), n(7), 14+n(5), n(7))
	}
	return fmt.Sprintf("Mozilla/5.0 (Linux; Android %d; SM-G%d) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Mobile Safari/537.36", 9+n(6), 900+n(99), 100+n(40))
}

// skewed picks one of n, the first ones more often.
func (f *Traffic) skewed(n int) int { return min(f.random.IntN(n), f.random.IntN(n)) }

// Click makes a click at a time in Unix milliseconds, as the redirect records it.
func (f *Traffic) Click(c *affiliate.Click, at int64) {
	*c = affiliate.Click{}
	link := int(f.links.Uint64())
	c.ID = affiliate.NewClickID(at, 1, f.random.Uint64()>>8)
	c.Visitor = affiliate.NewVisitorID(uint16(f.random.Uint32()), f.random.Uint64())
	c.Link, c.Slug, c.Site, c.Host = int64(link)+1, f.slugs[link], "blog", "go.blog.example"
	c.Outcome, c.Code, c.Why = affiliate.Redirected, 302, affiliate.WhyShared
	c.Program, c.Variant = Program, "a"
	c.Page = f.pages[(link*7+f.random.IntN(3))%len(f.pages)]
	c.Referrer = "https://www.blog.example" + c.Page
	c.URL = strings.Replace(f.urls[link], "{click_id}", c.ID.String(), 1)
	c.IP = netip.AddrFrom4([4]byte{byte(1 + f.random.IntN(222)), byte(f.random.IntN(256)), byte(f.random.IntN(256)), byte(f.random.IntN(256))})
	c.Agent, c.Language = f.agents[f.skewed(len(f.agents))], f.languages[f.skewed(len(f.languages))]
	c.Signals = affiliate.SignalSecure | affiliate.Signals(f.random.IntN(4))<<7
	c.Fetch = affiliate.NewFetch("document", "navigate", "cross-site")
	switch f.random.IntN(10) {
	case 0:
		c.Agent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
		c.Verdict, c.Reasons = affiliate.VerdictBot, affiliate.ReasonDeclaredBot
	case 1, 2:
		c.Query, c.Subs[0], c.Partner = "sub1=newsletter&utm_campaign=c"+strconv.Itoa(f.random.IntN(50)), "newsletter", "partner-7"
	}
}

// Row makes a click at a time in Unix milliseconds as the pipeline stores it.
func (f *Traffic) Row(r *analytics.Row, at int64) {
	*r = analytics.Row{}
	f.Click(&r.Click, at)
	asn := f.skewed(len(f.networks))
	r.ASN, r.Network, r.Country = uint32(asn), f.networks[asn], f.countries[asn%len(f.countries)]
	r.ReferrerHost = "www.blog.example"
	r.Browser, r.BrowserVersion, r.OS, r.Device = "Chrome", strconv.Itoa(100+len(r.Agent)%40), "Windows", affiliate.Device(1+len(r.Agent)%3)
	if r.Verdict == affiliate.VerdictBot {
		r.Device, r.BotName, r.BotClass = affiliate.Bot, "Googlebot", "search"
	}
	r.Unique = r.Valid() && f.random.IntN(5) > 0
	r.IP = netip.PrefixFrom(r.IP, 24).Masked().Addr() // as it is kept by default
}

// Rows makes clicks from the Unix millisecond at on, step milliseconds apart.
func (f *Traffic) Rows(rows []analytics.Row, at, step float64) {
	for i := range rows {
		f.Row(&rows[i], int64(at+float64(i)*step))
	}
}
