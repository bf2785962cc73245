// Package testkit runs the real program for tests that meet it as its users do:
// over HTTP and by its command line.
package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// build compiles the program once for all tests of a process.
var build = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("SLUICE_BIN"); path != "" {
		return filepath.Abs(path)
	}
	dir, err := os.MkdirTemp("", "sluice-bin-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sluice")
	cmd := exec.Command("go", "build", "-o", path, "github.com/sluicehq/sluice/cmd/sluice")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the program does not build: %w\n%s", err, out)
	}
	return path, nil
})

// Binary returns the path of the program: SLUICE_BIN, or built from the sources.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Run runs a command of the program and returns what it printed and its exit code.
func Run(t testing.TB, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(t), args...)
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// Must is Run for a command that has to succeed.
func Must(t testing.TB, args ...string) (stdout string) {
	t.Helper()
	stdout, stderr, code := Run(t, "", args...)
	if code != 0 {
		t.Fatalf("sluice %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// Server is a running "sluice serve".
type Server struct {
	Data  string // data folder
	Links string // "127.0.0.1:PORT" that visitors reach
	Admin string // "127.0.0.1:PORT" of the dashboard and the API
	Login string // one-time login address, "" when none was printed

	cmd    *exec.Cmd
	output *output
	ended  chan struct{}
}

// output collects what a process prints while others read it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// StartServer starts the program on a data folder and waits until it has announced
// itself. It is killed with the test if it still runs.
func StartServer(t testing.TB, data string, args ...string) *Server {
	t.Helper()
	s := start(t, data, args...)
	s.Links = s.find(t, `links\s+http://(\S+?)/go/`)
	s.Admin = s.find(t, `dashboard\s+http://(\S+?)/`)
	s.find(t, `(data  )`)
	if m := regexp.MustCompile(`first login\s+(http://\S+)`).FindStringSubmatch(s.output.String()); m != nil {
		s.Login = m[1]
	}
	return s
}

// StartRedirect starts the program as one that only answers visitors.
func StartRedirect(t testing.TB, data string, args ...string) *Server {
	t.Helper()
	s := start(t, data, append([]string{"--role", "redirect"}, args...)...)
	s.Links = s.find(t, `links\s+http://(\S+?)/go/`)
	s.Admin = s.find(t, `health\s+http://(\S+?)/`)
	return s
}

func start(t testing.TB, data string, args ...string) *Server {
	t.Helper()
	s := &Server{Data: data, output: &output{}, ended: make(chan struct{})}
	args = append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)
	s.cmd = exec.Command(Binary(t), args...)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() { s.Kill() })
	return s
}

// find waits for something that the server prints.
func (s *Server) find(t testing.TB, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(30 * time.Second)
	for {
		if m := re.FindStringSubmatch(s.output.String()); m != nil {
			return m[1]
		}
		select {
		case <-s.ended:
			t.Fatalf("sluice serve ended (%s):\n%s", s.cmd.ProcessState, s.output)
		case <-deadline:
			t.Fatalf("sluice serve did not print %q in time:\n%s", pattern, s.output)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Output is what the server has printed so far.
func (s *Server) Output() string { return s.output.String() }

// Pid is the server's process.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Kill ends the server as a crash does, with no chance to tidy up.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// Stop ends the server as Ctrl-C does and returns its exit code.
func (s *Server) Stop(t testing.TB) int {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	return s.Ended(t)
}

// Ended waits until the server has ended by itself and returns its exit code.
func (s *Server) Ended(t testing.TB) int {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(60 * time.Second):
		t.Fatalf("sluice serve did not stop:\n%s", s.output)
	}
	return s.cmd.ProcessState.ExitCode()
}

// client reaches the server over its socket.
func (s *Server) client(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			dir, err := os.Open(s.Data)
			if err != nil {
				return nil, err
			}
			defer func() { _ = dir.Close() }()
			return (&net.Dialer{}).DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/sluice.sock", dir.Fd()))
		},
	}}
}

// Stream is API for an answer that is too large to be held: read gets it as it comes.
func (s *Server) Stream(t testing.TB, path string, read func(io.Reader) error) {
	t.Helper()
	client := s.client(10 * time.Minute)
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://sluice"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", path, res.Status)
	}
	if err := read(res.Body); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
}

// API calls the server's API over its socket, as an operator, and decodes the
// answer into the value unless that is nil. It returns the HTTP status.
func (s *Server) API(t testing.TB, method, path string, body, into any) int {
	t.Helper()
	client := s.client(time.Minute)
	defer client.CloseIdleConnections()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://sluice"+path, &b)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := into.(*string); ok {
		*text = string(answer)
	} else if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, answer)
		}
	}
	return res.StatusCode
}

// Drained waits until every recorded click is in the reports.
func (s *Server) Drained(t testing.TB) {
	t.Helper()
	var status struct {
		Pipeline struct{ Records, Bytes int64 }
	}
	deadline := time.Now().Add(2 * time.Minute)
	for time.Now().Before(deadline) {
		if s.API(t, "GET", "/api/v1/status", nil, &status) == http.StatusOK && status.Pipeline.Bytes == 0 && status.Pipeline.Records == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the reports are still behind: %+v", status)
}

// Reported waits until so many clicks are in the reports, and none waits. It gives
// up, and the test fails, when there is no progress for a minute.
func (s *Server) Reported(t testing.TB, clicks int) {
	t.Helper()
	var status struct {
		Pipeline  struct{ Records, Bytes int64 }
		Analytics struct{ Clicks int64 }
	}
	last := int64(-1)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if s.API(t, "GET", "/api/v1/status", nil, &status) != http.StatusOK {
			continue
		}
		if status.Analytics.Clicks >= int64(clicks) && status.Pipeline.Records == 0 && status.Pipeline.Bytes == 0 {
			return
		}
		if status.Analytics.Clicks != last {
			last, deadline = status.Analytics.Clicks, time.Now().Add(time.Minute)
		}
	}
	t.Errorf("the reports stand still at %d of %d clicks: %+v", last, clicks, status)
}
