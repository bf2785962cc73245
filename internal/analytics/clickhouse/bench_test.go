package clickhouse

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/analytics/analyticstest"
)

// What the figures are to be compared with: a click is some 560 bytes in the block
// that is sent, which the processor copies twice and packs once; at 100,000 clicks a
// second that is 56 MB/s, and a click has 10 µs of one core for both sides. A batch
// costs five statements, of which four are small ones of a few milliseconds.
//
//	go test -run - -bench Append -benchtime 500000x ./internal/analytics/clickhouse
//	go test -run - -bench Small -benchtime 200x ./internal/analytics/clickhouse
//	ANALYTICS_CLICKS=5000000 go test -run - -bench Kept -timeout 1h ./internal/analytics/clickhouse

func BenchmarkAppend(b *testing.B) {
	for _, each := range []int{10_240, 50_000} {
		for _, uncompressed := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d uncompressed=%v", each, uncompressed), func(b *testing.B) {
				o := options(b)
				o.Uncompressed = uncompressed
				e := mustOpen(b, o)
				defer func() { _ = e.Close() }()
				analyticstest.BenchmarkAppend(b, e, each)
			})
		}
	}
}

// BenchmarkSmall measures what a batch costs whatever is in it, and of that each
// statement around the rows: b.N is a number of batches.
func BenchmarkSmall(b *testing.B) {
	e := mustOpen(b, options(b))
	defer func() { _ = e.Close() }()
	f, rows := analyticstest.Things(), make([]Row, 1)
	position := ""
	b.Run("a batch of one click", func(b *testing.B) {
		for range b.N {
			f.Row(&rows[0], time.Now().UnixMilli())
			next := rows[0].ID.String()
			if err := e.Append(b.Context(), analytics.Batch{Source: "1/0", From: position, To: next, Rows: rows}); err != nil {
				b.Fatal(err)
			}
			position = next
		}
	})
	n := &entry{source: "2/0", from: "a", to: "b", tag: newTag(), runs: []run{{1, 2}}}
	b.Run("announce", func(b *testing.B) {
		for range b.N {
			n.number++
			if err := e.write(b.Context(), n, announced, false); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check", func(b *testing.B) {
		for range b.N {
			if _, err := e.stand(b.Context(), n); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("finish", func(b *testing.B) {
		for range b.N {
			if err := e.write(b.Context(), n, finished, true); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkKept measures what is asked of many clicks, after it has measured storing them.
func BenchmarkKept(b *testing.B) {
	e := mustOpen(b, options(b))
	defer func() { _ = e.Close() }()
	analyticstest.BenchmarkKept(b, e, 50_000, nil)
}
