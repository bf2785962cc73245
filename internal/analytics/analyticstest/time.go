package analyticstest

import (
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
)

// What reports make of times: days of a zone, hours, bounds.

// daysOfZone checks the days on which clocks change, written out by hand.
func daysOfZone(t *testing.T, h Harness) {
	utc := func(s string) time.Time {
		at, err := time.Parse("2006-01-02 15:04:05", s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	tests := []struct {
		zone                   string
		at                     time.Time
		hour, day, week, month string
	}{
		{"UTC", utc("2026-11-20 13:45:10"), "2026-11-20T13:00", "2026-11-20", "2026-11-16", "2026-11"},
		{"", utc("2027-01-01 00:00:00"), "2027-01-01T00:00", "2027-01-01", "2026-12-28", "2027-01"},
		// Europe/Berlin, forward on 29 March 2026 at 01:00 UTC: no local 02:xx.
		{"Europe/Berlin", utc("2026-03-29 00:59:59"), "2026-03-29T01:00", "2026-03-29", "2026-03-23", "2026-03"},
		{"Europe/Berlin", utc("2026-03-29 01:00:00"), "2026-03-29T03:00", "2026-03-29", "2026-03-23", "2026-03"},
		{"Europe/Berlin", utc("2026-03-29 22:00:00"), "2026-03-30T00:00", "2026-03-30", "2026-03-30", "2026-03"},
		{"Europe/Berlin", utc("2026-03-31 21:59:59"), "2026-03-31T23:00", "2026-03-31", "2026-03-30", "2026-03"},
		{"Europe/Berlin", utc("2026-03-31 22:00:00"), "2026-04-01T00:00", "2026-04-01", "2026-03-30", "2026-04"},
		// Back on 25 October at 01:00 UTC: 02:xx comes twice.
		{"Europe/Berlin", utc("2026-10-25 00:30:00"), "2026-10-25T02:00", "2026-10-25", "2026-10-19", "2026-10"},
		{"Europe/Berlin", utc("2026-10-25 01:30:00"), "2026-10-25T02:00", "2026-10-25", "2026-10-19", "2026-10"},
		{"Europe/Berlin", utc("2026-10-25 22:59:59"), "2026-10-25T23:00", "2026-10-25", "2026-10-19", "2026-10"},
		{"Europe/Berlin", utc("2026-10-25 23:00:00"), "2026-10-26T00:00", "2026-10-26", "2026-10-26", "2026-10"},
		// America/New_York, 8 March at 07:00 UTC and 1 November at 06:00 UTC.
		{"America/New_York", utc("2026-03-08 06:59:59"), "2026-03-08T01:00", "2026-03-08", "2026-03-02", "2026-03"},
		{"America/New_York", utc("2026-03-08 07:00:00"), "2026-03-08T03:00", "2026-03-08", "2026-03-02", "2026-03"},
		{"America/New_York", utc("2026-03-09 03:59:59"), "2026-03-08T23:00", "2026-03-08", "2026-03-02", "2026-03"},
		{"America/New_York", utc("2026-11-01 05:59:59"), "2026-11-01T01:00", "2026-11-01", "2026-10-26", "2026-11"},
		{"America/New_York", utc("2026-11-01 06:00:00"), "2026-11-01T01:00", "2026-11-01", "2026-10-26", "2026-11"},
		{"America/New_York", utc("2026-11-02 04:59:59"), "2026-11-01T23:00", "2026-11-01", "2026-10-26", "2026-11"},
		// Half and quarter hours.
		{"Asia/Kolkata", utc("2026-11-20 18:29:59"), "2026-11-20T23:00", "2026-11-20", "2026-11-16", "2026-11"},
		{"Asia/Kolkata", utc("2026-11-20 18:30:00"), "2026-11-21T00:00", "2026-11-21", "2026-11-16", "2026-11"},
		{"Asia/Kathmandu", utc("2026-11-22 18:15:00"), "2026-11-23T00:00", "2026-11-23", "2026-11-23", "2026-11"},
		{"Pacific/Kiritimati", utc("2026-12-31 10:00:00"), "2027-01-01T00:00", "2027-01-01", "2026-12-28", "2027-01"},
	}
	e := open(t, h)
	var rows []analytics.Row
	for i, test := range tests {
		rows = append(rows, click(test.at, uint64(i)))
	}
	appendRows(t, e, rows...)
	dimensions := []analytics.Dimension{analytics.ByHour, analytics.ByDay, analytics.ByWeek, analytics.ByMonth}
	for _, test := range tests {
		want := row{"hour": test.hour, "day": test.day, "week": test.week, "month": test.month, "clicks": 1, "uniques": 1}
		q := analytics.Query{By: dimensions, Zone: test.zone}
		q.Since, q.Until = test.at, test.at.Add(time.Millisecond)
		wantRows(t, report(t, e, q), want)
	}
	// One report over both changes of a year: the two hours of 02:xx are one row.
	q := analytics.Query{By: dimensions[:1], Zone: "Europe/Berlin"}
	q.Since, q.Until = utc("2026-01-01 00:00:00"), utc("2026-12-01 00:00:00")
	found := false
	for _, r := range report(t, e, q).Rows {
		if r["hour"] == "2026-10-25T02:00" {
			found = true
			if r["clicks"] != int64(2) {
				t.Errorf("the hour that comes twice has %v clicks, want 2", r["clicks"])
			}
		}
	}
	if !found {
		t.Errorf("the hour that comes twice is not in the report over the year")
	}
	// Without bounds the whole year is cut by the same rules.
	q = analytics.Query{By: dimensions[1:2], Zone: "America/New_York", Limit: 100}
	days := map[any]bool{}
	for _, r := range report(t, e, q).Rows {
		days[r["day"]] = true
	}
	for _, day := range []string{"2026-03-08", "2026-11-01"} {
		if !days[day] {
			t.Errorf("%s is missing from the report without bounds: %v", day, days)
		}
	}
	if days["2026-11-02"] {
		t.Errorf("a click at 23:59:59 of 1 November is counted on the day after")
	}
}

func lateClicks(t *testing.T, h Harness) {
	e := open(t, h)
	appendRows(t, e, click(noon, 1), click(noon.Add(time.Hour), 2))
	appendRows(t, e, click(noon.Add(-72*time.Hour), 3), click(noon.Add(time.Minute), 4), click(noon.Add(-2*time.Hour), 5))
	wantRows(t, report(t, e, by(analytics.ByHour)),
		row{"hour": "2026-11-17T12:00", "clicks": 1, "uniques": 1},
		row{"hour": "2026-11-20T10:00", "clicks": 1, "uniques": 1},
		row{"hour": "2026-11-20T12:00", "clicks": 2, "uniques": 2},
		row{"hour": "2026-11-20T13:00", "clicks": 1, "uniques": 1})
	q := by(analytics.ByDay)
	q.Since, q.Until = noon.Add(-80*time.Hour), noon.Add(-24*time.Hour)
	wantRows(t, report(t, e, q), row{"day": "2026-11-17", "clicks": 1, "uniques": 1})
}

func bounds(t *testing.T, h Harness) {
	e := open(t, h)
	ms := time.Millisecond
	appendRows(t, e, click(noon.Add(-ms), 1), click(noon, 2), click(noon.Add(ms), 3), click(noon.Add(2*ms), 4))
	for _, test := range []struct {
		since, until time.Time
		want         int64
	}{
		{noon, noon, 0},
		{noon, noon.Add(ms), 1},
		{noon, noon.Add(2 * ms), 2},
		{noon.Add(ms / 2), noon.Add(ms + ms/2), 1}, // between milliseconds: the click at +1 ms only
		{noon.In(time.FixedZone("", 3600)), time.Time{}, 3},
		{time.Time{}, noon, 1},
		{time.Time{}, time.Time{}, 4},
	} {
		q := analytics.Query{Filter: analytics.Filter{Since: test.since, Until: test.until}}
		r := report(t, e, q)
		if got := r.Totals[analytics.Clicks]; got != test.want {
			t.Errorf("[%v, %v): %d clicks, want %d", test.since, test.until, got, test.want)
		}
		if r.Since.IsZero() || r.Until.IsZero() {
			t.Errorf("the report does not say which time it covers: %v to %v", r.Since, r.Until)
		}
	}
}
