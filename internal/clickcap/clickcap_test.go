package clickcap_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clickhousego "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/analytics/clickhouse"
	"github.com/sluicehq/sluice/internal/analytics/duckdb"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/clickcap"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/postgres"
	"github.com/sluicehq/sluice/internal/store/sqlite"
	"github.com/sluicehq/sluice/internal/testkit"
)

var (
	ada   = catalog.Actor{Name: "ada", Operator: true}
	start = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
)

// world is a catalog and reports over real engines, and a clock that tests move.
type world struct {
	*testing.T
	*catalog.Catalog
	reports analytics.Engine
	broken  error // what the reports say instead of counting
	time    time.Time
	clicks  uint64
	batches int
}

func (w *world) now() time.Time { return w.time }

func (w *world) Report(ctx context.Context, q analytics.Query) (*analytics.Report, error) {
	if w.broken != nil {
		return nil, w.broken
	}
	return w.reports.Report(ctx, q)
}

func (w *world) keeper() *clickcap.Keeper {
	return clickcap.New(clickcap.Options{Links: w.Catalog, Reports: w, Now: w.now})
}

// embedded is a world on SQLite and DuckDB.
func embedded(t *testing.T) *world {
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, time: start}
	r, err := duckdb.Open(duckdb.Options{Path: filepath.Join(dir, "clicks.db"), Now: w.now, Logger: slog.New(slog.DiscardHandler)})
	return w.on(s, r, err)
}

// served is a world on PostgreSQL and ClickHouse.
func served(t *testing.T) *world {
	name := fmt.Sprintf("test_caps_%x", rand.Uint64())
	s, err := postgres.Open(t.Context(), postgres.Options{URL: testkit.Engine(t, "POSTGRES"), Schema: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { drop(t, name) })
	w := &world{T: t, time: start}
	r, err := clickhouse.Open(t.Context(), clickhouse.Options{URL: testkit.Engine(t, "CLICKHOUSE"), Database: name, Now: w.now, Logger: slog.New(slog.DiscardHandler)})
	return w.on(s, r, err)
}

// drop tidies up on the servers.
func drop(t *testing.T, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	db, err := pgx.Connect(ctx, testkit.Engine(t, "POSTGRES"))
	if err == nil {
		_, err = db.Exec(ctx, "DROP SCHEMA IF EXISTS "+name+" CASCADE")
		err = errors.Join(err, db.Close(ctx))
	}
	o, fault := clickhousego.ParseDSN(testkit.Engine(t, "CLICKHOUSE"))
	if fault != nil {
		t.Fatal(fault)
	}
	reports, fault := clickhousego.Open(o)
	if fault == nil {
		fault = errors.Join(reports.Exec(ctx, "DROP DATABASE IF EXISTS "+name), reports.Close())
	}
	if err := errors.Join(err, fault); err != nil {
		t.Errorf("tidying up: %v", err)
	}
}

func (w *world) on(s store.Store, r analytics.Engine, err error) *world {
	if err != nil {
		w.Fatal(err)
	}
	w.reports = r
	w.Cleanup(func() {
		if err := errors.Join(r.Close(), s.Close()); err != nil {
			w.Error(err)
		}
	})
	if w.Catalog, err = catalog.Open(w.Context(), catalog.Options{Store: s, Now: w.now}); err != nil {
		w.Fatal(err)
	}
	return w
}

func (w *world) link(slug, limit string) affiliate.Link {
	w.Helper()
	l := affiliate.Link{Slug: slug, Destinations: []affiliate.Destination{{URL: "https://shop.example/"}}}
	if limit != "" {
		c, err := affiliate.ParseClickCap(limit)
		if err != nil {
			w.Fatal(err)
		}
		l.Cap = c
	}
	l, _, err := w.CreateLink(w.Context(), ada, l)
	if err != nil {
		w.Fatal(err)
	}
	return l
}

// click makes n valid clicks on a link, or others.
func (w *world) click(link int64, at time.Time, n int, change ...func(*analytics.Row)) {
	w.Helper()
	rows := make([]analytics.Row, n)
	for i := range rows {
		w.clicks++
		r := &rows[i]
		r.ID = affiliate.NewClickID(at.UnixMilli(), 1, w.clicks)
		r.Visitor = affiliate.NewVisitorID(1, w.clicks)
		r.Link, r.Site, r.Slug, r.Outcome, r.Code = link, "main", fmt.Sprintf("link-%d", link), affiliate.Redirected, 302
		for _, c := range change {
			c(r)
		}
	}
	from := ""
	if w.batches > 0 {
		from = fmt.Sprint(w.batches)
	}
	w.batches++
	if err := w.reports.Append(w.Context(), analytics.Batch{Source: "node/1", From: from, To: fmt.Sprint(w.batches), Rows: rows}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) look(k *clickcap.Keeper) {
	w.Helper()
	if err := k.Look(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) get(id int64) affiliate.Link {
	w.Helper()
	l, err := w.Link(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	return l
}

// wants says whether a link is to be closed by its cap.
func (w *world) wants(id int64, closed bool, when string) {
	w.Helper()
	l := w.get(id)
	if got := l.Serving() == affiliate.Paused; got != closed || l.Status != affiliate.Active {
		w.Errorf("%s the link %q is served as %q, its status is %q, and its cap says %+v", when, l.Slug, l.Serving(), l.Status, l.CapReached)
	}
}

// notCounted are rows that are no clicks in the sense of a cap.
var notCounted = map[string]func(*analytics.Row){
	"a bot":         func(r *analytics.Row) { r.Verdict = affiliate.VerdictBot },
	"a prefetch":    func(r *analytics.Row) { r.Signals |= affiliate.SignalPrefetch },
	"a HEAD":        func(r *analytics.Row) { r.Signals |= affiliate.SignalHead },
	"a duplicate":   func(r *analytics.Row) { r.Duplicate = true },
	"the fallback":  func(r *analytics.Row) { r.Outcome = affiliate.FellBack },
	"the default":   func(r *analytics.Row) { r.Outcome = affiliate.Defaulted },
	"another link":  func(r *analytics.Row) { r.Link = 99 },
	"its next year": func(r *analytics.Row) { r.ID = affiliate.NewClickID(start.AddDate(1, 0, 0).UnixMilli(), 2, 1) },
}

func testLife(t *testing.T, w *world) {
	k := w.keeper()
	w.link("free", "")
	hour, day, month, total := w.link("hour", "10/hour").ID, w.link("day", "10/day@Europe/Berlin").ID, w.link("month", "10/month").ID, w.link("total", "10/total").ID
	all := []int64{hour, day, month, total}
	for _, id := range all {
		w.click(id, start, 9)
		for name, change := range notCounted {
			if id != total || name != "its next year" {
				w.click(id, start, 3, change)
			}
		}
	}
	w.look(k)
	for _, id := range all {
		w.wants(id, false, "before the last click")
		w.click(id, w.time, 1, func(r *analytics.Row) { r.Slug = "a name it had before" })
	}
	w.time = w.time.Add(clickcap.Interval)
	w.look(k)
	for _, id := range all {
		w.wants(id, true, "with the last click")
	}
	for _, step := range []struct {
		at                      time.Time
		hour, day, month, total bool
	}{
		{time.Date(2026, 11, 27, 12, 59, 59, 0, time.UTC), true, true, true, true},
		{time.Date(2026, 11, 27, 13, 0, 0, 0, time.UTC), false, true, true, true},
		{time.Date(2026, 11, 27, 22, 59, 59, 0, time.UTC), false, true, true, true},
		{time.Date(2026, 11, 27, 23, 0, 0, 0, time.UTC), false, false, true, true},
		{time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), false, false, false, true},
		{time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC), false, false, false, true},
	} {
		w.time = step.at
		w.look(k)
		for i, closed := range []bool{step.hour, step.day, step.month, step.total} {
			w.wants(all[i], closed, "at "+step.at.Format(time.RFC3339))
		}
	}
}

func TestLifeOfCaps(t *testing.T) { testLife(t, embedded(t)) }

func TestLifeOfCapsOnServers(t *testing.T) { testLife(t, served(t)) }

// A cap that is reached while nobody looks is noticed by whoever looks next, and so is a
// period that ended.
func TestAProcessThatWasDown(t *testing.T) {
	w := embedded(t)
	id := w.link("day", "5/day").ID
	w.click(id, start, 7)
	w.look(w.keeper())
	w.wants(id, true, "after a day's clicks")
	if r := w.get(id).CapReached; r.Clicks != 7 || !r.Until.Equal(time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the link says %+v", r)
	}
	w.time = start.AddDate(0, 2, 3)
	w.look(w.keeper())
	w.wants(id, false, "two months later")
	w.click(id, w.time, 5)
	w.time = w.time.AddDate(0, 0, 1)
	w.click(id, w.time, 5)
	w.look(w.keeper())
	w.wants(id, true, "on a busy day")
	w.time = w.time.AddDate(0, 0, 1)
	w.click(id, w.time, 6)
	w.look(w.keeper())
	w.wants(id, true, "on the next, of which nobody saw the beginning")
	if r := w.get(id).CapReached; r.Clicks != 6 || r.Until.Sub(w.time) > 24*time.Hour || !r.Until.After(w.time) {
		t.Errorf("the link says %+v", r)
	}
}

func TestEditsTakeEffect(t *testing.T) {
	w := embedded(t)
	k := w.keeper()
	id := w.link("day", "5/day").ID
	edit := func(change func(*affiliate.Link)) {
		t.Helper()
		l := w.get(id)
		change(&l)
		if _, _, err := w.UpdateLink(t.Context(), ada, l, 0); err != nil {
			t.Fatal(err)
		}
		w.look(k)
	}
	w.click(id, start, 5)
	w.look(k)
	w.wants(id, true, "at its cap")
	edit(func(l *affiliate.Link) { l.Cap.Clicks = 6 })
	w.wants(id, false, "with a higher cap")
	edit(func(l *affiliate.Link) { l.Cap.Clicks = 4 })
	w.wants(id, true, "with a lower cap")
	edit(func(l *affiliate.Link) { l.Status = affiliate.Paused })
	if l := w.get(id); l.Status != affiliate.Paused || l.CapReached == nil {
		t.Errorf("paused: %+v", l)
	}
	edit(func(l *affiliate.Link) { l.Cap = nil })
	if l := w.get(id); l.Status != affiliate.Paused || l.Serving() != affiliate.Paused || l.CapReached != nil {
		t.Errorf("the pause did not stay a pause: %+v", l)
	}
	edit(func(l *affiliate.Link) {
		l.Status, l.Cap = affiliate.Active, &affiliate.ClickCap{Clicks: 5, Per: affiliate.CapTotal}
	})
	w.wants(id, true, "with a new cap below what was clicked")
	if r := w.get(id).CapReached; r.Until != nil {
		t.Errorf("a total ends: %+v", r)
	}
	if err := w.DeleteLink(t.Context(), ada, id, 0); err != nil {
		t.Fatal(err)
	}
	w.look(k)
}

// While nothing can be counted nobody is refused, nothing is opened by mistake, periods end, and
// an operator is told.
func TestReportsThatCannotBeAsked(t *testing.T) {
	w := embedded(t)
	k := w.keeper()
	closed, open := w.link("closed", "5/day").ID, w.link("open", "5/day").ID
	w.click(closed, start, 5)
	w.look(k)
	w.broken = errors.New("the server is away")
	w.click(open, start, 5)
	err := k.Look(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the server is away") {
		t.Errorf("the look says %v", err)
	}
	w.wants(closed, true, "without reports")
	w.wants(open, false, "without reports")
	w.time = start.AddDate(0, 0, 1)
	if err := k.Look(t.Context()); err == nil {
		t.Error("the look did not fail")
	}
	w.wants(closed, false, "on the next day, without reports")
}
