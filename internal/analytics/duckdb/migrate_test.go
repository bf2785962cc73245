package duckdb

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
)

// wideRows fill a file of version 1.
const wideRows = `INSERT INTO clicks
		SELECT TIMESTAMP_MS '2026-10-25 01:30:00.007' + to_milliseconds(n), 3::USMALLINT, n::UBIGINT, n % 50 + 1, n % 10 <> 0, n % 3 = 1, n % 100 = 99,
			1::UTINYINT, 302::USMALLINT, 1::UINTEGER, 'blog', 'go.example.com', 'größe-' || n % 50, 'prog', CASE WHEN n % 4 = 0 THEN 'anna' ELSE '' END, 'b', 'r1',
			'/page-' || n % 7, 'https://shop.example/?n=' || n, 7::UINTEGER, n::UBIGINT,
			CASE n % 5 WHEN 0 THEN '' WHEN 1 THEN '2001:db8:' || n % 9 || '::' WHEN 2 THEN '0.0.0.0' WHEN 3 THEN '255.254.3.0' ELSE '93.184.216.0' END,
			'Agent ' || n % 11, 'https://news.example/' || n % 13, 'news.example', 'de-DE', CASE WHEN n % 2 = 0 THEN 'DE' ELSE 'FR' END, 'a=' || n % 17,
			's' || n % 4, '', '', '', '', '', '', '', '', 'ten', (n % 3)::UINTEGER, 1::USMALLINT, (n % 4)::UTINYINT, (n % 2)::UINTEGER,
			n % 6, 'Netz ' || n % 6, 'Firefox', '145', 'Linux', (n % 3)::UTINYINT, CASE WHEN n % 8 = 0 THEN 'Some Bot' ELSE '' END, ''
		FROM range(3000) r(n);
		INSERT INTO links SELECT n + 1, 'blog', 'größe-' || n FROM range(50) r(n);
		INSERT INTO positions VALUES ('1/0', 'here');`

// TestFileOfVersion1 opens what an earlier release has written: nothing is lost,
// nothing changes, and clicks are added to it.
func TestFileOfVersion1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clicks.duckdb")
	exec := func(statement string) {
		t.Helper()
		db, err := sql.Open("duckdb", path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE meta (key VARCHAR PRIMARY KEY, value BIGINT NOT NULL); INSERT INTO meta VALUES ('schema', 1);` + createWide + wideRows)
	e := mustOpen(t, Options{Path: path})
	defer func() { _ = e.Close() }()
	ctx := context.Background()
	if p, err := e.Position(ctx, "1/0"); err != nil || p != "here" {
		t.Errorf("the source stands at %q (%v), want here", p, err)
	}
	rows := exportedRows(t, e)
	if len(rows) != 3000 {
		t.Fatalf("%d clicks, want 3000", len(rows))
	}
	for _, n := range []int{0, 5, 7, 16, 1233, 1234, 2999} {
		for name, want := range wideRow(n) {
			if got := rows[n][name]; got != want {
				t.Errorf("%s of click %d is %q, want %q", name, n, got, want)
			}
		}
	}
	r, err := e.Report(ctx, analytics.Query{All: true, By: []analytics.Dimension{analytics.ByPartner}, Order: "partner"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Totals["total"] != 3000 || r.Totals["clicks"] != 2700 || r.Totals["bots"] != 750 || r.Totals["prefetches"] != 2000 || len(r.Rows) != 2 || r.Rows[1]["total"] != int64(750) {
		t.Errorf("the report is %v of %v", r.Rows, r.Totals)
	}
	next := analytics.Batch{Source: "1/0", From: "here", To: "there", Rows: []Row{crashRow(1)}}
	if err := e.Append(ctx, next); err != nil {
		t.Fatal(err)
	}
	if got := len(exportedRows(t, e)); got != 3001 {
		t.Errorf("%d clicks after one more, want 3001", got)
	}
	var left int
	if err := e.db.QueryRow("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'wide'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d old tables are left (%v)", left, err)
	}
}

// wideRow is how an export shows click n of wideRows.
func wideRow(n int) map[string]string {
	pick := func(at int, from ...string) string { return from[at] }
	return map[string]string{
		"time": time.UnixMilli(1_792_891_800_007 + int64(n)).UTC().Format("2006-01-02T15:04:05.000Z"), "link_id": fmt.Sprint(n%50 + 1),
		"slug": fmt.Sprint("größe-", n%50), "partner": pick(min(n%4, 1), "anna", ""), "page": fmt.Sprint("/page-", n%7),
		"url": fmt.Sprint("https://shop.example/?n=", n), "agent": fmt.Sprint("Agent ", n%11), "referrer": fmt.Sprint("https://news.example/", n%13),
		"ip":      pick(n%5, "", fmt.Sprintf("2001:db8:%d::", n%9), "0.0.0.0", "255.254.3.0", "93.184.216.0"),
		"country": pick(n%2, "DE", "FR"), "query": fmt.Sprint("a=", n%17), "sub1": fmt.Sprint("s", n%4), "sub10": "ten",
		"verdict": pick(n%4, "ok", "suspect", "bot", "fraud"), "asn": fmt.Sprint(n % 6), "network": fmt.Sprint("Netz ", n%6),
		"bot_name": pick(min(n%8, 1), "Some Bot", ""), "valid": fmt.Sprint(n%10 != 0), "unique": fmt.Sprint(n%3 == 1), "duplicate": fmt.Sprint(n%100 == 99),
	}
}

func exportedRows(t *testing.T, e *Engine) (rows []map[string]string) {
	t.Helper()
	var b bytes.Buffer
	if err := e.Export(context.Background(), analytics.Filter{}, analytics.CSV, &b); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = record[i]
		}
		rows = append(rows, row)
	}
	return rows
}
