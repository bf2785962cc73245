package app

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/config"
	"github.com/sluicehq/sluice/internal/testkit"
)

// secureSettings are settings with a certificate for go.example.
func secureSettings(t *testing.T, ca *testkit.CA) config.Config {
	t.Helper()
	cfg := settings(t.TempDir())
	dir := t.TempDir()
	pair := config.Certificate{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	ca.Issue(t, pair.Cert, pair.Key, "go.example")
	cfg.TLS.Listen, cfg.TLS.Certificates = "127.0.0.1:0", []config.Certificate{pair}
	return cfg
}

// secure is where the process listens for HTTPS.
func (p *process) secure() string { return p.find(`over TLS\s+https://(\S+)/go/`) }

// visitorOf is a browser that finds go.example at the address, and speaks one version of HTTP.
func visitorOf(t *testing.T, address string, roots *x509.CertPool, http2 bool) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: protocols,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: noFollow.CheckRedirect, Timeout: 10 * time.Second}
}

// Over TLS, with either version of HTTP, a visitor gets what a visitor without it
// gets, and the click says that it was secure.
func TestTheSameDecisionsOverTLS(t *testing.T) {
	ca := testkit.NewCA(t)
	p := startWith(t, secureSettings(t, ca), nil)
	code := p.call("POST", "/api/v1/links", `{"slug":"a","destinations":[{"url":"https://shop.example/a?s={sub1}","weight":1},{"url":"https://shop.example/b?s={sub1}","weight":1}],
		"rules":[{"id":"german","when":[{"on":"language","in":["de"]}],"destinations":[{"url":"https://shop.example/de","weight":1}]}]}`, nil)
	if code != 201 {
		t.Fatalf("creating a link: %d", code)
	}
	plain := &http.Client{CheckRedirect: noFollow.CheckRedirect}
	first, err := plain.Get(p.links + "/go/a?sub1=x")
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Body.Close()
	cookie := first.Cookies()[0]
	type answer struct {
		status   int
		location string
		body     string
	}
	visit := func(client *http.Client, base, path, language string) (answer, *http.Response) {
		r, err := http.NewRequest(http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(cookie)
		r.Header.Set("Accept-Language", language)
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer{res.StatusCode, res.Header.Get("Location"), string(b)}, res
	}
	clicks := 1
	for _, c := range []struct{ path, language string }{{"/go/a?sub1=x", "en"}, {"/go/a?sub1=%20%C3%A4", "en"}, {"/go/a", "de"}, {"/go/nothing", "en"}, {"/", "en"}} {
		want, _ := visit(plain, p.links, c.path, c.language)
		for proto, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
			got, res := visit(visitorOf(t, p.secure(), ca.Pool(), http2), "https://go.example", c.path, c.language)
			if got != want || res.Proto != proto {
				t.Errorf("%s over %s: %+v, want %+v", c.path, res.Proto, got, want)
			}
			if res.Header.Get("Strict-Transport-Security") != "" {
				t.Error("HSTS is sent though nobody asked for it")
			}
		}
		if want.location != "" {
			clicks += 3
		}
	}
	p.clicks(float64(clicks))
	secure := 0
	for _, signals := range p.column("signals") {
		if strings.Contains(signals, "secure") {
			secure++
		}
	}
	if want := 2 * 5; secure != want {
		t.Errorf("%d clicks are secure, want %d", secure, want)
	}
	if _, figures := p.figures(); figures["sluice_connections{tls}"] == 0 || figures["sluice_certificate_expiry_timestamp_seconds{go.example}"] < float64(time.Now().Unix()) {
		t.Errorf("the metrics know nothing of TLS: %v", figures)
	}
}

// column exports the clicks and returns one of their columns.
func (p *process) column(name string) (values []string) {
	p.t.Helper()
	var b bytes.Buffer
	if err := p.app.Analytics().Export(p.t.Context(), analytics.Filter{Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}, analytics.CSV, &b); err != nil {
		p.t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		p.t.Fatal(err)
	}
	at := slices.Index(rows[0], name)
	if at < 0 {
		p.t.Fatalf("there is no column %s in %v", name, rows[0])
	}
	for _, row := range rows[1:] {
		values = append(values, row[at])
	}
	return values
}

func TestStrictTransportSecurityIsAChoice(t *testing.T) {
	ca := testkit.NewCA(t)
	cfg := secureSettings(t, ca)
	cfg.TLS.HSTS = 30 * config.Day
	p := startWith(t, cfg, nil)
	res, err := visitorOf(t, p.secure(), ca.Pool(), true).Get("https://go.example/go/a")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got := res.Header.Get("Strict-Transport-Security"); got != "max-age=2592000" {
		t.Errorf("HSTS is %q", got)
	}
	res, err = noFollow.Get(p.links + "/go/a")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got := res.Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS without TLS: %q", got)
	}
}

// What one visitor can hold over TLS is bounded, as it is without.
func TestLimitsOverTLS(t *testing.T) {
	ca := testkit.NewCA(t)
	cfg := secureSettings(t, ca)
	cfg.TLS.Connections = 3
	cfg.Limits.HeaderBytes = 4 * config.KiB
	p := startWith(t, cfg, nil)
	for _, http2 := range []bool{false, true} {
		client := visitorOf(t, p.secure(), ca.Pool(), http2)
		code, _ := 0, ""
		r, _ := http.NewRequest(http.MethodGet, "https://go.example/go/a", nil)
		r.Header.Set("X-Long", strings.Repeat("x", 16<<10))
		res, err := client.Do(r)
		if err == nil {
			code = res.StatusCode
			_ = res.Body.Close()
		}
		if code != http.StatusRequestHeaderFieldsTooLarge && err == nil {
			t.Errorf("a head of 16 KiB: %d", code)
		}
		client.CloseIdleConnections()
	}
	if streams, head := p.h2Limits(ca.Pool()); streams != secureStreams || head < 4<<10 || head > 8<<10 {
		t.Errorf("HTTP/2 allows %d requests at a time and heads of %d bytes", streams, head)
	}
	waitFor(t, func() bool { return p.app.ops.secure.Load().listener.open.Load() == 0 })
	var held []net.Conn
	for range 3 {
		c, err := tls.Dial("tcp", p.secure(), &tls.Config{RootCAs: ca.Pool(), ServerName: "go.example"})
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	if _, err := tls.Dial("tcp", p.secure(), &tls.Config{RootCAs: ca.Pool(), ServerName: "go.example"}); err == nil {
		t.Error("a fourth connection is let in")
	}
	if _, figures := p.figures(); figures["sluice_connections{tls}"] != 3 || figures["sluice_connections_rejected_total{tls}"] != 1 {
		t.Errorf("%v open and %v rejected", figures["sluice_connections{tls}"], figures["sluice_connections_rejected_total{tls}"])
	}
	for _, c := range held {
		_ = c.Close()
	}
	waitFor(t, func() bool { return p.app.ops.secure.Load().listener.open.Load() == 0 })
}

// h2Limits reads the server's SETTINGS frame.
func (p *process) h2Limits(roots *x509.CertPool) (streams, headBytes uint32) {
	p.t.Helper()
	c, err := tls.Dial("tcp", p.secure(), &tls.Config{RootCAs: roots, ServerName: "go.example", NextProtos: []string{"h2"}})
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")); err != nil {
		p.t.Fatal(err)
	}
	frame := make([]byte, 9)
	if _, err := io.ReadFull(c, frame); err != nil || frame[3] != 4 {
		p.t.Fatalf("the first frame is %x: %v", frame, err)
	}
	settings := make([]byte, int(frame[0])<<16|int(frame[1])<<8|int(frame[2]))
	if _, err := io.ReadFull(c, settings); err != nil {
		p.t.Fatal(err)
	}
	for ; len(settings) >= 6; settings = settings[6:] {
		switch value := binary.BigEndian.Uint32(settings[2:]); binary.BigEndian.Uint16(settings) {
		case 3:
			streams = value
		case 6:
			headBytes = value
		}
	}
	return streams, headBytes
}

func TestCertificatesThatCannotBeUsedStopTheStart(t *testing.T) {
	ca := testkit.NewCA(t)
	cfg, other := secureSettings(t, ca), secureSettings(t, ca)
	cfg.TLS.Certificates = append(cfg.TLS.Certificates,
		config.Certificate{Cert: "/absent/cert.pem", Key: "/absent/key.pem"},
		config.Certificate{Cert: cfg.TLS.Certificates[0].Cert, Key: other.TLS.Certificates[0].Key})
	cfg.TLS.ACME.Domains, cfg.TLS.ACME.CAFile = []string{"go.example"}, cfg.TLS.Certificates[0].Key
	a, err := Build(t.Context(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	err = a.Run(t.Context())
	for _, want := range []string{"tls: ", "/absent/cert.pem cannot be read", "/absent/key.pem cannot be read", "does not belong to the certificate", "acme.ca_file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q in it", err, want)
		}
	}
}

// The whole with a real ACME authority: it comes to tls.listen, and a visitor is
// then shown what it gave. A certificate that cannot be had is an alarm.
func TestACMEForTheWholeProcess(t *testing.T) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := probe.Addr().(*net.TCPAddr)
	_ = probe.Close()
	authority := testkit.StartACME(t, address.Port)
	cfg := settings(t.TempDir())
	cfg.TLS.Listen = address.String()
	cfg.TLS.ACME = config.ACME{Domains: []string{"Go.shop.test", testkit.Refused}, Directory: authority.Directory, CAFile: authority.CAFile}
	p := startWith(t, cfg, nil)
	p.call("POST", "/api/v1/links", `{"slug":"a","url":"https://shop.example/a"}`, nil)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.Root(t))
	client := visitorOf(t, p.secure(), roots, true)
	waitFor(t, func() bool {
		res, err := client.Get("https://go.shop.test/go/a")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.Header.Get("Location") == "https://shop.example/a"
	})
	waitFor(t, func() bool {
		_, text := ask(t, http.DefaultClient, p.admin+"/healthz", nil)
		return strings.Contains(text, `"name":"certificate"`) && strings.Contains(text, testkit.Refused)
	})
	if _, figures := p.figures(); figures["sluice_certificate_expiry_timestamp_seconds{go.shop.test}"] < float64(time.Now().Unix()) {
		t.Errorf("the metrics know nothing of the certificate: %v", figures)
	}
}

// Whatever visitors and other strangers do, the log does not grow with their number.
func TestNoVisitorIsLogged(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		t.Run(level.String(), func(t *testing.T) {
			ca := testkit.NewCA(t)
			log := &output{}
			p := startWith(t, secureSettings(t, ca), slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level})))
			p.call("POST", "/api/v1/links", `{"slug":"a","url":"https://shop.example/a"}`, nil)
			h1, h2 := visitorOf(t, p.secure(), ca.Pool(), false), visitorOf(t, p.secure(), ca.Pool(), true)
			before := strings.Count(log.String(), "\n")
			for i := range 1000 {
				path := "/go/a"
				if i%3 == 2 {
					path = "/go/nothing-" + strconv.Itoa(i)
				}
				ask(t, noFollow, p.links+path, nil)
				ask(t, h1, "https://go.example"+path, nil)
				ask(t, h2, "https://go.example"+path, func(r *http.Request) {
					if i%5 == 0 {
						r.Method = http.MethodPost
					}
				})
			}
			plain := strings.TrimPrefix(p.links, "http://")
			for i := range 60 {
				for _, address := range []string{plain, p.secure()} {
					for _, bytes := range []string{
						"GET /go/a HTTP/9.9\r\n\r\n", "\x00\x01\x02\r\n\r\n", "GET /go/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /go/a HTT",
						"GET /go/a HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 40<<10*(1-min(i%10, 1))) + "\r\n\r\n",
					} {
						throw(t, address, bytes)
					}
				}
			}
			if _, figures := p.figures(); figures["sluice_clicks_total{redirected}"] < 1800 || figures["sluice_clicks_total{missing}"] < 900 {
				t.Errorf("the visitors were not answered: %v", figures)
			}
			if n := strings.Count(log.String(), "\n") - before; n > 20 {
				t.Errorf("3,600 visitors made %d lines: %.3000s", n, log)
			}
		})
	}
}

// throw sends bytes and waits until the server has had enough.
func throw(t *testing.T, address, bytes string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Millisecond)) // half a request would be waited for
	_, _ = io.WriteString(c, bytes)
	_, _ = io.Copy(io.Discard, c)
}

// A proxy that passes TLS on says who the visitor is before the handshake.
func TestAnnouncedVisitorOverTLS(t *testing.T) {
	ca := testkit.NewCA(t)
	cfg := secureSettings(t, ca)
	cfg.ProxyProtocol, cfg.TrustedProxies = true, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	cfg.Privacy.StoreIP = config.StoreFull
	p := startWith(t, cfg, nil)
	p.call("POST", "/api/v1/links", `{"slug":"a","url":"https://shop.example/a"}`, nil)
	visit := func(announcement string) error {
		c, err := net.Dial("tcp", p.secure())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(c, announcement); err != nil {
			return err
		}
		secure := tls.Client(c, &tls.Config{RootCAs: ca.Pool(), ServerName: "go.example"})
		if _, err := io.WriteString(secure, browserRequest); err != nil {
			return err
		}
		res, err := http.ReadResponse(bufio.NewReader(secure), nil)
		if err == nil && res.StatusCode != http.StatusFound {
			err = errors.New(res.Status)
		}
		return err
	}
	if err := visit("PROXY TCP4 203.0.113.9 127.0.0.1 4711 443\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := visit(""); err == nil {
		t.Error("a proxy may leave out who the visitor is")
	}
	p.clicks(1)
	var raw string
	waitFor(t, func() bool {
		w := httptest.NewRecorder()
		p.app.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/clicks/export?format=csv", nil))
		raw = w.Body.String()
		return strings.Contains(raw, "shop.example")
	})
	if !strings.Contains(raw, "203.0.113.9") {
		t.Errorf("the visitor's address is not on record: %s", raw)
	}
}
