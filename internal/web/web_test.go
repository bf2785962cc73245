package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sluicehq/sluice/internal/web"
)

const script = "/assets/index-4f2aB_c1.js"

// build is what `npm run build` leaves, in small.
func build() fstest.MapFS {
	return fstest.MapFS{
		".keep":              {},
		"index.html":         {Data: []byte("<html>the page</html>")},
		"index.html.gz":      {Data: []byte("gzip page")},
		"favicon.svg":        {Data: []byte("<svg/>")},
		script[1:]:           {Data: []byte("plain script")},
		script[1:] + ".br":   {Data: []byte("brotli script")},
		script[1:] + ".gz":   {Data: []byte("gzip script")},
		"assets/archive.gz":  {Data: []byte("an archive of its own")},
		"assets/unhashed.js": {Data: []byte("as it is")},
	}
}

func get(t *testing.T, h http.Handler, path string, headers ...string) *http.Response {
	t.Helper()
	return do(t, h, http.MethodGet, path, headers...)
}

func do(t *testing.T, h http.Handler, method, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAddresses(t *testing.T) {
	h := web.Handler(web.Options{Files: build()})
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/", "the page", 200},
		{"/index.html", "the page", 200},
		{"/login?code=abc", "the page", 200},
		{"/links/17/edit", "the page", 200},
		{"/links/", "the page", 200},
		{"/favicon.svg", "<svg/>", 200},
		{script, "plain script", 200},
		{"/assets/archive.gz", "an archive", 200},
		{"/assets/index-00000000.js", "load the page again", 404},
		{script + ".br", "load the page again", 404},
		{"/.keep", "load the page again", 404},
		{"/../web.go", "load the page again", 404},
	} {
		r := get(t, h, c.path)
		if body := text(t, r); r.StatusCode != c.status || !strings.Contains(body, c.body) {
			t.Errorf("GET %s: %d %q, want %d %q", c.path, r.StatusCode, body, c.status, c.body)
		}
	}
}

func TestSmallestFormThatTheBrowserTakes(t *testing.T) {
	h := web.Handler(web.Options{Files: build()})
	for _, c := range []struct{ path, accept, encoding, body string }{
		{script, "", "", "plain script"},
		{script, "gzip, deflate, br, zstd", "br", "brotli script"},
		{script, "gzip", "gzip", "gzip script"},
		{script, "br;q=0, gzip;q=0.5", "gzip", "gzip script"},
		{script, "br; q=0", "", "plain script"},
		{script, "identity, *", "", "plain script"},
		{"/links", "br, gzip", "gzip", "gzip page"},
		{"/favicon.svg", "br, gzip", "", "<svg/>"},
	} {
		r := get(t, h, c.path, "Accept-Encoding", c.accept)
		if body := text(t, r); r.Header.Get("Content-Encoding") != c.encoding || body != c.body {
			t.Errorf("GET %s with %q: %q %q, want %q %q", c.path, c.accept, r.Header.Get("Content-Encoding"), body, c.encoding, c.body)
		}
	}
	if got := get(t, h, script).Header.Get("Vary"); got != "Accept-Encoding" {
		t.Errorf("Vary of a file with several forms: %q", got)
	}
}

func TestCaching(t *testing.T) {
	h := web.Handler(web.Options{Files: build()})
	for path, want := range map[string]string{
		script:                "public, max-age=31536000, immutable",
		"/":                   "no-cache",
		"/links":              "no-cache",
		"/favicon.svg":        "no-cache",
		"/assets/unhashed.js": "no-cache",
		"/assets/gone.js":     "no-store",
	} {
		if got := get(t, h, path).Header.Get("Cache-Control"); got != want {
			t.Errorf("Cache-Control of %s: %q, want %q", path, got, want)
		}
	}
}

func TestUnchangedPageIsNotSentAgain(t *testing.T) {
	h := web.Handler(web.Options{Files: build()})
	first := get(t, h, "/links")
	tag := first.Header.Get("ETag")
	if tag == "" {
		t.Fatal("the page has no ETag")
	}
	again := get(t, h, "/links", "If-None-Match", tag)
	if body := text(t, again); again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("asking again: %d %q, want 304", again.StatusCode, body)
	}
	if zipped := get(t, h, "/links", "Accept-Encoding", "gzip").Header.Get("ETag"); zipped == tag {
		t.Error("two forms share an ETag")
	}
	changed := build()
	changed["index.html"] = &fstest.MapFile{Data: []byte("<html>another page</html>")}
	if r := get(t, web.Handler(web.Options{Files: changed}), "/links", "If-None-Match", tag); r.StatusCode != http.StatusOK {
		t.Errorf("asking for a changed page: %d, want 200", r.StatusCode)
	}
}

func TestHeadHasNoBody(t *testing.T) {
	r := do(t, web.Handler(web.Options{Files: build()}), http.MethodHead, script)
	if body := text(t, r); r.StatusCode != 200 || body != "" || r.Header.Get("Content-Length") != "12" {
		t.Errorf("HEAD: %d %q, Content-Length %s", r.StatusCode, body, r.Header.Get("Content-Length"))
	}
}

func TestOnlyReading(t *testing.T) {
	r := do(t, web.Handler(web.Options{Files: build()}), http.MethodPost, "/login")
	if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", r.StatusCode, r.Header.Get("Allow"))
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	h := web.Handler(web.Options{Files: build()})
	for _, path := range []string{"/", script, "/gone.js"} {
		header := get(t, h, path).Header
		policy := header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("policy of %s lacks %q: %s", path, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("policy of %s is loose: %s", path, policy)
		}
		if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("headers of %s: %v", path, header)
		}
	}
}

func TestDashboardThatWasNotBuilt(t *testing.T) {
	h := web.Handler(web.Options{Files: fstest.MapFS{".keep": {}}})
	r := get(t, h, "/")
	if body := text(t, r); r.StatusCode != http.StatusNotFound || !strings.Contains(body, "make build") {
		t.Errorf("GET /: %d %q", r.StatusCode, body)
	}
}

// TestEmbedded holds for a program with and without the dashboard.
func TestEmbedded(t *testing.T) {
	r := get(t, web.Handler(web.Options{}), "/")
	body := text(t, r)
	switch {
	case r.StatusCode == http.StatusNotFound && strings.Contains(body, "make build"):
		t.Log("the dashboard is not built in")
	case r.StatusCode != http.StatusOK || !strings.Contains(body, `id="root"`):
		t.Errorf("GET /: %d %q", r.StatusCode, body)
	case strings.Contains(body, "<style") || strings.Contains(body, "<script>") || strings.Contains(body, " style="):
		t.Errorf("the page holds scripts or styles that its policy forbids: %q", body)
	}
}
