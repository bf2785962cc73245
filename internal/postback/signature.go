package postback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Canonical is the text of a query that is signed: names and values percent-decoded
// (+ is a space) and encoded again by RFC 3986 (only A-Z a-z 0-9 - . _ ~ stay, all else is %XX in upper
// case), without sig, sorted as bytes by name then value, joined by &.
func Canonical(query string) (string, error) {
	var p parameters
	if r := p.addQuery(query); r != nil {
		return "", r
	}
	return p.canonical(), nil
}

// Sign is the signature of a canonical query: HMAC-SHA-256 in lower-case hexadecimal.
func Sign(secret []byte, canonical string) string {
	return hex.EncodeToString(mac(secret, canonical))
}

func mac(secret []byte, text string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func (p parameters) canonical() string {
	pairs := make([][2]string, 0, len(p))
	for _, one := range p {
		if one.name != "sig" {
			pairs = append(pairs, [2]string{encode(one.name), encode(one.value)})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	var text strings.Builder
	for i, pair := range pairs {
		if i > 0 {
			text.WriteByte('&')
		}
		text.WriteString(pair[0] + "=" + pair[1])
	}
	return text.String()
}

// encode leaves the unreserved characters of RFC 3986, section 2.3; url.QueryEscape
// would write a space as +.
func encode(s string) string {
	const upper = "0123456789ABCDEF"
	var text strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			text.WriteByte(c)
		} else {
			text.Write([]byte{'%', upper[c>>4], upper[c&15]})
		}
	}
	return text.String()
}

// verify says whether the parameters are signed. Unsigned is an answer only where
// the token is enough; a signature that is there must be right even then. Whether
// the nonce was used is not asked yet.
func (p parameters) verify(inbox Inbox, now time.Time) (signed bool, r *Refusal) {
	sig, ts, nonce := p.get("sig"), p.get("ts"), p.get("nonce")
	if sig == "" {
		if inbox.StaticToken {
			return false, nil
		}
		return false, refuse(SignatureMissing, "sig", "this program takes signed reports only; add ts, nonce and sig")
	}
	if ts == "" || nonce == "" {
		return false, refuse(SignatureIncomplete, "sig", "a signature needs ts, the time in Unix seconds, and nonce, 8 to 64 characters that are new each time")
	}
	if len(inbox.Secret) == 0 {
		return false, refuse(SignatureWrong, "sig", "this program has no secret to sign with; make one, or leave out sig")
	}
	given, err := hex.DecodeString(sig)
	if err != nil || !hmac.Equal(given, mac(inbox.Secret, p.canonical())) {
		return false, refuse(SignatureWrong, "sig", "the signature is not that of these parameters; docs/postbacks.md has an example to compare with, step by step")
	}
	seconds, ok := unixSeconds(ts)
	if !ok {
		return false, refuse(TimeMalformed, "ts", "%q is not a time in Unix seconds", clip(ts))
	}
	switch age := now.Sub(seconds); {
	case age > SkewMax:
		return false, refuse(SignatureOld, "ts", "the signature is older than %s; sign each attempt anew, and check the clock", SkewMax)
	case age < -SkewMax:
		return false, refuse(SignatureEarly, "ts", "the signature is more than %s ahead of our clock; check yours", SkewMax)
	}
	return true, nil
}

// unixSeconds reads a time between 1970 and the year 33658.
func unixSeconds(s string) (time.Time, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return time.Unix(int64(n), 0).UTC(), err == nil && len(s) <= 12 && s[0] != '+'
}

func nonceFault(nonce string) *Refusal {
	plain := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-._~", c)
	}
	if len(nonce) < 8 || len(nonce) > 64 || strings.IndexFunc(nonce, func(c rune) bool { return !plain(c) }) >= 0 {
		return refuse(NonceMalformed, "nonce", "a nonce has 8 to 64 characters of A-Z a-z 0-9 - . _ ~")
	}
	return nil
}

// secondChances remembers signatures whose nonce was claimed for a report that could
// then not be stored, so that the same request, sent again, is not taken for a replay
// of something that never happened. It is a help within this process, not a
// guarantee: the answer tells the sender to sign again.
type secondChances struct {
	mu    sync.Mutex
	until map[string]time.Time // by program and signature
}

const secondChancesMax = 4096

func (s *secondChances) give(key string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.until) >= secondChancesMax {
		for other, until := range s.until {
			if !now.Before(until) {
				delete(s.until, other)
			}
		}
	}
	if len(s.until) >= secondChancesMax {
		return
	}
	if s.until == nil {
		s.until = map[string]time.Time{}
	}
	s.until[key] = now.Add(NonceWindow)
}

// take uses up a chance.
func (s *secondChances) take(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.until[key]
	delete(s.until, key)
	return ok && now.Before(until)
}
