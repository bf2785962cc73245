package commission

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// anyFacts draws facts with many ties and edges: few times, few partners, amounts near
// both ends.
func anyFacts(t *rapid.T) *Facts {
	currency := affiliate.Currency("EUR")
	amount := rapid.Custom(func(t *rapid.T) *affiliate.Money {
		if rapid.IntRange(0, 4).Draw(t, "told") == 4 {
			return nil // which a ruling reads as all
		}
		c := currency
		if rapid.IntRange(0, 30).Draw(t, "strange") == 0 {
			c = "USD"
		}
		n := rapid.OneOf(rapid.Int64Range(0, 12_000), rapid.Int64Range(amountMax-3, amountMax)).Draw(t, "amount")
		return &affiliate.Money{Minor: n, Currency: c}
	})
	between := func(first, last int) *rapid.Generator[time.Time] {
		return rapid.Custom(func(t *rapid.T) time.Time {
			return placed.Add(days(rapid.IntRange(first, last).Draw(t, "day"))).Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "ns")))
		})
	}
	clicked, reported, moment := between(-35, 2), between(0, 4), between(-3, 45)
	partner := rapid.SampledFrom([]string{"", "anna", "ben"})
	rate := rapid.Custom(func(t *rapid.T) affiliate.Rate {
		return affiliate.Rate{
			Event:   rapid.SampledFrom([]string{"", "", "sale"}).Draw(t, "event"),
			Percent: affiliate.Percentage(rapid.Int64Range(0, 1_000_000).Draw(t, "percent")),
			Fixed:   rapid.Int64Range(0, 1_000).Draw(t, "fixed"),
			Cap:     rapid.SampledFrom([]int64{0, 0, 5, 700}).Draw(t, "cap"),
			Orders:  rapid.IntRange(0, 2).Draw(t, "orders"),
			Tiers:   []affiliate.Tier{{From: rapid.Int64Range(0, 10).Draw(t, "tier"), Percent: 1_000_000}},
		}
	})
	terms := rapid.Custom(func(t *rapid.T) affiliate.CommissionTerms {
		return affiliate.CommissionTerms{
			From: placed.Add(days(rapid.IntRange(-40, 2).Draw(t, "from"))), Rates: rapid.SliceOfN(rate, 0, 3).Draw(t, "rates"),
			HoldDays: rapid.IntRange(0, 40).Draw(t, "hold"), LockDay: rapid.SampledFrom([]int{0, 0, 1, 28}).Draw(t, "lock"), Manual: rapid.IntRange(0, 9).Draw(t, "manual") == 0,
		}
	})
	f := &Facts{
		Settlement: &affiliate.Settlement{
			Currency: currency, Terms: rapid.SliceOfN(terms, rapid.IntRange(0, 2).Draw(t, "versions at least"), 4).Draw(t, "terms"),
			Duplicates: rapid.SampledFrom([]affiliate.DuplicateMode{"", "reject", "new", "flag", "overwrite", "add", "by_event"}).Draw(t, "mode"),
			Attribution: affiliate.Attribution{
				Model:      rapid.SampledFrom([]affiliate.Model{"", "last", "first", "linear", "decay", "position"}).Draw(t, "model"),
				WindowDays: rapid.SampledFrom([]int{0, 0, 1, 365}).Draw(t, "window"), CouponFirst: rapid.Bool().Draw(t, "coupon first"),
			},
		},
		Side: rapid.SampledFrom([]affiliate.Side{affiliate.Earns, affiliate.Pays}).Draw(t, "side"), Coupon: partner.Draw(t, "coupon"),
		PartnerTerms: map[string][]affiliate.CommissionTerms{"anna": rapid.SliceOfN(terms, 0, 2).Draw(t, "anna's terms")},
		Volume:       map[string]int64{"anna": 5}, OrdersBefore: rapid.IntRange(0, 2).Draw(t, "before"), Now: moment.Draw(t, "now"),
	}
	id := 0
	name := func(prefix string) string { id++; return prefix + string(rune('a'+id)) }
	f.Reports = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) affiliate.Report {
		return affiliate.Report{
			ID: name("r"), Event: rapid.SampledFrom([]string{"", "sale"}).Draw(t, "event"), At: reported.Draw(t, "at"), Taken: reported.Draw(t, "taken"),
			Status: rapid.SampledFrom([]affiliate.ReportStatus{pending, pending, pending, pending, approved, affiliate.ReportPaid, reversed}).Draw(t, "status"),
			Amount: amount.Draw(t, "amount"), Payout: amount.Draw(t, "payout"), ClickID: rapid.SampledFrom([]string{"", "", "cb", "cz"}).Draw(t, "click"),
		}
	}), min(1, rapid.IntRange(0, 9).Draw(t, "some reports")), 6).Draw(t, "reports")
	f.Path = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) affiliate.PathTouch {
		return affiliate.PathTouch{ClickID: name("c"), At: clicked.Draw(t, "at"), Partner: partner.Draw(t, "partner")}
	}), rapid.IntRange(0, 3).Draw(t, "touches at least"), 6).Draw(t, "path")
	f.Rulings = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Ruling {
		return Ruling{
			ID: name("d"), Author: "eve", At: moment.Draw(t, "at"), Do: rapid.SampledFrom([]RulingKind{Approve, Reverse, Reverse, Hold, Hold, Release, Release, Release}).Draw(t, "do"),
			Amount: amount.Draw(t, "amount"),
		}
	}), 0, 3).Draw(t, "rulings")
	if names := Orders(f.Settlement.Duplicates, f.Reports); len(names) > 0 {
		f.Order = rapid.SampledFrom(names).Draw(t, "order")
	}
	return f
}

func TestOrderOfFactsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts(t)
		want, names := Settle(f), Orders(f.Settlement.Duplicates, f.Reports)
		f.Reports = rapid.Permutation(f.Reports).Draw(t, "reports in another order")
		f.Path = rapid.Permutation(f.Path).Draw(t, "path in another order")
		f.Rulings = rapid.Permutation(f.Rulings).Draw(t, "rulings in another order")
		if d := cmp.Diff(want, Settle(f)); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(names, Orders(f.Settlement.Duplicates, f.Reports)); d != "" {
			t.Fatal(d)
		}
	})
}

// Settling a part of the facts on the way leaves no trace, and facts that are delivered
// twice change nothing.
func TestArrivalInPartsAndTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts(t)
		want := Settle(f)
		part := *f
		part.Reports = f.Reports[:rapid.IntRange(0, len(f.Reports)).Draw(t, "reports so far")]
		part.Rulings = f.Rulings[:rapid.IntRange(0, len(f.Rulings)).Draw(t, "rulings so far")]
		Settle(&part)
		twice := *f
		twice.Reports, twice.Rulings, twice.Path = slices.Repeat(f.Reports, 2), slices.Repeat(f.Rulings, 2), slices.Repeat(f.Path, 2)
		for name, got := range map[string]Outcome{"after a part": Settle(f), "twice": Settle(&twice)} {
			got.Steps, want.Steps = nil, nil // they count what came
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("%s: %s", name, d)
			}
		}
	})
}

func TestSharesAreTheCommission(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts(t)
		out := Settle(f)
		kept, sum := false, int64(0)
		for _, touch := range f.Path {
			kept = kept || touch.Partner == "" && f.Side == affiliate.Pays
		}
		for _, s := range out.Shares {
			if s.Amount.Minor <= 0 || s.Partner == "" && f.Side == affiliate.Pays {
				t.Fatalf("a share of %s for %q", s.Amount, s.Partner)
			}
			sum += s.Amount.Minor
		}
		if sum > out.Commission.Minor || sum < out.Commission.Minor && !kept {
			t.Fatalf("shares sum to %d, the commission is %s\n%s", sum, out.Commission, story(out))
		}
		if gone := out.State == affiliate.Reversed; gone && (out.Commission.Minor != 0 || out.Order.Minor != 0) {
			t.Fatalf("reversed, and %s of %s are left", out.Commission, out.Order)
		}
	})
}

// Without caps and with one version, reversals take nothing that the merchant keeps: the
// parts of one commission sum to the commission of the order.
func TestSameTermsSumExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := facts()
		f.Settlement.Attribution.Model = rapid.SampledFrom([]affiliate.Model{"linear", "decay", "position"}).Draw(t, "model")
		f.Settlement.Terms[0].Rates[0].Percent = affiliate.Percentage(rapid.Int64Range(0, 1_000_000).Draw(t, "percent"))
		f.Reports[0].Amount = eur(rapid.Int64Range(0, amountMax).Draw(t, "amount"))
		f.Path = nil
		for i := range rapid.IntRange(1, 9).Draw(t, "touches") {
			f.Path = append(f.Path, touch(string(rune('a'+i)), "anna", days(i)))
		}
		want := f.Settlement.Terms[0].Rates[0].Percent.Of(*f.Reports[0].Amount)
		if out := Settle(f); out.Commission != want {
			t.Fatalf("%s, want %s", out.Commission, want)
		}
	})
}

func TestTimeOnlyApproves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts(t)
		now := Settle(f)
		f.Now = f.Now.Add(days(rapid.IntRange(0, 200).Draw(t, "later")))
		later := Settle(f)
		if now.State != later.State && !(now.State == affiliate.Pending && later.State == affiliate.Approved) {
			t.Fatalf("%s became %s", now.State, later.State)
		}
		if d := cmp.Diff(now.Shares, later.Shares); d != "" {
			t.Fatal(d)
		}
	})
}

func TestDueIsWhenItChanges(t *testing.T) {
	seen := 0
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts(t)
		f.Now = placed
		out := Settle(f)
		if out.Due.IsZero() {
			f.Now = placed.AddDate(50, 0, 0)
			if later := Settle(f); later.State != out.State {
				t.Fatalf("%s became %s, and nothing was due", out.State, later.State)
			}
			return
		}
		seen++
		f.Now = out.Due.Add(-1)
		before := Settle(f)
		f.Now = out.Due
		if at := Settle(f); before.State != out.State || at.State == before.State || !at.Due.IsZero() {
			t.Fatalf("%s, just before %s, at %s %s", out.State, before.State, out.Due, at.State)
		}
	})
	if seen == 0 {
		t.Error("nothing was ever due: the facts that are drawn are too poor")
	}
}

func TestEveryOutcomeExplainsItself(t *testing.T) {
	f := facts()
	f.Settlement.Attribution.Model = affiliate.Linear
	text := story(Settle(f))
	for _, part := range []string{"linear", "c1", "anna", "terms of the program from 2025-03-01", "rate 0", "10 % of 100.00 EUR is 10.00 EUR", "30 days", "2026-03-31 12:00:00 UTC"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in\n%s", part, text)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		out := Settle(anyFacts(t))
		if last := out.Steps[len(out.Steps)-1]; last.Rule != "state" || !strings.HasPrefix(last.Text, string(out.State)) {
			t.Fatalf("the last step of %s is %+v", out.State, last)
		}
	})
}

// FuzzAmounts looks for amounts that overflow: any int64 in any place.
func FuzzAmounts(f *testing.F) {
	f.Add([]byte{1}, int64(amountMax), int64(amountMax), int64(amountMax), uint8(0))
	f.Add([]byte{2}, int64(-1<<63), int64(1<<63-1), int64(1), uint8(3))
	modes := []affiliate.DuplicateMode{"reject", "new", "flag", "overwrite", "add", "by_event"}
	f.Fuzz(func(t *testing.T, more []byte, order, back, fixed int64, mode uint8) {
		facts := facts()
		facts.Settlement.Duplicates = modes[int(mode)%len(modes)]
		facts.Settlement.Attribution.Model = affiliate.PositionBased
		facts.Settlement.Terms[0].Rates[0].Fixed = fixed
		facts.Path = append(facts.Path, touch("c2", "ben", 0), touch("c3", "cora", 0))
		facts.Reports[0].Amount = eur(order)
		facts.Reports = append(facts.Reports, report("r2", reversed, eur(back), days(1)))
		for len(more) >= 8 && len(facts.Reports) < 40 {
			n := int64(binary.LittleEndian.Uint64(more))
			facts.Reports = append(facts.Reports, report(string(more[:8]), affiliate.ReportStatus([]string{"pending", "reversed"}[n&1]), eur(n), days(2)))
			more = more[8:]
		}
		out := Settle(facts)
		sum := int64(0)
		for _, s := range out.Shares {
			sum += s.Amount.Minor
		}
		if out.Order.Minor < 0 || out.Order.Minor > amountMax || sum != out.Commission.Minor || sum < 0 || sum > amountMax {
			t.Fatalf("order %s, commission %s, shares %d", out.Order, out.Commission, sum)
		}
	})
}

func TestAmountMaxIsTheReportsOwn(t *testing.T) {
	most := strings.Repeat("9", affiliate.AmountDigitsMax)
	m, err := affiliate.ParseAmount(most, "JPY")
	if err != nil || m.Minor != amountMax {
		t.Errorf("%s, %v", m, err)
	}
}

func TestTermsWithoutABeginAreSaidToHaveAlwaysHeld(t *testing.T) {
	if got := since(time.Time{}); got != "that have always held" {
		t.Errorf("explained as %q", got)
	}
	if got := since(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)); got != "from 2026-12-01 00:00:00 UTC" {
		t.Errorf("explained as %q", got)
	}
}
