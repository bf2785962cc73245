package redirect

import (
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Limits of what a visitor's words take up in a record, in bytes. What is longer
// is cut, and the record says so.
const (
	agentBytesMax    = 512
	referrerBytesMax = 1024
	languageBytesMax = 128
	queryBytesMax    = 1024
	subBytesMax      = 255
	hostBytesMax     = 253
	urlBytesMax      = 4096
)

// record completes the click and packs it.
func (r *Redirector) record(q *Request, a *Answer) {
	c, d := &a.click, &a.decision
	c.Outcome, c.Code, c.Why = d.Outcome, d.Code, d.Why
	c.Link, c.Site, c.Slug, c.Program, c.Partner = d.Link, d.Site, d.Slug, d.Program, d.Partner
	c.Variant, c.Rule, c.Page = d.Variant, d.Rule, d.Page
	c.Country = a.visit.Country
	c.Host, c.URL = affiliate.CanonicalHost(q.Host), view(d.URL)
	c.Agent, c.Referrer, c.Language, c.Query = q.Header.UserAgent, q.Header.Referrer, q.Header.Language, q.Query
	Limit(c)
	packedURL := d.PackedURL
	if len(c.URL) < len(d.URL) {
		packedURL = nil
	}
	a.records = a.writer.AppendRecord(a.records, c, packedURL)
	a.ends = append(a.ends, len(a.records))
	a.tally.count(c)
}

// Limit completes a click whose words of the visitor are whole, the host canonical: the page
// where the referrer tells it, the sub-IDs of the query; and it cuts what is longer than a
// record has room for.
func Limit(c *affiliate.Click) {
	if page := affiliate.OwnPage(c.Referrer, c.Host); page != "" {
		c.Page = page
	}
	readSubs(c, c.Query)
	c.Page = cut(c, c.Page, referrerBytesMax)
	c.Host = cut(c, c.Host, hostBytesMax)
	c.URL = cut(c, c.URL, urlBytesMax)
	c.Agent = cut(c, c.Agent, agentBytesMax)
	c.Referrer = cut(c, c.Referrer, referrerBytesMax)
	c.Language = cut(c, c.Language, languageBytesMax)
	c.Query = cut(c, c.Query, queryBytesMax)
}

// Keep records the clicks of all answers since the last Keep: stored first, sent second.
// Those that cannot be stored are counted, and their visitors redirected all the same.
func (r *Redirector) Keep(a *Answer) {
	if len(a.ends) == 0 {
		return
	}
	from := 0
	for _, end := range a.ends {
		a.list = append(a.list, a.records[from:end])
		from = end
	}
	if kept, err := a.keep(a.list); err != nil {
		r.lost(len(a.list)-kept, err)
	}
	a.records, a.ends, a.list = a.records[:0], a.ends[:0], a.list[:0]
	a.counts.add(&a.tally)
}

// lost counts clicks that could not be recorded. The first is logged, and then
// one line a minute, however many there are.
func (r *Redirector) lost(clicks int, err error) {
	n := r.lostClicks.Add(int64(clicks))
	now := r.options.Now().Unix()
	if last := r.lossAt.Load(); now-last >= 60 && r.lossAt.CompareAndSwap(last, now) {
		r.options.Logger.Error("clicks cannot be recorded; visitors are still redirected", "lost", n, "reason", err)
	}
}

// readSubs takes sub1 … sub10 from the query, decoded.
func readSubs(c *affiliate.Click, query string) {
	if !strings.Contains(query, "sub") {
		return
	}
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		slot, ok := strings.CutPrefix(name, "sub")
		if !ok || value == "" {
			continue
		}
		n, err := strconv.Atoi(slot)
		if err == nil && 1 <= n && n <= affiliate.SubSlots && c.Subs[n-1] == "" {
			c.Subs[n-1] = cut(c, affiliate.UnescapeQuery(value), subBytesMax)
		}
	}
}

// cut shortens s to at most n bytes, before a character that would be split, and
// marks the click.
func cut(c *affiliate.Click, s string, n int) string {
	if len(s) <= n {
		return s
	}
	c.Signals |= affiliate.SignalCut
	for i := 0; i < utf8.UTFMax && !utf8.RuneStart(s[n]); i++ {
		n--
	}
	return s[:n]
}

// tally counts visits by what became of them, until Keep. It is not for everybody to see:
// an atomic addition makes the processor finish all that it has begun to write.
type tally [countedOutcomes * 2]int32 // twice the outcome, and 1 for a bot

func (n *tally) count(c *affiliate.Click) {
	i := int(c.Outcome) * 2
	if c.Verdict == affiliate.VerdictBot {
		i++
	}
	n[i]++
}

// counts are tallies added up. Each Answer has its own of a few, so that loops do not
// wait for each other's cache line.
type counts struct {
	visits [len(tally{})]atomic.Int64
	_      [48]byte // keeps neighbours out of one pair of cache lines
}

const (
	countedOutcomes = int(affiliate.Blocked) + 1
	countsMax       = 16
)

// add moves a tally.
func (n *counts) add(t *tally) {
	for i := range t {
		if t[i] != 0 {
			n.visits[i].Add(int64(t[i]))
			t[i] = 0
		}
	}
}

// Stats are the counts since the start.
type Stats struct {
	Visits     int64 `json:"visits"`
	Redirected int64 `json:"redirected"`
	Missing    int64 `json:"missing"`
	Bots       int64 `json:"bots"`
	Lost       int64 `json:"lost"` // clicks that could not be recorded
}

// Stats returns the counts since the start.
func (r *Redirector) Stats() Stats {
	s := Stats{Lost: r.lostClicks.Load()}
	for k := range r.counts {
		for i := range r.counts[k].visits {
			n := r.counts[k].visits[i].Load()
			s.Visits += n
			s.Bots += n * int64(i%2)
			switch affiliate.Outcome(i / 2) {
			case affiliate.Missing:
				s.Missing += n
			case affiliate.Redirected, affiliate.FellBack, affiliate.Defaulted:
				s.Redirected += n
			}
		}
	}
	return s
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
