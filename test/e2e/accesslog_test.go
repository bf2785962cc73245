package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/testkit"
)

// "sluice ingest nginx" is killed at random moments while the log is rotated; every click is in
// the report once.
func TestAccessLogSurvivesKills(t *testing.T) {
	for _, format := range []string{"sluice", "combined"} {
		t.Run(format, func(t *testing.T) { followThroughKills(t, format) })
	}
}

func followThroughKills(t *testing.T, format string) {
	const rounds, each = 12, 400
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	data := t.TempDir()
	s := testkit.StartServer(t, data)
	testkit.Must(t, "link", "add", "the-thing", "https://shop.example/p/1", "--data", data)
	path := filepath.Join(t.TempDir(), "go.log")
	write(t, path, "")
	args := []string{"ingest", "nginx", path, "--data", data, "--state", filepath.Join(data, "go.state"), "--format", format, "--host", s.Links}
	clicks := 0
	for range rounds {
		cmd := exec.Command(testkit.Binary(t), append(args, "--follow")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		end := time.Now().Add(time.Duration(50+random.IntN(400)) * time.Millisecond)
		for n := 0; n < each; n++ {
			appendTo(t, path, logLine(s, format, clicks))
			if clicks++; n%100 == 99 && random.IntN(2) == 0 {
				rotateLog(t, path, random)
			}
			if n%40 == 0 {
				time.Sleep(time.Until(end) / 10)
			}
		}
		time.Sleep(time.Until(end))
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}
	out := testkit.Must(t, args...)
	t.Log(out)
	if got := report(t, s, "link"); got["the-thing"][0] != float64(clicks) {
		t.Errorf("the report says %v, want %d clicks", got, clicks)
	}
	if again := testkit.Must(t, args...); format == "sluice" && !strings.HasPrefix(again, "0 lines read") {
		t.Errorf("once more: %s", again)
	}
	// With another state all is read again, and counts no more.
	fresh := append([]string{}, args...)
	fresh[2], fresh[6] = path+"*", filepath.Join(data, "other.state")
	t.Log(testkit.Must(t, fresh...))
	if got := report(t, s, "link"); got["the-thing"][0] != float64(clicks) {
		t.Errorf("read from the beginning, the report says %v, want %d clicks", got, clicks)
	}
}

// logLine is a click; in the combined format three in a row are equal.
func logLine(s *testkit.Server, format string, n int) string {
	if format == "sluice" {
		return strings.Replace(nginxClick(s, time.Second, n), fmt.Sprintf("198.51.100.%d", n), fmt.Sprintf("198.51.100.%d", n%200), 1) + "\n"
	}
	return fmt.Sprintf("198.51.100.%d - - [%s] \"GET /go/the-thing?n=%d HTTP/1.1\" 302 0 \"-\" \"%s\"\n", n/3%200, time.Now().Format("02/Jan/2006:15:04:05 -0700"), n/3, browser)
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// rotateLog renames, or copies and truncates; what is older is renamed and compressed.
func rotateLog(t *testing.T, path string, random *rand.Rand) {
	t.Helper()
	for n := 60; n > 1; n-- {
		_ = os.Rename(fmt.Sprintf("%s.%d.gz", path, n), fmt.Sprintf("%s.%d.gz", path, n+1)) // most are not there
	}
	if _, err := os.Stat(path + ".1"); err == nil {
		must(t, os.Rename(path+".1", path+".2"))
		if out, err := exec.Command("gzip", path+".2").CombinedOutput(); err != nil {
			t.Fatalf("gzip: %v %s", err, out)
		}
	}
	if random.IntN(2) == 0 {
		must(t, os.Rename(path, path+".1"))
		return
	}
	text, err := os.ReadFile(path)
	must(t, err)
	write(t, path+".1", string(text))
	must(t, os.Truncate(path, 0))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAccessLogRefusals(t *testing.T) {
	data := t.TempDir()
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	line := `198.51.100.1 - - [` + time.Now().Format("02/Jan/2006:15:04:05 -0700") + `] "GET /go/the-thing HTTP/1.1" 302 0 "-" "` + browser + `"`
	write(t, path, line+"\nnot a line\n"+strings.Replace(line, "/go/the-thing", "/style.css", 1)+"\n"+strings.Replace(line, " 302 ", " 200 ", 1)+"\n"+line+"\n")
	if _, stderr, code := testkit.Run(t, "", "ingest", "nginx", path, "--data", data, "--host", "x", "--state", dir+"/s"); code != 2 || !strings.Contains(stderr, "no server runs") {
		t.Errorf("without a server: %d %s", code, stderr)
	}
	s := testkit.StartServer(t, data)
	testkit.Must(t, "link", "add", "the-thing", "https://shop.example/p/1", "--data", data)
	if _, stderr, code := testkit.Run(t, "", "ingest", "nginx", path, "--data", data, "--state", dir+"/s"); code != 2 || !strings.Contains(stderr, "--host") {
		t.Errorf("without a host: %d %s", code, stderr)
	}
	out := testkit.Must(t, "ingest", "nginx", path, "--data", data, "--host", s.Links, "--state", dir+"/s")
	if !strings.HasPrefix(out, "5 lines read: 2 taken, 1 refused, 2 not links") {
		t.Error(out)
	}
	var r struct {
		File, Why, Text string
		Line            int
	}
	text, err := os.ReadFile(dir + "/s.rejects")
	must(t, err)
	if err := json.Unmarshal(text, &r); err != nil || r.File != path || r.Line != 2 || r.Text != "not a line" || !strings.HasPrefix(r.Why, "time:") {
		t.Errorf("%v: %s", err, text)
	}
	if got := report(t, s, "link"); got["the-thing"][0] != 2 {
		t.Errorf("the report says %v, want 2 clicks", got)
	}
	// However many make no sense, each is kept aside with its reason.
	const many = 2500
	bad, good := "", line+"\n"
	for n := range many {
		bad += fmt.Sprintf("nonsense %d\n", n)
	}
	write(t, dir+"/bad.log", good+bad+good)
	if out := testkit.Must(t, "ingest", "nginx", dir+"/bad.log", "--data", data, "--host", s.Links, "--state", dir+"/b"); !strings.Contains(out, "2 taken, 2,500 refused") {
		t.Error(out)
	}
	text, err = os.ReadFile(dir + "/b.rejects")
	must(t, err)
	for n, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Line != n+2 || r.Text != fmt.Sprintf("nonsense %d", n) {
			t.Fatalf("reject %d: %v in %s", n, err, line)
		}
	}
	if n := strings.Count(string(text), "\n"); n != many {
		t.Errorf("%d lines are kept aside, want %d", n, many)
	}
	if _, stderr, code := testkit.Run(t, "", "ingest", "nginx", dir+"/nothing", "--data", data); code != 2 || !strings.Contains(stderr, "nothing") {
		t.Errorf("no such file: %d %s", code, stderr)
	}
}

// A real nginx writes its log, and is told to reopen it while it is followed; the server is
// away for a while.
func TestAccessLogOfNginx(t *testing.T) {
	need(t, "nginx", "curl")
	data, dir := t.TempDir(), t.TempDir()
	s := testkit.StartServer(t, data)
	testkit.Must(t, "link", "add", "the-thing", "https://shop.example/p/1", "--data", data)
	socket := filepath.Join(dir, "n.sock")
	write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`pid %[1]s/pid; error_log %[1]s/error.log; daemon off; worker_processes 1; events {}
http {
  map $msec $sluice_ms { "~^1(?<a>\d+)\.(?<b>\d+)$" $a$b; }
  map $request_id $sluice_random { "~^(?<r>.{11})" $r; }
  log_format sluice escape=json '{"id":"z$sluice_ms$sluice_random","host":"%[2]s","path":"$uri","query":"$args","method":"$request_method","proto":"$server_protocol","scheme":"$scheme","code":"$status","url":"$sent_http_location","agent":"$http_user_agent","accept":"$http_accept","referrer":"$http_referer"}';
  access_log %[1]s/go.log sluice;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server { listen unix:%[3]s; location /go/ { return 302 https://shop.example/p/1; } }
}`, dir, s.Links, socket))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	engine := exec.CommandContext(ctx, "nginx", "-c", filepath.Join(dir, "nginx.conf"), "-p", dir)
	engine.Cancel = func() error { return engine.Process.Signal(syscall.SIGTERM) }
	must(t, engine.Start())
	defer func() { cancel(); _ = engine.Wait() }()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Fatalf("nginx does not start: %s", text)
		}
	}
	path := filepath.Join(dir, "go.log")
	follow := exec.CommandContext(ctx, testkit.Binary(t), "ingest", "nginx", path+"*", "--follow", "--data", data, "--state", filepath.Join(dir, "state"))
	var said strings.Builder
	follow.Stderr = &said
	must(t, follow.Start())
	defer func() { _ = follow.Process.Kill(); _ = follow.Wait() }()
	for round := range 4 {
		out, err := exec.Command("curl", "-sS", "-o", "/dev/null", "-A", browser, "-H", "Accept: text/html", "--unix-socket", socket, "http://x/go/the-thing?n=[1-50]").CombinedOutput()
		if err != nil {
			t.Fatalf("curl: %v %s", err, out)
		}
		must(t, os.Rename(path, fmt.Sprintf("%s.%d", path, 9-round)))
		must(t, engine.Process.Signal(syscall.SIGUSR1))
		if round == 1 {
			s.Kill()
			s = testkit.StartServer(t, data)
		}
	}
	var got map[string][2]float64
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if got = report(t, s, "link"); got["the-thing"][0] >= 200 {
			break
		}
	}
	if got["the-thing"][0] != 200 {
		_ = follow.Process.Kill()
		_ = follow.Wait() // so that all it said is there
		t.Errorf("the report says %v, want 200 clicks; the command said %s", got, said.String())
	}
}
