package pipeline_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/analytics/duckdb"
	"github.com/sluicehq/sluice/internal/geo"
	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/pipeline"
	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/queue/inproc"
	"github.com/sluicehq/sluice/internal/useragent"
)

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	ahrefs  = "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// rig is a collector between a real journal and a real DuckDB.
type rig struct {
	t        *testing.T
	dir      string
	journal  *journal.Journal
	engine   *duckdb.Engine
	analytic analytics.Engine            // what the collector sees; engine unless replaced
	others   map[string]*journal.Journal // further sources
	poison   []queue.Poison
	n        uint64
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, dir: t.TempDir()}
	r.open()
	t.Cleanup(r.close)
	return r
}

func (r *rig) open() {
	r.t.Helper()
	var err error
	if r.journal, err = journal.Open(filepath.Join(r.dir, "journal"), journal.Options{SegmentBytes: 64 << 10}); err != nil {
		r.t.Fatal(err)
	}
	if r.engine, err = duckdb.Open(duckdb.Options{Path: filepath.Join(r.dir, "clicks.duckdb"), Logger: slog.New(slog.DiscardHandler)}); err != nil {
		r.t.Fatal(err)
	}
	r.analytic = r.engine
}

func (r *rig) close() {
	if err := errors.Join(r.journal.Close(), r.engine.Close()); err != nil {
		r.t.Error(err)
	}
}

// append writes a click of a visitor on link 1 into the journal.
func (r *rig) append(visitor uint64, change func(*affiliate.Click)) {
	r.t.Helper()
	r.n++
	c := affiliate.Click{
		ID: affiliate.NewClickID(noon.UnixMilli()+int64(r.n), 0, r.n), Outcome: affiliate.Redirected, Code: 302,
		Link: 1, Site: "main", Slug: "the-thing", Visitor: affiliate.NewVisitorID(1, visitor), Agent: firefox,
		IP: netip.MustParseAddr("203.0.113.77"), Referrer: "https://news.example/a",
	}
	if change != nil {
		change(&c)
	}
	if _, err := r.journal.Append(c.AppendRecord(nil)); err != nil {
		r.t.Fatal(err)
	}
}

// collect runs a collector until everything is stored.
func (r *rig) collect(o pipeline.Options) pipeline.Stats {
	r.t.Helper()
	places, err := geo.Open(geo.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = places.Close() }()
	journals := map[string]*journal.Journal{"0/0": r.journal}
	maps.Copy(journals, r.others)
	o.Queue = inproc.Open(journals, slog.New(slog.DiscardHandler))
	o.Analytics = r.analytic
	o.Enrich = &pipeline.Enricher{Places: places, Agents: useragent.NewParser(useragent.Options{}), Addresses: pipeline.Truncated}
	o.SetAside = func(p queue.Poison) error { r.poison = append(r.poison, p); return nil }
	o.Interval = time.Millisecond
	o.Now = func() time.Time { return noon.Add(time.Minute) }
	c := pipeline.New(o)
	ctx, cancel := context.WithCancel(r.t.Context())
	if err := c.Open(ctx); err != nil {
		r.t.Fatal(err)
	}
	if s := c.Stats(); s.Lag == (queue.Lag{}) {
		r.t.Error("clicks wait in the journal, but the lag of a collector that has just opened is 0")
	}
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	drain, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	if err := c.Drain(drain); err != nil {
		r.t.Errorf("not everything was stored: %v, %+v", err, c.Stats())
	}
	stats := c.Stats()
	cancel()
	<-done
	if err := c.Close(); err != nil {
		r.t.Error(err)
	}
	return stats
}

func (r *rig) report(by ...analytics.Dimension) *analytics.Report {
	r.t.Helper()
	report, err := r.engine.Report(r.t.Context(), analytics.Query{By: by, All: true,
		Filter: analytics.Filter{Since: noon.Add(-time.Hour), Until: noon.Add(time.Hour)}})
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

func (r *rig) expect(metric string, want int64) {
	r.t.Helper()
	if got := r.report(analytics.ByLink).Totals[metric]; got != want {
		r.t.Errorf("%s: %d, want %d", metric, got, want)
	}
}

func TestClicksAreStoredOnceAcrossRestarts(t *testing.T) {
	r := newRig(t)
	for range 3 {
		for visitor := range uint64(500) {
			r.append(visitor, nil)
		}
		r.collect(pipeline.Options{BatchRecords: 64})
		r.close()
		r.open()
	}
	r.expect("clicks", 1500)
	r.expect("uniques", 500)
}

// flaky fails its first Appends, some before and some after they have stored.
type flaky struct {
	analytics.Engine
	calls atomic.Int64
}

func (f *flaky) Append(ctx context.Context, b analytics.Batch) error {
	if f.calls.Add(1) <= 2 {
		return errors.New("the disk is full")
	}
	return f.Engine.Append(ctx, b)
}

func TestFailingEngineLosesAndDoublesNothing(t *testing.T) {
	r := newRig(t)
	r.analytic = &flaky{Engine: r.engine}
	for visitor := range uint64(100) {
		r.append(visitor, nil)
	}
	stats := r.collect(pipeline.Options{})
	r.expect("clicks", 100)
	r.expect("uniques", 100) // judged once, however often they are stored
	if stats.Retries != 2 || stats.Trouble != "" {
		t.Errorf("two failures, now over: %+v", stats)
	}
}

func TestUnreadableRecordIsSetAside(t *testing.T) {
	r := newRig(t)
	r.append(1, nil)
	if _, err := r.journal.Append([]byte("\x63 not a click")); err != nil {
		t.Fatal(err)
	}
	r.append(2, nil)
	stats := r.collect(pipeline.Options{})
	r.expect("clicks", 2)
	if len(r.poison) != 1 || string(r.poison[0].Record) != "\x63 not a click" || r.poison[0].Reason == "" || stats.SetAside != 1 {
		t.Errorf("set aside: %+v, counted %d", r.poison, stats.SetAside)
	}
}

func TestWhatDoesNotCount(t *testing.T) {
	r := newRig(t)
	r.append(1, nil)
	r.append(2, func(c *affiliate.Click) { c.Signals |= affiliate.SignalHead })
	r.append(3, func(c *affiliate.Click) { c.Signals |= affiliate.SignalPrefetch })
	r.append(4, func(c *affiliate.Click) { c.Verdict = affiliate.VerdictBot })
	r.append(5, func(c *affiliate.Click) { c.Link, c.Outcome = 0, affiliate.Missing })
	r.append(6, func(c *affiliate.Click) { c.Outcome = affiliate.Blocked })
	r.append(7, func(c *affiliate.Click) { c.Verdict = affiliate.VerdictSuspect })
	r.collect(pipeline.Options{})
	r.expect("clicks", 2)
	r.expect("uniques", 2)
	r.expect("bots", 1)
	r.expect("prefetches", 2)
}

func TestEnrichment(t *testing.T) {
	r := newRig(t)
	r.append(1, func(c *affiliate.Click) { c.Country = "SE" })
	r.append(2, func(c *affiliate.Click) { c.Agent, c.Country = ahrefs, "SE" }) // not recognised in the request
	r.append(3, func(c *affiliate.Click) {
		c.Agent, c.Country, c.Verdict, c.Reasons = "curl/8.5.0", "SE", affiliate.VerdictSuspect, affiliate.ReasonTool
	})
	r.collect(pipeline.Options{})
	for _, c := range []struct {
		by   analytics.Dimension
		want string
	}{{analytics.ByBrowser, "Firefox"}, {analytics.ByOS, "Linux"}, {analytics.ByDevice, "desktop"}, {analytics.ByReferrer, "news.example"}, {analytics.ByCountry, "SE"}} {
		rows := r.report(c.by).Rows
		found := false
		for _, row := range rows {
			found = found || row[string(c.by)] == c.want
		}
		if !found {
			t.Errorf("by %s: no %q in %v", c.by, c.want, rows)
		}
	}
	r.expect("bots", 1)
	r.expect("clicks", 2)
}

func TestHintOfAPhone(t *testing.T) {
	r := newRig(t)
	r.append(1, func(c *affiliate.Click) { c.Signals |= affiliate.SignalMobile })
	r.append(2, func(c *affiliate.Click) { c.Agent, c.Signals = ahrefs, c.Signals|affiliate.SignalMobile })
	r.collect(pipeline.Options{})
	for _, row := range r.report(analytics.ByDevice).Rows {
		if want := map[int64]string{0: "phone", 1: "bot"}[row["bots"].(int64)]; row["device"] != want {
			t.Errorf("with the hint of a phone, a click is %v, want %s", row, want)
		}
	}
	r.expect("bots", 1)
	r.expect("clicks", 1)
}
