package redirect

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/routing"
)

const browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"

// bench is a redirector with a table of a few links and a record of what it wrote.
type bench struct {
	handler  http.Handler
	redirect *Redirector
	mu       sync.Mutex
	records  [][]byte
	broken   error
	now      time.Time
}

var keys = affiliate.Keyring{{Number: 1, Secret: bytes.Repeat([]byte{7}, 32)}}

func newBench(t testing.TB, change func(*Options)) *bench {
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
	add(routing.Change{Site: &affiliate.Site{ID: "main", Prefix: "/go/"}})
	add(routing.Change{Program: &affiliate.Program{ID: "lamps", Network: "awin", PartnerParam: "ref", Status: affiliate.Active}})
	for i, l := range []affiliate.Link{
		{Slug: "the-thing", Program: "lamps", Destinations: []affiliate.Destination{{URL: "https://www.awin1.com/cread.php?awinmid=1&awinaffid=2"}}},
		{Slug: "plain", Page: "/bio", Destinations: []affiliate.Destination{{URL: "https://shop.example/p/1"}}},
		{Slug: "people-only", BlockBots: true, Destinations: []affiliate.Destination{{URL: "https://shop.example/p/2"}}},
		{Slug: "german", Rules: []affiliate.Rule{{When: []affiliate.Condition{{On: "country", In: []string{"DE"}}},
			Destinations: []affiliate.Destination{{URL: "https://shop.example/de"}}}}, Destinations: []affiliate.Destination{{URL: "https://shop.example/int"}}},
		{Slug: "kept", Code: 307, Destinations: []affiliate.Destination{{URL: "https://shop.example/p/3"}}},
	} {
		l.ID, l.Site = int64(i+1), "main"
		l.Normalize()
		add(routing.Change{Link: &l})
	}
	if err := h.Apply(changes); err != nil {
		t.Fatal(err)
	}
	b := &bench{now: time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC)}
	o := Options{
		Table: h.Current, Keys: keys, Node: 3, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return b.now },
	}
	if change != nil {
		change(&o)
	}
	b.redirect = New(o)
	b.handler = b.redirect.Handler("X-Country", b.keep)
	return b
}

// keep is the journal.
func (b *bench) keep(records [][]byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range records {
		b.records = append(b.records, bytes.Clone(r))
	}
	if b.broken != nil {
		return 0, b.broken
	}
	return len(records), nil
}

// forget is a journal that costs nothing.
func forget(records [][]byte) (int, error) { return len(records), nil }

// visit sends a request; headers are "Name: value" lines beside a browser's own.
func (b *bench) visit(method, target string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = "198.51.100.7:4711"
	r.Header.Set("User-Agent", browser)
	r.Header.Set("Accept", "text/html")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		switch name {
		case "Peer":
			r.RemoteAddr = value
		case "User-Agent":
			r.Header.Set(name, value)
		default:
			r.Header.Add(name, value)
		}
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w.Result()
}

// last decodes the newest record.
func (b *bench) last(t testing.TB) affiliate.Click {
	t.Helper()
	var c affiliate.Click
	if len(b.records) == 0 {
		t.Fatal("nothing was recorded")
	}
	if err := c.DecodeRecord(b.records[len(b.records)-1]); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestVisitIsSentOnWithItsClickID(t *testing.T) {
	b := newBench(t, nil)
	res := b.visit("GET", "/go/the-thing?sub1=mail&sub10=x%20y", "Referer: https://news.example/a?b", "Accept-Language: de-DE,de;q=0.9")
	c := b.last(t)
	if want := "https://www.awin1.com/cread.php?awinmid=1&awinaffid=2&clickref=" + c.ID.String(); res.StatusCode != 302 || res.Header.Get("Location") != want {
		t.Fatalf("%d %q, want 302 %q", res.StatusCode, res.Header.Get("Location"), want)
	}
	for header, want := range map[string]string{"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Content-Length": "0"} {
		if got := res.Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	if c.Link != 1 || c.Slug != "the-thing" || c.Site != "main" || c.Program != "lamps" || c.URL != res.Header.Get("Location") ||
		c.Variant != "a" || c.Agent != browser || c.Referrer != "https://news.example/a?b" || c.Language != "de-DE,de;q=0.9" ||
		c.Subs[0] != "mail" || c.Subs[9] != "x y" || c.IP != netip.MustParseAddr("198.51.100.7") || c.ID.Node() != 3 ||
		!c.Time().Equal(b.now) || c.Verdict != affiliate.VerdictOK || !c.Counts() || c.Host != "example.com" {
		t.Errorf("the record is not complete: %+v", c)
	}
}

func TestHeadAndPrefetchAreAnsweredAndDoNotCount(t *testing.T) {
	b := newBench(t, nil)
	for _, c := range []struct{ method, header string }{
		{"HEAD", "X-Nothing: x"}, {"GET", "Sec-Purpose: prefetch"}, {"GET", "Sec-Purpose: prefetch;prerender"},
		{"GET", "Purpose: prefetch"}, {"GET", "X-Purpose: preview"}, {"GET", "X-Moz: prefetch"},
	} {
		res := b.visit(c.method, "/go/plain", c.header)
		if res.StatusCode != 302 || res.Header.Get("Location") == "" {
			t.Errorf("%s with %s: %d", c.method, c.header, res.StatusCode)
		}
		if click := b.last(t); click.Counts() {
			t.Errorf("%s with %s counts as a click", c.method, c.header)
		}
	}
	b.visit("GET", "/go/plain", "Sec-Purpose: something-else")
	if click := b.last(t); !click.Counts() {
		t.Error("a plain GET does not count")
	}
}

func cookieOf(t *testing.T, res *http.Response) *http.Cookie {
	t.Helper()
	for _, c := range res.Cookies() {
		if c.Name == "sluice" {
			return c
		}
	}
	t.Fatal("no cookie was set")
	return nil
}

func TestCookieKeepsTheVisitor(t *testing.T) {
	b := newBench(t, nil)
	first := cookieOf(t, b.visit("GET", "/go/the-thing"))
	if !first.HttpOnly || !first.Secure || first.SameSite != http.SameSiteLaxMode || first.Path != "/" || first.MaxAge != 34_560_000 {
		t.Errorf("the cookie's attributes are %+v", first)
	}
	before := b.last(t)
	b.now = b.now.Add(time.Hour)
	second := cookieOf(t, b.visit("GET", "/go/plain", "Cookie: other=1; sluice="+first.Value+"; more=2"))
	after := b.last(t)
	if after.Visitor != before.Visitor || after.Signals&affiliate.SignalReturning == 0 || before.Signals&affiliate.SignalReturning != 0 {
		t.Errorf("visitor %s came back as %s", before.Visitor, after.Visitor)
	}
	token, ok := keys.Open(second.Value)
	if !ok || len(token.Touches) != 2 || token.Touches[0] != affiliate.NewTouch("", after.ID) || token.Touches[1] != affiliate.NewTouch("lamps", before.ID) {
		t.Errorf("the cookie carries %+v", token)
	}
}

func TestForgedCookieIsANewVisitor(t *testing.T) {
	b := newBench(t, nil)
	good := cookieOf(t, b.visit("GET", "/go/plain"))
	was := b.last(t).Visitor
	for i, old := range []byte(good.Value) {
		other := byte('A')
		if old == other {
			other = 'B'
		}
		b.visit("GET", "/go/plain", "Cookie: sluice="+good.Value[:i]+string(other)+good.Value[i+1:])
		c := b.last(t)
		if c.Visitor == was || c.Signals&affiliate.SignalCookieRefused == 0 || c.Signals&affiliate.SignalReturning != 0 {
			t.Errorf("a cookie with another character at %d was believed: %+v", i, c)
		}
	}
}

func TestWhoAsksNotToBeFollowedIsNot(t *testing.T) {
	for _, header := range []string{"Sec-GPC: 1", "DNT: 1"} {
		b := newBench(t, nil)
		res := b.visit("GET", "/go/plain", header)
		one := b.last(t)
		if len(res.Cookies()) != 0 || res.StatusCode != 302 {
			t.Errorf("%s: %d with cookies %v", header, res.StatusCode, res.Cookies())
		}
		b.visit("GET", "/go/plain", header)
		if again := b.last(t); again.Visitor != one.Visitor {
			t.Errorf("%s: within a day the visitor is not the same", header)
		}
		b.now = b.now.Add(24 * time.Hour)
		b.visit("GET", "/go/plain", header)
		if tomorrow := b.last(t); tomorrow.Visitor == one.Visitor {
			t.Errorf("%s: the visitor is known on the next day", header)
		}
	}
	b := newBench(t, func(o *Options) { o.IgnorePrivacyGlobal = true })
	if res := b.visit("GET", "/go/plain", "Sec-GPC: 1"); len(res.Cookies()) != 1 {
		t.Error("the operator's choice to ignore GPC has no effect")
	}
}

func TestDeclaredBotGetsThePlainURL(t *testing.T) {
	b := newBench(t, nil)
	res := b.visit("GET", "/go/the-thing", "User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
	if loc := res.Header.Get("Location"); strings.Contains(loc, b.last(t).ID.String()) || len(res.Cookies()) != 0 {
		t.Errorf("a bot got %q and %v", loc, res.Cookies())
	}
	if c := b.last(t); c.Counts() || c.Verdict != affiliate.VerdictBot {
		t.Errorf("a bot's visit counts: %+v", c)
	}
	if res := b.visit("GET", "/go/people-only", "User-Agent: Googlebot/2.1"); res.StatusCode != 403 || b.last(t).Outcome != affiliate.Blocked {
		t.Errorf("a link for people answered a bot with %d", res.StatusCode)
	}
	b.visit("GET", "/go/the-thing", "User-Agent: curl/8.5.0")
	if c := b.last(t); !c.Counts() || c.Verdict != affiliate.VerdictSuspect {
		t.Errorf("a person with curl is %s", c.Verdict)
	}
}

func TestUnknownNamesAndOddRequests(t *testing.T) {
	b := newBench(t, nil)
	for _, c := range []struct {
		method, target string
		status         int
	}{
		{"GET", "/go/nothing-here", 404}, {"GET", "/", 404}, {"GET", "/go/", 404}, {"GET", "/go/%zz", 404}, {"GET", "/favicon.ico", 404},
		{"GET", "/go/The-Thing/", 302}, {"GET", "/go//the-thing", 302}, {"GET", "/go/the-thing,", 302}, {"GET", "/go/the%2Dthing", 302},
		{"POST", "/go/the-thing", 405}, {"OPTIONS", "/go/the-thing", 405}, {"GET", "/go/kept", 307},
	} {
		r := httptest.NewRequest(c.method, "/", nil)
		r.RequestURI = c.target
		r.URL = &url.URL{Path: c.target}
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.target, w.Code, c.status)
		}
		if w.Code == 404 && !strings.Contains(w.Body.String(), "leads nowhere") {
			t.Errorf("%s: no page tells the visitor what happened", c.target)
		}
	}
}

func TestRecordingFailsAndTheVisitorIsSentOn(t *testing.T) {
	b := newBench(t, nil)
	b.broken = errors.New("no space left")
	for range 3 {
		if res := b.visit("GET", "/go/plain"); res.StatusCode != 302 {
			t.Fatalf("answered %d", res.StatusCode)
		}
	}
	if s := b.redirect.Stats(); s.Lost != 3 || s.Visits != 3 {
		t.Errorf("3 clicks were lost, counted: %+v", s)
	}
}

// However many Answers there are, every visit is counted once, as what became of it.
func TestStatsAddUp(t *testing.T) {
	b := newBench(t, nil)
	for n := range 2*countsMax + 1 {
		a := b.redirect.NewAnswer(forget)
		for _, c := range []struct{ path, agent string }{{"/go/plain", browser}, {"/go/nothing-here", browser}, {"/go/people-only", "Googlebot/2.1"}} {
			b.redirect.Answer(&Request{Host: "example.com", Path: c.path, Header: Header{UserAgent: c.agent, Accept: "*/*"}}, a)
		}
		b.redirect.Keep(a)
		want := int64(n + 1)
		if s := b.redirect.Stats(); s != (Stats{Visits: 3 * want, Redirected: want, Missing: want, Bots: want}) {
			t.Fatalf("after %d of each: %+v", want, s)
		}
	}
}

func TestClientAddress(t *testing.T) {
	trusted := Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	for _, c := range []struct {
		name, peer string
		headers    []string
		want       string
	}{
		{"no proxy", "198.51.100.7:1", nil, "198.51.100.7"},
		{"a stranger's claim", "198.51.100.7:1", []string{"X-Forwarded-For: 192.0.2.1"}, "198.51.100.7"},
		{"one proxy", "10.0.0.1:1", []string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
		{"a chain", "10.0.0.1:1", []string{"X-Forwarded-For: 192.0.2.1, 10.2.2.2"}, "192.0.2.1"},
		{"a claim before the chain", "10.0.0.1:1", []string{"X-Forwarded-For: 203.0.113.9, 192.0.2.1, 10.2.2.2"}, "192.0.2.1"},
		{"two header lines", "10.0.0.1:1", []string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
		{"nonsense", "10.0.0.1:1", []string{"X-Forwarded-For: 192.0.2.1, unknown"}, "10.0.0.1"},
		{"with ports", "10.0.0.1:1", []string{"X-Forwarded-For: 192.0.2.1:8080"}, "192.0.2.1"},
		{"version 6", "[2001:db8:ffff::1]:1", []string{"X-Forwarded-For: 2001:db8::9"}, "2001:db8::9"},
		{"Forwarded", "10.0.0.1:1", []string{`Forwarded: for=203.0.113.9, for="[2001:db8::9]:47";proto=https`}, "2001:db8::9"},
		{"only proxies", "10.0.0.1:1", []string{"X-Forwarded-For: 10.3.3.3"}, "10.3.3.3"},
		{"mapped peer", "[::ffff:10.0.0.1]:1", []string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.Proxies = trusted })
			b.visit("GET", "/go/plain", append(c.headers, "Peer: "+c.peer)...)
			if got := b.last(t).IP.String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestCountryComesFromDataOrATrustedHeader(t *testing.T) {
	b := newBench(t, func(o *Options) {
		o.Proxies = Proxies{netip.MustParsePrefix("10.0.0.0/8")}
		o.Country = func(ip netip.Addr) string {
			if ip == netip.MustParseAddr("192.0.2.49") {
				return "DE"
			}
			return "FR"
		}
	})
	for _, c := range []struct{ peer, header, forwarded, path, country string }{
		{"192.0.2.49:1", "", "", "/de", "DE"},
		{"192.0.2.50:1", "DE", "", "/int", "FR"}, // a stranger's header
		{"10.0.0.1:1", "de", "192.0.2.50", "/de", "DE"},
		{"10.0.0.1:1", "XXL", "192.0.2.50", "/int", "FR"},
	} {
		res := b.visit("GET", "/go/german", "Peer: "+c.peer, "X-Country: "+c.header, "X-Forwarded-For: "+c.forwarded)
		if got := strings.TrimPrefix(res.Header.Get("Location"), "https://shop.example"); got != c.path || b.last(t).Country != c.country {
			t.Errorf("%+v: sent to %s as %s", c, got, b.last(t).Country)
		}
	}
}

func TestLongInputIsCutAndSaysSo(t *testing.T) {
	b := newBench(t, nil)
	b.visit("GET", "/go/plain?sub2="+strings.Repeat("é", 400), "User-Agent: "+browser+strings.Repeat("x", 3000), "Referer: https://a.example/"+strings.Repeat("ü", 2000))
	c := b.last(t)
	if len(c.Agent) != agentBytesMax || len(c.Referrer) > referrerBytesMax || len(c.Subs[1]) > subBytesMax || c.Signals&affiliate.SignalCut == 0 {
		t.Errorf("lengths %d %d %d, signals %v", len(c.Agent), len(c.Referrer), len(c.Subs[1]), c.Signals.Strings())
	}
	if len(b.records[0]) > 8<<10 {
		t.Errorf("a record of %d bytes", len(b.records[0]))
	}
}

func TestPageComesFromTheSitesOwnReferrer(t *testing.T) {
	b := newBench(t, nil)
	for referrer, want := range map[string]string{
		"https://example.com/reviews/kettles?x=1#y": "/reviews/kettles", "https://example.com": "/", "https://elsewhere.example/page": "/bio", "": "/bio",
	} {
		b.visit("GET", "http://example.com/go/plain", "Referer: "+referrer)
		if got := b.last(t).Page; got != want {
			t.Errorf("from %q the page is %q, want %q", referrer, got, want)
		}
	}
}

func TestClickIDsNeverRepeat(t *testing.T) {
	b := newBench(t, nil)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 500 {
				b.visit("GET", "/go/plain")
			}
		})
	}
	all.Wait()
	seen := map[affiliate.ClickID]bool{}
	for _, r := range b.records {
		var c affiliate.Click
		if err := c.DecodeRecord(r); err != nil {
			t.Fatal(err)
		}
		if seen[c.ID] {
			t.Fatalf("%s was given twice", c.ID)
		}
		seen[c.ID] = true
	}
	if len(seen) != 2000 {
		t.Fatalf("%d records for 2000 visits", len(seen))
	}
}

func TestPrefetchWords(t *testing.T) {
	for _, c := range []struct {
		header string
		want   bool
	}{{"prefetch", true}, {"prefetch;anonymous-client-ip", true}, {"Prefetch; prerender", true}, {"", false}, {"prefetching", false}} {
		if got := (&Header{SecPurpose: c.header}).prefetches(); got != c.want {
			t.Errorf("%q: %v", c.header, got)
		}
	}
}

// The event loop answers without allocating: new visitors, returning ones, bots.
func TestAnswerAllocatesNothing(t *testing.T) {
	b := newBench(t, nil)
	cookie := cookieOf(t, b.visit("GET", "/go/the-thing"))
	for name, h := range map[string]Header{
		"new":       {UserAgent: browser, Accept: "*/*"},
		"returning": {UserAgent: browser, Accept: "*/*", Cookie: "a=b; sluice=" + cookie.Value},
		"bot":       {UserAgent: "Googlebot/2.1"},
	} {
		q := Request{Host: "example.com", Path: "/go/the-thing", Query: "sub1=a", Peer: netip.MustParseAddr("198.51.100.7"), Header: h}
		a := b.redirect.NewAnswer(forget)
		b.redirect.Answer(&q, a)
		b.redirect.Keep(a)
		if n := testing.AllocsPerRun(200, func() { b.redirect.Answer(&q, a); b.redirect.Keep(a) }); n != 0 {
			t.Errorf("%s visitor: %v allocations", name, n)
		}
	}
}
