package edge

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
)

func links(n int, url string) *export.Source {
	return &export.Source{
		Sites: []affiliate.Site{{ID: "main", Hosts: []string{"go.shop.co.uk"}, Prefix: "/go/", DefaultURL: "https://blog.example/"}},
		Links: func(yield func(*affiliate.Link, error) bool) {
			for i := range n {
				l := &affiliate.Link{ID: int64(i + 1), Site: "main", Slug: fmt.Sprintf("link-%d", i), Destinations: []affiliate.Destination{{URL: url}}}
				l.Normalize()
				if !yield(l, nil) {
					return
				}
			}
		},
	}
}

func write(t *testing.T, w *Workers, from *export.Source, dir string) *export.Report {
	t.Helper()
	report, err := w.Export(t.Context(), from, time.Now(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// entries are those of all bulk files of a folder.
func entries(t *testing.T, dir string) (all []kvEntry) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, putPattern))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var list []kvEntry
		if err := json.Unmarshal(b, &list); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if len(list) > entriesMax {
			t.Errorf("%s has %d entries", path, len(list))
		}
		all = append(all, list...)
	}
	return all
}

// deploy runs the script with a wrangler that only notes what it was asked for; fail makes it end as if the
// network had.
func deploy(t *testing.T, dir string, fail bool) string {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	wrangler := filepath.Join(t.TempDir(), "wrangler")
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >> %s\n", log)
	if fail {
		script += "exit 1\n"
	}
	if err := os.WriteFile(wrangler, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "deploy.sh"))
	cmd.Env = append(os.Environ(), "WRANGLER="+wrangler)
	if out, err := cmd.CombinedOutput(); (err != nil) != fail {
		t.Fatalf("deploy.sh: %v\n%s", err, out)
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOnlyTheDifferenceSinceTheLastDeployment(t *testing.T) {
	dir := t.TempDir()
	if r := write(t, &Workers{}, links(10_001, "https://shop.example/1"), dir); r.Links != 10_001 || len(r.Counts) > 0 {
		t.Errorf("the report says %+v", r)
	}
	if got := entries(t, dir); len(got) != 10_002 || got[0].Key != SitesKey {
		t.Fatalf("%d entries, the first is %+v", len(got), got[0])
	}
	if log := deploy(t, dir, false); strings.Count(log, "bulk put") != 2 || strings.Contains(log, "bulk delete") || !strings.HasSuffix(log, "deploy\n") {
		t.Errorf("wrangler was asked for:\n%s", log)
	}

	// One changed, one is gone.
	since := &Workers{SinceLast: true}
	changed := links(10_000, "https://shop.example/1")
	all := changed.Links
	changed.Links = func(yield func(*affiliate.Link, error) bool) {
		for l, err := range all {
			if l.ID == 77 {
				l.Destinations[0].URL = "https://shop.example/2"
			}
			if !yield(l, err) {
				return
			}
		}
	}
	for _, fails := range []bool{true, true, false} { // what was not deployed is still different
		write(t, since, changed, dir)
		got := entries(t, dir)
		if len(got) != 1 || got[0].Key != "l/main/link-76" || !strings.Contains(got[0].Value, "https://shop.example/2") {
			t.Fatalf("the difference is %+v", got)
		}
		if b, err := os.ReadFile(filepath.Join(dir, deleteFile)); err != nil || !strings.Contains(string(b), `"l/main/link-10000"`) {
			t.Fatalf("to be deleted: %s, %v", b, err)
		}
		deploy(t, dir, fails)
	}
	write(t, since, changed, dir)
	if got := entries(t, dir); len(got) != 0 {
		t.Errorf("after all was deployed the difference is %+v", got)
	}
}

// An export that breaks off leaves nothing that could be deployed.
func TestABrokenExportIsNotDeployed(t *testing.T) {
	dir := t.TempDir()
	write(t, &Workers{}, links(5, "https://shop.example/1"), dir)
	from := links(0, "")
	from.Links = func(yield func(*affiliate.Link, error) bool) { yield(nil, errors.New("the server is gone")) }
	if _, err := (&Workers{}).Export(t.Context(), from, time.Now(), dir); err == nil {
		t.Fatal("the failure is not told")
	}
	if _, err := os.Stat(filepath.Join(dir, newStateFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a state to deploy: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if out, err := exec.Command(filepath.Join(dir, "deploy.sh")).CombinedOutput(); err == nil || !strings.Contains(string(out), "export again") {
		t.Errorf("deploy.sh: %v %s", err, out)
	}
}

func TestCheckComparesWithAListing(t *testing.T) {
	dir := t.TempDir()
	write(t, &Workers{}, links(20, "https://shop.example/1"), dir)
	var listing []map[string]any
	for _, e := range entries(t, dir) {
		listing = append(listing, map[string]any{"name": e.Key, "metadata": e.Metadata})
	}
	check := func(listing any, from *export.Source) *Difference {
		t.Helper()
		b, err := json.Marshal(listing)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Check(t.Context(), from, strings.NewReader(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	stranger := append(slices.Clone(listing), map[string]any{"name": "somebody-else's"})
	if d := check(stranger, links(20, "https://shop.example/1")); !d.None() {
		t.Errorf("the same differs: %v", d)
	}
	if d := check(listing, links(19, "https://shop.example/1")); !slices.Equal(d.Surplus, []string{"l/main/link-19"}) || len(d.Missing)+len(d.Different) > 0 {
		t.Errorf("one too many: %v", d)
	}
	if d := check(listing[:20], links(20, "https://shop.example/1")); !slices.Equal(d.Missing, []string{"l/main/link-19"}) {
		t.Errorf("one is missing: %v", d)
	}
	if d := check(listing, links(20, "https://shop.example/2")); len(d.Different) != 20 {
		t.Errorf("all are different: %v", d)
	}
	if _, err := Check(t.Context(), links(1, ""), strings.NewReader("no json")); affiliate.CodeOf(err) != affiliate.Invalid {
		t.Errorf("no listing: %v", err)
	}
}

func TestWranglerConfigurationIsWrittenOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "wrangler.jsonc")
	write(t, &Workers{IngestURL: "https://go.example/ingest/clicks", Namespace: "abc"}, links(1, "https://shop.example/"), dir)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"pattern": "go.shop.co.uk/go/*"`, `"zone_name": "shop.co.uk"`, `"INGEST_URL": "https://go.example/ingest/clicks"`, `"id": "abc"`, `"DEFAULT_URL": "https://blog.example/"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("it lacks %s:\n%s", want, b)
		}
	}
	if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, &Workers{}, links(1, "https://shop.example/"), dir)
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Errorf("what the operator wrote became %s", b)
	}
}

func TestALinkThatLeadsNowhereIsReported(t *testing.T) {
	from := links(0, "")
	from.Links = func(yield func(*affiliate.Link, error) bool) {
		yield(&affiliate.Link{ID: 5, Site: "main", Slug: "lost", Program: "gone", Destinations: []affiliate.Destination{{ID: "a", URL: "https://shop.example/", Weight: 1}}}, nil)
	}
	r := write(t, &Workers{}, from, t.TempDir())
	if r.Refused != 1 || len(r.Shortfalls) != 1 || !strings.Contains(r.Shortfalls[0].String(), `main/lost`) || !strings.Contains(r.Shortfalls[0].String(), `"gone"`) {
		t.Errorf("the report is %+v", r)
	}
}
