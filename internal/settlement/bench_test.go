package settlement

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Reports as they come from many merchants' servers at once, every fifth a repetition,
// each durable before it is acknowledged. The clicks are at hand: what looking them up costs
// is measured where they are kept.
func BenchmarkTake(b *testing.B) {
	bench := newBench(b, shop(nil))
	var ids []affiliate.ClickID
	for i := range 1000 {
		ids = append(ids, bench.click(uint64(i), "anna"))
	}
	const senders = 128
	var next, duplicates atomic.Int64
	b.ResetTimer()
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				order := n - n%5/4 // every fifth is the one before again
				r, err := bench.Take(b.Context(), affiliate.Report{Program: "shop", Tx: fmt.Sprint("order-", order), Status: affiliate.ReportPending,
					ClickID: ids[order%1000].String(), Amount: euros(10_000 + order)})
				if err != nil {
					b.Error(err)
					return
				}
				if r.Duplicate {
					duplicates.Add(1)
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reports/s")
	b.ReportMetric(float64(duplicates.Load())/float64(b.N), "duplicates/report")
}
