package affiliate

import (
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
	SignalElsewhere                         // answered elsewhere and taken in afterwards
)

var signalNames = [...]string{"head", "prefetch", "dnt", "gpc", "returning", "cookie_refused", "secure", "fetch_user",
	"mobile_hint", "client_hints", "no_accept", "http10", "cut", "elsewhere"}

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
