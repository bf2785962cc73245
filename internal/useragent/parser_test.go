package useragent

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

type agentCase struct {
	Name, Browser, BrowserVersion, OS, OSVersion, Bot, BotClass string
}

func TestParse(t *testing.T) {
	devices := make(map[string]deviceCase)
	for _, c := range deviceCases(t) {
		devices[c.Name] = c
	}
	p := NewParser(Options{})
	for _, c := range read[agentCase](t, "testdata/agents.json") {
		d, ok := devices[c.Name]
		if !ok {
			t.Errorf("%q is not in testdata/devices.json", c.Name)
			continue
		}
		device, _ := ParseDevice(d.Device)
		want := Agent{c.Browser, c.BrowserVersion, c.OS, c.OSVersion, device, Class(d.UA, "?1"), c.Bot, c.BotClass}
		for _, time := range []string{"first", "second"} { // read, then remembered
			if got := p.Parse(d.UA); got != want {
				t.Errorf("%s, %s time:\n\tgot  %+v\n\twant %+v\n\t%s", c.Name, time, got, want, d.UA)
			}
		}
	}
}

func TestParseNamesBotsThatNoListKnows(t *testing.T) {
	for ua, want := range map[string]string{
		"Mozilla/5.0 (compatible; Some.New-Bot_2/1.0; x@example.com)":                 "Some.New-Bot_2",
		"Mozilla/5.0 (compatible; Seekport; +http://example.com/)":                    "Seekport",
		"Nameless/1.0 (http://example.com)":                                           "Nameless",
		"Acme-Spider/2 (https://example.com/bot.html)":                                "Acme-Spider",
		"Mozilla/5.0 (compatible; Acme/2; https://example.com/bots; bot@example.com)": "Acme",
		"http://":                          "http",
		"Mozilla/5.0 (http://example.com)": Unknown,
		"İİİ bot":                          Unknown,
		strings.Repeat("a", 300) + "bot":   strings.Repeat("a", botNameBytesMax),
		"Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537 Chrome/48.0 Safari/537 HubSpot Webthumb": Unknown,
	} {
		got := NewParser(Options{}).Parse(ua)
		if got.Bot != want || got.BotClass != BotOther {
			t.Errorf("Parse(%q) = bot %q of class %q, want %q", ua, got.Bot, got.BotClass, want)
		}
	}
}

// What browsers say is not looked up in the list of crawlers; anything beside
// it is.
func TestPlain(t *testing.T) {
	for ua, want := range map[string]bool{
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36":        true,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0":                                       true,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Acme":   false,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Acme/1 Chrome/131.0.0.0 Safari/537.36": false,
		"Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 (KHTML, like Gecko; Acme) Chrome/27.0 Safari/537.36":                    false,
		"Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/27.0 Safari/537.36 (Acme)":                   false,
		"Mozilla/5.0 (compatible; Acme)":               false,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64":     false,
		"Mozilla/4.0 (compatible; MSIE 8.0; www.a.be)": false,
		"":              false,
		"okhttp/4.12.0": true,
		"Acme":          false,
	} {
		if got := plain(strings.ToLower(ua)); got != want {
			t.Errorf("plain(%q) = %v", ua, got)
		}
	}
}

func TestVersions(t *testing.T) {
	for _, c := range []struct {
		text, mark string
		numbers    int
		want       string
	}{
		{"os 17_6_1 like", "os ", 2, "17.6"},
		{"os 17 like", "os ", 2, "17"},
		{"os 17. like", "os ", 2, "17"},
		{"os x; os 9", "os ", 2, "9"},
		{"chrome/131.0.0.0", "chrome/", 1, "131"},
		{"chrome/", "chrome/", 1, ""},
		{"chrome/1234567", "chrome/", 1, ""},
		{"chrome/123456", "chrome/", 1, "123456"},
		{"nothing", "chrome/", 1, ""},
		{"a1.2.3", "a", 3, "1.2.3"},
	} {
		if got := numberAfter(c.text, c.mark, c.numbers); got != c.want {
			t.Errorf("numberAfter(%q, %q, %d) = %q, want %q", c.text, c.mark, c.numbers, got, c.want)
		}
	}
}

// held counts what the cache keeps and checks its books.
func held(t *testing.T, c *cache) (entries, bytes int) {
	t.Helper()
	for i := range c.shards {
		s := &c.shards[i]
		sum := 0
		for ua, at := range s.byAgent {
			sum += len(ua) + entryBytes
			if s.slots[at].ua != ua || !s.slots[at].held {
				t.Errorf("slot %d does not hold %q", at, ua)
			}
		}
		if sum != s.bytes || len(s.byAgent)+len(s.free) != len(s.slots) {
			t.Errorf("shard %d counts %d bytes and has %d; %d entries + %d free of %d slots", i, s.bytes, sum, len(s.byAgent), len(s.free), len(s.slots))
		}
		entries, bytes = entries+len(s.byAgent), bytes+s.bytes
	}
	return entries, bytes
}

func TestCacheIsBoundedInEntries(t *testing.T) {
	c := newCache(1000, 1<<30)
	for i := range 20_000 {
		c.add(fmt.Sprint("agent ", i), Agent{})
	}
	if entries, _ := held(t, c); entries > 1000 || entries < 900 {
		t.Errorf("%d entries", entries)
	}
}

func TestCacheIsBoundedInBytes(t *testing.T) {
	c := newCache(1_000_000, 1<<20)
	for i := range 20_000 {
		c.add(fmt.Sprint(strings.Repeat("long ", i%100), i), Agent{})
	}
	if _, bytes := held(t, c); bytes > 1<<20 || bytes < 1<<19 {
		t.Errorf("%d bytes", bytes)
	}
	c = newCache(10, 100)
	c.add("larger than the cache", Agent{})
	if entries, _ := held(t, c); entries != 0 {
		t.Errorf("%d entries in a cache too small for one", entries)
	}
}

// A flood of strangers must not push out what is asked for all the time.
func TestCacheKeepsWhatIsAskedFor(t *testing.T) {
	c := newCache(64, 1<<20)
	c.add("popular", Agent{Browser: "Popular"})
	for i := range 1000 {
		if _, ok := c.find("popular"); !ok {
			t.Fatalf("pushed out by stranger %d", i)
		}
		c.add(fmt.Sprint("stranger ", i), Agent{})
	}
}

func TestParserServesManyAtOnce(t *testing.T) {
	p := NewParser(Options{EntriesMax: 100})
	cases := deviceCases(t)
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() {
			for i := range 20 * len(cases) {
				ua := cases[(i*7+w)%len(cases)].UA
				if got, want := p.Parse(ua).Device, Class(ua, ""); got != want {
					t.Errorf("Parse(%q).Device = %v, want %v", ua, got, want)
				}
			}
		})
	}
	workers.Wait()
	held(t, p.cache)
}

func TestParseOfRememberedAllocatesNothing(t *testing.T) {
	p := NewParser(Options{})
	ua := deviceCases(t)[0].UA
	p.Parse(ua)
	if allocs := testing.AllocsPerRun(100, func() { p.Parse(ua) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// A hit is two hashes of some 130 bytes, a lock nobody waits for and a copy.
func BenchmarkParseRemembered(b *testing.B) {
	p := NewParser(Options{})
	cases := deviceCases(b)[:16]
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.Parse(cases[i&15].UA)
	}
}

// A miss costs the tables; a stranger costs the list of crawlers too.
func BenchmarkParseNew(b *testing.B) {
	for name, ua := range map[string]string{
		"browser":  deviceCases(b)[0].UA,
		"stranger": deviceCases(b)[0].UA + " Acme/1.0",
		"bot":      "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				parse(ua)
			}
		})
	}
}
