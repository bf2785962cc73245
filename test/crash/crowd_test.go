package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/test/load"
)

// buildVisitors compiles the crowd once, without the race detector of the tests: it
// must be faster than the server.
var buildVisitors = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sluice-visitors-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "visitors")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/sluicehq/sluice/test/load/visitors").CombinedOutput(); err != nil {
		return "", fmt.Errorf("the visitors do not build: %w\n%s", err, out)
	}
	return path, nil
})

// crowd is visitors in a process of their own. They outlive every server.
type crowd struct {
	cmd    *exec.Cmd
	input  io.WriteCloser
	ids    string // file of the click ids that they were given
	answer bytes.Buffer
	said   bytes.Buffer
}

// arrive makes a crowd follow links at a rate, until it is sent away.
func arrive(t *testing.T, address string, links, rate int, seed uint64) *crowd {
	t.Helper()
	path, err := buildVisitors()
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{ids: filepath.Join(t.TempDir(), "ids")}
	c.cmd = exec.Command(path, "-follow", "-address", address, "-links", strconv.Itoa(links), "-rate", strconv.Itoa(rate),
		"-seed", strconv.FormatUint(seed, 10), "-returning", "0.3", "-renew", "5000", "-remember", c.ids)
	c.cmd.Stdout, c.cmd.Stderr = &c.answer, &c.said
	if c.input, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

// follow tells the crowd where the server is now.
func (c *crowd) follow(t *testing.T, address string) {
	t.Helper()
	if _, err := fmt.Fprintln(c.input, address); err != nil {
		t.Fatalf("the visitors are gone: %v\n%s", err, &c.said)
	}
}

// leave ends the visit and returns what the crowd met, and every click id that it
// was given.
func (c *crowd) leave(t *testing.T) (r load.Result, given load.IDs) {
	t.Helper()
	if err := c.input.Close(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(time.Minute, func() { _ = c.cmd.Process.Kill() })
	defer stuck.Stop()
	if err := c.cmd.Wait(); err != nil {
		t.Fatalf("the visitors: %v\n%s", err, &c.said)
	}
	if err := json.Unmarshal(c.answer.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(c.ids)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if given, err = load.ReadIDs(f); err != nil {
		t.Fatal(err)
	}
	if int64(len(given)) != r.Answered {
		t.Fatalf("%d visits were answered, but %d ids remembered", r.Answered, len(given))
	}
	return r, given
}

// portfolio writes a file of links for an import.
func portfolio(t *testing.T, links int) (path string) {
	t.Helper()
	b := []byte("slug,url\n")
	for n := range links {
		b = fmt.Appendf(b, "%s,%s\n", load.Slug(n), load.Target(n))
	}
	path = filepath.Join(t.TempDir(), "links.csv")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
