package useragent

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

type deviceCase struct{ Name, UA, Mobile, Device string }

func read[T any](t testing.TB, path string) []T {
	t.Helper()
	bytes, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []T }
	if err := json.Unmarshal(bytes, &file); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(file.Cases) == 0 {
		t.Fatalf("%s: no cases", path)
	}
	return file.Cases
}

func deviceCases(t testing.TB) []deviceCase {
	return read[deviceCase](t, "../../testdata/devices.json")
}

func TestClass(t *testing.T) {
	names := make(map[string]bool)
	for _, c := range deviceCases(t) {
		if names[c.Name] {
			t.Errorf("two cases are named %q", c.Name)
		}
		names[c.Name] = true
		want, ok := ParseDevice(c.Device)
		if !ok {
			t.Errorf("%s: %q is no device class", c.Name, c.Device)
		}
		if got := Class(c.UA, c.Mobile); got != want {
			t.Errorf("%s: Class = %v, want %v\n\t%s", c.Name, got, want, c.UA)
		}
		if got := IsBot(c.UA); got != (want == Bot) {
			t.Errorf("%s: IsBot = %v\n\t%s", c.Name, got, c.UA)
		}
	}
}

// A token that a shorter one above it always takes first is dead, and a table
// that grows by dead lines misleads who reads it.
func TestEveryTokenCanBeTaken(t *testing.T) {
	for i, tok := range tokens {
		if tok.text != strings.ToLower(tok.text) || len(tok.text) < 2 {
			t.Errorf("%q must be lower case and two bytes at least", tok.text)
		}
		group := wordStart.groupOf[tok.text[0]][tok.text[1]]
		ua, at := " "+tok.text, 1
		if tok.where&first != 0 {
			ua, at = tok.text, 0
		}
		taken := wordStart.take(ua, at, group)
		if taken == nil || *taken != tok {
			t.Errorf("token %d %q is never taken: %+v stands above it", i, tok.text, taken)
		}
	}
}

func TestClassAllocatesNothing(t *testing.T) {
	cases := deviceCases(t)
	if allocs := testing.AllocsPerRun(10, func() {
		for i := range cases {
			Class(cases[i].UA, cases[i].Mobile)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations in %d calls", allocs, len(cases))
	}
}

func FuzzClass(f *testing.F) {
	for _, c := range deviceCases(f) {
		f.Add(c.UA)
	}
	f.Fuzz(func(t *testing.T, ua string) {
		class := Class(ua, "")
		if class < Phone || class > Other {
			t.Errorf("Class(%q) = %d", ua, class)
		}
		if upper := upperASCII(ua); Class(upper, "") != class {
			t.Errorf("Class(%q) = %v, but %v in capitals", ua, class, Class(upper, ""))
		}
		if agent := parse(ua); len(ua) <= bytesMax && agent.Device != class {
			t.Errorf("Parse(%q).Device = %v, Class = %v", ua, agent.Device, class)
		}
	})
}

func upperASCII(s string) string {
	bytes := []byte(s)
	for i, c := range bytes {
		if c >= 'a' && c <= 'z' {
			bytes[i] = c - ('a' - 'A')
		}
	}
	return string(bytes)
}

// One walk over 110 to 250 bytes at about 3 ns each.
func BenchmarkClass(b *testing.B) {
	for _, name := range []string{"Chrome on an Android phone", "Chrome on Windows", "Facebook on iPhone", "Googlebot smartphone"} {
		for _, c := range deviceCases(b) {
			if c.Name == name {
				b.Run(name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						Class(c.UA, "")
					}
				})
			}
		}
	}
}
