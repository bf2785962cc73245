package nginx

import (
	"strings"
)

// mapping is a map block in the making.
type mapping struct {
	source, name string // the source as it is written
	fallback     string // a word, quoted
	entries      []byte
	keys         []string // that go into a hash table
}

func newMap(source, name, fallback string) *mapping {
	return &mapping{source: source, name: name, fallback: string(word(nil, fallback))}
}

// key answers one value of the source, whatever the case of its ASCII letters.
func (m *mapping) key(key, answer string) {
	m.keys = append(m.keys, key)
	m.line(word(nil, protected(key)), word(nil, answer))
}

// protected keeps nginx from taking a key for one of its own words.
func protected(key string) string {
	switch key {
	case "default", "hostnames", "include", "volatile":
		return `\` + key
	}
	if strings.HasPrefix(key, "~") || strings.HasPrefix(key, `\`) {
		return `\` + key
	}
	return key
}

// expression answers what an expression matches; the first that does counts.
func (m *mapping) expression(mode, expression, answer string) {
	m.line(pattern(nil, mode, expression), word(nil, answer))
}

// expressions answers any of the values, as many to an expression as one word holds.
func (m *mapping) expressions(mode, head string, values []string, tail string, spell func(string) string, answer string) {
	for len(values) > 0 {
		text, n := "", 0
		for n < len(values) && (n == 0 || len(text)+2*len(spell(values[n])) < wordBytesMax/2) {
			if n > 0 {
				text += "|"
			}
			text += spell(values[n])
			n++
		}
		m.expression(mode, head+text+tail, answer)
		values = values[n:]
	}
}

func (m *mapping) line(key, answer []byte) {
	m.entries = append(m.entries, '\t')
	m.entries = append(append(append(m.entries, key...), ' '), answer...)
	m.entries = append(m.entries, ";\n"...)
}

// appendTo writes the block.
func (m *mapping) appendTo(b []byte) []byte {
	b = append(b, "map "+m.source+" $"+m.name+" {\n\tdefault "+m.fallback+";\n"...)
	return append(append(b, m.entries...), "}\n"...)
}
