package api

import (
	"testing"
	"time"
)

func TestInstants(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// The day after the clocks went back in Berlin.
	now := time.Date(2026, 10, 26, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		in   string
		zone *time.Location
		end  bool
		want string // RFC 3339; "" for no time
	}{
		{"24h", time.UTC, false, "2026-10-25T12:00:00Z"},
		{"90m", time.UTC, false, "2026-10-26T10:30:00Z"},
		{"7d", time.UTC, false, "2026-10-19T12:00:00Z"},
		{"4w", time.UTC, false, "2026-09-28T12:00:00Z"},
		{"3mo", time.UTC, false, "2026-07-26T12:00:00Z"},
		{"1y", time.UTC, false, "2025-10-26T12:00:00Z"},
		{"0d", time.UTC, false, "2026-10-26T12:00:00Z"},
		{"now", time.UTC, true, "2026-10-26T12:00:00Z"},
		{"7d", berlin, false, "2026-10-19T11:00:00Z"}, // 13:00 there on both days
		{"2026-10-26", time.UTC, false, "2026-10-26T00:00:00Z"},
		{"2026-10-26", time.UTC, true, "2026-10-27T00:00:00Z"},
		{"2026-10-25", berlin, false, "2026-10-24T22:00:00Z"},
		{"2026-10-25", berlin, true, "2026-10-25T23:00:00Z"}, // a day of 25 hours
		{"2026-10-26T13:00:00Z", berlin, true, "2026-10-26T13:00:00Z"},
		{"2026-10-26T13:00:00+02:00", time.UTC, false, "2026-10-26T11:00:00Z"},
		{"2026-10-26T13:00:00 02:00", time.UTC, false, "2026-10-26T11:00:00Z"}, // the plus was not escaped
		{"", time.UTC, false, ""},
		{"7", time.UTC, false, ""},
		{"d", time.UTC, false, ""},
		{"-7d", time.UTC, false, ""},
		{"7 d", time.UTC, false, ""},
		{"99999999999999999999d", time.UTC, false, ""},
		{"100001d", time.UTC, false, ""},
		{"yesterday", time.UTC, false, ""},
		{"2026-02-30", time.UTC, false, ""},
	} {
		got, ok := parseInstant(c.in, now, c.zone, c.end)
		text := ""
		if ok {
			text = got.UTC().Format(time.RFC3339)
		}
		if text != c.want {
			t.Errorf("parseInstant(%q, %s, end %v) = %q, want %q", c.in, c.zone, c.end, text, c.want)
		}
	}
}

func TestTimeRangeNamesEachFault(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		since, until, zone string
		want               []string
	}{
		{"7d", "", "UTC", nil},
		{"2026-11-01", "2026-11-01", "UTC", nil}, // one day
		{"soon", "later", "Mars/Base", []string{"zone", "since", "until"}},
		{"2026-11-02", "2026-11-01", "UTC", []string{"until"}},
		{"1d", "2d", "UTC", []string{"until"}},
		{"7d", "", "Local", []string{"zone"}},
	} {
		_, _, faults := timeRange(c.since, c.until, c.zone, now)
		var fields []string
		for _, f := range faults {
			fields = append(fields, f.Field)
		}
		if len(fields) != len(c.want) {
			t.Errorf("%+v: faults %v, want %v", c, faults, c.want)
			continue
		}
		for i := range fields {
			if fields[i] != c.want[i] {
				t.Errorf("%+v: faults %v, want %v", c, faults, c.want)
			}
		}
	}
}
