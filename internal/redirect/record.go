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

// record completes the click and puts it into the journal.
func (r *Redirector) record(q *Request, a *Answer) {
	c, d := &a.click, &a.decision
	c.Outcome, c.Code, c.Why = d.Outcome, d.Code, d.Why
	c.Link, c.Site, c.Slug, c.Program, c.Partner = d.Link, d.Site, d.Slug, d.Program, d.Partner
	c.Variant, c.Rule, c.Page = d.Variant, d.Rule, d.Page
	c.Country = a.visit.Country
	if page := pageOf(q.Header.Referrer, q.Host); page != "" {
		c.Page = cut(c, page, referrerBytesMax)
	}
	c.Host = cut(c, affiliate.CanonicalHost(q.Host), hostBytesMax)
	c.URL = cut(c, view(d.URL), urlBytesMax)
	c.Agent = cut(c, q.Header.UserAgent, agentBytesMax)
	c.Referrer = cut(c, q.Header.Referrer, referrerBytesMax)
	c.Language = cut(c, q.Header.Language, languageBytesMax)
	c.Query = cut(c, q.Query, queryBytesMax)
	readSubs(c, q.Query)
	a.record = c.AppendRecord(a.record[:0])
	r.counters.count(c)
	if err := a.keep(a.record); err != nil {
		r.lost(err)
	}
}

// lost counts a click that could not be recorded. The first is logged, and then
// one line a minute, however many there are.
func (r *Redirector) lost(err error) {
	n := r.counters.lost.Add(1)
	now := r.options.Now().Unix()
	if last := r.lossAt.Load(); now-last >= 60 && r.lossAt.CompareAndSwap(last, now) {
		r.options.Logger.Error("clicks cannot be recorded; visitors are still redirected", "lost", n, "reason", err)
	}
}

// pageOf returns the path of the page that the visitor came from, when that page
// is on the host that serves the links. Pages elsewhere are the referrer's matter.
func pageOf(referrer, host string) string {
	if referrer == "" || affiliate.URLHost(referrer) != affiliate.CanonicalHost(host) {
		return ""
	}
	_, rest, _ := strings.Cut(referrer, "://")
	i := strings.IndexByte(rest, '/')
	if i < 0 {
		return "/"
	}
	path := rest[i:]
	if j := strings.IndexAny(path, "?#"); j >= 0 {
		path = path[:j]
	}
	return path
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

// counters count visits by what became of them.
type counters struct {
	visits, redirected, missing, bots, lost atomic.Int64
}

func (n *counters) count(c *affiliate.Click) {
	n.visits.Add(1)
	switch c.Outcome {
	case affiliate.Missing:
		n.missing.Add(1)
	case affiliate.Redirected, affiliate.FellBack, affiliate.Defaulted:
		n.redirected.Add(1)
	}
	if c.Verdict == affiliate.VerdictBot {
		n.bots.Add(1)
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
	n := &r.counters
	return Stats{Visits: n.visits.Load(), Redirected: n.redirected.Load(), Missing: n.missing.Load(),
		Bots: n.bots.Load(), Lost: n.lost.Load()}
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
