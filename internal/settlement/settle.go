package settlement

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// transaction is what a merchant calls one order or several.
type transaction struct{ program, id string }

// settled is a transaction after it was settled.
type settled struct {
	mode    affiliate.DuplicateMode
	reports []affiliate.Report
	orders  []store.Conversion // in the order of commission.Orders
	names   []string
}

// settle brings the conversions of a transaction, and what the ledger says of them, to
// what all facts say now.
func (o *Office) settle(w store.Writer, tx transaction, found *findings) (*settled, error) {
	programs := &programs{documents: w.Documents()}
	p, err := programs.get(tx.program)
	if err != nil {
		return nil, err
	}
	reports, err := w.Books().Reports(tx.program, tx.id)
	if err != nil {
		return nil, err
	}
	before, err := w.Books().ConversionsOf(tx.program, tx.id)
	if err != nil {
		return nil, err
	}
	s := &settled{mode: p.Settlement.Duplicates, reports: reports, names: commission.Orders(p.Settlement.Duplicates, reports)}
	for ordinal, order := range s.names {
		c := conversionOf(before, tx, ordinal, order)
		if err := o.settleOne(w, programs, p, reports, order, &c, found); err != nil {
			return nil, err
		}
		s.orders = append(s.orders, c)
	}
	return s, nil
}

// conversionOf returns the conversion of an order as it is stored, or a new one. Its id
// follows from what it is, so that the same facts give the same conversion wherever
// they are taken in. One that was opened by a reversal, before its order was known, becomes that of
// the first order.
func conversionOf(before []store.Conversion, tx transaction, ordinal int, order string) store.Conversion {
	adopted := -1
	for i := range before {
		switch before[i].Event {
		case order:
			return before[i]
		case "":
			adopted = i
		}
	}
	if adopted >= 0 && ordinal == 0 {
		before[adopted].Event = order
		return before[adopted]
	}
	return store.Conversion{ID: name("conversion", [...]string{tx.program, tx.id, order}), Program: tx.program, Tx: tx.id, Event: order, Ordinal: ordinal}
}

// settleOne settles one conversion.
func (o *Office) settleOne(w store.Writer, programs *programs, p *affiliate.Program, reports []affiliate.Report, order string, c *store.Conversion, found *findings) error {
	facts, err := o.facts(updating(w), programs, p, reports, order, c, found)
	if err != nil {
		return err
	}
	out := commission.Settle(facts)
	was := *c
	describe(c, &out, facts)
	if out.State == affiliate.Unmatched {
		c.Due = nextLook(firstTaken(reports), facts.Now)
	}
	if err := o.post(w, p.ID, c, &out, facts.Now); err != nil {
		return err
	}
	if sameConversion(&was, c) {
		c.Revision, c.Updated = was.Revision, was.Updated
		return nil
	}
	return w.Books().PutConversion(*c)
}

// firstTaken is when the first report came.
func firstTaken(reports []affiliate.Report) time.Time {
	first := reports[0].Taken
	for i := range reports {
		first = earlier(first, reports[i].Taken)
	}
	return first
}

// facts gathers all that is known of a conversion.
func (o *Office) facts(r reader, programs *programs, p *affiliate.Program, reports []affiliate.Report, order string, c *store.Conversion, found *findings) (*commission.Facts, error) {
	f := &commission.Facts{Settlement: p.Settlement, Side: p.Side, Reports: reports, Order: order, Now: o.now()}
	if err := decode(c.Path, &f.Path); err != nil {
		return nil, err
	}
	if err := decode(c.Rulings, &f.Rulings); err != nil {
		return nil, err
	}
	f.Path = addFound(f.Path, c, p.ID, reports, found)
	for i := range reports {
		coupon := reports[i].Coupon
		if coupon == "" {
			continue
		}
		c.Coupon = coupon
		owner, err := programs.owner(p.ID, coupon)
		if err != nil {
			return nil, err
		}
		if f.Coupon = owner; owner != "" {
			break
		}
	}
	var err error
	if f.PartnerTerms, err = programs.terms(p.ID); err != nil {
		return nil, err
	}
	return f, o.history(r, p.ID, f, c)
}

// addFound adds what was looked up to the touches that are known already, and
// remembers the click that the reports name.
func addFound(path []affiliate.PathTouch, c *store.Conversion, program string, reports []affiliate.Report, found *findings) []affiliate.PathTouch {
	touches, click := found.path(program, reports)
	for _, t := range touches {
		if !slices.ContainsFunc(path, func(known affiliate.PathTouch) bool { return known.ClickID == t.ClickID }) {
			path = append(path, t)
		}
	}
	if !click.Visitor.IsZero() {
		c.Visitor = click.Visitor.String()
	}
	return path
}

// history tells what the terms ask of the past: a partner's volume of the month and a
// customer's earlier orders.
func (o *Office) history(r reader, program string, f *commission.Facts, c *store.Conversion) error {
	at := f.Now
	for i := range f.Reports {
		if i == 0 || f.Reports[i].At.Before(at) {
			at = f.Reports[i].At
		}
		if f.Reports[i].CustomerID != "" {
			c.Customer = f.Reports[i].CustomerID
		}
	}
	month := time.Date(at.UTC().Year(), at.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	f.Volume = map[string]int64{}
	for _, t := range f.Path {
		if _, known := f.Volume[t.Partner]; known || !hasTiers(f.Settlement) {
			continue
		}
		volume, err := r.books.Volume(program, t.Partner, month, at)
		if err != nil {
			return err
		}
		f.Volume[t.Partner] = volume
	}
	if c.Customer == "" {
		return nil
	}
	orders, err := r.books.CustomerOrders(program, c.Customer, at)
	f.OrdersBefore = orders
	return err
}

func hasTiers(s *affiliate.Settlement) bool {
	return slices.ContainsFunc(s.Terms, func(t affiliate.CommissionTerms) bool {
		return slices.ContainsFunc(t.Rates, func(r affiliate.Rate) bool { return len(r.Tiers) > 0 })
	})
}

// describe writes an outcome into the conversion.
func describe(c *store.Conversion, out *commission.Outcome, f *commission.Facts) {
	c.State, c.At, c.Due, c.Order, c.Flagged = out.State, out.At, out.Due, out.Order, out.Held || out.Flagged
	c.Shares, c.Path, c.Rulings = encode(out.Shares), encode(f.Path), encode(f.Rulings)
	c.Partner, c.ClickID, c.ClickAt, c.Link, c.Page, c.Variant, c.Sub1 = "", "", time.Time{}, 0, "", "", ""
	var largest *commission.Share
	for i := range out.Shares {
		if largest == nil || out.Shares[i].Amount.Minor > largest.Amount.Minor {
			largest = &out.Shares[i]
		}
	}
	if largest == nil {
		return
	}
	c.Partner, c.ClickID = largest.Partner, largest.ClickID
	for _, t := range f.Path {
		if t.ClickID == c.ClickID {
			c.ClickAt, c.Link, c.Page, c.Variant, c.Sub1 = t.At, t.Link, t.Page, t.Variant, t.Sub1
		}
	}
}

// post brings the ledger to an outcome.
func (o *Office) post(w store.Writer, program string, c *store.Conversion, out *commission.Outcome, now time.Time) error {
	have, err := w.Books().SubjectBalances(c.ID)
	if err != nil {
		return err
	}
	why, entries := ledger.Delta(program, c.ID, have, wants(out))
	c.Revision++
	c.Updated = now
	if len(entries) == 0 {
		return nil
	}
	posting := ledger.Posting{ID: ledger.PostingID(c.ID, c.Revision), At: now, Why: why, Subject: c.ID, Entries: entries}
	added, err := w.Books().Post([]ledger.Posting{posting})
	if err == nil && added == 0 {
		err = fmt.Errorf("BUG: the posting %s is there already", posting.ID)
	}
	return err
}

// wants is what the ledger should say of an outcome.
func wants(out *commission.Outcome) []ledger.Want {
	var all []ledger.Want
	for _, s := range out.Shares {
		none := affiliate.Money{Currency: s.Amount.Currency}
		want := ledger.Want{Partner: s.Partner, Pending: none, Owed: none}
		switch out.State {
		case affiliate.Pending:
			want.Pending = s.Amount
		case affiliate.Approved, affiliate.Paid:
			want.Owed = s.Amount
		}
		all = append(all, want)
	}
	return all
}

// sameConversion says that nothing but the numbering differs.
func sameConversion(a, b *store.Conversion) bool {
	x, y := *a, *b
	x.Revision, x.Updated, y.Revision, y.Updated = 0, time.Time{}, 0, time.Time{}
	return string(encode(x)) == string(encode(y))
}

// receipt says what became of a delivered report.
func (s *settled) receipt(d *delivery) {
	at := slices.IndexFunc(s.reports, func(r affiliate.Report) bool { return r.ID == d.report.ID })
	d.receipt.Report = d.report.ID
	if len(s.orders) == 0 {
		return
	}
	c := &s.orders[0]
	for i, order := range s.names {
		if order == d.report.ID || s.mode == affiliate.ByEvent && order == d.report.Event {
			c = &s.orders[i]
		}
	}
	d.receipt.Conversion, d.receipt.State = c.ID, c.State
	if at < 0 {
		d.receipt.Duplicate = true
	} else if s.mode == affiliate.RejectDuplicates && d.report.Status != affiliate.ReportReversed {
		d.receipt.Duplicate = d.receipt.Duplicate || s.isRepeat(&d.report)
	}
}

// isRepeat says that an earlier report says the order already, in the mode that counts the
// first. One that says more of its status, such as approved, is no repeat.
func (s *settled) isRepeat(r *affiliate.Report) bool {
	return slices.ContainsFunc(s.reports, func(other affiliate.Report) bool {
		return other.ID != r.ID && other.Status == r.Status && (other.At.Before(r.At) || other.At.Equal(r.At) && other.ID < r.ID)
	})
}

func decode(b []byte, into any) error {
	if len(b) == 0 {
		return nil
	}
	return json.Unmarshal(b, into)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return b
}
