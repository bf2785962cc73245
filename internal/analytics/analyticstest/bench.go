package analyticstest

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// Setting is the number in the environment's ANALYTICS_ and name, else the usual one.
func Setting(name string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv("ANALYTICS_" + name)); err == nil {
		return n
	}
	return usual
}

// Processor is the time that this process has had of all processors: on a busy
// machine it tells more than the clock.
func Processor() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// Stored is what storing took: by the clock, of this process's processors, and by the
// clock for the longest batch. The making of clicks is not in it.
type Stored struct{ Clock, Processor, Longest time.Duration }

// Store appends clicks of [Things], each at a time, spread over the days that end now.
// Where change is not nil it changes the rows of a batch first.
func Store(b *testing.B, e analytics.Engine, clicks, each int, days float64, change func(rows []analytics.Row)) (sum Stored) {
	b.Helper()
	f, rows := Things(), make([]analytics.Row, each)
	span := days * float64(24*time.Hour/time.Millisecond)
	start := float64(time.Now().UnixMilli()) - span
	position := ""
	for done := 0; done < clicks; done += len(rows) {
		rows = rows[:min(each, clicks-done)]
		f.Rows(rows, start+span*float64(done)/float64(clicks), span/float64(clicks))
		if change != nil {
			change(rows)
		}
		next := strconv.Itoa(done + len(rows))
		began, had := time.Now(), Processor()
		if err := e.Append(b.Context(), analytics.Batch{Source: "1/0", From: position, To: next, Rows: rows}); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		position = next
		sum = Stored{sum.Clock + took, sum.Processor + Processor() - had, max(sum.Longest, took)}
	}
	return sum
}

// BenchmarkAppend measures storing b.N clicks of a day in batches of each.
func BenchmarkAppend(b *testing.B, e analytics.Engine, each int) {
	b.Helper()
	sum := Store(b, e, b.N, each, 1, nil)
	b.ReportMetric(float64(b.N)/sum.Clock.Seconds(), "clicks/s")
	b.ReportMetric(float64(sum.Processor.Nanoseconds())/1000/float64(b.N), "cpu-µs/click")
	b.ReportMetric(sum.Longest.Seconds(), "s/longest")
}

// BenchmarkKept measures reports and exports over ANALYTICS_CLICKS clicks of fourteen
// days, and which clicks are known among them, after it has measured storing them in
// batches of each. An engine that was filled by an earlier run is asked as it is.
// settle, where it is not nil, is called before the first question.
func BenchmarkKept(b *testing.B, e analytics.Engine, each int, settle func()) {
	position, err := e.Position(b.Context(), "1/0")
	if err != nil {
		b.Fatal(err)
	}
	if position == "" {
		clicks := Setting("CLICKS", 1_000_000)
		sum := Store(b, e, clicks, each, 14, nil)
		b.Logf("stored %d clicks in %v: %.0f/s, %.2f µs of our processors a click, the longest batch of %d took %v",
			clicks, sum.Clock, float64(clicks)/sum.Clock.Seconds(), float64(sum.Processor.Microseconds())/float64(clicks), each, sum.Longest)
	}
	if settle != nil {
		settle()
	}
	stats, err := e.Stats(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d clicks are kept, %.1f bytes each on disk", stats.Clicks, float64(stats.Bytes)/float64(stats.Clicks))
	benchmarkReports(b, e)
	benchmarkKnown(b, e)
	benchmarkExports(b, e)
}

// benchmarkReports measures reports about a week.
func benchmarkReports(b *testing.B, e analytics.Engine) {
	week := analytics.Filter{Since: time.Now().Add(-7 * 24 * time.Hour)}
	thing := analytics.Filter{Since: week.Since, Is: map[analytics.Dimension][]string{analytics.ByLink: {"the-thing-17"}}}
	type dimensions = []analytics.Dimension
	for _, bench := range []struct {
		name string
		q    analytics.Query
	}{
		{"[link]", analytics.Query{Filter: week, By: dimensions{analytics.ByLink}, Limit: 100}},
		{"[link] all", analytics.Query{Filter: week, By: dimensions{analytics.ByLink}, Limit: 100, All: true}},
		{"[link] by name", analytics.Query{Filter: week, By: dimensions{analytics.ByLink}, Limit: 100, Order: "link"}},
		{"[day]", analytics.Query{Filter: week, By: dimensions{analytics.ByDay}, Zone: "Europe/Berlin"}},
		{"[day] of a link", analytics.Query{Filter: thing, By: dimensions{analytics.ByDay}}},
		{"[hour device]", analytics.Query{Filter: week, By: dimensions{analytics.ByHour, analytics.ByDevice}, Zone: "Europe/Berlin"}},
		{"[referrer page]", analytics.Query{Filter: week, By: dimensions{analytics.ByReferrer, analytics.ByPage}}},
		{"[day link]", analytics.Query{Filter: week, By: dimensions{analytics.ByDay, analytics.ByLink}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			had := Processor()
			for b.Loop() {
				if _, err := e.Report(b.Context(), bench.q); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((Processor()-had).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// benchmarkKnown asks about a thousand clicks, a second apart, that are not there.
func benchmarkKnown(b *testing.B, e analytics.Engine) {
	ids := make([]affiliate.ClickID, 1000)
	start := time.Now().Add(-7 * 24 * time.Hour).UnixMilli()
	for i := range ids {
		ids[i] = affiliate.NewClickID(start+int64(i)*1000, 1, uint64(i)*0x9e3779b97f4a7c15>>8)
	}
	b.Run("known, a thousand of a quarter of an hour", func(b *testing.B) {
		for b.Loop() {
			if _, err := e.Known(b.Context(), ids); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchmarkExports(b *testing.B, e analytics.Engine) {
	hours := analytics.Filter{Since: time.Now().Add(-24 * time.Hour), Until: time.Now().Add(-22 * time.Hour)}
	for _, format := range []analytics.ExportFormat{analytics.CSV, analytics.Parquet} {
		b.Run(fmt.Sprintf("export two hours as %s", format), func(b *testing.B) {
			for b.Loop() {
				if err := e.Export(b.Context(), hours, format, io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
