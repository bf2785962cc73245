package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluicehq/sluice/internal/testkit"
)

// doctor tells the alarms of the running server, and what to do.
func TestDoctorTellsAlarms(t *testing.T) {
	data := t.TempDir()
	if err := unix.Mount("none", data, "tmpfs", 0, "size=96m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a disk of its own is required in CI: %v", err)
		}
		t.Skipf("wanted: to mount a small disk (as root), but %v", err)
	}
	defer func() {
		if err := unix.Unmount(data, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	s := serve(t, data, "SLUICE_JOURNAL_SEGMENT_BYTES=64KiB")
	defer s.stop()
	sluice(t, data, "link", "add", "a", "https://a.example").must(t, exitFine)
	alarm := func() finding {
		var e examination
		sluice(t, data, "doctor", "--format", "json", "--listen", s.visitors, "--admin", strings.TrimPrefix(s.admin, "http://")).must(t, exitProblems).json(t, &e)
		for _, f := range e.Checks {
			if f.Check == "alarm journal_space" {
				return f
			}
		}
		return finding{}
	}
	if f := alarm(); f.Check != "" {
		t.Fatalf("before the disk is full: %+v", f)
	}
	filler, err := os.Create(filepath.Join(data, "somebody-else"))
	change(t, err)
	for deadline := time.Now().Add(5 * time.Minute); alarm().Check == ""; { // doctor takes its time on a busy machine
		for n := 1 << 20; n > 0; n /= 2 { // what the reports have just given back, too
			for {
				if _, err := filler.Write(make([]byte, n)); err != nil {
					break
				}
			}
		}
		for range 600 { // two segments of one lane
			if to := s.click(t, "a"); to != "https://a.example" {
				t.Fatalf("a visitor is sent to %q", to)
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("no alarm on a full disk")
		}
	}
	f := alarm()
	if f.Status != checkFail || !strings.Contains(f.Detail, "no space") || !strings.Contains(f.Detail, "since 20") || !strings.Contains(f.Remedy, "make room") {
		t.Errorf("%+v", f)
	}
	change(t, filler.Close())
	change(t, os.Remove(filler.Name()))
	for deadline := time.Now().Add(5 * time.Minute); alarm().Check != ""; {
		if time.Now().After(deadline) {
			t.Fatal("the alarm stays though there is room")
		}
	}
}

func TestDoctorLooksAtCertificates(t *testing.T) {
	ca, dir := testkit.NewCA(t), t.TempDir()
	cert, key := filepath.Join(dir, "c.pem"), filepath.Join(dir, "c.key")
	look := func(life time.Duration, mode os.FileMode, keyFile string) finding {
		t.Helper()
		signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		change(t, err)
		ca.IssueFor(t, signer, life, cert, key, "go.example")
		change(t, os.Chmod(key, mode))
		config := write(t, "sluice.yml", "tls: {listen: '127.0.0.1:0', certificates: [{cert: "+cert+", key: "+keyFile+"}]}\n")
		var e examination
		o := sluice(t, filepath.Join(t.TempDir(), "absent"), "doctor", "--format", "json", "--config", config, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
		o.json(t, &e)
		for _, f := range e.Checks {
			if f.Check == "certificate" {
				return f
			}
		}
		t.Fatalf("nothing is said of the certificate: %s", o.out)
		return finding{}
	}
	for name, c := range map[string]struct {
		life   time.Duration
		mode   os.FileMode
		key    string
		status string
		detail string
	}{
		"good":           {60 * 24 * time.Hour, 0o600, key, checkOK, "go.example, until 20"},
		"due":            {24 * time.Hour, 0o600, key, checkWarn, "left"},
		"ended":          {-time.Hour, 0o600, key, checkFail, "it has ended"},
		"open to all":    {60 * 24 * time.Hour, 0o644, key, checkFail, "everybody can read its key"},
		"another's key":  {60 * 24 * time.Hour, 0o600, cert, checkFail, "cannot be used"},
		"no such a file": {60 * 24 * time.Hour, 0o600, key + ".absent", checkFail, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			f := look(c.life, c.mode, c.key)
			if f.Status != c.status || !strings.Contains(f.Detail, c.detail) || (c.status != checkOK) != (f.Remedy != "") {
				t.Errorf("%+v", f)
			}
		})
	}
}
