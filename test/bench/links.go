package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/sluicehq/sluice/test/load"
)

// writeLinks writes a file of links for the import.
func writeLinks(path string, links int) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	_, _ = w.WriteString("slug,url,tags,page,note\n") // the error stays with w
	for n := range links {
		_, _ = fmt.Fprintf(w, "%s,%s,\"%s,batch-%d\",/reviews/%d,\"%s, found in %d\"\n",
			load.Slug(n), load.Target(n), load.Product(n), n%100, n%5000, load.Product(n), 2015+n%11)
	}
	return w.Flush()
}

// linksFile is the file of the links part; it is written once.
func (b *bench) linksFile() (string, error) {
	path := filepath.Join(b.dir, "links.csv")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	return path, writeLinks(path, b.size.Links)
}

// links measures a large portfolio: bringing it in, starting with it, serving it,
// changing it.
func (b *bench) links(ctx context.Context) (err error) {
	file, err := b.linksFile()
	if err != nil {
		return err
	}
	data := filepath.Join(b.dir, "links")
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	s, err := b.open(ctx, data)
	if err != nil {
		return err
	}
	defer func() { s.kill() }()
	if err := b.importLinks(ctx, s, file); err != nil {
		return err
	}
	if s, err = b.restarts(ctx, s); err != nil {
		return err
	}
	if err := b.steadyLoad(ctx, s); err != nil {
		return err
	}
	if err := b.creates(ctx, s); err != nil {
		return err
	}
	if err := b.visible(ctx, s); err != nil {
		return err
	}
	return s.stop()
}

func (b *bench) importLinks(ctx context.Context, s *server, file string) error {
	watched := s.watch()
	began := time.Now()
	out, err := exec.CommandContext(ctx, b.program, "link", "import", file, "--data", s.data).CombinedOutput()
	if err != nil {
		_ = watched()
		return fmt.Errorf("the import failed: %w\n%.500s", err, out)
	}
	returned := time.Since(began)
	err = s.served(ctx, load.Slug(b.size.Links-1), 5*time.Millisecond)
	served := time.Since(began)
	used := s.processor()
	m := watched()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("import %s links", grouped(int64(b.size.Links)))
	b.figures.of(name+", command returns", "s", "≤ 30").add(returned.Seconds())
	b.figures.of(name+", last one is served", "s", "≤ 30").add(served.Seconds())
	b.figures.of(name+", processor time of the server", "s", "").add(used.Seconds())
	b.figures.of("memory while importing, peak", "MiB", "≤ 450").add(m.peak)
	b.figures.of("memory while importing, peak", "MiB", "").note("at its largest %.0f own + %.0f mapped files", m.anon, m.files)
	say("import: command %.1f s, served %.1f s, peak %.0f MiB", returned.Seconds(), served.Seconds(), m.peak)
	return nil
}

// served waits until visitors are sent on by a link.
func (s *server) served(ctx context.Context, slug string, interval time.Duration) error {
	v, err := arrive(s.links)
	if err != nil {
		return err
	}
	defer v.leave()
	var failed error
	err = s.poll(ctx, 5*time.Minute, interval, "the link "+slug, func() bool {
		status, err := v.follow(slug)
		failed = err
		return status == 302 || err != nil
	})
	return errors.Join(err, failed)
}

// settle is how long a started server is left alone before its memory is read.
const settle = 1500 * time.Millisecond

// restarts stops and starts the server and returns the last one.
func (b *bench) restarts(ctx context.Context, s *server) (*server, error) {
	for n := range b.size.Starts + b.size.Crashes {
		crash := n >= b.size.Starts
		if crash {
			s.kill()
		} else if err := s.stop(); err != nil {
			return s, err
		}
		next, err := b.start(s.data, anywhere)
		if err != nil {
			return s, err
		}
		s = next
		first, err := s.firstRedirect(ctx, load.Slug(b.size.Links/2+n))
		if err != nil {
			return s, err
		}
		if crash {
			b.figures.of("start to first redirect, after kill -9", "s", "≤ 3").add(first.Seconds())
		} else {
			b.figures.of("start to first redirect", "s", "≤ 3").add(first.Seconds())
		}
		if err := s.poll(ctx, time.Minute, time.Millisecond, "the API", func() bool { return s.api(ctx, "GET", "/api/v1/status", nil, nil) == nil }); err != nil {
			return s, err
		}
		b.figures.of("start to an open back office", "s", "").add(time.Since(s.began).Seconds())
		time.Sleep(settle)
		m := s.memory()
		b.figures.of("memory after a start", "MiB", "≤ 450").add(m.now)
		if n == 0 {
			b.figures.of("memory after a start", "MiB", "").note("%.0f own + %.0f mapped files, peak until then %.0f", m.anon, m.files, m.peak)
		}
	}
	say("start to first redirect: median %.2f s", quantile(b.figures.of("start to first redirect", "s", "").Samples, 0.5))
	return s, nil
}

// firstRedirect is the time from the birth of the process to its first 302.
func (s *server) firstRedirect(ctx context.Context, slug string) (time.Duration, error) {
	answered := 0
	err := s.poll(ctx, time.Minute, time.Millisecond, "the first redirect", func() bool {
		v, err := arrive(s.links)
		if err != nil {
			return false
		}
		defer v.leave()
		status, err := v.follow(slug)
		answered = status
		return err == nil
	})
	took := time.Since(s.began)
	if err == nil && answered != 302 {
		err = fmt.Errorf("the first answer after a start was %d", answered)
	}
	return took, err
}

// steadyLoad has all links clicked at the rate of the requirements.
func (b *bench) steadyLoad(ctx context.Context, s *server) error {
	if err := s.forgetPeak(); err != nil {
		return err
	}
	watched, used := s.watch(), s.processor()
	got, err := b.visit(ctx, anywhere, load.Options{Address: s.links, Connections: 16, Rate: loadPerSecond, Links: b.size.Links,
		Duration: time.Duration(b.size.LoadSeconds) * time.Second})
	if err == nil {
		err = s.drained(ctx)
	}
	m := watched()
	if err != nil {
		return err
	}
	n := float64(got.Answered)
	b.figures.of("memory under load, whole process, peak", "MiB", "≤ 450").add(m.peak)
	b.figures.of("memory under load, whole process, peak", "MiB", "").note("at its largest %.0f own + %.0f mapped files", m.anon, m.files)
	b.figures.of("load: clicks answered", "clicks/s", "").add(got.PerSecond())
	b.figures.of("load: wait for the answer, median", "ms", "").add(got.Wait.P50)
	b.figures.of("load: wait for the answer, 99 of 100", "ms", "").add(got.Wait.P99)
	b.figures.of("load: processor time, click to report", "µs/click", "").add(float64((s.processor()-used)/time.Microsecond) / n)
	say("load: %.0f clicks/s, p99 %.1f ms, peak %.0f MiB", got.PerSecond(), got.Wait.P99, m.peak)
	return nil
}

// creates adds links by API and follows each at once.
func (b *bench) creates(ctx context.Context, s *server) error {
	v, err := arrive(s.links)
	if err != nil {
		return err
	}
	defer v.leave()
	called := b.figures.of("create a link by API, the call", "ms", "")
	served := b.figures.of("create a link by API, first redirect after the answer", "ms", "≤ 100")
	for range b.size.Creates {
		slug := fmt.Sprintf("new-%x", rand.Uint64())
		began := time.Now()
		if err := s.api(ctx, "POST", "/api/v1/links", map[string]any{"slug": slug, "url": load.Target(rand.IntN(1 << 20))}, nil); err != nil {
			return err
		}
		answered := time.Now()
		for status := 0; status != 302; {
			if status, err = v.follow(slug); err != nil {
				return err
			}
			if time.Since(answered) > time.Minute {
				return fmt.Errorf("the link %s is not served", slug)
			}
		}
		called.add(millis(answered.Sub(began)))
		served.add(millis(time.Since(answered)))
	}
	say("create: call %.1f ms, first redirect %.2f ms later (medians)", quantile(called.Samples, 0.5), quantile(served.Samples, 0.5))
	return nil
}

// visible clicks links and waits until the report has the click.
func (b *bench) visible(ctx context.Context, s *server) error {
	v, err := arrive(s.links)
	if err != nil {
		return err
	}
	defer v.leave()
	f := b.figures.of("a click is in the report", "s", "≤ 2")
	for range b.size.Visible {
		slug := fmt.Sprintf("seen-%x", rand.Uint64())
		if err := s.api(ctx, "POST", "/api/v1/links", map[string]any{"slug": slug, "url": load.Target(0)}, nil); err != nil {
			return err
		}
		// The collector comes round a few times a second: meet it at any moment.
		time.Sleep(rand.N(500 * time.Millisecond))
		began := time.Now()
		if status, err := v.follow(slug); err != nil || status != 302 {
			return fmt.Errorf("the link %s was answered with %d: %w", slug, status, err)
		}
		err := s.poll(ctx, time.Minute, 5*time.Millisecond, "the click on "+slug, func() bool {
			var r clickReport
			err := s.api(ctx, "GET", "/api/v1/reports/clicks?by=link&is.link="+slug, nil, &r)
			return err == nil && r.Totals["clicks"] > 0
		})
		if err != nil {
			return err
		}
		f.add(time.Since(began).Seconds())
	}
	say("a click is in the report after %.2f s (median)", quantile(f.Samples, 0.5))
	return nil
}

// clickReport is what is read of a report.
type clickReport struct {
	Rows   []map[string]any `json:"rows"`
	Totals map[string]int64 `json:"totals"`
}
