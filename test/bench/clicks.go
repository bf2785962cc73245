package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/analytics/duckdb"
	"github.com/sluicehq/sluice/internal/config"
	"github.com/sluicehq/sluice/internal/journal"
)

// days that the clicks are spread over: a report over seven of them has to find
// its half.
const days = 14

// clicks measures storing many clicks and reporting on them. Most are handed to
// the engine directly; the last ones lie in the journal when the server starts,
// and take the whole way.
func (b *bench) clicks(ctx context.Context) (err error) {
	data := filepath.Join(b.dir, "clicks")
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	now, span := time.Now(), days*24*time.Hour
	from := now.Add(-span)
	direct := b.size.Clicks - b.size.Backlog
	middle := from.Add(time.Duration(float64(span) * float64(direct) / float64(b.size.Clicks)))
	if err := b.engine(ctx, filepath.Join(data, "analytics", "clicks.duckdb"), direct, from, middle); err != nil {
		return err
	}
	if err := writeJournal(ctx, filepath.Join(data, "journal", "0"), 13, b.size.Backlog, middle, now); err != nil {
		return err
	}
	s, err := b.backlog(ctx, data)
	if err != nil {
		return err
	}
	defer s.kill()
	if err := b.reports(ctx, s); err != nil {
		return err
	}
	return s.stop()
}

// engineVerb makes this program store clicks and nothing else: so its memory and
// its processor time are the engine's, and the making of clicks.
const engineVerb = "fill-engine"

// filled is what storing clicks took.
type filled struct {
	Clicks    int     `json:"clicks"`
	Seconds   float64 `json:"seconds"`         // of storing; the making of clicks is not in it
	Processor float64 `json:"processor"`       // seconds
	Slowest   float64 `json:"slowest_million"` // clicks per second
	Longest   float64 `json:"longest_batch"`   // seconds
	PeakMiB   float64 `json:"peak_mib"`
}

func (b *bench) engine(ctx context.Context, path string, clicks int, from, until time.Time) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, engineVerb, "-path", path, "-clicks", strconv.Itoa(clicks),
		"-from", strconv.FormatInt(from.UnixMilli(), 10), "-until", strconv.FormatInt(until.UnixMilli(), 10))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("storing clicks in the engine: %w", err)
	}
	var f filled
	if err := json.Unmarshal(out, &f); err != nil {
		return fmt.Errorf("storing clicks in the engine: %w: %q", err, out)
	}
	n := float64(f.Clicks)
	b.figures.of("DuckDB alone, clicks stored", "clicks/s", "≥ 100,000").add(n / f.Seconds)
	b.figures.of("DuckDB alone, slowest million", "clicks/s", "").add(f.Slowest)
	b.figures.of("DuckDB alone, processor time", "µs/click", "").add(f.Processor / n * 1e6)
	b.figures.of("DuckDB alone, longest batch of 20,000", "s", "").add(f.Longest)
	b.figures.of("DuckDB alone, memory, peak", "MiB", "").add(f.PeakMiB)
	say("engine: %s clicks at %s/s, %.1f µs of a processor each", grouped(int64(f.Clicks)), number(n/f.Seconds), f.Processor/n*1e6)
	return nil
}

// batchRows is how many clicks the collector stores at a time.
const batchRows = 20_000

// fillEngine is the child of engine.
func fillEngine(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(engineVerb, flag.ContinueOnError)
	path := flags.String("path", "", "database `file`")
	clicks := flags.Int("clicks", 0, "how many")
	from := flags.Int64("from", 0, "time of the first, Unix `milliseconds`")
	until := flags.Int64("until", 0, "time of the last, Unix `milliseconds`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	e, err := openEngine(*path)
	if err != nil {
		return err
	}
	f, err := fill(ctx, e, *clicks, *from, *until)
	began, had := time.Now(), processor(syscall.RUSAGE_SELF)
	err = errors.Join(err, e.Close()) // packs what is still in the log
	if err != nil {
		return err
	}
	f.Seconds += time.Since(began).Seconds()
	f.Processor += (processor(syscall.RUSAGE_SELF) - had).Seconds()
	f.PeakMiB = readMemory("/proc/self/status").peak
	return json.NewEncoder(os.Stdout).Encode(f)
}

// openEngine opens an engine as a server does by default.
func openEngine(path string) (*duckdb.Engine, error) {
	d := config.Default().Analytics
	return duckdb.Open(duckdb.Options{Path: path, MemoryLimit: fmt.Sprintf("%dMiB", int64(d.MemoryLimit)>>20), Threads: d.Threads})
}

func fill(ctx context.Context, e analytics.Engine, clicks int, from, until int64) (f filled, err error) {
	t, rows := newTraffic(7), make([]analytics.Row, batchRows)
	step := float64(until-from) / float64(clicks)
	position, million := "", 0.0
	for f.Clicks < clicks {
		rows = rows[:min(batchRows, clicks-f.Clicks)]
		t.Rows(rows, float64(from)+step*float64(f.Clicks), step)
		began, had := time.Now(), processor(syscall.RUSAGE_SELF)
		next := strconv.Itoa(f.Clicks + len(rows))
		// Not the server's own source, which begins anew.
		if err := e.Append(ctx, analytics.Batch{Source: "bench/0", From: position, To: next, Rows: rows}); err != nil {
			return f, err
		}
		took := time.Since(began).Seconds()
		f.Processor += (processor(syscall.RUSAGE_SELF) - had).Seconds()
		f.Seconds += took
		f.Longest = max(f.Longest, took)
		f.Clicks += len(rows)
		position, million = next, million+took
		if f.Clicks%1_000_000 == 0 {
			if rate := 1e6 / million; f.Slowest == 0 || rate < f.Slowest {
				f.Slowest = rate
			}
			million = 0
		}
	}
	return f, nil
}

// writeJournal leaves clicks as a server that was killed would.
func writeJournal(ctx context.Context, dir string, seed uint64, clicks int, from, until time.Time) (err error) {
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	t := newTraffic(seed)
	step := float64(until.Sub(from).Milliseconds()) / float64(clicks)
	var c affiliate.Click
	var record []byte
	for n := range clicks {
		t.Click(&c, from.UnixMilli()+int64(step*float64(n)))
		record = c.AppendRecord(record[:0])
		for {
			if _, err = j.Append(record); !errors.Is(err, journal.ErrFull) || ctx.Err() != nil {
				break
			}
			time.Sleep(10 * time.Millisecond) // the disk is slower than we are
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// backlog starts a server on the journal and waits until all of it is reported.
func (b *bench) backlog(ctx context.Context, data string) (*server, error) {
	s, err := b.open(ctx, data)
	if err != nil {
		return nil, err
	}
	watched := s.watch()
	err = s.reported(ctx, b.size.Clicks)
	took, used := time.Since(s.began), s.processor()
	m := watched()
	var status struct {
		Analytics struct{ Clicks, Bytes int64 }
	}
	if err == nil {
		err = s.api(ctx, "GET", "/api/v1/status", nil, &status)
	}
	if err == nil && status.Analytics.Clicks != int64(b.size.Clicks) {
		err = fmt.Errorf("%d clicks are in the reports instead of %d", status.Analytics.Clicks, b.size.Clicks)
	}
	if err != nil {
		s.kill()
		return nil, err
	}
	n := float64(b.size.Backlog)
	b.figures.of("journal to report, whole pipeline, clicks stored", "clicks/s", "≥ 100,000").add(n / took.Seconds())
	b.figures.of("journal to report, whole pipeline, processor time", "µs/click", "").add(used.Seconds() / n * 1e6)
	b.figures.of("journal to report, whole process, memory, peak", "MiB", "≤ 450").add(m.peak)
	b.figures.of("journal to report, whole process, memory, peak", "MiB", "").note("at its largest %.0f own + %.0f mapped files", m.anon, m.files)
	b.figures.of("a click in the reports, on disk", "bytes", "").add(float64(status.Analytics.Bytes) / float64(status.Analytics.Clicks))
	say("pipeline: %s clicks at %s/s, %.1f µs of a processor each, peak %.0f MiB", grouped(int64(n)), number(n/took.Seconds()), used.Seconds()/n*1e6, m.peak)
	return s, nil
}

// reports asks for reports over the API, in turns, so that none of them finds the
// caches as its like has left them.
func (b *bench) reports(ctx context.Context, s *server) error {
	total := grouped(int64(b.size.Clicks))
	kinds := []struct {
		name, asked string
		query       url.Values
	}{
		{"by link", "≤ 300", url.Values{"by": {"link"}, "limit": {"100"}}},
		{"by link, with what does not count", "", url.Values{"by": {"link"}, "limit": {"100"}, "all": {"true"}}},
		{"by day", "", url.Values{"by": {"day"}, "zone": {"Europe/Berlin"}}},
		{"by referrer and page", "", url.Values{"by": {"referrer", "page"}, "limit": {"100"}}},
	}
	for range b.size.Reports {
		began := time.Now()
		if err := s.api(ctx, "GET", "/api/v1/status", nil, nil); err != nil {
			return err
		}
		b.figures.of("state of the server, "+total+" clicks", "ms", "").add(millis(time.Since(began)))
	}
	for turn := range b.size.Reports + 1 {
		for _, k := range kinds {
			k.query.Set("since", "7d")
			var r clickReport
			began := time.Now()
			if err := s.api(ctx, "GET", "/api/v1/reports/clicks?"+k.query.Encode(), nil, &r); err != nil {
				return err
			}
			took := millis(time.Since(began))
			if len(r.Rows) == 0 || r.Totals["clicks"] < int64(b.size.Clicks)/3 {
				return fmt.Errorf("the report %s counts only %d clicks", k.name, r.Totals["clicks"])
			}
			name := "report over 7 of 14 days, " + total + " clicks, " + k.name
			if turn == 0 {
				b.figures.of(name+", first", "ms", k.asked).add(took)
			} else {
				b.figures.of(name, "ms", k.asked).add(took)
			}
		}
	}
	say("report by link: median %.0f ms", quantile(b.figures.of("report over 7 of 14 days, "+total+" clicks, by link", "ms", "").Samples, 0.5))
	return nil
}
