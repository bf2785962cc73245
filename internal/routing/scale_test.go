package routing

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// The benchmarks of large tables. Ten million links take 20 s to build and 1.5 GB
// of disk:
//
//	go test -run - -bench Scale -benchtime 1x -links 10000000 ./internal/routing
//
// -tables names a folder in which the tables are built once and found again.
var (
	scaleLinks  = flag.Int("links", 100_000, "size of the largest table that the Scale benchmarks build")
	scaleFollow = flag.Int("followers", 0, "goroutines that follow links without a pause in ScaleChange; one for each processor when 0")
	scaleTables = flag.String("tables", "", "folder that keeps the tables of the Scale benchmarks between runs")
)

// scaleSlug is the name of link i, 12 to 20 bytes, in no order.
func scaleSlug(b []byte, i int) []byte {
	words := [...]string{"deal-", "summer-", "review-", "the-best-"}
	hash := uint64(i)*0x9e3779b97f4a7c15 + 1
	b = append(b, words[hash>>62]...)
	b = strconv.AppendUint(b, hash>>24&0xffffff, 36)
	b = append(b, '-')
	return strconv.AppendUint(b, uint64(i), 36)
}

// scaleURL is the destination of link i, about 80 bytes.
func scaleURL(i int) string {
	return fmt.Sprintf("https://www.shop-%03d.example/products/%08d?utm_source=blog&utm_medium=link&v=%04d", i%997, i, i%5000)
}

// scaleFolder is a saved table of n simple links.
func scaleFolder(b *testing.B, n int) string {
	b.Helper()
	dir := b.TempDir()
	if *scaleTables != "" {
		dir = filepath.Join(*scaleTables, strconv.Itoa(n))
		if _, err := os.Stat(filepath.Join(dir, baseName)); err == nil {
			return dir
		}
	}
	h, err := Open(Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	scaleRebuild(b, h, n)
	if err := h.Close(); err != nil {
		b.Fatal(err)
	}
	forget(h)
	return dir
}

func scaleRebuild(b *testing.B, h *Holder, n int) (stringBytes int) {
	b.Helper()
	r, err := h.Rebuild()
	if err != nil {
		b.Fatal(err)
	}
	r.Site(*site("main"))
	l := link(1, "x", "https://shop.example/")
	var slug, packed []byte
	for i := range n {
		slug = scaleSlug(slug[:0], i)
		l.ID, l.Slug, l.Destinations[0].URL = int64(i+1), string(slug), scaleURL(i)
		packed = affiliate.PackLink(packed[:0], l.Destinations[0].URL)
		stringBytes += len(l.Slug) + len(packed)
		if err := r.Link(l); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Publish(1); err != nil {
		b.Fatal(err)
	}
	return stringBytes
}

// forget lets a closed holder's mapping go.
func forget(h *Holder) {
	h.current.Store(nil)
	for range 3 {
		debug.FreeOSMemory()
		time.Sleep(10 * time.Millisecond) // cleanups run on a goroutine of their own
	}
}

// scaleSizes are the table sizes up to -links.
func scaleSizes() (sizes []int) {
	for n := 1000; n < *scaleLinks; n *= 10 {
		if n != 10_000 {
			sizes = append(sizes, n)
		}
	}
	return append(sizes, *scaleLinks)
}

// memory reads one line of /proc/self/status in MiB.
func memory(b *testing.B, line string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	_, after, _ := strings.Cut(string(status), line+":")
	kib := 0
	_, _ = fmt.Sscan(after, &kib)
	return float64(kib) / 1024
}

// resetPeak makes VmHWM start again from now.
func resetPeak(b *testing.B) {
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Skip(err)
	}
}

// BenchmarkScaleBuild fills a table from an account of all links.
func BenchmarkScaleBuild(b *testing.B) {
	n := *scaleLinks
	for b.Loop() {
		h, err := Open(Options{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		resetPeak(b)
		before := memory(b, "VmRSS")
		stringBytes := scaleRebuild(b, h, n)
		b.ReportMetric(memory(b, "VmHWM")-before, "extra-peak-MiB")
		b.ReportMetric(float64(len(h.Current().base.file))/float64(n), "bytes/link")
		b.ReportMetric(float64(len(h.Current().base.file)-stringBytes)/float64(n), "beside-strings-bytes/link")
		if err := h.Close(); err != nil {
			b.Fatal(err)
		}
		forget(h)
	}
}

// BenchmarkScaleOpen opens a saved table and follows one link.
func BenchmarkScaleOpen(b *testing.B) {
	dir := scaleFolder(b, *scaleLinks)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		h, err := Open(Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if leads(h.Current(), string(scaleSlug(nil, 7))) != scaleURL(7) {
			b.Fatal("the link leads elsewhere")
		}
		took = append(took, time.Since(start))
		b.StopTimer()
		if err := h.Close(); err != nil {
			b.Fatal(err)
		}
		forget(h)
		b.StartTimer()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
}

// BenchmarkScaleResident follows every link once and says what memory the process
// has then.
func BenchmarkScaleResident(b *testing.B) {
	dir := scaleFolder(b, *scaleLinks)
	for b.Loop() {
		h := openHolder(b, Options{Dir: dir})
		visitAll(b, h, *scaleLinks)
		b.ReportMetric(memory(b, "VmRSS"), "resident-MiB")
		b.ReportMetric(memory(b, "RssAnon"), "anon-MiB")
	}
}

func visitAll(b *testing.B, h *Holder, n int) {
	var v affiliate.Visit
	var d affiliate.Decision
	path := []byte("/go/")
	for i := range n {
		path = scaleSlug(path[:4], i)
		v.Path = view(path)
		h.Current().Resolve(&v, &d)
		if d.Link != int64(i+1) {
			b.Fatalf("%s leads to link %d", path, d.Link)
		}
	}
}

// visitBatch is how many paths are made ahead: few enough to stay in the processor's
// caches, so that what misses them is the table.
const visitBatch = 4096

// BenchmarkScaleResolve follows links in random order, each batch other ones, in
// turns between the tables so that a change of the machine's mood meets all.
func BenchmarkScaleResolve(b *testing.B) {
	const rounds, batches = 9, 24
	sizes := scaleSizes()
	holders := make([]*Holder, len(sizes))
	for i, n := range sizes {
		holders[i] = openHolder(b, Options{Dir: scaleFolder(b, n)})
		visitAll(b, holders[i], n) // pages in
	}
	paths := make([]string, visitBatch)
	var d affiliate.Decision
	v := affiliate.Visit{Host: "blog.example", ClickID: "0123456789abcdef01234567"}
	for b.Loop() {
		perVisit := make([][]float64, len(sizes))
		for range rounds {
			for s, h := range holders {
				var spent time.Duration
				for range batches {
					fillPaths(paths, sizes[s])
					start := time.Now()
					for _, p := range paths {
						v.Path = p
						h.Current().Resolve(&v, &d)
					}
					spent += time.Since(start)
				}
				perVisit[s] = append(perVisit[s], float64(spent.Nanoseconds())/batches/visitBatch)
			}
		}
		for s, n := range sizes {
			slices.Sort(perVisit[s])
			b.ReportMetric(perVisit[s][rounds/2], fmt.Sprintf("ns/visit-of-%d", n))
			b.Logf("%8d links: median %.0f ns, range %.0f to %.0f", n, perVisit[s][rounds/2], perVisit[s][0], perVisit[s][rounds-1])
		}
	}
}

func fillPaths(paths []string, n int) {
	arena := make([]byte, 0, 32*len(paths))
	for i := range paths {
		from := len(arena)
		arena = scaleSlug(append(arena, "/go/"...), rand.IntN(n))
		paths[i] = view(arena[from:])
	}
}

// BenchmarkScaleChange changes links one by one while a goroutine for each
// processor follows links without a pause and a base is merged. It reports how long
// a change takes to be visible, and the longest time that a follower stood still.
func BenchmarkScaleChange(b *testing.B) {
	const every = 5 * time.Millisecond
	n := *scaleLinks
	dir := scaleFolder(b, n)
	if *scaleTables != "" {
		scratch := b.TempDir()
		if err := os.Link(filepath.Join(dir, baseName), filepath.Join(scratch, baseName)); err != nil {
			b.Fatal(err)
		}
		dir = scratch
	}
	h := openHolder(b, Options{Dir: dir, OverlayMax: 100, Pause: func() { time.Sleep(time.Millisecond / 2) }})
	visitAll(b, h, n)
	for b.Loop() {
		resetPeak(b)
		before := memory(b, "VmRSS")
		stop := make(chan struct{})
		var followers sync.WaitGroup
		pauses := make([]pauses, cmp.Or(*scaleFollow, runtime.GOMAXPROCS(0)))
		for i := range pauses {
			followers.Go(func() { pauses[i].follow(h, n, stop) })
		}
		time.Sleep(2 * time.Second)
		var alone, calmLongest, longest time.Duration
		take := func(into *time.Duration) {
			for i := range pauses {
				*into = max(*into, time.Duration(pauses[i].longest.Swap(0)))
			}
		}
		take(&alone)
		calm := changesUntil(b, h, n, every, func(changes int) bool { return changes >= 90 })
		take(&calmLongest)
		old, start := h.Current().base, time.Now()
		merging := changesUntil(b, h, n, every, func(int) bool { return h.Current().base != old })
		took := time.Since(start)
		merging = append(merging, changesUntil(b, h, n, every, func(changes int) bool { return changes >= 50 })...)
		close(stop)
		followers.Wait()
		report(b, "calm", calm)
		report(b, "merging", merging)
		take(&longest)
		b.ReportMetric(float64(alone.Microseconds())/1000, "no-change-longest-pause-ms")
		b.ReportMetric(float64(calmLongest.Microseconds())/1000, "calm-longest-pause-ms")
		b.ReportMetric(float64(longest.Microseconds())/1000, "merging-longest-pause-ms")
		b.ReportMetric(took.Seconds(), "merge-s")
		b.ReportMetric(before, "before-MiB")
		b.ReportMetric(memory(b, "VmHWM"), "peak-MiB")
		for i := range pauses {
			b.Logf("follower %d: %d visits; pauses above 0.5/1/2/5/10 ms: %v", i, pauses[i].visits, pauses[i].above)
		}
	}
}

func report(b *testing.B, when string, took []time.Duration) {
	slices.Sort(took)
	ms := func(at int) float64 { return float64(took[at].Microseconds()) / 1000 }
	b.ReportMetric(ms(len(took)/2), when+"-change-p50-ms")
	b.ReportMetric(ms(len(took)*99/100), when+"-change-p99-ms")
	b.ReportMetric(ms(len(took)-1), when+"-change-max-ms")
	b.Logf("%s: %d changes", when, len(took))
}

// changesUntil changes random links and measures each until a visit sees it.
func changesUntil(b *testing.B, h *Holder, n int, every time.Duration, done func(changes int) bool) (took []time.Duration) {
	b.Helper()
	for !done(len(took)) {
		i := rand.IntN(n)
		slug := string(scaleSlug(nil, i))
		to := fmt.Sprintf("https://shop.example/changed/%d/%d", i, len(took))
		l := link(int64(i+1), slug, to)
		start := time.Now()
		if err := h.Apply([]Change{{Seq: h.Current().Seq() + 1, Link: l}}); err != nil {
			b.Fatal(err)
		}
		if leads(h.Current(), slug) != to {
			b.Fatal("the change is not visible")
		}
		took = append(took, time.Since(start))
		time.Sleep(every)
	}
	return took
}

// pauses is what one follower noticed.
type pauses struct {
	visits  int
	above   [5]int
	longest atomic.Int64 // nanoseconds
	_       [64]byte
}

func (p *pauses) follow(h *Holder, n int, stop <-chan struct{}) {
	var d affiliate.Decision
	v := affiliate.Visit{Host: "blog.example"}
	path := []byte("/go/")
	random := rand.New(rand.NewPCG(1, 2))
	last := time.Now()
	for {
		path = scaleSlug(path[:4], random.IntN(n))
		v.Path = view(path)
		h.Current().Resolve(&v, &d)
		p.visits++
		now := time.Now()
		pause := now.Sub(last)
		last = now
		if pause > 500*time.Microsecond {
			for i, limit := range []time.Duration{500, 1000, 2000, 5000, 10000} {
				if pause > limit*time.Microsecond {
					p.above[i]++
				}
			}
			p.longest.Store(max(p.longest.Load(), int64(pause)))
		}
		if p.visits%1024 == 0 {
			select {
			case <-stop:
				return
			default:
			}
		}
	}
}
