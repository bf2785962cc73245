package redirect

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// visits are the requests of the benchmarks: a browser's headers, from a page elsewhere.
func visits() map[string]Request {
	request := Request{Host: "links.example", Path: "/go/the-thing", Peer: netip.MustParseAddr("198.51.100.7"), Header: Header{
		UserAgent: browser, Accept: "text/html,application/xhtml+xml", Language: "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7",
		Referrer:  "https://www.blog.example/reviews/the-best-espresso-machines-of-the-year",
		FetchDest: "document", FetchMode: "navigate", FetchSite: "cross-site", FetchUser: "?1",
		Hints: `"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"`, HintMobile: "?0",
		Cookie: "_ga=GA1.1.1203948571.1731000000; consent=eyJhIjp0cnVlLCJtIjp0cnVlfQ; theme=dark",
	}}
	returning, bot := request, request
	token := affiliate.Token{Visitor: affiliate.NewVisitorID(1, 2)}
	for i := range affiliate.TouchesMax {
		token.Touch(fmt.Sprint("program", i), affiliate.NewClickID(1763600000000+int64(i), 3, uint64(i)))
	}
	returning.Header.Cookie += "; sluice=" + string(keys.Seal(nil, &token))
	bot.Header = Header{UserAgent: "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Accept: "*/*"}
	return map[string]Request{"new": request, "returning": returning, "bot": bot}
}

// Answer without the journal: what is left is to know the visitor, decide, sign and
// pack. At 50,000 visits a second a microsecond is a twentieth of a core.
func BenchmarkAnswer(b *testing.B) {
	bench := newBench(b, nil)
	for _, name := range []string{"new", "returning", "bot"} {
		b.Run(name, func(b *testing.B) {
			a, q := bench.redirect.NewAnswer(forget), visits()[name]
			b.ReportAllocs()
			for b.Loop() {
				bench.redirect.Answer(&q, a)
				bench.redirect.Keep(a)
			}
			if a.Status != 302 || (name == "bot") == bytes.Contains(a.Location, a.click.ID[:]) {
				b.Fatal(a.Status, string(a.Location))
			}
		})
	}
}

// Resolve alone, to be taken from what Answer costs.
func BenchmarkResolve(b *testing.B) {
	bench := newBench(b, nil)
	a, q := bench.redirect.NewAnswer(forget), visits()["new"]
	bench.redirect.Answer(&q, a)
	table := bench.redirect.options.Table()
	b.ReportAllocs()
	for b.Loop() {
		table.Resolve(&a.visit, &a.decision)
	}
}

// Finding our cookie behind three of others.
func BenchmarkCookieValue(b *testing.B) {
	q := visits()["returning"]
	b.ReportAllocs()
	for b.Loop() {
		cookieValue(q.Header.Cookie, "sluice")
	}
}
