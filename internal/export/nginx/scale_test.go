package nginx

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
)

// many is a source of simple links, as blogs have them: a network's address that takes the click id.
func many(n int) *export.Source {
	return &export.Source{
		Sites:    []affiliate.Site{{ID: "main", Hosts: []string{"blog.example"}, Prefix: "/go/"}},
		Programs: []affiliate.Program{{ID: "acme", Network: "awin", PartnerParam: "ref"}},
		Links: func(yield func(*affiliate.Link, error) bool) {
			for i := range n {
				l := &affiliate.Link{ID: int64(i + 1), Site: "main", Slug: "product-" + strconv.Itoa(i*7919) + "-review", Status: affiliate.Active, Code: 302, Program: "acme",
					Destinations: []affiliate.Destination{{ID: "a", Weight: 1, URL: fmt.Sprintf("https://www.awin1.com/cread.php?awinmid=%d&awinaffid=123456&ued=https%%3A%%2F%%2Fshop.example%%2Fp%%2F%d", i%1000, i)}}}
				if !yield(l, nil) {
					return
				}
			}
		}}
}

// nginx takes many links without a word about its hash tables.
func TestManyLinks(t *testing.T) {
	binary := needNginx(t)
	for _, n := range []int{1, 3000, 60_000} {
		dir := t.TempDir()
		report, err := newTarget(t, dir, "").Export(t.Context(), many(n), time.Now(), dir)
		if err != nil || report.Links != n {
			t.Fatalf("%d links are written (%v), want %d", report.Links, err, n)
		}
		s := startNginx(t, binary, dir) // and no warning
		last := "product-" + strconv.Itoa((n-1)*7919) + "-review"
		got := s.get(t, "/go/"+last, []string{"Host: blog.example", "User-Agent: " + agents[""]})
		if !strings.HasPrefix(got.location, "https://www.awin1.com/cread.php?") || !strings.Contains(got.location, "clickref=z") {
			t.Errorf("the last of %d links leads to %q", n, got.location)
		}
		s.stop(t)
	}
}

// A million links: about 250 MB of text through one buffer to a spool and from there to the file, 350 ns of
// planning and 150 of hashing a link. nginx itself reads every entry, checks it against those of its hash,
// and packs them into buckets.
func BenchmarkMillionLinks(b *testing.B) {
	binary := needNginx(b)
	const n = 1_000_000
	for b.Loop() {
		dir := b.TempDir()
		target, err := New(Options{Log: filepath.Join(dir, "visits.log")})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if _, err := target.Export(b.Context(), many(n), began, dir); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "export-s")
		info, err := os.Stat(filepath.Join(dir, HTTPFile))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/1e6, "file-MB")
		conf := writeSettings(b, dir, "", "master_process off;")
		began = time.Now()
		if out, err := exec.Command(binary, "-t", "-c", conf, "-p", dir).CombinedOutput(); err != nil || bytes.Contains(out, []byte("[warn]")) {
			b.Fatalf("%v\n%s", err, out)
		}
		b.ReportMetric(time.Since(began).Seconds(), "load-s")
		s := startNginx(b, binary, dir)
		b.ReportMetric(residentMB(b, s.cmd.Process.Pid), "nginx-MB")
		head := []string{"Host: blog.example", "User-Agent: " + agents[""]}
		if got := s.get(b, "/go/product-7919-review", head); got.code != 302 {
			b.Fatalf("nginx answers %d", got.code)
		}
		s.stop(b)
	}
}

// residentMB is the memory of a process, in MB.
func residentMB(t testing.TB, pid int) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("there is no /proc to read nginx's memory from")
	}
	for _, l := range strings.Split(string(b), "\n") {
		if f := strings.Fields(l); len(f) == 3 && f[0] == "VmRSS:" {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return kb / 1000
		}
	}
	return 0
}
