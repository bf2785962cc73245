package nginx

import (
	"strings"
)

// wordBytesMax is how long a word of the configuration gets. nginx reads words of up to 4095
// bytes; longer values are put together from variables.
const wordBytesMax = 3500

// piece is a part of a value: text as it is, or a variable of nginx.
type piece struct {
	text     string
	variable string // name without "$"; "" for text
}

// value is what a map answers: pieces one after the other.
type value []piece

func (v value) with(text string) value { return append(v, piece{text: text}) }

func (v value) withVar(name string) value { return append(v, piece{variable: name}) }

// isPlain says that the value is text, which nginx keeps as it is and need not put together
// in every request.
func (v value) isPlain() bool {
	for _, p := range v {
		if p.variable != "" || strings.IndexByte(p.text, '$') >= 0 {
			return false
		}
	}
	return true
}

// word appends text as one quoted word. Nothing in it can end the word: in quotes, nginx gives
// a meaning to the quote and the backslash only. A "$" is for values that are not
// interpolated; where they are, write values.
func word(b []byte, s string) []byte {
	return append(wordText(append(b, '"'), s), '"')
}

// wordText escapes what has a meaning between double quotes. Line breaks are written as
// nginx spells them, so that a file stays one entry a line.
func wordText(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		default:
			b = append(b, c)
		}
	}
	return b
}

// values appends a value as one quoted word in which nginx puts variables in their places. It
// has no way to write a plain "$" there, so that is a variable too.
func values(b []byte, v value) []byte {
	b = append(b, '"')
	for _, p := range v {
		if p.variable != "" {
			b = append(append(append(b, '$', '{'), p.variable...), '}')
			continue
		}
		text := p.text
		for {
			at := strings.IndexByte(text, '$')
			if at < 0 {
				b = wordText(b, text)
				break
			}
			b = append(wordText(b, text[:at]), "${sluice_dollar}"...)
			text = text[at+1:]
		}
	}
	return append(b, '"')
}

// pattern appends a regular expression as a map's key; mode is "~" or "~*".
func pattern(b []byte, mode, expression string) []byte {
	return append(wordText(append(append(b, '"'), mode...), expression), '"')
}

// literally is an expression that matches the text and nothing else.
func literally(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(`\^$.[]|()?*+{}#- `, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// sent is an expression for every way in which a value may stand in a query: each byte as it
// is or percent-encoded, "+" for a space, and "%" as it is where it begins no escape.
func sent(value string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		c := value[i]
		b.WriteString("(?:%(?i:")
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
		b.WriteString(")|")
		switch c {
		case ' ':
			b.WriteString(`\+`)
		case '+', '&':
			b.WriteString("(?!)")
		case '%':
			b.WriteString("%(?![0-9A-Fa-f]{2})")
		default:
			b.WriteString(literally(string(c)))
		}
		b.WriteByte(')')
	}
	return b.String()
}
