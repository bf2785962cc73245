package analytics_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
)

func TestCover(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	early, late, never := now.Add(-48*time.Hour), now.Add(-time.Hour), time.Time{}
	ahead := now.Add(time.Minute)
	for _, test := range []struct {
		name                   string
		askedSince, askedUntil time.Time
		first, last            time.Time
		since, until           time.Time
	}{
		{"as asked", early, late, now, now, early, late},
		{"all", never, never, early, late, early, now},
		{"a click ahead of the clock", never, never, early, ahead, early, ahead.Add(time.Millisecond)},
		{"a click of this moment", never, never, early, now, early, now.Add(time.Millisecond)},
		{"a click a millisecond ago", never, never, early, now.Add(-time.Millisecond), early, now},
		{"from a time on", late, never, now, now, late, now.Add(time.Millisecond)},
		{"up to a time", never, late, early, early, early, late},
		{"nothing", never, never, never, never, now, now},
		{"nothing up to a time", never, late, never, never, late, late},
		{"nothing from a time on", early, never, never, never, early, now},
	} {
		q := analytics.Query{Filter: analytics.Filter{Since: test.askedSince, Until: test.askedUntil}}
		r := analytics.NewReport(&q)
		err := r.Cover(&q, func() time.Time { return now }, func() (time.Time, time.Time, error) { return test.first, test.last, nil })
		if err != nil || r.Since != test.since || r.Until != test.until {
			t.Errorf("%s: %v to %v, %v; want %v to %v", test.name, r.Since, r.Until, err, test.since, test.until)
		}
	}
	failed := errors.New("no bounds")
	q := analytics.Query{}
	err := analytics.NewReport(&q).Cover(&q, time.Now, func() (first, last time.Time, err error) { return first, last, failed })
	if !errors.Is(err, failed) {
		t.Errorf("an engine that failed: %v", err)
	}
}
