package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/testkit"
)

const ingestLines = 400_000

// BenchmarkIngestNginx brings a log that "sluice export nginx" had written into a running server, both
// on one processor, and prints lines a second: of the processor's time that the command and the server take until
// the lines are synced in the journal, and of the time by the clock, in which the same processor brings clicks
// into the reports (threads that stand back). The medians and ranges of seven runs are in docs/performance.md.
//
//	go test ./test/e2e -run none -bench IngestNginx -benchtime 1x
func BenchmarkIngestNginx(b *testing.B) {
	need(b, "taskset")
	for b.Loop() {
		b.Setenv("GOMAXPROCS", "1")
		s := testkit.StartServer(b, b.TempDir())
		pin(b, s.Pid())
		testkit.Must(b, "link", "add", "the-thing", "https://shop.example/p/1", "--data", s.Data)
		path := filepath.Join(b.TempDir(), "clicks.log")
		writeClicks(b, s, path)
		var taken, all []float64
		for run := range 7 {
			front, _ := threadTimes(b, s.Pid())
			cmd := exec.Command("taskset", "-c", "0", testkit.Binary(b), "ingest", "nginx", path, "--state", filepath.Join(b.TempDir(), fmt.Sprint("state", run)), "--data", s.Data)
			began := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "400,000 taken") {
				b.Fatalf("%v: %s", err, out)
			}
			wall := time.Since(began)
			now, _ := threadTimes(b, s.Pid())
			command := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			taken = append(taken, ingestLines/(command+now-front).Seconds())
			all = append(all, ingestLines/wall.Seconds())
			settle(b, s.Pid())
		}
		slices.Sort(taken)
		slices.Sort(all)
		fmt.Printf("until they are in the journal %.0f lines/s (%.0f - %.0f); by the clock, with the reports beside it, %.0f (%.0f - %.0f)\n",
			taken[3], taken[0], taken[6], all[3], all[0], all[6])
	}
}

// pin keeps a process on the first processor.
func pin(b *testing.B, pid int) {
	b.Helper()
	if out, err := exec.Command("taskset", "-a", "-p", "-c", "0", strconv.Itoa(pid)).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}

// writeClicks writes lines as nginx does with all 38 keys of the exported format, some 800 bytes each.
func writeClicks(b *testing.B, s *testkit.Server, path string) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	first := time.Now().Add(-ingestLines * time.Millisecond).UnixMilli()
	for i := range ingestLines {
		ms := strconv.FormatInt(first+int64(i), 10)
		_, _ = fmt.Fprintf(w, `{"id":"z%s%011x","host":%q,"path":"/go/the-thing","query":"","method":"GET","proto":"HTTP/1.1","scheme":"https",`+
			`"site":"main","slug":"the-thing","link":"1","program":"","partner":"","variant":"a","rule":"","page":"","outcome":"redirect","code":"302","why":"","url":"https://shop.example/p/1",`+
			`"visitor":"%016x","returning":"","ip":"198.51.100.%d","agent":%q,"referrer":"https://blog.example/review","language":"de-DE,de;q=0.9","country":"","accept":"text/html",`+
			`"dnt":"","gpc":"","sec_purpose":"","purpose":"","x_purpose":"","x_moz":"","fetch_dest":"document","fetch_mode":"navigate","fetch_site":"cross-site","fetch_user":"?1","hints":"","hint_mobile":"?0"}`+"\n",
			ms[1:], i, s.Links, i%50_000, i%250, browser)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// threadTimes is the processor time of a process's ordinary threads, and of those that stand back.
func threadTimes(b *testing.B, pid int) (front, back time.Duration) {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread + "/stat")
		if err != nil {
			continue // it has ended
		}
		times, err := os.ReadFile(thread + "/schedstat")
		if err != nil {
			continue
		}
		ns, err := strconv.ParseInt(strings.Fields(string(times))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		text := string(stat)
		if nice := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])[16]; nice == "0" {
			front += time.Duration(ns)
		} else {
			back += time.Duration(ns)
		}
	}
	return front, back
}

// settle waits until the reports have all clicks.
func settle(b *testing.B, pid int) {
	b.Helper()
	for quiet := 0; quiet < 5; {
		_, before := threadTimes(b, pid)
		time.Sleep(200 * time.Millisecond)
		if _, now := threadTimes(b, pid); now-before < 2*time.Millisecond {
			quiet++
		} else {
			quiet = 0
		}
	}
}
