package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sluicehq/sluice/internal/testkit"
	"github.com/sluicehq/sluice/test/load"
)

// installation is a control node with what it needs, in servers that others may use too. Nodes
// that answer visitors are started by whoever measures them.
type installation struct {
	testing.TB
	*bench
	name    string
	redis   *redis.Client
	control *server
	number  int
}

const secretOfBenches = "a-secret-that-only-this-machine-knows"

// newInstallation starts a control node and imports links.
func newInstallation(t testing.TB, links int) *installation {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "slb") // names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	i := &installation{TB: t, name: newName(), redis: redisClient(t),
		bench: &bench{program: testkit.Binary(t), visitors: filepath.Join(dir, "visitors"), dir: dir, size: fullSize}}
	conn := clickHouse(t)
	t.Cleanup(func() {
		if i.control != nil {
			i.control.kill()
		}
		_ = os.RemoveAll(dir)
		removeKeys(t, i.redis, i.name)
		removeSchema(t, i.name)
		removeDatabase(t, conn, i.name)
		removeTopic(t, "kafka", i.name, 12)
	})
	build := exec.Command("go", "build", "-o", i.visitors, "./test/load/visitors")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the visitors do not build: %v\n%s", err, out)
	}
	if i.control, err = i.node("control", anywhere); err != nil {
		t.Fatal(err)
	}
	i.ready(i.control)
	began := time.Now()
	if err := i.imports(links); err != nil {
		t.Fatal(err)
	}
	say("%s links imported in %.1f s", grouped(int64(links)), time.Since(began).Seconds())
	return i
}

// node starts a process of a role on a folder of its own, which is empty.
func (i *installation) node(role string, on int) (*server, error) {
	i.number++
	return i.again(role, i.number, on)
}

func (i *installation) folder(role string, number int) string {
	return filepath.Join(i.dir, fmt.Sprintf("%s-%d", role, number))
}

// again starts the process of a number on what it has left.
func (i *installation) again(role string, number, on int) (*server, error) {
	data := i.folder(role, number)
	text := fmt.Sprintf(`node: %d
loops: 1
cookie: {insecure: true}
store: {engine: postgres, url: "%s", schema: %s}
queue: {engine: kafka, url: "%s", name: %s}
analytics: {engine: clickhouse, url: "%s", database: %s}
distribution: {engine: redis, url: "%s", name: %s}
cluster: {secret: %s}
`, number, testkit.Engine(i, "postgres"), i.name, testkit.Engine(i, "kafka"), i.name,
		testkit.Engine(i, "clickhouse"), i.name, testkit.Engine(i, "redis"), i.name, secretOfBenches)
	if err := os.WriteFile(data+".yml", []byte(text), 0o600); err != nil {
		return nil, err
	}
	return i.start(data, on, "--role", role, "--config", data+".yml")
}

// ready waits until a process says that it can work.
func (i *installation) ready(s *server) {
	i.Helper()
	if err := s.poll(i.Context(), time.Minute, 2*time.Millisecond, "readiness", func() bool { return s.readyz(i.Context()) }); err != nil {
		i.Fatal(err)
	}
}

func (s *server) readyz(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sluice/readyz", nil)
	if err != nil {
		return false
	}
	res, err := s.client.Do(r)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func (i *installation) imports(links int) error {
	file := filepath.Join(i.dir, "links.csv")
	if err := writeLinks(file, links); err != nil {
		return err
	}
	out, err := exec.CommandContext(i.Context(), i.program, "link", "import", file, "--data", i.control.data).CombinedOutput()
	if err != nil {
		return fmt.Errorf("the import failed: %w\n%.500s", err, out)
	}
	return os.Remove(file)
}

// reading returns one of a process's metrics, without its prefix.
func (s *server) reading(ctx context.Context, name string) (float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sluice/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := s.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }() // it has been read
	var b strings.Builder
	if _, err := io.Copy(&b, io.LimitReader(res.Body, 4<<20)); err != nil {
		return 0, err
	}
	for line := range strings.Lines(b.String()) {
		if value, ok := strings.CutPrefix(line, "sluice_"+name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("there is no metric %s:\n%.500s", name, b.String())
}

// knows waits until a node redirects a name.
func (s *server) knows(ctx context.Context, slug string) (took time.Duration, err error) {
	v, err := arrive(s.links)
	if err != nil {
		return 0, err
	}
	defer v.leave()
	began := time.Now()
	for {
		status, err := v.follow(slug)
		switch {
		case err != nil:
			return 0, err
		case status == http.StatusFound:
			return time.Since(began), nil
		case time.Since(began) > 30*time.Second:
			return 0, fmt.Errorf("the link %s is not served: %d", slug, status)
		}
		time.Sleep(time.Millisecond)
	}
}

// BenchmarkClusterRedirect compares an answer of a node in a cluster, whose links come through
// Redis and whose clicks go to Kafka, with one of a data plane alone and one of everything
// in one process, in turns on one and the same processor:
//
//	BENCH_TURNS=4 go test -run - -bench ClusterRedirect -benchtime 1x ./test/bench
func BenchmarkClusterRedirect(b *testing.B) {
	const links = 20_000
	i := newInstallation(b, links)
	i.size.Turns, i.size.TurnSeconds = 4, 3
	if n, err := strconv.Atoi(os.Getenv("BENCH_TURNS")); err == nil && n > 0 {
		i.size.Turns = n
	}
	c, err := i.newContest(links, 0)
	if err != nil {
		b.Fatal(err)
	}
	subjects := []subject{c.alone("Sluice alone", asked{}, nil), i.clustered(c), c.whole()}
	for turn := range i.size.Turns {
		var spent [3]spending
		for n := range subjects {
			at := n
			if turn%2 == 1 {
				at = len(subjects) - 1 - n
			}
			if spent[at], err = c.spend(b.Context(), i, &subjects[at]); err != nil {
				b.Fatal(err)
			}
		}
		alone := spent[0]
		c.figures.of("in a cluster / alone: event loop", "", "≤ 1.05").add(spent[1].loop / alone.loop)
		c.figures.of("in a cluster / alone: the whole process, until its clicks are at the broker", "", "").add(spent[1].all / alone.all)
		c.figures.of("everything in one process / alone: event loop", "", "").add(spent[2].loop / alone.loop)
		c.figures.of("everything in one process / alone: until its clicks are in the reports", "", "").add(spent[2].all / alone.all)
	}
	i.tell()
}

// clustered is a node that answers visitors, with everything that belongs to a cluster.
func (i *installation) clustered(c *contest) subject {
	i.number++
	number := i.number
	return subject{name: "Sluice in a cluster", ready: func(ctx context.Context) (station, error) {
		for _, gone := range []string{"journal", "shipped"} {
			if err := os.RemoveAll(filepath.Join(i.folder("redirect", number), gone)); err != nil {
				return station{}, err
			}
		}
		s, err := i.again("redirect", number, c.server)
		if err != nil {
			return station{}, err
		}
		if err := s.poll(ctx, time.Minute, 5*time.Millisecond, "readiness", func() bool { return s.readyz(ctx) }); err != nil {
			s.kill()
			return station{}, err
		}
		if _, err := s.firstRedirect(ctx, load.Slug(c.links-1)); err != nil {
			s.kill()
			return station{}, err
		}
		return station{s.links, s.cmd.Process.Pid, s.sent, s.stop, s}, nil
	}}
}

// sent waits until a node's clicks are with the broker.
func (s *server) sent(ctx context.Context) error {
	return s.poll(ctx, time.Minute, 20*time.Millisecond, "the end of the clicks that wait", func() bool {
		waiting, err := s.reading(ctx, "shipper_waiting_clicks")
		return err == nil && waiting == 0
	})
}

// spending is processor time by request, in µs: of the whole process until its clicks are
// where they belong; and while visitors come, of the event loop and of everything else.
type spending struct{ all, loop, beside float64 }

// spend measures one round. A profile tells how much of the processor time was the loop's,
// which is not bound to a thread.
func (c *contest) spend(ctx context.Context, i *installation, s *subject) (spending, error) {
	at, err := s.ready(ctx)
	if err != nil {
		return spending{}, err
	}
	defer func() { _ = at.leave() }() // what was measured is known
	o := s.visit
	o.Address, o.Links, o.Duration = at.address, c.links, c.size.warmUp()
	if _, err := c.visit(ctx, c.visitors, o); err != nil {
		return spending{}, err
	}
	if err := at.finish(ctx); err != nil {
		return spending{}, err
	}
	o.Duration = time.Duration(c.size.TurnSeconds)*time.Second + 300*time.Millisecond
	profiled := make(chan error, 1)
	go func() { profiled <- i.profile(ctx, at.server, c.size.TurnSeconds) }()
	before := treeProcessor(at.pid)
	got, err := c.visit(ctx, c.visitors, o)
	during := treeProcessor(at.pid) - before
	if err = errors.Join(err, <-profiled); err != nil {
		return spending{}, err
	}
	if err := at.finish(ctx); err != nil {
		return spending{}, err
	}
	share, err := i.shareOf(ctx, loopFunction)
	if err != nil {
		return spending{}, err
	}
	each := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(got.Answered) }
	spent := spending{all: each(treeProcessor(at.pid) - before), loop: share * each(during)}
	spent.beside = spent.all - spent.loop
	for part, v := range map[string]float64{"whole process": spent.all, "event loop": spent.loop, "everything beside it": spent.beside} {
		c.figures.of(s.name+": "+part, "µs/request", "").add(v)
	}
	c.figures.of(s.name+": answers", "/s", "").add(got.PerSecond())
	c.figures.of(s.name+": wait, 99 of 100", "ms", "").add(got.Wait.P99)
	say("%s: %.2f µs, %.2f of the loop; %.0f/s", s.name, spent.all, spent.loop, got.PerSecond())
	return spent, nil
}

// loopFunction is what an event loop is in a profile.
const loopFunction = `eventloop\.\(\*loop\)\.run`

func (i *installation) profilePath() string { return filepath.Join(i.dir, "cpu.pb.gz") }

// profile asks the process for one of its processor time.
func (i *installation) profile(ctx context.Context, s *server, seconds int) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://sluice/debug/pprof/profile?seconds=%d", seconds), nil)
	if err != nil {
		return err
	}
	res, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it has been read
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("the profile: %s: %.200s", res.Status, b)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(i.profilePath(), b, 0o600)
}

var accounted = regexp.MustCompile(`Showing nodes accounting for [^,]+, ([0-9.]+)% of`)

// shareOf is how much of the last profile was in a function and what it calls.
func (i *installation) shareOf(ctx context.Context, function string) (float64, error) {
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodefraction=0", "-nodecount=100000", "-focus="+function, i.profilePath()).CombinedOutput()
	m := accounted.FindSubmatch(out)
	if err != nil || m == nil {
		return 0, fmt.Errorf("the profile cannot be read: %w\n%.500s", err, out)
	}
	percent, err := strconv.ParseFloat(string(m[1]), 64)
	return percent / 100, err
}

// tell prints what was measured.
func (i *installation) tell() { fmt.Print("\n" + (&result{Figures: i.figures.summed()}).text()) }
