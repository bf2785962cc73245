package testkit

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// ACMEAuthority is a running Pebble, the ACME server of Let's Encrypt for tests. It
// looks at each host as the real one does, but at a port of our choosing.
type ACMEAuthority struct {
	Directory string // address to give to the ACME client
	CAFile    string // vouches for Directory

	ca         *CA
	management string
}

// Refused is a host for which the authority gives no certificate.
const Refused = "refused.shop.test"

// pebble builds the authority and its name server once for all tests of a process,
// from the versions that tools/go.mod pins.
var pebble = sync.OnceValues(func() (string, error) {
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(mod)))
	dir, err := os.MkdirTemp("", "sluice-pebble-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-modfile=tools/go.mod", "-o", dir,
		"github.com/letsencrypt/pebble/v2/cmd/pebble", "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("pebble does not build: %w\n%s", err, out)
	}
	return dir, nil
})

// StartACME runs an authority that finds every host on this machine, at tlsPort. It
// ends with the test.
func StartACME(t testing.TB, tlsPort int) *ACMEAuthority {
	t.Helper()
	programs, err := pebble()
	if err != nil {
		t.Fatal(err)
	}
	a := &ACMEAuthority{ca: NewCA(t)}
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.ca.Issue(t, cert, key, "127.0.0.1")
	a.CAFile = a.ca.File(t)
	listen, management, names := freeAddress(t), freeAddress(t), freeAddress(t)
	a.Directory, a.management = "https://"+listen+"/dir", "https://"+management
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": management, "certificate": cert, "privateKey": key,
		"httpPort": 1, "tlsPort": tlsPort, "domainBlocklist": []string{Refused}, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	configFile := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(configFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	background(t, filepath.Join(programs, "pebble-challtestsrv"), "-dns01", names, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "",
		"-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-management", freeAddress(t))
	background(t, filepath.Join(programs, "pebble"), "-config", configFile, "-dnsserver", names)
	for range 400 {
		if res, err := a.client().Get(a.Directory); err == nil {
			_ = res.Body.Close()
			return a
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("%s does not answer", a.Directory)
	return nil
}

func (a *ACMEAuthority) client() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: trusting(a.ca.Pool())}
}

// Root is the certificate, in PEM, that vouches for those which the authority gives.
func (a *ACMEAuthority) Root(t testing.TB) []byte {
	t.Helper()
	return fetch(t, a.client(), a.management+"/roots/0")
}

// background runs a program until the test ends. Pebble waits at random before it
// looks at a host, and refuses some good requests at random, unless told not to.
func background(t testing.TB, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(program), out)
		}
	})
}

// freeAddress is an address that nobody has at the moment.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
