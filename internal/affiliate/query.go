package affiliate

import "strings"

// QueryValue returns the first value of a parameter, decoded. The name is compared
// as it was sent.
func QueryValue(query, name string) (value string, present bool) {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		key, v, _ := strings.Cut(pair, "=")
		if key == name {
			return UnescapeQuery(v), true
		}
	}
	return "", false
}

// UnescapeQuery decodes a form value: "+" is a space, and an escape that is broken
// stays as it is.
func UnescapeQuery(s string) string { return unescape(s, true) }

// UnescapePath percent-decodes a path once; an escape that is broken stays as it is.
func UnescapePath(s string) string { return unescape(s, false) }

func unescape(s string, plusIsSpace bool) string {
	if strings.IndexByte(s, '%') < 0 && (!plusIsSpace || strings.IndexByte(s, '+') < 0) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+' && plusIsSpace:
			b = append(b, ' ')
		case c == '%' && !brokenEscape(s, i):
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

// brokenEscape says that the "%" at offset i is not followed by two hexadecimal
// digits.
func brokenEscape(s string, i int) bool {
	return i+2 >= len(s) || unhex(s[i+1]) > 15 || unhex(s[i+2]) > 15
}

// unhex is the value of a hexadecimal digit, or 0xff.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}
