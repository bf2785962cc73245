package pipeline

import (
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// Where nothing but clicks from elsewhere comes, they tell how far the reports are.
func TestNewestOfClicksFromElsewhere(t *testing.T) {
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	c := New(Options{})
	at := func(ago time.Duration, signals affiliate.Signals) (row analytics.Row) {
		row.ID, row.Signals = affiliate.NewClickID(noon.Add(-ago).UnixMilli(), 0, 1), signals
		return row
	}
	const away, months = affiliate.SignalElsewhere, 90 * 24 * time.Hour
	for _, step := range []struct {
		what string
		rows []analytics.Row
		want time.Duration
	}{
		{"a click of Sluice's", []analytics.Row{at(3*time.Hour, 0)}, 3 * time.Hour},
		{"of a minute ago and of months ago", []analytics.Row{at(time.Minute, away), at(months, away)}, time.Minute},
		{"of months ago", []analytics.Row{at(months, away)}, time.Minute},
		{"nothing", nil, time.Minute},
		{"a backlog of Sluice's", []analytics.Row{at(2*time.Minute, 0)}, 2 * time.Minute},
	} {
		c.noteNewest(step.rows)
		if got := noon.Sub(time.UnixMilli(c.lastStored.Load())); got != step.want {
			t.Errorf("%s: the newest is %s old, want %s", step.what, got, step.want)
		}
	}
}
