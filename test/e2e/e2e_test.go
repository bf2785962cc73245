// Package e2e meets the real program as its users do: by its command line, over
// HTTP and in a data folder, with nothing of it linked in.
package e2e

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/testkit"
)

const browser = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15"

// follow clicks a link like a browser and returns the answer.
func follow(t *testing.T, s *testkit.Server, path string, jar http.CookieJar, headers ...string) *http.Response {
	t.Helper()
	client := http.Client{Jar: jar, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.Links+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", browser)
	r.Header.Set("Accept", "text/html")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res
}

// report asks the command line for clicks and uniques by a dimension.
func report(t *testing.T, s *testkit.Server, by string, more ...string) map[string][2]float64 {
	t.Helper()
	s.Drained(t)
	out := testkit.Must(t, append([]string{"report", "--data", s.Data, "--by", by, "--format", "json"}, more...)...)
	var doc struct{ Rows []map[string]any }
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	counts := map[string][2]float64{}
	for _, row := range doc.Rows {
		counts[fmt.Sprint(row[by])] = [2]float64{row["clicks"].(float64), row["uniques"].(float64)}
	}
	return counts
}

// The newcomer's path of the README: a link, a click, a report.
func TestFirstLink(t *testing.T) {
	s := testkit.StartServer(t, t.TempDir())
	testkit.Must(t, "link", "add", "the-thing", "https://shop.example/p/1?ref=me", "--data", s.Data)
	if got := follow(t, s, "/go/the-thing", nil).Header.Get("Location"); got != "https://shop.example/p/1?ref=me" {
		t.Fatalf("sent to %q", got)
	}
	if got := report(t, s, "link"); got["the-thing"] != [2]float64{1, 1} {
		t.Fatalf("the report says %v", got)
	}
	if code := s.Stop(t); code != 0 {
		t.Errorf("Ctrl-C ended the server with exit code %d:\n%s", code, s.Output())
	}
}

// The two links of the mission's nginx map, imported, clicked, and written again.
func TestNginxMapMovesIn(t *testing.T) {
	s := testkit.StartServer(t, t.TempDir())
	file := filepath.Join(t.TempDir(), "links.conf")
	write(t, file, `map $uri $affiliate_url {
    /go/summer-deal   https://store.com/p/123?ref=aff_01;
    /go/tech-resolve  https://store.com/p/456?ref=darian_v;
    default           https://store.com/;
}

server {
    location ~ ^/go/(.*)$ {
        return 302 $affiliate_url;
    }
}
`)
	testkit.Must(t, "link", "import", file, "--data", s.Data)
	for path, want := range map[string]string{
		"/go/summer-deal": "https://store.com/p/123?ref=aff_01", "/go/tech-resolve": "https://store.com/p/456?ref=darian_v",
		"/go/anything-else": "https://store.com/",
	} {
		if res := follow(t, s, path, nil); res.StatusCode != 302 || res.Header.Get("Location") != want {
			t.Errorf("%s: %d %q", path, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if got := report(t, s, "link"); len(got) != 2 || got["summer-deal"][0] != 1 || got["tech-resolve"][0] != 1 {
		t.Errorf("the report says %v", got)
	}
	out := testkit.Must(t, "link", "export", "--format", "nginx", "--data", s.Data)
	for _, line := range []string{"/go/summer-deal", "https://store.com/p/456?ref=darian_v", "default"} {
		if !strings.Contains(out, line) {
			t.Errorf("the exported map lacks %s:\n%s", line, out)
		}
	}
}

func TestVisitorComesBack(t *testing.T) {
	plainHTTP := filepath.Join(t.TempDir(), "sluice.yml")
	write(t, plainHTTP, "cookie:\n  insecure: true\n")
	s := testkit.StartServer(t, t.TempDir(), "--config", plainHTTP)
	testkit.Must(t, "link", "add", "a", "https://shop.example/a", "--data", s.Data)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		follow(t, s, "/go/a", jar)
	}
	follow(t, s, "/go/a", nil)
	if got := report(t, s, "link"); got["a"] != [2]float64{4, 2} {
		t.Errorf("three clicks of one visitor and one of another: %v", got)
	}
}

func TestBadFileChangesNothing(t *testing.T) {
	s := testkit.StartServer(t, t.TempDir())
	file := filepath.Join(t.TempDir(), "links.csv")
	write(t, file, "slug,url\ngood,https://shop.example/1\nbad,javascript:alert(1)\nGood,https://shop.example/2\nalso-good,https://shop.example/3\n")
	out, errOut, code := testkit.Run(t, "", "link", "import", file, "--data", s.Data)
	if code != 1 || !strings.Contains(out+errOut, "javascript") || !strings.Contains(out+errOut, "3") || !strings.Contains(out+errOut, "4") {
		t.Errorf("exit code %d:\n%s%s", code, out, errOut)
	}
	if res := follow(t, s, "/go/good", nil); res.StatusCode != 404 {
		t.Errorf("a line of a refused file is served: %d", res.StatusCode)
	}
	testkit.Run(t, "", "link", "import", file, "--skip-bad", "--data", s.Data)
	for path, want := range map[string]int{"/go/good": 302, "/go/also-good": 302, "/go/bad": 404} {
		if res := follow(t, s, path, nil); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
	if b, err := os.ReadFile(file + ".bad"); err != nil || !bytes.Contains(b, []byte("javascript:alert(1)")) {
		t.Errorf("the bad lines: %s, %v", b, err)
	}
}

func TestMachineShapes(t *testing.T) {
	data := t.TempDir()
	s := testkit.StartServer(t, data)
	testkit.Must(t, "link", "add", "a", "https://shop.example/a", "--data", data)
	id := follow(t, s, "/go/a?sub1=mail", nil).StatusCode
	if id != 302 {
		t.Fatal(id)
	}
	s.Drained(t)
	var dump struct{ ID, Time, Link, URL string }
	out := testkit.Must(t, "journal", "dump", filepath.Join(data, "journal"))
	if err := json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &dump); err != nil || dump.Link != "a" || dump.URL != "https://shop.example/a" || len(dump.ID) != 24 || dump.Time == "" {
		t.Errorf("journal dump: %s (%v)", out, err)
	}
	raw := testkit.Must(t, "report", "--raw", "--format", "csv", "--data", data)
	rows, err := csv.NewReader(strings.NewReader(raw)).ReadAll()
	if err != nil || len(rows) != 2 || !slices.Contains(rows[1], dump.ID) {
		t.Errorf("raw clicks: %q (%v)", raw, err)
	}
	parquet := filepath.Join(t.TempDir(), "clicks.parquet")
	testkit.Must(t, "report", "--raw", "--format", "parquet", "--out", parquet, "--data", data)
	if b, err := os.ReadFile(parquet); err != nil || !bytes.HasPrefix(b, []byte("PAR1")) {
		t.Errorf("the Parquet file: %d bytes, %v", len(b), err)
	}
	for _, args := range [][]string{{"journal", "stat"}, {"journal", "verify"}} {
		testkit.Must(t, append(args, filepath.Join(data, "journal"))...)
	}
	for _, args := range [][]string{{"doctor", "--format", "json"}, {"link", "list", "--format", "json"}, {"link", "show", "a", "--format", "json"}} {
		out, errOut, code := testkit.Run(t, "", append(args, "--data", data)...)
		if !json.Valid([]byte(out)) || code > 1 {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errOut)
		}
	}
}

func TestDashboardLogin(t *testing.T) {
	s := testkit.StartServer(t, t.TempDir())
	u, err := url.Parse(s.Login)
	if err != nil || u.Query().Get("code") == "" {
		t.Fatalf("no first login in:\n%s", s.Output())
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Jar: jar, Timeout: 10 * time.Second}
	login := func() int {
		res, err := client.Post("http://"+s.Admin+"/api/v1/login", "application/json", strings.NewReader(`{"code":"`+u.Query().Get("code")+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	status := func(path string) int {
		res, err := client.Get("http://" + s.Admin + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	if got := status("/api/v1/links"); got != 401 {
		t.Errorf("without a login: %d", got)
	}
	if got := login(); got >= 300 {
		t.Fatalf("the code does not let in: %d", got)
	}
	if got := status("/api/v1/links"); got != 200 {
		t.Errorf("after the login: %d", got)
	}
	jar, _ = cookiejar.New(nil)
	client.Jar = jar
	if got := login(); got != 401 {
		t.Errorf("the code lets in twice: %d", got)
	}
	for _, path := range []string{"/healthz", "/readyz", "/api/openapi.json"} {
		if got := status(path); got != 200 {
			t.Errorf("%s: %d", path, got)
		}
	}
}

// What cannot be started says where and what to do, and ends with 2.
func TestRefusalsToStart(t *testing.T) {
	inUse := t.TempDir()
	s := testkit.StartServer(t, inUse)
	newer := t.TempDir()
	write(t, filepath.Join(newer, "format"), `{"format": 99}`)
	badConfig := filepath.Join(t.TempDir(), "sluice.yml")
	write(t, badConfig, "listn: 127.0.0.1:0\njournal:\n  segment_byte: 4\n")
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"a folder in use", []string{"--data", inUse}, []string{inUse, fmt.Sprint(s.Pid()), "--data"}},
		{"a newer folder", []string{"--data", newer}, []string{"99", "newer"}},
		{"a port in use", []string{"--data", t.TempDir(), "--listen", s.Links}, []string{s.Links, "in use"}},
		{"unknown keys", []string{"--data", t.TempDir(), "--config", badConfig}, []string{"listn", "listen", "segment_byte"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"serve", "--admin", "127.0.0.1:0"}, c.args...)
			if !slices.Contains(args, "--listen") {
				args = append(args, "--listen", "127.0.0.1:0")
			}
			out, errOut, code := testkit.Run(t, "", args...)
			if code != 2 {
				t.Errorf("exit code %d", code)
			}
			for _, want := range c.want {
				if !strings.Contains(errOut, want) {
					t.Errorf("the message lacks %q:\n%s%s", want, out, errOut)
				}
			}
		})
	}
}

func TestReadOnlyDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("wanted: root, to mount a read-only disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_RDONLY, "size=1m"); err != nil {
		t.Skipf("wanted: a read-only mount, but %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	_, errOut, code := testkit.Run(t, "", "serve", "--data", dir, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	if code != 2 || !strings.Contains(errOut, "read-only disk") || !strings.Contains(errOut, dir) {
		t.Errorf("exit code %d: %s", code, errOut)
	}
}

func TestDemo(t *testing.T) {
	data := t.TempDir()
	testkit.Must(t, "demo", "--data", data, "--days", "10")
	s := testkit.StartServer(t, data)
	var links struct {
		Items []struct{ Slug string }
		Total int
	}
	s.API(t, "GET", "/api/v1/links?limit=100", nil, &links)
	if links.Total != 30 {
		t.Errorf("%d links", links.Total)
	}
	if got := report(t, s, "day", "--since", "30d"); len(got) < 9 {
		t.Errorf("clicks on %d days", len(got))
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
