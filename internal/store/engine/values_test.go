package engine_test

import (
	"math"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/store/engine"
)

func TestTexts(t *testing.T) {
	for _, c := range []struct{ name, got, want string }{
		{"the end of a prefix", engine.PrefixEnd("partner/"), "partner0"},
		{"the end of one with the highest byte", engine.PrefixEnd("a\xff\xff"), "b"},
		{"the end of one with the highest but one", engine.PrefixEnd("a\xfe"), "a\xff"},
		{"no end of the highest bytes", engine.PrefixEnd("\xff\xff"), ""},
		{"no end of everything", engine.PrefixEnd(""), ""},
		{"a short text", engine.Cut("short", 5), "short"},
		{"a character that does not fit", engine.Cut("für", 2), "f"},
		{"a pattern", engine.LikeWithin("ab"), "%ab%"},
		{"a pattern of what LIKE knows", engine.LikeWithin(`50%_\`), `%50\%\_\\%`},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, not %q", c.name, c.got, c.want)
		}
	}
}

func TestTimes(t *testing.T) {
	at := time.Date(2026, 11, 20, 8, 0, 0, 5e6, time.UTC)
	for _, want := range []time.Time{{}, at} {
		if got := engine.Instant(engine.Millis(want)); got != want {
			t.Errorf("%v was kept as %v", want, got)
		}
	}
	if first, end := engine.Span(time.Time{}, time.Time{}); first != math.MinInt64 || end != math.MaxInt64 {
		t.Errorf("all times are %d to %d", first, end)
	}
	if first, end := engine.Span(at, at.Add(time.Second)); first != at.UnixMilli() || end != at.UnixMilli()+1000 {
		t.Errorf("a second is %d to %d", first, end)
	}
}
