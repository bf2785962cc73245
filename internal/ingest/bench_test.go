package ingest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// crowd writes clicks as they come from elsewhere: 200 browsers, 300 pages, links by their
// slug, an address for each.
type crowd struct {
	random  *rand.Rand
	ms      int64
	browser []string
}

func newCrowd() *crowd {
	c := &crowd{random: rand.New(rand.NewPCG(1, 2)), ms: noon.UnixMilli() - 60_000}
	for i := range 200 {
		c.browser = append(c.browser, fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.%d.0 Safari/537.36", 120+i%20, 5000+i))
	}
	return c
}

// plain appends a line of an nginx that knows no more of a link than where it leads.
func (c *crowd) plain(b []byte) []byte {
	c.ms += int64(c.random.IntN(2))
	r := c.random
	id := fmt.Sprintf("z%012d%011x", c.ms-1_000_000_000_000, r.Uint64()>>20)
	return fmt.Appendf(b, `{"id":%q,"host":"blog.example","path":"/go/the-thing-17","query":"utm_source=mail&sub1=autumn","method":"GET","proto":"HTTP/2.0","scheme":"https",`+
		`"url":"https://www.awin1.com/cread.php?awinmid=1234&awinaffid=98765&clickref=%s&ued=https%%3A%%2F%%2Fshop.example%%2Fthings%%2F17","code":"302",`+
		`"ip":"198.51.%d.%d","agent":%q,"referrer":"https://blog.example/reviews/page-%d","language":"de-DE,de;q=0.9,en;q=0.8","accept":"text/html,*/*;q=0.8",`+
		`"dnt":"","gpc":"","sec_purpose":"","purpose":"","x_purpose":"","x_moz":"","fetch_dest":"document","fetch_mode":"navigate","fetch_site":"same-origin","fetch_user":"?1",`+
		`"hints":"\"Chromium\";v=\"141\"","hint_mobile":"?0"}`+"\n", id, id, r.IntN(256), r.IntN(256), c.browser[r.IntN(200)], r.IntN(300))
}

// exported appends a line of an nginx with exported links: all 38 keys of its log format, most
// with a value.
func (c *crowd) exported(b []byte) []byte {
	c.ms += int64(c.random.IntN(2))
	r := c.random
	id := fmt.Sprintf("z%012d%011x", c.ms-1_000_000_000_000, r.Uint64()>>20)
	visitor := ""
	if r.IntN(2) == 0 {
		visitor = affiliate.NewVisitorID(uint16(r.Uint32()), r.Uint64()).String()
	}
	return fmt.Appendf(b, `{"id":"%s","host":"blog.example","path":"/go/the-thing-17","query":"sub1=autumn","method":"GET","proto":"HTTP/2.0","scheme":"https",`+
		`"site":"blog","slug":"the-thing-17","link":"1","program":"","partner":"","variant":"a","rule":"","page":"",`+
		`"outcome":"redirect","code":"302","why":"","url":"https://www.awin1.com/cread.php?awinmid=1234&awinaffid=98765&clickref=%s","visitor":"%s","returning":"1",`+
		`"ip":"198.51.%d.%d","agent":"%s","referrer":"https://blog.example/reviews/page-%d","language":"de-DE,de;q=0.9","country":"","accept":"text/html,*/*;q=0.8",`+
		`"dnt":"","gpc":"","sec_purpose":"","purpose":"","x_purpose":"","x_moz":"",`+
		`"fetch_dest":"document","fetch_mode":"navigate","fetch_site":"same-origin","fetch_user":"?1",`+
		`"hints":"\"Chromium\";v=\"141\"","hint_mobile":"?0"}`+"\n", id, id, visitor, r.IntN(256), r.IntN(256), c.browser[r.IntN(200)], r.IntN(300))
}

// edge appends a click as an edge worker sends it: what is not there is left out.
func (c *crowd) edge(b []byte) []byte {
	c.ms += int64(c.random.IntN(2))
	r := c.random
	id := affiliate.NewClickID(c.ms, 77, r.Uint64()).String()
	visitor := affiliate.NewVisitorID(uint16(r.Uint32()), r.Uint64()).String()
	return fmt.Appendf(b, `{"id":%q,"host":"blog.example","path":"/go/the-thing-17","query":"sub1=autumn","method":"GET","proto":"HTTP/2","scheme":"https","outcome":"redirect","code":302,`+
		`"link":1,"site":"blog","slug":"the-thing-17","variant":"a","why":["shared"],"page":"/reviews/",`+
		`"url":"https://www.awin1.com/cread.php?awinmid=1234&awinaffid=98765&clickref=%s&ued=https%%3A%%2F%%2Fshop.example%%2Fthings%%2F17",`+
		`"visitor":%q,"returning":true,"ip":"198.51.%d.%d","country":"DE","agent":%q,"referrer":"https://blog.example/reviews/page-%d","language":"de-DE,de;q=0.9","accept":"text/html,*/*;q=0.8",`+
		`"fetch_dest":"document","fetch_mode":"navigate","fetch_site":"same-origin","fetch_user":"?1"}`+"\n", id, id, visitor, r.IntN(256), r.IntN(256), c.browser[r.IntN(200)], r.IntN(300))
}

// BenchmarkLog reads pieces of nginx's log into a real journal: JSON, the table, the verdict,
// the record, the sync. At 300,000 lines a second a day's log of ten million takes half a minute.
//
//	GOMAXPROCS=1 go test -run - -bench Log -benchtime 3s -count 5 ./internal/ingest
func BenchmarkLog(b *testing.B) {
	b.Run("exported", func(b *testing.B) { benchmarkLog(b, (*crowd).exported) })
	b.Run("plain", func(b *testing.B) { benchmarkLog(b, (*crowd).plain) })
}

func benchmarkLog(b *testing.B, line func(*crowd, []byte) []byte) {
	r := newRig(b, nil)
	c := newCrowd()
	var log []byte
	lines := 0
	for ; len(log) < LogBytesMax-2048; lines++ {
		log = line(c, log)
	}
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		receipt, err := r.intake.TakeLog(context.Background(), JSONLines, "", log)
		if err != nil || receipt.Taken != lines {
			b.Fatal(receipt.Taken, receipt.Refusals, err)
		}
		b.StopTimer()
		r.release(b)
		b.StartTimer()
	}
	b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(float64(len(log))/float64(lines), "B/line")
}

// release gives up what the journal has, as the collector does.
func (r *rig) release(t testing.TB) {
	t.Helper()
	must(t, r.journal.Release(r.journal.End()))
}

// BenchmarkBatches takes signed batches through the whole handler into a real journal, synced
// each: the least that is wanted is 50,000 clicks a second on one core.
//
//	GOMAXPROCS=1 go test -run - -bench Batches -benchtime 3s -count 5 ./internal/ingest
func BenchmarkBatches(b *testing.B) {
	for _, clicks := range []int{500, 1000} {
		b.Run(fmt.Sprint(clicks), func(b *testing.B) {
			r := newRig(b, nil)
			c := newCrowd()
			body := []byte(`{"clicks":[`)
			for range clicks {
				body = append(bytes.TrimSuffix(c.edge(body), []byte("\n")), ',')
			}
			body = append(body[:len(body)-1], "]}"...)
			timestamp := fmt.Sprint(noon.Unix())
			signature := Sign(blogKey, "msg_1", timestamp, body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				request := httptest.NewRequest(http.MethodPost, Path, bytes.NewReader(body))
				request.Header = http.Header{"Sluice-Key": {"blog.1"}, "Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signature}}
				w := httptest.NewRecorder()
				r.intake.ServeHTTP(w, request)
				if w.Code != 200 {
					b.Fatal(strings.TrimSpace(w.Body.String()))
				}
				b.StopTimer()
				r.release(b)
				b.StartTimer()
			}
			b.ReportMetric(float64(clicks)*float64(b.N)/b.Elapsed().Seconds(), "clicks/s")
		})
	}
}
