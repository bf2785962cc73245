package affiliate

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"time"
	"unsafe"
)

// Token is what the visitor's cookie carries: who it is, since when, and the last
// touches, so that attribution needs no look-up. It is signed, not encrypted:
//
//	| version 1 | key 1 | visitor 10 | since 4 (Unix minutes) | touches n × 19 | mac 16 |
//
// all as unpadded base64url. A touch is the program's Bucket (4 bytes, 0 for none)
// and the click id (15). The mac is over what precedes it: in version 2, which is
// written, AES-128-CMAC (RFC 4493) under a key derived from the secret; in version
// 1, which is still read, the first half of HMAC-SHA-256. docs/decisions/0016 says
// why.
type Token struct {
	Visitor VisitorID
	Since   time.Time
	Touches []Touch // newest first
}

// Touch is a click that the visitor made for a program.
type Touch struct {
	Program uint32 // Bucket(program id), 0 for none
	click   [15]byte
}

// NewTouch returns the touch of a click for a program, which may be "".
func NewTouch(program string, id ClickID) Touch {
	t := Touch{click: id.raw()}
	if program != "" {
		t.Program = Bucket(program)
	}
	return t
}

// Click is the click's id.
func (t *Touch) Click() (id ClickID) {
	encodeID(id[:], view(t.click[:]))
	return id
}

// ms is the time of the click in Unix milliseconds.
func (t *Touch) ms() int64 { return int64(binary.BigEndian.Uint64(t.click[:8]) >> 16) }

// TouchesMax is how many touches a token keeps.
const TouchesMax = 5

// TokenLifetime is the longest that browsers keep a cookie: 400 days.
const TokenLifetime = 400 * 24 * time.Hour

const (
	tokenVersion   = 2
	tokenWithHMAC  = 1
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
	next := NewTouch(program, id)
	oldest := next.ms() - TokenLifetime.Milliseconds()
	kept := t.Touches[:0]
	for _, old := range t.Touches {
		if old.Program != next.Program && old.ms() > oldest && len(kept) < TouchesMax-1 {
			kept = append(kept, old)
		}
	}
	t.Touches = append(kept, Touch{})
	copy(t.Touches[1:], t.Touches)
	t.Touches[0] = next
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
	keys []signingKey
	mac  [macBytes]byte
	sum  [sha256.Size]byte
	raw  [tokenBytesMax + 3]byte
}

// signingKey is a key ready to use.
type signingKey struct {
	number byte
	cmac   *cmac
	hmac   hash.Hash // for tokens of version 1
}

// tokenTextMax is the longest spelling of a token.
const tokenTextMax = (tokenBytesMax*8 + 5) / 6

// cmacPurpose derives the key of version 2 from the secret. No token of version 1
// begins like it, so the secret's two uses never meet.
const cmacPurpose = "sluice token, version 2: AES-128-CMAC"

// NewSigner returns a signer with the keys of the ring.
func NewSigner(keys Keyring) *Signer {
	s := &Signer{}
	for _, k := range keys {
		h := hmac.New(sha256.New, k.Secret)
		h.Write([]byte(cmacPurpose))
		s.keys = append(s.keys, signingKey{number: k.Number, cmac: newCMAC([16]byte(h.Sum(nil))), hmac: h})
	}
	return s
}

// Seal appends the signed token to b. It signs with the first key.
func (s *Signer) Seal(b []byte, t *Token) []byte {
	raw := &s.raw
	visitor := t.Visitor.raw()
	raw[0], raw[1] = tokenVersion, s.keys[0].number
	copy(raw[2:], visitor[:])
	binary.BigEndian.PutUint32(raw[12:], uint32(t.Since.Unix()/60))
	n := tokenHeadBytes
	for i := 0; i < len(t.Touches) && i < TouchesMax; i++ {
		binary.BigEndian.PutUint32(raw[n:], t.Touches[i].Program)
		copy(raw[n+4:], t.Touches[i].click[:])
		n += touchBytes
	}
	s.keys[0].cmac.sum(&s.mac, raw[:n])
	n += copy(raw[n:], s.mac[:])
	return base64.RawURLEncoding.AppendEncode(b, raw[:n])
}

// Open reads a token into t, whose memory it uses again, and checks its
// signature. It is false, and t is worth nothing, for what no key has signed.
func (s *Signer) Open(text string, t *Token) bool {
	if len(text) > tokenTextMax {
		return false
	}
	raw := &s.raw
	n, ok := decodeBase64(raw[:], text)
	if !ok || n < tokenHeadBytes+macBytes || (n-tokenHeadBytes-macBytes)%touchBytes != 0 {
		return false
	}
	body := raw[:n-macBytes]
	if !s.signed(body, raw[n-macBytes:n]) {
		return false
	}
	encodeID(t.Visitor[:], view(body[2:12]))
	t.Since = time.Unix(int64(binary.BigEndian.Uint32(body[12:]))*60, 0).UTC()
	t.Touches = t.Touches[:0]
	for at := tokenHeadBytes; at < len(body); at += touchBytes {
		t.Touches = append(t.Touches, Touch{
			Program: binary.BigEndian.Uint32(body[at:]), click: [15]byte(body[at+4 : at+touchBytes]),
		})
	}
	return true
}

// signed checks the mac of a token's body in the manner of its version.
func (s *Signer) signed(body, mac []byte) bool {
	for i := range s.keys {
		k := &s.keys[i]
		if k.number != body[1] {
			continue
		}
		switch body[0] {
		case tokenVersion:
			k.cmac.sum(&s.mac, body)
			return subtle.ConstantTimeCompare(s.mac[:], mac) == 1
		case tokenWithHMAC:
			k.hmac.Reset()
			k.hmac.Write(body)
			return subtle.ConstantTimeCompare(k.hmac.Sum(s.sum[:0])[:macBytes], mac) == 1
		}
	}
	return false
}

// base64Value is what a character of base64url stands for, 0xff for others.
var base64Value = func() (v [256]byte) {
	for i := range v {
		v[i] = 0xff
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		v[c] = byte(i)
	}
	return v
}()

// decodeBase64 decodes unpadded base64url into dst, which is large enough, and
// nothing else: no line breaks, and no last bits that say nothing, so that every
// token has one spelling. The standard decoder skips line breaks.
func decodeBase64(dst []byte, s string) (n int, ok bool) {
	bad := byte(0)
	for ; len(s) >= 8 && len(dst)-n >= 8; s = s[8:] {
		a, b, c, d := base64Value[s[0]], base64Value[s[1]], base64Value[s[2]], base64Value[s[3]]
		e, f, g, h := base64Value[s[4]], base64Value[s[5]], base64Value[s[6]], base64Value[s[7]]
		bad |= a | b | c | d | e | f | g | h
		high := uint64(a)<<18 | uint64(b)<<12 | uint64(c)<<6 | uint64(d)
		low := uint64(e)<<18 | uint64(f)<<12 | uint64(g)<<6 | uint64(h)
		binary.BigEndian.PutUint64(dst[n:], high<<40|low<<16)
		n += 6
	}
	for ; len(s) >= 4; s = s[4:] {
		a, b, c, d := base64Value[s[0]], base64Value[s[1]], base64Value[s[2]], base64Value[s[3]]
		bad |= a | b | c | d
		dst[n], dst[n+1], dst[n+2] = a<<2|b>>4, b<<4|c>>2, c<<6|d
		n += 3
	}
	switch len(s) {
	case 1:
		return n, false
	case 2:
		a, b := base64Value[s[0]], base64Value[s[1]]
		bad |= a | b | looseBits(b&0x0f)
		dst[n] = a<<2 | b>>4
		n++
	case 3:
		a, b, c := base64Value[s[0]], base64Value[s[1]], base64Value[s[2]]
		bad |= a | b | c | looseBits(c&0x03)
		dst[n], dst[n+1] = a<<2|b>>4, b<<4|c>>2
		n += 2
	}
	return n, bad&0xc0 == 0
}

// looseBits is bad when bits are set that say nothing.
func looseBits(b byte) byte {
	if b != 0 {
		return 0xff
	}
	return 0
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
