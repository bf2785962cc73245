package settlement

import (
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
)

// What was reversed stays so: who says otherwise later is told, and nothing of it is kept.
func TestNothingLeadsBackFromReversed(t *testing.T) {
	for _, mode := range []affiliate.DuplicateMode{affiliate.RejectDuplicates, affiliate.ByEvent, affiliate.Overwrite} {
		b := newBench(t, shop(func(s *affiliate.Settlement) { s.Duplicates = mode }))
		id := b.click(1, "anna")
		b.take(affiliate.Report{Tx: "o", ClickID: id.String(), Amount: euros(10_000)})
		b.wait(2)
		early := b.clock().Add(-24 * time.Hour)
		b.take(affiliate.Report{Tx: "o", Status: affiliate.ReportApproved, At: early})
		b.take(affiliate.Report{Tx: "o", Status: affiliate.ReportReversed})
		b.wait(1)
		for _, status := range []affiliate.ReportStatus{affiliate.ReportApproved, affiliate.ReportPaid} {
			_, err := b.Take(t.Context(), affiliate.Report{Program: "shop", Tx: "o", Status: status, Amount: euros(10_000)})
			if want := mode != affiliate.Overwrite; (affiliate.CodeOf(err) == affiliate.Conflict) != want {
				t.Errorf("%s: %s after a reversal: %v", mode, status, err)
			}
			b.wait(0.1)
		}
		if r := b.take(affiliate.Report{Tx: "o", Status: affiliate.ReportApproved, At: early}); !r.Duplicate {
			t.Errorf("%s: a report that is known is answered %+v", mode, r)
		}
		if mode == affiliate.Overwrite {
			continue // its rule is that the latest word counts
		}
		if r := b.take(affiliate.Report{Tx: "o", Status: affiliate.ReportApproved, At: early.Add(time.Hour)}); r.State != affiliate.Reversed || b.owns(ledger.Owed("shop", "anna")) != 0 {
			t.Errorf("%s: an approval from before the reversal, late: %+v", mode, r)
		}
	}
}

// The same holds after a person's reversal, until a person takes that back.
func TestReportsDoNotUndoPeople(t *testing.T) {
	b := newBench(t, shop(nil))
	id := b.click(1, "anna")
	r := b.take(affiliate.Report{Tx: "o", ClickID: id.String(), Amount: euros(10_000)})
	b.wait(1)
	_, err := b.Rule(t.Context(), r.Conversion, commission.Ruling{Do: commission.Reverse, Author: "berta", Reason: affiliate.ReasonFraud})
	check(t, err)
	b.wait(1)
	approve := affiliate.Report{Program: "shop", Tx: "o", Status: affiliate.ReportApproved}
	if _, err := b.Take(t.Context(), approve); affiliate.CodeOf(err) != affiliate.Conflict {
		t.Errorf("a report undoes a person's reversal: %v", err)
	}
	_, err = b.Rule(t.Context(), r.Conversion, commission.Ruling{Do: commission.Approve, Author: "berta"})
	check(t, err)
	b.wait(1)
	if r := b.take(approve); r.State != affiliate.Approved {
		t.Errorf("after the reversal was taken back: %+v", r)
	}
}
