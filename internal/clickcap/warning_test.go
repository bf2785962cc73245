package clickcap

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestWarnings(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		keeper *Keeper
		want   string
	}{
		"nobody has asked it to":  {&Keeper{capped: 1, looked: now.Add(-time.Hour), lag: time.Hour, late: 9}, ""},
		"there are no caps":       {&Keeper{active: true, looked: now.Add(-time.Hour), lag: time.Hour, late: 9}, ""},
		"all is well":             {&Keeper{active: true, capped: 1, looked: now.Add(-2 * time.Second), lag: 2 * time.Second}, ""},
		"the reports fail":        {&Keeper{active: true, capped: 1, looked: now, fault: errors.New("away")}, "cannot be kept: away"},
		"the store fails":         {&Keeper{active: true, looked: now, fault: errors.New("away")}, "cannot be kept: away"},
		"the reports are slow":    {&Keeper{active: true, capped: 1, looked: now.Add(-20 * time.Second)}, "last looked at 20 s ago"},
		"they are for a moment":   {&Keeper{active: true, capped: 1, looked: now, lag: time.Hour, late: 2}, ""},
		"the reports are behind":  {&Keeper{active: true, capped: 1, looked: now, lag: 90 * time.Second, late: 3}, "counted 90 s late"},
		"both, and it cannot ask": {&Keeper{active: true, capped: 1, looked: now.Add(-time.Minute), fault: errors.New("away"), lag: time.Minute, late: 9}, "away"},
	} {
		k := c.keeper
		k.options = Options{Now: func() time.Time { return now }}
		if got := k.Warning(); got != c.want && (c.want == "" || !strings.Contains(got, c.want)) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
