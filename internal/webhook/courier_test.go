package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/sqlite"
)

var (
	begin    = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	loopback = Policy{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
	oldKey   = secretPrefix + base64.StdEncoding.EncodeToString([]byte("the key that was there before it"))
	newKey   = secretPrefix + base64.StdEncoding.EncodeToString([]byte("a key of twenty-four byte"))
)

// post is an outbox with a courier and a clock.
type post struct {
	t     *testing.T
	store store.Store
	mu    sync.Mutex
	time  time.Time
	*Courier
}

func open(t *testing.T, change func(*Options)) *post {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "sluice.db")})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	p := &post{t: t, store: s, time: begin}
	p.restart(change)
	return p
}

// restart abandons the courier and makes another one.
func (p *post) restart(change func(*Options)) {
	o := Options{Store: p.store, Now: p.now, Random: func() uint64 { return ^uint64(0) >> 1 }, Policy: loopback}
	if change != nil {
		change(&o)
	}
	p.Courier = New(o)
}

func (p *post) now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.time
}

func (p *post) later(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.time = p.time.Add(d)
}

func (p *post) update(fn func(w store.Writer) error) {
	p.t.Helper()
	must(p.t, p.store.Update(p.t.Context(), fn))
}

func (p *post) save(e Endpoint) {
	p.t.Helper()
	if e.Secret == "" {
		e.Secret = newKey
	}
	p.update(func(w store.Writer) error { return SaveEndpoint(w, &e, loopback) })
}

// send puts n messages for an endpoint into the outbox.
func (p *post) send(endpoint string, n int) {
	p.t.Helper()
	p.update(func(w store.Writer) error {
		for i := range n {
			m := store.Message{ID: fmt.Sprintf("msg_%s%d", endpoint, i), Kind: KindWebhook, Target: "webhook/" + endpoint, Body: []byte(fmt.Sprintf(`{"n":%d}`, i))}
			if err := w.Books().Enqueue([]store.Message{m}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *post) deliver() int {
	p.t.Helper()
	n, err := p.Deliver(p.t.Context())
	must(p.t, err)
	return n
}

// waiting are all messages that are not dead, whenever they are due.
func (p *post) waiting() (all []store.Message) {
	p.t.Helper()
	must(p.t, p.store.View(p.t.Context(), func(r store.Reader) (err error) {
		all, err = r.Books().DueMessages(begin.AddDate(1, 0, 0), 1000)
		return err
	}))
	return all
}

func (p *post) dead() (all []store.Message) {
	p.t.Helper()
	must(p.t, p.store.View(p.t.Context(), func(r store.Reader) (err error) {
		all, err = r.Books().DeadMessages("", 1000)
		return err
	}))
	return all
}

func (p *post) endpoint(id string) (e Endpoint) {
	p.t.Helper()
	must(p.t, p.store.View(p.t.Context(), func(r store.Reader) error {
		_, err := find(r.Documents(), "webhook/"+id, &e)
		return err
	}))
	return e
}

// receiver is a real server that remembers what it got.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []delivery
}

type delivery struct {
	method, uri string
	header      http.Header
	body        string
}

func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.got = append(r.got, delivery{q.Method, q.RequestURI, q.Header.Clone(), string(body)})
		r.mu.Unlock()
		if answer != nil {
			answer(w, q)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivery(nil), r.got...)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// signature by the specification, with nothing of the package.
func signature(t *testing.T, secret, id, timestamp, body string) string {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	must(t, err)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "." + body))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestDeliveryIsSigned(t *testing.T) {
	r := receive(t, nil)
	p := open(t, nil)
	e := Endpoint{ID: "shop", URL: r.URL + "/hook?a=b", Secret: oldKey}
	e.Rotate(newKey, begin.Add(time.Hour))
	p.save(e)
	p.send("shop", 1)
	if n := p.deliver(); n != 1 {
		t.Fatalf("attended to %d messages", n)
	}
	p.later(2 * time.Hour)
	p.send("shop", 1)
	p.deliver()
	got := r.all()
	if len(got) != 2 || got[0].method != "POST" || got[0].uri != "/hook?a=b" || got[0].body != `{"n":0}` || got[0].header.Get("content-type") != "application/json" {
		t.Fatalf("received %+v", got)
	}
	id, at := got[0].header.Get("webhook-id"), got[0].header.Get("webhook-timestamp")
	if id != "msg_shop0" || at != strconv.FormatInt(begin.Unix(), 10) {
		t.Errorf("id %q, timestamp %q", id, at)
	}
	if want := signature(t, newKey, id, at, got[0].body) + " " + signature(t, oldKey, id, at, got[0].body); got[0].header.Get("webhook-signature") != want {
		t.Errorf("the signature is %q, want %q", got[0].header.Get("webhook-signature"), want)
	}
	at = strconv.FormatInt(begin.Add(2*time.Hour).Unix(), 10)
	if want := signature(t, newKey, id, at, got[1].body); got[1].header.Get("webhook-signature") != want {
		t.Errorf("after the rotation the signature is %q, want %q", got[1].header.Get("webhook-signature"), want)
	}
	if left := p.waiting(); len(left) != 0 {
		t.Errorf("still in the outbox: %+v", left)
	}
}

// Thousands of messages to several receivers at once: each exactly once, and never more
// than four under way to one host.
func TestEachOnceAndFourAtATime(t *testing.T) {
	var now, most atomic.Int64
	slow := func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Millisecond)
		now.Add(-1)
	}
	one, two := receive(t, slow), receive(t, nil)
	p := open(t, nil)
	p.save(Endpoint{ID: "one", URL: one.URL})
	p.save(Endpoint{ID: "two", URL: two.URL})
	p.send("one", 300)
	p.send("two", 300)
	for p.deliver() > 0 {
	}
	for _, r := range []*receiver{one, two} {
		seen := map[string]int{}
		for _, d := range r.all() {
			seen[d.header.Get("webhook-id")]++
		}
		if len(seen) != 300 || len(r.all()) != 300 {
			t.Errorf("%d messages in %d deliveries, want 300 each once", len(seen), len(r.all()))
		}
	}
	if most.Load() > perHost || most.Load() < 2 {
		t.Errorf("%d at a time to one host, want 2 to %d", most.Load(), perHost)
	}
	if s := p.Stats(); s.Delivered != 600 {
		t.Errorf("counted %+v", s)
	}
}

func TestRetriesToTheDeadLetter(t *testing.T) {
	r := receive(t, func(w http.ResponseWriter, q *http.Request) {
		w.WriteHeader(500)
		_, _ = fmt.Fprintf(w, "no room\x00 for %s\n%s", strings.TrimPrefix(newKey, "whsec_"), strings.Repeat("x", 1000))
	})
	p := open(t, func(o *Options) { o.Random = func() uint64 { return 0 } })
	p.save(Endpoint{ID: "shop", URL: r.URL + "/h"})
	p.send("shop", 1)
	for i := range delays {
		if n := p.deliver(); n != 1 {
			t.Fatalf("attempt %d: attended to %d", i+1, n)
		}
		left := p.waiting()
		if len(left) != 1 || left[0].Attempts != i+1 || left[0].NotBefore.Before(p.now()) {
			t.Fatalf("after attempt %d: %+v", i+1, left)
		}
		if e := left[0].LastError; !strings.HasPrefix(e, "it answered 500 Internal Server Error: no room for […] xxx") || len(e) > 500 {
			t.Fatalf("the last error is %q", e)
		}
		p.later(time.Second)
	}
	p.deliver()
	if d := p.dead(); len(d) != 1 || d[0].Attempts != 9 || len(p.waiting()) != 0 {
		t.Fatalf("dead: %+v, waiting: %+v", d, p.waiting())
	}
	p.update(func(w store.Writer) error {
		n, err := ReplayAll(w, "webhook/other")
		if err != nil || n != 0 {
			t.Errorf("replayed %d of another target, %v", n, err)
		}
		if n, err = ReplayAll(w, "webhook/shop"); err != nil || n != 1 {
			t.Errorf("replayed %d, %v", n, err)
		}
		return nil
	})
	if p.deliver(); len(r.all()) != 10 || r.all()[9].header.Get("webhook-id") != "msg_shop0" {
		t.Errorf("replayed as %+v", r.all()[len(r.all())-1])
	}
}

func TestDelaysAreJittered(t *testing.T) {
	for i, d := range delays {
		if got := jitter(d, 0); got != 1 {
			t.Errorf("delay %d: the least is %v", i, got)
		}
		if got := jitter(d, uint64(d)-1); got != d {
			t.Errorf("delay %d: the most is %v, want %v", i, got, d)
		}
	}
}

func TestRecoversAfterFailures(t *testing.T) {
	var asked atomic.Int64
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) <= 3 {
			w.WriteHeader(404)
		}
	})
	p := open(t, nil)
	p.save(Endpoint{ID: "shop", URL: r.URL})
	p.send("shop", 1)
	for len(p.waiting()) > 0 {
		p.deliver()
		p.later(20 * time.Minute)
	}
	if got := r.all(); len(got) != 4 || p.Stats() != (Stats{Delivered: 1, Failed: 3}) {
		t.Errorf("%d deliveries, %+v", len(got), p.Stats())
	}
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		header string
		want   time.Duration
	}{
		{"", 0}, {"120", 2 * time.Minute}, {"0", 0}, {"-5", 0}, {"soon", 0}, {"999999999999", 24 * time.Hour},
		{"18446744073709551615", 24 * time.Hour}, {begin.Add(time.Hour).Format(http.TimeFormat), time.Hour},
		{begin.Add(-time.Hour).Format(http.TimeFormat), 0}, {begin.AddDate(1, 0, 0).Format(http.TimeFormat), 24 * time.Hour},
	} {
		if got := retryAfter(c.header, begin); got != c.want {
			t.Errorf("%q: %v, want %v", c.header, got, c.want)
		}
	}
	for _, status := range []int{429, 503} {
		r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(status)
		})
		p := open(t, nil)
		p.save(Endpoint{ID: "shop", URL: r.URL})
		p.send("shop", 20)
		p.deliver()
		left := p.waiting()
		if len(left) != 20 || len(r.all()) > perHost {
			t.Errorf("%d: %d wait, %d were tried although the host asked for a rest", status, len(left), len(r.all()))
		}
		for _, m := range left {
			if wait := m.NotBefore.Sub(begin); wait != time.Hour {
				t.Errorf("%d: %s waits %v", status, m.ID, wait)
			}
		}
		if p.later(59 * time.Minute); p.deliver() != 0 {
			t.Errorf("%d: tried before it asked for it", status)
		}
	}
}

func TestGoneDisables(t *testing.T) {
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) })
	p := open(t, nil)
	p.save(Endpoint{ID: "shop", URL: r.URL})
	p.send("shop", 8)
	for p.deliver() > 0 {
	}
	e := p.endpoint("shop")
	if !e.Disabled || !strings.Contains(e.DisabledWhy, "410") || e.Version != 2 || e.Secret != newKey {
		t.Errorf("the endpoint is %+v", e)
	}
	if d := p.dead(); len(d) != 8 {
		t.Errorf("%d are dead, want all 8", len(d))
	}
}

// An endpoint that is edited while its old URL answers 410 stays, and gets the message.
func TestGoneOfAnOldURL(t *testing.T) {
	good := receive(t, nil)
	p := open(t, nil)
	bad := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		p.save(Endpoint{ID: "shop", URL: good.URL, Version: 1})
		w.WriteHeader(410)
	})
	p.save(Endpoint{ID: "shop", URL: bad.URL})
	p.send("shop", 1)
	p.deliver()
	p.deliver()
	if e := p.endpoint("shop"); e.Disabled || len(good.all()) != 1 {
		t.Errorf("the endpoint is %+v, and got %d", e, len(good.all()))
	}
}

func TestHangingReceiverHoldsNobodyUp(t *testing.T) {
	release := make(chan struct{})
	hanging := receive(t, func(http.ResponseWriter, *http.Request) { <-release })
	good := receive(t, nil)
	t.Cleanup(func() { close(release) })
	p := open(t, func(o *Options) { o.Timeout = 300 * time.Millisecond })
	p.save(Endpoint{ID: "bad", URL: hanging.URL})
	p.save(Endpoint{ID: "good", URL: good.URL})
	p.send("bad", 400)
	p.send("good", 50)
	started := time.Now()
	for len(good.all()) < 50 {
		if p.deliver() == 0 {
			t.Fatal("nothing is due, and not all are delivered")
		}
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("50 messages waited %v for another host", took)
	}
	if tried := len(hanging.all()); tried > 2*perHost+perHost {
		t.Errorf("the host that hangs was tried %d times", tried)
	}
	counted := 0
	for _, m := range p.waiting() {
		if counted += m.Attempts; m.Attempts > 0 && m.LastError != "it did not answer in time" {
			t.Errorf("the last error is %q", m.LastError)
		}
	}
	if counted == 0 || counted > 3*perHost {
		t.Errorf("%d attempts are counted", counted)
	}
}

func TestEndlessAnswer(t *testing.T) {
	var wrote atomic.Int64
	endless := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) {
			w.WriteHeader(status)
			for q.Context().Err() == nil {
				n, err := w.Write(make([]byte, 32<<10))
				if wrote.Add(int64(n)); err != nil {
					return
				}
			}
		}
	}
	good, bad := receive(t, endless(200)), receive(t, endless(400))
	p := open(t, nil)
	p.save(Endpoint{ID: "good", URL: good.URL})
	p.save(Endpoint{ID: "bad", URL: bad.URL})
	p.send("good", 1)
	p.send("bad", 1)
	started := time.Now()
	p.deliver()
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("it was listened to for %v", took)
	}
	if p.Stats() != (Stats{Delivered: 1, Failed: 1}) || wrote.Load() > 64<<20 {
		t.Errorf("%+v, %d bytes", p.Stats(), wrote.Load())
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	inner := receive(t, nil)
	r := receive(t, func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, inner.URL, http.StatusTemporaryRedirect)
	})
	p := open(t, nil)
	p.save(Endpoint{ID: "shop", URL: r.URL})
	p.send("shop", 1)
	p.deliver()
	if left := p.waiting(); len(inner.all()) != 0 || len(left) != 1 || !strings.Contains(left[0].LastError, "redirects are not followed") {
		t.Errorf("the inner server got %d; the outbox has %+v", len(inner.all()), left)
	}
}

// The name was harmless when it was saved, and resolves to an inner address when it is used.
func TestPrivateAddressesAreRefusedAfterResolution(t *testing.T) {
	inner := receive(t, nil)
	address := netip.MustParseAddrPort(strings.TrimPrefix(inner.URL, "http://"))
	ports = append(ports, address.Port()) // so that only the address can be the reason
	t.Cleanup(func() { ports = ports[:len(ports)-1] })
	p := open(t, func(o *Options) { o.Policy = Policy{AllowPlain: true} })
	hosts := []string{"localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "[::]"}
	for i, host := range hosts {
		e := Endpoint{ID: "e" + strconv.Itoa(i), URL: fmt.Sprintf("http://%s:%d", host, address.Port()), Secret: newKey}
		p.update(func(w store.Writer) error { return put(w, e.Key(), &e) })
		p.send(e.ID, 1)
	}
	p.deliver()
	left := p.waiting()
	if len(inner.all()) != 0 || len(left) != len(hosts) {
		t.Fatalf("the inner server got %d; %d wait", len(inner.all()), len(left))
	}
	for _, m := range left {
		if m.LastError != errRefused.Error() {
			t.Errorf("%s: %q", m.Target, m.LastError)
		}
	}
	p.restart(nil)
	if p.later(time.Hour); p.deliver() == 0 || len(inner.all()) == 0 {
		t.Error("the server cannot be reached even when it is allowed: this test shows nothing")
	}
}

func TestTLSIsVerified(t *testing.T) {
	r := &receiver{}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { r.got = append(r.got, delivery{}) }))
	r.Server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	t.Cleanup(r.Close)
	p := open(t, nil)
	p.save(Endpoint{ID: "shop", URL: r.URL})
	p.send("shop", 1)
	p.deliver()
	if left := p.waiting(); len(r.got) != 0 || len(left) != 1 || !strings.HasPrefix(left[0].LastError, "its certificate is not valid") {
		t.Fatalf("the outbox has %+v", left)
	}
	p.restart(func(o *Options) { o.Roots = x509.NewCertPool(); o.Roots.AddCert(r.Certificate()) })
	p.later(time.Hour)
	if p.deliver(); len(r.got) != 1 || len(p.waiting()) != 0 {
		t.Errorf("with its authority: %d, %+v", len(r.got), p.waiting())
	}
}

// failing is a store that takes no change any more: a courier on it dies between the answer
// and Done.
type failing struct{ store.Store }

func (failing) Update(context.Context, func(store.Writer) error) error {
	return errors.New("the power is gone")
}

func TestAtLeastOnceAfterACrash(t *testing.T) {
	r := receive(t, nil)
	p := open(t, func(o *Options) { o.Store = failing{o.Store} })
	p.save(Endpoint{ID: "shop", URL: r.URL})
	p.send("shop", 3)
	if n, err := p.Deliver(t.Context()); err == nil || n != 0 {
		t.Fatalf("%d, %v: it should have failed", n, err)
	}
	sent := len(r.all())
	if sent == 0 || len(p.waiting()) != 3 {
		t.Fatalf("%d were sent, and %d are left", sent, len(p.waiting()))
	}
	p.restart(nil)
	for p.deliver() > 0 {
	}
	seen := map[string]int{}
	for _, d := range r.all() {
		seen[d.header.Get("webhook-id")]++
	}
	if len(seen) != 3 || len(r.all()) != sent+3 || len(p.waiting()) != 0 {
		t.Errorf("delivered %v, %d left", seen, len(p.waiting()))
	}
}

func TestRunDeliversAndFinishesWhatItBegan(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	r := receive(t, func(http.ResponseWriter, *http.Request) { close(begun); <-release })
	p := open(t, func(o *Options) { o.Interval = time.Hour })
	p.save(Endpoint{ID: "shop", URL: r.URL})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	p.send("shop", 1)
	p.Wake()
	<-begun
	cancel()
	time.Sleep(20 * time.Millisecond)
	close(release)
	must(t, <-ended)
	if left := p.waiting(); len(left) != 0 || p.Stats().Delivered != 1 {
		t.Errorf("left: %+v, counted %+v", left, p.Stats())
	}
}

func TestTargetsThatAreLost(t *testing.T) {
	p := open(t, nil)
	p.send("nobody", 1)
	p.update(func(w store.Writer) error {
		return w.Books().Enqueue([]store.Message{{ID: "other", Kind: "letter", Target: "x"}})
	})
	p.deliver()
	if d := p.dead(); len(d) != 1 || d[0].LastError != "its endpoint is not there any more" {
		t.Errorf("dead: %+v", d)
	}
	if left := p.waiting(); len(left) != 1 || left[0].ID != "other" || left[0].Attempts != 0 {
		t.Errorf("a message that is not ours: %+v", left)
	}
}

func TestPostbackIsAGet(t *testing.T) {
	r := receive(t, nil)
	p := open(t, nil)
	b := PartnerPostback{Program: "acme", Partner: "anna", URL: r.URL + "/p/{txid}?c={click_id}&m={commission}&s={sub2}"}
	p.update(func(w store.Writer) error {
		if err := SavePostback(w, &b, loopback); affiliate.CodeOf(err) != affiliate.Invalid {
			t.Errorf("a partner who is not there: %v", err)
		}
		must(t, w.Documents().Put(store.Partner, store.Document{Key: "acme/anna", Body: []byte("{}")}))
		must(t, SavePostback(w, &b, loopback))
		m, err := Events(Change{After: order(affiliate.Pending, 1, share{"anna", "c1", 600}), At: begin}, Subscribers{Postbacks: []PartnerPostback{b}})
		must(t, err)
		return w.Books().Enqueue(m)
	})
	p.deliver()
	if got := r.all(); len(got) != 1 || got[0].method != "GET" || got[0].uri != "/p/A%2F17%20%26?c=c1&m=6.00&s=" || got[0].header.Get("webhook-signature") != "" {
		t.Errorf("received %+v", got)
	}
}
