package affiliate

import (
	"cmp"
	_ "embed" // the table of phrases
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
)

// The words of a click record, version 2. Visitors' browsers say nearly all the
// same, so a record names what they say instead of repeating it: a text is a run of
// bytes below, each record by itself. docs/formats/click.md is the exact rule.
//
//	0x00        the end of the text
//	0x01 b      the byte b, for bytes that mean something else here
//	0x02        the record's own click id, 24 characters
//	0x02+n …    a number in n bytes, 1 to 7, little-endian: its decimal digits
//	0x0a-0x0f b phrase 144 + 256·(code - 0x0a) + b of the text's table
//	0x10-0x1f   phrases 0 to 15
//	0x20-0x7f   the character itself
//	0x80-0xff   phrases 16 to 143
const (
	codeEnd      = 0x00
	codeByte     = 0x01
	codeID       = 0x02
	codeNumber   = 0x02 // + the number's bytes
	numberBytes  = 7
	codePage     = 0x0a
	codeFew      = 0x10
	codePlain    = 0x20
	codeMany     = 0x80
	phrasesShort = 144 // have a code of one byte
	phrasesMax   = phrasesShort + 256*(codeFew-codePage)
	phraseMin    = 3 // bytes of the shortest
)

//go:embed phrases-v2.json
var phrasesV2 []byte

// The three tables: of user agents, of Accept-Language, and of everything else,
// which is mostly URLs and parts of them.
var agentPhrases, languagePhrases, linkPhrases = mustPhrases(phrasesV2)

// phrases is a table prepared for both ways.
type phrases struct {
	texts []string
	// known lists the phrases that start alike together, the longest first; those
	// whose first three bytes hash to h lie from heads[h] to heads[h+1].
	known []phrase
	heads [1<<headBits + 1]uint16
}

const headBits = 11

type phrase struct {
	text  string
	code  [2]byte
	bytes uint8 // of the code
}

func mustPhrases(file []byte) (agent, language, link *phrases) {
	var t struct{ Agent, Language, Link []string }
	if err := json.Unmarshal(file, &t); err != nil {
		panic("BUG: the table of phrases: " + err.Error())
	}
	return newPhrases(t.Agent), newPhrases(t.Language), newPhrases(t.Link)
}

func newPhrases(texts []string) *phrases {
	t := &phrases{texts: texts}
	if len(texts) > phrasesMax {
		panic(fmt.Sprintf("BUG: %d phrases", len(texts)))
	}
	for i, s := range texts {
		if len(s) < phraseMin {
			panic(fmt.Sprintf("BUG: the phrase %q is too short", s))
		}
		p := phrase{text: s, bytes: 1}
		switch more := i - phrasesShort; {
		case i < codePlain-codeFew:
			p.code[0] = byte(codeFew + i)
		case more < 0:
			p.code[0] = byte(codeMany + i - (codePlain - codeFew))
		default:
			p.code, p.bytes = [2]byte{byte(codePage + more>>8), byte(more)}, 2
		}
		t.known = append(t.known, p)
	}
	slices.SortFunc(t.known, func(a, b phrase) int {
		return cmp.Or(cmp.Compare(headOf(a.text), headOf(b.text)), cmp.Compare(len(b.text), len(a.text)))
	})
	for i := range t.known {
		for h := headOf(t.known[i].text) + 1; h < uint32(len(t.heads)); h++ {
			t.heads[h] = uint16(i + 1)
		}
	}
	return t
}

// headOf hashes the first three bytes.
func headOf(s string) uint32 {
	return (uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16) * 2654435761 >> (32 - headBits)
}

// longest returns the longest phrase that s starts with, or nil.
func (t *phrases) longest(s string) *phrase {
	if len(s) < phraseMin {
		return nil
	}
	h := headOf(s)
	for i, end := t.heads[h], t.heads[h+1]; i < end; i++ {
		if p := &t.known[i]; len(s) >= len(p.text) && s[:len(p.text)] == p.text {
			return p
		}
	}
	return nil
}

// kind is how the writer looks at a byte.
type kind uint8

const (
	odd    kind = iota // stands for something else in a text
	mark               // a phrase may begin here
	letter             // and seldom here, so nobody looks
	digit
)

var kinds = func() (k [256]kind) {
	for c := codePlain; c < codeMany; c++ {
		k[c] = mark
		switch lower := c | 0x20; {
		case 'a' <= lower && lower <= 'z':
			k[c] = letter
		case '0' <= c && c <= '9':
			k[c] = digit
		}
	}
	return k
}()

// appendText appends a text and its end. Phrases are looked for at its start,
// at marks and behind another phrase or number. id may be empty.
func (t *phrases) appendText(b []byte, s, id string) []byte {
	b = slices.Grow(b, 2*len(s)+1)
	out, n := b[len(b):cap(b)], 0
	probe := true
	for i := 0; i < len(s); {
		c := s[i]
		k := kinds[c]
		if probe || k == mark {
			if p := t.longest(s[i:]); p != nil {
				out[n], out[n+1] = p.code[0], p.code[1]
				n += int(p.bytes)
				i += len(p.text)
				probe = true
				continue
			}
			probe = false
		}
		switch k {
		case letter:
			for c = s[i]; ; c = s[i] {
				out[n] = c
				n++
				if i++; i == len(s) || kinds[s[i]] != letter {
					break
				}
			}
		case digit:
			var read int
			read, n, probe = appendDigits(out, n, s[i:], id)
			i += read
		case odd:
			out[n], out[n+1] = codeByte, c
			n += 2
			i++
		default:
			out[n] = c
			n++
			i++
		}
	}
	out[n] = codeEnd
	return b[:len(b)+n+1]
}

// appendDigits writes the digits that s starts with at out[n]: as the click id, as
// a number where that is shorter, or as they are. It returns how much it has read,
// where it has written to, and whether that was shorter.
func appendDigits(out []byte, n int, s, id string) (read, to int, short bool) {
	if id != "" && len(s) >= len(id) && s[:len(id)] == id {
		out[n] = codeID
		return len(id), n + 1, true
	}
	value := uint64(0)
	for read < len(s) && s[read]-'0' < 10 {
		value = value*10 + uint64(s[read]-'0')
		read++
	}
	size := (bits.Len64(value) + 7) / 8
	if s[0] == '0' || read <= size+1 || read > 16 { // of 17 digits some take 8 bytes
		return read, n + copy(out[n:], s[:read]), false
	}
	out[n] = byte(codeNumber + size)
	n++
	for ; size > 0; size-- {
		out[n] = byte(value)
		value >>= 8
		n++
	}
	return read, n, true
}

// readText appends the text at b[at:] to dst, and returns where the next begins;
// -1 when it makes no sense. id is empty in a record without one.
func (t *phrases) readText(dst []byte, b string, at int, id string) (text []byte, next int) {
	for at < len(b) {
		c := b[at]
		if c-codePlain < codeMany-codePlain {
			from := at
			for at++; at < len(b) && b[at]-codePlain < codeMany-codePlain; at++ {
			}
			dst = append(dst, b[from:at]...)
			continue
		}
		at++
		number := -1
		switch {
		case c >= codeMany:
			number = int(c) - codeMany + codePlain - codeFew
		case c >= codeFew:
			number = int(c) - codeFew
		case c == codeEnd:
			return dst, at
		case c == codeID && len(id) > 0:
			dst = append(dst, id...)
			continue
		case c == codeID:
			return dst, -1
		case c > codeNumber && c <= codeNumber+numberBytes:
			size := int(c) - codeNumber
			if size > len(b)-at {
				return dst, -1
			}
			var raw [8]byte
			copy(raw[:], b[at:at+size])
			dst = strconv.AppendUint(dst, binary.LittleEndian.Uint64(raw[:]), 10)
			at += size
			continue
		case at == len(b):
			return dst, -1
		case c == codeByte:
			dst = append(dst, b[at])
			at++
			continue
		default:
			number = phrasesShort + (int(c)-codePage)<<8 + int(b[at])
			at++
		}
		if number >= len(t.texts) {
			return dst, -1
		}
		dst = append(dst, t.texts[number]...)
	}
	return dst, -1
}
