package affiliate

import (
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
//  1. The path after the site's prefix is percent-decoded once. A broken escape
//     or bytes that are not UTF-8 name nothing.
//  2. Empty segments are dropped: "/go/a//b/" is "a/b".
//  3. Non-ASCII text is brought to Unicode NFC.
//  4. Each code point is lower-cased by itself where that yields one code point
//     (so U+0130 İ stays as it is, and Σ is always σ).
//  5. Punctuation that editors glue to the end of a link, SlugTrailing, is cut.
//
// The result is made of letters, digits, marks, "-", "_", ".", "~" and "/"
// between segments, starts and ends with none of the punctuation, and has at
// most SlugBytesMax bytes.

// SlugBytesMax is the length limit of a canonical slug, in bytes.
const SlugBytesMax = 200

// SlugTrailing is the punctuation that is ignored at the end of a requested name.
const SlugTrailing = ".,;:!?'\")]}>-_~"

// CanonicalSlug returns the canonical form of a decoded name, and whether the
// result can be a slug at all. It allocates only when the name is not yet
// canonical.
func CanonicalSlug(name string) (slug string, ok bool) {
	if isPlainSlug(name) {
		return name, true
	}
	if !utf8.ValidString(name) {
		return "", false
	}
	name = strings.Map(lower, norm.NFC.String(name))
	segments := strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
	name = strings.TrimRight(strings.Join(segments, "/"), SlugTrailing+"/")
	return name, slugFault(name) == ""
}

// isPlainSlug says that s is canonical ASCII already, the usual case.
func isPlainSlug(s string) bool {
	if s == "" || len(s) > SlugBytesMax {
		return false
	}
	previous := byte('/')
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '-' || c == '_' || c == '.' || c == '~' || c == '/':
			if previous == '/' {
				return false
			}
		default:
			return false
		}
		previous = c
	}
	return isAlnum(previous)
}

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
	if fault := slugFault(slug); fault != "" {
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
	previous := '/'
	for _, r := range s {
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
