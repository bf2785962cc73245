package analyticstest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

type row = map[string]any

func wantRows(t *testing.T, r *analytics.Report, want ...row) {
	t.Helper()
	for _, w := range want {
		for k, v := range w {
			if n, ok := v.(int); ok {
				w[k] = int64(n)
			}
		}
	}
	if len(r.Rows) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(r.Rows, want) {
		t.Errorf("the rows are\n%s\nwant\n%s", lines(r.Rows), lines(want))
	}
}

func lines(rows []row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "\t%v\n", r)
	}
	return b.String()
}

func by(d ...analytics.Dimension) analytics.Query { return analytics.Query{By: d} }

func whatCounts(t *testing.T, h Harness) {
	e := open(t, h)
	appendRows(t, e,
		click(noon, 1),
		click(noon, 2, func(r *analytics.Row) { r.Unique = false }),
		click(noon, 3, func(r *analytics.Row) { r.Verdict = affiliate.VerdictSuspect }),
		click(noon, 4, func(r *analytics.Row) { r.Outcome = affiliate.FellBack }),
		click(noon, 5, func(r *analytics.Row) { r.Outcome = affiliate.Defaulted }),
		// None of the others counts; "Unique" on them must not either.
		click(noon, 6, func(r *analytics.Row) { r.Verdict = affiliate.VerdictBot }),
		click(noon, 7, func(r *analytics.Row) { r.Verdict = affiliate.VerdictFraud }),
		click(noon, 8, func(r *analytics.Row) { r.Signals = affiliate.SignalHead }),
		click(noon, 9, func(r *analytics.Row) { r.Signals = affiliate.SignalPrefetch | affiliate.SignalSecure }),
		click(noon, 10, func(r *analytics.Row) { r.Duplicate = true }),
		click(noon, 11, func(r *analytics.Row) { r.Outcome = affiliate.Blocked }),
		click(noon, 12, func(r *analytics.Row) { r.Outcome, r.Link, r.Slug = affiliate.Missing, 0, "nosuch" }),
		click(noon, 13, func(r *analytics.Row) {
			r.Verdict, r.Signals = affiliate.VerdictBot, affiliate.SignalHead|affiliate.SignalPrefetch
		}),
	)
	r := report(t, e, analytics.Query{})
	wantRows(t, r, row{"clicks": 5, "uniques": 4})
	if want := (map[string]int64{"clicks": 5, "uniques": 4}); !reflect.DeepEqual(r.Totals, want) {
		t.Errorf("totals %v, want %v", r.Totals, want)
	}
	r = report(t, e, analytics.Query{All: true})
	wantRows(t, r, row{"clicks": 5, "uniques": 4, "total": 13, "bots": 2, "prefetches": 3})
	// Groups without a click are shown with All only.
	wantRows(t, report(t, e, by(analytics.ByVerdict)),
		row{"verdict": "ok", "clicks": 4, "uniques": 3}, row{"verdict": "suspect", "clicks": 1, "uniques": 1})
	q := by(analytics.ByLink)
	q.All = true
	wantRows(t, report(t, e, q),
		row{"link": "deal", "link_id": 1, "clicks": 5, "uniques": 4, "total": 12, "bots": 2, "prefetches": 3},
		row{"link": "", "link_id": 0, "clicks": 0, "uniques": 0, "total": 1, "bots": 0, "prefetches": 0})
}

func everyDimension(t *testing.T, h Harness) {
	at := time.Date(2026, 3, 1, 23, 59, 59, 999e6, time.UTC) // a Sunday
	full := click(at, 1, func(r *analytics.Row) {
		r.Link, r.Site, r.Slug, r.Program, r.Partner, r.Variant, r.Rule, r.Page = 9, "shop", "bag", "prog", "part", "b", "rule-2", "/posts/bag"
		r.Country, r.Network, r.Browser, r.OS, r.Device = "DE", "Deutsche Telekom AG", "Firefox", "Linux", affiliate.TV
		r.ReferrerHost, r.BotName, r.Outcome, r.Verdict = "news.example", "PreviewBot", affiliate.FellBack, affiliate.VerdictSuspect
		for i := range r.Subs {
			r.Subs[i] = fmt.Sprintf("value-%d", i+1)
		}
	})
	again := full
	again.ID = affiliate.NewClickID(at.UnixMilli(), 0xabcd, 3)
	bare := click(at, 2, func(r *analytics.Row) { r.Site = "" })
	want := map[analytics.Dimension][2]string{ // of full, of bare
		analytics.ByHour: {"2026-03-01T23:00", "2026-03-01T23:00"}, analytics.ByDay: {"2026-03-01", "2026-03-01"},
		analytics.ByWeek: {"2026-02-23", "2026-02-23"}, analytics.ByMonth: {"2026-03", "2026-03"},
		analytics.ByLink: {"bag", "deal"}, analytics.BySite: {"shop", ""}, analytics.ByProgram: {"prog", ""},
		analytics.ByPartner: {"part", ""}, analytics.ByVariant: {"b", ""}, analytics.ByRule: {"rule-2", ""},
		analytics.ByCountry: {"DE", ""}, analytics.ByNetwork: {"Deutsche Telekom AG", ""}, analytics.ByDevice: {"tv", ""},
		analytics.ByBrowser: {"Firefox", ""}, analytics.ByOS: {"Linux", ""}, analytics.ByReferrer: {"news.example", ""},
		analytics.ByPage: {"/posts/bag", ""}, analytics.ByVerdict: {"suspect", "ok"}, analytics.ByBot: {"PreviewBot", ""},
		analytics.ByOutcome: {"fallback", "redirect"},
	}
	for i := 1; i <= affiliate.SubSlots; i++ {
		want[analytics.Dimension(fmt.Sprintf("sub%d", i))] = [2]string{fmt.Sprintf("value-%d", i), ""}
	}
	e := open(t, h)
	appendRows(t, e, full, again, bare)
	for _, d := range analytics.Dimensions() {
		w, ok := want[d]
		if !ok {
			t.Errorf("the test knows no value of %s", d)
			continue
		}
		r := report(t, e, by(d))
		got := []any{}
		for _, row := range r.Rows {
			got = append(got, row[string(d)])
		}
		expect := []any{w[0], w[1]}
		if w[0] == w[1] {
			expect = expect[:1]
		}
		if !reflect.DeepEqual(got, expect) || r.By[0] != string(d) {
			t.Errorf("by %s: %v, want %v", d, got, expect)
		}
		if d.IsTime() {
			continue
		}
		for i, clicks := range []int64{2, 1} {
			q := analytics.Query{Filter: analytics.Filter{Is: map[analytics.Dimension][]string{d: {w[i]}}}}
			if got := report(t, e, q).Totals[analytics.Clicks]; got != clicks {
				t.Errorf("%d clicks with %s %q, want %d", got, d, w[i], clicks)
			}
		}
	}
}

func renamed(t *testing.T, h Harness) {
	e := open(t, h)
	name := func(link int64, slug string) func(*analytics.Row) {
		return func(r *analytics.Row) { r.Link, r.Slug = link, slug }
	}
	appendRows(t, e, click(noon, 1, name(5, "old")), click(noon, 2, name(6, "other")))
	appendRows(t, e, click(noon.Add(time.Hour), 3, name(5, "new")), click(noon, 4, name(1<<40, "far")))
	appendRows(t, e, click(noon.Add(time.Hour), 5, name(7, "old"))) // the free name is given to another link
	want := []row{
		{"link": "new", "link_id": 5, "clicks": 2, "uniques": 2}, {"link": "other", "link_id": 6, "clicks": 1, "uniques": 1},
		{"link": "old", "link_id": 7, "clicks": 1, "uniques": 1}, {"link": "far", "link_id": 1 << 40, "clicks": 1, "uniques": 1},
	}
	wantRows(t, report(t, e, by(analytics.ByLink)), want...)
	q := by(analytics.ByLink)
	q.Is = map[analytics.Dimension][]string{analytics.ByLink: {"new", "#1099511627776"}}
	wantRows(t, report(t, e, q), want[0], want[3])
	q.Is[analytics.ByLink] = []string{"old"}
	wantRows(t, report(t, e, q), want[2])
}

func filters(t *testing.T, h Harness) {
	e := open(t, h)
	var rows []analytics.Row
	for n := range uint64(12) {
		rows = append(rows, click(noon, n, func(r *analytics.Row) {
			r.Link, r.Slug = int64(n%3)+1, fmt.Sprint("link-", n%3+1)
			r.Country = []string{"DE", "FR", "", "it's"}[n%4]
			r.Device = []affiliate.Device{affiliate.Phone, affiliate.Desktop}[n/6]
		}))
	}
	appendRows(t, e, rows...)
	type is = map[analytics.Dimension][]string
	for _, test := range []struct {
		is   is
		want int64
	}{
		{is{}, 12},
		{is{analytics.ByCountry: nil}, 12},
		{is{analytics.ByCountry: {"DE"}}, 3},
		{is{analytics.ByCountry: {"DE", "FR"}}, 6},
		{is{analytics.ByCountry: {""}}, 3},
		{is{analytics.ByCountry: {"it's"}}, 3},
		{is{analytics.ByCountry: {"de"}}, 0},
		{is{analytics.ByCountry: {"DE", "FR"}, analytics.ByDevice: {"phone"}}, 4},
		{is{analytics.ByLink: {"link-1"}}, 4},
		{is{analytics.ByLink: {"#2", "link-1"}}, 8},
		{is{analytics.ByLink: {"#99"}}, 0},
		{is{analytics.ByLink: {"nosuch"}}, 0},
		{is{analytics.ByLink: {"link-1"}, analytics.ByCountry: {"DE", "it's"}}, 2},
		{is{analytics.ByVerdict: {"bot"}}, 0},
		{is{analytics.ByOutcome: {"redirect", "fallback"}}, 12},
		{is{analytics.ByCountry: {"') OR TRUE --", "x' OR '1'='1"}}, 0},
		{is{analytics.ByLink: {"') OR TRUE --"}}, 0},
	} {
		q := analytics.Query{Filter: analytics.Filter{Is: test.is}}
		if got := report(t, e, q).Totals[analytics.Clicks]; got != test.want {
			t.Errorf("%v: %d clicks, want %d", test.is, got, test.want)
		}
	}
}

func orderLimitTotals(t *testing.T, h Harness) {
	e := open(t, h)
	var rows []analytics.Row
	n := uint64(0)
	for country, clicks := range map[string]int{"AA": 3, "BB": 1, "CC": 3, "DD": 2} {
		for i := range clicks {
			n++
			rows = append(rows, click(noon.Add(time.Duration(i)*24*time.Hour), n, func(r *analytics.Row) {
				r.Country = country
				r.Unique = country == "BB" || i == 0 && country != "CC"
			}))
		}
	}
	appendRows(t, e, rows...)
	for _, test := range []struct {
		order string
		limit int
		want  string
		more  bool
	}{
		{"", 0, "AA CC DD BB", false}, // the most clicks first, then by name
		{"clicks", 0, "BB DD AA CC", false},
		{"-clicks", 2, "AA CC", true},
		{"-country", 0, "DD CC BB AA", false},
		{"country", 3, "AA BB CC", true},
		{"uniques", 0, "CC AA DD BB", false},
		{"country", 4, "AA BB CC DD", false},
	} {
		q := analytics.Query{By: []analytics.Dimension{analytics.ByCountry}, Order: test.order, Limit: test.limit}
		r := report(t, e, q)
		var got []string
		for _, row := range r.Rows {
			got = append(got, row["country"].(string))
		}
		if strings.Join(got, " ") != test.want || r.More != test.more {
			t.Errorf("order %q limit %d: %v more %v, want %s more %v", test.order, test.limit, got, r.More, test.want, test.more)
		}
		if r.Totals[analytics.Clicks] != 9 || r.Totals[analytics.Uniques] != 3 {
			t.Errorf("order %q limit %d: totals %v, want 9 clicks and 3 uniques", test.order, test.limit, r.Totals)
		}
	}
	// Time comes in its own order unless asked otherwise.
	q := analytics.Query{By: []analytics.Dimension{analytics.ByCountry, analytics.ByDay}, Limit: 4}
	var got []string
	for _, row := range report(t, e, q).Rows {
		got = append(got, fmt.Sprint(row["day"].(string)[8:], row["country"]))
	}
	if want := "[20AA 20BB 20CC 20DD]"; fmt.Sprint(got) != want {
		t.Errorf("by country and day: %v, want %s", got, want)
	}
	q.Order = "-day"
	if r := report(t, e, q).Rows[0]; r["day"] != "2026-11-22" {
		t.Errorf("the last day first: %v", r)
	}
}

func emptyEngine(t *testing.T, h Harness) {
	e := open(t, h)
	for _, q := range []analytics.Query{{}, by(analytics.ByDay, analytics.ByLink), {All: true}} {
		r := report(t, e, q)
		if r.Since.IsZero() || r.Until.IsZero() {
			t.Errorf("the report does not say which time it covers: %v to %v", r.Since, r.Until)
		}
		if len(r.Rows) != 0 || r.Rows == nil || r.By == nil || r.More || r.Totals[analytics.Clicks] != 0 {
			t.Errorf("%+v: %+v", q, r)
		}
	}
	s, err := e.Stats(context.Background())
	if err != nil || s.Clicks != 0 || !s.First.IsZero() {
		t.Errorf("stats %+v, %v", s, err)
	}
	err = e.Uniques(context.Background(), noon, func(affiliate.VisitorID, int64, time.Time) { t.Error("a unique click from nowhere") })
	if err != nil {
		t.Error(err)
	}
}

func badQueries(t *testing.T, h Harness) {
	e := open(t, h)
	appendRows(t, e, click(noon, 1))
	many := make([]string, analytics.ValuesMax+1)
	type is = map[analytics.Dimension][]string
	for _, test := range []struct {
		name string
		q    analytics.Query
		says string
	}{
		{"dimension", by("colour"), "country"},
		{"dimension that is SQL", by(`link"; DROP TABLE clicks; --`), "country"},
		{"a column that is no dimension", by("agent"), "country"},
		{"twice the same", by(analytics.ByDay, analytics.ByDay), "twice"},
		{"too many dimensions", by("day", "link", "country", "os", "browser"), "4"},
		{"zone", analytics.Query{Zone: "Europe/Atlantis"}, "Europe/Berlin"},
		{"zone of the machine", analytics.Query{Zone: "Local"}, "Europe/Berlin"},
		{"zone that is a path", analytics.Query{Zone: "../../etc/passwd"}, "Europe/Berlin"},
		{"order", analytics.Query{By: []analytics.Dimension{analytics.ByDay}, Order: "country"}, "clicks, uniques, day"},
		{"order by what is not shown", analytics.Query{Order: "-bots"}, "uniques"},
		{"negative limit", analytics.Query{Limit: -1}, "100000"},
		{"limit", analytics.Query{Limit: analytics.RowsMax + 1}, "100000"},
		{"range", analytics.Query{Filter: analytics.Filter{Since: noon, Until: noon.Add(-time.Second)}}, "ends"},
		{"filter", analytics.Query{Filter: analytics.Filter{Is: is{"colour": {"red"}}}}, "country"},
		{"filter by time", analytics.Query{Filter: analytics.Filter{Is: is{analytics.ByDay: {"2026-11-20"}}}}, "since"},
		{"verdict", analytics.Query{Filter: analytics.Filter{Is: is{analytics.ByVerdict: {"good"}}}}, "suspect"},
		{"device", analytics.Query{Filter: analytics.Filter{Is: is{analytics.ByDevice: {"fridge"}}}}, "tablet"},
		{"outcome", analytics.Query{Filter: analytics.Filter{Is: is{analytics.ByOutcome: {"lost"}}}}, "fallback"},
		{"link id", analytics.Query{Filter: analytics.Filter{Is: is{analytics.ByLink: {"#1 OR 1=1"}}}}, "number"},
		{"too many values", analytics.Query{Filter: analytics.Filter{Is: is{analytics.ByCountry: many}}}, "1000"},
	} {
		_, err := e.Report(context.Background(), test.q)
		if code := affiliate.CodeOf(err); code != affiliate.Invalid && code != affiliate.TooLarge {
			t.Errorf("%s: the error %v is not one for the caller", test.name, err)
			continue
		}
		if !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %q does not say %q", test.name, err, test.says)
		}
	}
	if n := total(t, e); n != 1 {
		t.Errorf("%d rows after the bad queries, want 1", n)
	}
}

func stopped(t *testing.T, h Harness) {
	e := open(t, h)
	appendRows(t, e, click(noon, 1))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Report(ctx, by(analytics.ByDay)); !errors.Is(err, context.Canceled) {
		t.Errorf("a report whose context has ended: %v, want that it was canceled", err)
	}
	report(t, e, by(analytics.ByDay))
}
