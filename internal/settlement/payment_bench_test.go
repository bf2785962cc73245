package settlement

import (
	"fmt"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// BenchmarkPayoutNews sends a payout that covers many conversions and tells all of them:
// one operation is one conversion.
func BenchmarkPayoutNews(b *testing.B) {
	w := newBench(b, shop(nil))
	id := w.click(1, "anna").String()
	for i := range b.N {
		_, err := w.Take(b.Context(), affiliate.Report{Program: "shop", Tx: fmt.Sprintf("o%d", i), ClickID: id, Amount: euros(1_000_000), Status: affiliate.ReportApproved})
		check(b, err)
	}
	drafts, err := w.RunPayouts(b.Context(), "shop", "berta")
	check(b, err)
	_, err = w.ApprovePayout(b.Context(), drafts[0].ID, "carl")
	check(b, err)
	_, err = w.SendPayout(b.Context(), drafts[0].ID, "carl")
	check(b, err)
	b.ResetTimer()
	told, err := w.runPayments(b.Context())
	check(b, err)
	if told != b.N {
		b.Fatalf("%d conversions were told, not %d", told, b.N)
	}
}
