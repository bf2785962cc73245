package affiliate

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// spellingsMax bounds the keys that one name gets.
const spellingsMax = 64

// Spellings are the ways in which a slug is written, for who compares bytes and folds no letters
// but those of ASCII: letters beyond it in either case, composed or not, and signs that mean
// one. CanonicalSlug makes the slug of each. complete is false when there are more.
func Spellings(slug string) (all []string, complete bool) {
	if isPlainSlug(slug) {
		return []string{slug}, true
	}
	complete = true
	seen := map[string]bool{}
	add := func(s string) {
		for _, s := range []string{s, norm.NFC.String(s), norm.NFD.String(s)} {
			s = LowerASCII(s)
			if canonical, ok := CanonicalSlug(s); !ok || canonical != slug || seen[s] {
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
