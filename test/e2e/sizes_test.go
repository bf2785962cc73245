package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/testkit"
)

// place is one of those who answer the same links.
type place struct {
	name    string
	address string
	pid     int    // of its process, which may have children
	dir     string // what was exported for it
}

const (
	sizesHost    = "go.example"
	sizesLinks   = 40
	sizesVisits  = 200 // at each place
	sizesCountry = "X-Country"
)

// One set of links, served by Sluice, by nginx and by an edge worker at the same time. Mixed traffic
// goes to all three; one report shows every click once, whoever answered it, also when what nginx
// and the worker have told is told again.
func TestThreeSizesOneReport(t *testing.T) {
	need(t, "/usr/sbin/nginx", "node")
	s := sizesServer(t)
	logs := t.TempDir()
	places := sizesPlaces(t, s, logs)
	sizesAnswerAlike(t, places)

	visits := sizesTraffic(t, places)
	follower := followLog(t, s, filepath.Join(logs, "clicks.log"))
	all := map[string]string{} // place by click id
	for name, ids := range visits {
		for _, id := range ids {
			if other, twice := all[id]; twice {
				t.Fatalf("%s and %s gave out the click id %s", name, other, id)
			}
			all[id] = name
		}
	}
	reported(t, s, len(all))
	follower()
	// Told again from its begin, by somebody who does not know what has been told.
	testkit.Must(t, "ingest", "nginx", filepath.Join(logs, "clicks.log"), "--state", filepath.Join(t.TempDir(), "state"), "--data", s.Data)
	checkClicks(t, s, visits, len(all))
}

// sizesPlaces starts all three.
func sizesPlaces(t testing.TB, s *testkit.Server, logs string) []place {
	t.Helper()
	return []place{{"sluice", s.Links, s.Pid(), ""}, sizesNginx(t, s, logs), sizesEdge(t, s)}
}

// sizesServer is Sluice with the links: plain ones, rules, a partner's, one that is closed.
func sizesServer(t testing.TB) *testkit.Server {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sluice.yml")
	write(t, config, "cookie:\n  insecure: true\ncountry_header: "+sizesCountry+"\ntrusted_proxies: [127.0.0.1]\n")
	s := testkit.StartServer(t, t.TempDir(), "--config", config)
	put := func(method, path string, body any) {
		t.Helper()
		var answer json.RawMessage
		if code := s.API(t, method, path, body, &answer); code >= 300 {
			t.Fatalf("%s %s: %d %s", method, path, code, answer)
		}
	}
	put("PUT", "/api/v1/sites/main", map[string]any{"id": "main", "hosts": []string{sizesHost}, "prefix": "/go/", "default_url": "https://blog.example/"})
	put("POST", "/api/v1/programs", map[string]any{"id": "acme", "side": "pays"})
	put("POST", "/api/v1/partners", map[string]any{"program": "acme", "code": "anna"})
	var lines bytes.Buffer
	for i := range sizesLinks {
		fmt.Fprintf(&lines, `{"site":"main","slug":"link-%d","program":"acme","destinations":[{"url":"https://shop.example/%d?partner={partner}&sid={click_id}","weight":1}],`+
			`"rules":[{"id":"de","when":[{"on":"country","in":["DE"]}],"destinations":[{"url":"https://shop.example/de/%d?sid={click_id}","weight":1}]}]}`+"\n", i, i, i)
	}
	lines.WriteString(`{"site":"main","slug":"closed","status":"paused","destinations":[{"url":"https://shop.example/closed","weight":1}]}` + "\n")
	file := filepath.Join(t.TempDir(), "links.jsonl")
	write(t, file, lines.String())
	testkit.Must(t, "link", "import", file, "--data", s.Data)
	return s
}

// sizesNginx serves the exported links with the real nginx.
func sizesNginx(t testing.TB, s *testkit.Server, logs string) place {
	t.Helper()
	dir := t.TempDir()
	address := freeAddress(t)
	testkit.Must(t, "export", "nginx", dir, "--country-header", sizesCountry, "--log", filepath.Join(logs, "clicks.log"), "--data", s.Data)
	write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`daemon off;
worker_processes 1;
pid %[1]s/pid;
error_log stderr;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	include %[1]s/sluice-http.conf;
	server {
		listen %[2]s;
		server_name %[3]s;
		include %[1]s/sluice-server.conf;
	}
}
`, dir, address, sizesHost))
	cmd := exec.Command("/usr/sbin/nginx", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr")
	background(t, cmd, syscall.SIGQUIT)
	answers(t, address)
	return place{"nginx", address, cmd.Process.Pid, dir}
}

// sizesEdge serves the exported links with the worker in Cloudflare's runtime.
func sizesEdge(t testing.TB, s *testkit.Server) place {
	t.Helper()
	dir := t.TempDir()
	testkit.Must(t, "export", "workers", "--out", dir, "--ingest-url", "http://"+s.Links+"/ingest/clicks", "--data", s.Data)
	cookieKeys, err := os.ReadFile(filepath.Join(s.Data, "keys", "cookie"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "serve.js", dir, "--var", "COOKIE_INSECURE=1")
	cmd.Dir = "../../edge"
	cmd.Env = append(os.Environ(), "COOKIE_KEYS="+string(cookieKeys), "INGEST_KEYS="+testkit.Must(t, "ingest", "key", "main", "--data", s.Data))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	background(t, cmd, syscall.SIGTERM)
	line, err := bufio.NewReader(out).ReadString('\n')
	_, address, ok := strings.Cut(strings.TrimSpace(line), " at http://")
	if !ok {
		t.Fatalf("the edge does not start: %q, %v; is edge/node_modules there? (make edge)", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return place{"edge", address, cmd.Process.Pid, dir}
}

// background runs a program until the test ends.
func background(t testing.TB, cmd *exec.Cmd, end os.Signal) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(end)
		waited := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		waited.Stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), said.String())
		}
	})
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// answers waits until somebody listens.
func answers(t testing.TB, address string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// visitPlace follows a link at a place and returns where it leads.
func visitPlace(t *testing.T, address, path, country, from string) (code int, location string) {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = sizesHost
	for name, value := range map[string]string{"User-Agent": browser, "Accept": "text/html", "Referer": "https://blog.example/review", sizesCountry: country,
		"CF-IPCountry": country, "CF-Connecting-IP": from, "X-Forwarded-For": from} {
		r.Header.Set(name, value)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("Location")
}

// clickIn is the click id of a URL, or "".
func clickIn(location string) string {
	_, id, _ := strings.Cut(location, "sid=")
	return id
}

// sizesAnswerAlike wants the same answer of all, but for the click's id. Its visits are for names that
// make no valid click.
func sizesAnswerAlike(t *testing.T, places []place) {
	t.Helper()
	for _, path := range []string{"/go/closed", "/go/nothing", "/go/CLOSED?x=1"} {
		var first string
		for i, p := range places {
			code, location := visitPlace(t, p.address, path, "DE", "192.0.2.1")
			answer := fmt.Sprint(code, " ", location)
			if i == 0 {
				first = answer
			} else if answer != first {
				t.Errorf("%s: %s answers %s, and %s %s", path, places[0].name, first, p.name, answer)
			}
		}
	}
}

// sizesTraffic visits all places at the same time and returns the click ids that each gave out.
func sizesTraffic(t *testing.T, places []place) map[string][]string {
	t.Helper()
	visits := map[string][]string{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, p := range places {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, 2)) // the same visits everywhere
			for i := range sizesVisits {
				n, country := random.IntN(sizesLinks), []string{"DE", "FR", ""}[random.IntN(3)]
				path, want := fmt.Sprintf("/go/link-%d", n), fmt.Sprintf("https://shop.example/%d?partner=", n)
				if random.IntN(2) == 0 {
					path, want = path+"?ref=anna", want+"anna"
				}
				want += "&sid="
				if country == "DE" {
					want = fmt.Sprintf("https://shop.example/de/%d?sid=", n)
				}
				code, location := visitPlace(t, p.address, path, country, fmt.Sprintf("192.0.2.%d", i%250))
				id := clickIn(location)
				if code != 302 || location != want+id || len(id) != 24 {
					t.Errorf("%s, %s from %q: %d %q, want %s…", p.name, path, country, code, location, want)
					return
				}
				mu.Lock()
				visits[p.name] = append(visits[p.name], id)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return visits
}

// followLog brings nginx's clicks in until it is told to end.
func followLog(t *testing.T, s *testkit.Server, log string) (end func()) {
	t.Helper()
	cmd := exec.Command(testkit.Binary(t), "ingest", "nginx", log, "--follow", "--state", filepath.Join(t.TempDir(), "state"), "--data", s.Data)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("sluice ingest nginx --follow: %v\n%s", err, said.String())
		}
	})
}

// linkClicks are the clicks of the links that the traffic goes to.
func linkClicks(t *testing.T, s *testkit.Server) (clicks int) {
	t.Helper()
	for name, row := range report(t, s, "link") {
		if strings.HasPrefix(name, "link-") {
			clicks += int(row[0])
		}
	}
	return clicks
}

// reported waits until the report has so many clicks.
func reported(t *testing.T, s *testkit.Server, want int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		got := linkClicks(t, s)
		if got >= want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the report has %d clicks of %d", got, want)
		}
	}
}

// checkClicks wants the report and each single click to be there once.
func checkClicks(t *testing.T, s *testkit.Server, visits map[string][]string, want int) {
	t.Helper()
	if got := linkClicks(t, s); got != want {
		t.Errorf("the report says %d clicks, want %d", got, want)
	}
	if got := report(t, s, "partner")["anna"][0]; got == 0 || int(got) >= want {
		t.Errorf("the partner has %v clicks of %d", got, want)
	}
	for _, name := range slices.Sorted(maps.Keys(visits)) {
		if len(visits[name]) != sizesVisits {
			t.Errorf("%s answered %d visits with a click id", name, len(visits[name]))
		}
	}
}
