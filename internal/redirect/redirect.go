// Package redirect is the data plane: it answers a visit of a managed link.
//
//	request → who is it → verdict → where to → record in the journal → 302
//
// Answer makes no call to any service, waits for nothing but the journal's memory
// copy, and cannot fail: when a click cannot be recorded the visitor is sent on all
// the same and the loss is counted. It knows no server: net/http and the event loop
// both fill in a Request and write out an Answer.
package redirect

import (
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/fraud"
	"github.com/sluicehq/sluice/internal/routing"
	"github.com/sluicehq/sluice/internal/useragent"
)

// Record puts clicks' records where the death of this process cannot reach them. It
// returns how many are there, and why the others are not. It does not keep the slices.
type Record func(records [][]byte) (kept int, err error)

// Options of a Redirector. Table and Keys must be set.
type Options struct {
	// Table returns the routing table that holds now.
	Table func() *routing.Table
	// Keys sign and check the visitor's cookie, until SetKeys.
	Keys affiliate.Keyring
	// Country of an address; nil when no data is there.
	Country func(netip.Addr) string
	// Node tells apart the clicks of several machines.
	Node    uint16
	Proxies Proxies
	Cookie  Cookie
	// IgnorePrivacyGlobal and IgnoreDoNotTrack give visitors a cookie who ask not
	// to be followed.
	IgnorePrivacyGlobal, IgnoreDoNotTrack bool
	Now                                   func() time.Time
	Logger                                *slog.Logger
}

// Redirector answers visits. It is safe for concurrent use.
type Redirector struct {
	options    Options
	keys       atomic.Pointer[affiliate.Keyring]
	daily      daily
	counts     [countsMax]counts
	answers    atomic.Uint32 // made so far
	lostClicks atomic.Int64
	lossAt     atomic.Int64 // when a lost click was last logged, Unix seconds
}

// New returns a Redirector.
func New(o Options) *Redirector {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Country == nil {
		o.Country = func(netip.Addr) string { return "" }
	}
	o.Cookie.setDefaults()
	r := &Redirector{options: o}
	r.SetKeys(o.Keys)
	return r
}

// SetKeys replaces the keys: the first signs from the next visit on, and all are accepted.
func (r *Redirector) SetKeys(ring affiliate.Keyring) { r.keys.Store(&ring) }

// Answer is what goes back to the visitor, and the memory that it takes to find
// out. It is reused from visit to visit.
type Answer struct {
	Status   int
	Location []byte // empty: a page of ours, by Status
	Cookie   []byte // Set-Cookie value, empty for none

	visit    affiliate.Visit
	decision affiliate.Decision
	click    affiliate.Click
	token    affiliate.Token
	ring     *affiliate.Keyring // of the signer
	signer   *affiliate.Signer
	keep     Record
	agents   *useragent.Memo
	writer   *affiliate.RecordWriter
	tally    tally
	counts   *counts
	records  []byte   // of the clicks since the last Keep, one after the other
	ends     []int    // of each
	list     [][]byte // the same, for keep
	secret   knowledge
	ahead    routing.Ahead
}

// NewAnswer returns the memory to answer one visit after the other. They are recorded
// with keep.
func (r *Redirector) NewAnswer(keep Record) *Answer {
	ring := r.keys.Load()
	return &Answer{ring: ring, signer: affiliate.NewSigner(*ring), keep: keep, agents: useragent.NewMemo(), writer: affiliate.NewRecordWriter(),
		counts: &r.counts[r.answers.Add(1)%countsMax]}
}

// Expect fetches what the requests that a is for next will ask for, all at once. It
// changes no answer.
func (r *Redirector) Expect(requests []Request, a *Answer) {
	a.ahead.Start(r.options.Table())
	for i := range requests {
		a.ahead.Add(requests[i].Host, requests[i].Path)
	}
	a.ahead.Fetch()
}

// Answer decides a visit and fills in a. The click's record is with a until Keep, which
// must come before the answer is sent.
func (r *Redirector) Answer(q *Request, a *Answer) {
	if ring := r.keys.Load(); ring != a.ring {
		a.ring, a.signer = ring, affiliate.NewSigner(*ring)
	}
	now := q.Time
	if now.IsZero() {
		now = r.options.Now()
	}
	id := affiliate.NewClickID(now.UnixMilli(), r.options.Node, rand.Uint64())
	c := &a.click
	*c = affiliate.Click{ID: id, Signals: q.Signals()}
	c.IP = r.options.Proxies.client(q)
	c.Fetch = affiliate.NewFetch(q.Header.FetchDest, q.Header.FetchMode, q.Header.FetchSite)
	if r.options.Proxies.secure(q) {
		c.Signals |= affiliate.SignalSecure
	}
	device, isTool := a.agents.Classify(q.Header.UserAgent, q.Header.HintMobile)
	c.Verdict, c.Reasons = fraud.Judge(&fraud.Evidence{
		Agent: q.Header.UserAgent, Device: device, Tool: isTool, Signals: c.Signals, Fetch: c.Fetch,
	})
	tracked := r.identify(q, a, now)

	a.visit = affiliate.Visit{
		Host: q.Host, Path: q.Path, Query: q.Query,
		Time: now.UnixMilli(), ClickID: view(c.ID[:]), Visitor: view(c.Visitor[:]),
		Returning: c.Signals&affiliate.SignalReturning != 0,
		Action:    fraud.ActionFor(c.Verdict),
		Language:  q.Header.Language, Referrer: q.Header.Referrer,
		Device: device,
	}
	a.secret = knowledge{r: r, ip: c.IP}
	a.visit.Country = r.countryFromProxy(q)
	a.visit.Knowledge = &a.secret
	r.options.Table().Resolve(&a.visit, &a.decision)
	a.Status, a.Location = a.decision.Code, a.decision.URL
	a.Cookie = a.Cookie[:0]
	if tracked {
		a.Cookie = r.cookie(a.Cookie, a)
	}
	r.record(q, a)
}

// knowledge looks up what only some links ask for.
type knowledge struct {
	r  *Redirector
	ip netip.Addr
}

func (k *knowledge) Country() string          { return k.r.options.Country(k.ip) }
func (k *knowledge) Device() affiliate.Device { return affiliate.OtherDevice }

// countryFromProxy believes the operator's country header from a trusted proxy.
func (r *Redirector) countryFromProxy(q *Request) string {
	if s := q.Header.Country; len(s) == 2 && r.options.Proxies.Trusts(q.Peer) {
		a, b := s[0]&^0x20, s[1]&^0x20
		if 'A' <= a && a <= 'Z' && 'A' <= b && b <= 'Z' {
			return string([]byte{a, b})
		}
	}
	return ""
}
