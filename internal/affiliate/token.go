package affiliate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
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

// Touch returns the token with a click in front. The click replaces an older
// touch of the same program; touches older than TokenLifetime are dropped.
func (t *Token) Touch(program string, id ClickID) {
	p := uint32(0)
	if program != "" {
		p = Bucket(program)
	}
	touches := make([]Touch, 1, TouchesMax)
	touches[0] = Touch{Program: p, Click: id}
	oldest := id.Time().Add(-TokenLifetime)
	for _, old := range t.Touches {
		if len(touches) < TouchesMax && old.Program != p && old.Click.Time().After(oldest) {
			touches = append(touches, old)
		}
	}
	t.Touches = touches
}

// Seal appends the signed token to b.
func (k Keyring) Seal(b []byte, t *Token) []byte {
	var raw [tokenBytesMax]byte
	visitor := t.Visitor.raw()
	raw[0], raw[1] = tokenVersion, k[0].Number
	copy(raw[2:], visitor[:])
	binary.BigEndian.PutUint32(raw[12:], uint32(t.Since.Unix()/60))
	n := tokenHeadBytes
	for i := 0; i < len(t.Touches) && i < TouchesMax; i++ {
		binary.BigEndian.PutUint32(raw[n:], t.Touches[i].Program)
		id := t.Touches[i].Click.raw()
		copy(raw[n+4:], id[:])
		n += touchBytes
	}
	mac := sign(k[0].Secret, raw[:n])
	n += copy(raw[n:], mac[:macBytes])
	return base64.RawURLEncoding.AppendEncode(b, raw[:n])
}

func sign(secret, message []byte) [sha256.Size]byte {
	var sum [sha256.Size]byte
	h := hmac.New(sha256.New, secret)
	h.Write(message)
	h.Sum(sum[:0])
	return sum
}

// Open reads a token and checks its signature. ok is false for anything that no
// key of the ring has signed.
func (k Keyring) Open(s string) (t Token, ok bool) {
	var raw [tokenBytesMax + 3]byte
	if base64.RawURLEncoding.DecodedLen(len(s)) > tokenBytesMax || strings.ContainsAny(s, "\r\n") {
		return t, false
	}
	n, err := strictBase64.Decode(raw[:], []byte(s))
	if err != nil || n < tokenHeadBytes+macBytes || (n-tokenHeadBytes-macBytes)%touchBytes != 0 || raw[0] != tokenVersion {
		return t, false
	}
	body := raw[:n-macBytes]
	if !k.signed(raw[1], body, raw[n-macBytes:n]) {
		return t, false
	}
	encodeID(t.Visitor[:], string(body[2:12]))
	t.Since = time.Unix(int64(binary.BigEndian.Uint32(body[12:]))*60, 0).UTC()
	for at := tokenHeadBytes; at < len(body); at += touchBytes {
		var touch Touch
		touch.Program = binary.BigEndian.Uint32(body[at:])
		encodeID(touch.Click[:], string(body[at+4:at+touchBytes]))
		t.Touches = append(t.Touches, touch)
	}
	return t, true
}

// strictBase64 refuses text whose unused last bits are set, so that a token has one
// spelling.
var strictBase64 = base64.RawURLEncoding.Strict()

func (k Keyring) signed(number byte, body, mac []byte) bool {
	for i := range k {
		if k[i].Number != number {
			continue
		}
		want := sign(k[i].Secret, body)
		return hmac.Equal(want[:macBytes], mac)
	}
	return false
}
