package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/testkit"
)

const (
	sizesRounds     = 5
	sizesRoundVisit = 20_000 // at each place, in each round
)

// BenchmarkThreeSizes puts the three beside each other on one machine, in turns: what a visit costs the
// processor, how long it takes one visitor alone on the loopback, and how long a changed link takes to be
// served. It prints the median and the range of its rounds. docs/choosing.md has the figures.
//
//	go test ./test/e2e -run none -bench ThreeSizes -benchtime 1x
func BenchmarkThreeSizes(b *testing.B) {
	need(b, "/usr/sbin/nginx", "node")
	for b.Loop() {
		s := sizesServer(b)
		places := sizesPlaces(b, s, b.TempDir())
		cpu, alone := map[string][]float64{}, map[string][]float64{}
		for _, p := range places {
			visitMany(b, p, 3000, 8)
		}
		for range sizesRounds {
			for _, p := range places {
				before := cpuOfTree(b, p.pid)
				visitMany(b, p, sizesRoundVisit, 8)
				time.Sleep(1500 * time.Millisecond) // clicks on their way belong to it
				cpu[p.name] = append(cpu[p.name], (cpuOfTree(b, p.pid)-before)/sizesRoundVisit)
				alone[p.name] = append(alone[p.name], visitMany(b, p, 2000, 1)...)
			}
		}
		for _, p := range places {
			live := changedLink(b, s, p)
			slices.Sort(cpu[p.name])
			slices.Sort(alone[p.name])
			n := len(alone[p.name])
			fmt.Printf("%-7s CPU %.1f us a visit (%.1f-%.1f); alone %.0f us, 99 of 100 within %.0f us; a changed link is live after %s\n", p.name,
				cpu[p.name][sizesRounds/2], cpu[p.name][0], cpu[p.name][sizesRounds-1], alone[p.name][n/2], alone[p.name][n*99/100], live)
		}
	}
}

// visitMany follows links with so many visitors at a time, and returns how long each took, in µs.
func visitMany(b *testing.B, p place, visits, visitors int) []float64 {
	b.Helper()
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: visitors},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	took := make([]float64, visits)
	var next atomic.Int64
	var all sync.WaitGroup
	for range visitors {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= visits {
					return
				}
				began := time.Now()
				if err := visitOnce(&client, p.address, i); err != nil {
					b.Errorf("%s: %v", p.name, err)
					return
				}
				took[i] = float64(time.Since(began).Nanoseconds()) / 1000
			}
		})
	}
	all.Wait()
	return took
}

func visitOnce(client *http.Client, address string, i int) error {
	r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://%s/go/link-%d?ref=anna", address, i%sizesLinks), nil)
	if err != nil {
		return err
	}
	r.Host = sizesHost
	r.Header = http.Header{"User-Agent": {browser}, "Accept": {"text/html"}, "Accept-Language": {"de-DE,de;q=0.9"}, "Referer": {"https://blog.example/review"}, sizesCountry: {"FR"}, "Cf-Ipcountry": {"FR"}}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusFound || !strings.HasPrefix(res.Header.Get("Location"), "https://shop.example/") {
		return fmt.Errorf("it answered %d %q", res.StatusCode, res.Header.Get("Location"))
	}
	return nil
}

// changedLink changes a link and sees how long the place takes to serve it, the export included.
func changedLink(b *testing.B, s *testkit.Server, p place) time.Duration {
	b.Helper()
	target := "https://shop.example/new-at-" + p.name
	began := time.Now()
	testkit.Must(b, "link", "update", "link-0", "--url", target, "--data", s.Data)
	switch p.name {
	case "nginx":
		conf := fmt.Sprintf("/usr/sbin/nginx -p %[1]s -c %[1]s/nginx.conf -e stderr", p.dir)
		testkit.Must(b, "export", "nginx", p.dir, "--country-header", sizesCountry, "--log", filepath.Join(b.TempDir(), "clicks.log"), "--data", s.Data,
			"--reload", "--test-command", conf+" -t", "--reload-command", conf+" -s reload")
	case "edge":
		if err := os.Rename(filepath.Join(p.dir, "kv.state.new"), filepath.Join(p.dir, "kv.state")); err != nil { // as deploy.sh does
			b.Fatal(err)
		}
		testkit.Must(b, "export", "workers", "--out", p.dir, "--since-last", "--data", s.Data)
		if err := syscall.Kill(p.pid, syscall.SIGHUP); err != nil {
			b.Fatal(err)
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for end := began.Add(3 * time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		r, err := http.NewRequest(http.MethodGet, "http://"+p.address+"/go/link-0", nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Host = sizesHost
		res, err := client.Do(r)
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if strings.HasPrefix(res.Header.Get("Location"), target) {
			return time.Since(began).Round(time.Millisecond)
		}
	}
	b.Errorf("%s still serves the old link", p.name)
	return 0
}

// cpuOfTree is the processor time that a process and its children have taken, in µs.
func cpuOfTree(b *testing.B, pid int) (total float64) {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, i := range []int{11, 12} { // user and system time, in hundredths of a second
		ticks, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			b.Fatal(err)
		}
		total += ticks * 10_000
	}
	children, err := exec.Command("pgrep", "-P", strconv.Itoa(pid)).Output()
	if err != nil {
		return total // it has none
	}
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			total += cpuOfTree(b, n)
		}
	}
	return total
}
