package redirect

import (
	"net/netip"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Request is what an answer depends on, whichever server has parsed it. The
// strings are only read during Answer.
type Request struct {
	Time    time.Time // when it arrived; the Redirector's clock tells if it is zero
	Head    bool      // HEAD, else GET
	OldHTTP bool      // HTTP/1.0
	TLS     bool
	Peer    netip.Addr // the other end of the connection
	Host    string
	Path    string // as sent, percent-encoded
	Query   string // as sent, without "?"
	Header  Header
}

// Header holds the request headers that Sluice reads; "" for those not sent.
type Header struct {
	UserAgent      string
	Referrer       string
	Language       string
	Accept         string
	Cookie         string
	DoNotTrack     string // DNT
	PrivacyGlobal  string // Sec-GPC
	SecPurpose     string
	Purpose        string
	XPurpose       string
	XMoz           string
	FetchDest      string // Sec-Fetch-*
	FetchMode      string
	FetchSite      string
	FetchUser      string
	Hints          string // Sec-CH-UA
	HintMobile     string // Sec-CH-UA-Mobile
	ForwardedFor   string // X-Forwarded-For, all lines joined by ","
	ForwardedProto string // X-Forwarded-Proto
	Forwarded      string // RFC 7239, all lines joined by ","
	Country        string // the operator's country header
}

// Signals gathers the yes-or-no facts that a request shows by itself.
func (r *Request) Signals() (s affiliate.Signals) {
	set := func(on bool, signal affiliate.Signals) {
		if on {
			s |= signal
		}
	}
	h := &r.Header
	set(r.Head, affiliate.SignalHead)
	set(r.OldHTTP, affiliate.SignalOldHTTP)
	set(h.prefetches(), affiliate.SignalPrefetch)
	set(h.DoNotTrack == "1", affiliate.SignalDoNotTrack)
	set(h.PrivacyGlobal == "1", affiliate.SignalPrivacyGlobal)
	set(h.FetchUser == "?1", affiliate.SignalFetchUser)
	set(h.HintMobile == "?1", affiliate.SignalMobile)
	set(h.Hints != "" || h.HintMobile != "", affiliate.SignalHints)
	set(h.Accept == "", affiliate.SignalNoAccept)
	return s
}

// prefetches says that no person has asked for this yet.
func (h *Header) prefetches() bool {
	return hasWord(h.SecPurpose, "prefetch") || hasWord(h.SecPurpose, "prerender") || hasWord(h.Purpose, "prefetch") ||
		hasWord(h.XPurpose, "prefetch") || hasWord(h.XPurpose, "preview") || hasWord(h.XMoz, "prefetch")
}

func hasWord(s, word string) bool {
	for s != "" {
		var part string
		part, s, _ = strings.Cut(s, ";")
		if strings.EqualFold(strings.TrimSpace(part), word) {
			return true
		}
	}
	return false
}

// Proxies are the peers whose forwarding headers are believed.
type Proxies []netip.Prefix

// Trusts says that the address is one of them.
func (p Proxies) Trusts(ip netip.Addr) bool {
	ip = ip.Unmap()
	for _, prefix := range p {
		if prefix.Contains(ip) {
			return true
		}
	}
	return false
}

// client returns the visitor's address. Only a trusted peer's headers count, and
// only as far as the chain of trusted proxies reaches: the right-most address
// that is none of them is the visitor. X-Forwarded-For is read before Forwarded.
func (p Proxies) client(r *Request) netip.Addr {
	peer := r.Peer.Unmap()
	if !p.Trusts(peer) {
		return peer
	}
	list, parse := r.Header.ForwardedFor, parseHop
	if list == "" {
		list, parse = r.Header.Forwarded, parseForwarded
	}
	client := peer
	for list != "" {
		hop := list
		if i := strings.LastIndexByte(list, ','); i >= 0 {
			list, hop = list[:i], list[i+1:]
		} else {
			list = ""
		}
		ip, ok := parse(strings.TrimSpace(hop))
		if !ok {
			return client
		}
		client = ip
		if !p.Trusts(ip) {
			return client
		}
	}
	return client
}

// secure says whether the visitor came over TLS, as far as we or a trusted proxy
// can tell.
func (p Proxies) secure(r *Request) bool {
	return r.TLS || p.Trusts(r.Peer) && strings.EqualFold(r.Header.ForwardedProto, "https")
}

// parseHop reads "192.0.2.1", "192.0.2.1:1234", "2001:db8::1" or "[2001:db8::1]:1234".
func parseHop(s string) (netip.Addr, bool) {
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return ip.WithZone("").Unmap(), true
	}
	if at, err := netip.ParseAddrPort(s); err == nil {
		return at.Addr().WithZone("").Unmap(), true
	}
	return netip.Addr{}, false
}

// parseForwarded reads the for= of one element of a Forwarded header.
func parseForwarded(element string) (netip.Addr, bool) {
	for element != "" {
		var pair string
		pair, element, _ = strings.Cut(element, ";")
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(key, "for") {
			return parseHop(strings.Trim(value, `"`))
		}
	}
	return netip.Addr{}, false
}
