package affiliate

import (
	"encoding/binary"
	"fmt"
	"time"
)

// ClickID names a click everywhere: 24 characters of Crockford's base 32 in lower
// case, 48 bits of Unix milliseconds, 16 bits of node and 56 random bits. It
// sorts by time, its time bounds every look-up by id, and it fits the sub-ID rules
// of every network we know of.
type ClickID [24]byte

// base32 is Crockford's alphabet: no i, l, o, u.
const base32 = "0123456789abcdefghjkmnpqrstvwxyz"

// base32Value is the inverse of base32, 0xff for what is not in it.
var base32Value = func() (v [256]byte) {
	for i := range v {
		v[i] = 0xff
	}
	for i := 0; i < len(base32); i++ {
		v[base32[i]] = byte(i)
	}
	for i := 'A'; i <= 'Z'; i++ {
		v[i] = v[i|0x20]
	}
	return v
}()

// NewClickID builds the id of a click at the given Unix millisecond on a node;
// the low 56 bits of random tell apart what shares a millisecond.
func NewClickID(ms int64, node uint16, random uint64) (id ClickID) {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(ms)<<16|uint64(node))
	binary.BigEndian.PutUint64(b[8:], random<<8)
	encode32(id[:], b[:15])
	return id
}

// base32Pairs are the two characters of each ten bits.
var base32Pairs = func() (p [1 << 10][2]byte) {
	for i := range p {
		p[i] = [2]byte{base32[i>>5], base32[i&31]}
	}
	return p
}()

// encode32 writes src, a multiple of five bytes, as base 32.
func encode32[bytes string | []byte](dst []byte, src bytes) {
	for len(src) >= 5 {
		n := uint64(src[0])<<32 | uint64(src[1])<<24 | uint64(src[2])<<16 | uint64(src[3])<<8 | uint64(src[4])
		_ = dst[7]
		*(*[2]byte)(dst) = base32Pairs[n>>30]
		*(*[2]byte)(dst[2:]) = base32Pairs[n>>20&1023]
		*(*[2]byte)(dst[4:]) = base32Pairs[n>>10&1023]
		*(*[2]byte)(dst[6:]) = base32Pairs[n&1023]
		dst, src = dst[8:], src[5:]
	}
}

// none are the bytes of an id that is none.
const none = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// encodeID writes the characters of an id from its bytes. All-zero bytes are how
// records and tokens say that there is no id.
func encodeID(dst []byte, raw string) {
	if raw == none[:len(raw)] {
		clear(dst)
		return
	}
	encode32(dst, raw)
}

// decode32 is the inverse of encode32; it accepts upper case.
func decode32(dst, src []byte) bool {
	for len(src) >= 8 {
		a, b, c, d := base32Value[src[0]], base32Value[src[1]], base32Value[src[2]], base32Value[src[3]]
		e, f, g, h := base32Value[src[4]], base32Value[src[5]], base32Value[src[6]], base32Value[src[7]]
		if a|b|c|d|e|f|g|h == 0xff {
			return false
		}
		high := uint64(a)<<15 | uint64(b)<<10 | uint64(c)<<5 | uint64(d)
		n := high<<20 | uint64(e)<<15 | uint64(f)<<10 | uint64(g)<<5 | uint64(h)
		put40(dst, n)
		dst, src = dst[5:], src[8:]
	}
	return true
}

// nginxNode is the node of clicks that nginx has named by itself.
const nginxNode = 0xffff

// ParseClickID reads a click id as a network may give it back: in any case. It reads as well
// how nginx spells one, which has no base 32: "z" for the first digit of a Unix time in
// milliseconds that begins with 1, or "y" for 2, its other 12 digits, and 11 hexadecimal
// digits of the request's id. Such a click is of node 0xffff and has these 44 bits for random
// ones. No other id of a time before the year 8000 begins with these letters.
func ParseClickID(s string) (id ClickID, err error) {
	if ms, random, ok := nginxID(s); ok {
		return NewClickID(ms, nginxNode, random), nil
	}
	var raw [15]byte
	if len(s) != len(id) || !decode32(raw[:], []byte(s)) {
		return id, Errorf(Invalid, "%q is not a click id: it has 24 characters of 0-9 and a-z without i, l, o, u", clip(s, 40))
	}
	encode32(id[:], raw[:])
	return id, nil
}

// nginxID reads nginx's spelling.
func nginxID(s string) (ms int64, random uint64, ok bool) {
	if len(s) != len(ClickID{}) {
		return 0, 0, false
	}
	switch s[0] {
	case 'z', 'Z':
		ms = 1
	case 'y', 'Y':
		ms = 2
	default:
		return 0, 0, false
	}
	for i := 1; i < 13; i++ {
		digit := s[i] - '0'
		if digit > 9 {
			return 0, 0, false
		}
		ms = ms*10 + int64(digit)
	}
	for i := 13; i < len(s); i++ {
		value := base32Value[s[i]] // of 0-9 and a-f the same as in base 16
		if value > 15 {
			return 0, 0, false
		}
		random = random<<4 | uint64(value)
	}
	return ms, random, true
}

// String is the 24 characters, or "" when there is no id.
func (id ClickID) String() string {
	if id.IsZero() {
		return ""
	}
	return string(id[:])
}

// IsZero says that there is no id.
func (id ClickID) IsZero() bool { return id == ClickID{} }

// Time of the click, to the millisecond.
func (id ClickID) Time() time.Time {
	raw := id.raw()
	return time.UnixMilli(int64(binary.BigEndian.Uint64(raw[:8]) >> 16)).UTC()
}

// Node that made the click.
func (id ClickID) Node() uint16 {
	raw := id.raw()
	return binary.BigEndian.Uint16(raw[6:8])
}

// raw are the id's bytes. It is written by us, so it is not checked; but none may be
// there.
func (id *ClickID) raw() (b [15]byte) {
	if id[0] == 0 {
		return b
	}
	put40(b[0:5], value40(id[0:8]))
	put40(b[5:10], value40(id[8:16]))
	put40(b[10:15], value40(id[16:24]))
	return b
}

// value40 are the forty bits of eight characters, all eight at once: a letter's value
// is its distance from "a" and ten, less one for each of i, l, o and u that it is beyond.
func value40(text []byte) uint64 {
	const ones = 0x0101010101010101
	x := binary.LittleEndian.Uint64(text)
	beyond := func(c uint64) uint64 { return (x + (0x7f-c)*ones) >> 7 & ones }
	v := x - '0'*ones - beyond('9')*('a'-'0'-10) - beyond('i') - beyond('l') - beyond('o') - beyond('u')
	v = v&0x00ff00ff00ff00ff<<5 | v>>8&0x00ff00ff00ff00ff
	v = v&0x0000ffff0000ffff<<10 | v>>16&0x0000ffff0000ffff
	return v&0xffffffff<<20 | v>>32
}

// put40 writes the low forty bits.
func put40(b []byte, n uint64) {
	b[0] = byte(n >> 32)
	binary.BigEndian.PutUint32(b[1:5], uint32(n))
}

// MarshalText writes the 24 characters, or none when there is no id.
func (id ClickID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ClickID) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*id = ClickID{}
		return nil
	}
	*id, err = ParseClickID(string(b))
	return err
}

// VisitorID names a visitor: 16 characters of the same alphabet, 80 random bits.
type VisitorID [16]byte

// NewVisitorID builds an id from 80 random bits: high's low 16, and low.
func NewVisitorID(high uint16, low uint64) (id VisitorID) {
	var b [10]byte
	binary.BigEndian.PutUint16(b[:2], high)
	binary.BigEndian.PutUint64(b[2:], low)
	encode32(id[:], b[:])
	return id
}

// ParseVisitorID reads a visitor id.
func ParseVisitorID(s string) (id VisitorID, err error) {
	var raw [10]byte
	if len(s) != len(id) || !decode32(raw[:], []byte(s)) {
		return id, fmt.Errorf("%q is not a visitor id", clip(s, 40))
	}
	encode32(id[:], raw[:])
	return id, nil
}

// String is the 16 characters, or "" when there is no id.
func (id VisitorID) String() string {
	if id.IsZero() {
		return ""
	}
	return string(id[:])
}

// IsZero says that there is no id.
func (id VisitorID) IsZero() bool { return id == VisitorID{} }

func (id *VisitorID) raw() (b [10]byte) {
	if id[0] == 0 {
		return b
	}
	put40(b[0:5], value40(id[0:8]))
	put40(b[5:10], value40(id[8:16]))
	return b
}
