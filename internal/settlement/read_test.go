package settlement

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/remittance"
)

// What a partner was owed, and when: at each moment of an order's life.
func TestBalancesAndStatementOverTime(t *testing.T) {
	b := newBench(t, shop(nil))
	id := b.click(1, "anna")
	b.wait(1)
	b.take(affiliate.Report{Tx: "order-1", ClickID: id.String(), Amount: euros(30_000)})
	ordered := b.clock()
	b.wait(30)
	check(t, b.Adjust(t.Context(), ledger.Adjustment{ID: "a", Why: ledger.Bonus, Program: "shop", Partner: "anna", Amount: *euros(500), Note: "spring", Author: "berta"}))
	approved := b.clock()
	b.wait(1)
	drafts, err := b.RunPayouts(t.Context(), "shop", "berta")
	check(t, err)
	_, err = b.ApprovePayout(t.Context(), drafts[0].ID, "carl")
	check(t, err)
	sent, err := b.SendPayout(t.Context(), drafts[0].ID, "dora")
	check(t, err)
	if sent.State != ledger.PayoutSent {
		t.Errorf("sent: %+v", sent)
	}
	for _, c := range []struct {
		name                          string
		at                            time.Time
		rows                          int
		pending, owed, inPayout, paid int64
	}{
		{"before the order", ordered.Add(-time.Second), 0, 0, 0, 0, 0},
		{"with the order", ordered, 1, 3000, 0, 0, 0},
		{"approved, with a bonus", approved, 1, 0, 3500, 0, 0},
		{"now", time.Time{}, 1, 0, 0, 0, 3500},
	} {
		got, err := b.Balances(t.Context(), BalanceQuery{Program: "shop", Partner: "anna", At: c.at})
		check(t, err)
		if len(got) != c.rows {
			t.Fatalf("%s: %+v", c.name, got)
		}
		if c.rows == 1 && (got[0].Pending.Minor != c.pending || got[0].Owed.Minor != c.owed || got[0].InPayout.Minor != c.inPayout || got[0].PaidOut.Minor != c.paid) {
			t.Errorf("%s: %+v", c.name, got[0])
		}
	}
	if others, err := b.Balances(t.Context(), BalanceQuery{Partner: "ben"}); err != nil || len(others) != 0 {
		t.Errorf("ben has %+v, %v", others, err)
	}
	if _, err := b.Balances(t.Context(), BalanceQuery{Program: "absent"}); affiliate.CodeOf(err) != affiliate.NotFound {
		t.Errorf("a program that is not there: %v", err)
	}

	s, err := b.Statement(t.Context(), "shop", "anna", approved, b.clock().Add(time.Second))
	check(t, err)
	// The approval and the bonus are of one moment, so both lie in the statement.
	if s.Opening.Minor != 0 || s.Closing.Minor != 0 || len(s.Lines) != 3 || s.Lines[2].Amount.Minor != -3500 {
		t.Errorf("the statement: %+v", s)
	}
	var out bytes.Buffer
	check(t, remittance.WriteStatement(&out, s))
	if !strings.Contains(out.String(), "bonus,5.00,35.00,EUR") {
		t.Errorf("written:\n%s", out.String())
	}
	s, err = b.Statement(t.Context(), "shop", "anna", approved.Add(time.Millisecond), b.clock())
	check(t, err)
	if s.Opening.Minor != 3500 || s.Closing.Minor != 3500 || len(s.Lines) != 0 {
		t.Errorf("between: %+v", s)
	}
}

// What a network owes, or is owed, is what its programs' balances add up to.
func TestBalancesOfANetwork(t *testing.T) {
	named := func(id, network string) affiliate.Program {
		p := shop(nil)
		p.ID, p.Network = id, network
		return p
	}
	b := newBench(t, named("a", "awin"), named("b", "awin"), named("c", "impact"))
	for i, program := range []string{"a", "b", "c"} {
		check(t, b.Adjust(t.Context(), ledger.Adjustment{ID: program, Why: ledger.Bonus, Program: program, Partner: "anna", Amount: *euros(int64(i+1) * 100), Note: "spring", Author: "berta"}))
	}
	for network, want := range map[string]int64{"awin": 300, "impact": 300, "": 600} {
		all, err := b.Balances(t.Context(), BalanceQuery{Network: network})
		check(t, err)
		if totals := TotalBalances(all); len(totals) != 1 || totals[0].Owed != *euros(want) || totals[0].Partner != "" {
			t.Errorf("%q: %+v of %+v, want %d", network, totals, all, want)
		}
	}
	if all, err := b.Balances(t.Context(), BalanceQuery{Network: "awin", At: begin.Add(-time.Hour)}); err != nil || len(all) != 0 {
		t.Errorf("before: %+v, %v", all, err)
	}
}
