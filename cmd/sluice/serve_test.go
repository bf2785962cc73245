package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// watched is output that can be awaited.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newWatched() *watched { return &watched{more: make(chan struct{}, 1)} }

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
	return w.text.Write(b)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await returns the first group of the pattern once it is printed.
func (w *watched) await(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(30 * time.Second)
	for {
		if m := re.FindStringSubmatch(w.String()); m != nil {
			return m[1]
		}
		select {
		case <-w.more:
		case <-deadline:
			t.Fatalf("%s was not printed:\n%s", pattern, w)
		}
	}
}

// server is "sluice serve" in this process.
type server struct {
	visitors, admin string // addresses
	stop            func() // and wait for its end
}

func serve(t *testing.T, data string, environ ...string) *server {
	t.Helper()
	out, errOut := newWatched(), newWatched()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	p := &program{in: strings.NewReader(""), out: out, errOut: errOut, environ: environ, now: time.Now}
	go func() {
		ended <- run(ctx, p, []string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"})
	}()
	s := &server{}
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			cancel()
			if code := <-ended; code != exitFine {
				t.Errorf("serve ended with %d\n%s%s", code, out, errOut)
			}
		})
	}
	t.Cleanup(s.stop)
	s.visitors = out.await(t, `links\s+http://([^/]+)/`)
	s.admin = out.await(t, `dashboard\s+(http://[^/]+)/`)
	out.await(t, `(first login)`)
	return s
}

// served returns the data folder of a server that runs as long as the test.
// Commands that go through it are much cheaper than those that open the folder.
func served(t *testing.T) (data string) {
	t.Helper()
	data = t.TempDir()
	serve(t, data)
	return data
}

// click follows a managed link as a browser would, and returns where it leads.
func (s *server) click(t *testing.T, slug string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.visitors+"/go/"+slug, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0")
	request.Header.Set("Accept", "text/html")
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // a redirect has none
	return response.Header.Get("Location")
}

type reportAnswer struct {
	Rows []struct {
		Link    string `json:"link"`
		Clicks  int    `json:"clicks"`
		Uniques int    `json:"uniques"`
	} `json:"rows"`
	Totals map[string]int `json:"totals"`
}

func TestAddClickReport(t *testing.T) {
	// A path that is longer than the address of a socket may be.
	data := filepath.Join(t.TempDir(), strings.Repeat("long-folder-name/", 8), "data")
	sluice(t, data, "link", "add", "before", "https://before.example").must(t, exitFine)
	s := serve(t, data, "SLUICE_LOOPS=1") // whose lane is 1

	added := sluice(t, data, "link", "add", "the-thing", "https://shop.example/p/123?ref=abc").must(t, exitFine)
	contains(t, added.out, "added #2 http://"+s.visitors+"/go/the-thing")
	for _, slug := range []string{"the-thing", "the-thing", "before"} {
		if to := s.click(t, slug); !strings.HasPrefix(to, "https://") {
			t.Fatalf("%s leads to %q", slug, to)
		}
	}
	var r reportAnswer
	for deadline := time.Now().Add(20 * time.Second); r.Totals["clicks"] < 3; {
		r = reportAnswer{}
		sluice(t, data, "report", "--by", "link", "--format", "json").must(t, exitFine).json(t, &r)
		if time.Now().After(deadline) {
			t.Fatalf("the clicks are not in the report: %+v", r)
		}
	}
	if len(r.Rows) != 2 || r.Rows[0].Link != "the-thing" || r.Rows[0].Clicks != 2 || r.Rows[0].Uniques != 2 {
		t.Errorf("%+v", r)
	}
	contains(t, sluice(t, data, "report", "--by", "link,browser", "--is", "link=the-thing").must(t, exitFine).out, "LINK", "BROWSER", "CLICKS", "the-thing  Firefox", "all")
	contains(t, sluice(t, data, "report", "--by", "link", "--format", "csv").must(t, exitFine).out, "the-thing")
	raw := sluice(t, data, "report", "--raw").must(t, exitFine)
	if rows, err := csv.NewReader(strings.NewReader(raw.out)).ReadAll(); err != nil || len(rows) != 4 {
		t.Errorf("%d rows of raw clicks, %v", len(rows), err)
	}
	parquet := filepath.Join(t.TempDir(), "clicks.parquet")
	sluice(t, data, "report", "--raw", "--format", "parquet", "--out", parquet).must(t, exitFine)
	if b, err := os.ReadFile(parquet); err != nil || !bytes.HasPrefix(b, []byte("PAR1")) {
		t.Errorf("not a Parquet file: %v", err)
	}
	remote(t, s, data)
	contains(t, sluice(t, data, "demo").must(t, exitFailed).err, "a server is running")
	contains(t, sluice(t, data, "doctor", "--listen", s.visitors, "--admin", strings.TrimPrefix(s.admin, "http://")).must(t, exitFine).out, "running, version", "up to date", s.visitors+" answers")
	s.stop()
	dumped(t, data)
	contains(t, sluice(t, data, "report", "--by", "link").must(t, exitFine).out, "the-thing")
}

// remote uses the server by its address and a token.
func remote(t *testing.T, s *server, data string) {
	t.Helper()
	secret := strings.TrimSpace(sluice(t, data, "token", "add", "remote", "--scope", "read", "--expires", "1d").must(t, exitFine).out)
	environ := []string{"SLUICE_URL=" + s.admin, "SLUICE_TOKEN=" + secret}
	contains(t, sluiceWith(t, "", environ, "", "link", "list").must(t, exitFine).out, "the-thing")
	forbidden := sluiceWith(t, "", environ, "", "link", "rm", "the-thing").must(t, exitFailed)
	contains(t, forbidden.err, "token")
	contains(t, sluice(t, data, "token", "list").must(t, exitFine).out, "remote", "read")
	contains(t, sluiceWith(t, "", append(environ[:1:1], "SLUICE_TOKEN="+secret), "", "login").must(t, exitFailed).err, "token")
	contains(t, sluice(t, data, "login", "--admin", strings.TrimPrefix(s.admin, "http://")).must(t, exitFine).out, s.admin+"/login?code=")
}

// dumped reads the journal of a stopped server.
func dumped(t *testing.T, data string) {
	t.Helper()
	for _, dir := range []string{data, filepath.Join(data, "journal"), filepath.Join(data, "journal", "1")} {
		got := sluice(t, "", "journal", "dump", dir).must(t, exitFine)
		lines := strings.Split(strings.TrimSpace(got.out), "\n")
		if len(lines) != 3 {
			t.Fatalf("%d records in %s:\n%s", len(lines), dir, got.out)
		}
		var c struct {
			ID, Link, URL, Verdict string
			Time                   time.Time
		}
		if err := json.Unmarshal([]byte(lines[0]), &c); err != nil {
			t.Fatal(err)
		}
		if len(c.ID) != 24 || c.Link != "the-thing" || c.URL != "https://shop.example/p/123?ref=abc" || time.Since(c.Time) > time.Hour || c.Verdict != "ok" {
			t.Errorf("%+v", c)
		}
	}
	cutShort(t, data)
	contains(t, sluice(t, data, "journal", "stat").must(t, exitFine).out, "SEGMENTS", "no")
	contains(t, sluice(t, data, "journal", "verify").must(t, exitFine).out, "3 whole records", "no damage")
	damage(t, data)
}

// cutShort leaves behind the last record what a kill does, and takes it away again:
// that is told, and is no problem.
func cutShort(t *testing.T, data string) {
	t.Helper()
	name := withClicks(t, data)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(append(bytes.Clone(whole), bytes.Repeat([]byte("x"), 50)...))
	got := sluice(t, data, "journal", "dump").must(t, exitFine)
	if n := strings.Count(got.out, "\n"); n != 3 {
		t.Errorf("%d records", n)
	}
	contains(t, got.err, "expected after a crash")
	write(whole)
}

// withClicks is the journal's file that has some.
func withClicks(t *testing.T, data string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "journal", "1", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && bytes.Contains(b, []byte("the-thing")) {
			return name
		}
	}
	t.Fatalf("no click in %q", files)
	return ""
}

// damage flips a bit of the second record.
func damage(t *testing.T, data string) {
	t.Helper()
	name := withClicks(t, data)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.Index(b, []byte("the-thing"))
	second := first + 9 + bytes.Index(b[first+9:], []byte("the-thing"))
	b[second] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	got := sluice(t, data, "journal", "verify").must(t, exitProblems)
	contains(t, got.out, "2 whole records", "1 record lost", "segment")
	var v struct {
		Damaged bool `json:"damaged"`
	}
	if sluice(t, data, "journal", "verify", "--format", "json").must(t, exitProblems).json(t, &v); !v.Damaged {
		t.Error("the JSON does not say that it is damaged")
	}
	left := sluice(t, data, "journal", "dump").must(t, exitProblems)
	if n := strings.Count(left.out, "\n"); n != 2 {
		t.Errorf("%d records are left:\n%s", n, left.out)
	}
	contains(t, sluice(t, data, "doctor").must(t, exitProblems).out, "fail  journal 1", "sluice journal verify")
}

func TestTwoServersOnOneFolder(t *testing.T) {
	data := t.TempDir()
	serve(t, data)
	got := sluice(t, data, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0").must(t, exitFailed)
	contains(t, got.err, "is used by another Sluice", "--data")
}

func TestPortInUse(t *testing.T) {
	s := serve(t, t.TempDir())
	got := sluice(t, t.TempDir(), "serve", "--listen", s.visitors, "--admin", "127.0.0.1:0").must(t, exitFailed)
	contains(t, got.err, s.visitors+" is in use", "--listen")
	contains(t, sluice(t, t.TempDir(), "doctor", "--listen", s.visitors, "--admin", "127.0.0.1:0").must(t, exitProblems).out, "fail  listen", "stop the program that has it")
}
