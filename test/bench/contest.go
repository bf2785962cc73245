package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/test/load"
)

// contest measures what an answer costs Sluice and nginx, in turns on one and the
// same processor, with the same visitors on another.
type contest struct {
	*bench
	server, visitors int // processors
	links            int
	rate             int // of the visitors; 0 is as fast as they are answered
}

// subject is one of those that are compared.
type subject struct {
	name  string
	asked asked
	// ready makes it ready for one round and says where it is.
	ready func(ctx context.Context) (at station, err error)
	visit load.Options
}

// station is a subject that is ready for its round.
type station struct {
	address string
	pid     int
	// finish waits for the work that the visits have left behind, if they have.
	finish func(ctx context.Context) error
	leave  func() error
	server *server // nil for nginx
}

// asked is what the requirements say of a subject.
type asked struct{ ratio, p99, p999 string }

// nginx compares the data plane with nginx answering from a map.
func (b *bench) nginx(ctx context.Context) error {
	for _, links := range b.size.MapLinks {
		c, err := b.newContest(links, 0)
		if err != nil {
			return err
		}
		subjects := []subject{c.alone("Sluice", asked{ratio: "≤ 0.75"}, nil)}
		if links == b.size.RuleLinks {
			subjects = append(subjects, c.ruled(), c.whole())
		}
		if err := c.run(ctx, b.size.Turns, subjects); err != nil {
			return err
		}
	}
	return nil
}

// latency has both answer at a rate that neither chooses.
func (b *bench) latency(ctx context.Context) error {
	c, err := b.newContest(b.size.RuleLinks, openRate)
	if err != nil {
		return err
	}
	return c.run(ctx, b.size.Turns, []subject{c.alone("Sluice", asked{p99: "≤ 1", p999: "≤ 5"}, nil)})
}

// openRate is the requests a second of the requirements.
const openRate = 50_000

func (b *bench) newContest(links, rate int) (*contest, error) {
	cores, err := processors()
	if err != nil {
		return nil, err
	}
	if len(cores) < 2 {
		return nil, errors.New("this needs two processors: one for the server, one for its visitors")
	}
	return &contest{bench: b, server: cores[0], visitors: cores[1], links: links, rate: rate}, nil
}

// run measures nginx and the others in turns; who begins changes.
func (c *contest) run(ctx context.Context, turns int, others []subject) (err error) {
	n, err := c.startNginx(ctx, c.server, c.links)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stop(), os.RemoveAll(filepath.Dir(n.log))) }()
	all := append([]subject{c.mapped(n)}, others...)
	defer func() {
		for i := range all {
			err = errors.Join(err, os.RemoveAll(c.folder(all[i].name)))
		}
	}()
	for turn := range turns {
		cost := make([]float64, len(all))
		for i := range all {
			at := i
			if turn%2 == 1 {
				at = len(all) - 1 - i
			}
			if cost[at], err = c.round(ctx, &all[at]); err != nil {
				return fmt.Errorf("%s with %s: %w", all[at].name, c.linkCount(), err)
			}
		}
		for i, s := range all[1:] {
			c.figure(s.name+" / nginx", "processor time", "", s.asked.ratio).add(cost[i+1] / cost[0])
		}
	}
	return nil
}

// linkCount says how many links there are.
func (c *contest) linkCount() string {
	if c.links == 1 {
		return "1 link"
	}
	return grouped(int64(c.links)) + " links"
}

// figure is one of the rows of a subject.
func (c *contest) figure(subject, what, unit, asked string) *figure {
	at := ""
	if c.rate > 0 {
		at = fmt.Sprintf(" at %s/s", grouped(int64(c.rate)))
	}
	return c.figures.of(fmt.Sprintf("%s, %s%s: %s", subject, c.linkCount(), at, what), unit, asked)
}

// round measures one subject once, and returns the processor time of an answer.
func (c *contest) round(ctx context.Context, s *subject) (cost float64, err error) {
	at, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, at.leave()) }()
	o := s.visit
	o.Address, o.Links, o.Rate, o.Duration = at.address, c.links, c.rate, c.size.warmUp()
	if _, err := c.visit(ctx, c.visitors, o); err != nil {
		return 0, err
	}
	if err := at.finish(ctx); err != nil {
		return 0, err
	}
	o.Duration = time.Duration(c.size.TurnSeconds) * time.Second
	machine, had := readUsage(), treeProcessor(at.pid)
	got, err := c.visit(ctx, c.visitors, o)
	if err == nil {
		err = at.finish(ctx)
	}
	if err != nil {
		return 0, err
	}
	used := treeProcessor(at.pid) - had
	cost = used.Seconds() * 1e6 / float64(got.Answered)
	c.figure(s.name, "processor time", "µs/request", "").add(cost)
	if c.rate == 0 {
		c.figure(s.name, "answers", "/s", "").add(got.PerSecond())
	}
	c.figure(s.name, "wait, median", "ms", "").add(got.Wait.P50)
	c.figure(s.name, "wait, 99 of 100", "ms", s.asked.p99).add(got.Wait.P99)
	c.figure(s.name, "wait, 999 of 1000", "ms", s.asked.p999).add(got.Wait.P999)
	c.figure(s.name, "wait, longest", "ms", "").add(got.Wait.Max)
	if c.rate > 0 {
		c.figures.of("visits sent later than due, 999 of 1000: the visitors' own fault", "ms", "").add(got.Late.P999)
	}
	spent := readUsage()
	spent.ours += used
	noise := spent.since(machine)
	c.figures.of("other programs' share of the processors in a round", "%", "").add(100 * noise.Others)
	c.figures.of("other machines' share of the processors in a round", "%", "").add(100 * noise.Stolen)
	say("%s, %s: %.2f µs, %.0f/s, p99 %.2f, p99.9 %.2f ms; other programs had %.0f %%", s.name, c.linkCount(), cost,
		got.PerSecond(), got.Wait.P99, got.Wait.P999, 100*noise.Others)
	return cost, nil
}

// mapped is nginx.
func (c *contest) mapped(n *nginx) subject {
	nothing := func(context.Context) error { return nil }
	return subject{name: "nginx", ready: func(context.Context) (station, error) {
		return station{n.address, n.cmd.Process.Pid, nothing, n.forgetLog, nil}, nil
	}}
}

func (c *contest) folder(subject string) string {
	return filepath.Join(c.dir, strings.ReplaceAll(fmt.Sprintf("%s-%d", subject, c.links), " ", "-"))
}

// alone is the data plane by itself: it decides, sets its cookie, and records every
// click in a journal that is empty when the round begins.
func (c *contest) alone(name string, asked asked, rules []affiliate.Rule, arguments ...string) subject {
	data := c.folder(name)
	nothing := func(context.Context) error { return nil }
	return subject{name: name, asked: asked, ready: func(ctx context.Context) (station, error) {
		if _, err := os.Stat(filepath.Join(data, "table")); err != nil {
			if err := saveTable(data, c.links, rules); err != nil {
				return station{}, err
			}
		}
		if err := os.RemoveAll(filepath.Join(data, "journal")); err != nil {
			return station{}, err
		}
		s, err := c.start(data, c.server, append([]string{"--role", "redirect"}, arguments...)...)
		if err != nil {
			return station{}, err
		}
		if _, err := s.firstRedirect(ctx, load.Slug(0)); err != nil {
			s.kill()
			return station{}, err
		}
		return station{s.links, s.cmd.Process.Pid, nothing, s.stop, s}, nil
	}}
}

// ruled is the data plane with links that look at the visitor's country and device.
// So that there are countries, every visitor comes by a proxy that names another
// address.
func (c *contest) ruled() subject {
	settings := filepath.Join(c.dir, "proxied.yaml")
	s := c.alone("Sluice with rules", asked{ratio: "≤ 0.85"}, countryAndDevice(), "--config", settings)
	ready := s.ready
	s.ready = func(ctx context.Context) (station, error) {
		if err := os.WriteFile(settings, []byte("trusted_proxies: [127.0.0.0/8]\n"), 0o600); err != nil {
			return station{}, err
		}
		return ready(ctx)
	}
	s.visit.Forwarded = true
	return s
}

// whole is everything in one process: it is charged until its clicks are in the
// reports.
func (c *contest) whole() subject {
	name := "Sluice with its reports"
	data := c.folder(name)
	return subject{name: name, asked: asked{ratio: "≤ 1.6"}, ready: func(ctx context.Context) (station, error) {
		if _, err := os.Stat(data); err != nil {
			if err := c.importPortfolio(ctx, data); err != nil {
				return station{}, err
			}
		}
		s, err := c.start(data, c.server)
		if err != nil {
			return station{}, err
		}
		if err := s.drained(ctx); err != nil {
			s.kill()
			return station{}, err
		}
		return station{s.links, s.cmd.Process.Pid, s.drained, s.stop, s}, nil
	}}
}

func (c *contest) importPortfolio(ctx context.Context, data string) error {
	file := filepath.Join(c.dir, "portfolio.csv")
	if err := writeLinks(file, c.links); err != nil {
		return err
	}
	// Without a server the command works on the folder itself.
	if out, err := exec.CommandContext(ctx, c.program, "link", "import", file, "--data", data).CombinedOutput(); err != nil {
		return fmt.Errorf("the import failed: %w\n%.500s", err, out)
	}
	return os.Remove(file)
}

// large compares a data plane with ten million links with one with a thousand.
func (b *bench) large(ctx context.Context) (err error) {
	var sizes [2]*contest
	var subjects [2]subject
	for i, links := range []int{1000, b.size.LargeLinks} {
		if sizes[i], err = b.newContest(links, 0); err != nil {
			return err
		}
		subjects[i] = sizes[i].alone("Sluice", asked{}, nil)
		began := time.Now()
		if err := saveTable(sizes[i].folder("Sluice"), links, nil); err != nil {
			return err
		}
		say("%s links written in %.1f s", grouped(int64(links)), time.Since(began).Seconds())
		defer func() { err = errors.Join(err, os.RemoveAll(sizes[i].folder("Sluice"))) }()
	}
	many := sizes[1]
	for range b.size.Turns {
		var cost [2]float64
		for i := range sizes {
			if cost[i], err = sizes[i].round(ctx, &subjects[i]); err != nil {
				return err
			}
		}
		many.figure("Sluice / Sluice with 1,000 links", "processor time", "", "≤ 1.2").add(cost[1] / cost[0])
	}
	return many.rest(ctx)
}

// rest starts the large one once more, for its start and its memory.
func (c *contest) rest(ctx context.Context) error {
	for range c.size.Starts {
		s, err := c.start(c.folder("Sluice"), anywhere, "--role", "redirect")
		if err != nil {
			return err
		}
		first, err := s.firstRedirect(ctx, load.Slug(c.links/2))
		if err == nil {
			_, err = c.visit(ctx, anywhere, load.Options{Address: s.links, Links: c.links, Duration: 2 * time.Second})
		}
		m := s.memory()
		if err = errors.Join(err, s.stop()); err != nil {
			return err
		}
		c.figure("Sluice", "start to first redirect", "s", "≤ 2").add(first.Seconds())
		c.figure("Sluice", "memory after visits", "MiB", "≤ 2,048").add(m.now)
		c.figure("Sluice", "memory after visits", "MiB", "").note("%.0f own + %.0f mapped files", m.anon, m.files)
	}
	return nil
}

// warmUp is how long a subject is visited before its round.
func (z *size) warmUp() time.Duration { return time.Duration(z.TurnSeconds) * time.Second / 3 }

// processors are those that this process may use.
func processors() (cores []int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("the processors of this process: %w", err)
	}
	for i := 0; len(cores) < set.Count(); i++ {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return cores, nil
}
