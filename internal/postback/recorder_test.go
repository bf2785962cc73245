package postback

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

const clickID = "0dd5q0h3c00000000000000f"

var secret = []byte("a secret of thirty-two bytes, ok")

// inboxes are one of each kind, by their tokens.
var inboxes = map[string]Inbox{
	"tok_static": {Program: "shop", Currency: "EUR", Secret: secret, StaticToken: true},
	"tok_signed": {Program: "shop", Currency: "EUR", Secret: secret},
	"tok_bare":   {Program: "bare", Currency: "EUR"},
	"tok_yen":    {Program: "tokyo", Currency: "JPY", StaticToken: true},
	"tok_none":   {Program: "none", StaticToken: true},
	"tok_page":   {Program: "shop", Currency: "EUR", Secret: secret, StaticToken: true, Sources: []affiliate.Source{affiliate.ByPixel, affiliate.ByScript, affiliate.ByPostback}},
	"tok_script": {Program: "shop", Currency: "EUR", StaticToken: true, Sources: []affiliate.Source{affiliate.ByScript}},
}

// recorder is a Taker that remembers. Like the real one it knows a report again by
// its order's number.
type recorder struct {
	mu         sync.Mutex
	taken      []affiliate.Report
	rejections []Rejection
	nonces     map[string]time.Time
	err        error // of the next Take
	nonceErr   error
	programErr error
}

func (r *recorder) Program(_ context.Context, token string) (Inbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.programErr != nil {
		return Inbox{}, r.programErr
	}
	inbox, ok := inboxes[token]
	if !ok {
		return Inbox{}, affiliate.Errorf(affiliate.NotFound, "no such token")
	}
	return inbox, nil
}

func (r *recorder) Take(_ context.Context, report affiliate.Report) (Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.err; err != nil {
		r.err = nil
		return Receipt{}, err
	}
	receipt := Receipt{ID: fmt.Sprintf("r%d", len(r.taken)+1), State: affiliate.Pending, Conversion: "c1"}
	for _, other := range r.taken {
		receipt.Duplicate = receipt.Duplicate || other.Program == report.Program && other.Tx == report.Tx
	}
	r.taken = append(r.taken, report)
	return receipt, nil
}

func (r *recorder) Refuse(_ context.Context, rejection Rejection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rejections = append(r.rejections, rejection)
}

func (r *recorder) Nonce(_ context.Context, program, nonce string, until time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.nonceErr != nil {
		return false, r.nonceErr
	}
	if r.nonces == nil {
		r.nonces = map[string]time.Time{}
	}
	if _, used := r.nonces[program+" "+nonce]; used {
		return false, nil
	}
	r.nonces[program+" "+nonce] = until
	return true, nil
}

// server is a Handler on a real port, at noon.
type server struct {
	url   string
	taker *recorder
	log   *strings.Builder
	close func() // waits for what is under way
}

func serve(t testing.TB, taker *recorder) server {
	log := &strings.Builder{}
	h := New(taker, Options{Now: func() time.Time { return noon }, Logger: slog.New(slog.NewTextHandler(log, nil))})
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return server{url: s.URL, taker: taker, log: log, close: s.Close}
}

// get asks with the query as it is written.
func (s server) get(t testing.TB, path string) (int, reply) {
	t.Helper()
	return s.send(t, "GET", path, "", "")
}

func (s server) send(t testing.TB, method, path, kind, body string) (int, reply) {
	t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %q", got)
	}
	text, _ := io.ReadAll(res.Body)
	var a reply
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("%s %s: %d %q: %v", method, path, res.StatusCode, text, err)
	}
	return res.StatusCode, a
}

// signed is a query with ts, nonce and sig added.
func signed(t testing.TB, query string, at time.Time, nonce string) string {
	t.Helper()
	query += "&ts=" + strconv.FormatInt(at.Unix(), 10) + "&nonce=" + url.QueryEscape(nonce)
	canonical, err := Canonical(query)
	if err != nil {
		t.Fatal(err)
	}
	return query + "&sig=" + Sign(secret, canonical)
}

func money(minor int64, c affiliate.Currency) *affiliate.Money {
	return &affiliate.Money{Minor: minor, Currency: c}
}
