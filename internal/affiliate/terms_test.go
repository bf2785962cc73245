package affiliate

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

// shop is a program with a settlement that is valid.
func shop(edit func(*Settlement)) *Program {
	p := &Program{ID: "shop", Settlement: &Settlement{Currency: "EUR", Terms: []CommissionTerms{{From: day("2026-01-01"), Rates: []Rate{{Percent: 75_000}}}}}}
	if edit != nil {
		edit(p.Settlement)
	}
	p.Normalize()
	return p
}

func TestProgramDefaultsOfSettlement(t *testing.T) {
	late := time.Date(2026, 3, 1, 1, 0, 0, 999_999_999, time.FixedZone("", 3600))
	given := &Settlement{Currency: " eur ", Terms: []CommissionTerms{
		{From: late, Rates: []Rate{{Event: " sale ", Tiers: []Tier{}}}},
		{From: day("2026-01-01"), Rates: []Rate{}},
	}}
	p := &Program{ID: "shop", Merchant: " Shop ", Settlement: given}
	p.Normalize()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(p)
	const want = `{"id":"shop","merchant":"Shop","status":"active","side":"earns","partner_param":"ref","settlement":{"currency":"EUR",` +
		`"terms":[{"from":"2026-01-01T00:00:00Z"},{"from":"2026-03-01T00:00:00Z","rates":[{"event":"sale"}]}],` +
		`"attribution":{"model":"last","window_days":30,"half_life_days":7},"duplicates":"reject"}}`
	if err != nil || string(b) != want {
		t.Errorf("%s, %v\nwant %s", b, err, want)
	}
	if given.Currency != " eur " || !given.Terms[0].From.Equal(late) || given.Terms[0].Rates[0].Event != " sale " {
		t.Errorf("what was given is changed: %+v", given)
	}
	without := &Program{ID: "shop"}
	without.Normalize()
	if without.Settlement != nil || without.Side != Earns || without.Validate() != nil {
		t.Errorf("without settlement: %+v", without)
	}
}

func TestNormalizedTermsAreSortedAndStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var in []CommissionTerms
		for _, hour := range rapid.SliceOfN(rapid.IntRange(0, 10_000), 0, 20).Draw(t, "hours") {
			in = append(in, CommissionTerms{From: day("2026-01-01").Add(time.Duration(hour) * time.Hour), HoldDays: hour})
		}
		once := (&Settlement{Terms: in}).normalized()
		for i := range once.Terms {
			if i > 0 && once.Terms[i].From.Before(once.Terms[i-1].From) {
				t.Fatalf("%v", once.Terms)
			}
		}
		if a, b := asJSON(once), asJSON(once.normalized()); a != b {
			t.Fatalf("%s becomes %s", a, b)
		}
	})
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestSettlementFaults(t *testing.T) {
	many := func(n int) (out []CommissionTerms) {
		for i := range n {
			out = append(out, CommissionTerms{From: day("2026-01-01").AddDate(0, 0, i)})
		}
		return out
	}
	rate := func(r Rate) func(*Settlement) { return func(s *Settlement) { s.Terms[0].Rates = []Rate{r} } }
	terms := func(edit func(*CommissionTerms)) func(*Settlement) {
		return func(s *Settlement) { edit(&s.Terms[0]) }
	}
	const rate0 = "settlement.terms[0].rates[0]"
	for _, c := range []struct {
		name  string
		edit  func(*Settlement)
		field string // "": none
		says  string
	}{
		{"as it is", nil, "", ""},
		{"unknown currency", func(s *Settlement) { s.Currency = "XYZ" }, "settlement.currency", `"XYZ" is not a currency`},
		{"no currency", func(s *Settlement) { s.Currency = "" }, "settlement.currency", "ISO 4217"},
		{"no terms", func(s *Settlement) { s.Terms = nil }, "settlement.terms", "there are no terms"},
		{"100 versions", func(s *Settlement) { s.Terms = many(100) }, "", ""},
		{"101 versions", func(s *Settlement) { s.Terms = many(101) }, "settlement.terms", "at most 100"},
		{"same moment", func(s *Settlement) { s.Terms = append(many(1), many(1)...) }, "settlement.terms[1].from", "same moment, 2026-01-01T00:00:00Z"},
		{"same second", func(s *Settlement) {
			s.Terms = append(many(1), CommissionTerms{From: day("2026-01-01").Add(time.Second - 1)})
		}, "settlement.terms[1].from", "whole seconds"},
		{"since ever", terms(func(c *CommissionTerms) { c.From = time.Time{} }), "", ""},
		{"twice since ever", func(s *Settlement) { s.Terms = make([]CommissionTerms, 2) }, "settlement.terms[1].from", "the beginning"},
		{"year 0", terms(func(c *CommissionTerms) { c.From = time.Date(-1, 12, 31, 23, 0, 0, 0, time.UTC) }), "settlement.terms[0].from", "year"},
		{"year 10000", terms(func(c *CommissionTerms) { c.From = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) }), "settlement.terms[0].from", "year"},
		{"400 days", terms(func(c *CommissionTerms) { c.HoldDays = 400 }), "", ""},
		{"401 days", terms(func(c *CommissionTerms) { c.HoldDays = 401 }), "settlement.terms[0].hold_days", "between 0 and 400"},
		{"negative hold", terms(func(c *CommissionTerms) { c.HoldDays = -1 }), "settlement.terms[0].hold_days", "-1"},
		{"the 28th", terms(func(c *CommissionTerms) { c.LockDay = 28 }), "", ""},
		{"the 29th", terms(func(c *CommissionTerms) { c.LockDay = 29 }), "settlement.terms[0].lock_day", "between 0 and 28"},
		{"no day", terms(func(c *CommissionTerms) { c.LockDay = -1 }), "settlement.terms[0].lock_day", "-1"},
		{"50 rates", terms(func(c *CommissionTerms) { c.Rates = make([]Rate, 50) }), "", ""},
		{"51 rates", terms(func(c *CommissionTerms) { c.Rates = make([]Rate, 51) }), "settlement.terms[0].rates", "at most 50"},
		{"100 %", rate(Rate{Percent: Whole}), "", ""},
		{"over 100 %", rate(Rate{Percent: Whole + 1}), rate0 + ".percent", "1000001"},
		{"negative percent", rate(Rate{Percent: -1}), rate0 + ".percent", "-1"},
		{"5 for 5 %", rate(Rate{Percent: 5}), rate0 + ".percent", "7.5 % is 75000"},
		{"100 for 100 %", rate(Rate{Percent: 100}), rate0 + ".percent", "7.5 % is 75000"},
		{"negative fixed", rate(Rate{Fixed: -1}), rate0 + ".fixed", "-1"},
		{"large fixed", rate(Rate{Fixed: AmountMax + 1}), rate0 + ".fixed", "between"},
		{"negative cap", rate(Rate{Cap: -1}), rate0 + ".cap", "-1"},
		{"negative orders", rate(Rate{Orders: -1}), rate0 + ".orders", "-1"},
		{"a customer", rate(Rate{Customer: NewCustomer}), "", ""},
		{"unknown customer", rate(Rate{Customer: "old"}), rate0 + ".customer", "new, returning"},
		{"long event", rate(Rate{Event: strings.Repeat("x", 65)}), rate0 + ".event", "64 bytes"},
		{"category of two lines", rate(Rate{Category: "a\nb"}), rate0 + ".category", "cannot be printed"},
		{"tiers", rate(Rate{Tiers: []Tier{{From: 0, Percent: 50_000}, {From: 1, Fixed: 3}}}), "", ""},
		{"tiers down", rate(Rate{Tiers: []Tier{{From: 2}, {From: 1}}}), rate0 + ".tiers[1].from", "not above 2"},
		{"equal tiers", rate(Rate{Tiers: []Tier{{From: 2}, {From: 2}}}), rate0 + ".tiers[1].from", "not above 2"},
		{"negative tier", rate(Rate{Tiers: []Tier{{From: -1}}}), rate0 + ".tiers[0].from", "-1"},
		{"tier over 100 %", rate(Rate{Tiers: []Tier{{Percent: 2 * Whole}}}), rate0 + ".tiers[0].percent", "2000000"},
		{"tier of negative fixed", rate(Rate{Tiers: []Tier{{Fixed: -3}}}), rate0 + ".tiers[0].fixed", "-3"},
		{"21 tiers", rate(Rate{Tiers: make([]Tier, 21)}), rate0 + ".tiers", "at most 20"},
		{"a long window", func(s *Settlement) { s.Attribution.WindowDays = 999 }, "", ""},
		{"window too long", func(s *Settlement) { s.Attribution.WindowDays = 1000 }, "settlement.attribution.window_days", "between 1 and 999"},
		{"negative window", func(s *Settlement) { s.Attribution.WindowDays = -1 }, "settlement.attribution.window_days", "-1"},
		{"negative half-life", func(s *Settlement) { s.Attribution.HalfLifeDays = -1 }, "settlement.attribution.half_life_days", "-1"},
		{"unknown model", func(s *Settlement) { s.Attribution.Model = "middle" }, "settlement.attribution.model", "last, first, linear, decay, position"},
		{"unknown mode", func(s *Settlement) { s.Duplicates = "ignore" }, "settlement.duplicates", "reject, new, flag, overwrite, add, by_event"},
		{"negative payout", func(s *Settlement) { s.MinimumPayout = -1 }, "settlement.minimum_payout", "-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []expectedFault
			if c.field != "" {
				want = []expectedFault{{c.field, c.says}}
			}
			compareFaults(t, "faults", faultsOf(t, shop(c.edit).Validate()), want)
		})
	}
}

func TestProgramFaultsAreToldTogether(t *testing.T) {
	p := shop(func(s *Settlement) { s.Currency, s.MinimumPayout, s.Terms[0].HoldDays = "ABC", -5, 1000 })
	p.Side, p.Merchant = "takes", strings.Repeat("m", 201)
	compareFaults(t, "faults", faultsOf(t, p.Validate()), []expectedFault{{"side", "earns, pays"}, {"merchant", "200 bytes"},
		{"settlement.currency", "ABC"}, {"settlement.terms[0].hold_days", "1000"}, {"settlement.minimum_payout", "-5"}})
}

func TestTermsAt(t *testing.T) {
	s := shop(func(s *Settlement) {
		s.Terms = []CommissionTerms{{From: day("2026-03-01"), HoldDays: 3}, {From: day("2026-01-01"), HoldDays: 1}, {From: day("2026-02-01"), HoldDays: 2}}
	}).Settlement
	for at, want := range map[time.Time]int{
		day("2025-12-31"): 0, day("2026-01-01").Add(-1): 0, day("2026-01-01"): 1, day("2026-02-01").Add(-1): 1, day("2026-02-01"): 2,
		day("2026-02-28"): 2, day("2026-03-01"): 3, day("2999-01-01"): 3, day("2026-02-01").In(time.FixedZone("", -36_000)): 2,
	} {
		terms, ok := s.TermsAt(at)
		if ok != (want > 0) || ok && terms.HoldDays != want {
			t.Errorf("at %s: %+v, %v, want %d", at, terms, ok, want)
		}
	}
	ever := &Settlement{Terms: []CommissionTerms{{HoldDays: 7}}}
	if terms, ok := ever.TermsAt(day("1970-01-01")); !ok || terms.HoldDays != 7 {
		t.Errorf("since ever: %+v, %v", terms, ok)
	}
	if _, ok := (*Settlement)(nil).TermsAt(day("2026-01-01")); ok {
		t.Error("there are terms without a settlement")
	}
}

func TestSettlementCanBecome(t *testing.T) {
	now := day("2026-06-01").Add(500 * time.Millisecond)
	v := func(from string, percent Percentage) CommissionTerms {
		return CommissionTerms{From: day(from), Rates: []Rate{{Percent: percent}}}
	}
	of := func(terms ...CommissionTerms) *Settlement {
		return shop(func(s *Settlement) { s.Terms = terms }).Settlement
	}
	old := of(v("2026-01-01", 50_000), v("2026-05-01", 60_000), v("2026-07-01", 70_000))
	kept := []CommissionTerms{v("2026-01-01", 50_000), v("2026-05-01", 60_000)}
	in := func(c Currency, s *Settlement) *Settlement { s.Currency = c; return s }
	for _, c := range []struct {
		name      string
		old, next *Settlement
		want      []expectedFault
	}{
		{"the same", old, of(old.Terms...), nil},
		{"the same with empty lists", old, of(CommissionTerms{From: day("2026-01-01"), Rates: []Rate{{Percent: 50_000, Tiers: []Tier{}}}}, v("2026-05-01", 60_000)), nil},
		{"a version more", old, of(append(kept, v("2026-07-01", 70_000), v("2026-08-01", 1_000))...), nil},
		{"one before the one to come", old, of(append(kept, v("2026-06-02", 1_000), v("2026-07-01", 70_000))...), nil},
		{"the one to come changed", old, of(append(kept, v("2026-07-01", 80_000))...), nil},
		{"the one to come taken back", old, of(kept...), nil},
		{"other rules", old, shop(func(s *Settlement) { s.Terms = kept; s.Attribution.WindowDays = 90; s.MinimumPayout = 50_00 }).Settlement, nil},
		{"a first settlement in the past", nil, of(v("2020-01-01", 50_000)), nil},
		{"none and none", nil, nil, nil},
		{"removed", old, nil, []expectedFault{{"settlement", "cannot be removed"}}},
		{"another currency", old, in("USD", of(old.Terms...)), []expectedFault{{"settlement.currency", "from EUR to USD"}}},
		{"one in force changed", old, of(v("2026-01-01", 50_000), v("2026-05-01", 10_000)), []expectedFault{{"settlement.terms[1]", "2026-05-01T00:00:00Z are in force"}}},
		{"the first changed", old, of(v("2026-01-01", 10_000), v("2026-05-01", 60_000)), []expectedFault{{"settlement.terms[0]", "in force"}}},
		{"one in force removed", old, of(v("2026-01-01", 50_000)), []expectedFault{{"settlement.terms", "from 2026-05-01T00:00:00Z are missing"}}},
		{"one put into the past", old, of(append(kept, v("2026-05-31", 1_000))...), []expectedFault{{"settlement.terms[2].from", "cannot be added for the past"}}},
		{"one put into this second", old, of(append(kept, v("2026-06-01", 1_000))...), []expectedFault{{"settlement.terms[2].from", "is before now"}}},
		{"one put before all", old, of(append(kept, CommissionTerms{})...), []expectedFault{{"settlement.terms[0].from", "the beginning is before now"}}},
		{"one in force moved", old, of(v("2026-01-01", 50_000), v("2026-05-02", 60_000)),
			[]expectedFault{{"settlement.terms[1].from", "for the past"}, {"settlement.terms", "2026-05-01T00:00:00Z are missing"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			stored := c.old
			if stored != nil { // as it comes out of the store
				stored = new(Settlement)
				if err := json.Unmarshal([]byte(asJSON(c.old)), stored); err != nil {
					t.Fatal(err)
				}
			}
			compareFaults(t, "faults", faultsOf(t, stored.CanBecome(c.next, now)), c.want)
		})
	}
	if err := old.CanBecome(of(append(kept, v("2026-06-01", 1_000))...), day("2026-06-01")); err != nil {
		t.Errorf("terms that begin now: %v", err)
	}
}

// Whatever becomes of a settlement by changes that are allowed, each at its time, what
// held at a moment that has passed is what holds at it for ever.
func TestThePastStays(t *testing.T) {
	start := day("2026-01-01")
	rapid.Check(t, func(t *rapid.T) {
		s := shop(nil).Settlement
		type promise struct {
			at    time.Time
			terms string
		}
		var promises []promise
		now := start
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			now = now.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "hours")) * time.Hour)
			if terms, ok := s.TermsAt(now.Add(-1)); ok {
				promises = append(promises, promise{now.Add(-1), asJSON(terms)})
			}
			next := *s
			next.Terms = append([]CommissionTerms(nil), s.Terms...)
			if i := rapid.IntRange(0, 2*len(next.Terms)).Draw(t, "removed"); i < len(next.Terms) {
				next.Terms = append(next.Terms[:i], next.Terms[i+1:]...)
			}
			next.Terms = append(next.Terms, CommissionTerms{From: now.Add(time.Duration(rapid.IntRange(-50, 100).Draw(t, "from")) * time.Hour),
				Rates: []Rate{{Percent: Percentage(rapid.IntRange(101, 1000).Draw(t, "percent"))}}})
			p := &Program{ID: "shop", Settlement: &next}
			p.Normalize()
			if p.Validate() == nil && s.CanBecome(p.Settlement, now) == nil {
				s = p.Settlement
			}
		}
		for _, p := range promises {
			if terms, ok := s.TermsAt(p.at); !ok || asJSON(terms) != p.terms {
				t.Fatalf("at %s there was %s, now %s", p.at, p.terms, asJSON(terms))
			}
		}
	})
}

// The example in docs/settlement.md, as a user would copy it.
func TestExampleInTheDocumentation(t *testing.T) {
	b, err := os.ReadFile("../../docs/settlement.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "```json\n")
	text, _, _ = strings.Cut(text, "```")
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	var p Program
	if err := d.Decode(&p); err != nil {
		t.Fatal(err)
	}
	p.Normalize()
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	if terms, ok := p.Settlement.TermsAt(day("2026-12-01")); !ok || len(terms.Rates) != 3 {
		t.Errorf("got %+v, %v", terms, ok)
	}
}
