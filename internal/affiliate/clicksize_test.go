package affiliate

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// typicalAgents are browsers as they come, each with the languages that it sends and,
// for the browsers inside of apps, the only referrer that they show.
var typicalAgents = []struct{ name, agent, language, referrer string }{
	{"Chrome on Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", ""},
	{"Chrome on macOS", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", "en-US,en;q=0.9", ""},
	{"Chrome on Android", "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36", "de-AT,de;q=0.9,en-US;q=0.8,en;q=0.7", ""},
	{"Safari on iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1", "de-DE,de;q=0.9", ""},
	{"Safari on Mac", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15", "en-GB,en;q=0.9", ""},
	{"Firefox on Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0", "de,en-US;q=0.7,en;q=0.3", ""},
	{"Firefox on Android", "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0", "fr-FR,fr;q=0.8,en-US;q=0.5,en;q=0.3", ""},
	{"Edge", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "de,de-DE;q=0.9,en;q=0.8,en-GB;q=0.7,en-US;q=0.6", ""},
	{"Samsung Internet", "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "pl-PL,pl;q=0.9,en-US;q=0.8,en;q=0.7", ""},
	{"Opera", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 OPR/124.0.0.0", "es-ES,es;q=0.9", ""},
	{"Instagram on Android", "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/142.0.7444.102 Mobile Safari/537.36 Instagram 405.0.0.40.77 Android (34/14; 450dpi; 1080x2205; samsung; SM-S918B; dm3q; qcom; de_DE; 812345678; IABMV/1)", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", "https://l.instagram.com/"},
	{"Instagram on iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22G100 Instagram 405.0.0.27.85 (iPhone15,3; iOS 18_6_2; de_DE; de; scale=3.00; 1290x2796; IABMV/1; 811234567)", "de-DE,de;q=0.9", "https://l.instagram.com/"},
	{"Facebook on iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22G86 [FBAN/FBIOS;FBAV/530.0.0.50.71;FBBV/798765432;FBDV/iPhone15,3;FBMD/iPhone;FBSN/iOS;FBSV/18.6;FBSS/3;FBCR/;FBID/phone;FBLC/de_DE;FBOP/80]", "de-DE,de;q=0.9", "http://m.facebook.com/"},
}

// typicalReferrers are pages that other browsers come from; "" is the page of the
// site itself.
var typicalReferrers = []string{"https://www.blog.example/reviews/the-best-espresso-machines-of-the-year", "https://www.google.com/",
	"https://kaffee-ratgeber.example/vergleich/siebtraegermaschinen-mit-muehlwerk/", "", "https://links.example/reviews/4711?utm_source=newsletter&utm_medium=email"}

// typicalURLs are links of six networks, with their click id and the merchant's page.
func typicalURLs(id string) []string {
	const shop = "https%3A%2F%2Fwww.shop-117.example%2Fp%2F700004%2Fmirrorless-camera%3Fvariant%3D4"
	return []string{
		"https://www.awin1.com/cread.php?awinmid=1702&awinaffid=456789&clickref=" + id + "&ued=" + shop,
		"https://www.anrdoezrs.net/click-7000073-10700003?sid=" + id + "&url=" + shop,
		"https://click.linksynergy.com/deeplink?id=AbCdEfGhIjK&mid=30004&u1=" + id + "&murl=" + shop,
		"https://www.ebay.de/itm/110000700005?mkcid=1&mkrid=707-53477-19255-0&campid=5339000005&toolid=10001&customid=" + id,
		"https://shop-113.sjv.io/c/1234567/100000/2000?subId1=" + id + "&u=" + shop,
		"https://www.shop-114.example/p/700001?utm_source=blog&utm_medium=affiliate&ref=blog-1",
	}
}

// typicalClicks are the visits of each browser from each page to each network, with a
// cookie, as the redirect records them.
func typicalClicks() (all []Click) {
	for i, a := range typicalAgents {
		referrers := typicalReferrers
		if a.referrer != "" {
			referrers = []string{a.referrer}
		}
		for k, referrer := range referrers {
			id := NewClickID(1781524800123+int64(len(all)), 3, 0x9e3779b97f4a7c15*uint64(len(all)+1))
			for _, url := range typicalURLs(id.String()) {
				c := Click{ID: id, Outcome: Redirected, Code: 302, Link: 70_000 + int64(len(all)), Site: "main", Host: "links.example",
					Slug: "mirrorless-camera-quiet-aae64", Program: "shop-117", Variant: "a", Page: "/reviews/4711", URL: url,
					Visitor: NewVisitorID(uint16(k), 0x9e3779b97f4a7c15*uint64(i+1)), IP: netip.MustParseAddr("198.51.100.7"),
					Agent: a.agent, Referrer: referrer, Language: a.language,
					Signals: SignalReturning | SignalSecure | SignalFetchUser | SignalHints, Fetch: NewFetch("document", "navigate", "cross-site")}
				all = append(all, c)
			}
		}
	}
	return all
}

// diskBytes is what a record takes in the journal: a frame of 16 bytes, and padding to
// a multiple of 8.
func diskBytes(record []byte) int { return 16 + (len(record)+7)/8*8 }

// The journal was promised at most 260 bytes a click.
func TestTypicalRecordsAreShort(t *testing.T) {
	var sizes []int
	byAgent := map[string][]int{}
	for _, c := range typicalClicks() {
		n := diskBytes(c.AppendRecord(nil))
		sizes, byAgent[c.Agent] = append(sizes, n), append(byAgent[c.Agent], n)
		if n > 260 {
			t.Errorf("%d bytes for %s from %q to %s", n, c.Agent, c.Referrer, c.URL)
		}
	}
	slices.Sort(sizes)
	t.Logf("%d clicks: %d bytes in the journal, from %d to %d (median, range)", len(sizes), sizes[len(sizes)/2], sizes[0], sizes[len(sizes)-1])
	for _, a := range typicalAgents {
		n := byAgent[a.agent]
		slices.Sort(n)
		t.Logf("  %-22s %d, from %d to %d", a.name, n[len(n)/2], n[0], n[len(n)-1])
	}
}

// Alone, and by a writer that has seen the words before.
func BenchmarkAppendRecord(b *testing.B) {
	for _, i := range []int{0, 5, len(typicalClicks()) - 1} {
		c, record, w := typicalClicks()[i], make([]byte, 0, 4096), NewRecordWriter()
		for how, write := range map[string]func(){
			"alone":  func() { record = c.AppendRecord(record[:0]) },
			"writer": func() { record = w.AppendRecord(record[:0], &c, nil) },
		} {
			b.Run(fmt.Sprint(i, "/", how), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					write()
				}
				b.ReportMetric(float64(diskBytes(record)), "disk-bytes")
			})
		}
	}
}

func BenchmarkDecodeRecord(b *testing.B) {
	for _, i := range []int{0, 5, len(typicalClicks()) - 1} {
		c := typicalClicks()[i]
		record := c.AppendRecord(nil)
		b.Run(fmt.Sprint(i), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.DecodeRecord(record); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
