package analyticstest

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	_ "github.com/duckdb/duckdb-go/v2" // reads Parquet

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// exportHeader is a promise to whoever reads exports: names are only added.
const exportHeader = "time,id,link_id,site,slug,host,outcome,code,why,program,partner,variant,rule,page,url," +
	"visitor,ip,agent,referrer,referrer_host,language,country,query," +
	"sub1,sub2,sub3,sub4,sub5,sub6,sub7,sub8,sub9,sub10," +
	"signals,fetch_dest,fetch_mode,fetch_site,verdict,reasons,asn,network,browser,browser_version,os," +
	"device,bot_name,bot_class,valid,unique,duplicate"

func export(t *testing.T, e analytics.Engine, f analytics.Filter, format analytics.ExportFormat) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := e.Export(context.Background(), f, format, &b); err != nil {
		t.Fatalf("export %+v as %s: %v", f, format, err)
	}
	return b.Bytes()
}

// exported returns the rows of a CSV export by column.
func exported(t *testing.T, e analytics.Engine, f analytics.Filter) []map[string]string {
	t.Helper()
	records, err := csv.NewReader(bytes.NewReader(export(t, e, f, analytics.CSV))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(records[0], ","); got != exportHeader {
		t.Fatalf("the header is\n%s\nwant\n%s", got, exportHeader)
	}
	rows := []map[string]string{}
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = record[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// everything is a click with a value in every field, and how exports show it.
func everything() (analytics.Row, map[string]string) {
	at := time.Date(2026, 10, 25, 1, 30, 0, 7e6, time.UTC)
	r := click(at, 0xfedcba98765432, func(r *analytics.Row) {
		r.Link, r.Site, r.Slug, r.Program, r.Partner, r.Variant, r.Rule, r.Page = 17, "blog", "größe", "prog", "part", "b", "r1", "/a,b\n\"c\""
		r.URL = "https://shop.example/?q=1&x=" + strings.Repeat("u", 8000)
		r.Why = affiliate.WhyRule | affiliate.WhyShared
		r.IP, r.Agent, r.Referrer, r.Language = netip.MustParseAddr("2001:db8::"), "Mozilla/5.0 (🦆)", "https://news.example/x", "de-DE,de;q=0.9"
		r.Country, r.Query = "DE", "utm_source=a&b=%20"
		r.Signals = affiliate.SignalSecure | affiliate.SignalReturning
		r.Fetch, r.Verdict = affiliate.NewFetch("document", "navigate", "cross-site"), affiliate.VerdictSuspect
		r.Reasons = affiliate.ReasonNoBrowser | affiliate.ReasonNoAgent
		r.ASN, r.Network, r.Browser, r.BrowserVersion, r.OS, r.Device = 4294967295, "Netz GmbH", "Firefox", "145", "Linux", affiliate.Tablet
		r.BotName, r.BotClass, r.ReferrerHost, r.Code = "Some Bot", "preview", "news.example", 307
		for i := range r.Subs {
			r.Subs[i] = fmt.Sprint("s", i+1)
		}
	})
	want := map[string]string{"time": "2026-10-25T01:30:00.007Z", "id": r.ID.String(), "link_id": "17", "site": "blog", "slug": "größe",
		"host": "go.example.com", "outcome": "redirect", "code": "307", "why": "rule shared", "program": "prog", "partner": "part",
		"variant": "b", "rule": "r1", "page": r.Page, "url": r.URL, "visitor": r.Visitor.String(), "ip": "2001:db8::", "agent": r.Agent,
		"referrer": r.Referrer, "referrer_host": "news.example", "language": r.Language, "country": "DE", "query": r.Query,
		"signals": "returning secure", "fetch_dest": "document", "fetch_mode": "navigate", "fetch_site": "cross-site",
		"verdict": "suspect", "reasons": "no_user_agent no_browser", "asn": "4294967295", "network": "Netz GmbH", "browser": "Firefox",
		"browser_version": "145", "os": "Linux", "device": "tablet", "bot_name": "Some Bot", "bot_class": "preview",
		"valid": "true", "unique": "true", "duplicate": "false"}
	for i := range r.Subs {
		want[fmt.Sprint("sub", i+1)] = r.Subs[i]
	}
	return r, want
}

func exportCSV(t *testing.T, h Harness) {
	e := open(t, h)
	r, want := everything()
	bare := click(r.Time().Add(time.Second), 1, func(r *analytics.Row) {
		*r = analytics.Row{Click: affiliate.Click{ID: r.ID}}
	})
	appendRows(t, e, bare, r) // stored newest first
	rows := exported(t, e, analytics.Filter{})
	if len(rows) != 2 {
		t.Fatalf("%d rows, want 2", len(rows))
	}
	for name, w := range want {
		if got := rows[0][name]; got != w {
			t.Errorf("%s is %.200q, want %.200q", name, got, w)
		}
	}
	for name, w := range map[string]string{"id": bare.ID.String(), "visitor": "", "ip": "", "agent": "", "outcome": "not_found", "why": "",
		"device": "", "verdict": "ok", "fetch_dest": "", "valid": "false", "asn": "0"} {
		if got := rows[1][name]; got != w {
			t.Errorf("of a click with nothing but an id, %s is %q, want %q", name, got, w)
		}
	}
}

func exportFormulas(t *testing.T, h Harness) {
	e := open(t, h)
	cells := []string{"=1+1", "+49", "-2", "@SUM(A1)", "\tx", "\rx", "a=b", "'=x", ""}
	want := []string{"'=1+1", "'+49", "'-2", "'@SUM(A1)", "'\tx", "'\rx", "a=b", "'=x", ""}
	var rows []analytics.Row
	for i, s := range cells {
		rows = append(rows, click(noon.Add(time.Duration(i)*time.Second), uint64(i), func(r *analytics.Row) {
			r.Agent, r.Subs[9], r.Network = s, s, s
		}))
	}
	appendRows(t, e, rows...)
	for i, row := range exported(t, e, analytics.Filter{}) {
		for _, name := range []string{"agent", "sub10", "network"} {
			if row[name] != want[i] {
				t.Errorf("%q as %s is exported as %q, want %q", cells[i], name, row[name], want[i])
			}
		}
	}
}

func exportParquet(t *testing.T, h Harness) {
	e := open(t, h)
	r, want := everything()
	rows := []analytics.Row{r}
	for n := range uint64(3000) {
		rows = append(rows, click(noon.Add(-time.Duration(n)*time.Minute), n, func(r *analytics.Row) { r.Agent = "=1+1" }))
	}
	appendRows(t, e, rows...)
	path := filepath.Join(t.TempDir(), "clicks.parquet")
	if err := os.WriteFile(path, export(t, e, analytics.Filter{}, analytics.Parquet), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if n := count(t, db, "SELECT count(*) FROM read_parquet(?)", path); n != 3001 {
		t.Errorf("%d rows in the file, want 3001", n)
	}
	if n := count(t, db, "SELECT count(*) FROM read_parquet(?) WHERE agent = '=1+1'", path); n != 3000 {
		t.Errorf("%d agents as they were, want 3000: only CSV needs formulas disarmed", n)
	}
	if n := count(t, db, "SELECT count(*) FROM read_parquet(?) WHERE time >= TIMESTAMP '2026-11-20 12:00:00'", path); n != 1 {
		t.Errorf("%d rows at or after noon, want 1: the time is not a time", n)
	}
	for name, w := range want {
		if name == "time" {
			continue
		}
		if n := count(t, db, fmt.Sprintf("SELECT count(*) FROM read_parquet(?) WHERE id = ? AND CAST(%q AS VARCHAR) = ?", name), path, r.ID.String(), w); n != 1 {
			t.Errorf("%s of the full click is not %.200q", name, w)
		}
	}
}

func count(t *testing.T, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

var errFull = errors.New("the disk of the reader is full")

// narrow takes so many bytes and then fails.
type narrow struct{ left int }

func (n *narrow) Write(b []byte) (int, error) {
	if len(b) > n.left {
		return n.left, errFull
	}
	n.left -= len(b)
	return len(b), nil
}

func exportEnds(t *testing.T, h Harness) {
	e := open(t, h)
	var rows []analytics.Row
	for n := range uint64(20_000) {
		rows = append(rows, click(noon.Add(time.Duration(n)*time.Second), n, func(r *analytics.Row) {
			r.Country = []string{"DE", "FR"}[n%2]
		}))
	}
	appendRows(t, e, rows...)
	f := analytics.Filter{Since: noon.Add(10 * time.Second), Until: noon.Add(20 * time.Second), Is: map[analytics.Dimension][]string{analytics.ByCountry: {"FR"}}}
	if got := len(exported(t, e, f)); got != 5 {
		t.Errorf("%d chosen rows, want 5", got)
	}
	f.Is[analytics.ByCountry] = []string{"XX"}
	if got := len(exported(t, e, f)); got != 0 {
		t.Errorf("%d rows of nowhere, want none", got)
	}
	for _, format := range []analytics.ExportFormat{analytics.CSV, analytics.Parquet} {
		if err := e.Export(context.Background(), analytics.Filter{}, format, &narrow{left: 100_000}); !errors.Is(err, errFull) {
			t.Errorf("%s to a reader that fails: %v, want its error", format, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := e.Export(ctx, analytics.Filter{}, format, &narrow{left: 1 << 30}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a context that has ended: %v", format, err)
		}
	}
	err := e.Export(context.Background(), analytics.Filter{}, "xlsx", &narrow{})
	if affiliate.CodeOf(err) != affiliate.Invalid || !strings.Contains(err.Error(), "parquet") {
		t.Errorf("an unknown format: %v", err)
	}
	err = e.Export(context.Background(), analytics.Filter{Is: map[analytics.Dimension][]string{"colour": {"red"}}}, analytics.CSV, &narrow{})
	if affiliate.CodeOf(err) != affiliate.Invalid {
		t.Errorf("an unknown dimension: %v", err)
	}
	if got := len(exported(t, e, analytics.Filter{})); got != len(rows) {
		t.Errorf("%d rows after the exports that failed, want %d", got, len(rows))
	}
}

func hostileStrings(t *testing.T, h Harness) {
	stored := map[string]string{ // what was given and what comes back
		`'; DROP TABLE clicks; --`:            `'; DROP TABLE clicks; --`,
		`"double" 'single' \back`:             `"double" 'single' \back`,
		`? $1 {x:String} @x :x %s \0 \' \x41`: `? $1 {x:String} @x :x %s \0 \' \x41`,
		"nul\x00inside":                       "nul\x00inside",
		"\x00":                                "\x00",
		"not \xff\xfe UTF-8 \xc3(":            "not \uFFFD UTF-8 \uFFFD(",
		"\xed\xa0\x80half a pair":             "\uFFFDhalf a pair",
		"line\nbreak\r\nand,comma;semi":       "line\nbreak\r\nand,comma;semi",
		"🦆 twelve or more 👩‍👩‍👧‍👦":            "🦆 twelve or more 👩‍👩‍👧‍👦",
		"\u202eright to left\ufeff":           "\u202eright to left\ufeff",
		"exactly12byt":                        "exactly12byt",
		"exactly13byte":                       "exactly13byte",
		strings.Repeat("8 KB of this. ", 600): strings.Repeat("8 KB of this. ", 600),
		strings.Repeat("é", 700_000):          strings.Repeat("é", 700_000),
		"":                                    "",
	}
	e := open(t, h)
	var rows []analytics.Row
	n := uint64(0)
	for given := range stored {
		n++
		rows = append(rows, click(noon.Add(time.Duration(n)*time.Second), n, func(r *analytics.Row) {
			r.Agent, r.Network, r.Subs[0], r.Page = given, given, given, given
			r.Link, r.Slug = int64(n), given
		}))
	}
	appendRows(t, e, rows...)
	exports := map[string]map[string]string{}
	for _, row := range exported(t, e, analytics.Filter{}) {
		exports[row["id"]] = row
	}
	for _, r := range rows {
		want := stored[r.Agent]
		if !utf8.ValidString(want) {
			t.Fatalf("the test wants %q back, which is not UTF-8", want)
		}
		q := analytics.Query{By: []analytics.Dimension{analytics.ByLink, analytics.BySub1}}
		q.Is = map[analytics.Dimension][]string{analytics.ByPage: {r.Page}, analytics.ByLink: {fmt.Sprint("#", r.Link)}}
		wantRows(t, report(t, e, q), row{"link": want, "sub1": want, "link_id": r.Link, "clicks": 1, "uniques": 1})
		// encoding/csv reads \r\n in a cell as \n.
		if got := exports[r.ID.String()]["agent"]; got != strings.ReplaceAll(want, "\r\n", "\n") {
			t.Errorf("%.100q is exported as %.100q", r.Agent, got)
		}
	}
	ctx := context.Background()
	source := "node\x00\xff'"
	if err := e.Append(ctx, analytics.Batch{Source: source, To: "it's \"1\""}); err != nil {
		t.Fatal(err)
	}
	if got := position(t, e, source); got != "it's \"1\"" {
		t.Errorf("the position is %q", got)
	}
}
