package api

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// click puts one click into the reports.
func (w *world) clicks(rows ...analytics.Row) {
	w.Helper()
	clicks := w.analytics.open()
	from, err := clicks.Position(w.Context(), "1/0")
	w.must(err)
	w.must(clicks.Append(w.Context(), analytics.Batch{Source: "1/0", From: from, To: from + "x", Rows: rows}))
}

var serial uint64

func click(at time.Time, slug, country string) analytics.Row {
	serial++
	link := map[string]int64{"kettle": 1, "pot": 2}[slug]
	return analytics.Row{
		Click: affiliate.Click{
			ID: affiliate.NewClickID(at.UnixMilli(), 1, serial), Outcome: affiliate.Redirected, Code: 302, Link: link,
			Site: "blog", Slug: slug, Country: country, Visitor: affiliate.NewVisitorID(1, serial), URL: "https://shop.example/",
		},
		Device: affiliate.Desktop, Unique: true,
	}
}

func TestReportClicks(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Now()
	bot := click(now.Add(-time.Hour), "kettle", "US")
	bot.Verdict = affiliate.VerdictBot
	w.clicks(
		click(now.Add(-time.Hour), "kettle", "DE"),
		click(now.Add(-2*time.Hour), "kettle", "AT"),
		click(now.Add(-26*time.Hour), "pot", "DE"),
		click(now.AddDate(0, 0, -8), "kettle", "DE"),
		bot,
	)
	for _, c := range []struct {
		query string
		rows  string // the dimensions and clicks of each row
		total int64
	}{
		{"", "3", 3},
		{"since=3mo", "4", 4},
		{"since=24h", "2", 2},
		{"by=link&since=30d", "kettle:3 pot:1", 4},
		{"by=day", "2026-11-19:1 2026-11-20:2", 3},
		{"by=day&by=link", "2026-11-19:pot:1 2026-11-20:kettle:2", 3},
		{"by=day,link&order=-day", "2026-11-20:kettle:2 2026-11-19:pot:1", 3},
		{"by=link&is=country:DE", "kettle:1 pot:1", 2},
		{"by=link&is=country:DE&is=country:AT", "kettle:2 pot:1", 3},
		{"by=link&is.country=DE,AT&is.link=kettle", "kettle:2", 2},
		{"since=2026-11-19&until=2026-11-19", "1", 1},
		{"since=2026-11-19T09:00:00Z&until=2026-11-19T11:00:00%2B00:00", "1", 1},
		{"by=hour&since=3h&zone=Asia/Kolkata", "2026-11-20T15:00:1 2026-11-20T16:00:1", 2},
		{"by=country&limit=1", "DE:2", 3},
	} {
		t.Run(c.query, func(t *testing.T) {
			var report Report
			w.do(socket, "GET", "/reports/clicks?"+c.query, nil).want(200, &report)
			var rows []string
			for _, row := range report.Rows {
				var cells []string
				for _, d := range report.By {
					cells = append(cells, fmt.Sprint(row[d]))
				}
				rows = append(rows, strings.Join(append(cells, fmt.Sprint(row["clicks"])), ":"))
			}
			if got := strings.Join(rows, " "); got != c.rows || report.Totals["clicks"] != c.total {
				t.Errorf("rows %q, totals %v; want %q, %d", got, report.Totals, c.rows, c.total)
			}
			if more := strings.Contains(c.query, "limit"); report.More != more || report.Zone == "" || report.Until.IsZero() {
				t.Errorf("report %+v", report)
			}
		})
	}
	var all Report
	w.do(socket, "GET", "/reports/clicks?all=true", nil).want(200, &all)
	if all.Totals["bots"] != 1 || all.Totals["total"] != 4 {
		t.Errorf("totals %v", all.Totals)
	}
	var none Report
	a := w.do(socket, "GET", "/reports/clicks?by=link&is=country:FR", nil).want(200, &none)
	if !strings.Contains(a.Body.String(), `"rows":[]`) {
		t.Errorf("no rows are %s", a.Body)
	}
}

func TestReportAsTable(t *testing.T) {
	w := newWorld(t)
	evil := click(w.clock.Now().Add(-time.Hour), "kettle", "DE")
	evil.ReferrerHost = "=cmd|' /C calc'!A0"
	w.clicks(evil)
	a := w.do(socket, "GET", "/reports/clicks?by=link,referrer&all=true&format=csv", nil).want(200, nil)
	records, err := csv.NewReader(a.Body).ReadAll()
	w.must(err)
	want := [][]string{
		{"link_id", "link", "referrer", "clicks", "uniques", "total", "bots", "prefetches"},
		{"1", "kettle", "'=cmd|' /C calc'!A0", "1", "1", "1", "0", "0"},
	}
	if fmt.Sprint(records) != fmt.Sprint(want) {
		t.Errorf("table %v, want %v", records, want)
	}
	if a.Header().Get("Content-Type") != "text/csv; charset=utf-8" || !strings.Contains(a.Header().Get("Content-Disposition"), "clicks.csv") {
		t.Errorf("headers %v", a.Header())
	}
	a = w.do(socket, "GET", "/reports/clicks?by=link&is=country:FR&all=true&format=csv", nil).want(200, nil)
	if got := a.Body.String(); got != "link_id,link,clicks,uniques,total,bots,prefetches\n" {
		t.Errorf("an empty table is %q", got)
	}
}

func TestCells(t *testing.T) {
	for _, c := range []struct {
		in   any
		want string
	}{
		{nil, ""}, {"", ""}, {"plain", "plain"}, {int64(-3), "-3"}, {2.5, "2.5"},
		{"=1+1", "'=1+1"}, {"+1", "'+1"}, {"-1", "'-1"}, {"@x", "'@x"}, {"\tx", "'\tx"}, {"\rx", "'\rx"}, {"a=b", "a=b"},
	} {
		if got := cell(c.in); got != c.want {
			t.Errorf("cell(%#v) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestExportClicks(t *testing.T) {
	w := newWorld(t)
	w.clicks(click(w.clock.Now().Add(-time.Hour), "kettle", "DE"), click(w.clock.Now().Add(-time.Hour), "pot", "AT"))
	a := w.do(socket, "GET", "/clicks/export?is=country:AT", nil).want(200, nil)
	records, err := csv.NewReader(a.Body).ReadAll()
	w.must(err)
	if len(records) != 2 || !strings.Contains(strings.Join(records[1], ","), "pot") {
		t.Errorf("exported %v", records)
	}
	if a.Header().Get("Content-Type") != "text/csv; charset=utf-8" || a.Header().Get("Content-Disposition") != `attachment; filename="clicks.csv"` {
		t.Errorf("headers %v", a.Header())
	}
	a = w.do(socket, "GET", "/clicks/export?format=parquet", nil).want(200, nil)
	if text := a.Body.String(); !strings.HasPrefix(text, "PAR1") || !strings.HasSuffix(text, "PAR1") || a.Header().Get("Content-Type") != "application/vnd.apache.parquet" {
		t.Errorf("%d bytes that are no Parquet file", len(text))
	}
}
