package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/testkit"
)

// ingestKey is what "sluice ingest key" prints.
type ingestKey struct {
	Name, Secret string
	Current      bool
}

func ingestKeys(t *testing.T, s *testkit.Server, more ...string) (keys []ingestKey, address string) {
	t.Helper()
	out := testkit.Must(t, append([]string{"ingest", "key", "main", "--data", s.Data, "--format", "json"}, more...)...)
	var list struct {
		Address string
		Items   []ingestKey
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return list.Items, list.Address
}

// sendBatch signs a batch as the documentation says, with nothing of the program's.
func sendBatch(t *testing.T, s *testkit.Server, key ingestKey, body string) (status int, answer string) {
	t.Helper()
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key.Secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	id, timestamp := "msg_"+rand.Text(), fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id + "." + timestamp + "." + body))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Links+"/ingest/clicks", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sluice-Key", key.Name)
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", timestamp)
	r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	r.Header.Set("Sluice-Lost", "2")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, b.String()
}

// nginxClick is a click as nginx's log has it, made so long ago.
func nginxClick(s *testkit.Server, ago time.Duration, n int) string {
	ms := fmt.Sprint(time.Now().Add(-ago).UnixMilli())
	return fmt.Sprintf(`{"id":"z%s%011x","host":%q,"path":"/go/the-thing","method":"GET","proto":"HTTP/1.1","agent":%q,"accept":"text/html","ip":"198.51.100.%d","code":"302","url":"https://shop.example/p/1"}`,
		ms[1:], n, s.Links, browser, n)
}

// What was answered with 200 is in the report after kill -9, once, however often it is sent.
func TestClicksFromElsewhereSurviveAndCountOnce(t *testing.T) {
	data := t.TempDir()
	s := testkit.StartServer(t, data)
	testkit.Must(t, "link", "add", "the-thing", "https://shop.example/p/1", "--data", data)
	keys, _ := ingestKeys(t, s)
	batch := `{"clicks":[` + nginxClick(s, time.Minute, 1) + "," + nginxClick(s, 3*time.Hour, 2) + "," + nginxClick(s, 90*24*time.Hour, 3) + "]}"
	status, answer := sendBatch(t, s, keys[0], batch)
	if status != 200 || answer != "{\"taken\":3}\n" {
		t.Fatalf("answered %d %s", status, answer)
	}
	s.Kill()

	s = testkit.StartServer(t, data)
	if got := report(t, s, "link", "--since", "100d"); got["the-thing"] != [2]float64{3, 3} {
		t.Errorf("after kill -9 the report says %v, want 3 clicks", got)
	}
	if status, answer = sendBatch(t, s, keys[0], batch); status != 200 {
		t.Errorf("sent again: %d %s", status, answer)
	}
	if got := report(t, s, "link", "--since", "100d"); got["the-thing"] != [2]float64{3, 3} {
		t.Errorf("sent again, the report says %v, want 3 clicks still", got)
	}
	var state struct {
		Ingest struct {
			Taken, Duplicates, Lost int
			Keys                    []struct{ Key string }
		}
	}
	if code := s.API(t, "GET", "/api/v1/status", nil, &state); code != 200 || state.Ingest.Taken != 3 || state.Ingest.Duplicates != 3 || state.Ingest.Lost != 2 || len(state.Ingest.Keys) != 1 {
		t.Errorf("status %d: %+v", code, state)
	}
	// The hours are those of the clicks.
	hours := report(t, s, "day", "--since", "100d")
	if old := time.Now().Add(-90 * 24 * time.Hour).UTC().Format(time.DateOnly); hours[old] != [2]float64{1, 1} {
		t.Errorf("the late click is not on %s: %v", old, hours)
	}
}

func TestIngestKeysRotate(t *testing.T) {
	data := t.TempDir()
	s := testkit.StartServer(t, data)
	testkit.Must(t, "link", "add", "the-thing", "https://shop.example/p/1", "--data", data)
	first, _ := ingestKeys(t, s)
	both, _ := ingestKeys(t, s, "--rotate")
	if len(first) != 1 || len(both) != 2 || both[0].Name != "main.2" || !both[0].Current || both[1] != (ingestKey{first[0].Name, first[0].Secret, false}) {
		t.Fatalf("first %+v, then %+v", first, both)
	}
	for i, key := range both {
		if status, answer := sendBatch(t, s, key, nginxClick(s, time.Minute, i)); status != 200 {
			t.Errorf("%s: %d %s", key.Name, status, answer)
		}
	}
	left, _ := ingestKeys(t, s, "--revoke", "1")
	if status, answer := sendBatch(t, s, first[0], nginxClick(s, time.Minute, 9)); status != 401 || !strings.Contains(answer, "key_unknown") || len(left) != 1 {
		t.Errorf("a revoked key: %d %s; left %+v", status, answer, left)
	}
	if _, stderr, code := testkit.Run(t, "", "ingest", "key", "main", "--revoke", "2", "--data", data); code != 1 || !strings.Contains(stderr, "rotate first") {
		t.Errorf("the current key is revoked: %d %s", code, stderr)
	}
	if got := report(t, s, "link"); got["the-thing"] != [2]float64{2, 2} {
		t.Errorf("the report says %v, want 2 clicks", got)
	}
}

func TestOperatorTakesInALog(t *testing.T) {
	data := t.TempDir()
	s := testkit.StartServer(t, data)
	testkit.Must(t, "link", "add", "the-thing", "https://shop.example/p/1", "--data", data)
	log := nginxClick(s, time.Minute, 1) + "\nnot a click\n" + nginxClick(s, time.Hour, 2) + "\n"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Admin+"/api/v1/ingest?format=clicks", strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a credential: %d", res.StatusCode)
	}
	out := socketCurl(t, s, "/api/v1/ingest?format=clicks", log)
	if out.Taken != 2 || out.Refused != 1 || len(out.Refusals) != 1 || out.Refusals[0].Line != 2 {
		t.Errorf("answered %+v", out)
	}
	socketCurl(t, s, "/api/v1/ingest", log)
	if got := report(t, s, "link"); got["the-thing"] != [2]float64{2, 2} {
		t.Errorf("the report says %v, want 2 clicks", got)
	}
}

type ingestReceipt struct {
	Taken, Refused int
	Refusals       []struct {
		Line int
		Why  string
	}
}

// socketCurl sends a log as the documentation does it.
func socketCurl(t *testing.T, s *testkit.Server, path, body string) (r ingestReceipt) {
	t.Helper()
	need(t, "curl")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "curl", "-sS", "--unix-socket", "sluice.sock", "http://sluice"+path, "--data-binary", "@-")
	cmd.Dir, cmd.Stdin = s.Data, strings.NewReader(body)
	out, err := cmd.CombinedOutput()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r
}

// need skips a test for want of a program, and fails where that is not allowed.
func need(t testing.TB, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("CI") != "" || os.Getenv("SLUICE_REQUIRE_ENGINES") != "" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
}

// The example of docs/ingest.md works as it stands there.
func TestIngestExample(t *testing.T) {
	need(t, "bash", "curl", "openssl", "od")
	doc, err := os.ReadFile("../../docs/ingest.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, found := strings.Cut(string(doc), "```bash\n")
	script, _, _ = strings.Cut(script, "```")
	if !found {
		t.Fatal("docs/ingest.md has no example for bash")
	}
	data := t.TempDir()
	s := testkit.StartServer(t, data)
	testkit.Must(t, "link", "add", "the-thing", "https://shop.example/p/1", "--data", data)
	keys, address := ingestKeys(t, s)
	if want := "http://" + s.Links + "/ingest/clicks"; !strings.HasSuffix(address, "/ingest/clicks") {
		t.Errorf("batches go to %s, want %s", address, want)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "batch.json"), `{"clicks":[`+nginxClick(s, time.Minute, 1)+"]}\n")
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "ADDRESS=http://"+s.Links+"/ingest/clicks", "KEY="+keys[0].Name, "SECRET="+keys[0].Secret)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "{\"taken\":1}\n" {
		t.Errorf("%v: %s", err, out)
	}
	if got := report(t, s, "link"); got["the-thing"] != [2]float64{1, 1} {
		t.Errorf("the report says %v, want 1 click", got)
	}
}
