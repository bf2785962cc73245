package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/settlement"
	"github.com/sluicehq/sluice/internal/store"
)

// story is one transaction: its visitor, what the merchant says of it, and what became
// of what was said.
type story struct {
	*shop
	tx      string
	order   time.Time
	clicks  []*click
	named   *click
	coupon  string
	facts   map[string]bool    // what was said and acknowledged
	sent    []affiliate.Report // the same, as it was sent, with the time that was taken
	planned map[string]bool    // what will be said, without its time
	wait    int                // deliveries to come
	ruled   bool
	rulings map[string]int // of people, by conversion
}

const day = 24 * time.Hour

// newStory plans a transaction from its first click to its last reversal.
func (w *world) newStory(s *shop) error {
	st := &story{shop: s, tx: fmt.Sprintf("%s-%d", s.ID, len(s.names)), facts: map[string]bool{}, planned: map[string]bool{}, rulings: map[string]int{}}
	st.order = w.now.Add(time.Hour + w.upTo(3*day)).Truncate(time.Millisecond)
	if w.chance(50) {
		st.order = st.order.Truncate(time.Second) // as most senders tell it
	}
	s.stories[st.tx], s.names = st, append(s.names, st.tx)
	w.visit(st)
	w.tell(st)
	if w.chance(12) {
		w.on(st.order.Add(w.upTo(70*day)), "ruling", func(ctx context.Context) error { return w.rule(ctx, st) })
	}
	return nil
}

// visit lets a visitor come once or several times before the order.
func (w *world) visit(st *story) {
	visitor := affiliate.NewVisitorID(1, w.dice.Uint64())
	window := time.Duration(st.Settlement.Attribution.WindowDays) * day
	late := w.chance(15)
	for range pick(w, 0, 1, 1, 1, 2, 2, 3, 4) {
		at := st.order.Add(-w.upTo(window * 5 / 4))
		known := at.Add(w.upTo(time.Minute))
		if late && w.options.Faults.LateClick {
			known = st.order.Add(w.upTo(3 * day))
		}
		st.clicks = append(st.clicks, w.click(st.shop, visitor, at, known))
	}
	if w.chance(40) {
		st.coupon = pick(w, "ANNA10", "ben10", "CLEO10", "NOBODY")
	}
	if late && !w.options.Faults.LateClick && len(st.clicks) > 0 {
		// One click that becomes known late, and nothing else that could match.
		st.clicks, st.coupon = st.clicks[:1], ""
		w.clicks.of[visitor] = st.clicks
		st.clicks[0].known = st.order.Add(w.upTo(3 * day))
		w.played["click after its order"]++
	}
	slices.SortFunc(st.clicks, func(a, b *click) int { return b.At.Compare(a.At) }) // newest first
	if len(st.clicks) > 0 && w.chance(70) {
		st.named = st.clicks[0]
	}
}

// countsAt says that a click may be credited with an order of a moment.
func (st *story) countsAt(k *click, order time.Time) bool {
	last := order.UTC().Truncate(time.Second)
	at := k.At.Truncate(time.Second)
	return k.Valid && k.Program == st.ID && !at.After(last) && !at.Before(last.AddDate(0, 0, -st.Settlement.Attribution.WindowDays))
}

// tell plans what the merchant reports, when, how often and in which order.
func (w *world) tell(st *story) {
	mode := st.Settlement.Duplicates
	c := st.Settlement.Currency
	if w.chance(20) {
		c = "USD"
	}
	amount := 1 + w.dice.Int64N(50_000)
	first := affiliate.Report{Status: affiliate.ReportPending, Amount: money(amount, c), At: st.order, Category: pick(w, "", "books", "toys"),
		Customer: pick(w, affiliate.NewCustomer, affiliate.ReturningCustomer)}
	if w.chance(15) {
		first.Status = affiliate.ReportApproved
	}
	if w.chance(4) {
		first.Amount = nil
	}
	if mode == affiliate.ByEvent {
		first.Event = pick(w, "sale", "sale", "lead", "")
	}
	if st.Side == affiliate.Earns && w.chance(40) {
		first.Payout = money(amount/12, c)
	}
	if st.history {
		first.CustomerID = fmt.Sprintf("customer-%d", w.dice.IntN(20))
	}
	w.identify(st, &first, true)
	w.plan(st, first, "report")
	w.more(st, first)
	w.reversals(st, first)
}

// identify names the click, the cookie's touches and the coupon.
func (w *world) identify(st *story, r *affiliate.Report, first bool) {
	if !first && !several(st.Settlement.Duplicates) && w.chance(40) {
		return
	}
	if st.named != nil {
		r.ClickID = st.named.ID.String()
	}
	if len(st.clicks) > 0 && w.chance(20) {
		r.ClickID = st.clicks[w.dice.IntN(len(st.clicks))].ID.String()
	}
	if r.ClickID == "" {
		for _, k := range st.clicks {
			r.Touches = append(r.Touches, k.ID.String())
		}
	}
	r.Coupon = st.coupon
	if !first && w.options.Faults.OtherCoupon {
		r.Coupon = pick(w, "ANNA10", "BEN10", "CLEO10")
	}
}

// several says that a transaction may be several orders.
func several(mode affiliate.DuplicateMode) bool {
	return mode == affiliate.AcceptNew || mode == affiliate.AcceptFlagged || mode == affiliate.ByEvent
}

// more are later reports that are no reversals: confirmations, other amounts, orders.
func (w *world) more(st *story, first affiliate.Report) {
	for w.chance(45) {
		next := affiliate.Report{Status: pick(w, affiliate.ReportPending, affiliate.ReportApproved, affiliate.ReportApproved), At: st.order.Add(w.upTo(50 * day)), Event: first.Event,
			CustomerID: first.CustomerID}
		if w.chance(60) {
			next.Amount = money(1+w.dice.Int64N(50_000), currencyOf(st, first))
		}
		if st.Side == affiliate.Earns && w.chance(20) {
			next.Status = affiliate.ReportPaid
		}
		if st.Settlement.Duplicates == affiliate.ByEvent && w.chance(60) {
			next.Event = pick(w, "sale", "lead", "renewal", "")
		}
		w.identify(st, &next, false)
		w.plan(st, next, "another report")
	}
	mode := st.Settlement.Duplicates
	if nonces := mode == affiliate.AcceptNew || mode == affiliate.AddUp || mode == affiliate.AcceptFlagged && w.options.Faults.Nonce; nonces && w.chance(30) {
		again := first
		again.Nonce = "2"
		w.plan(st, again, "another nonce")
	}
	if w.chance(20) {
		again := first
		again.At = again.At.Add(w.upTo(10 * day))
		w.planAt(st, again, again.At, "report")
	}
}

func currencyOf(st *story, r affiliate.Report) affiliate.Currency {
	if r.Amount == nil {
		return st.Settlement.Currency
	}
	return r.Amount.Currency
}

// reversals come at any time, before the order too.
func (w *world) reversals(st *story, first affiliate.Report) {
	for w.chance(25) {
		r := affiliate.Report{Status: affiliate.ReportReversed, At: st.order.Add(w.upTo(120 * day)), Event: first.Event, Reason: pick(w, affiliate.ReversalReasons...)}
		name := "reversal"
		if first.Amount != nil && w.chance(65) {
			r.Amount = money(1+w.dice.Int64N(first.Amount.Minor), first.Amount.Currency)
			if w.chance(20) {
				r.Amount.Minor = -r.Amount.Minor
			}
			name = "reversal in part"
		} else if w.chance(50) {
			r.Event = ""
		}
		if w.chance(25) {
			r.At = st.order.Add(w.upTo(time.Hour))
		}
		w.plan(st, r, name)
		if w.chance(30) {
			r.At = r.At.Add(day)
			w.planAt(st, r, r.At, name)
		}
	}
}

// plan sends a report: soon, or days late; once or several times.
func (w *world) plan(st *story, r affiliate.Report, name string) {
	r.Program, r.Tx, r.Source = st.ID, st.tx, pick(w, affiliate.Sources...)
	untimed := r
	untimed.At = time.Time{}
	if key := said(&untimed); !st.planned[key] {
		st.planned[key] = true
	} else {
		return
	}
	arrival := r.At.Add(w.upTo(2 * time.Hour))
	if w.chance(15) {
		arrival = r.At.Add(w.upTo(5 * day))
	}
	if mode := st.Settlement.Duplicates; w.chance(10) && !several(mode) && mode != affiliate.AddUp {
		r.At = time.Time{} // many senders tell none
	}
	w.planAt(st, r, arrival, name)
	for w.chance(25) {
		again := r
		again.Source = pick(w, affiliate.Sources...)
		w.planAt(st, again, arrival.Add(w.upTo(pick(w, time.Millisecond, time.Hour, 60*day))), "duplicate")
	}
}

func (w *world) planAt(st *story, r affiliate.Report, at time.Time, name string) {
	r.Program, r.Tx = st.ID, st.tx
	st.wait++
	w.on(at, name, func(ctx context.Context) error { return w.deliver(ctx, st, r) })
}

// said is what a report says; two that say the same are one.
func said(r *affiliate.Report) string {
	own := *r
	own.ID, own.Taken, own.Source = "", time.Time{}, ""
	b, err := json.Marshal(&own)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return string(b)
}

// isPast says whether a report speaks of approval after a reversal that the books know: it
// is refused, since nothing leads there.
func (st *story) isPast(r *affiliate.Report, now time.Time) bool {
	mode := st.Settlement.Duplicates
	if r.Status != affiliate.ReportApproved && r.Status != affiliate.ReportPaid || mode != affiliate.RejectDuplicates && mode != affiliate.ByEvent {
		return false
	}
	at := r.At
	if at.IsZero() {
		at = now
	}
	return st.ruled || slices.ContainsFunc(st.sent, func(s affiliate.Report) bool { return s.Status == affiliate.ReportReversed && s.At.Before(at) })
}

// deliver sends a report until it is acknowledged.
func (w *world) deliver(ctx context.Context, st *story, r affiliate.Report) error {
	if w.now.Before(w.clicks.blind) && st.waitsForSight(w) {
		w.on(w.clicks.blind, "again", func(ctx context.Context) error { return w.deliver(ctx, st, r) })
		return nil
	}
	before := w.now
	receipt, err := w.office.Take(ctx, r)
	if errors.Is(err, errFull) {
		w.on(w.now.Add(time.Minute), "again", func(ctx context.Context) error { return w.deliver(ctx, st, r) })
		return w.check(ctx, st)
	}
	if affiliate.CodeOf(err) == affiliate.Conflict && st.isPast(&r, before) {
		st.wait--
		return w.check(ctx, st)
	}
	if err != nil {
		return err
	}
	st.wait--
	key := said(&r)
	if known := st.facts[key]; !known {
		st.facts[key] = true
		if r.At.IsZero() {
			r.At = before
		}
		st.sent = append(st.sent, r)
	} else if !receipt.Duplicate {
		return fmt.Errorf("the transaction %s: the same report again is answered as new: %+v", st.tx, receipt)
	}
	if err := w.checkReceipt(ctx, st, &receipt); err != nil {
		return err
	}
	if st.wait == 0 && !st.ruled && len(st.sent) > 1 && len(st.sent) < 7 && w.chance(12) {
		w.on(w.now.Add(day), "twin", func(ctx context.Context) error { return w.twins(ctx, st) })
	}
	return w.check(ctx, st)
}

// waitsForSight says that a report would meet a known fault while analytics is down.
func (st *story) waitsForSight(w *world) bool {
	matchedOtherwise := len(st.clicks) > 1 || st.coupon != ""
	return matchedOtherwise && !w.options.Faults.LateClick
}

func (w *world) checkReceipt(ctx context.Context, st *story, receipt *settlement.Receipt) error {
	return w.store.View(ctx, func(r store.Reader) error {
		c, err := r.Books().Conversion(receipt.Conversion)
		if err != nil {
			return fmt.Errorf("the receipt %+v: %w", receipt, err)
		}
		if c.Tx != st.tx || c.State != receipt.State {
			return fmt.Errorf("the receipt %+v is not of its conversion: %s is %s", receipt, c.Tx, c.State)
		}
		return nil
	})
}

// rule lets a person decide about one of a transaction's conversions.
func (w *world) rule(ctx context.Context, st *story) error {
	var all []store.Conversion
	err := w.store.View(ctx, func(r store.Reader) (err error) {
		all, err = r.Books().ConversionsOf(st.ID, st.tx)
		return err
	})
	if err != nil || len(all) == 0 {
		return err
	}
	c := all[w.dice.IntN(len(all))]
	ruling := commission.Ruling{Author: "dora", Do: pick(w, commission.Approve, commission.Hold, commission.Hold, commission.Release, commission.Reverse), Reason: affiliate.ReasonOther}
	if ruling.Do == commission.Reverse && w.chance(60) {
		ruling.Amount = money(1+w.dice.Int64N(20_000), st.Settlement.Currency)
	}
	_, err = w.office.Rule(ctx, c.ID, ruling)
	if err == nil {
		st.ruled = true
		st.rulings[c.ID]++
		w.played["ruling: "+string(ruling.Do)]++
	} else if !errors.Is(err, errFull) {
		return err
	}
	if w.chance(60) {
		w.on(w.now.Add(w.upTo(20*day)), "ruling", func(ctx context.Context) error { return w.rule(ctx, st) })
	}
	return w.check(ctx, st)
}
