package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/analytics/duckdb"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/settlement"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/sqlite"
)

// world is the API over real engines in a folder of the test's own.
type world struct {
	*testing.T
	handler   http.Handler
	catalog   *catalog.Catalog
	accounts  *account.Accounts
	analytics *engine
	office    *settlement.Office
	known     *knownClicks
	store     store.Store
	clock     *clock
	log       *logBuffer
}

// engine is the real one, opened when it is first asked: most tests never do.
type engine struct {
	open func() *duckdb.Engine
}

func (e *engine) Report(ctx context.Context, q analytics.Query) (*analytics.Report, error) {
	return e.open().Report(ctx, q)
}

func (e *engine) Export(ctx context.Context, f analytics.Filter, format analytics.ExportFormat, w io.Writer) error {
	return e.open().Export(ctx, f, format, w)
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newWorld has the site "blog" of blog.example, the operator "admin" and the plain
// user "mia".
func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	w := &world{T: t, clock: &clock{now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}, log: &logBuffer{}}
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "control.db")})
	w.must(err)
	t.Cleanup(func() { w.must(db.Close()) })
	w.catalog, err = catalog.Open(t.Context(), catalog.Options{Store: db, Now: w.clock.Now})
	w.must(err)
	w.accounts = account.Open(account.Options{Store: db, Now: w.clock.Now})
	w.analytics = &engine{open: sync.OnceValue(func() *duckdb.Engine {
		e, err := duckdb.Open(duckdb.Options{Path: filepath.Join(dir, "clicks.db"), Now: w.clock.Now})
		w.must(err)
		t.Cleanup(func() { w.must(e.Close()) })
		return e
	})}
	w.store, w.known = db, &knownClicks{}
	w.office = settlement.Open(settlement.Options{Store: db, Clicks: w.known, Now: w.clock.Now, Random: rand.Uint64})
	t.Cleanup(w.office.Close)
	options := Options{
		Office: w.office, Webhooks: w.desk(), Mailbox: tokens{}, Ingest: intake{}, Cluster: &nodes{}, Catalog: w.catalog, Accounts: w.accounts, Analytics: w.analytics, TempDir: dir, Now: w.clock.Now, Version: "1.2.3",
		Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&options)
	}
	w.handler = New(options)
	boss := catalog.Actor{Name: "test", Operator: true}
	_, err = w.catalog.CreateSite(t.Context(), boss, affiliate.Site{ID: "blog", Hosts: []string{"blog.example"}})
	w.must(err)
	w.must(w.catalog.DeleteSite(t.Context(), boss, "main", 0))
	for name, operator := range map[string]bool{"admin": true, "mia": false} {
		_, err := w.accounts.CreateUser(t.Context(), name, "", operator)
		w.must(err)
	}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// credential changes a request so that it comes from somebody.
type credential func(*http.Request) *http.Request

func nobody(r *http.Request) *http.Request { return r }

// socket is the command line on the same machine.
func socket(r *http.Request) *http.Request {
	var marked *http.Request
	AsOperator(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { marked = r })).ServeHTTP(nil, r)
	return marked
}

func (w *world) token(user string, scope account.Scope) credential {
	w.Helper()
	secret, _, err := w.accounts.CreateToken(w.Context(), user, "test", []account.Scope{scope}, nil)
	w.must(err)
	return func(r *http.Request) *http.Request {
		r.Header.Set("Authorization", "Bearer "+secret)
		return r
	}
}

func (w *world) session(user string) credential {
	w.Helper()
	code, err := w.accounts.IssueCode(w.Context(), user)
	w.must(err)
	s, err := w.accounts.LoginWithCode(w.Context(), code)
	w.must(err)
	return func(r *http.Request) *http.Request {
		r.AddCookie(&http.Cookie{Name: SessionCookie, Value: s.Secret})
		return r
	}
}

// answer is what came back.
type answer struct {
	*httptest.ResponseRecorder
	t *testing.T
}

// do sends a request. The body is text as it is, or anything else as JSON.
func (w *world) do(as credential, method, path string, body any, headers ...string) *answer {
	w.Helper()
	var reader io.Reader
	contentType := ""
	switch body := body.(type) {
	case nil:
	case string:
		reader, contentType = strings.NewReader(body), "application/json"
	default:
		text, err := json.Marshal(body)
		w.must(err)
		reader, contentType = bytes.NewReader(text), "application/json"
	}
	if !strings.HasPrefix(path, "/api/") {
		path = prefix + path
	}
	r := httptest.NewRequest(method, path, reader)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a := &answer{httptest.NewRecorder(), w.T}
	w.handler.ServeHTTP(a, as(r))
	return a
}

// want checks the status and decodes the JSON body into out, if there is one.
func (a *answer) want(status int, out any) *answer {
	a.t.Helper()
	if a.Code != status {
		a.t.Fatalf("status %d, want %d: %s", a.Code, status, a.Body)
	}
	if out != nil {
		if err := json.Unmarshal(a.Body.Bytes(), out); err != nil {
			a.t.Fatalf("%v: %s", err, a.Body)
		}
	}
	return a
}

// problem checks that the answer is a problem and returns it.
func (a *answer) problem(status int, code string) Problem {
	a.t.Helper()
	var p Problem
	if got := a.Header().Get("Content-Type"); got != "application/problem+json" {
		a.t.Fatalf("status %d of type %q is no problem: %s", a.Code, got, a.Body)
	}
	a.want(status, &p)
	if p.Status != status || p.Code != code || p.Title != http.StatusText(status) || p.Type != "about:blank" {
		a.t.Fatalf("problem %+v, want status %d and code %s", p, status, code)
	}
	return p
}

// tokens are those of every program.
type tokens struct{}

func (tokens) Tokens(p *affiliate.Program) (server, page string, secret []byte) {
	return p.ID + ".server", p.ID + ".page", []byte("the secret of " + p.ID)
}
