package analyticstest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// seeded is a random source that ANALYTICS_SEED repeats.
func seeded(t *testing.T) (*rand.Rand, uint64) {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("ANALYTICS_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("ANALYTICS_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1)), seed
}

// agreeWithModel asks random questions about random clicks and counts the
// answers by hand.
func agreeWithModel(t *testing.T, h Harness) {
	random, seed := seeded(t)
	e := open(t, h)
	var rows []analytics.Row
	for range 4 {
		var batch []analytics.Row
		for range random.IntN(1500) {
			batch = append(batch, randomClick(random, uint64(len(rows)+len(batch))))
		}
		rows = append(rows, batch...)
		appendRows(t, e, batch...)
	}
	for range h.rounds(150) {
		q := randomQuery(random)
		got, want := report(t, e, q), model(t, rows, q)
		if !reflect.DeepEqual(got.Rows, want.Rows) || !reflect.DeepEqual(got.Totals, want.Totals) || got.More != want.More {
			t.Fatalf("ANALYTICS_SEED=%d: %+v\n%stotals %v more %v\nwant\n%stotals %v more %v", seed, q,
				lines(got.Rows), got.Totals, got.More, lines(want.Rows), want.Totals, want.More)
		}
	}
}

func randomClick(random *rand.Rand, n uint64) analytics.Row {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.Int64N(int64(365 * 24 * time.Hour))))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	return click(at, n, func(r *analytics.Row) {
		r.Link = int64(random.IntN(12))
		r.Slug = fmt.Sprintf("link-%02d", r.Link)
		r.Outcome = affiliate.Outcome(random.IntN(5))
		r.Verdict = affiliate.Verdict(random.IntN(4)) * affiliate.Verdict(random.IntN(2))
		if random.IntN(3) == 0 {
			r.Signals = affiliate.Signals(random.Uint32N(uint32(affiliate.SignalElsewhere) << 1))
		}
		r.Device = affiliate.Device(random.IntN(7))
		r.Unique, r.Duplicate = random.IntN(2) == 0, random.IntN(8) == 0
		r.Country = pick("DE", "FR", "US", "")
		r.Browser = pick("Chrome", "Firefox", "Éclair", "")
		r.Partner = pick("anna", "Bert", "")
		r.ReferrerHost = pick("news.example", "blog.example", "a much longer name.example")
		r.Subs[2] = pick("x", "y", "")
	})
}

func randomQuery(random *rand.Rand) analytics.Query {
	var q analytics.Query
	all := []analytics.Dimension{analytics.ByHour, analytics.ByDay, analytics.ByWeek, analytics.ByMonth, analytics.ByLink, analytics.ByCountry,
		analytics.ByBrowser, analytics.ByPartner, analytics.ByReferrer, "sub3", analytics.ByDevice, analytics.ByVerdict, analytics.ByOutcome}
	for _, at := range random.Perm(len(all))[:random.IntN(analytics.DimensionsMax+1)] {
		q.By = append(q.By, all[at])
	}
	zones := []string{"", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham"}
	q.Zone = zones[random.IntN(len(zones))]
	q.All = random.IntN(2) == 0
	q.Limit = []int{0, 1, 3, 50}[random.IntN(4)]
	keys := q.Metrics()
	for _, d := range q.By {
		keys = append(keys, string(d))
	}
	if random.IntN(2) == 0 {
		q.Order = []string{"", "-"}[random.IntN(2)] + keys[random.IntN(len(keys))]
	}
	if random.IntN(2) == 0 {
		q.Since = time.Date(2026, time.Month(1+random.IntN(12)), 1, random.IntN(24), 0, 0, 0, time.UTC)
	}
	if random.IntN(2) == 0 {
		q.Until = time.Date(2026, 12, 2, 0, 0, 0, random.IntN(1e9), time.UTC)
	}
	q.Is = map[analytics.Dimension][]string{}
	for d, values := range map[analytics.Dimension][]string{
		analytics.ByCountry: {"DE", "", "US"}, analytics.ByLink: {"link-03", "#4", "nosuch"}, analytics.ByDevice: {"phone", "tv", ""},
		analytics.ByVerdict: {"ok", "fraud"}, analytics.ByOutcome: {"redirect", "not_found"}, "sub3": {"x"},
	} {
		if random.IntN(6) == 0 {
			q.Is[d] = values[:1+random.IntN(len(values))]
		}
	}
	return q
}

// model counts by hand.
func model(t *testing.T, rows []analytics.Row, q analytics.Query) *analytics.Report {
	t.Helper()
	q, zone, order, err := q.Normal()
	if err != nil {
		t.Fatal(err)
	}
	report := &analytics.Report{Rows: []row{}, Totals: map[string]int64{}}
	for _, m := range q.Metrics() {
		report.Totals[m] = 0
	}
	groups := map[string]row{}
	for i := range rows {
		r := &rows[i]
		if !chosen(r, &q) || !q.All && !r.Valid() {
			continue
		}
		key, group := "", row{}
		for _, d := range q.By {
			group[string(d)] = value(r, d, zone)
			if d == analytics.ByLink {
				group[analytics.LinkID] = r.Link
			}
			key += group[string(d)].(string) + "\x00"
		}
		if groups[key] == nil {
			groups[key] = group
			for _, m := range q.Metrics() {
				group[m] = int64(0)
			}
		}
		for _, m := range q.Metrics() {
			if counts(r, m) {
				groups[key][m] = groups[key][m].(int64) + 1
				report.Totals[m]++
			}
		}
	}
	for _, group := range groups {
		report.Rows = append(report.Rows, group)
	}
	slices.SortFunc(report.Rows, func(a, b row) int { return compare(a, b, order) })
	if len(report.Rows) > q.Limit {
		report.Rows, report.More = report.Rows[:q.Limit], true
	}
	return report
}

func chosen(r *analytics.Row, q *analytics.Query) bool {
	if at := r.Time(); !q.Since.IsZero() && at.Before(q.Since) || !q.Until.IsZero() && !at.Before(q.Until) {
		return false
	}
	for d, values := range q.Is {
		found := slices.Contains(values, value(r, d, time.UTC)) || d == analytics.ByLink && slices.Contains(values, fmt.Sprint("#", r.Link))
		if !found {
			return false
		}
	}
	return true
}

func counts(r *analytics.Row, metric string) bool {
	switch metric {
	case analytics.Clicks:
		return r.Valid()
	case analytics.Uniques:
		return r.Valid() && r.Unique
	case analytics.Bots:
		return r.Verdict == affiliate.VerdictBot
	case analytics.Prefetches:
		return r.Signals&(affiliate.SignalHead|affiliate.SignalPrefetch) != 0
	}
	return true
}

func value(r *analytics.Row, d analytics.Dimension, zone *time.Location) string {
	local := r.Time().In(zone)
	switch d {
	case analytics.ByHour:
		return local.Format("2006-01-02T15:00")
	case analytics.ByDay:
		return local.Format("2006-01-02")
	case analytics.ByWeek:
		return local.AddDate(0, 0, -(int(local.Weekday())+6)%7).Format("2006-01-02")
	case analytics.ByMonth:
		return local.Format("2006-01")
	case analytics.ByLink:
		if r.Link == 0 {
			return ""
		}
		return r.Slug
	case analytics.ByDevice:
		return r.Device.String()
	case analytics.ByVerdict:
		return r.Verdict.String()
	case analytics.ByOutcome:
		return r.Outcome.String()
	case analytics.ByCountry:
		return r.Country
	case analytics.ByBrowser:
		return r.Browser
	case analytics.ByPartner:
		return r.Partner
	case analytics.ByReferrer:
		return r.ReferrerHost
	case "sub3":
		return r.Subs[2]
	}
	panic("BUG: the model does not know " + d)
}

func compare(a, b row, order []analytics.Sort) int {
	for _, key := range order {
		c := 0
		switch x := a[key.By].(type) {
		case int64:
			c = int(x - b[key.By].(int64))
		case string:
			c = strings.Compare(x, b[key.By].(string))
		}
		if key.Descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}
