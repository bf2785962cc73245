package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/config"
)

// output collects what the process prints, for a reader at the same time.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// process is a running App.
type process struct {
	t     *testing.T
	app   *App
	out   *output
	admin string
	links string
	stop  func()
	ended func() // waits until it has ended
}

func settings(dir string) config.Config {
	cfg := config.Default()
	cfg.Data, cfg.Listen, cfg.Admin = dir, "127.0.0.1:0", "127.0.0.1:0"
	return cfg
}

func start(t *testing.T, dir string) *process {
	t.Helper()
	return startWith(t, settings(dir), nil)
}

func startWith(t *testing.T, cfg config.Config, logger *slog.Logger) *process {
	t.Helper()
	return startOptions(t, cfg, Options{Version: "test", Logger: logger})
}

func startOptions(t *testing.T, cfg config.Config, o Options) *process {
	t.Helper()
	p := &process{t: t, out: &output{}}
	o.Out = p.out
	a, err := Build(t.Context(), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	p.app = a
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	p.ended = sync.OnceFunc(func() {
		if err := errors.Join(<-done, a.Close()); err != nil {
			t.Error(err)
		}
	})
	p.stop = func() {
		cancel()
		p.ended()
	}
	t.Cleanup(p.stop)
	p.admin = p.find(`(?:dashboard|health)\s+(http://[^/\s]+)/`)
	if a.answersVisitors() {
		p.links = p.find(`links\s+(http://\S+)/go/`)
	}
	return p
}

// find waits until the process has printed something.
func (p *process) find(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for range 2000 {
		if m := re.FindStringSubmatch(p.out.String()); m != nil {
			return m[1]
		}
		time.Sleep(5 * time.Millisecond)
	}
	p.t.Fatalf("nothing like %q was printed: %s", pattern, p.out)
	return ""
}

// call asks the operator's API.
func (p *process) call(method, path, body string, into any) int {
	p.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	p.app.Handler().ServeHTTP(w, r)
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			p.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	return w.Code
}

// click follows a link and returns where it leads.
func (p *process) click(name string) string {
	p.t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(p.links + "/go/" + name)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.Header.Get("Location")
}

// clicks waits until the report counts n clicks.
func (p *process) clicks(n float64) {
	p.t.Helper()
	var report struct{ Totals map[string]float64 }
	for range 2000 {
		p.call("GET", "/api/v1/reports/clicks?by=link", "", &report)
		if report.Totals["clicks"] >= n {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if report.Totals["clicks"] != n {
		p.t.Fatalf("the report counts %v clicks, want %v", report.Totals["clicks"], n)
	}
}

func TestWholePathOfAClick(t *testing.T) {
	p := start(t, t.TempDir())
	if code := p.call("POST", "/api/v1/links", `{"slug":"the-thing","url":"https://shop.example/p/1"}`, nil); code != 201 {
		t.Fatalf("creating a link: %d", code)
	}
	if got := p.click("the-thing"); got != "https://shop.example/p/1" {
		t.Fatalf("sent to %q", got)
	}
	p.clicks(1)
	p.find(`first login\s+(\S+/login\?code=\w+)`)
}

func TestRestartKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	p.call("POST", "/api/v1/links", `{"slug":"a","url":"https://shop.example/a"}`, nil)
	p.click("a")
	p.stop()
	p = start(t, dir)
	p.click("a")
	p.clicks(2)
}

// A large import leads to a new table. Links that are made while it is being built
// must be in it.
func TestLinksMadeDuringARebuildAreServed(t *testing.T) {
	p := start(t, t.TempDir())
	var file strings.Builder
	const imported, made = 12_000, 150
	for i := range imported {
		fmt.Fprintf(&file, `{"slug":"imported-%d","destinations":[{"url":"https://shop.example/%d"}]}`+"\n", i, i)
	}
	var done sync.WaitGroup
	done.Go(func() {
		if code := p.call("POST", "/api/v1/links/import?format=jsonl", file.String(), nil); code != 200 {
			t.Errorf("the import: %d", code)
		}
	})
	for i := range made {
		if code := p.call("POST", "/api/v1/links", fmt.Sprintf(`{"slug":"made-%d","url":"https://shop.example/m/%d"}`, i, i), nil); code != 201 {
			t.Fatalf("link %d: %d", i, code)
		}
	}
	done.Wait()
	if n := p.app.plane.tables.Current().Links(); n != imported+made { // the import's answer waits for redirects to follow
		t.Fatalf("%d links are served, %d exist", n, imported+made)
	}
	for i := range made {
		if got := p.click(fmt.Sprintf("made-%d", i)); got != fmt.Sprintf("https://shop.example/m/%d", i) {
			t.Fatalf("made-%d is sent to %q", i, got)
		}
	}
}

// A visitor must be served while the store is gone or broken, and what is
// recorded meanwhile must reach the report when the store is back.
func TestVisitorsAreServedWithoutTheStore(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"missing": func(path string) error { return os.Rename(path, path+".away") },
		"damaged": func(path string) error {
			if err := os.Rename(path, path+".away"); err != nil {
				return err
			}
			return os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := start(t, dir)
			p.call("POST", "/api/v1/links", `{"slug":"a","url":"https://shop.example/a"}`, nil)
			p.stop()
			path := filepath.Join(dir, "store", "sluice.db")
			if err := harm(path); err != nil {
				t.Fatal(err)
			}

			a, err := Build(t.Context(), settings(dir), Options{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- a.Run(ctx) }()
			w := httptest.NewRecorder()
			a.plane.others(&a.config).ServeHTTP(w, httptest.NewRequest("GET", "/go/a", nil))
			if got := w.Header().Get("Location"); got != "https://shop.example/a" {
				t.Errorf("sent to %q with status %d", got, w.Code)
			}
			waitFor(t, func() bool { return a.office.fault() != "" })
			w = httptest.NewRecorder()
			a.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/links", nil))
			if w.Code != 503 || !strings.Contains(w.Body.String(), "store") {
				t.Errorf("the API answers %d %s", w.Code, w.Body)
			}
			cancel()
			if err := errors.Join(<-done, a.Close()); err != nil {
				t.Error(err)
			}

			if err := os.Rename(path+".away", path); err != nil {
				t.Fatal(err)
			}
			p = start(t, dir)
			p.clicks(1)
		})
	}
}

func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	for range 2000 {
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("it did not happen")
}

// A part of the whole cannot do what the command line asks of a data folder.
func TestOtherRolesAreRefusedOffline(t *testing.T) {
	for _, role := range []config.Role{config.Redirect, config.Control, config.Pipeline} {
		cfg := settings(t.TempDir())
		cfg.Role = role
		if a, err := Build(t.Context(), cfg, Options{Offline: true}); err == nil || !strings.Contains(err.Error(), string(role)) {
			t.Errorf("%s: %v", role, err)
			if a != nil {
				_ = a.Close()
			}
		}
	}
}

// The data plane alone needs the saved table and nothing else; what it has
// journaled is shipped by the next whole process.
func TestRedirectAlone(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	p.call("POST", "/api/v1/links", `{"slug":"a","url":"https://shop.example/a"}`, nil)
	p.stop()
	for _, gone := range []string{"store", "analytics"} {
		if err := os.Rename(filepath.Join(dir, gone), filepath.Join(dir, gone+".away")); err != nil {
			t.Fatal(err)
		}
	}

	cfg := settings(dir)
	cfg.Role, cfg.Loops = config.Redirect, 5
	p = startWith(t, cfg, nil)
	if got := p.click("a"); got != "https://shop.example/a" {
		t.Errorf("sent to %q", got)
	}
	w := httptest.NewRecorder()
	p.app.adminHandler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	if w.Code != 200 {
		t.Errorf("not ready: %d %s", w.Code, w.Body)
	}
	var problem struct{ Detail string }
	if code := p.call("GET", "/api/v1/links", "", &problem); code != 503 || !strings.Contains(problem.Detail, "role: redirect") {
		t.Errorf("the API answers %d %q", code, problem.Detail)
	}
	const more = 40 // over the lanes of five loops
	for range more {
		p.click("a")
	}
	p.stop()
	for _, gone := range []string{"store", "analytics"} {
		if _, err := os.Stat(filepath.Join(dir, gone)); err == nil {
			t.Errorf("it made the folder %s", gone)
		}
		if err := os.Rename(filepath.Join(dir, gone+".away"), filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
	}

	cfg = settings(dir)
	cfg.Loops = 1 // the other lanes are left
	p = startWith(t, cfg, nil)
	p.click("a")
	p.clicks(1 + more + 1)
	p.stop()
	p = startWith(t, cfg, nil)
	p.clicks(1 + more + 1) // and not again
}

func TestFoldersThatCannotBeUsed(t *testing.T) {
	inUse := t.TempDir()
	p := start(t, inUse)
	newer := t.TempDir()
	write(t, filepath.Join(newer, "format"), `{"format": 99}`)
	foreign := t.TempDir()
	write(t, filepath.Join(foreign, "format"), `hello`)
	aFile := filepath.Join(t.TempDir(), "file")
	write(t, aFile, "x")
	for _, c := range []struct{ dir, want string }{
		{inUse, "is used by another Sluice (process "},
		{newer, "has format 99, written by a newer Sluice; this one knows up to 1"},
		{foreign, "is not Sluice's"},
		{aFile, "cannot be made"},
	} {
		if a, err := Build(t.Context(), settings(c.dir), Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.dir, err, c.want)
			if a != nil {
				_ = a.Close()
			}
		}
	}
	cfg := settings(t.TempDir())
	cfg.Listen = strings.TrimPrefix(p.links, "http://")
	a, err := Build(t.Context(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "in use by another program") {
		t.Errorf("a port in use: %v", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
