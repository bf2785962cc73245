package affiliate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"slices"
	"strings"
	"time"
	"unsafe"
)

// Token is what the visitor's cookie carries: who it is, since when, and the last
// touches, so that attribution needs no look-up. It is signed, not encrypted:
//
//	| version 1 | key 1 | visitor 10 | since 4 (Unix minutes) | touches n × 19 | mac 16 |
//
// all as unpadded base64url. A touch is the program's Bucket (4 bytes, 0 for none)
// and the click id (15). The mac is the first half of HMAC-SHA-256 over what
// precedes it.
type Token struct {
	Visitor VisitorID
	Since   time.Time
	Touches []Touch // newest first
}

// Touch is a click that the visitor made for a program.
type Touch struct {
	Program uint32 // Bucket(program id)
	Click   ClickID
}

// TouchesMax is how many touches a token keeps.
const TouchesMax = 5

// TokenLifetime is the longest that browsers keep a cookie: 400 days.
const TokenLifetime = 400 * 24 * time.Hour

const (
	tokenVersion   = 1
	tokenHeadBytes = 16
	touchBytes     = 19
	macBytes       = 16
	tokenBytesMax  = tokenHeadBytes + TouchesMax*touchBytes + macBytes
)

// Key signs tokens. Number says which key it was, so that keys can change while
// old cookies stay good.
type Key struct {
	Number byte
	Secret []byte // at least 32 bytes
}

// Keyring seals with its first key and opens with any. It has at least one key, and
// no two with the same number.
type Keyring []Key

// Touch puts a click in front. It replaces an older touch of the same program;
// touches older than TokenLifetime are dropped. It works in the memory of
// t.Touches.
func (t *Token) Touch(program string, id ClickID) {
	p := uint32(0)
	if program != "" {
		p = Bucket(program)
	}
	oldest := id.Time().Add(-TokenLifetime)
	kept := slices.DeleteFunc(t.Touches, func(old Touch) bool {
		return old.Program == p || !old.Click.Time().After(oldest)
	})
	kept = kept[:min(len(kept), TouchesMax-1)]
	t.Touches = append(kept, Touch{})
	copy(t.Touches[1:], t.Touches)
	t.Touches[0] = Touch{Program: p, Click: id}
}

// Seal is Signer.Seal, for who does it once.
func (k Keyring) Seal(b []byte, t *Token) []byte { return NewSigner(k).Seal(b, t) }

// Open is Signer.Open, for who does it once.
func (k Keyring) Open(s string) (t Token, ok bool) {
	ok = NewSigner(k).Open(s, &t)
	return t, ok
}

// Signer seals and opens tokens without allocating. It belongs to one goroutine.
type Signer struct {
	keys Keyring
	macs []hash.Hash
	sum  [sha256.Size]byte
	raw  [tokenBytesMax + 3]byte
	text [tokenTextMax]byte
}

// tokenTextMax is the longest spelling of a token.
const tokenTextMax = (tokenBytesMax*8 + 5) / 6

// NewSigner returns a signer with the keys of the ring.
func NewSigner(keys Keyring) *Signer {
	s := &Signer{keys: keys}
	for _, k := range keys {
		s.macs = append(s.macs, hmac.New(sha256.New, k.Secret))
	}
	return s
}

// Seal appends the signed token to b. It signs with the first key.
func (s *Signer) Seal(b []byte, t *Token) []byte {
	raw := &s.raw
	visitor := t.Visitor.raw()
	raw[0], raw[1] = tokenVersion, s.keys[0].Number
	copy(raw[2:], visitor[:])
	binary.BigEndian.PutUint32(raw[12:], uint32(t.Since.Unix()/60))
	n := tokenHeadBytes
	for i := 0; i < len(t.Touches) && i < TouchesMax; i++ {
		binary.BigEndian.PutUint32(raw[n:], t.Touches[i].Program)
		id := t.Touches[i].Click.raw()
		copy(raw[n+4:], id[:])
		n += touchBytes
	}
	n += copy(raw[n:], s.sign(0, raw[:n]))
	return base64.RawURLEncoding.AppendEncode(b, raw[:n])
}

// sign returns the mac of a message, until the next call.
func (s *Signer) sign(key int, message []byte) []byte {
	h := s.macs[key]
	h.Reset()
	h.Write(message)
	return h.Sum(s.sum[:0])[:macBytes]
}

// Open reads a token into t, whose memory it uses again, and checks its
// signature. It is false, and t is worth nothing, for what no key has signed.
func (s *Signer) Open(text string, t *Token) bool {
	if len(text) > tokenTextMax || strings.ContainsAny(text, "\r\n") {
		return false
	}
	raw := &s.raw
	n, err := strictBase64.Decode(raw[:], s.text[:copy(s.text[:], text)])
	if err != nil || n < tokenHeadBytes+macBytes || (n-tokenHeadBytes-macBytes)%touchBytes != 0 || raw[0] != tokenVersion {
		return false
	}
	body := raw[:n-macBytes]
	if !s.signed(raw[1], body, raw[n-macBytes:n]) {
		return false
	}
	encodeID(t.Visitor[:], view(body[2:12]))
	t.Since = time.Unix(int64(binary.BigEndian.Uint32(body[12:]))*60, 0).UTC()
	t.Touches = t.Touches[:0]
	for at := tokenHeadBytes; at < len(body); at += touchBytes {
		var touch Touch
		touch.Program = binary.BigEndian.Uint32(body[at:])
		encodeID(touch.Click[:], view(body[at+4:at+touchBytes]))
		t.Touches = append(t.Touches, touch)
	}
	return true
}

// strictBase64 refuses text whose unused last bits are set, so that a token has one
// spelling.
var strictBase64 = base64.RawURLEncoding.Strict()

func (s *Signer) signed(number byte, body, mac []byte) bool {
	for i := range s.keys {
		if s.keys[i].Number == number {
			return hmac.Equal(s.sign(i, body), mac)
		}
	}
	return false
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
