package settlement

import (
	"cmp"
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
	reports []affiliate.Report // by their own time, then by arrival
	names   []string           // of its orders, see commission.Orders
	orders  []store.Conversion // one for each
}

// settle brings the conversions of a transaction, and what the ledger says of them, to
// what all facts say now.
func (o *Office) settle(w store.Writer, tx transaction, found *findings) (*settled, error) {
	programs := &programs{documents: w.Documents()}
	p, err := programs.get(tx.program)
	if err != nil {
		return nil, err
	}
	reports, err := reportsOf(w.Books(), tx)
	if err != nil {
		return nil, err
	}
	before, err := w.Books().ConversionsOf(tx.program, tx.id)
	if err != nil {
		return nil, err
	}
	e, err := o.gather(updating(w), programs, p, tx, reports, before, found)
	if err != nil {
		return nil, err
	}
	s := &settled{mode: e.Mode, reports: reports, names: commission.Orders(e.Mode, reports)}
	left := slices.Clone(before)
	for ordinal, order := range s.names {
		c, at := conversionOf(left, tx, ordinal, order)
		if at >= 0 {
			left = slices.Delete(left, at, at+1)
		}
		if err := o.settleOne(w, p, e, order, &c); err != nil {
			return nil, err
		}
		s.orders = append(s.orders, c)
	}
	for i := range left { // what is no order any more has brought nobody anything
		if err := o.drop(w, &left[i], e.facts.Now); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// reportsOf returns the reports of a transaction by their own time, then by arrival.
func reportsOf(books store.BooksReader, tx transaction) ([]affiliate.Report, error) {
	reports, err := books.Reports(tx.program, tx.id)
	slices.SortFunc(reports, func(a, b affiliate.Report) int {
		return cmp.Or(a.At.Compare(b.At), a.Taken.Compare(b.Taken), cmp.Compare(a.ID, b.ID))
	})
	return reports, err
}

// conversionOf returns the conversion of an order as it is stored, with its place, or a
// new one and -1. Its id follows from what it is, so that the same facts give the same
// conversion wherever they are taken in. One that was opened by a reversal, before its
// order was known, becomes that of the first order.
func conversionOf(before []store.Conversion, tx transaction, ordinal int, order string) (store.Conversion, int) {
	opened := -1
	for i := range before {
		switch before[i].Event {
		case order:
			return before[i], i
		case "":
			opened = i
		}
	}
	if opened >= 0 && ordinal == 0 {
		before[opened].Event = order
		return before[opened], opened
	}
	c := store.Conversion{Program: tx.program, Tx: tx.id, Event: order, Ordinal: ordinal}
	for again := 0; c.ID == "" || slices.ContainsFunc(before, func(b store.Conversion) bool { return b.ID == c.ID }); again++ {
		c.ID = name("conversion", [...]any{tx.program, tx.id, order, again})
	}
	return c, -1
}

// settleOne settles one conversion.
func (o *Office) settleOne(w store.Writer, p *affiliate.Program, e *evidence, order string, c *store.Conversion) error {
	was := *c
	facts := e.facts
	facts.Order = order
	c.Coupon, facts.Coupon = e.couponOf(order)
	if err := decode(c.Rulings, &facts.Rulings); err != nil {
		return err
	}
	var err error
	if facts.Payments, err = paymentsOf(c); err != nil {
		return err
	}
	out := commission.Settle(&facts)
	describe(c, &out, e, facts.Payments)
	if e.lacking {
		c.Due = sooner(out.Due, nextLook(lastTaken(facts.Reports), facts.Now))
	}
	if !c.Due.IsZero() && !c.Due.After(facts.Now) {
		c.Due = facts.Now.Add(lookFirst) // never at once again, or RunDue had no end
	}
	why, err := post(w, p.ID, c, wants(&out), facts.Now)
	if err != nil {
		return err
	}
	if sameConversion(&was, c) {
		*c = was
		return nil
	}
	return o.put(w, &was, c, why)
}

// put stores a conversion and tells of it.
func (o *Office) put(w store.Writer, was, c *store.Conversion, why ledger.Why) error {
	if err := w.Books().PutConversion(*c); err != nil || o.options.Outgoing == nil {
		return err
	}
	if was.Revision == 0 {
		was = nil
	}
	return o.options.Outgoing.Conversion(w, was, c, why)
}

// drop takes back what a conversion has brought whose order is none any more: the mode of
// duplicates sees its reports otherwise since another has come.
func (o *Office) drop(w store.Writer, c *store.Conversion, now time.Time) error {
	if c.State == affiliate.Reversed && c.Due.IsZero() {
		return nil
	}
	was := *c
	c.State, c.Due, c.Shares, c.Order.Minor, c.Whole = affiliate.Reversed, time.Time{}, nil, 0, 0
	why, err := post(w, c.Program, c, nil, now)
	if err != nil {
		return err
	}
	return o.put(w, &was, c, why)
}

// lastTaken is when the latest report came.
func lastTaken(reports []affiliate.Report) time.Time {
	last := reports[0].Taken
	for i := range reports {
		last = later(last, reports[i].Taken)
	}
	return last
}

// sooner is the first of two moments, of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// describe writes an outcome into the conversion.
func describe(c *store.Conversion, out *commission.Outcome, e *evidence, payments []commission.Payment) {
	kept := *e
	kept.Payments = payments
	c.State, c.At, c.Due, c.Order, c.Flagged = out.State, out.At, out.Due, out.Order, out.Held || out.Flagged
	c.Whole = out.Whole.Minor
	c.Shares, c.Path, c.Evidence = encode(out.Shares), encode(e.Path), encode(kept)
	c.Visitor, c.Customer = e.visitor, e.customer
	c.Partner, c.ClickID, c.ClickAt, c.Link, c.Page, c.Variant, c.Sub1 = "", "", time.Time{}, 0, "", "", ""
	var largest *commission.Share
	for i := range out.Shares {
		if largest == nil || out.Shares[i].Amount.Minor > largest.Amount.Minor {
			largest = &out.Shares[i]
		}
	}
	// What has earned nothing stays with its click, so that a reversal counts where the order did.
	c.ClickID = out.Lead.ClickID
	if out.State == affiliate.Reversed {
		c.Partner = out.Lead.Partner
	}
	if largest != nil {
		c.Partner, c.ClickID = largest.Partner, largest.ClickID
	}
	for _, t := range e.Path {
		if c.ClickID != "" && t.ClickID == c.ClickID {
			c.ClickAt, c.Link, c.Page, c.Variant, c.Sub1 = t.At, t.Link, t.Page, t.Variant, t.Sub1
		}
	}
}

// post brings the ledger to what a conversion should have brought, and numbers the
// conversion on. It says why it has posted something, "" when it has not.
func post(w store.Writer, program string, c *store.Conversion, want []ledger.Want, now time.Time) (why ledger.Why, err error) {
	have, err := w.Books().SubjectBalances(c.ID)
	if err != nil {
		return "", err
	}
	why, entries := ledger.Delta(program, c.ID, have, want)
	c.Revision++
	c.Updated = now
	if len(entries) == 0 {
		return "", nil
	}
	posting := ledger.Posting{ID: ledger.PostingID(c.ID, c.Revision), At: now, Why: why, Subject: c.ID, Entries: entries}
	if err := posting.Check(); err != nil {
		return why, fmt.Errorf("the commission of the conversion %s: %w", c.ID, err)
	}
	added, err := w.Books().Post([]ledger.Posting{posting})
	if err == nil && added == 0 {
		err = fmt.Errorf("BUG: the posting %s is there already", posting.ID)
	}
	return why, err
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
	known := d.receipt.Duplicate
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
	d.receipt.Duplicate = known || s.mode == affiliate.RejectDuplicates && d.report.Status != affiliate.ReportReversed && s.isRepeat(&d.report)
}

// isRepeat says that another report, which comes before it, says the order already, in the
// mode that counts the first. One that says more of its status, such as approved, is no repeat.
func (s *settled) isRepeat(r *affiliate.Report) bool {
	for i := range s.reports {
		switch {
		case s.reports[i].ID == r.ID:
			return false
		case s.reports[i].Status == r.Status:
			return true
		}
	}
	return false
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
