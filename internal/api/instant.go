package api

import (
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// instantFormats is what instants in queries look like, in words.
const instantFormats = "a date such as 2026-11-20, an instant such as 2026-11-20T13:00:00Z, or an age such as 24h, 7d, 4w or 3mo"

// parseInstant reads a bound of a time range. A date is cut in the zone: as
// beginning it is that day's midnight, as end the midnight after it, so that
// since=2026-11-01&until=2026-11-30 holds the whole month. An age counts back
// from now.
func parseInstant(s string, now time.Time, zone *time.Location, end bool) (time.Time, bool) {
	if s == "" {
		return time.Time{}, false
	}
	if s == "now" {
		return now, true
	}
	if t, ok := parseAge(s, now.In(zone)); ok {
		return t, true
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		if end {
			t = t.AddDate(0, 0, 1)
		}
		return t, true
	}
	// A plus sign that was not escaped arrives as a space.
	if t, err := time.Parse(time.RFC3339, strings.ReplaceAll(s, " ", "+")); err == nil {
		return t, true
	}
	return time.Time{}, false
}

// parseAge reads "24h", "90m", "7d", "4w", "3mo", "1y". Days, weeks, months and
// years are those of the calendar, so that "1d" is the same time of day yesterday
// even when the clocks changed in between.
func parseAge(s string, now time.Time) (time.Time, bool) {
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	n, err := strconv.Atoi(s[:digits])
	if err != nil || n > 100_000 {
		return time.Time{}, false
	}
	switch s[digits:] {
	case "m", "min":
		return now.Add(-time.Duration(n) * time.Minute), true
	case "h":
		return now.Add(-time.Duration(n) * time.Hour), true
	case "d":
		return now.AddDate(0, 0, -n), true
	case "w":
		return now.AddDate(0, 0, -7*n), true
	case "mo":
		return now.AddDate(0, -n, 0), true
	case "y":
		return now.AddDate(-n, 0, 0), true
	}
	return time.Time{}, false
}

// timeRange reads since and until and collects what is wrong with them.
func timeRange(since, until, zone string, now time.Time) (from, to time.Time, faults []affiliate.Fault) {
	location := time.UTC
	if zone != "" {
		l, err := time.LoadLocation(zone)
		if err != nil || zone == "Local" {
			faults = append(faults, affiliate.Fault{Field: "zone", Message: strconv.Quote(zone) + " is not a time zone; use a name such as Europe/Berlin"})
		} else {
			location = l
		}
	}
	read := func(field, s string, end bool) time.Time {
		t, ok := parseInstant(s, now, location, end)
		if s != "" && !ok {
			faults = append(faults, affiliate.Fault{Field: field, Message: strconv.Quote(s) + " is not a time; write " + instantFormats})
		}
		return t
	}
	from, to = read("since", since, false), read("until", until, true)
	if len(faults) == 0 && !from.IsZero() && !to.IsZero() && !to.After(from) {
		faults = append(faults, affiliate.Fault{Field: "until", Message: "the range ends (" + to.Format(time.RFC3339) + ") before it begins (" + from.Format(time.RFC3339) + ")"})
	}
	return from, to, faults
}
