package certificate_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/certificate"
	"github.com/sluicehq/sluice/internal/testkit"
)

// lines counts and keeps what is logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func logger(l *lines) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// serve answers TLS handshakes until the test ends.
func serve(t *testing.T, k *certificate.Keeper, l net.Listener) {
	t.Helper()
	config := k.TLS()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				s := tls.Server(c, config)
				_ = s.Handshake()
				_ = s.Close()
			}()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// shown is the certificate that a visitor sees.
func shown(address, name string, change func(*tls.Config)) (*x509.Certificate, error) {
	config := &tls.Config{ServerName: name, InsecureSkipVerify: true} // the test looks for itself
	if change != nil {
		change(config)
	}
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, config)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState().PeerCertificates[0], nil
}

// intermediates are what a server sends beside its own certificate.
func intermediates(t *testing.T, address string) *x509.CertPool {
	t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{ServerName: "go.shop.test", InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	pool := x509.NewCertPool()
	for _, cert := range c.ConnectionState().PeerCertificates[1:] {
		pool.AddCert(cert)
	}
	return pool
}

func open(t *testing.T, o certificate.Options) *certificate.Keeper {
	t.Helper()
	k, err := certificate.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	k.Start()
	t.Cleanup(k.Close)
	return k
}

func TestTheVisitorsNameChooses(t *testing.T) {
	ca, dir := testkit.NewCA(t), t.TempDir()
	var pairs []certificate.Pair
	add := func(file string, issue func(t testing.TB, cert, key string, hosts ...string), hosts ...string) {
		p := certificate.Pair{Cert: filepath.Join(dir, file+".pem"), Key: filepath.Join(dir, file+".key")}
		issue(t, p.Cert, p.Key, hosts...)
		pairs = append(pairs, p)
	}
	add("one", ca.Issue, "one.example", "www.one.example")
	add("two", ca.Issue, "two.example")
	add("two-rsa", ca.IssueRSA, "two.example")
	add("wild", ca.Issue, "*.wild.example")
	k := open(t, certificate.Options{Files: pairs})
	l := listen(t)
	serve(t, k, l)

	oldClient := func(c *tls.Config) {
		c.MaxVersion = tls.VersionTLS12
		c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	}
	for _, c := range []struct {
		name   string
		change func(*tls.Config)
		want   string
		kind   x509.PublicKeyAlgorithm
	}{
		{"one.example", nil, "one.example", x509.ECDSA},
		{"www.one.example", nil, "one.example", x509.ECDSA},
		{"TWO.example", nil, "two.example", x509.ECDSA},
		{"two.example", oldClient, "two.example", x509.RSA},
		{"a.wild.example", nil, "*.wild.example", x509.ECDSA},
		{"stranger.example", nil, "one.example", x509.ECDSA},
		{"", nil, "one.example", x509.ECDSA},
	} {
		got, err := shown(l.Addr().String(), c.name, c.change)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got.DNSNames[0] != c.want || got.PublicKeyAlgorithm != c.kind {
			t.Errorf("%s is shown %s with %s, want %s with %s", c.name, got.DNSNames, got.PublicKeyAlgorithm, c.want, c.kind)
		}
	}
	if _, err := shown(l.Addr().String(), "one.example", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 }); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
}

// Files are replaced without a restart. What cannot be used never takes the place
// of what can, and is told once.
func TestFilesAreReadAgain(t *testing.T) {
	ca, dir := testkit.NewCA(t), t.TempDir()
	pair := certificate.Pair{Cert: filepath.Join(dir, "c.pem"), Key: filepath.Join(dir, "c.key")}
	ca.Issue(t, pair.Cert, pair.Key, "first.example")
	log := &lines{}
	k := open(t, certificate.Options{Files: []certificate.Pair{pair}, LookEvery: 10 * time.Millisecond, Logger: logger(log)})
	l := listen(t)
	serve(t, k, l)
	see := func(want string) {
		t.Helper()
		for range 500 {
			got, err := shown(l.Addr().String(), "first.example", nil)
			if err == nil && got.DNSNames[0] == want {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("%s is not shown; the log: %s", want, log)
	}
	see("first.example")
	ca.Issue(t, pair.Cert, pair.Key, "second.example")
	see("second.example")

	// Between the two files of a pair it may have been told already.
	told := func() int { return strings.Count(log.String(), "stays in use") }
	before := told()
	ca.Issue(t, pair.Cert, filepath.Join(dir, "other.key"), "third.example") // the key stays the second's
	trouble := func() string { return k.States()[0].Trouble }
	for range 500 {
		if told() > before {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !strings.Contains(trouble(), "does not belong to the certificate") {
		t.Errorf("trouble is %q", trouble())
	}
	time.Sleep(100 * time.Millisecond) // ten more looks
	see("second.example")
	if n := told() - before; n != 1 {
		t.Errorf("a pair that cannot be used is told %d times: %s", n, log)
	}
	if err := os.Remove(pair.Cert); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	see("second.example")

	ca.Issue(t, pair.Cert, pair.Key, "fourth.example")
	see("fourth.example")
	if s := k.States()[0]; s.Trouble != "" || s.Name != "fourth.example" {
		t.Errorf("%+v", s)
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	ca, dir := testkit.NewCA(t), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	ca.Issue(t, at("a.pem"), at("a.key"), "a.example")
	ca.Issue(t, at("b.pem"), at("b.key"), "b.example")
	ca.Issue(t, at("none.pem"), at("none.key"))
	write := func(name string, b []byte) {
		if err := os.WriteFile(at(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("text.pem", []byte("not a certificate"))
	write("long.pem", make([]byte, 2<<20))
	for _, c := range []struct {
		pair certificate.Pair
		want []string
	}{
		{certificate.Pair{Cert: at("absent.pem"), Key: at("absent.key")}, []string{"the certificate " + at("absent.pem") + " cannot be read", "the key " + at("absent.key") + " cannot be read", "may read"}},
		{certificate.Pair{Cert: at("a.pem"), Key: at("b.key")}, []string{"the key " + at("b.key") + " does not belong to the certificate " + at("a.pem")}},
		{certificate.Pair{Cert: at("text.pem"), Key: at("a.key")}, []string{at("text.pem"), "cannot be used", "PEM"}},
		{certificate.Pair{Cert: at("long.pem"), Key: at("a.key")}, []string{"longer than 1048576 bytes"}},
		{certificate.Pair{Cert: at("none.pem"), Key: at("none.key")}, []string{"names no host"}},
		{certificate.Pair{Cert: dir, Key: at("a.key")}, []string{"is a directory"}},
	} {
		good := certificate.Pair{Cert: at("a.pem"), Key: at("a.key")}
		_, err := certificate.Open(certificate.Options{Files: []certificate.Pair{good, c.pair}})
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error is %v, want %q in it", c.pair.Cert, err, want)
			}
		}
	}
	_, err := certificate.Open(certificate.Options{Files: []certificate.Pair{{Cert: at("x"), Key: at("a.key")}, {Cert: at("y"), Key: at("a.key")}}})
	if err == nil || !strings.Contains(err.Error(), at("x")) || !strings.Contains(err.Error(), at("y")) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of two faults is told: %v", err)
	}
}

func TestWhenACertificateIsDue(t *testing.T) {
	day := 24 * time.Hour
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		since, left time.Duration
		due         bool
	}{
		{60 * day, 30 * day, false}, {77 * day, 13 * day, true}, {90 * day, -day, true},
		{4 * day, 2 * day, false}, {5 * day, day, true}, // a short life
	} {
		s := certificate.State{Issued: now.Add(-c.since), Expires: now.Add(c.left)}
		if s.Due(now) != c.due {
			t.Errorf("%v after its issue and %v before its end: due is %v", c.since, c.left, !c.due)
		}
	}
	if (certificate.State{}).Due(now) {
		t.Error("one that is not there yet is due")
	}
}

func TestWhatStrangersSayIsLoggedSeldom(t *testing.T) {
	log := &lines{}
	l := listen(t)
	k := open(t, certificate.Options{Logger: logger(log), ACME: certificate.ACME{
		Domains: []string{"go.example.com"}, Directory: "https://127.0.0.1:1/", Dir: t.TempDir(), Listen: l.Addr(),
	}})
	serve(t, k, l)
	for range 200 {
		for _, protocols := range [][]string{{"acme-tls/1"}, nil} {
			for _, name := range []string{"go.example.com", "stranger.example"} {
				if _, err := shown(l.Addr().String(), name, func(c *tls.Config) { c.NextProtos = protocols }); err == nil {
					t.Fatal("a certificate is shown that nobody gave")
				}
			}
		}
	}
	if n := strings.Count(log.String(), "\n"); n > 30 {
		t.Errorf("800 strangers made %d lines: %.2000s", n, log)
	}
}
