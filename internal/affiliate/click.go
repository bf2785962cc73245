package affiliate

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

// Click is the record of one visit: what was asked, what was answered and every
// signal that a later verdict may want. It is written once, in the request, and
// never changed; what is found out afterwards is kept beside it.
type Click struct {
	ID      ClickID
	Outcome Outcome
	Code    int
	Why     Why

	Link    int64 // 0 for an unknown name
	Site    string
	Host    string // as asked, canonical
	Slug    string
	Program string
	Partner string
	Variant string
	Rule    string
	Page    string // the link's page; the referrer's path may tell better
	URL     string // where the visitor was sent

	Visitor  VisitorID
	IP       netip.Addr // whole; shortened when it leaves the journal, as configured
	Agent    string     // User-Agent
	Referrer string
	Language string // Accept-Language
	Country  string // when the request had to know it, or a trusted proxy said so
	Query    string // raw
	Subs     [SubSlots]string

	Signals Signals
	Fetch   Fetch
	Verdict Verdict
	Reasons Reasons
}

// Time of the click; it is part of the id.
func (c *Click) Time() time.Time { return c.ID.Time() }

// Counts says whether the click is a valid click in the sense of the reports: a
// visit that followed a managed link, was not fetched ahead of need, and has a
// verdict of ok or suspect.
func (c *Click) Counts() bool {
	return c.Link != 0 && c.Outcome != Blocked && c.Outcome != Missing &&
		c.Signals&(SignalHead|SignalPrefetch) == 0 && (c.Verdict == VerdictOK || c.Verdict == VerdictSuspect)
}

// Signals are yes-or-no facts about a request.
type Signals uint32

// The signals.
const (
	SignalHead          Signals = 1 << iota // asked with HEAD
	SignalPrefetch                          // fetched ahead of need (Sec-Purpose, Purpose, X-Purpose, X-Moz)
	SignalDoNotTrack                        // DNT: 1
	SignalPrivacyGlobal                     // Sec-GPC: 1
	SignalReturning                         // came with a cookie that we signed
	SignalCookieRefused                     // came with a cookie whose signature does not hold
	SignalSecure                            // over TLS, as far as we or a trusted proxy saw
	SignalFetchUser                         // Sec-Fetch-User: ?1
	SignalMobile                            // Sec-CH-UA-Mobile: ?1
	SignalHints                             // sent client hints at all
	SignalNoAccept                          // sent no Accept header
	SignalOldHTTP                           // HTTP/1.0
	SignalCut                               // a field was longer than its limit and is cut
)

var signalNames = [...]string{"head", "prefetch", "dnt", "gpc", "returning", "cookie_refused", "secure", "fetch_user",
	"mobile_hint", "client_hints", "no_accept", "http10", "cut"}

// Strings lists the signals by name.
func (s Signals) Strings() []string {
	names := []string{}
	for i, n := range signalNames {
		if s&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// Fetch packs the Sec-Fetch-Dest, -Mode and -Site headers, four bits each.
type Fetch uint16

var (
	fetchDests = [...]string{"", "other", "document", "iframe", "image", "script", "empty", "style", "object", "embed", "frame", "font", "audio", "video"}
	fetchModes = [...]string{"", "other", "navigate", "no-cors", "cors", "same-origin", "websocket"}
	fetchSites = [...]string{"", "other", "none", "same-origin", "same-site", "cross-site"}
)

// NewFetch packs the three headers; a value that is not known becomes "other".
func NewFetch(dest, mode, site string) Fetch {
	return Fetch(indexOf(fetchDests[:], dest)) | Fetch(indexOf(fetchModes[:], mode))<<4 | Fetch(indexOf(fetchSites[:], site))<<8
}

func indexOf(names []string, s string) int {
	for i, n := range names {
		if n == s {
			return i
		}
	}
	return 1
}

// Dest is the Sec-Fetch-Dest header, "" when none was sent.
func (f Fetch) Dest() string { return at(fetchDests[:], int(f&15)) }

// Mode is the Sec-Fetch-Mode header.
func (f Fetch) Mode() string { return at(fetchModes[:], int(f>>4&15)) }

// Site is the Sec-Fetch-Site header.
func (f Fetch) Site() string { return at(fetchSites[:], int(f>>8&15)) }

func at(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "other"
}

// Verdict is what we think of a visit.
type Verdict uint8

// The verdicts.
const (
	VerdictOK Verdict = iota
	VerdictSuspect
	VerdictBot
	VerdictFraud
)

var verdictNames = [...]string{"ok", "suspect", "bot", "fraud"}

func (v Verdict) String() string { return at(verdictNames[:], int(v)) }

// VerdictNames lists the verdicts; the index is the value.
func VerdictNames() []string { return verdictNames[:] }

// Reasons is the evidence behind a verdict.
type Reasons uint32

// The reasons.
const (
	ReasonDeclaredBot   Reasons = 1 << iota // the user agent says that it is a program
	ReasonNoAgent                           // there is no user agent
	ReasonNotNavigation                     // loaded as an image, frame or script, not followed
	ReasonNoBrowser                         // lacks what every browser sends
	ReasonKnownCrawler                      // a crawler by the pipeline's list
	ReasonTool                              // a command-line tool or a library, such as curl
)

var reasonNames = [...]string{"declared_bot", "no_user_agent", "not_navigation", "no_browser", "known_crawler", "tool"}

// Strings lists the reasons by name.
func (r Reasons) Strings() []string {
	names := []string{}
	for i, n := range reasonNames {
		if r&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// clickVersion is the version of the record's layout, its first byte. Readers
// accept every version up to their own; fields are only ever added at the end.
const clickVersion = 1

// AppendRecord appends the click's record to b and returns it. The layout is
// described in docs/formats/click.md. It allocates only to grow b.
func (c *Click) AppendRecord(b []byte) []byte {
	id, visitor := c.ID.raw(), c.Visitor.raw()
	b = append(b, clickVersion)
	b = append(b, id[:]...)
	b = append(b, visitor[:]...)
	b = append(b, byte(c.Outcome), byte(c.Verdict))
	b = binary.AppendUvarint(b, uint64(c.Code))
	b = binary.AppendUvarint(b, uint64(c.Why))
	b = binary.AppendUvarint(b, uint64(c.Signals))
	b = binary.AppendUvarint(b, uint64(c.Reasons))
	b = binary.AppendUvarint(b, uint64(c.Fetch))
	b = binary.AppendUvarint(b, uint64(c.Link))
	b = appendIP(b, c.IP)
	for _, s := range c.strings() {
		b = binary.AppendUvarint(b, uint64(len(*s)))
		b = append(b, *s...)
	}
	return appendSubs(b, &c.Subs)
}

// strings are the record's text fields in their order on disk.
func (c *Click) strings() [14]*string {
	return [14]*string{&c.Site, &c.Host, &c.Slug, &c.Program, &c.Partner, &c.Variant, &c.Rule, &c.Page, &c.URL,
		&c.Agent, &c.Referrer, &c.Language, &c.Country, &c.Query}
}

func appendIP(b []byte, ip netip.Addr) []byte {
	switch ip = ip.Unmap(); {
	case ip.Is4():
		a := ip.As4()
		return append(append(b, 4), a[:]...)
	case ip.Is6():
		a := ip.As16()
		return append(append(b, 16), a[:]...)
	}
	return append(b, 0)
}

// appendSubs writes a bit for each slot in use and then the values.
func appendSubs(b []byte, subs *[SubSlots]string) []byte {
	used := uint64(0)
	for i := range subs {
		if subs[i] != "" {
			used |= 1 << i
		}
	}
	b = binary.AppendUvarint(b, used)
	for i := range subs {
		if s := subs[i]; s != "" {
			b = binary.AppendUvarint(b, uint64(len(s)))
			b = append(b, s...)
		}
	}
	return b
}

// DecodeRecord reads a record that AppendRecord wrote. The click's strings are
// copies. What follows the last field is ignored: a later program may have added
// to the end. An error says where the record stops making sense; the click then
// holds nothing of use.
func (c *Click) DecodeRecord(b []byte) error {
	r := recordReader{text: string(b)}
	if v := r.byte(); v == 0 || v > clickVersion {
		return fmt.Errorf("the click record has version %d; this program reads up to %d", v, clickVersion)
	}
	*c = Click{}
	id, visitor := r.take(15), r.take(10)
	if r.bad {
		return fmt.Errorf("the click record ends after %d bytes", len(b))
	}
	encodeID(c.ID[:], id)
	encodeID(c.Visitor[:], visitor)
	c.Outcome, c.Verdict = Outcome(r.byte()), Verdict(r.byte())
	c.Code = int(r.uvarint())
	c.Why = Why(r.uvarint())
	c.Signals = Signals(r.uvarint())
	c.Reasons = Reasons(r.uvarint())
	c.Fetch = Fetch(r.uvarint())
	c.Link = int64(r.uvarint())
	c.IP = r.ip()
	for _, s := range c.strings() {
		*s = r.take(r.uvarint())
	}
	used := r.uvarint()
	for i := range c.Subs {
		if used&(1<<i) != 0 {
			c.Subs[i] = r.take(r.uvarint())
		}
	}
	if r.bad || int(c.Outcome) >= len(outcomeNames) || int(c.Verdict) >= len(verdictNames) {
		return fmt.Errorf("the click record makes no sense after %d of %d bytes", r.at, len(b))
	}
	return nil
}

// recordReader walks a record; after the first overrun everything reads as zero.
type recordReader struct {
	text string
	at   int
	bad  bool
}

func (r *recordReader) byte() byte {
	if s := r.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (r *recordReader) take(n uint64) string {
	if r.bad || n > uint64(len(r.text)-r.at) {
		r.bad = true
		return ""
	}
	s := r.text[r.at : r.at+int(n)]
	r.at += int(n)
	return s
}

// ip reads an address: its length, 0, 4 or 16, and its bytes.
func (r *recordReader) ip() netip.Addr {
	n := r.byte()
	ip, ok := netip.AddrFromSlice([]byte(r.take(uint64(n))))
	if !ok && n != 0 {
		r.bad = true
	}
	return ip
}

func (r *recordReader) uvarint() (n uint64) {
	for shift := uint(0); shift < 64; shift += 7 {
		c := r.byte()
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	r.bad = true
	return 0
}
