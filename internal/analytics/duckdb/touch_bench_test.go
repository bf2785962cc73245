package duckdb

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// BenchmarkTouches measures look-ups among ANALYTICS_CLICKS clicks of thirty days.
// One click in five is of a visitor who came before; one in four has a query of
// its own, as paid traffic has, and so a row of its own in the side table.
//
//	ANALYTICS_CLICKS=10000000 go test -run - -bench Touches -timeout 1h ./internal/analytics/duckdb
func BenchmarkTouches(b *testing.B) {
	clicks, err := strconv.Atoi(os.Getenv("ANALYTICS_CLICKS"))
	if err != nil {
		clicks = 1_000_000
	}
	path := os.Getenv("ANALYTICS_FILE")
	if path == "" {
		path = filepath.Join(b.TempDir(), "clicks.duckdb")
	}
	e, err := Open(Options{Path: path, MemoryLimit: os.Getenv("ANALYTICS_MEMORY")})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	}()
	if stats, err := e.Stats(context.Background()); err != nil {
		b.Fatal(err)
	} else if stats.Clicks == 0 {
		ingestTouches(b, e, clicks)
	}
	if _, err := e.db.Exec("CHECKPOINT"); err != nil {
		b.Fatal(err)
	}
	b.Log("before the look-ups: " + memoryPeak())
	newest := e.extent.last
	for _, days := range []int{1, 30} {
		for _, n := range []int{1, 200, 1000} {
			ids, visitors := sample(b, e, n, newest.AddDate(0, 0, -days))
			b.Run(fmt.Sprintf("%d ids of %d days", n, days), func(b *testing.B) {
				lookUps(b, n, func() (int, error) {
					found, err := e.Clicks(context.Background(), ids)
					return len(found), err
				})
			})
			b.Run(fmt.Sprintf("%d visitors of %d days", n, days), func(b *testing.B) {
				lookUps(b, 0, func() (int, error) {
					found, err := e.Touches(context.Background(), "amazon-de", visitors, newest.AddDate(0, 0, -days), newest)
					return len(found), err
				})
			})
		}
		// What the collector asks about a full batch of clicks from elsewhere.
		ids, visitors := sample(b, e, 10_000, newest.AddDate(0, 0, -days))
		b.Run(fmt.Sprintf("known 10000 ids of %d days", days), func(b *testing.B) {
			lookUps(b, len(ids), func() (int, error) {
				found, err := e.Known(context.Background(), ids)
				return len(found), err
			})
		})
		b.Run(fmt.Sprintf("uniques of 10000 visitors of %d days", days), func(b *testing.B) {
			lookUps(b, 0, func() (n int, err error) {
				err = e.UniquesOf(context.Background(), visitors, newest.AddDate(0, 0, -days), newest, func(affiliate.VisitorID, int64, time.Time) { n++ })
				return n, err
			})
		})
	}
	b.Log("after the look-ups: " + memoryPeak())
}

// lookUps times fn; it has to find so many, or any number when want is 0.
func lookUps(b *testing.B, want int, fn func() (int, error)) {
	had := processor()
	for b.Loop() {
		if found, err := fn(); err != nil || want != 0 && found != want {
			b.Fatalf("found %d of %d: %v", found, want, err)
		}
	}
	b.ReportMetric(float64((processor()-had).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

func ingestTouches(b *testing.B, e *Engine, clicks int) {
	f, rows := newTraffic(), make([]Row, 20_000)
	var visitors [50_000]affiliate.VisitorID
	span := 30 * float64(msDay)
	start := float64(time.Now().UnixMilli()) - span
	position := ""
	for done := 0; done < clicks; done += len(rows) {
		rows = rows[:min(len(rows), clicks-done)]
		f.fill(rows, start+span*float64(done)/float64(clicks), span/float64(clicks))
		for i := range rows {
			r, known := &rows[i], &visitors[f.random.IntN(len(visitors))]
			if !known.IsZero() && f.random.IntN(5) == 0 {
				r.Visitor = *known
			}
			*known = r.Visitor
			if f.random.IntN(4) == 0 {
				r.Query, r.Partner = fmt.Sprintf("gclid=%x", f.random.Uint64()), "partner-8"
			}
		}
		next := strconv.Itoa(done + len(rows))
		if err := e.Append(context.Background(), analytics.Batch{Source: "1/0", From: position, To: next, Rows: rows}); err != nil {
			b.Fatal(err)
		}
		position = next
	}
}

// sample are n clicks since then, evenly spread, and who made them.
func sample(b *testing.B, e *Engine, n int, since time.Time) (ids []affiliate.ClickID, visitors []affiliate.VisitorID) {
	ctx := context.Background()
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
