package pipeline_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/pipeline"
)

// elsewhere makes a click one that was made elsewhere, at a time, with a number of its own.
func elsewhere(at time.Time, n uint64) func(*affiliate.Click) {
	return func(c *affiliate.Click) {
		c.ID = affiliate.NewClickID(at.UnixMilli(), 0xffff, n)
		c.Signals |= affiliate.SignalElsewhere
	}
}

// hours counts clicks and uniques by the hour, over a year.
func (r *rig) hours() (clicks, uniques map[string]int64) {
	r.t.Helper()
	report, err := r.engine.Report(r.t.Context(), analytics.Query{By: []analytics.Dimension{analytics.ByHour},
		Filter: analytics.Filter{Since: noon.AddDate(-1, 0, 0), Until: noon.Add(time.Hour)}})
	if err != nil {
		r.t.Fatal(err)
	}
	clicks, uniques = map[string]int64{}, map[string]int64{}
	for _, row := range report.Rows {
		hour := row["hour"].(string)
		clicks[hour], uniques[hour] = row["clicks"].(int64), row["uniques"].(int64)
	}
	return clicks, uniques
}

func TestClicksFromElsewhereCountOnce(t *testing.T) {
	r := newRig(t)
	send := func(from, to uint64) {
		for n := from; n < to; n++ {
			r.append(n, elsewhere(noon.Add(-time.Duration(n)*time.Minute), n))
		}
	}
	send(0, 100)
	send(50, 150) // some twice within a batch, or in the next
	stats := r.collect(pipeline.Options{BatchRecords: 64})
	if stats.Stored != 150 || stats.Duplicates != 50 {
		t.Errorf("%d stored, %d duplicates; want 150 and 50", stats.Stored, stats.Duplicates)
	}
	r.close()
	r.open()
	send(0, 150) // again, to a program that remembers nothing
	r.append(1, nil)
	if stats = r.collect(pipeline.Options{}); stats.Stored != 1 || stats.Duplicates != 150 {
		t.Errorf("after a restart %d stored, %d duplicates; want 1 and 150", stats.Stored, stats.Duplicates)
	}
	if s, err := r.engine.Stats(t.Context()); err != nil || s.Clicks != 151 {
		t.Errorf("the engine has %d clicks, want 151: %v", s.Clicks, err)
	}
}

// Two sources bring the same clicks at the same time, as a lane that was left and a new one do.
func TestClicksFromElsewhereCountOnceAcrossSources(t *testing.T) {
	r := newRig(t)
	other, err := journal.Open(filepath.Join(r.dir, "other"), journal.Options{SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	r.others = map[string]*journal.Journal{"0/1": other}
	for n := range uint64(3000) {
		r.append(n, elsewhere(noon.Add(-time.Duration(n)*time.Second), n))
	}
	first := r.journal
	r.journal = other
	for n := range uint64(3000) {
		r.append(n, elsewhere(noon.Add(-time.Duration(n)*time.Second), n))
	}
	r.journal = first
	stats := r.collect(pipeline.Options{BatchRecords: 100})
	if stats.Stored != 3000 || stats.Duplicates != 3000 {
		t.Errorf("%d stored, %d duplicates; want 3000 each", stats.Stored, stats.Duplicates)
	}
}

func TestLateClicksLandInTheirHour(t *testing.T) {
	r := newRig(t)
	r.append(1, nil)
	r.append(2, nil)
	r.collect(pipeline.Options{})
	for i, at := range []time.Time{noon.Add(-3 * time.Hour), noon.Add(-50 * time.Hour), noon.AddDate(0, -3, 0), noon.AddDate(0, -3, 0).Add(time.Minute), noon.AddDate(0, -11, 0)} {
		r.append(uint64(10+i), elsewhere(at, uint64(i)))
	}
	if stats := r.collect(pipeline.Options{}); stats.LagSeconds != 0 || stats.Stored != 5 {
		t.Errorf("after late clicks: %+v", stats)
	}
	clicks, _ := r.hours()
	for hour, want := range map[string]int64{"2026-11-20T12:00": 2, "2026-11-20T09:00": 1, "2026-11-18T10:00": 1, "2026-08-20T12:00": 2, "2025-12-20T12:00": 1} {
		if clicks[hour] != want {
			t.Errorf("%s: %d clicks, want %d; all: %v", hour, clicks[hour], want, clicks)
		}
	}
}

// First visits among late clicks, on the definition: no other first visit of the visitor on
// the link less than a day before or after.
func TestUniquesAmongLateClicks(t *testing.T) {
	r := newRig(t)
	day := 24 * time.Hour
	old := noon.AddDate(0, -3, 0)
	r.append(1, nil) // anna, today
	r.collect(pipeline.Options{})
	n := uint64(0)
	late := func(visitor uint64, at time.Time, change ...func(*affiliate.Click)) {
		n++
		r.append(visitor, func(c *affiliate.Click) {
			elsewhere(at, n)(c)
			for _, f := range change {
				f(c)
			}
		})
	}
	late(1, old)                                                         // unique, far from today's
	late(1, old.Add(5*time.Hour))                                        // a repeat in the same batch
	late(1, old.Add(-day))                                               // a day before: unique
	late(1, noon.Add(-2*time.Hour))                                      // within a day before today's, which is marked already
	late(1, noon.Add(-day-30*time.Minute))                               // more than a day before: unique
	late(2, old, func(c *affiliate.Click) { c.Link, c.Slug = 2, "two" }) // another visitor and link: unique
	late(3, old, func(c *affiliate.Click) { c.Verdict = affiliate.VerdictBot })
	r.collect(pipeline.Options{})
	_, uniques := r.hours()
	want := map[string]int64{"2026-11-20T12:00": 1, "2026-08-20T12:00": 2, "2026-08-20T17:00": 0, "2026-08-19T12:00": 1, "2026-11-20T10:00": 0, "2026-11-19T11:00": 1}
	for hour := range want {
		if uniques[hour] != want[hour] {
			t.Errorf("%s: %d uniques, want %d; all: %v", hour, uniques[hour], want[hour], uniques)
		}
	}
	r.close()
	r.open()
	late(1, old.Add(time.Hour)) // a repeat of what only the engine knows
	late(1, old.Add(2*day))     // two days later: unique
	r.append(1, nil)            // today again: what came late has not made today forgotten
	r.collect(pipeline.Options{})
	_, uniques = r.hours()
	for hour, want := range map[string]int64{"2026-08-20T13:00": 0, "2026-08-22T12:00": 1, "2026-11-20T12:00": 1} {
		if uniques[hour] != want {
			t.Errorf("after a restart, %s: %d uniques, want %d; all: %v", hour, uniques[hour], want, uniques)
		}
	}
}

// forgetful fails to answer what it is asked the first times.
type forgetful struct {
	analytics.Engine
	known, uniques, appends atomic.Int64
}

var errForgetful = errors.New("the disk is tired")

func (f *forgetful) Known(ctx context.Context, ids []affiliate.ClickID) ([]affiliate.ClickID, error) {
	if f.known.Add(1) <= 1 {
		return nil, errForgetful
	}
	return f.Engine.Known(ctx, ids)
}

func (f *forgetful) UniquesOf(ctx context.Context, visitors []affiliate.VisitorID, since, until time.Time, fn func(affiliate.VisitorID, int64, time.Time)) error {
	if f.uniques.Add(1) <= 1 {
		return errForgetful
	}
	return f.Engine.UniquesOf(ctx, visitors, since, until, fn)
}

func (f *forgetful) Append(ctx context.Context, b analytics.Batch) error {
	if f.appends.Add(1) <= 1 {
		return errForgetful
	}
	return f.Engine.Append(ctx, b)
}

func TestFailingEngineLosesAndDoublesNothingFromElsewhere(t *testing.T) {
	r := newRig(t)
	r.analytic = &forgetful{Engine: r.engine}
	for range 2 {
		for n := range uint64(50) {
			r.append(n, elsewhere(noon.Add(-2*time.Hour), n))
		}
	}
	stats := r.collect(pipeline.Options{})
	if stats.Stored != 50 || stats.Duplicates != 50 || stats.Retries != 3 || stats.Trouble != "" {
		t.Errorf("three failures, now over: %+v", stats)
	}
	_, uniques := r.hours()
	if uniques["2026-11-20T10:00"] != 50 {
		t.Errorf("uniques: %v", uniques)
	}
}

// counting counts what an engine is asked.
type counting struct {
	analytics.Engine
	asked atomic.Int64
}

func (c *counting) Known(ctx context.Context, ids []affiliate.ClickID) ([]affiliate.ClickID, error) {
	c.asked.Add(1)
	return c.Engine.Known(ctx, ids)
}

func TestOrdinaryClicksAskNothing(t *testing.T) {
	r := newRig(t)
	c := &counting{Engine: r.engine}
	r.analytic = c
	for n := range uint64(100) {
		r.append(n, nil)
	}
	r.collect(pipeline.Options{})
	if n := c.asked.Load(); n != 0 {
		t.Errorf("the engine was asked %d times about clicks that were made here", n)
	}
}
