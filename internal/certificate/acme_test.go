package certificate_test

import (
	"crypto/x509"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/certificate"
	"github.com/sluicehq/sluice/internal/testkit"
)

// A real authority comes to the listener, sees that the name is ours, and gives a
// certificate, which outlives a restart. A name that it refuses is told.
func TestAnAuthorityGivesCertificates(t *testing.T) {
	l := listen(t)
	authority := testkit.StartACME(t, l.Addr().(*net.TCPAddr).Port)
	roots := pool(t, authority.CAFile)
	log := &lines{}
	options := certificate.Options{Logger: logger(log), ACME: certificate.ACME{
		Domains: []string{"go.shop.test", testkit.Refused}, Email: "ops@shop.test", Directory: authority.Directory, Roots: roots,
		Dir: filepath.Join(t.TempDir(), "certificates"), Listen: l.Addr(),
	}}
	first, err := certificate.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	first.Start()
	serve(t, first, l)
	wait(t, log, func() bool { return first.States()[0].Expires.After(time.Now()) && first.States()[1].Trouble != "" })

	got, err := shown(l.Addr().String(), "go.shop.test", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got.Verify(x509.VerifyOptions{DNSName: "go.shop.test", Roots: authorityRoots(t, authority), Intermediates: intermediates(t, l.Addr().String())}); err != nil {
		t.Errorf("the certificate does not stand: %v", err)
	}
	if states := first.States(); states[0].Trouble != "" || !strings.Contains(states[1].Trouble, "policy") || !states[1].Expires.IsZero() {
		t.Errorf("states %+v", states)
	}
	for _, name := range []string{"", "go.shop.test"} {
		if c, err := shown(l.Addr().String(), name, nil); err != nil || c.DNSNames[0] != "go.shop.test" {
			t.Errorf("%q is shown %v, %v", name, c, err)
		}
	}
	first.Close()
	onlyForUs(t, options.ACME.Dir)

	again := listen(t)
	options.ACME.Listen, options.ACME.Domains = again.Addr(), options.ACME.Domains[:1]
	second := open(t, options)
	serve(t, second, again)
	wait(t, log, func() bool { return !second.States()[0].Expires.IsZero() })
	if kept, err := shown(again.Addr().String(), "go.shop.test", nil); err != nil || kept.SerialNumber.Cmp(got.SerialNumber) != 0 {
		t.Errorf("after a restart another certificate is shown: %v", err)
	}
}

func wait(t *testing.T, log *lines, holds func() bool) {
	t.Helper()
	for range 3000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it did not happen: %s", log)
}

func pool(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", file)
	}
	return roots
}

func authorityRoots(t *testing.T, a *testkit.ACMEAuthority) *x509.CertPool {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.Root(t)) {
		t.Fatal("the authority's root is none")
	}
	return roots
}

// onlyForUs looks at the permissions of everything in the folder.
func onlyForUs(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && e.Name() == "locks" {
			return filepath.SkipDir // who is asking for what right now: they come and go, and hold no secret
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s may be read by others: %s", path, info.Mode())
		}
		if !e.IsDir() {
			files++
		}
		return nil
	})
	if err != nil || files < 3 { // account, certificate, key
		t.Errorf("%d files in %s: %v", files, dir, err)
	}
}
