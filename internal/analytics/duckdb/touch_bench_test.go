package duckdb

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics/analyticstest"
)

// BenchmarkTouches measures look-ups among ANALYTICS_CLICKS clicks of thirty days.
// One click in five is of a visitor who came before; one in four has a query of
// its own, as paid traffic has, and so a row of its own in the side table.
//
//	ANALYTICS_CLICKS=10000000 go test -run - -bench Touches -timeout 1h ./internal/analytics/duckdb
func BenchmarkTouches(b *testing.B) {
	e := openBench(b)
	if stats, err := e.Stats(b.Context()); err != nil {
		b.Fatal(err)
	} else if stats.Clicks == 0 {
		storeTouches(b, e, analyticstest.Setting("CLICKS", 1_000_000))
	}
	settle(b, e)
	b.Log("before the look-ups: " + memoryPeak())
	newest := e.extent.last
	for _, days := range []int{1, 30} {
		for _, n := range []int{1, 200, 1000} {
			ids, visitors := sample(b, e, n, newest.AddDate(0, 0, -days))
			b.Run(fmt.Sprintf("%d ids of %d days", n, days), func(b *testing.B) {
				lookUps(b, n, func() (int, error) {
					found, err := e.Clicks(b.Context(), ids)
					return len(found), err
				})
			})
			b.Run(fmt.Sprintf("%d visitors of %d days", n, days), func(b *testing.B) {
				lookUps(b, 0, func() (int, error) {
					found, err := e.Touches(b.Context(), analyticstest.Program, visitors, newest.AddDate(0, 0, -days), newest)
					return len(found), err
				})
			})
		}
		// What the collector asks about a full batch of clicks from elsewhere.
		ids, visitors := sample(b, e, 10_000, newest.AddDate(0, 0, -days))
		b.Run(fmt.Sprintf("known 10000 ids of %d days", days), func(b *testing.B) {
			lookUps(b, len(ids), func() (int, error) {
				found, err := e.Known(b.Context(), ids)
				return len(found), err
			})
		})
		b.Run(fmt.Sprintf("uniques of 10000 visitors of %d days", days), func(b *testing.B) {
			lookUps(b, 0, func() (n int, err error) {
				err = e.UniquesOf(b.Context(), visitors, newest.AddDate(0, 0, -days), newest, func(affiliate.VisitorID, int64, time.Time) { n++ })
				return n, err
			})
		})
	}
	b.Log("after the look-ups: " + memoryPeak())
}

// lookUps times fn; it has to find so many, or any number when want is 0.
func lookUps(b *testing.B, want int, fn func() (int, error)) {
	had := analyticstest.Processor()
	for b.Loop() {
		if found, err := fn(); err != nil || want != 0 && found != want {
			b.Fatalf("found %d of %d: %v", found, want, err)
		}
	}
	b.ReportMetric(float64((analyticstest.Processor()-had).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// storeTouches stores clicks of a month, some of them of visitors who came before.
func storeTouches(b *testing.B, e *Engine, clicks int) {
	random := rand.New(rand.NewPCG(7, 13))
	var visitors [50_000]affiliate.VisitorID
	analyticstest.Store(b, e, clicks, 20_000, 30, func(rows []Row) {
		for i := range rows {
			r, known := &rows[i], &visitors[random.IntN(len(visitors))]
			if !known.IsZero() && random.IntN(5) == 0 {
				r.Visitor = *known
			}
			*known = r.Visitor
			if random.IntN(4) == 0 {
				r.Query, r.Partner = fmt.Sprintf("gclid=%x", random.Uint64()), "partner-8"
			}
		}
	})
}

// sample are n clicks since then, evenly spread, and who made them.
func sample(b *testing.B, e *Engine, n int, since time.Time) (ids []affiliate.ClickID, visitors []affiliate.VisitorID) {
	ctx := b.Context()
	err := e.read(ctx, func(tx *sql.Tx) error {
		var first, last int64
		if err := tx.QueryRow(`SELECT min(rowid), max(rowid) FROM clicks WHERE "time" >= `+instant(since)).Scan(&first, &last); err != nil {
			return err
		}
		query := fmt.Sprintf("SELECT %s, %s FROM clicks WHERE rowid >= %d AND (rowid - %[3]d) %% %d = 0 LIMIT %d", idText, visitorText, first, (last-first)/int64(n), n)
		return each(ctx, tx, query, nil, func(rows *sql.Rows) error {
			var id, visitor string
			if err := rows.Scan(&id, &visitor); err != nil {
				return err
			}
			ids = append(ids, affiliate.ClickID([]byte(id)))
			visitors = append(visitors, affiliate.VisitorID([]byte(visitor)))
			return nil
		})
	})
	if err != nil || len(ids) != n {
		b.Fatalf("%d clicks for a sample of %d: %v", len(ids), n, err)
	}
	return ids, visitors
}
