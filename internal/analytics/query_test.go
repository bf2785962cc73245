package analytics_test

import (
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

func TestParseLink(t *testing.T) {
	for _, test := range []struct {
		in   string
		id   int64
		isID bool
		ok   bool
	}{
		{"#17", 17, true, true}, {"#0", 0, true, true}, {"#9223372036854775807", 1<<63 - 1, true, true},
		{"17", 0, false, true}, {"deal", 0, false, true}, {"", 0, false, true},
		{"#", 0, true, false}, {"#-1", 0, true, false}, {"# 1", 0, true, false}, {"#1x", 0, true, false},
		{"#9223372036854775808", 0, true, false}, {"##1", 0, true, false},
	} {
		id, isID, err := analytics.ParseLink(test.in)
		if isID != test.isID || (err == nil) != test.ok || test.ok && id != test.id {
			t.Errorf("%q: %d, %v, %v", test.in, id, isID, err)
		}
		if err != nil && affiliate.CodeOf(err) != affiliate.Invalid {
			t.Errorf("%q: the error is not for the caller: %v", test.in, err)
		}
	}
}

func TestOffsets(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	spring, autumn := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name         string
		zone         *time.Location
		since, until time.Time
		want         []analytics.Offset
	}{
		{"UTC", time.UTC, spring, autumn, []analytics.Offset{{Seconds: 0}}},
		{"a summer", berlin, spring, autumn, []analytics.Offset{{Seconds: 7200}}},
		{"a moment more", berlin, spring.Add(-1), autumn.Add(1), []analytics.Offset{{Until: spring, Seconds: 3600}, {Until: autumn, Seconds: 7200}, {Seconds: 3600}}},
		{"nothing", berlin, spring, spring, []analytics.Offset{{Seconds: 7200}}},
		{"the wrong way round", berlin, autumn, spring, []analytics.Offset{{Seconds: 3600}}},
	} {
		got := analytics.Offsets(test.zone, test.since, test.until)
		same := len(got) == len(test.want)
		for i := range got {
			same = same && got[i].Seconds == test.want[i].Seconds && got[i].Until.Equal(test.want[i].Until)
		}
		if !same {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
