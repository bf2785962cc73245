package eventloop

import (
	"bytes"
	"strings"
	"unsafe"

	"github.com/sluicehq/sluice/internal/redirect"
)

// outcome of reading one request from a connection's bytes.
type outcome uint8

const (
	// whole: the request is complete and plain.
	whole outcome = iota
	// partial: what is there may become a plain request; wait for more.
	partial
	// foreign: it is not for us to judge. Everything that net/http might refuse,
	// or read in another way than this parser, is handed to net/http.
	foreign
)

// parse reads one plain GET or HEAD request from the front of b into q and
// returns how many bytes it takes. q's strings point into b. country is the
// operator's country header in lower case, "" for none.
//
// Plain means: an HTTP/1.1 request line with an origin-form target of visible
// ASCII and whole escapes; header lines that end in CRLF, with a token for a name
// right before the colon; one Host; no body, no upgrade, no expectation. All else
// is foreign, be it legal or not, so this parser never answers what net/http
// would refuse.
func parse(b []byte, q *redirect.Request, country string) (n int, keepAlive bool, o outcome) {
	*q = redirect.Request{TLS: q.TLS, Peer: q.Peer}
	lineEnd := bytes.IndexByte(b, '\n')
	if lineEnd < 0 {
		return 0, false, startsPlain(b)
	}
	if !parseRequestLine(b[:lineEnd+1], q) {
		return 0, false, foreign
	}
	h := headers{q: q, country: country, keepAlive: true}
	for n = lineEnd + 1; ; {
		rest := b[n:]
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return 0, false, partial
		}
		if end == 1 && rest[0] == '\r' {
			if q.Host == "" {
				return 0, false, foreign
			}
			return n + 2, h.keepAlive, whole
		}
		if !h.line(rest[:end+1]) {
			return 0, false, foreign
		}
		n += end + 1
	}
}

// startsPlain tells whether bytes without a line end can become a plain request.
func startsPlain(b []byte) outcome {
	for _, method := range [...]string{"GET /", "HEAD /"} {
		if k := min(len(b), len(method)); string(b[:k]) == method[:k] {
			return partial
		}
	}
	return foreign
}

const versionEnd = " HTTP/1.1\r\n"

func parseRequestLine(line []byte, q *redirect.Request) bool {
	target, ok := bytes.CutSuffix(line, []byte(versionEnd))
	if !ok {
		return false
	}
	switch {
	case bytes.HasPrefix(target, []byte("GET /")):
		target = target[4:]
	case bytes.HasPrefix(target, []byte("HEAD /")):
		q.Head, target = true, target[5:]
	default:
		return false
	}
	path := len(target)
	for i, c := range target {
		switch kind[c] & inTarget {
		case inTarget:
		default:
			if c == '?' {
				if path == len(target) {
					path = i
				}
				continue
			}
			// Only in the path does net/http refuse a broken escape.
			if c == '%' && (path < i || i+2 < len(target) && isHex(target[i+1]) && isHex(target[i+2])) {
				continue
			}
			return false
		}
	}
	q.Path = view(target[:path])
	if path < len(target) {
		q.Query = view(target[path+1:])
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// headers reads header lines.
type headers struct {
	q         *redirect.Request
	country   string
	keepAlive bool
	seen      uint32 // headers that may come once only
}

// Headers that net/http joins or judges when they come twice.
const (
	seenHost = 1 << iota
	seenConnection
	seenCookie
	seenForwardedFor
	seenForwarded
)

// once says that the header has not come before.
func (h *headers) once(bit uint32) bool {
	again := h.seen&bit != 0
	h.seen |= bit
	return !again
}

// line reads one line with its line end; false means foreign.
func (h *headers) line(line []byte) bool {
	if len(line) < 2 || line[len(line)-2] != '\r' {
		return false
	}
	line = line[:len(line)-2]
	colon := 0
	for colon < len(line) && kind[line[colon]]&inName != 0 {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return false
	}
	value := line[colon+1:]
	for _, c := range value {
		if kind[c]&inValue == 0 {
			return false
		}
	}
	return h.field(line[:colon], view(bytes.Trim(value, " \t")))
}

// set takes a header that comes once and says something; what several lines of
// one name mean is net/http's to say.
func set(field *string, value string) bool {
	if *field != "" || value == "" {
		return false
	}
	*field = value
	return true
}

// field takes a header that matters; others are passed over.
func (h *headers) field(name []byte, value string) bool {
	q := &h.q.Header
	switch len(name) {
	case 2:
		return !is(name, "te")
	case 3:
		if is(name, "dnt") {
			return set(&q.DoNotTrack, value)
		}
	case 4:
		if is(name, "host") {
			h.q.Host = value
			return h.once(seenHost) && plainHost(value)
		}
	case 5:
		if is(name, "x-moz") {
			return set(&q.XMoz, value)
		}
	case 6:
		switch {
		case is(name, "accept"):
			return set(&q.Accept, value)
		case is(name, "cookie"):
			q.Cookie = value
			return h.once(seenCookie)
		case is(name, "expect"):
			return false
		}
	case 7:
		switch {
		case is(name, "referer"):
			return set(&q.Referrer, value)
		case is(name, "purpose"):
			return set(&q.Purpose, value)
		case is(name, "sec-gpc"):
			return set(&q.PrivacyGlobal, value)
		case is(name, "upgrade"), is(name, "trailer"):
			return false
		}
	case 9:
		switch {
		case is(name, "sec-ch-ua"):
			return set(&q.Hints, value)
		case is(name, "x-purpose"):
			return set(&q.XPurpose, value)
		case is(name, "forwarded"):
			q.Forwarded = value
			return h.once(seenForwarded)
		}
	default:
		return h.longField(name, value)
	}
	return h.ofCountry(name, value)
}

func (h *headers) longField(name []byte, value string) bool {
	q := &h.q.Header
	switch len(name) {
	case 10:
		switch {
		case is(name, "user-agent"):
			return set(&q.UserAgent, value)
		case is(name, "connection"):
			h.keepAlive = !strings.EqualFold(value, "close")
			return h.once(seenConnection) && (!h.keepAlive || strings.EqualFold(value, "keep-alive"))
		}
	case 11:
		if is(name, "sec-purpose") {
			return set(&q.SecPurpose, value)
		}
	case 14:
		switch {
		case is(name, "sec-fetch-dest"):
			return set(&q.FetchDest, value)
		case is(name, "sec-fetch-mode"):
			return set(&q.FetchMode, value)
		case is(name, "sec-fetch-site"):
			return set(&q.FetchSite, value)
		case is(name, "sec-fetch-user"):
			return set(&q.FetchUser, value)
		case is(name, "content-length"), is(name, "http2-settings"):
			return false
		}
	case 15:
		switch {
		case is(name, "accept-language"):
			return set(&q.Language, value)
		case is(name, "x-forwarded-for"):
			q.ForwardedFor = value
			return h.once(seenForwardedFor)
		}
	case 16:
		if is(name, "sec-ch-ua-mobile") {
			return set(&q.HintMobile, value)
		}
	case 17:
		switch {
		case is(name, "x-forwarded-proto"):
			return set(&q.ForwardedProto, value)
		case is(name, "transfer-encoding"):
			return false
		}
	}
	return h.ofCountry(name, value)
}

func (h *headers) ofCountry(name []byte, value string) bool {
	if h.country != "" && len(name) == len(h.country) && is(name, h.country) {
		return set(&h.q.Header.Country, value)
	}
	return true
}

// is compares a header's name with one in lower case of the same length.
func is(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// plainHost accepts a name or address with an optional port.
func plainHost(s string) bool {
	for i := 0; i < len(s); i++ {
		if kind[s[i]]&inHost == 0 {
			return false
		}
	}
	return s != ""
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// What a byte may be part of.
const (
	inTarget = 1 << iota // of a request target, "%" and "?" apart
	inName               // of a header's name: a token
	inValue              // of a header's value
	inHost               // of a Host header
)

var kind = func() (k [256]uint8) {
	for c := range 256 {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80
		digit := '0' <= c && c <= '9'
		if 0x21 <= c && c <= 0x7e && c != '%' && c != '?' && c != '#' {
			k[c] |= inTarget
		}
		if letter || digit || c < 0x80 && strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0 {
			k[c] |= inName
		}
		if c >= 0x20 && c != 0x7f || c == '\t' {
			k[c] |= inValue
		}
		if letter || digit || c < 0x80 && strings.IndexByte(".-_:[]", byte(c)) >= 0 {
			k[c] |= inHost
		}
	}
	return k
}()
