package ingest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

const combinedLine = `203.0.113.9 - - [27/Nov/2026:16:00:01 +0100] "GET /go/kettle?sub1=a HTTP/1.1" 302 145 "https://blog.example/tea" "Mozilla/5.0 (X11; Linux x86_64) Firefox/131.0"`

func TestParseCombined(t *testing.T) {
	full := Click{Host: "h.example", IP: "203.0.113.9", Method: "GET", Path: "/go/kettle", Query: "sub1=a", Proto: "HTTP/1.1", Code: 302,
		Referrer: "https://blog.example/tea", Agent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/131.0"}
	with := func(change func(c *Click)) Click { c := full; change(&c); return c }
	replaced := func(from, to string) string { return strings.Replace(combinedLine, from, to, 1) }
	for name, row := range map[string]struct {
		line string
		want Click
	}{
		"as it is":           {combinedLine, full},
		"more behind":        {combinedLine + ` "198.51.100.1" 0.003`, full},
		"a host in front":    {"www.example:443 " + combinedLine, with(func(c *Click) { c.Host = "www.example" })},
		"a host, no port":    {"www.example " + combinedLine, with(func(c *Click) { c.Host = "www.example" })},
		"IPv6":               {replaced("203.0.113.9", "2001:db8::1"), with(func(c *Click) { c.IP = "2001:db8::1" })},
		"a socket":           {replaced("203.0.113.9", "unix:"), with(func(c *Click) { c.IP = "unix:" })},
		"a user with spaces": {replaced("- - [", "- eve [x] y ["), full},
		"HEAD, 301":          {strings.NewReplacer("GET", "HEAD", " 302 ", " 301 ").Replace(combinedLine), with(func(c *Click) { c.Method, c.Code = "HEAD", 301 })},
		"nothing sent":       {replaced("https://blog.example/tea", "-"), with(func(c *Click) { c.Referrer = "" })},
		"nginx's escapes":    {replaced("Mozilla/5.0", `\x22\xC3\xA4\x5C`), with(func(c *Click) { c.Agent = `"ä\ (X11; Linux x86_64) Firefox/131.0` })},
		"Apache's escapes":   {replaced("Mozilla/5.0", `\"\\\t\q`), with(func(c *Click) { c.Agent = "\"\\\t\\q (X11; Linux x86_64) Firefox/131.0" })},
		"absolute":           {replaced("/go/kettle", "https://h.example/go/kettle"), with(func(c *Click) { c.Scheme = "https" })},
		"numbered":           {"#1 " + combinedLine, full},
	} {
		var c Click
		if err := ParseCombined([]byte(row.line), "h.example", &c); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		id, err := affiliate.ParseClickID(c.ID)
		if err != nil || !id.Time().Equal(time.Date(2026, 11, 27, 15, 0, 1, 0, time.UTC)) {
			t.Errorf("%s: id %q of %s, %v", name, c.ID, id.Time(), err)
		}
		if c.ID = ""; c != row.want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, c, row.want)
		}
	}
}

func TestCombinedSaysWhatIsWrong(t *testing.T) {
	for line, want := range map[string]string{
		"":      "time: there is no time",
		"{}":    "time: there is no time",
		"#0 x":  "number:",
		"#":     "number:",
		"#+1 x": "number:",
		"host.example " + strings.TrimPrefix(combinedLine, "203.0.113.9 "):          "ip: \"host.example\" is not an address",
		strings.Replace(combinedLine, "Nov", "Now", 1):                              "time: \"27/Now",
		strings.Replace(combinedLine, " 302 ", " 3o2 ", 1):                          "code: \"3o2\"",
		strings.Replace(combinedLine, " 145 ", " x ", 1):                            "bytes: \"x\"",
		strings.Replace(combinedLine, "HTTP/1.1\" 302 145 ", "HTTP/1.1 302 145", 1): "code:",
		strings.Replace(combinedLine, " HTTP/1.1", "", 1):                           "request:",
		combinedLine[:strings.Index(combinedLine, ` "https`)]:                       "referrer:",
		combinedLine[:len(combinedLine)-1]:                                          "agent:",
	} {
		var c Click
		if err := ParseCombined([]byte(line), "h.example", &c); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", line, err, want)
		}
	}
	for _, line := range []string{
		strings.Replace(combinedLine, " 302 ", " 200 ", 1), strings.Replace(combinedLine, " 302 ", " 304 ", 1),
		strings.Replace(combinedLine, "GET", "POST", 1), `203.0.113.9 - - [27/Nov/2026:16:00:01 +0100] "\x16\x03" 400 0 "-" "-"`,
		`203.0.113.9 - - [27/Nov/2026:16:00:01 +0100] "" 400 0 "-" "-"`, `203.0.113.9 - - [27/Nov/2026:16:00:01 +0100] "-" 000 0 "-" "-"`,
	} {
		var c Click
		if err := ParseCombined([]byte(line), "h.example", &c); !errors.Is(err, ErrNotLink) {
			t.Errorf("%s: %v", line, err)
		}
	}
	var c Click
	if err := ParseCombined([]byte(combinedLine), "", &c); err == nil || !strings.HasPrefix(err.Error(), "host:") {
		t.Errorf("without a host: %v", err)
	}
}

// The ids are kept in journals and reports: they never change.
func TestCombinedIDs(t *testing.T) {
	ids := map[string]string{}
	for _, line := range []string{combinedLine, "#1 " + combinedLine, "#2 " + combinedLine, combinedLine + " ", "#1 " + combinedLine + "\r"} {
		var c Click
		if err := ParseCombined([]byte(line), "h.example", &c); err != nil {
			t.Fatal(err)
		}
		ids[c.ID] = line
	}
	var other Click
	if err := ParseCombined([]byte(combinedLine), "other.example", &other); err != nil {
		t.Fatal(err)
	}
	if ids[other.ID] != "" || len(ids) != 3 {
		t.Errorf("ids %v, of another host %s", ids, other.ID)
	}
	const first = "06h1v19xd3zzxbf3ajd357j5"
	if ids[first] == "" {
		t.Errorf("the line's id is none of %v any more", ids)
	}
}

func FuzzParseCombined(f *testing.F) {
	for _, line := range []string{combinedLine, "#3 www.example:80 " + combinedLine, `1.2.3.4 - - [`, `"\\"`, `::1 - [ [27/Nov/2026:16:00:01 +0100] "GET http:// HTTP/" 302 - "\x" "\`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var c, again Click
		err := ParseCombined(line, "h.example", &c)
		if second, ok := CombinedSecond(line); ok && second < 0 {
			t.Errorf("second %d", second)
		}
		if err != nil {
			return
		}
		if _, err := affiliate.ParseClickID(c.ID); err != nil {
			t.Error(err)
		}
		if c.Host == "" || c.Path == "" || c.Path[0] != '/' || !redirects(c.Code) || c.Method != "GET" && c.Method != "HEAD" {
			t.Errorf("%+v", c)
		}
		if err := ParseCombined(line, "h.example", &again); err != nil || c != again {
			t.Errorf("%v, and again %+v", err, again)
		}
	})
}

func BenchmarkParseCombined(b *testing.B) {
	line := []byte(combinedLine)
	var c Click
	for b.Loop() {
		if err := ParseCombined(line, "h.example", &c); err != nil {
			b.Fatal(err)
		}
	}
}
