package nginx

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
)

// leadTo is a source with one link.
func leadTo(url string) *export.Source {
	return &export.Source{Sites: []affiliate.Site{{ID: "main", Prefix: "/go/"}}, Links: each([]affiliate.Link{
		{ID: 1, Site: "main", Slug: "thing", Destinations: []affiliate.Destination{{URL: url}}}})}
}

// A new export is served after the reload; one that nginx refuses leaves files and answers as they were.
func TestInstall(t *testing.T) {
	binary := needNginx(t)
	dir := t.TempDir()
	at := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	target := newTarget(t, dir, "")
	if _, err := target.Export(t.Context(), leadTo("https://shop.example/1"), at, dir); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	s := startNginxWith(t, binary, dir, "listen "+address+";", "")
	defer s.stop(t)
	conf := filepath.Join(dir, "nginx.conf")
	commands := Commands{Test: fmt.Sprintf("%s -t -c %s -p %s", binary, conf, dir), Reload: fmt.Sprintf("%s -s reload -c %s -p %s", binary, conf, dir)}

	if _, err := target.Install(t.Context(), leadTo("https://shop.example/2"), at, dir, commands); err != nil {
		t.Fatal(err)
	}
	waitFor(t, s, "https://shop.example/2")

	before := contents(t, dir)
	bad := newTarget(t, dir, "$no_such_variable")
	_, err = bad.Install(t.Context(), leadTo("https://shop.example/3"), at, dir, commands)
	if err == nil || !strings.Contains(err.Error(), `unknown "no_such_variable" variable`) {
		t.Errorf("the refusal is told as %v", err)
	}
	if after := contents(t, dir); after != before {
		t.Error("the former files are not back")
	}
	failing := commands
	failing.Reload = "echo the master is gone; exit 1"
	if _, err := target.Install(t.Context(), leadTo("https://shop.example/3"), at, dir, failing); err == nil || !strings.Contains(err.Error(), "the master is gone") {
		t.Errorf("the failed reload is told as %v", err)
	}
	if after := contents(t, dir); after != before {
		t.Error("the former files are not back")
	}
	if got := s.get(t, "/go/thing", nil); got.location != "https://shop.example/2" {
		t.Errorf("nginx leads to %q after a refusal", got.location)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}

	for _, where := range []string{dir, "http://" + address, "http://" + address + StatusPath} {
		checkState(t, target, leadTo("https://shop.example/2"), at, where, false, false)
		checkState(t, target, leadTo("https://shop.example/9"), at, where, true, false)
	}
}

// What is deployed is stale when a schedule has begun or ended since.
func TestStale(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	ends := at.Add(time.Hour)
	source := func() *export.Source {
		return &export.Source{Sites: []affiliate.Site{{ID: "main", Prefix: "/go/"}}, Links: each([]affiliate.Link{
			{ID: 1, Site: "main", Slug: "thing", EndsAt: &ends, Destinations: []affiliate.Destination{{URL: "https://shop.example/"}}},
			{ID: 2, Site: "main", Slug: "early", Destinations: []affiliate.Destination{{URL: "https://shop.example/"}}, Rules: []affiliate.Rule{{
				When: []affiliate.Condition{{On: affiliate.OnTime, Zone: "Europe/Berlin", From: "08:00", To: "14:30"}}, Destinations: []affiliate.Destination{{URL: "https://shop.example/x"}}}}}})}
	}
	target := newTarget(t, dir, "")
	report, err := target.Export(t.Context(), source(), at, dir)
	if err != nil {
		t.Fatal(err)
	}
	// 14:30 in Berlin's summer comes before the end of the other link.
	if want := at.Add(30 * time.Minute); !report.Until.Equal(want) {
		t.Errorf("the export holds until %s, want %s", report.Until, want)
	}
	checkState(t, target, source(), at.Add(29*time.Minute), dir, false, false)
	checkState(t, target, source(), at.Add(30*time.Minute), dir, true, true)
	checkState(t, target, source(), at.Add(24*time.Hour), dir, true, true)
	if err := os.WriteFile(filepath.Join(dir, HTTPFile), []byte("map x {\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := target.Check(t.Context(), source(), at, dir); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("a file that is cut off is told as %v", err)
	}
}

func newTarget(t *testing.T, dir, country string) *Target {
	t.Helper()
	target, err := New(Options{CountryVariable: country, Log: filepath.Join(dir, "visits.log")})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func contents(t *testing.T, dir string) (all string) {
	t.Helper()
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all += string(b)
	}
	return all
}

// waitFor waits for the workers that the reload starts.
func waitFor(t *testing.T, s *server, url string) {
	t.Helper()
	const row = 50 // the former worker may answer some while it is already going
	for n, end := 0, time.Now().Add(20*time.Second); n < row; {
		n++
		if got := s.get(t, "/go/thing", nil); got.location != url {
			n = 0
			time.Sleep(10 * time.Millisecond)
		}
		if time.Now().After(end) {
			t.Fatalf("nginx does not lead to %s", url)
		}
	}
}

func checkState(t *testing.T, target *Target, from *export.Source, at time.Time, where string, differs, stale bool) {
	t.Helper()
	state, err := target.Check(t.Context(), from, at, where)
	if err != nil {
		t.Fatal(err)
	}
	if state.Differs != differs || state.Stale != stale || state.Fine() == (differs || stale) {
		t.Errorf("%s: Check says %+v, want differs %t, stale %t", where, state, differs, stale)
	}
}
