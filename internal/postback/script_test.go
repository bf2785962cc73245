package postback

import (
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestScript runs the script itself. Node is part of what the project is built with,
// so that this test does not skip.
func TestScript(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("the script is tested in node, which is not on the PATH; install Node.js 20 or newer")
	}
	out, err := exec.CommandContext(t.Context(), node, "--test", "testdata/sluice.test.mjs").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !regexp.MustCompile(`pass 1[0-9]\b`).Match(out) {
		t.Fatalf("fewer tests ran than there are:\n%s", out)
	}
}

// Newer syntax would stop the whole script in a browser that is older.
func TestScriptIsSmallAndES2017(t *testing.T) {
	if len(script) > 2048 {
		t.Errorf("the script has %d bytes, more than 2048", len(script))
	}
	for _, newer := range []string{`\?\.[a-zA-Z(\[]`, `\?\?`, `catch \{`, `[{,]\s*\.\.\.[a-z]+\s*[,}]`, `\*\*=`, `\bstatic\b`, `\d_\d`, `\bimport\b`, `replaceAll`, `\.at\(`} {
		if found := regexp.MustCompile(newer).FindString(script); found != "" {
			t.Errorf("%q is newer than ES2017", found)
		}
	}
}

func TestScriptIsServed(t *testing.T) {
	s := serve(t, &recorder{})
	res, err := http.Get(s.url + "/sluice.js")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if string(body) != script || res.StatusCode != 200 {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "public, max-age=3600",
		"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	again, _ := http.NewRequest("GET", s.url+"/sluice.js", nil)
	again.Header.Set("If-None-Match", res.Header.Get("ETag"))
	if res, err := http.DefaultClient.Do(again); err != nil || res.StatusCode != http.StatusNotModified {
		t.Errorf("asked again with its ETag: %v %v", res, err)
	}
	if res, _ := http.Post(s.url+"/sluice.js", "text/plain", strings.NewReader("x")); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", res.StatusCode)
	}
}
