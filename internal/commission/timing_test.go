package commission

import (
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

func TestTiming(t *testing.T) {
	terms := func(hold, lock int, manual bool) func(*Facts) {
		return func(f *Facts) {
			v := &f.Settlement.Terms[0]
			v.HoldDays, v.LockDay, v.Manual = hold, lock, manual
		}
	}
	rule := func(id string, do RulingKind, after int) func(*Facts) {
		return func(f *Facts) {
			f.Rulings = append(f.Rulings, Ruling{ID: id, Author: "eve", At: placed.Add(days(after)), Do: do})
		}
	}
	now := func(after time.Duration) func(*Facts) { return func(f *Facts) { f.Now = placed.Add(after) } }
	says := func(status affiliate.ReportStatus, after int) func(*Facts) {
		return func(f *Facts) { f.Reports = append(f.Reports, report("r2", status, nil, days(after))) }
	}
	flagged := func(f *Facts) {
		f.Settlement.Duplicates, f.Order = affiliate.AcceptFlagged, "r1"
		f.Reports = append(f.Reports, report("r0", pending, eur(10_000), -time.Minute))
	}
	date := func(m time.Month, d int) time.Time { return time.Date(2026, m, d, 0, 0, 0, 0, time.UTC) }
	held := placed.Add(days(30)) // 31 March, noon
	never := time.Time{}
	for _, e := range []struct {
		name   string
		change func(*Facts)
		state  affiliate.State
		due    time.Time
	}{
		{"a hold of 30 days", now(0), affiliate.Pending, held},
		{"a nanosecond before it ends", now(days(30) - 1), affiliate.Pending, held},
		{"when it ends", now(days(30)), affiliate.Approved, never},
		{"locked on day 5 of the month after", terms(30, 5, false), affiliate.Pending, date(time.April, 5)},
		{"the hold ends in April", terms(31, 5, false), affiliate.Pending, date(time.May, 5)},
		{"locked over the year's end", terms(290, 1, false), affiliate.Pending, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"no hold", terms(0, 0, false), affiliate.Approved, never},
		{"by hand only", all(terms(0, 0, true), now(days(900))), affiliate.Pending, never},
		{"by hand, and the merchant approves", all(terms(0, 0, true), says(approved, 1)), affiliate.Approved, never},
		{"the network has paid", says(affiliate.ReportPaid, 1), affiliate.Approved, never},
		{"a person approves", rule("1", Approve, 1), affiliate.Approved, never},
		{"a person approves while held", all(rule("1", Hold, 1), rule("2", Approve, 2)), affiliate.Approved, never},
		{"a person reverses", rule("1", Reverse, 1), affiliate.Reversed, never},
		{"a person reverses what was approved", all(now(days(40)), rule("1", Reverse, 39)), affiliate.Reversed, never},
		{"reversed, then approved", all(rule("1", Reverse, 1), rule("2", Approve, 2)), affiliate.Approved, never},
		{"approved, then reversed", all(rule("1", Approve, 1), rule("2", Reverse, 2)), affiliate.Reversed, never},
		{"at the same time the later id", all(rule("2", Approve, 1), rule("1", Reverse, 1)), affiliate.Approved, never},
		{"a person approves what the merchant reversed", all(rule("1", Approve, 2), says(reversed, 1)), affiliate.Reversed, never},
		{"held", all(now(days(900)), rule("1", Hold, 1)), affiliate.Pending, never},
		{"held when the hold of the terms ends", all(now(days(900)), rule("1", Hold, 30)), affiliate.Pending, never},
		{"held too late", all(now(days(900)), rule("1", Hold, 31)), affiliate.Approved, never},
		{"held and released in time", all(rule("1", Hold, 1), rule("2", Release, 2)), affiliate.Pending, held},
		{"released after the clock", all(now(days(41)), rule("1", Hold, 1), rule("2", Release, 40)), affiliate.Approved, never},
		{"held twice", all(now(days(41)), rule("1", Hold, 1), rule("2", Release, 2), rule("3", Hold, 3)), affiliate.Pending, never},
		{"held, and the merchant approves", all(rule("1", Hold, 1), says(approved, 2)), affiliate.Pending, never},
		{"held, and the merchant approves for yesterday", all(rule("1", Hold, 2), func(f *Facts) {
			says(approved, 1)(f)
			f.Reports[1].Taken = placed.Add(days(3))
		}), affiliate.Pending, never},
		{"the merchant approves, then held", all(rule("1", Hold, 3), says(approved, 2)), affiliate.Approved, never},
		{"held, the merchant approves, released", all(rule("1", Hold, 1), says(approved, 2), rule("2", Release, 3)), affiliate.Approved, never},
		{"flagged", all(flagged, now(days(900))), affiliate.Pending, never},
		{"flagged and released", all(flagged, rule("1", Release, 1)), affiliate.Pending, held},
		{"flagged and approved", all(flagged, rule("1", Approve, 1)), affiliate.Approved, never},
		{"nobody's", func(f *Facts) { f.Path = nil; f.Now = placed.Add(days(900)) }, affiliate.Unmatched, never},
		{"the longest hold of the credited touches", func(f *Facts) {
			f.Settlement.Attribution.Model = affiliate.Linear
			f.Settlement.Terms = append(f.Settlement.Terms, affiliate.CommissionTerms{From: placed.Add(-time.Hour), HoldDays: 10})
			f.Path = append(f.Path, touch("c0", "ben", 2*time.Hour))
		}, affiliate.Pending, held},
	} {
		t.Run(e.name, func(t *testing.T) {
			f := facts()
			e.change(f)
			if out := Settle(f); out.State != e.state || !out.Due.Equal(e.due) {
				t.Errorf("%s, due %s; want %s, %s\n%s", out.State, out.Due, e.state, e.due, story(out))
			}
		})
	}
}

func TestRulingReversesAPart(t *testing.T) {
	f := facts()
	f.Rulings = []Ruling{
		{ID: "1", Author: "eve", At: placed.Add(days(1)), Do: Reverse, Amount: eur(2_000)},
		{ID: "2", Author: "eve", At: placed.Add(days(2)), Do: Approve},
	}
	if out := Settle(f); out.State != affiliate.Approved || out.Commission.Minor != 800 {
		t.Errorf("%s %s, want 8.00 EUR approved", out.State, out.Commission)
	}
}
