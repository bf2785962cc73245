package nginx

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// spellingsMax bounds the keys that one name gets.
const spellingsMax = 64

// spellings are the ways in which a name is written that nginx, which folds ASCII letters only,
// cannot bring together: non-ASCII letters in either case, composed or not, and signs that mean one. complete is
// false when there are more; those do not find the link.
func spellings(slug string) (all []string, complete bool) {
	if isASCII(slug) {
		return []string{slug}, true
	}
	complete = true
	seen := map[string]bool{}
	add := func(s string) {
		for _, s := range []string{s, norm.NFC.String(s), norm.NFD.String(s)} {
			s = affiliate.LowerASCII(s)
			if canonical, ok := affiliate.CanonicalSlug(s); !ok || canonical != slug || seen[s] {
				continue
			}
			if len(all) == spellingsMax {
				complete = false
				return
			}
			seen[s] = true
			all = append(all, s)
		}
	}
	add(slug)
	add(strings.ToUpper(slug))
	runes := []rune(slug)
	var folded []int // letters that have more than one case
	for i, r := range runes {
		if r >= 0x80 && unicode.SimpleFold(r) != r {
			folded = append(folded, i)
		}
	}
	if len(folded) > foldedMax {
		title := append([]rune(nil), runes...)
		title[0] = unicode.ToUpper(title[0])
		add(string(title))
		return all, false
	}
	var vary func(form []rune, rest []int)
	vary = func(form []rune, rest []int) {
		if len(rest) == 0 {
			add(string(form))
			return
		}
		own := runes[rest[0]]
		vary(form, rest[1:])
		for r := unicode.SimpleFold(own); r != own; r = unicode.SimpleFold(r) {
			form[rest[0]] = r
			vary(form, rest[1:])
		}
		form[rest[0]] = own
	}
	vary(append([]rune(nil), runes...), folded)
	return all, complete
}

// foldedMax is up to how many such letters a name is written in all ways.
const foldedMax = 5

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
