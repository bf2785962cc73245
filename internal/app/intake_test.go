package app

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/config"
	"github.com/sluicehq/sluice/internal/ingest"
)

// batch sends clicks of the site main, signed at a time with a key.
func (p *process) batch(site string, number int, signed time.Time, body string) (status int, answer string) {
	p.t.Helper()
	timestamp := fmt.Sprint(signed.Unix())
	r, err := http.NewRequestWithContext(p.t.Context(), "POST", p.links+ingest.Path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Sluice-Key", fmt.Sprintf("%s.%d", site, number))
	r.Header.Set("Webhook-Id", "msg_1")
	r.Header.Set("Webhook-Timestamp", timestamp)
	r.Header.Set("Webhook-Signature", ingest.Sign(p.app.intake.Key(site, number), "msg_1", timestamp, []byte(body)))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func nginxID(at time.Time, n int) string {
	return fmt.Sprintf("z%012d%011x", at.UnixMilli()-1_000_000_000_000, n)
}

// An order names the click of an nginx, in nginx's spelling and before the click has come. When it
// comes the order is its partner's.
func TestOrderOfAClickFromElsewhere(t *testing.T) {
	p := start(t, t.TempDir())
	p.create("/api/v1/programs", `{"id": "lamps", "side": "pays", "settlement": {"currency": "EUR", "static_token": true,
		"terms": [{"hold_days": 30, "rates": [{"percent": 100000}]}]}}`)
	p.create("/api/v1/partners", `{"program": "lamps", "code": "anna"}`)
	p.create("/api/v1/links", `{"slug": "lamp", "program": "lamps", "destinations": [{"url": "https://lamps.example/?sid={click_id}"}]}`)
	program, err := p.app.office.get().books.Program(t.Context(), "lamps")
	if err != nil {
		t.Fatal(err)
	}
	server, _, _ := p.app.mailbox.Tokens(program)
	id := nginxID(time.Now().Add(-time.Hour), 1)
	status, answer := p.send("/postback/" + server + "?txid=order-1&amount=100&currency=EUR&click_id=" + id)
	if status != 200 || answer["status"] != "stored" {
		t.Fatalf("the order: %d %v", status, answer)
	}
	click := fmt.Sprintf(`{"id":%q,"host":%q,"path":"/go/lamp","query":"ref=anna","agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0","accept":"text/html","code":"302","url":"https://lamps.example/?sid=%s"}`,
		id, strings.TrimPrefix(p.links, "http://"), id)
	if status, text := p.batch("main", 1, time.Now(), click); status != 200 {
		t.Fatalf("the click: %d %s", status, text)
	}
	p.clicks(1)
	var list struct {
		Items []struct{ State, Partner string }
	}
	for range 1000 {
		p.call("GET", "/api/v1/conversions?program=lamps", "", &list)
		if len(list.Items) == 1 && list.Items[0].Partner == "anna" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the order is %+v, want anna's", list.Items)
}

// A clock that goes wrong is told before it costs clicks, and so are clicks that were lost.
func TestSkewOfASenderIsTold(t *testing.T) {
	p := start(t, t.TempDir())
	now := time.Now()
	if status, text := p.batch("main", 1, now.Add(-3*time.Minute), fmt.Sprintf(`{"id":%q,"host":"any.example"}`, nginxID(now.Add(-time.Hour), 1))); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	if status, text := p.batch("main", 1, now.Add(-10*time.Minute), ""); status != 401 || !strings.Contains(text, "time_off") {
		t.Errorf("signed ten minutes ago: %d %s", status, text)
	}
	if status, text := p.batch("nobody", 1, now, ""); status != 401 || !strings.Contains(text, "key_unknown") {
		t.Errorf("a site that is not there: %d %s", status, text)
	}
	var s api.Status
	p.call("GET", "/api/v1/status", "", &s)
	if !slices.ContainsFunc(s.Warnings, func(w api.Warning) bool {
		return strings.Contains(w.What, "clock") && strings.Contains(w.What, "main.1")
	}) {
		t.Errorf("nothing is said of a clock that is three minutes late: %+v", s.Warnings)
	}
	if s.Ingest == nil || s.Ingest.Taken != 1 || s.Ingest.Unsigned != 2 || len(s.Ingest.Keys) != 1 || s.Ingest.Keys[0].SkewSeconds > -170 || s.Ingest.Keys[0].SkewSeconds < -190 {
		t.Errorf("%+v", s.Ingest)
	}
	_, figures := p.figures()
	if skew := figures["sluice_ingest_clock_skew_seconds{1}{main}"]; skew > -170 || skew < -190 {
		t.Errorf("/metrics says %v", skew)
	}
	if figures["sluice_ingest_clicks_total"] != 1 {
		t.Errorf("/metrics counts %v clicks", figures["sluice_ingest_clicks_total"])
	}
}

// A process that only answers visitors takes no clicks in: it has nobody's keys.
func TestRedirectTakesNoClicksIn(t *testing.T) {
	cfg := settings(t.TempDir())
	cfg.Role = "redirect"
	p := startWith(t, cfg, nil)
	res, err := http.Post(p.links+ingest.Path, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("answered %d", res.StatusCode)
	}
}

// A body may take longer than a visit; one that stops is refused, and its sender is told why.
func TestSlowBatches(t *testing.T) {
	cfg := settings(t.TempDir())
	cfg.Limits.WriteTimeout = config.Duration(time.Second)
	p := startOptions(t, cfg, Options{Version: "test", batchPatience: 3 * time.Second})
	now := time.Now()
	body := fmt.Sprintf(`{"id":%q,"host":"any.example"}`, nginxID(now, 1))
	timestamp := fmt.Sprint(now.Unix())
	send := func(rest string) string {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.links, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\nContent-Length: %d\r\nSluice-Key: main.1\r\nWebhook-Id: m\r\nWebhook-Timestamp: %s\r\nWebhook-Signature: %s\r\n\r\n%s",
			ingest.Path, len(body), timestamp, ingest.Sign(p.app.intake.Key("main", 1), "m", timestamp, []byte(body)), body[:10])
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		if _, err := io.WriteString(conn, rest); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	if answer := send(body[10:]); !strings.Contains(answer, " 200 ") || !strings.Contains(answer, `{"taken":1}`) {
		t.Errorf("a slow body is answered %q", answer)
	}
	if answer := send(body[10:20]); !strings.Contains(answer, " 400 ") || !strings.Contains(answer, "did not arrive in time") {
		t.Errorf("a body that stops is answered %q", answer)
	}
}
