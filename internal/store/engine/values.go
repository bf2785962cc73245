package engine

import (
	"math"
	"strings"
	"time"
)

// Millis is how a time is kept: its Unix millisecond, 0 for the zero time.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Instant is the time that Millis has kept, in UTC.
func Instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Span bounds kept times, first <= at < end, by those of a query, of which the zero time is no bound.
func Span(from, to time.Time) (first, end int64) {
	first, end = math.MinInt64, math.MaxInt64
	if !from.IsZero() {
		first = Millis(from)
	}
	if !to.IsZero() {
		end = Millis(to)
	}
	return first, end
}

// Cut shortens a text to a number of bytes, at the end of a character.
func Cut(s string, bytesMax int) string {
	if len(s) <= bytesMax {
		return s
	}
	return strings.ToValidUTF8(s[:bytesMax], "")
}

// PrefixEnd is the smallest text, by its bytes, above all that start with prefix; "" when there is none.
func PrefixEnd(prefix string) string {
	for b := []byte(prefix); len(b) > 0; b = b[:len(b)-1] {
		if b[len(b)-1] < 0xff {
			b[len(b)-1]++
			return string(b)
		}
	}
	return ""
}

var likeEscapes = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// LikeWithin is the pattern for LIKE of what has a text within. Its escapes are written with \.
func LikeWithin(text string) string { return "%" + likeEscapes.Replace(text) + "%" }
