package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sys/unix"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/config"
)

// ask sends a request and returns status and body.
func ask(t *testing.T, client *http.Client, address string, change func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// overSocket is a client of the socket in a data folder.
func overSocket(t *testing.T, dir string) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, socketName))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// noFollow is a visitor who looks at redirects and does not follow them.
var noFollow = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// figures are a scrape: every series by its name with labels.
func (p *process) figures() (string, map[string]float64) {
	p.t.Helper()
	code, text := ask(p.t, http.DefaultClient, p.admin+"/metrics", nil)
	if code != 200 {
		p.t.Fatalf("/metrics: %d %s", code, text)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[string]float64{}
	for name, f := range families {
		for _, m := range f.Metric {
			out[name+labels(m)] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return text, out
}

func labels(m *dto.Metric) string {
	var b strings.Builder
	for _, l := range m.Label {
		fmt.Fprintf(&b, "{%s}", l.GetValue())
	}
	return b.String()
}

// What is counted is what happened, and nothing that a visitor says becomes part of
// the answer or makes it longer.
func TestMetricsTellOfRealClicks(t *testing.T) {
	cfg := settings(t.TempDir())
	cfg.Loops = 1 // whose lane is 1
	p := startWith(t, cfg, nil)
	p.call("POST", "/api/v1/links", `{"slug":"zebrafinch","url":"https://shop.example/p"}`, nil)
	visit := func(n int) {
		for i := range n {
			slug := "zebrafinch"
			if i%4 == 3 {
				slug = fmt.Sprintf("quagga-%d\\%%22", i)
			}
			ask(t, noFollow, p.links+"/go/"+slug+"?sub1=okapi", func(r *http.Request) {
				r.Host = fmt.Sprintf("aardwolf-%d.example", i)
				r.Header.Set("User-Agent", fmt.Sprintf(`numbat/%d "{} Googlebot`, i))
				r.Header.Set("Referer", "https://pangolin.example/")
				r.Header.Set("Accept-Language", "axolotl")
				r.Header.Set("Cookie", "sluice=tenrec")
			})
		}
	}
	stored := func(n float64) {
		waitFor(t, func() bool {
			_, got := p.figures()
			return got["sluice_pipeline_clicks_total"] == n && got["sluice_pipeline_waiting_clicks"] == 0
		})
	}
	visit(4)
	stored(4)
	before, _ := p.figures()
	visit(36)
	stored(40)
	text, got := p.figures()
	for series, want := range map[string]float64{
		"sluice_clicks_total{redirected}": 30, "sluice_clicks_total{missing}": 10, "sluice_clicks_total{refused}": 0, "sluice_clicks_bot_total": 40,
		"sluice_clicks_lost_total": 0, "sluice_journal_records_total{0}": 0, "sluice_journal_records_total{1}": 40, "sluice_journal_dropped_records_total{1}{full}": 0,
		"sluice_pipeline_clicks_total": 40, "sluice_pipeline_waiting_clicks": 0, "sluice_pipeline_lag_seconds": 0, "sluice_office_open": 1,
		"sluice_table_links": 1, "sluice_alarm{clicks_lost}": 0, "sluice_connections_rejected_total{plain}": 0, "sluice_connections{plain}": 1,
	} {
		if value, ok := got[series]; !ok || value != want {
			t.Errorf("%s is %v (%v), want %v", series, value, ok, want)
		}
	}
	for _, series := range []string{"sluice_journal_size_bytes{0}", "sluice_journal_segments{0}", "sluice_disk_free_bytes", "sluice_journal_last_sync_timestamp_seconds{1}"} {
		if got[series] <= 0 {
			t.Errorf("%s is %v", series, got[series])
		}
	}
	if seq := got["sluice_table_change"]; seq == 0 || seq != got["sluice_catalog_change"] {
		t.Errorf("the table is at change %v of %v", seq, got["sluice_catalog_change"])
	}
	for _, word := range []string{"zebrafinch", "quagga", "okapi", "aardwolf", "numbat", "pangolin", "axolotl", "tenrec"} {
		if strings.Contains(text, word) {
			t.Errorf("a visitor's word is in the metrics: %s", word)
		}
	}
	if a, b := strings.Count(before, "\n"), strings.Count(text, "\n"); a != b {
		t.Errorf("visitors make the metrics grow from %d to %d lines", a, b)
	}
}

func TestMetricsCanAskForAToken(t *testing.T) {
	cfg := settings(t.TempDir())
	cfg.Metrics.Token = "a-token-of-the-operator"
	p := startWith(t, cfg, nil)
	for _, c := range []struct {
		change func(*http.Request)
		want   int
	}{
		{nil, 401}, {bearer("another"), 401}, {bearer(cfg.Metrics.Token), 200},
		{func(r *http.Request) { r.Header.Set("Authorization", cfg.Metrics.Token) }, 401},
	} {
		if code, text := ask(t, http.DefaultClient, p.admin+"/metrics", c.change); code != c.want || strings.Contains(text, "sluice_") != (c.want == 200) {
			t.Errorf("%d %.100s, want %d", code, text, c.want)
		}
	}
	if code, _ := ask(t, overSocket(t, cfg.Data), "http://sluice/metrics", nil); code != 200 {
		t.Errorf("over the socket: %d", code)
	}
}

// Profiles are for operators, and for nobody on the visitors' side.
func TestProfilesAreForOperators(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	accounts := p.app.office.get().accounts
	token := func(name string, operator bool, scope account.Scope) string {
		if _, err := accounts.CreateUser(t.Context(), name, "correct horse battery", operator); err != nil {
			t.Fatal(err)
		}
		secret, _, err := accounts.CreateToken(t.Context(), name, "test", []account.Scope{scope}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	operator, reader, other := token("ada", true, account.Write), token("bob", true, account.Read), token("eve", false, account.Write)
	session, err := accounts.LoginWithPassword(t.Context(), "ada", "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	loggedIn := func(r *http.Request) { r.AddCookie(&http.Cookie{Name: api.SessionCookie, Value: session.Secret}) }
	for _, c := range []struct {
		who    string
		change func(*http.Request)
		want   int
	}{
		{"nobody", nil, 401}, {"a wrong token", bearer("sluice_x"), 401}, {"who may read", bearer(reader), 403},
		{"no operator", bearer(other), 403}, {"an operator", bearer(operator), 200}, {"an operator's browser", loggedIn, 200},
	} {
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap?debug=1", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline", "/debug/pprof/symbol"} {
			if code, text := ask(t, http.DefaultClient, p.admin+path, c.change); code != c.want {
				t.Errorf("%s, %s: %d %.100s, want %d", c.who, path, code, text, c.want)
			}
		}
	}
	socket := overSocket(t, dir)
	for path, want := range map[string]int{
		"/debug/pprof/heap": 200, "/debug/pprof/profile?seconds=1": 200, "/debug/pprof/profile?seconds=121": 400, "/debug/pprof/trace?seconds=1e9": 400,
	} {
		if code, text := ask(t, socket, "http://sluice"+path, nil); code != want || want == 200 && !strings.HasPrefix(text, "\x1f\x8b") {
			t.Errorf("over the socket, %s: %d %.20q, want %d", path, code, text, want)
		}
	}
	for _, path := range []string{"/debug/pprof/", "/metrics", "/healthz", "/readyz", "/api/v1/status"} {
		if code, text := ask(t, noFollow, p.links+path, bearer(operator)); code != 404 || !strings.Contains(text, "leads nowhere") {
			t.Errorf("a visitor is shown %s: %d %.100s", path, code, text)
		}
	}
}

// While the store is away the socket still lets in, and /readyz says that visitors
// can be sent here.
func TestOperationsWithoutTheOffice(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	p.call("POST", "/api/v1/links", `{"slug":"a","url":"https://shop.example/a"}`, nil)
	if code, text := ask(t, http.DefaultClient, p.admin+"/readyz", nil); code != 200 || !strings.Contains(text, `"office":"open"`) {
		t.Errorf("/readyz: %d %s", code, text)
	}
	p.stop()
	store := filepath.Join(dir, "store", "sluice.db")
	if err := os.Rename(store, store+".away"); err != nil {
		t.Fatal(err)
	}
	a, err := Build(t.Context(), settings(dir), Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := a.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	admin := "http://" + l.address("admin")
	if code, text := ask(t, http.DefaultClient, admin+"/readyz", nil); code != 503 || !strings.Contains(text, `"office":"starting"`) {
		t.Errorf("/readyz before the first attempt: %d %s", code, text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	tried := make(chan error, 1)
	go func() { tried <- a.open(ctx) }()
	waitFor(t, func() bool { return a.office.fault() != "" })
	if code, text := ask(t, http.DefaultClient, admin+"/readyz", nil); code != 200 || !strings.Contains(text, `"office":"closed"`) || !strings.Contains(text, "store") {
		t.Errorf("/readyz: %d %s", code, text)
	}
	code, text := ask(t, http.DefaultClient, admin+"/healthz", nil)
	if code != 200 || !strings.Contains(text, `"ok":false`) || !strings.Contains(text, `"office_closed"`) {
		t.Errorf("/healthz: %d %s", code, text)
	}
	if code, _ := ask(t, http.DefaultClient, admin+"/debug/pprof/heap", nil); code != 503 {
		t.Errorf("a profile for somebody who cannot be known: %d", code)
	}
	if code, _ := ask(t, overSocket(t, dir), "http://sluice/debug/pprof/heap", nil); code != 200 {
		t.Errorf("a profile over the socket: %d", code)
	}
	if code, text := ask(t, http.DefaultClient, admin+"/metrics", nil); code != 200 || !strings.Contains(text, "\nsluice_office_open 0\n") || !strings.Contains(text, `sluice_alarm{alarm="office_closed"} 1`) {
		t.Errorf("/metrics: %d %s", code, text)
	}
	cancel()
	if err := errors.Join(<-tried, l.shutdown(context.Background()), a.Close()); err != nil {
		t.Error(err)
	}
}

// smallDisk mounts one that fills quickly.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a disk of its own is required in CI: %v", err)
		}
		t.Skipf("wanted: to mount a small disk (as root), but %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes every byte that comes free on the disk, until stopped.
func fill(t *testing.T, dir string) (stop func()) {
	t.Helper()
	path := filepath.Join(dir, "somebody-else")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var filling sync.WaitGroup
	filling.Go(func() {
		block := make([]byte, 256<<10)
		for {
			for n := len(block); n > 0; n /= 2 {
				for {
					if _, err := f.Write(block[:n]); err != nil {
						break
					}
				}
			}
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		filling.Wait()
		if err := errors.Join(f.Close(), os.Remove(path)); err != nil {
			t.Error(err)
		}
	})
}

// alarmsEverywhere collects what each of the four places says.
func (p *process) alarmsEverywhere() (everywhere map[string]map[string]bool, detail string) {
	p.t.Helper()
	var h struct {
		OK     bool
		Alarms []api.Alarm
	}
	code, text := ask(p.t, http.DefaultClient, p.admin+"/healthz", nil)
	if err := json.Unmarshal([]byte(text), &h); err != nil || code != 200 || h.OK != (len(h.Alarms) == 0) {
		p.t.Fatalf("/healthz: %d %s", code, text)
	}
	var status api.Status
	if code := p.call("GET", "/api/v1/status", "", &status); code != 200 {
		p.t.Fatalf("status: %d", code)
	}
	_, figures := p.figures()
	everywhere = map[string]map[string]bool{"healthz": {}, "status": {}, "metrics": {}}
	for _, a := range h.Alarms {
		everywhere["healthz"][a.Name] = true
	}
	for _, a := range status.Alarms {
		everywhere["status"][a.Name] = true
	}
	for _, name := range alarmNames {
		if figures["sluice_alarm{"+name+"}"] == 1 {
			everywhere["metrics"][name] = true
		}
	}
	return everywhere, text
}

// A full disk raises the alarm everywhere, visitors are redirected all the same, and
// when there is room again the alarm ends and the reports have every click that was
// not counted as lost.
func TestAFullDiskRaisesTheAlarm(t *testing.T) {
	dir := smallDisk(t, "96m")
	cfg := settings(dir)
	cfg.Journal.SegmentBytes, cfg.Loops = 64*config.KiB, 1
	p := startWith(t, cfg, nil)
	p.call("POST", "/api/v1/links", `{"slug":"a","url":"https://shop.example/a"}`, nil)
	sent := 0
	click := func() {
		if got := p.click("a"); got != "https://shop.example/a" {
			t.Fatalf("click %d is sent to %q", sent, got)
		}
		sent++
	}
	click()
	p.clicks(1)
	all, text := p.alarmsEverywhere()
	for place, names := range all { // the disk is smaller than it should be, which is an alarm of its own
		if len(names) != 1 || !names[alarmDisk] {
			t.Fatalf("alarms before: %s says %v; %s", place, names, text)
		}
	}

	stopFilling := fill(t, dir)
	defer stopFilling()
	raised := func() (bool, string) {
		all, text := p.alarmsEverywhere()
		for _, names := range all {
			if !names[alarmSpace] || !names[alarmLost] {
				return false, text
			}
		}
		return true, text
	}
	ok := false
	for range 200 {
		for range 100 {
			click()
		}
		if ok, text = raised(); ok {
			break
		}
	}
	if !ok {
		t.Fatalf("no alarm after %d clicks on a full disk: %s", sent, text)
	}
	for _, want := range []string{`"since":"20`, `"remedy":"make room on the disk of ` + dir} {
		if !strings.Contains(text, want) {
			t.Errorf("/healthz does not say %s: %s", want, text)
		}
	}
	var answer health
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Lost == 0 || answer.Alarms[0].Name != alarmLost || answer.Alarms[0].Count != answer.Lost {
		t.Errorf("the loss is not told: %s (%v)", text, err)
	}
	if code, text := ask(t, http.DefaultClient, p.admin+"/readyz", nil); code != 200 {
		t.Errorf("/readyz on a full disk: %d %s", code, text)
	}

	stopFilling()
	waitFor(t, func() bool {
		all, _ := p.alarmsEverywhere()
		return !all["healthz"][alarmSpace] && !all["status"][alarmSpace] && !all["metrics"][alarmSpace]
	})
	for range 10 {
		click()
	}
	_, figures := p.figures()
	lost := figures["sluice_clicks_lost_total"]
	if lost < 1 || lost != figures["sluice_journal_dropped_records_total{1}{full}"] || figures["sluice_clicks_total{redirected}"] != float64(sent) {
		t.Errorf("of %d clicks %v are lost, and the journal has dropped %v", sent, lost, figures["sluice_journal_dropped_records_total{1}{full}"])
	}
	p.clicks(float64(sent) - lost)
	p.stop()
}

// The alarm about lost clicks stays a minute, and begins anew with a new loss.
func TestAnAlarmKnowsWhenItBegan(t *testing.T) {
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	cfg := settings(t.TempDir())
	a, err := Build(t.Context(), cfg, Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	find := func() *api.Alarm {
		for _, alarm := range a.alarms() {
			if alarm.Name == alarmLost {
				return &alarm
			}
		}
		return nil
	}
	lose := func() {
		if err := a.plane.lanes[0].journal.Close(); err != nil {
			t.Fatal(err)
		}
		ask := func() { a.plane.others(&a.config).ServeHTTP(discard{http.Header{}}, visitor(t)) }
		ask()
		ask()
	}
	if find() != nil {
		t.Fatal("an alarm before anything was lost")
	}
	lose()
	began := now
	for range 3 {
		if alarm := find(); alarm == nil || alarm.Count != 2 || !alarm.Since.Equal(began) || alarm.What == "" || alarm.Remedy == "" {
			t.Fatalf("%+v", alarm)
		}
		now = now.Add(19 * time.Second)
	}
	now = now.Add(10 * time.Second)
	if alarm := find(); alarm != nil {
		t.Fatalf("after a minute: %+v", alarm)
	}
	lose()
	if alarm := find(); alarm == nil || alarm.Count != 2 || !alarm.Since.Equal(now) {
		t.Fatalf("a new loss: %+v", alarm)
	}
}

func visitor(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET /go/a HTTP/1.1\r\nHost: a\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// discard is a visitor who has gone.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
