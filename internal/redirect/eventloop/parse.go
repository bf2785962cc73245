package eventloop

import (
	"bytes"
	"encoding/binary"
	"math/bits"
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
// returns how many bytes it takes. q's strings point into b.
//
// Plain means: an HTTP/1.1 request line with an origin-form target of visible
// ASCII and whole escapes; header lines that end in CRLF, with a token for a name
// right before the colon; one Host; no body, no upgrade, no expectation. All else
// is foreign, be it legal or not, so this parser never answers what net/http
// would refuse.
func parse(b []byte, q *redirect.Request, names *names) (n int, keepAlive bool, o outcome) {
	*q = redirect.Request{Time: q.Time, TLS: q.TLS, Peer: q.Peer}
	lineEnd := bytes.IndexByte(b, '\n')
	if lineEnd < 0 {
		return 0, false, startsPlain(b)
	}
	if !parseRequestLine(b[:lineEnd+1], q) {
		return 0, false, foreign
	}
	h := headers{q: q, names: names, keepAlive: true}
	for n = lineEnd + 1; ; {
		if len(b)-n < 2 {
			return 0, false, partial
		}
		if b[n] == '\r' && b[n+1] == '\n' {
			if q.Host == "" {
				return 0, false, foreign
			}
			return n + 2, h.keepAlive, whole
		}
		size, o := h.line(b[n:])
		if o != whole {
			return 0, false, o
		}
		n += size
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
	names     *names
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

// line reads the line at the front of b and returns its length with its end.
func (h *headers) line(b []byte) (size int, o outcome) {
	colon := colonIn(b)
	if colon < 0 {
		if tokenBytes(b) < len(b) {
			return 0, foreign
		}
		return 0, partial
	}
	f := h.names.find(b, colon)
	if f == unknownField && (colon == 0 || tokenBytes(b[:colon]) < colon) {
		return 0, foreign
	}
	end, o := valueEnd(b, colon+1)
	if o != whole {
		return 0, o
	}
	if f > ignoredField && !h.field(f, view(trim(b[colon+1:end]))) {
		return 0, foreign
	}
	return end + 2, whole
}

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// colonIn returns the place of the first colon, or -1. It looks at eight bytes at a
// time; the lowest that the arithmetic flags is one.
func colonIn(b []byte) int {
	i := 0
	for ; len(b)-i >= 8; i += 8 {
		word := binary.LittleEndian.Uint64(b[i:]) ^ ':'*ones
		if found := (word - ones) &^ word & highs; found != 0 {
			return i + bits.TrailingZeros64(found)>>3
		}
	}
	for ; i < len(b); i++ {
		if b[i] == ':' {
			return i
		}
	}
	return -1
}

// tokenBytes is how many bytes at the front of b may be in a header's name.
func tokenBytes(b []byte) int {
	for i, c := range b {
		if kind[c]&inName == 0 {
			return i
		}
	}
	return len(b)
}

// valueEnd finds the end of a header's value from i on, which is where CR and LF
// follow. It looks at eight bytes at a time: only those below blank, and DEL, need
// a closer look, and the lowest that the arithmetic flags is one of them.
func valueEnd(b []byte, i int) (end int, o outcome) {
	for {
		for len(b)-i >= 8 {
			word := binary.LittleEndian.Uint64(b[i:])
			del := word ^ 0x7f*ones
			odd := ((word-0x20*ones)&^word | (del-ones)&^del) & highs
			if odd != 0 {
				i += bits.TrailingZeros64(odd) >> 3
				break
			}
			i += 8
		}
		for i < len(b) && kind[b[i]]&inValue != 0 {
			if i++; i&7 == 0 {
				break
			}
		}
		if i >= len(b) {
			return 0, partial
		}
		if kind[b[i]]&inValue != 0 {
			continue
		}
		switch {
		case b[i] != '\r':
			return 0, foreign
		case i+1 == len(b):
			return 0, partial
		case b[i+1] != '\n':
			return 0, foreign
		}
		return i, whole
	}
}

// trim takes blanks and tabs from both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
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

// field takes a header that matters; false means foreign.
func (h *headers) field(f field, value string) bool {
	q := &h.q.Header
	switch f {
	case hostField:
		h.q.Host = value
		return h.once(seenHost) && plainHost(value)
	case connectionField:
		h.keepAlive = !strings.EqualFold(value, "close")
		return h.once(seenConnection) && (!h.keepAlive || strings.EqualFold(value, "keep-alive"))
	case cookieField:
		q.Cookie = value
		return h.once(seenCookie)
	case forwardedForField:
		q.ForwardedFor = value
		return h.once(seenForwardedFor)
	case forwardedField:
		q.Forwarded = value
		return h.once(seenForwarded)
	case userAgentField:
		return set(&q.UserAgent, value)
	case referrerField:
		return set(&q.Referrer, value)
	case languageField:
		return set(&q.Language, value)
	case acceptField:
		return set(&q.Accept, value)
	case doNotTrackField:
		return set(&q.DoNotTrack, value)
	case privacyGlobalField:
		return set(&q.PrivacyGlobal, value)
	case forwardedProtoField:
		return set(&q.ForwardedProto, value)
	case countryField:
		return set(&q.Country, value)
	}
	return h.hint(f, value)
}

// hint takes a header that says how and why a browser asks.
func (h *headers) hint(f field, value string) bool {
	q := &h.q.Header
	switch f {
	case secPurposeField:
		return set(&q.SecPurpose, value)
	case purposeField:
		return set(&q.Purpose, value)
	case xPurposeField:
		return set(&q.XPurpose, value)
	case xMozField:
		return set(&q.XMoz, value)
	case fetchDestField:
		return set(&q.FetchDest, value)
	case fetchModeField:
		return set(&q.FetchMode, value)
	case fetchSiteField:
		return set(&q.FetchSite, value)
	case fetchUserField:
		return set(&q.FetchUser, value)
	case hintsField:
		return set(&q.Hints, value)
	case hintMobileField:
		return set(&q.HintMobile, value)
	}
	return false // foreign by its name
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
