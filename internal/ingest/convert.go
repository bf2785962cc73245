package ingest

import (
	"bytes"
	"compress/gzip"
	"net/netip"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/fraud"
	"github.com/sluicehq/sluice/internal/redirect"
	"github.com/sluicehq/sluice/internal/routing"
	"github.com/sluicehq/sluice/internal/useragent"
)

const (
	// aheadMax is how far ahead of our clock a click may be.
	aheadMax = 5 * time.Minute
	// nameBytesMax is the longest name of a site, link, program, partner, variant or rule.
	nameBytesMax = 200
)

// converter makes records of clicks, one after the other. It belongs to one goroutine.
type converter struct {
	options  *Options
	table    *routing.Table
	now      time.Time
	site     string // whose key sends them; "" for the operator
	host     string // of lines that name none
	bare     bool   // the clicks are lines of a whole server's log, without most headers
	scan     scanner
	in       Click
	click    affiliate.Click
	visit    affiliate.Visit
	decision affiliate.Decision
	agents   *useragent.Memo
	writer   *affiliate.RecordWriter
	records  []byte // one after the other
	ends     []int  // of each
	list     [][]byte
	newest   time.Time // of the clicks

	// Of a batch.
	unpacked   bytes.Buffer
	gzip       *gzip.Reader
	body       []byte // as sent, or unpacked
	met        map[affiliate.ClickID]int
	strayLinks []strayLink
}

func newConverter(o *Options) *converter {
	return &converter{options: o, agents: useragent.NewMemo(), writer: affiliate.NewRecordWriter(), met: map[affiliate.ClickID]int{}}
}

// begin forgets what was converted before.
func (v *converter) begin(site string) {
	v.table, v.now, v.site, v.newest = v.options.Table(), v.options.Now(), site, time.Time{}
	v.bare = false
	v.records, v.ends, v.list = v.records[:0], v.ends[:0], v.list[:0]
}

// batch is the records of all that was converted. It is good until begin.
func (v *converter) batch() [][]byte {
	from := 0
	for _, end := range v.ends {
		v.list = append(v.list, v.records[from:end])
		from = end
	}
	return v.list
}

// convert makes a record of v.in. An error says what is wrong with which field; then there
// is none.
func (v *converter) convert() error {
	c := &v.click
	*c = affiliate.Click{}
	if err := v.identify(); err != nil {
		return err
	}
	if err := v.request(); err != nil {
		return err
	}
	packedURL, err := v.answer()
	if err != nil {
		return err
	}
	whole := len(c.URL)
	redirect.Limit(c)
	if len(c.URL) < whole {
		packedURL = nil
	}
	if c.Visitor.IsZero() {
		c.Visitor = v.options.Anonymous(c, v.now)
	}
	v.records = v.writer.AppendRecord(v.records, c, packedURL)
	v.ends = append(v.ends, len(v.records))
	return nil
}

// firstClick is when the first affiliate program began: what is older has been misread.
var firstClick = time.Date(1994, 11, 1, 0, 0, 0, 0, time.UTC)

// identify reads which click it is, when and where it was made, and by whom.
func (v *converter) identify() (err error) {
	in, c := &v.in, &v.click
	if in.ID == "" {
		return faultf("id", "it is missing")
	}
	if c.ID, err = affiliate.ParseClickID(in.ID); err != nil {
		return faultf("id", "%s", err)
	}
	if in.URL != "" && in.ID != view(c.ID[:]) {
		in.URL = v.respell(in.URL, in.ID)
	}
	at := c.ID.Time()
	switch ahead := at.Sub(v.now); {
	case ahead > aheadMax:
		return faultf("id", "the click is of %s, %s ahead of our clock; set the sender's clock", at.Format(time.RFC3339), ahead.Round(time.Second))
	case at.Before(firstClick):
		return faultf("id", "the click is of %s, when nobody had such links yet", at.Format(time.DateOnly))
	case v.site != "" && -ahead > v.options.AgeMax: // an operator may import what is older
		return faultf("id", "the click is of %s; clicks older than %d days are not taken in", at.Format(time.RFC3339), int(v.options.AgeMax/(24*time.Hour)))
	}
	if at.After(v.newest) {
		v.newest = at
	}
	if c.Host = affiliate.CanonicalHost(in.Host); c.Host == "" {
		return faultf("host", "it is missing")
	}
	if v.site != "" {
		if site, known := v.table.SiteOf(c.Host); !known || site != v.site {
			return faultf("host", "%q is no host of the site %q, whose key this is", clip(c.Host), v.site)
		}
		if in.Site != "" && in.Site != v.site {
			return faultf("site", "%q is not the site %q, whose key this is", clip(in.Site), v.site)
		}
	}
	if in.Visitor != "" {
		if c.Visitor, err = affiliate.ParseVisitorID(in.Visitor); err != nil {
			return faultf("visitor", "%s", err)
		}
	}
	return nil
}

// respell writes the click's id in a URL as we do, where it stands as nginx does: then URLs
// that differ in nothing else are stored once.
func (v *converter) respell(url, id string) string {
	start := len(v.scan.own)
	for {
		at := strings.Index(url, id)
		if at < 0 {
			break
		}
		v.scan.own = append(append(v.scan.own, url[:at]...), v.click.ID[:]...)
		url = url[at+len(id):]
	}
	if start == len(v.scan.own) {
		return url
	}
	v.scan.own = append(v.scan.own, url...)
	return view(v.scan.own[start:])
}

// request reads what the visitor sent, and judges it as if it had been sent to us.
func (v *converter) request() error {
	in, c := &v.in, &v.click
	r := redirect.Request{OldHTTP: in.Proto == "HTTP/1.0", Header: redirect.Header{
		Accept: in.Accept, DoNotTrack: in.DNT, PrivacyGlobal: in.GPC, SecPurpose: in.SecPurpose, Purpose: in.Purpose,
		XPurpose: in.XPurpose, XMoz: in.XMoz, FetchUser: in.FetchUser, Hints: in.Hints, HintMobile: in.HintMobile,
	}}
	switch in.Method {
	case "", "GET":
	case "HEAD":
		r.Head = true
	default:
		return faultf("method", "%q follows no link; GET and HEAD do", clip(in.Method))
	}
	c.Signals = r.Signals() | affiliate.SignalElsewhere
	if v.bare {
		c.Signals &^= affiliate.SignalNoAccept // nobody wrote down whether it was sent
	}
	switch in.Scheme {
	case "", "http":
	case "https":
		c.Signals |= affiliate.SignalSecure
	default:
		return faultf("scheme", "%q is not http or https", clip(in.Scheme))
	}
	if in.Returning {
		c.Signals |= affiliate.SignalReturning
	}
	if in.CookieRefused {
		c.Signals |= affiliate.SignalCookieRefused
	}
	if in.IP != "" && !strings.HasPrefix(in.IP, "unix:") {
		ip, err := netip.ParseAddr(in.IP)
		if err != nil {
			return faultf("ip", "%q is not an address", clip(in.IP))
		}
		c.IP = ip.WithZone("").Unmap()
	}
	c.Country = country(in.Country)
	c.Agent, c.Referrer, c.Language, c.Query = in.Agent, in.Referrer, in.Language, in.Query
	c.Fetch = affiliate.NewFetch(in.FetchDest, in.FetchMode, in.FetchSite)
	var tool bool
	v.visit.Device, tool = v.agents.Classify(in.Agent, in.HintMobile)
	c.Verdict, c.Reasons = fraud.Judge(&fraud.Evidence{Agent: in.Agent, Device: v.visit.Device, Tool: tool, Signals: c.Signals, Fetch: c.Fetch})
	return nil
}

// country reads a country as edges know it; "XX", "T1" and the like are none, and then the
// address tells it later.
func country(s string) string {
	if len(s) != 2 || s == "XX" {
		return ""
	}
	a, b := s[0]&^0x20, s[1]&^0x20
	if a < 'A' || a > 'Z' || b < 'A' || b > 'Z' {
		return ""
	}
	if a == s[0] && b == s[1] {
		return s
	}
	return string([]byte{a, b})
}

// answer reads what the visitor got, or finds it in the table. packedURL is as in
// affiliate.Decision.
func (v *converter) answer() (packedURL []byte, err error) {
	in, c := &v.in, &v.click
	for _, name := range [...]struct{ field, text string }{{"site", in.Site}, {"slug", in.Slug}, {"program", in.Program},
		{"partner", in.Partner}, {"variant", in.Variant}, {"rule", in.Rule}} {
		if len(name.text) > nameBytesMax {
			return nil, faultf(name.field, "it is longer than %d bytes", nameBytesMax)
		}
	}
	if in.Code != 0 && (in.Code < 100 || in.Code > 599) {
		return nil, faultf("code", "%d is no status of HTTP", in.Code)
	}
	c.Why = reasons(in.Why)
	if in.Outcome == "" {
		packedURL = v.resolve()
	} else {
		var known bool
		if c.Outcome, known = affiliate.ParseOutcome(in.Outcome); !known {
			return nil, faultf("outcome", "%q is none of not_found, redirect, fallback, default, block", clip(in.Outcome))
		}
		c.Code = codeOf(c.Outcome)
	}
	if v.bare && c.Link == 0 {
		return nil, ErrNotLink // a page, a picture
	}
	if in.Link != 0 {
		c.Link = in.Link
	}
	if in.Code != 0 {
		c.Code = in.Code
	}
	for _, sent := range [...]struct {
		to   *string
		text string
	}{{&c.Site, in.Site}, {&c.Slug, in.Slug}, {&c.Program, in.Program}, {&c.Partner, in.Partner}, {&c.Variant, in.Variant},
		{&c.Rule, in.Rule}, {&c.Page, in.Page}} {
		if sent.text != "" {
			*sent.to = sent.text
		}
	}
	if in.URL != "" && in.URL != c.URL {
		c.URL, packedURL = in.URL, nil
	}
	if c.Site == "" {
		c.Site, _ = v.table.SiteOf(c.Host)
	}
	return packedURL, nil
}

// resolve finds out whose name was asked for, at the time of the click. Where links have
// changed since, what the sender says of the answer holds: whoever was sent on followed the
// link, and whoever got a page of ours did not.
func (v *converter) resolve() (packedURL []byte) {
	in, c, d := &v.in, &v.click, &v.decision
	device, visitor := v.visit.Device, ""
	if !c.Visitor.IsZero() {
		visitor = view(c.Visitor[:])
	}
	v.visit = affiliate.Visit{
		Host: in.Host, Path: in.Path, Query: in.Query, Time: c.Time().UnixMilli(), ClickID: view(c.ID[:]), Visitor: visitor,
		Returning: in.Returning, Language: in.Language, Referrer: in.Referrer, Country: c.Country, Device: device,
	}
	v.table.Resolve(&v.visit, d)
	c.Outcome, c.Code, c.Why = d.Outcome, d.Code, c.Why|d.Why
	c.Link, c.Site, c.Slug, c.Program, c.Partner = d.Link, d.Site, d.Slug, d.Program, d.Partner
	c.Variant, c.Rule, c.Page, c.URL = d.Variant, d.Rule, d.Page, view(d.URL)
	switch {
	case in.Code >= 400:
		c.Outcome, c.Link, c.URL = affiliate.Missing, 0, ""
		if in.Code == 403 {
			c.Outcome, c.Link = affiliate.Blocked, d.Link
		}
		return nil
	case in.URL != "" && d.Link != 0 && d.Outcome != affiliate.Redirected:
		c.Outcome = affiliate.Redirected
	}
	return d.PackedURL
}

// codeOf is what an outcome answers, as far as it alone says it.
func codeOf(o affiliate.Outcome) int {
	switch o {
	case affiliate.Missing:
		return 404
	case affiliate.Blocked:
		return 403
	}
	return 302
}

// reasons reads names with commas between them. One that is not known is of a newer sender,
// and left out.
func reasons(list string) (why affiliate.Why) {
	for list != "" {
		var name string
		name, list, _ = strings.Cut(list, ",")
		name = strings.TrimSpace(name)
		for i, known := range affiliate.WhyNames() {
			if name == known {
				why |= 1 << i
			}
		}
	}
	return why
}
