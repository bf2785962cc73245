package clickhouse

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// What the figures are to be compared with: a click is some 560 bytes in the block
// that is sent, which the processor copies twice and packs once; at 100,000 clicks a
// second that is 56 MB/s, and a click has 10 µs of one core for both sides. A batch
// costs five statements, of which four are small ones of a few milliseconds.
//
//	go test -run - -bench Append -benchtime 500000x ./internal/analytics/clickhouse
//	go test -run - -bench Small -benchtime 200x ./internal/analytics/clickhouse
//	ANALYTICS_CLICKS=5000000 go test -run - -bench Kept -timeout 1h ./internal/analytics/clickhouse

// traffic makes clicks as a busy site sees them: 100,000 links of which few get
// most of the clicks, 3,000 user agents, 5,000 referring pages, a new visitor
// for most clicks, one in ten a bot.
type traffic struct {
	random                              *rand.Rand
	links                               *rand.Zipf
	agents, pages, languages, countries []string
	networks, slugs                     []string
}

func newTraffic() *traffic {
	random := rand.New(rand.NewPCG(7, 11))
	f := &traffic{random: random, links: rand.NewZipf(random, 1.1, 10, 99_999)}
	for i := range 3000 {
		switch i % 3 {
		case 0:
			f.agents = append(f.agents, fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.%d.%d Safari/537.36", 100+random.IntN(40), random.IntN(9000), random.IntN(200)))
		case 1:
			f.agents = append(f.agents, fmt.Sprintf("Mozilla/5.0 (iPhone; CPU iPhone OS %d_%d like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%d.%d Mobile/15E148 Safari/604.1", 14+random.IntN(5), random.IntN(7), 14+random.IntN(5), random.IntN(7)))
		default:
			f.agents = append(f.agents, fmt.Sprintf("Mozilla/5.0 (Linux; Android %d; SM-G%d) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Mobile Safari/537.36", 9+random.IntN(6), 900+random.IntN(99), 100+random.IntN(40)))
		}
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
	for i := range 100_000 {
		f.slugs = append(f.slugs, fmt.Sprintf("the-thing-%d", i))
	}
	return f
}

// skewed picks one of n, the first ones more often.
func (f *traffic) skewed(n int) int { return min(f.random.IntN(n), f.random.IntN(n)) }

// fill makes clicks from the millisecond at on, step milliseconds apart.
func (f *traffic) fill(rows []Row, at, step float64) {
	for i := range rows {
		r := &rows[i]
		*r = Row{}
		r.ID = affiliate.NewClickID(int64(at+float64(i)*step), 1, f.random.Uint64()>>8)
		r.Visitor = affiliate.NewVisitorID(uint16(f.random.Uint32()), f.random.Uint64())
		link := int(f.links.Uint64())
		r.Link, r.Slug, r.Site, r.Host = int64(link)+1, f.slugs[link], "blog", "go.blog.example"
		r.Outcome, r.Code, r.Why = affiliate.Redirected, 302, affiliate.WhyShared
		r.Program, r.Variant = "amazon-de", "a"
		page := f.pages[(link*7+f.random.IntN(3))%len(f.pages)]
		r.Page, r.Referrer, r.ReferrerHost = page, "https://www.blog.example"+page, "www.blog.example"
		r.URL = "https://www.amazon.de/dp/B0" + strconv.Itoa(link) + "?tag=example-21&ascsubtag=" + r.ID.String()
		r.IP = netip.AddrFrom4([4]byte{byte(f.random.IntN(223)), byte(f.random.IntN(256)), byte(f.random.IntN(256)), 0})
		agent := f.skewed(len(f.agents))
		r.Agent, r.Language = f.agents[agent], f.languages[f.skewed(len(f.languages))]
		r.Signals, r.Fetch = affiliate.SignalSecure|affiliate.Signals(f.random.IntN(4))<<7, affiliate.NewFetch("document", "navigate", "cross-site")
		asn := f.skewed(len(f.networks))
		r.ASN, r.Network, r.Country = uint32(asn), f.networks[asn], f.countries[asn%len(f.countries)]
		r.Browser, r.BrowserVersion, r.OS, r.Device = "Chrome", strconv.Itoa(100+agent%40), "Windows", affiliate.Device(1+agent%3)
		r.Unique = f.random.IntN(5) > 0
		if f.random.IntN(10) == 0 {
			r.Verdict, r.Reasons, r.Device, r.BotName, r.BotClass = affiliate.VerdictBot, affiliate.ReasonDeclaredBot, affiliate.Bot, "Googlebot", "search"
		}
		if f.random.IntN(4) == 0 {
			r.Query, r.Subs[0], r.Partner = "utm_source=newsletter&utm_campaign=c"+strconv.Itoa(f.random.IntN(50)), "newsletter", "partner-7"
		}
	}
}

// processor is the time that this process has had of all processors: on a busy
// machine it tells more than the clock.
func processor() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// ingested is what storing took: by the clock, of our processors, and by the clock
// for the longest batch.
type ingested struct{ clock, processor, longest time.Duration }

// ingest appends so many clicks, spread over days that end now.
func ingest(b *testing.B, e *Engine, clicks, each int, days float64) (sum ingested) {
	b.Helper()
	f, rows := newTraffic(), make([]Row, each)
	span := days * float64(msDay)
	start := float64(time.Now().UnixMilli()) - span
	position := ""
	for done := 0; done < clicks; done += each {
		rows = rows[:min(each, clicks-done)]
		f.fill(rows, start+span*float64(done)/float64(clicks), span/float64(clicks))
		next := strconv.Itoa(done + len(rows))
		began, had := time.Now(), processor()
		if err := e.Append(context.Background(), analytics.Batch{Source: "1/0", From: position, To: next, Rows: rows}); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		position = next
		sum = ingested{sum.clock + took, sum.processor + processor() - had, max(sum.longest, took)}
	}
	return sum
}

func BenchmarkAppend(b *testing.B) {
	for _, each := range []int{10_240, 50_000} {
		for _, uncompressed := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d uncompressed=%v", each, uncompressed), func(b *testing.B) {
				o := options(b)
				o.Uncompressed = uncompressed
				e := mustOpen(b, o)
				defer func() { _ = e.Close() }()
				sum := ingest(b, e, b.N, each, 1)
				b.ReportMetric(float64(b.N)/sum.clock.Seconds(), "clicks/s")
				b.ReportMetric(float64(sum.processor.Nanoseconds())/1000/float64(b.N), "cpu-µs/click")
				b.ReportMetric(sum.longest.Seconds(), "s/longest")
			})
		}
	}
}

// BenchmarkSmall measures what a batch costs whatever is in it, and of that each
// statement around the rows: b.N is a number of batches.
func BenchmarkSmall(b *testing.B) {
	e := mustOpen(b, options(b))
	defer func() { _ = e.Close() }()
	f, rows := newTraffic(), make([]Row, 1)
	position := ""
	b.Run("a batch of one click", func(b *testing.B) {
		for range b.N {
			f.fill(rows, float64(time.Now().UnixMilli()), 1)
			next := rows[0].ID.String()
			if err := e.Append(context.Background(), analytics.Batch{Source: "1/0", From: position, To: next, Rows: rows}); err != nil {
				b.Fatal(err)
			}
			position = next
		}
	})
	n := &entry{source: "2/0", from: "a", to: "b", tag: newTag(), runs: []run{{1, 2}}}
	b.Run("announce", func(b *testing.B) {
		for range b.N {
			n.number++
			if err := e.write(context.Background(), n, announced, false); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check", func(b *testing.B) {
		for range b.N {
			if _, err := e.stand(context.Background(), n); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("finish", func(b *testing.B) {
		for range b.N {
			if err := e.write(context.Background(), n, finished, true); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkKept measures reports over ANALYTICS_CLICKS clicks of fourteen days,
// after it has measured storing them.
func BenchmarkKept(b *testing.B) {
	clicks := 1_000_000
	if n, err := strconv.Atoi(os.Getenv("ANALYTICS_CLICKS")); err == nil {
		clicks = n
	}
	e := mustOpen(b, options(b))
	defer func() { _ = e.Close() }()
	sum := ingest(b, e, clicks, 50_000, 14)
	stats, err := e.Stats(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("stored %d clicks in %v: %.0f/s, %.2f µs of our processors a click, the longest batch took %v; %.1f bytes a click on disk",
		stats.Clicks, sum.clock, float64(clicks)/sum.clock.Seconds(), float64(sum.processor.Microseconds())/float64(clicks), sum.longest,
		float64(stats.Bytes)/float64(stats.Clicks))
	week := analytics.Filter{Since: time.Now().Add(-7 * 24 * time.Hour)}
	for _, q := range []analytics.Query{
		{Filter: week, By: []analytics.Dimension{analytics.ByLink}, Limit: 100},
		{Filter: week, By: []analytics.Dimension{analytics.ByLink}, Limit: 100, Order: "link"},
		{Filter: week, By: []analytics.Dimension{analytics.ByDay}, Zone: "Europe/Berlin"},
		{Filter: week, By: []analytics.Dimension{analytics.ByReferrer, analytics.ByPage}},
		{Filter: analytics.Filter{Since: week.Since, Is: map[analytics.Dimension][]string{analytics.ByLink: {"the-thing-17"}}}, By: []analytics.Dimension{analytics.ByDay}},
	} {
		b.Run(fmt.Sprint(q.By, q.Order, len(q.Is)), func(b *testing.B) {
			for b.Loop() {
				if _, err := e.Report(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	rows := make([]Row, 1000)
	newTraffic().fill(rows, float64(time.Now().Add(-7*24*time.Hour).UnixMilli()), 1000)
	ids := make([]affiliate.ClickID, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	b.Run("known, a thousand of a quarter of an hour", func(b *testing.B) {
		for b.Loop() {
			if _, err := e.Known(context.Background(), ids); err != nil {
				b.Fatal(err)
			}
		}
	})
	hour := analytics.Filter{Since: time.Now().Add(-24 * time.Hour), Until: time.Now().Add(-22 * time.Hour)}
	for _, format := range []analytics.ExportFormat{analytics.CSV, analytics.Parquet} {
		b.Run("export two hours as "+string(format), func(b *testing.B) {
			for b.Loop() {
				if err := e.Export(context.Background(), hour, format, io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
