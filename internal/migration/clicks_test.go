package migration_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/analytics/clickhouse"
	"github.com/sluicehq/sluice/internal/analytics/duckdb"
	"github.com/sluicehq/sluice/internal/migration"
	"github.com/sluicehq/sluice/internal/testkit"
)

var quiet = slog.New(slog.DiscardHandler)

func openDuckDB(t testing.TB, path string, readOnly bool) *duckdb.Engine {
	t.Helper()
	e, err := duckdb.Open(duckdb.Options{Path: path, ReadOnly: readOnly, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// database names a database that is dropped when the test ends.
func database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("sluice_test_%x", mathrand.Uint64())
	t.Cleanup(func() { ask(t, "DROP DATABASE IF EXISTS "+name) })
	return name
}

func openClickHouse(t testing.TB, database string) *clickhouse.Engine {
	t.Helper()
	e, err := clickhouse.Open(context.Background(), clickhouse.Options{URL: testkit.Engine(t, "CLICKHOUSE"), Database: database, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

var firstDay = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// click is a random one of some days.
func click(random *mathrand.Rand, n uint64, days int) (r analytics.Row) {
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	at := firstDay.Add(time.Duration(random.Int64N(int64(days) * int64(24*time.Hour))))
	r.ID = affiliate.NewClickID(at.UnixMilli(), 7, n)
	if random.IntN(4) > 0 {
		r.Visitor = affiliate.NewVisitorID(3, uint64(random.IntN(500)))
	}
	r.Link, r.Site, r.Host, r.Slug = random.Int64N(40), pick("blog", "shop"), "go.example.com", pick("deal", "größe", "")
	r.Outcome, r.Code, r.Why = affiliate.Outcome(random.IntN(5)), 300+random.IntN(10), affiliate.Why(random.IntN(64))
	r.Program, r.Partner, r.Variant, r.Rule, r.Page = pick("p", "q", ""), pick("anna", ""), pick("a", "b"), pick("r1", ""), pick("/a", "/b\n", "")
	r.URL = pick("https://shop.example/?id="+r.ID.String()+"&x="+r.ID.String(), "https://shop.example/"+fmt.Sprint(random.IntN(100)), "")
	r.IP = []netip.Addr{{}, netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::"), netip.MustParseAddr("0.0.0.0")}[random.IntN(4)]
	r.Agent, r.Referrer, r.Language, r.Country, r.Query = pick("Mozilla/5.0 (🦆)", ""), pick("https://x.example/", ""), pick("de", ""), pick("DE", ""), pick("a=b", "")
	for i := range r.Subs {
		r.Subs[i] = pick("", "s", fmt.Sprint(random.IntN(50)))
	}
	r.Signals, r.Fetch = affiliate.Signals(random.Uint32N(1<<14)), affiliate.Fetch(random.Uint32N(1<<12))
	r.Verdict, r.Reasons = affiliate.Verdict(random.IntN(4)), affiliate.Reasons(random.Uint32N(1<<10))
	r.ASN, r.Network, r.Browser, r.BrowserVersion, r.OS = random.Uint32(), pick("Netz", ""), pick("Firefox", ""), pick("145", ""), pick("Linux", "")
	r.Device, r.BotName, r.BotClass, r.ReferrerHost = affiliate.Device(random.IntN(7)), pick("Bot", ""), pick("ai", ""), pick("x.example", "")
	r.Unique, r.Duplicate = random.IntN(2) == 0, random.IntN(8) == 0
	return r
}

// newClicks is a file with n clicks of some days, closed and to be opened for reading.
func newClicks(t testing.TB, random *mathrand.Rand, n, days int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "clicks.duckdb")
	e := openDuckDB(t, path, false)
	var rows []analytics.Row
	for i := range n {
		rows = append(rows, click(random, uint64(i), days))
	}
	for i, part := 0, rows; len(part) > 0; i++ {
		size := min(20_000, len(part))
		if err := e.Append(t.Context(), analytics.Batch{Source: "1/0", From: position(t, e, "1/0"), To: fmt.Sprint("at ", i), Rows: part[:size]}); err != nil {
			t.Fatal(err)
		}
		part = part[size:]
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func position(t testing.TB, e analytics.Engine, source string) string {
	t.Helper()
	at, err := e.Position(context.Background(), source)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func allRows(t testing.TB, e analytics.Dumper) (all []analytics.Row) {
	t.Helper()
	err := e.Dump(context.Background(), time.UnixMilli(0), time.UnixMilli(1<<45), func(rows []analytics.Row) error {
		all = append(all, rows...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sameRows compares every field of every click.
func sameRows(t *testing.T, from, to analytics.Dumper) {
	t.Helper()
	want, got := allRows(t, from), allRows(t, to)
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			t.Fatalf("of %d and %d clicks number %d differs:\n%.1500s\n%.1500s", len(want), len(got), i,
				fmt.Sprintf("%+v", want[min(i, len(want)):min(i+1, len(want))]), fmt.Sprintf("%+v", got[min(i, len(got)):min(i+1, len(got))]))
		}
	}
}

func mustMoveClicks(t testing.TB, o migration.ClicksOptions) *migration.Report {
	t.Helper()
	report, err := migration.Clicks(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Same() {
		t.Fatalf("after moving, these differ: %v", report.Differences)
	}
	return report
}

// TestEveryClickSurvives compares clicks field by field, and reports.
func TestEveryClickSurvives(t *testing.T) {
	random := seeded(t)
	from := openDuckDB(t, newClicks(t, random, 5000, 12), true)
	to := openClickHouse(t, database(t))
	report := mustMoveClicks(t, migration.ClicksOptions{From: from, To: to, BatchRows: 777})
	if report.Moved != 5000 || report.Items() != 5000 || len(report.Compared) != 12 {
		t.Errorf("%d moved, %d compared, on %d days", report.Moved, report.Items(), len(report.Compared))
	}
	sameRows(t, from, to)
	if got, want := position(t, to, "1/0"), position(t, from, "1/0"); got != want {
		t.Errorf("the source stands at %q, want %q", got, want)
	}
	q := analytics.Query{By: []analytics.Dimension{analytics.ByDay, analytics.ByPartner}, All: true}
	a, err := from.Report(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	b, err := to.Report(t.Context(), q)
	if err != nil || fmt.Sprint(a.Rows) != fmt.Sprint(b.Rows) || fmt.Sprint(a.Totals) != fmt.Sprint(b.Totals) {
		t.Errorf("the reports differ: %v", err)
	}
	again := mustMoveClicks(t, migration.ClicksOptions{From: from, To: to})
	if again.Moved != 0 || again.Before != 5000 {
		t.Errorf("the second time %d were moved, and %d were there", again.Moved, again.Before)
	}
	if err := from.Append(t.Context(), analytics.Batch{Source: "x", To: "1"}); affiliate.CodeOf(err) != affiliate.Forbidden {
		t.Errorf("a file that is only read takes clicks: %v", err)
	}
}

// TestInterruptedClicks breaks off at random moments and goes on.
func TestInterruptedClicks(t *testing.T) {
	random := seeded(t)
	from := openDuckDB(t, newClicks(t, random, 6000, 5), true)
	name := database(t)
	for round := 0; ; round++ {
		ctx, cancel := context.WithCancel(t.Context())
		to := openClickHouse(t, name)
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(round+1)*int64(100*time.Millisecond))), cancel)
		report, err := migration.Clicks(ctx, migration.ClicksOptions{From: from, To: to, BatchRows: 300})
		timer.Stop()
		cancel()
		if err == nil {
			if !report.Same() {
				t.Fatal(report.Differences)
			}
			t.Logf("done in %d rounds", round+1)
			sameRows(t, from, to)
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		_ = to.Close()
	}
}

// TestMigratingClicksChild is not a test: it is the process that the next test kills.
func TestMigratingClicksChild(t *testing.T) {
	path := os.Getenv(killedFile)
	if path == "" {
		t.Skip("it runs only as the child of TestKilledClicks")
	}
	mustMoveClicks(t, migration.ClicksOptions{From: openDuckDB(t, path, true), To: openClickHouse(t, os.Getenv(killedTarget)), BatchRows: 200})
}

// TestKilledClicks kills the process that moves clicks, and lets another go on.
func TestKilledClicks(t *testing.T) {
	random := seeded(t)
	path, name := newClicks(t, random, 6000, 4), database(t)
	times := killed(t, "TestMigratingClicksChild", 400*time.Millisecond, random, killedFile+"="+path, killedTarget+"="+name)
	t.Logf("it was killed %d times", times)
	from, to := openDuckDB(t, path, true), openClickHouse(t, name)
	sameRows(t, from, to)
	if report := mustMoveClicks(t, migration.ClicksOptions{From: from, To: to, CheckOnly: true}); report.Items() != 6000 {
		t.Errorf("%d were compared", report.Items())
	}
}

// TestMeddlingWithClicks changes the target by hand, or is given one that is not ours.
func TestMeddlingWithClicks(t *testing.T) {
	random := seeded(t)
	from := openDuckDB(t, newClicks(t, random, 900, 3), true)
	name := database(t)
	to := openClickHouse(t, name)
	mustMoveClicks(t, migration.ClicksOptions{From: from, To: to})
	appendTo := func(rows ...analytics.Row) {
		t.Helper()
		if err := to.Append(t.Context(), analytics.Batch{Source: "9/9", From: position(t, to, "9/9"), To: rand.Text(), Rows: rows}); err != nil {
			t.Fatal(err)
		}
	}
	found := func(what, words string, checkOnly bool) {
		t.Helper()
		report, err := migration.Clicks(t.Context(), migration.ClicksOptions{From: from, To: to, CheckOnly: checkOnly})
		if err != nil || report.Same() || !strings.Contains(report.Differences[0].String(), words) || report.Moved != 0 {
			t.Errorf("%s: %+v, %v, want a difference with %q", what, report, err, words)
		}
	}
	rows := allRows(t, from)
	lost := rows[10]
	// 18.16 deletes in the background.
	ask(t, fmt.Sprintf("ALTER TABLE %s.clicks DELETE WHERE time = %d", name, lost.Time().UnixMilli()))
	for range 100 {
		if len(allRows(t, to)) < len(rows) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	found("a lost click", lost.ID.String()+" of "+firstDay.Format(time.DateOnly)+" is missing in the target", true)
	if report := mustMoveClicks(t, migration.ClicksOptions{From: from, To: to}); report.Moved != 1 {
		t.Errorf("one click was lost, and %d were moved", report.Moved)
	}
	sameRows(t, from, to)

	place := slices.IndexFunc(rows, func(r analytics.Row) bool { return r.Link != 0 && !r.Valid() })
	changed := rows[place] // of copies, the one that counts is shown
	changed.Country, changed.Unique, changed.Duplicate, changed.Outcome, changed.Verdict, changed.Signals = "XX", true, false, affiliate.Redirected, affiliate.VerdictOK, 0
	appendTo(changed)
	found("a changed click", changed.ID.String()+" of "+firstDay.Format(time.DateOnly)+" is not the same", true)
	found("a changed click", "is not the same", false)

	stranger := click(random, 1<<40, 1)
	appendTo(stranger)
	found("a stranger", "differ", true)
	beyond := stranger
	beyond.ID = affiliate.NewClickID(firstDay.AddDate(0, 0, 9).UnixMilli(), 1, 1)
	appendTo(beyond)
	_, err := migration.Clicks(t.Context(), migration.ClicksOptions{From: from, To: to})
	if affiliate.CodeOf(err) != affiliate.Conflict || !strings.Contains(err.Error(), "2026-10-10") {
		t.Errorf("a day that the source does not have: %v", err)
	}
}

// TestRefusedClicks leaves a database with somebody's clicks alone.
func TestRefusedClicks(t *testing.T) {
	random := seeded(t)
	from := openDuckDB(t, newClicks(t, random, 10, 1), true)
	to := openClickHouse(t, database(t))
	if err := to.Append(t.Context(), analytics.Batch{Source: "1/0", To: "1", Rows: []analytics.Row{click(random, 99, 1)}}); err != nil {
		t.Fatal(err)
	}
	_, err := migration.Clicks(t.Context(), migration.ClicksOptions{From: from, To: to})
	if affiliate.CodeOf(err) != affiliate.Conflict || len(allRows(t, to)) != 1 {
		t.Errorf("%v, and %d clicks are there", err, len(allRows(t, to)))
	}
}

// TestCopiesAndNamelessClicks are told and do not keep both sides from being the same.
func TestCopiesAndNamelessClicks(t *testing.T) {
	random := seeded(t)
	path := newClicks(t, random, 50, 2)
	e := openDuckDB(t, path, false)
	twice := click(random, 1000, 1)
	counts := twice
	counts.Link, counts.Outcome, counts.Signals, counts.Verdict, counts.Duplicate, counts.Unique = 5, affiliate.Redirected, 0, affiliate.VerdictOK, false, true
	twice.Duplicate = true
	var nameless analytics.Row
	nameless.Country = "DE"
	if err := e.Append(t.Context(), analytics.Batch{Source: "2/0", To: "1", Rows: []analytics.Row{twice, counts, nameless, nameless}}); err != nil {
		t.Fatal(err)
	}
	_ = e.Close()
	from, to := openDuckDB(t, path, true), openClickHouse(t, database(t))
	report := mustMoveClicks(t, migration.ClicksOptions{From: from, To: to})
	if report.Copies != 1 || report.Nameless != 2 || report.Moved != 51 {
		t.Errorf("%+v", report)
	}
	for _, r := range allRows(t, to) {
		if r.ID == counts.ID && r != counts {
			t.Errorf("of two copies this one was moved: %+v", r)
		}
	}
}
