// Package crowd runs visitors in a process of their own, for tests that break what they
// visit. It outlives every server, and is compiled without the race detector of the tests: it
// must be faster than the server.
package crowd

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

// build compiles the visitors once for all tests of a process.
var build = sync.OnceValues(func() (string, error) {
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

// Crowd is visitors that follow links, check every answer and remember every click id.
type Crowd struct {
	cmd    *exec.Cmd
	input  io.WriteCloser
	ids    string // file of the click ids that they were given
	answer bytes.Buffer
	said   bytes.Buffer
}

// Arrive makes a crowd follow the first links of the portfolio at a rate, a third of it with
// the cookie from before, until it leaves. Options are more arguments of its program.
func Arrive(t testing.TB, address string, links, rate int, seed uint64, options ...string) *Crowd {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	c := &Crowd{ids: filepath.Join(t.TempDir(), "ids-"+strconv.FormatUint(seed, 10))}
	c.cmd = exec.Command(path, append([]string{"-follow", "-address", address, "-links", strconv.Itoa(links), "-rate", strconv.Itoa(rate),
		"-seed", strconv.FormatUint(seed, 10), "-returning", "0.3", "-remember", c.ids}, options...)...)
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

// Follow tells the crowd where the server is now.
func (c *Crowd) Follow(t testing.TB, address string) {
	t.Helper()
	if _, err := fmt.Fprintln(c.input, address); err != nil {
		t.Fatalf("the visitors are gone: %v\n%s", err, &c.said)
	}
}

// Leave ends the visit and returns what the crowd met, and every click id that it was
// given.
func (c *Crowd) Leave(t testing.TB) (r load.Result, given load.IDs) {
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
