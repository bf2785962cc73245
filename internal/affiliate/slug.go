package affiliate

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A slug is the managed name of a link, as in /go/the-thing. Names are compared
// in one canonical form, so that every spelling a visitor's browser, mail
// program or keyboard makes of a name finds the same link:
//
//  1. The path after the site's prefix is percent-decoded once; a broken escape
//     stays as it is and so, like bytes that are not UTF-8, names nothing. Nor does
//     a mark up to U+FFFF right behind a code point beyond it.
//  2. Empty segments are dropped: "/go/a//b/" is "a/b".
//  3. Non-ASCII text is brought to Unicode NFC.
//  4. Each code point is lower-cased by itself where that yields one code point
//     (so U+0130 İ stays as it is, and Σ is always σ), and the result brought to
//     NFC again, because J̌ has no composed form and ǰ has.
//  5. Punctuation that editors glue to the end of a link, SlugTrailing, is cut.
//
// The result is made of letters, digits, marks, "-", "_", ".", "~" and "/"
// between segments; each segment starts with a letter or digit, the last ends
// with none of the punctuation, no more than slugMarksMax marks follow each other,
// and the whole has at most SlugBytesMax bytes.

// SlugBytesMax is the length limit of a canonical slug, in bytes.
const SlugBytesMax = 200

// slugMarksMax is far above what any script stacks on a letter and far below 30,
// where Unicode libraries begin to differ (Go's inserts a U+034F, others do not).
const slugMarksMax = 8

// SlugTrailing is the punctuation that is ignored at the end of a requested name.
const SlugTrailing = ".,;:!?'\")]}>-_~"

// CanonicalSlug returns the canonical form of a decoded name, and whether the
// result can be a slug at all. It allocates only when the name is not yet
// canonical.
func CanonicalSlug(name string) (slug string, ok bool) {
	if isPlainSlug(name) {
		return name, true
	}
	if undecidable(name) != "" {
		return "", false
	}
	name = norm.NFC.String(strings.Map(lower, norm.NFC.String(name)))
	segments := strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
	name = strings.TrimRight(strings.Join(segments, "/"), SlugTrailing+"/")
	return name, slugFault(name) == "" && undecidable(name) == ""
}

// undecidable says why programs could disagree about the canonical form of a name,
// or "".
func undecidable(name string) string {
	if !utf8.ValidString(name) {
		return "it is not UTF-8"
	}
	previous := rune(0)
	for _, r := range name {
		// x/text/norm takes U+10041 for U+0041 when it composes such a pair.
		if previous > 0xffff && r <= 0xffff && unicode.IsMark(r) {
			return fmt.Sprintf("the mark %+q cannot stand on %q", r, previous)
		}
		previous = r
	}
	return ""
}

// isPlainSlug says that s is canonical ASCII already, the usual case: letters and digits,
// and marks between them, but none at the begin of a segment. It looks at every byte
// in the same way, because names give the processor nothing to guess their marks by.
func isPlainSlug(s string) bool {
	if s == "" || len(s) > SlugBytesMax {
		return false
	}
	bad, previous := slugByte(0), slugSlash
	for i := 0; i < len(s); i++ {
		k := slugBytes[s[i]]
		bad |= k&slugNone | previous>>1&k
		previous = k
	}
	return bad&(slugNone|slugMark) == 0 && previous == 0
}

// slugByte is what a byte may be in a slug; 0 for a letter or digit.
type slugByte uint8

const (
	slugMark  slugByte = 1            // not at the begin of a segment, not at the end of all
	slugSlash slugByte = 2 | slugMark // a mark that begins a segment
	slugNone  slugByte = 4
)

var slugBytes = func() (k [256]slugByte) {
	for c := range k {
		switch c := byte(c); {
		case isAlnum(c):
		case c == '/':
			k[c] = slugSlash
		case c == '-', c == '_', c == '.', c == '~':
			k[c] = slugMark
		default:
			k[c] = slugNone
		}
	}
	return k
}()

func isAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// lower is step 4 above: simple lower-casing, one code point for one.
func lower(r rune) rune {
	if r == 'İ' {
		return r
	}
	return unicode.ToLower(r)
}

// ParseSlug returns the canonical form of a name that a person typed, or what is
// wrong with it. A leading slash is forgiven; characters that a slug cannot have
// are not, because a silently changed name is a name that does not work.
func ParseSlug(name string) (string, error) {
	slug, _ := CanonicalSlug(strings.TrimSpace(name))
	if fault := cmp.Or(undecidable(name), slugFault(slug)); fault != "" {
		return "", Errorf(Invalid, "the name %q cannot be used: %s", clip(name, 80), fault)
	}
	return slug, nil
}

// slugFault says in words why s is not a canonical slug, or "".
func slugFault(s string) string {
	if s == "" {
		return "it is empty; use letters, digits and hyphens, such as summer-deal"
	}
	if len(s) > SlugBytesMax {
		return fmt.Sprintf("it is longer than %d bytes", SlugBytesMax)
	}
	previous, marks := '/', 0
	for _, r := range s {
		if !unicode.IsMark(r) {
			marks = 0
		} else if marks++; marks > slugMarksMax {
			return fmt.Sprintf("it stacks more than %d marks on one letter", slugMarksMax)
		}
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r) && previous != '/':
		case strings.ContainsRune("-_.~/", r):
			if previous == '/' {
				return "each part must start with a letter or a digit"
			}
		default:
			return fmt.Sprintf("it contains %q; use letters, digits, - _ . ~ and / between parts", r)
		}
		previous = r
	}
	return ""
}

// NameInPath cuts a site's prefix from a request path and returns the name that
// follows, decoded but not yet canonical. The path is decoded first, so "%2F"
// separates too; segments are compared without regard to ASCII case, and empty ones
// do not count. The prefix alone is the empty name, and so is the root of the
// host. below is false for a path that is neither.
func NameInPath(path, prefix string) (name string, below bool) {
	if rest, ok := strings.CutPrefix(path, prefix); ok && strings.IndexByte(rest, '%') < 0 {
		return rest, true
	}
	rest := strings.TrimLeft(UnescapePath(path), "/")
	if rest == "" {
		return "", true
	}
	for want := strings.Trim(prefix, "/"); want != ""; {
		var segment, part string
		segment, want, _ = strings.Cut(want, "/")
		part, rest, _ = strings.Cut(rest, "/")
		if !EqualFold(part, segment) {
			return "", false
		}
		rest = strings.TrimLeft(rest, "/")
	}
	return rest, true
}

// EqualFold compares without regard to the case of ASCII letters, and of no others:
// every other target must be able to do the same.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if lowerByte(a[i]) != lowerByte(b[i]) {
			return false
		}
	}
	return true
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// LowerASCII lower-cases ASCII letters and allocates only when there are some.
func LowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if lowerByte(s[i]) != s[i] {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = lowerByte(b[i])
			}
			return string(b)
		}
	}
	return s
}

// reservedSlugs are first path segments that Sluice or the web itself answers.
// They matter only on a site whose links stand at the root.
var reservedSlugs = map[string]string{
	"robots.txt":           "crawlers ask for it",
	"favicon.ico":          "browsers ask for it",
	"sitemap.xml":          "crawlers ask for it",
	"ads.txt":              "advertisers ask for it",
	"app-ads.txt":          "advertisers ask for it",
	"apple-touch-icon":     "browsers ask for it",
	"apple-touch-icon.png": "browsers ask for it",
	"well-known":           "the web reserves it",
	"healthz":              "load balancers ask for it",
	"readyz":               "load balancers ask for it",
	"metrics":              "monitoring asks for it",
	"api":                  "it is Sluice's own",
	"postback":             "it is Sluice's own",
	"ingest":               "it is Sluice's own",
	"pixel":                "it is Sluice's own",
	"sluice.js":            "it is Sluice's own",
}

// ReservedSlug returns why the slug may not be used on a site whose links stand
// at the root of the host, or "".
func ReservedSlug(slug string) string {
	first, _, _ := strings.Cut(slug, "/")
	return reservedSlugs[first]
}

// clip shortens s to at most n bytes for a message, on a character border.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
