package affiliate

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzCanonicalSlug(f *testing.F) {
	for _, s := range []string{"the-thing", "The-Thing)", "J\u030c", "ς", "İ", "a//b/", "e\u0301", strings.Repeat("\u0332", 40), "\u1100\u1161\u11a8", "ẞ", "x\u0345\u0301", "a\U00010041\u0307", "\U0001e900\U0001e944", "-a", "a/-b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		slug, ok := CanonicalSlug(name)
		if !ok {
			return
		}
		if again, ok := CanonicalSlug(slug); !ok || again != slug {
			t.Errorf("%+q becomes %+q and that %+q, %v", name, slug, again, ok)
		}
		if len(slug) > SlugBytesMax || !utf8.ValidString(slug) || strings.Contains(slug, "//") {
			t.Errorf("%+q becomes %+q", name, slug)
		}
		if fault := slugFault(slug); fault != "" {
			t.Errorf("%+q becomes %+q: %s", name, slug, fault)
		}
	})
}

// Idempotence over every letter there is, in both cases and with a mark: the
// fuzzer would not find the few that break it.
func TestCanonicalSlugOfEveryLetter(t *testing.T) {
	for r := 'A'; r < 0x20000; r++ {
		for _, name := range []string{string(r), string(r) + "\u0307", string(r) + "\u030c", "x" + string(r)} {
			slug, ok := CanonicalSlug(name)
			if !ok {
				continue
			}
			if again, ok := CanonicalSlug(slug); !ok || again != slug {
				t.Errorf("%+q becomes %+q and that %+q, %v", name, slug, again, ok)
			}
		}
	}
}

func TestCanonicalSlugAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { CanonicalSlug("summer/the-thing_2.0") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestParseSlug(t *testing.T) {
	for typed, want := range map[string]string{" Summer-Deal ": "summer-deal", "/go-there/": "go-there", "Größe": "größe", "a/b": "a/b"} {
		if got, err := ParseSlug(typed); err != nil || got != want {
			t.Errorf("%q becomes %q: %v", typed, got, err)
		}
	}
	for typed, says := range map[string]string{"": "is empty", "...": "is empty", "summer deal": `contains ' '`, "a&b": `contains '&'`, "-x": "start with a letter", "a/.b": "start with a letter",
		strings.Repeat("x", 201): "longer than 200", "x" + strings.Repeat("\u0332", 9): "stacks more than 8", "100%": `contains '%'`} {
		if _, err := ParseSlug(typed); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v; want %q", typed, err, says)
		}
	}
	for name, says := range map[string]string{"\xff": "not UTF-8", "\U00010041\u0307": "cannot stand on"} {
		if _, err := ParseSlug(name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+q: %v; want %q", name, err, says)
		}
	}
}

func TestReservedSlug(t *testing.T) {
	for slug, reserved := range map[string]bool{"robots.txt": true, "api": true, "api/v1": true, "apis": false, "the-thing": false, "x/api": false} {
		if got := ReservedSlug(slug) != ""; got != reserved {
			t.Errorf("%s is reserved: %v", slug, got)
		}
	}
}
