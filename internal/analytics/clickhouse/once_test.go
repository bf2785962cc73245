package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// some makes n valid and unique clicks of one visitor each, from the first on.
func some(first, n int) []Row {
	rows := make([]Row, n)
	for i := range rows {
		k := uint64(first + i)
		rows[i].ID = affiliate.NewClickID(noon.UnixMilli()+int64(k), 1, k+1)
		rows[i].Visitor = affiliate.NewVisitorID(1, k+1)
		rows[i].Link, rows[i].Slug, rows[i].Outcome, rows[i].Unique = 1, "deal", affiliate.Redirected, true
	}
	return rows
}

// quiet is an engine that looks for copies only when it is told.
func quiet(t *testing.T, o Options) *Engine {
	t.Helper()
	o.MendEvery = time.Hour
	e := mustOpen(t, o)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func store(t *testing.T, e *Engine, from, to string, rows []Row) {
	t.Helper()
	if err := e.Append(context.Background(), analytics.Batch{Source: "a", From: from, To: to, Rows: rows}); err != nil {
		t.Fatal(err)
	}
}

// counted counts rows, copies included, or clicks.
func counted(t *testing.T, e *Engine, what string) int {
	t.Helper()
	var n uint64
	if err := e.scan(context.Background(), "SELECT "+what+" FROM "+e.tables.name(clicksTable), &n); err != nil {
		t.Fatal(err)
	}
	return int(n)
}

func wantClicks(t *testing.T, e *Engine, want int) {
	t.Helper()
	r, err := e.Report(context.Background(), analytics.Query{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Totals[analytics.Total] != int64(want) || r.Totals[analytics.Uniques] != int64(want) {
		t.Errorf("the report counts %v, want %d unique clicks", r.Totals, want)
	}
}

func TestAWriterWhoStoppedStoresNothingLate(t *testing.T) {
	for _, stop := range []string{"announced", "checked", "rows stored"} {
		t.Run(stop, func(t *testing.T) {
			o := options(t)
			one, two := quiet(t, o), quiet(t, o)
			store(t, one, "", "10", some(0, 10))
			stopped, wake := make(chan struct{}), make(chan struct{})
			pause := func() { close(stopped); <-wake }
			switch stop {
			case "announced":
				one.hooks.announced = pause
			case "checked":
				one.hooks.checked = pause
			default:
				one.hooks.rowsStored = pause
			}
			answer := make(chan error)
			go func() {
				answer <- one.Append(context.Background(), analytics.Batch{Source: "a", From: "10", To: "40", Rows: some(10, 30)})
			}()
			<-stopped
			store(t, two, "10", "30", some(10, 20)) // another collector takes over
			store(t, two, "30", "50", some(30, 20))
			close(wake)
			if err := <-answer; !errors.Is(err, analytics.ErrPosition) {
				t.Errorf("the writer who woke up: %v, want ErrPosition", err)
			}
			if n := counted(t, two, "count()"); n != 50 {
				t.Errorf("%d rows are stored, want 50 and not one twice, not even for a moment", n)
			}
			for _, e := range []*Engine{one, two} {
				if p, err := e.Position(context.Background(), "a"); err != nil || p != "50" {
					t.Errorf("the source stands at %q (%v), want 50", p, err)
				}
				wantClicks(t, e, 50)
			}
		})
	}
}

// unfenced is the condition of a statement that does not look who came.
func unfenced(string) string { return "1" }

// TestABatchWaitsForAStatement has a statement that has passed its fence and stores its
// rows a second later, when another writer wants to know which are there.
func TestABatchWaitsForAStatement(t *testing.T) {
	for _, gone := range []bool{false, true} {
		o := options(t)
		one, two := quiet(t, o), quiet(t, o)
		store(t, one, "", "10", some(0, 10))
		running := make(chan struct{})
		one.hooks.checked = func() { close(running) }
		one.hooks.fence = func(condition string) string { return condition + " AND sleep(1) = 0" }
		ctx, cancel := context.WithCancel(context.Background())
		answer := make(chan error)
		go func() {
			answer <- one.Append(ctx, analytics.Batch{Source: "a", From: "10", To: "40", Rows: some(10, 30)})
		}()
		<-running
		time.Sleep(300 * time.Millisecond)
		if gone {
			cancel() // the writer; the statement may have an end of its own
		}
		err := two.Append(context.Background(), analytics.Batch{Source: "a", From: "10", To: "30", Rows: some(10, 20)})
		if err == nil {
			err = two.Append(context.Background(), analytics.Batch{Source: "a", From: "30", To: "50", Rows: some(30, 20)})
		}
		if err != nil {
			t.Errorf("the writer who took over: %v", err)
		}
		if err := <-answer; !errors.Is(err, analytics.ErrPosition) && !gone {
			t.Errorf("the writer who was slow: %v, want ErrPosition", err)
		}
		cancel()
		if n := counted(t, two, "count()"); n != 50 {
			t.Errorf("%d rows are stored, want 50 and not one twice", n)
		}
	}
}

// TestCopiesAreRemoved has a writer whose statement had passed its fence already when
// another one took over: the moment for which there is no other way.
func TestCopiesAreRemoved(t *testing.T) {
	o := options(t)
	one, two := quiet(t, o), quiet(t, o)
	store(t, one, "", "10", some(0, 10))
	if err := one.exec(context.Background(), "SYSTEM STOP MERGES "+one.tables.rows()); err != nil {
		t.Fatal(err)
	}
	stopped, wake := make(chan struct{}), make(chan struct{})
	one.hooks.checked, one.hooks.fence = func() { close(stopped); <-wake }, unfenced
	answer := make(chan error)
	go func() {
		answer <- one.Append(context.Background(), analytics.Batch{Source: "a", From: "10", To: "40", Rows: some(10, 30)})
	}()
	<-stopped
	again := some(10, 20)
	for i := range again[:7] { // read again after a restart, a collector thinks them seen
		again[i].Unique, again[i].Duplicate = i%2 == 0, i%3 == 0
	}
	store(t, two, "10", "30", again)
	close(wake)
	if err := <-answer; !errors.Is(err, analytics.ErrPosition) {
		t.Errorf("the writer who was overtaken: %v, want ErrPosition", err)
	}
	store(t, two, "30", "50", some(30, 20)) // ten of these are there
	if rows, clicks := counted(t, two, "count()"), counted(t, two, "uniqExact(time, id_middle, id_low)"); rows != 70 || clicks != 50 {
		t.Fatalf("%d rows of %d clicks, want 70 of 50: the test does not make copies", rows, clicks)
	}
	lookUps := func() {
		t.Helper()
		ids := make([]affiliate.ClickID, 0, 50)
		var visitors []affiliate.VisitorID
		for _, r := range some(0, 50) {
			ids, visitors = append(ids, r.ID), append(visitors, r.Visitor)
		}
		ctx := context.Background()
		known, err := two.Known(ctx, ids)
		if err != nil || len(known) != 50 {
			t.Errorf("%d are known, want 50: %v", len(known), err)
		}
		touches, err := two.Clicks(ctx, ids)
		if err != nil || len(touches) != 50 {
			t.Errorf("%d are found, want 50: %v", len(touches), err)
		}
		for _, touch := range touches {
			if !touch.Valid {
				t.Errorf("%s does not count: of its copies the wrong one was taken", touch.ID)
			}
		}
		if touches, err = two.Touches(ctx, "", visitors, time.Time{}, time.Time{}); err != nil || len(touches) != 50 {
			t.Errorf("%d touches, want 50: %v", len(touches), err)
		}
		n := 0
		count := func(affiliate.VisitorID, int64, time.Time) { n++ }
		if err := two.Uniques(ctx, noon, count); err != nil || n != 50 {
			t.Errorf("%d unique clicks, want 50: %v", n, err)
		}
		n = 0
		if err := two.UniquesOf(ctx, visitors, noon, noon.Add(time.Hour), count); err != nil || n != 50 {
			t.Errorf("%d unique clicks of the visitors, want 50: %v", n, err)
		}
	}
	lookUps()
	if err := one.exec(context.Background(), "SYSTEM START MERGES "+one.tables.rows()); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for _, e := range []*Engine{one, two} { // both look at the same time, and a merge may come between
		both.Go(func() {
			if err := e.look(context.Background(), looseFirst); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if rows := counted(t, two, "count()"); rows != 50 {
		t.Errorf("%d rows are left, want 50", rows)
	}
	wantClicks(t, two, 50)
	lookUps()
}

// TestBrokenOff breaks a batch off in every place and has it stored again, by the same
// engine or another, cut in the same place or elsewhere.
func TestBrokenOff(t *testing.T) {
	for _, at := range []string{"announced", "checked", "rows stored"} {
		for _, by := range []string{"the same", "another"} {
			t.Run(at+" by "+by, func(t *testing.T) {
				o := options(t)
				one := quiet(t, o)
				store(t, one, "", "10", some(0, 10))
				ctx, cancel := context.WithCancel(context.Background())
				hooks := map[string]*func(){"announced": &one.hooks.announced, "checked": &one.hooks.checked, "rows stored": &one.hooks.rowsStored}
				*hooks[at] = cancel
				err := one.Append(ctx, analytics.Batch{Source: "a", From: "10", To: "110", Rows: some(10, 100)})
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("the batch that is broken off: %v", err)
				}
				*hooks[at] = nil
				e := one
				if by == "another" {
					e = quiet(t, o)
				}
				if p, err := e.Position(context.Background(), "a"); err != nil || p != "10" {
					t.Fatalf("the source stands at %q (%v), want 10", p, err)
				}
				store(t, e, "10", "60", some(10, 50))
				store(t, e, "60", "140", some(60, 80))
				if n := counted(t, e, "count()"); n != 140 {
					t.Errorf("%d rows are stored, want 140 and not one twice", n)
				}
				wantClicks(t, e, 140)
				if n, _ := e.Mended(); (n > 0) != (at == "rows stored") {
					t.Errorf("%d clicks were left out because they were there", n)
				}
			})
		}
	}
}

// TestManyWriters has several engines store one source at once, stop where it hurts
// and break off, and counts by hand. ANALYTICS_SEED repeats it.
func TestManyWriters(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("ANALYTICS_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("ANALYTICS_SEED=%d", seed)
	o := options(t)
	rows := some(0, 3000)
	var all sync.WaitGroup
	var engines []*Engine
	for i := range 3 {
		e := quiet(t, o)
		engines = append(engines, e)
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		if i == 0 { // as if each of its statements had just passed
			e.hooks.fence = unfenced
		}
		all.Go(func() { struggle(t, e, rows, random) })
	}
	all.Wait()
	e := engines[1]
	if n := counted(t, e, "uniqExact(time, id_middle, id_low)"); n != len(rows) {
		t.Fatalf("ANALYTICS_SEED=%d: %d clicks are stored, want %d", seed, n, len(rows))
	}
	copies := counted(t, e, "count()") - len(rows)
	if err := e.look(context.Background(), looseFirst); err != nil {
		t.Fatal(err)
	}
	if n := counted(t, e, "count()"); n != len(rows) {
		t.Errorf("ANALYTICS_SEED=%d: %d rows are left, want %d", seed, n, len(rows))
	}
	wantClicks(t, e, len(rows))
	leftOut, removed := e.Mended()
	t.Logf("%d copies before, %d removed by one of the engines, which had left out %d clicks", copies, removed, leftOut)
}

// struggle stores rows behind the position until all are stored by whomever.
func struggle(t *testing.T, e *Engine, rows []Row, random *rand.Rand) {
	for {
		p, err := e.Position(context.Background(), "a")
		at := 0
		if err == nil && p != "" {
			at, err = strconv.Atoi(p)
		}
		if err != nil {
			t.Error(err)
			return
		}
		if at == len(rows) {
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		trouble := func() {
			switch random.IntN(8) {
			case 0:
				cancel()
			case 1, 2, 3:
				time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
			}
		}
		e.hooks.announced, e.hooks.checked, e.hooks.rowsStored = trouble, trouble, trouble
		to := min(len(rows), at+1+random.IntN(300))
		err = e.Append(ctx, analytics.Batch{Source: "a", From: p, To: fmt.Sprint(to), Rows: rows[at:to]})
		if err != nil && !errors.Is(err, analytics.ErrPosition) && ctx.Err() == nil {
			t.Error(err)
		}
		cancel()
	}
}

func TestTheLogIsShortened(t *testing.T) {
	e := quiet(t, options(t))
	ctx := context.Background()
	store(t, e, "", "1", some(0, 1))
	old := func(source string, number, kind int, to string, days int) {
		t.Helper()
		err := e.exec(ctx, fmt.Sprintf("INSERT INTO %s (source, number, tag, kind, position_to, at) SELECT %s, toUInt64(%d), toUInt64(7), toUInt8(%d), %s, toDateTime(now() - %d) FROM system.one",
			e.tables.name(appendsTable), literal(source), number, kind, literal(to), days*86400))
		if err != nil {
			t.Fatal(err)
		}
	}
	old("a", 0, finished, "long ago", 20)
	old("asleep", 6, finished, "5", 20)
	old("asleep", 7, announced, "6", 10)
	old("asleep", 7, finished, "6", 10)
	old("asleep", 8, announced, "7", 10)
	e.mend.looking.Lock()
	e.mend.pruned = time.Time{}
	e.mend.looking.Unlock()
	if err := e.look(ctx, looseThen); err != nil {
		t.Fatal(err)
	}
	var entries uint64
	if err := e.scan(ctx, "SELECT countIf(toDate(at) < today() - 2) FROM "+e.tables.name(appendsTable), &entries); err != nil || entries != 0 {
		t.Errorf("%d old entries are left: %v", entries, err)
	}
	for source, want := range map[string]struct {
		position string
		top      uint64
	}{"a": {"1", 1}, "asleep": {"6", 8}} {
		position, top, err := e.position(ctx, source)
		if err != nil || position != want.position || top != want.top {
			t.Errorf("%s stands at %q with the number %d (%v), want %v", source, position, top, err, want)
		}
	}
	var left []entry
	left, err := e.entries(ctx, "1")
	if err != nil || len(left) != 0 {
		t.Errorf("announcements without an end: %v, %v", left, err)
	}
}

// A server of a cluster may not see an announcement for a moment that it saw before: rows
// that are left out then must not be followed by their position.
func TestAHiddenAnnouncementLosesNothing(t *testing.T) {
	e := quiet(t, options(t))
	ctx := context.Background()
	e.hooks.checked = func() {
		if err := e.exec(ctx, fmt.Sprintf("ALTER TABLE %s DELETE WHERE number = 1", e.tables.name(appendsTable))); err != nil {
			t.Error(err)
		}
		eventually(t, "the announcement is hidden", func() error {
			var there uint64
			if err := e.scan(ctx, "SELECT count() FROM "+e.tables.name(appendsTable), &there); err != nil || there == 0 {
				return err
			}
			return errors.New("it is there")
		})
	}
	e.hooks.rowsStored = func() {
		if err := e.exec(ctx, fmt.Sprintf("INSERT INTO %s (source, number, tag, kind) SELECT 'a', toUInt64(1), toUInt64(1), toUInt8(%d)", e.tables.name(appendsTable), announced)); err != nil {
			t.Error(err)
		}
	}
	store(t, e, "", "1", some(0, 100))
	wantClicks(t, e, 100)
}

func TestAClickTwiceInABatchIsStoredOnce(t *testing.T) {
	e := quiet(t, options(t))
	rows := append(some(0, 10), some(5, 10)...)
	for i := range rows[:10] {
		rows[i].Unique = false
	}
	store(t, e, "", "1", rows)
	if n := counted(t, e, "count()"); n != 15 {
		t.Errorf("%d rows are stored, want 15", n)
	}
	if n := counted(t, e, "toUInt64(sum(is_unique))"); n != 10 {
		t.Errorf("%d unique clicks are stored, want 10", n)
	}
}

func TestNamesAreStoredOnce(t *testing.T) {
	e := quiet(t, options(t))
	rows := some(0, 100)
	store(t, e, "", "1", rows[:50])
	store(t, e, "1", "2", rows[50:])
	n := 0
	err := e.eachWith(context.Background(), nil, "SELECT slug FROM "+e.tables.name(linksTable), func(driver.Rows) error { n++; return nil })
	if err != nil || n != 1 {
		t.Errorf("the name was stored %d times, want once: %v", n, err)
	}
}
