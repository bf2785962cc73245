package affiliate

import (
	"strings"
	"testing"
	"time"
)

func TestPeriodsOfACap(t *testing.T) {
	for _, c := range []struct{ per, zone, at, since, until string }{
		{"hour", "", "2026-11-27T13:59:59.999Z", "2026-11-27T13:00:00Z", "2026-11-27T14:00:00Z"},
		{"hour", "Asia/Kolkata", "2026-11-27T13:10:00Z", "2026-11-27T12:30:00Z", "2026-11-27T13:30:00Z"},
		{"day", "", "2026-11-27T00:00:00Z", "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z"},
		{"day", "Europe/Berlin", "2026-11-26T23:30:00Z", "2026-11-26T23:00:00Z", "2026-11-27T23:00:00Z"},
		{"day", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"}, // of 23 hours
		{"day", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"}, // of 25
		{"day", "Asia/Beirut", "2024-03-30T21:30:00Z", "2024-03-29T22:00:00Z", "2024-03-30T22:00:00Z"},   // the next has no midnight
		{"day", "Asia/Beirut", "2024-03-31T12:00:00Z", "2024-03-30T22:00:00Z", "2024-03-31T21:00:00Z"},
		{"month", "America/New_York", "2026-12-01T04:59:59Z", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"},
		{"month", "", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		limit := ClickCap{Clicks: 1, Per: CapPeriod(c.per), Zone: c.zone}
		since, until := limit.Period(at)
		if got := since.Format(time.RFC3339); got != c.since {
			t.Errorf("%s %s at %s begins at %s, want %s", c.per, c.zone, c.at, got, c.since)
		}
		if got := until.Format(time.RFC3339); got != c.until {
			t.Errorf("%s %s at %s ends at %s, want %s", c.per, c.zone, c.at, got, c.until)
		}
	}
	if since, until := (&ClickCap{Clicks: 1, Per: CapTotal}).Period(time.Now()); !since.IsZero() || !until.IsZero() {
		t.Errorf("a total is from %s to %s", since, until)
	}
}

// Whatever the zone, an instant is in its period, and the next period begins where it ends.
func TestPeriodsOfACapFollowEachOther(t *testing.T) {
	for _, zone := range []string{"", "Europe/Berlin", "Asia/Beirut", "America/Santiago", "Africa/Cairo", "Pacific/Auckland"} {
		for _, per := range []CapPeriod{CapPerDay, CapPerMonth} {
			c := ClickCap{Clicks: 1, Per: per, Zone: zone}
			at := time.Date(2023, 1, 1, 12, 0, 0, 0, time.UTC)
			_, before := c.Period(at)
			for ; at.Year() < 2027; at = at.Add(37 * time.Minute) {
				since, until := c.Period(at)
				if at.Before(since) || !at.Before(until) {
					t.Fatalf("%s in %q: %s is not in [%s, %s)", per, zone, at, since, until)
				}
				if !until.Equal(before) && !since.Equal(before) {
					t.Fatalf("%s in %q: a period ends at %s and the next begins at %s", per, zone, before, since)
				}
				before = until
			}
		}
	}
}

func TestCapsAsText(t *testing.T) {
	for in, want := range map[string]string{"1000/day": "1000/day", " 5 / Total ": "5/total", "7/month@Europe/Berlin": "7/month@Europe/Berlin", "1/hour@UTC": "1/hour"} {
		c, err := ParseClickCap(in)
		if err != nil || c.String() != want {
			t.Errorf("%q is read as %v, %v; want %s", in, c, err, want)
		}
	}
	for _, in := range []string{"", "1000", "day/1000", "1.5/day", "10/week", "none"} {
		if c, err := ParseClickCap(in); err == nil || !strings.Contains(err.Error(), "1000/day") {
			t.Errorf("%q is read as %v, %v", in, c, err)
		}
	}
}

func TestWhatIsWrongWithACap(t *testing.T) {
	for want, c := range map[string]ClickCap{
		"cap.clicks: 0 is not between 1 and 1000000000000":             {Per: CapPerDay},
		"cap.clicks: 1000000000001 is not between 1 and 1000000000000": {Clicks: CapClicksMax + 1, Per: CapPerDay},
		`cap.per: "week" is not one of hour, day, month, total`:        {Clicks: 1, Per: "week"},
		`cap.zone: "Mars/Olympus" is not a time zone`:                  {Clicks: 1, Per: CapPerDay, Zone: "Mars/Olympus"},
		`cap.zone: "Local" is not a time zone`:                         {Clicks: 1, Per: CapPerDay, Zone: "Local"},
	} {
		l := Link{Slug: "a", Destinations: []Destination{{URL: "https://shop.example/"}}, Cap: &c}
		l.Normalize()
		if _, err := l.Validate(Surroundings{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %s", c, err, want)
		}
	}
}

func TestServing(t *testing.T) {
	reached := &CapReached{}
	for _, c := range []struct {
		status Status
		cap    *CapReached
		want   Status
	}{{Active, nil, Active}, {Active, reached, Paused}, {"", reached, Paused}, {Paused, reached, Paused}, {Paused, nil, Paused}, {Archived, reached, Archived}} {
		if got := (&Link{Status: c.status, CapReached: c.cap}).Serving(); got != c.want {
			t.Errorf("%q with %v is served as %q, want %q", c.status, c.cap, got, c.want)
		}
	}
}
