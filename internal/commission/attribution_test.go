package commission

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/internal/affiliate"
)

func TestIdentity(t *testing.T) {
	path := []affiliate.PathTouch{touch("c1", "anna", 3*time.Hour), touch("c2", "ben", 2*time.Hour), touch("c3", "cora", time.Hour)}
	with := func(clickID, coupon string, path ...affiliate.PathTouch) func(*Facts) {
		return func(f *Facts) { f.Reports[0].ClickID, f.Coupon, f.Path = clickID, coupon, path }
	}
	check(t, []example{
		{"an explicit click before later touches", with("c2", "dora", path...), affiliate.Pending, 10_000, map[string]int64{"c2": 1_000}},
		{"touches before a coupon", with("", "dora", path...), affiliate.Pending, 10_000, map[string]int64{"c3": 1_000}},
		{"an unknown click, and touches", with("c9", "dora", path...), affiliate.Pending, 10_000, map[string]int64{"c3": 1_000}},
		{"a coupon alone", with("", "dora"), affiliate.Pending, 10_000, map[string]int64{"": 1_000}},
		{"an unknown click and a coupon", with("c9", "dora"), affiliate.Pending, 10_000, map[string]int64{"": 1_000}},
		{"an unknown click", with("c9", ""), affiliate.Unmatched, 10_000, nil},
		{"nothing", with("", ""), affiliate.Unmatched, 10_000, nil},
		{"coupon first", func(f *Facts) {
			with("c2", "dora", path...)(f)
			f.Settlement.Attribution.CouponFirst = true
		}, affiliate.Pending, 10_000, map[string]int64{"": 1_000}},
		{"coupon first without a coupon", func(f *Facts) {
			with("c2", "", path...)(f)
			f.Settlement.Attribution.CouponFirst = true
		}, affiliate.Pending, 10_000, map[string]int64{"c2": 1_000}},
		{"a click named by the second report", func(f *Facts) {
			with("", "", path...)(f)
			r := report("r2", pending, eur(10_000), time.Minute)
			r.ClickID = "c1"
			f.Reports = append(f.Reports, r)
		}, affiliate.Pending, 10_000, map[string]int64{"c1": 1_000}},
		{"a touch without partner", with("", "", touch("c1", "", time.Hour)), affiliate.Pending, 10_000, nil},
		{"the same on a program that earns", func(f *Facts) {
			f.Path[0].Partner, f.Side = "", affiliate.Earns
		}, affiliate.Pending, 10_000, map[string]int64{"c1": 1_000}},
	})
}

func TestWindow(t *testing.T) {
	at := func(before time.Duration) func(*Facts) {
		return func(f *Facts) { f.Path = []affiliate.PathTouch{touch("c1", "anna", before)} }
	}
	all := map[string]int64{"c1": 1_000}
	check(t, []example{
		{"at its begin", at(days(30)), affiliate.Pending, 10_000, all},
		{"a second before", at(days(30) + time.Second), affiliate.Unmatched, 10_000, nil},
		{"with the order", at(0), affiliate.Pending, 10_000, all},
		{"in the second of the order", at(-999 * time.Millisecond), affiliate.Pending, 10_000, all},
		{"after the order", at(-time.Second), affiliate.Unmatched, 10_000, nil},
		{"seven days", func(f *Facts) { at(days(8))(f); f.Settlement.Attribution.WindowDays = 7 }, affiliate.Unmatched, 10_000, nil},
		{"an explicit click outside", func(f *Facts) { at(days(31))(f); f.Reports[0].ClickID = "c1" }, affiliate.Unmatched, 10_000, nil},
	})
}

func TestModels(t *testing.T) {
	// 1 % of 99.00 is 0.99.
	of := func(model affiliate.Model, touches ...affiliate.PathTouch) func(*Facts) {
		return func(f *Facts) {
			f.Settlement = pays(affiliate.Rate{Percent: 10_000})
			f.Settlement.Attribution.Model = model
			f.Reports[0].Amount, f.Path = eur(9_900), touches
		}
	}
	c1, c2, c3, c4 := touch("c1", "anna", days(14)), touch("c2", "ben", days(7)), touch("c3", "anna", 0), touch("c4", "anna", 0)
	check(t, []example{
		{"last by default", of("", c1, c2, c3), affiliate.Pending, 9_900, map[string]int64{"c3": 99}},
		{"last of two at one time: the greater id", of("", c4, c3), affiliate.Pending, 9_900, map[string]int64{"c4": 99}},
		{"first", of(affiliate.FirstClick, c1, c2, c3), affiliate.Pending, 9_900, map[string]int64{"c1": 99}},
		{"linear", of(affiliate.Linear, c1, c2, c3), affiliate.Pending, 9_900, map[string]int64{"c1": 33, "c2": 33, "c3": 33}},
		// 1 : 2 : 4 of 99 is 14.14, 28.29, 56.57; the cent goes to the third.
		{"decay by halves", of(affiliate.Decay, c1, c2, c3), affiliate.Pending, 9_900, map[string]int64{"c1": 14, "c2": 28, "c3": 57}},
		{"position 40/20/40", of(affiliate.PositionBased, c1, c2, c3), affiliate.Pending, 9_900, map[string]int64{"c1": 40, "c2": 20, "c3": 39}},
		// 39.6, 9.9, 9.9, 39.6: three cents to .9, .9 and the first .6.
		{"position of four", of(affiliate.PositionBased, c1, c2, c3, c4), affiliate.Pending, 9_900, map[string]int64{"c1": 40, "c2": 10, "c3": 10, "c4": 39}},
		{"position of two", of(affiliate.PositionBased, c1, c2), affiliate.Pending, 9_900, map[string]int64{"c1": 50, "c2": 49}},
		{"position of one", of(affiliate.PositionBased, c2), affiliate.Pending, 9_900, map[string]int64{"c2": 99}},
		{"decay of one that weighs nothing", func(f *Facts) {
			of(affiliate.Decay, touch("c1", "anna", days(300)))(f)
			f.Settlement.Attribution.WindowDays = 365
		}, affiliate.Pending, 9_900, map[string]int64{"c1": 99}},
		{"the merchant's part is nobody's", of(affiliate.Linear, c1, touch("c2", "", days(7)), c3), affiliate.Pending, 9_900, map[string]int64{"c1": 33, "c3": 33}},
		{"a touch that is there twice", of(affiliate.Linear, c1, c1, c2), affiliate.Pending, 9_900, map[string]int64{"c1": 50, "c2": 49}},
	})
}

func TestDecayWeight(t *testing.T) {
	const week = 7 * 24 * 60 * 60
	for _, e := range []struct {
		age  int64
		want uint32
	}{
		{0, math.MaxUint32}, {week, 1 << 31}, {2 * week, 1 << 30}, {32 * week, 1}, {32*week + 1, 0}, {100 * week, 0},
		{24 * 60 * 60, 3_890_053_517}, // a day: 0.9057… of 2^32
		{8 * 24 * 60 * 60, 1_945_026_758},
	} {
		if got := decayWeight(e.age, week); got != e.want {
			t.Errorf("%d s: %d, want %d", e.age, got, e.want)
		}
	}
}

// Each factor is the square root of the one before it.
func TestHalvings(t *testing.T) {
	factor := new(big.Float).SetPrec(512).SetFloat64(0.5)
	for i, got := range halvings {
		factor.Sqrt(factor)
		scaled, _ := new(big.Float).SetMantExp(factor, 64).Int(nil)
		if !scaled.IsUint64() || scaled.Uint64() != got {
			t.Errorf("halvings[%d] is %#x, want %#x", i, got, scaled)
		}
	}
}

// A weight w is right when w <= 2^32 · 2^(-a/h) < w + 1, that is w^h <= 2^(32h-a) < (w+1)^h.
func TestDecayWeightIsTheFloor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		half := rapid.Int64Range(1, 400).Draw(t, "half-life")
		age := rapid.Int64Range(1, 32*half).Draw(t, "age")
		w, h := decayWeight(age, half), big.NewInt(half)
		exact := new(big.Int).Lsh(big.NewInt(1), uint(32*half-age))
		power := func(n int64) *big.Int { return new(big.Int).Exp(big.NewInt(n), h, nil) }
		if power(int64(w)).Cmp(exact) > 0 || power(int64(w)+1).Cmp(exact) <= 0 {
			t.Fatalf("2^32 · 2^(-%d/%d) is not between %d and %d", age, half, w, w+1)
		}
	})
}
