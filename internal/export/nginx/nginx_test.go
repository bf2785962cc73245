package nginx

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ingest"
	"github.com/sluicehq/sluice/internal/useragent"
)

// needNginx finds nginx, or skips the test where it may be missing.
func needNginx(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" || os.Getenv("SLUICE_REQUIRE_ENGINES") != "" {
		t.Fatal("nginx is missing: install it (Debian: apt-get install nginx-light)")
	}
	t.Skip("nginx is missing: install it (Debian: apt-get install nginx-light)")
	return ""
}

// server is a running nginx with an export.
type server struct {
	address string
	log     *bufio.Reader
	cmd     *exec.Cmd
	ended   chan error
}

const settings = `daemon off;
%[4]s
worker_processes 1;
pid %[1]s/pid;
error_log %[1]s/error.log warn;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	include %[1]s/%[3]s;
	server {
		listen unix:%[1]s/socket;
		large_client_header_buffers 4 32k;
		include %[1]s/sluice-server.conf;
		%[2]s
	}
}
`

// writeSettings writes a configuration around the export in dir.
func writeSettings(t testing.TB, dir, extra, top string) string {
	t.Helper()
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, fmt.Appendf(nil, settings, dir, extra, HTTPFile, top), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func startNginx(t testing.TB, binary, dir string) *server {
	return startNginxWith(t, binary, dir, "", "master_process off;")
}

func startNginxWith(t testing.TB, binary, dir, extra, top string) *server {
	t.Helper()
	conf := writeSettings(t, dir, extra, top)
	logPath := filepath.Join(dir, "visits.log")
	log, err := os.OpenFile(logPath, os.O_RDONLY|os.O_CREATE, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: filepath.Join(dir, "socket"), log: bufio.NewReader(log), ended: make(chan error, 1)}
	s.cmd = exec.Command(binary, "-c", conf, "-p", dir)
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stderr = said
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = log.Close()
		_ = said.Close()
	})
	for range 3000 {
		if c, err := net.Dial("unix", s.address); err == nil {
			_ = c.Close()
			checkQuiet(t, filepath.Join(dir, "error.log"))
			checkQuiet(t, filepath.Join(dir, "said"))
			return s
		}
		select {
		case err := <-s.ended:
			b, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			words, _ := os.ReadFile(said.Name())
			t.Fatalf("nginx does not start: %v\n%s%s", err, words, b)
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatal("nginx does not answer")
	return nil
}

// checkQuiet wants nginx to have complained of nothing.
func checkQuiet(t testing.TB, path string) {
	t.Helper()
	b, _ := os.ReadFile(path)
	for _, l := range strings.Split(string(b), "\n") {
		if strings.Contains(l, "[warn]") || strings.Contains(l, "[error]") || strings.Contains(l, "[emerg]") {
			t.Errorf("nginx complains: %s", l)
		}
	}
}

func (s *server) stop(t testing.TB) {
	t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(5 * time.Second):
		_ = s.cmd.Process.Kill()
	}
}

type response struct {
	code     int
	location string
	header   http.Header
	body     string
}

// get sends a request as it is written, which net/http would tidy up.
func (s *server) get(t testing.TB, target string, head []string) response {
	return s.do(t, "GET "+target+" HTTP/1.0", head)
}

func (s *server) do(t testing.TB, first string, head []string) response {
	t.Helper()
	c, err := net.Dial("unix", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, first+"\r\n"+strings.Join(head, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(first, " ")
	r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s: %v", first, err)
	}
	body, _ := io.ReadAll(r.Body)
	return response{r.StatusCode, r.Header.Get("Location"), r.Header, string(body)}
}

// logged is the line that the last request left in the log, nil for none. nginx writes it when the
// answer has been sent, so it is waited for.
func (s *server) logged(t testing.TB) *ingest.Click {
	t.Helper()
	text := ""
	for range 20 {
		part, err := s.log.ReadString('\n')
		text += part
		if err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if text == "" {
		return nil
	}
	return parseLine(t, text)
}

// parseLine reads a line of the log as strictly as its format is written down.
func parseLine(t testing.TB, text string) *ingest.Click {
	t.Helper()
	fields := map[string]string{}
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		t.Fatalf("a line of the log is not JSON: %v\n%s", err, text)
	}
	typed := map[string]any{}
	for k, v := range fields {
		switch k {
		case "link", "code":
			if v != "" {
				typed[k] = json.Number(v)
			}
		case "returning", "cookie_refused":
			typed[k] = v == "1"
		default:
			typed[k] = v
		}
	}
	b, err := json.Marshal(typed)
	if err != nil {
		t.Fatal(err)
	}
	var c ingest.Click
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return &c
}

// classify is what the redirect would find out about a user agent.
func classify(agent string) (affiliate.Device, affiliate.Action) {
	device, isTool := useragent.Classify(agent, "")
	if device == useragent.Bot && !isTool {
		return device, affiliate.Decoy
	}
	return device, affiliate.Pass
}
