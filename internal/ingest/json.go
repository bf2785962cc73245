package ingest

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// scanner walks JSON text (RFC 8259). It is written for logs: flat objects of many short
// texts. Texts that need no unescaping are parts of what it walks, the others of its own
// memory; both stay as they are until that is used again. Bytes that are not UTF-8 come
// through as they are, since nginx writes them so.
type scanner struct {
	b    []byte
	at   int
	own  []byte // unescaped texts
	deep int

	order []place // of the keys of the click before
	of    *Click
}

// place is a key and where its value goes. Most logs have the same keys in the same order on
// every line, and then no key has to be looked up.
type place struct {
	spelled string // with its quotes and colon
	key     string
	to      *string // nil for what is no text
}

// Limits of what is remembered of keys.
const (
	placesMax   = 64
	keyBytesMax = 32
)

// depthMax bounds how deep values may lie that nobody reads.
const depthMax = 64

// syntaxError says what is wrong with JSON text, and at which byte.
type syntaxError struct {
	at   int
	text string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("at byte %d: %s", e.at, e.text) }

func (s *scanner) fault(format string, args ...any) error {
	return &syntaxError{s.at, fmt.Sprintf(format, args...)}
}

// skipSpace goes to the next byte that is no space.
func (s *scanner) skipSpace() {
	for s.at < len(s.b) {
		switch s.b[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// peek is the next byte that is no space, 0 at the end.
func (s *scanner) peek() byte {
	s.skipSpace()
	if s.at < len(s.b) {
		return s.b[s.at]
	}
	return 0
}

// take takes a byte if it is the next, without a space in front.
func (s *scanner) take(c byte) bool {
	if s.at < len(s.b) && s.b[s.at] == c {
		s.at++
		return true
	}
	return false
}

// expect takes one byte.
func (s *scanner) expect(c byte, where string) error {
	if s.peek() != c {
		return s.fault("%s, and there is %s", where, s.next())
	}
	s.at++
	return nil
}

// next names what stands where the scanner is, for people.
func (s *scanner) next() string {
	if s.at >= len(s.b) {
		return "the end"
	}
	return fmt.Sprintf("%q", s.b[s.at:min(len(s.b), s.at+1)])
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks, with the highest bit of the byte, the first byte of eight that is a
// quote, a backslash or a control character. Marks above the lowest may be wrong.
func special(x uint64) uint64 {
	quote, slash := x^('"'*ones), x^('\\'*ones)
	return ((quote-ones)&^quote | (slash-ones)&^slash | (x-0x20*ones)&^x) & highs
}

// text takes a string. The scanner stands at its quote.
func (s *scanner) text() (string, error) {
	s.at++
	from := s.at
	if s.at < len(s.b) && s.b[s.at] == '"' { // as most headers are
		s.at++
		return "", nil
	}
	for s.at+8 <= len(s.b) {
		if m := special(binary.LittleEndian.Uint64(s.b[s.at:])); m != 0 {
			s.at += bits.TrailingZeros64(m) / 8
			break
		}
		s.at += 8
	}
	for ; s.at < len(s.b); s.at++ {
		switch c := s.b[s.at]; {
		case c == '"':
			text := view(s.b[from:s.at])
			s.at++
			return text, nil
		case c == '\\':
			return s.escaped(from)
		case c < 0x20:
			return "", s.fault("a control character stands in a text; write \\u%04x", c)
		}
	}
	return "", s.fault("a text has no end")
}

// escaped is text for one that has escapes, whose beginning is known.
func (s *scanner) escaped(from int) (string, error) {
	start := len(s.own)
	s.own = append(s.own, s.b[from:s.at]...)
	for s.at < len(s.b) {
		c := s.b[s.at]
		switch {
		case c == '"':
			s.at++
			return view(s.own[start:]), nil
		case c < 0x20:
			return "", s.fault("a control character stands in a text; write \\u%04x", c)
		case c != '\\':
			s.own = append(s.own, c)
			s.at++
		default:
			if err := s.escape(); err != nil {
				return "", err
			}
		}
	}
	return "", s.fault("a text has no end")
}

// escape takes one escape.
func (s *scanner) escape() error {
	if s.at+1 >= len(s.b) {
		s.at = len(s.b)
		return s.fault("a text has no end")
	}
	c := s.b[s.at+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return s.escapedRune()
	default:
		return s.fault("there is no escape \\%c", c)
	}
	s.own = append(s.own, c)
	s.at += 2
	return nil
}

// escapedRune takes \uXXXX, or two that make a pair; half a pair is U+FFFD.
func (s *scanner) escapedRune() error {
	r, ok := s.hex(s.at)
	if !ok {
		return s.fault("\\u is followed by four hexadecimal digits")
	}
	s.at += 6
	if utf16.IsSurrogate(r) {
		low, ok := s.hex(s.at)
		if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
			r = pair
			s.at += 6
		} else {
			r = utf8.RuneError
		}
	}
	s.own = utf8.AppendRune(s.own, r)
	return nil
}

// hex reads \uXXXX at a place.
func (s *scanner) hex(at int) (r rune, ok bool) {
	if at+6 > len(s.b) || s.b[at] != '\\' || s.b[at+1] != 'u' {
		return 0, false
	}
	for _, c := range s.b[at+2 : at+6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number takes a number and returns its text.
func (s *scanner) number() (string, error) {
	from := s.at
	digits := func() bool {
		at := s.at
		for s.at < len(s.b) && '0' <= s.b[s.at] && s.b[s.at] <= '9' {
			s.at++
		}
		return s.at > at
	}
	is := func(set string) bool {
		for i := 0; s.at < len(s.b) && i < len(set); i++ {
			if s.b[s.at] == set[i] {
				s.at++
				return true
			}
		}
		return false
	}
	is("-")
	if !is("0") && !digits() {
		return "", s.fault("a number goes on with a digit, and there is %s", s.next())
	}
	if is(".") && !digits() {
		return "", s.fault("a number goes on with a digit, and there is %s", s.next())
	}
	if is("eE") {
		is("+-")
		if !digits() {
			return "", s.fault("a number goes on with a digit, and there is %s", s.next())
		}
	}
	return view(s.b[from:s.at]), nil
}

// word takes true, false or null.
func (s *scanner) word() (string, error) {
	for _, w := range [...]string{"true", "false", "null"} {
		if end := s.at + len(w); end <= len(s.b) && string(s.b[s.at:end]) == w {
			s.at = end
			return w, nil
		}
	}
	return "", s.fault("a value is wanted, and there is %s", s.next())
}

// skip takes any value.
func (s *scanner) skip() (err error) {
	switch c := s.peek(); c {
	case '"':
		_, err = s.text()
	case '{', '[':
		err = s.skipNested(c)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		_, err = s.number()
	default:
		_, err = s.word()
	}
	return err
}

func (s *scanner) skipNested(open byte) error {
	if s.deep++; s.deep > depthMax {
		return s.fault("values lie more than %d deep", depthMax)
	}
	defer func() { s.deep-- }()
	if open == '{' {
		return s.object(func(string) error { return s.skip() })
	}
	return s.list(s.skip)
}

// object takes an object; value takes the value of each key.
func (s *scanner) object(value func(key string) error) error {
	if err := s.expect('{', "an object is wanted"); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.at++
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.fault("a key in quotes is wanted, and there is %s", s.next())
		}
		key, err := s.text()
		if err != nil {
			return err
		}
		if err := s.expect(':', "\":\" is wanted behind a key"); err != nil {
			return err
		}
		if err := value(key); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.at++
		case '}':
			s.at++
			return nil
		default:
			return s.fault("\",\" or \"}\" is wanted behind a value, and there is %s", s.next())
		}
	}
}

// list takes a list; item takes each of its values.
func (s *scanner) list(item func() error) error {
	if err := s.expect('[', "a list is wanted"); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.at++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.at++
		case ']':
			s.at++
			return nil
		default:
			return s.fault("\",\" or \"]\" is wanted behind a value, and there is %s", s.next())
		}
	}
}

// view is the bytes as a string that changes with them.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
