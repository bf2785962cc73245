package routing

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

const millionLinks = 1_000_000

// BenchmarkMillionLinks rebuilds a table of a million links in a hundred programs,
// and then looks names up and changes one link at a time.
func BenchmarkMillionLinks(b *testing.B) {
	h := openHolder(b, Options{Dir: b.TempDir()})
	b.Run("rebuild", func(b *testing.B) {
		for b.Loop() {
			rebuildMillion(b, h)
		}
		b.ReportMetric(float64(peakKiB(b))/1024, "peak-MiB")
	})
	b.Run("lookup", func(b *testing.B) {
		var d affiliate.Decision
		v := affiliate.Visit{ClickID: "0123456789abcdef01234567"}
		paths := make([]string, 4096)
		for i := range paths {
			paths[i] = "/go/link-" + strconv.Itoa(i*244%millionLinks)
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			v.Path = paths[i%len(paths)]
			h.Current().Resolve(&v, &d)
			i++
		}
	})
	b.Run("apply", func(b *testing.B) {
		l := link(1, "link-1", "https://shop.example/changed")
		for b.Loop() {
			if err := h.Apply([]Change{{Seq: h.Current().Seq() + 1, Link: l}}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("change without disk", func(b *testing.B) {
		changes := []Change{{Seq: h.Current().Seq() + 1, Link: link(1, "link-1", "https://shop.example/changed")}}
		for b.Loop() {
			if _, err := h.Current().with(changes); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			again, err := Open(Options{Dir: h.options.Dir})
			if err != nil {
				b.Fatal(err)
			}
			_ = again.log.f.Close()
		}
	})
}

func rebuildMillion(b *testing.B, h *Holder) {
	r, err := h.Rebuild()
	if err != nil {
		b.Fatal(err)
	}
	r.Site(*site("main"))
	for i := range 100 {
		r.Program(affiliate.Program{ID: "program" + strconv.Itoa(i), PartnerParam: "ref"})
	}
	l := link(1, "x", "https://www.awin1.com/cread.php?awinmid=1&awinaffid=2")
	for i := range millionLinks {
		l.ID, l.Slug, l.Program = int64(i+1), "link-"+strconv.Itoa(i), "program"+strconv.Itoa(i%100)
		if err := r.Link(l); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Publish(int64(time.Now().UnixMilli())); err != nil {
		b.Fatal(err)
	}
}

// peakKiB is the most memory that this process has had resident.
func peakKiB(b *testing.B) (kib int) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	_, _ = fmt.Sscan(after, &kib)
	return kib
}
