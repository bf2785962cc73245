package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// checkTrial asks whether the books are balanced.
func (w *world) checkTrial(ctx context.Context) error {
	return w.store.View(ctx, func(r store.Reader) error {
		sums, err := r.Books().Trial()
		for _, m := range sums {
			if m.Minor != 0 {
				return fmt.Errorf("the books are off by %s", m)
			}
		}
		return err
	})
}

// check looks at a transaction after something happened to it.
func (w *world) check(ctx context.Context, st *story) error {
	if err := w.checkTrial(ctx); err != nil {
		return err
	}
	return w.store.View(ctx, func(r store.Reader) error { return w.checkStory(r.Books(), st) })
}

func (w *world) checkStory(b store.BooksReader, st *story) error {
	reports, err := b.Reports(st.ID, st.tx)
	if err != nil {
		return err
	}
	if len(reports) != len(st.facts) {
		return fmt.Errorf("the transaction %s: %d different reports were acknowledged, %d are stored", st.tx, len(st.facts), len(reports))
	}
	for i := range reports {
		if err := w.checkRate(b, &reports[i]); err != nil {
			return fmt.Errorf("the transaction %s, report %s: %w", st.tx, reports[i].ID, err)
		}
	}
	all, err := b.ConversionsOf(st.ID, st.tx)
	if err != nil || len(reports) == 0 && len(all) == 0 {
		return err
	}
	var names []string
	for i := range all {
		names = append(names, all[i].Event)
		if err := w.checkConversion(b, st, &all[i], reports); err != nil {
			return fmt.Errorf("the transaction %s, conversion %s (%s, %s, order %q): %w", st.tx, all[i].ID, st.Settlement.Duplicates, st.Settlement.Attribution.Model, all[i].Event, err)
		}
	}
	slices.Sort(names)
	if want := named(st.Settlement.Duplicates, reports); !slices.Equal(names, want) {
		return fmt.Errorf("the transaction %s (%s): its conversions are of the orders %q, its reports of %q", st.tx, st.Settlement.Duplicates, names, want)
	}
	return nil
}

// checkRate compares a converted amount with the rate that is kept with it.
func (w *world) checkRate(_ store.BooksReader, r *affiliate.Report) error {
	if r.Received == nil {
		return nil
	}
	from, to := r.Received.Currency, r.Amount.Currency
	exact := big.NewRat(r.Received.Minor, 1)
	exact.Mul(exact, big.NewRat(r.Rate.Numerator, r.Rate.Denominator))
	exact.Mul(exact, big.NewRat(int64(math.Pow10(to.Digits())), int64(math.Pow10(from.Digits()))))
	want := halfEven(exact.Abs(exact))
	if abs(r.Amount.Minor) != want || r.Rate.Date > r.At.Format(time.DateOnly) {
		return fmt.Errorf("%s of %s became %s by the rate %d/%d of %s", r.Received, r.At, r.Amount, r.Rate.Numerator, r.Rate.Denominator, r.Rate.Date)
	}
	return nil
}

func (w *world) checkConversion(b store.BooksReader, st *story, c *store.Conversion, reports []affiliate.Report) error {
	var shares []commission.Share
	var path []affiliate.PathTouch
	var rulings []commission.Ruling
	for _, d := range []struct {
		from json.RawMessage
		into any
	}{{c.Shares, &shares}, {c.Path, &path}, {c.Rulings, &rulings}} {
		if len(d.from) == 0 {
			continue
		}
		if err := json.Unmarshal(d.from, d.into); err != nil {
			return err
		}
	}
	if len(rulings) != st.rulings[c.ID] {
		return fmt.Errorf("%d decisions were made about it, %d are kept", st.rulings[c.ID], len(rulings))
	}
	for _, t := range path {
		id, _ := affiliate.ParseClickID(t.ClickID)
		if k := w.clicks.byID[id]; k == nil || !k.Valid || k.Program != st.ID || k.Partner != t.Partner || !k.At.Equal(t.At) {
			return fmt.Errorf("the touch %+v is no valid click of the program", t)
		}
	}
	if err := w.checkPosted(b, st, c, shares); err != nil {
		return err
	}
	coupon := ""
	for _, r := range reports {
		if r.Coupon != "" {
			coupon = r.Coupon
			break
		}
	}
	x := st.expect(c.Event, reports, rulings, path, coupon)
	if err := x.checkOrder(c); err != nil {
		return err
	}
	if err := w.checkState(x, c, rulings); err != nil {
		return err
	}
	if err := w.checkFound(st, x, c, reports); err != nil {
		return err
	}
	if err := w.checkNamed(st, x, path); err != nil {
		return err
	}
	if st.history {
		return nil // what it earns depends on when it was settled first
	}
	return st.checkShares(x, shares)
}

// checkPosted compares what was posted about a conversion with its shares: no commission is there twice, and
// none is missing.
func (w *world) checkPosted(b store.BooksReader, st *story, c *store.Conversion, shares []commission.Share) error {
	want := map[ledger.Account]int64{}
	for _, s := range shares {
		switch c.State {
		case affiliate.Pending:
			want[ledger.Pending(st.ID, s.Partner)] += s.Amount.Minor
			want[ledger.Cost(st.ID)] -= s.Amount.Minor
		case affiliate.Approved, affiliate.Paid:
			want[ledger.Owed(st.ID, s.Partner)] += s.Amount.Minor
			want[ledger.Cost(st.ID)] -= s.Amount.Minor
		}
		if s.Amount.Minor <= 0 || s.Amount.Currency != st.Settlement.Currency {
			return fmt.Errorf("a share of %s", s.Amount)
		}
	}
	have, err := b.SubjectBalances(c.ID)
	if err != nil {
		return err
	}
	for account, m := range have {
		if m.Minor != want[account] {
			return fmt.Errorf("it is %s with the shares %+v, but %s were posted on %s", c.State, shares, m, account)
		}
		delete(want, account)
	}
	for account, minor := range want {
		if minor != 0 {
			return fmt.Errorf("it is %s with the shares %+v, but nothing was posted on %s", c.State, shares, account)
		}
	}
	return nil
}

func (x *expectation) checkOrder(c *store.Conversion) error {
	if c.Order.Minor != x.left {
		return fmt.Errorf("the order amounts to %s, not to %d", c.Order, x.left)
	}
	if at := x.at.UTC().Truncate(time.Millisecond); !c.At.Equal(at) {
		return fmt.Errorf("the order is of %s, not of %s", c.At, at)
	}
	return nil
}

// checkState says whether the state is one that may be now.
func (w *world) checkState(x *expectation, c *store.Conversion, rulings []commission.Ruling) error {
	illegal := func(why string, args ...any) error {
		return fmt.Errorf("it is %s %s (order of %s, lock %s, sender approves %s, rulings %+v)", c.State, fmt.Sprintf(why, args...), x.at, x.lock, x.merchant, rulings)
	}
	last := latest(rulings, commission.Approve, commission.Reverse)
	switch {
	case !x.known || !x.gone && len(x.credits) == 0:
		if c.State != affiliate.Unmatched {
			return illegal("though it has no order or no touch")
		}
		return nil
	case x.gone:
		if c.State != affiliate.Reversed {
			return illegal("though nothing is left of it")
		}
		return nil
	case last != nil && last.Do == commission.Approve:
		if c.State != affiliate.Approved && c.State != affiliate.Paid {
			return illegal("though a person approved it")
		}
		return nil
	}
	moment := x.approval(rulings)
	switch c.State {
	case affiliate.Approved, affiliate.Paid:
		if moment.IsZero() || moment.After(w.now) {
			return illegal("before its time")
		}
	case affiliate.Pending:
		if !moment.IsZero() && !moment.After(w.ranDue) {
			return illegal("after its time")
		}
	default:
		return illegal("though it has an order and touches")
	}
	return nil
}

// approval is the moment from which an order is approved without a person who says so;
// zero: never, as far as is known.
func (x *expectation) approval(rulings []commission.Ruling) (moment time.Time) {
	for _, at := range []time.Time{x.merchant, x.lock} {
		if at = x.afterHolds(at, rulings); !at.IsZero() && (moment.IsZero() || at.Before(moment)) {
			moment = at
		}
	}
	return moment
}

// afterHolds is a moment, or the release of the hold that it falls into.
func (x *expectation) afterHolds(at time.Time, rulings []commission.Ruling) time.Time {
	if at.IsZero() {
		return at
	}
	rulings = slices.Clone(rulings)
	slices.SortFunc(rulings, func(a, b commission.Ruling) int { return a.At.Compare(b.At) })
	if x.flagged {
		released := slices.IndexFunc(rulings, func(r commission.Ruling) bool { return r.Do == commission.Release })
		if released < 0 {
			return time.Time{}
		}
		at = latestOf(at, rulings[released].At)
	}
	var since time.Time // of the hold that lasts
	for _, r := range rulings {
		switch {
		case r.Do == commission.Hold && since.IsZero() && !r.At.After(at):
			since = r.At
		case r.Do == commission.Release && !since.IsZero():
			at, since = latestOf(at, r.At), time.Time{}
		}
	}
	if !since.IsZero() {
		return time.Time{}
	}
	return at
}

// checkFound says that nobody waits for a click that has been known for days.
func (w *world) checkFound(st *story, x *expectation, c *store.Conversion, reports []affiliate.Report) error {
	if c.State != affiliate.Unmatched || !x.known {
		return nil
	}
	for _, r := range x.opened {
		id, err := affiliate.ParseClickID(r.ClickID)
		k := w.clicks.byID[id]
		if err != nil || k == nil || !st.countsAt(k, x.at) || k.known.After(reports[0].Taken.Add(5*day)) {
			continue
		}
		if found := latestOf(k.known, r.Taken).Add(6 * day); w.clicks.blind.Before(w.now.Add(-6*day)) && found.Before(w.ranDue) {
			return fmt.Errorf("it is unmatched, though its click %s is known since %s", r.ClickID, k.known)
		}
	}
	return nil
}

// checkNamed says that an order is credited to the click that it names, once that has been known for days.
func (w *world) checkNamed(st *story, x *expectation, path []affiliate.PathTouch) error {
	if !w.options.Faults.LateClick {
		return nil
	}
	for _, r := range x.opened {
		id, err := affiliate.ParseClickID(r.ClickID)
		if k := w.clicks.byID[id]; err == nil && k != nil && st.countsAt(k, x.at) && latestOf(k.known, r.Taken).Add(6*day).Before(w.ranDue) &&
			!slices.ContainsFunc(path, func(t affiliate.PathTouch) bool { return t.ClickID == r.ClickID }) {
			return fmt.Errorf("its click %s is known since %s and not among its touches %+v", r.ClickID, k.known, path)
		}
		if err != nil || w.clicks.byID[id] == nil || st.countsAt(w.clicks.byID[id], x.at) || len(path) > 0 || len(x.opened) > 1 {
			continue
		}
		for _, other := range st.clicks {
			if st.countsAt(other, x.at) && other.known.Before(r.Taken) {
				return fmt.Errorf("it names the click %s, which does not count, and has not got the visitor's click %s, which does", r.ClickID, other.ID)
			}
		}
	}
	return nil
}

// checkShares compares what each touch earns with the terms at its click.
func (st *story) checkShares(x *expectation, shares []commission.Share) error {
	if len(x.credits) == 0 || x.gone {
		if len(shares) > 0 {
			return fmt.Errorf("nobody earns, but the shares are %+v", shares)
		}
		return nil
	}
	weights, sum, kept, alike := 0.0, int64(0), false, true
	for _, c := range x.credits {
		weights += c.weight
		kept = kept || st.Side == affiliate.Pays && c.partner == ""
		alike = alike && c.earned == x.credits[0].earned
	}
	left := slices.Clone(shares)
	for _, c := range x.credits {
		amount := int64(0)
		if at := slices.IndexFunc(left, func(s commission.Share) bool { return s.ClickID == c.click && s.Partner == c.partner }); at >= 0 {
			amount = left[at].Amount.Minor
			if told := st.Side == affiliate.Earns && x.payout != nil; c.terms == nil && !told || c.terms != nil && !left[at].Terms.Equal(c.terms.From) {
				return fmt.Errorf("the share %+v is not by the terms in force at its click (%+v)", left[at], c.terms)
			}
			left = slices.Delete(left, at, at+1)
		}
		sum += amount
		if st.Side == affiliate.Pays && c.partner == "" {
			continue
		}
		if exact := float64(c.earned) * c.weight / weights; math.Abs(float64(amount)-exact) >= 1.0001 {
			return fmt.Errorf("click %s of %q should earn %.3f of %d, and has %d; shares %+v", c.click, c.partner, exact, c.earned, amount, shares)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("the shares %+v belong to no touch that counts", left)
	}
	if earned := x.credits[0].earned; alike && !kept && sum != earned {
		return fmt.Errorf("the shares sum to %d, the commission is %d: %+v", sum, earned, shares)
	}
	return nil
}

// stateOf is the state that an explanation ends with.
func stateOf(steps []commission.Step) string {
	for _, s := range slices.Backward(steps) {
		if s.Rule == "state" {
			state, _, _ := strings.Cut(s.Text, ":")
			return state
		}
	}
	return ""
}
