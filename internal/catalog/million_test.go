//go:build unix

package catalog_test

import (
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/store/sqlite"
)

// cpu is the processor time that this process has used, which says more than the
// clock on a machine that does other things too.
func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkMillion: a million links at 450 bytes each are 450 MB of documents,
// written three times (log of the file, file, change log). At 200 MB/s that is
// about 7 s; the rest is validation, JSON and the index of names.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	ctx := b.Context()
	path := filepath.Join(b.TempDir(), "store.db")
	s, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	c, err := catalog.Open(ctx, catalog.Options{Store: s})
	if err != nil {
		b.Fatal(err)
	}
	operator := catalog.Actor{Name: "bench", Operator: true}
	if _, err := c.CreateProgram(ctx, operator, affiliate.Program{ID: "shop", Network: "awin"}); err != nil {
		b.Fatal(err)
	}
	measure := func(name string, fn func()) {
		start, spent := time.Now(), cpu(b)
		fn()
		name = strings.ReplaceAll(name, " ", "-")
		b.ReportMetric(float64(time.Since(start).Microseconds())/1000, name+"-ms")
		b.ReportMetric(float64((cpu(b)-spent).Microseconds())/1000, name+"-cpu-ms")
	}
	peak := uint64(0)
	for range b.N {
		measure("import", func() {
			report, err := c.ImportLinks(ctx, operator, &portfolio{n: n, program: "shop"}, catalog.ImportOptions{Progress: func(read int64) {
				if read%100_000 == 0 {
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak = max(peak, m.HeapInuse)
				}
			}})
			if err != nil || !report.Applied || report.Created != n {
				b.Fatal(report, err)
			}
		})
		b.ReportMetric(float64(peak>>20), "heap-MiB")
		for name, filter := range map[string]catalog.LinkFilter{
			"first page":          {},
			"site":                {Site: "main"},
			"program":             {Program: "shop"},
			"status":              {Status: affiliate.Paused},
			"text start of slugs": {Text: "product-ab"},
			"text one slug":       {Text: "-999999"},
			"text everything":     {Text: "awin"},
			"text nothing":        {Text: "no such thing"},
			"tag":                 {Tag: "batch-7"},
			"text and tag":        {Text: "999", Tag: "batch-7"},
		} {
			for range 2 {
				measure("find "+name, func() {
					if _, err := c.FindLinks(ctx, filter); err != nil {
						b.Fatal(err)
					}
				})
			}
		}
		measure("snapshot", func() {
			seen := 0
			if _, err := c.Snapshot(ctx, catalog.Visitor{Link: func(affiliate.Link) error { seen++; return nil }}); err != nil || seen != n {
				b.Fatal(seen, err)
			}
		})
		measure("one more link", func() {
			if _, _, err := c.CreateLink(ctx, operator, affiliate.Link{Slug: "one-more", Destinations: []affiliate.Destination{{URL: "https://shop.example/"}}}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
