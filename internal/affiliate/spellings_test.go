package affiliate

import (
	"slices"
	"testing"
)

func TestSpellings(t *testing.T) {
	for slug, want := range map[string][]string{
		"plain":    {"plain"},
		"café":     {"café", "cafe\u0301", "cafÉ", "cafE\u0301"},
		"größe":    {"größe", "gro\u0308ße", "grÖße", "größe"},
		"å":        {"å", "Å", "\u212b"},
		"日本":       {"日本"},
		"a\u0301b": nil,
	} {
		all, complete := Spellings(slug)
		if !complete || len(all) > spellingsMax {
			t.Errorf("%q has %d spellings, complete %t", slug, len(all), complete)
		}
		for _, s := range all {
			if canonical, ok := CanonicalSlug(s); !ok || canonical != slug {
				t.Errorf("%q is a spelling of %q, and names %q", s, slug, canonical)
			}
		}
		for _, s := range want {
			if !slices.Contains(all, LowerASCII(s)) {
				t.Errorf("%q is no spelling of %q: %q", s, slug, all)
			}
		}
	}
	if all, complete := Spellings("σίσυφος-αβγδεζηθικλμν"); complete || len(all) < 2 {
		t.Errorf("a long name has %d spellings, complete %t", len(all), complete)
	}
}
