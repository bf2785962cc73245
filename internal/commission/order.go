package commission

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// order is what the reports of a transaction, and the reversals of people, make of it.
type order struct {
	known    bool      // there is a report of the order itself, not of reversals only
	at       time.Time // when it was placed
	reports  []affiliate.Report
	whole    affiliate.Money // before reversals
	left     affiliate.Money // after them
	payout   *int64          // the commission as the sender told it, minor units
	told     told
	approved time.Time // by a report; zero: not
	gone     bool      // all of it is reversed
	flagged  bool
}

// told are the particulars of an order, each from the first report that tells it.
type told struct {
	event, category, customerID string
	customer                    affiliate.Customer
}

// Orders names the orders of one transaction, by the program's mode of duplicates: each is
// a conversion of its own, settled with its name as Facts.Order. The modes new and flag
// tell them apart by the id of the report that opens them (the first is first), by_event
// by the event; the others know one, "". A name stays when reports are added, except
// that "" stands for reversals whose order is not known yet.
func Orders(mode affiliate.DuplicateMode, reports []affiliate.Report) []string {
	sorted := inOrder(mode, reports)
	var names []string
	for _, r := range sorted {
		switch {
		case separate(mode) && r.Status != affiliate.ReportReversed:
			names = append(names, r.ID)
		case mode == affiliate.ByEvent && !everyEvent(&r):
			names = append(names, r.Event)
		}
	}
	if mode == affiliate.ByEvent {
		slices.Sort(names)
		names = slices.Compact(names)
	}
	if len(names) == 0 && len(reports) > 0 {
		return []string{""}
	}
	return names
}

// separate says that every report but a reversal opens an order.
func separate(mode affiliate.DuplicateMode) bool {
	return mode == affiliate.AcceptNew || mode == affiliate.AcceptFlagged
}

// everyEvent says that a report, in mode by_event, is about all orders of the transaction.
func everyEvent(r *affiliate.Report) bool {
	return r.Event == "" && r.Status == affiliate.ReportReversed && minor(r.Amount) == 0
}

// inOrder returns the reports by their own time, then by arrival, without those that
// are equal to an earlier one.
func inOrder(mode affiliate.DuplicateMode, reports []affiliate.Report) []affiliate.Report {
	sorted := slices.Clone(reports)
	slices.SortFunc(sorted, func(a, b affiliate.Report) int {
		return cmp.Or(a.At.Compare(b.At), a.Taken.Compare(b.Taken), cmp.Compare(a.ID, b.ID))
	})
	if len(sorted) < 2 {
		return sorted
	}
	seen := make(map[string]bool, 2*len(sorted))
	return slices.DeleteFunc(sorted, func(r affiliate.Report) bool {
		key := fields(mode, r)
		repeated := seen[key] || r.ID != "" && seen["id "+r.ID]
		seen[key], seen["id "+r.ID] = true, true
		return repeated
	})
}

// fields are a report without what differs between two arrivals of the same message. In
// the modes that may count the same thing twice, a nonce says that it is another one.
func fields(mode affiliate.DuplicateMode, r affiliate.Report) string {
	r.ID, r.Taken, r.At = "", time.Time{}, r.At.UTC()
	if mode != affiliate.AcceptNew && mode != affiliate.AddUp {
		r.Nonce = ""
	}
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Sprintf("%+v", r) // a time outside the years that JSON knows
	}
	return string(b)
}

// readOrder says what is ordered and what is left of it.
func readOrder(f *Facts, rs rulings, x *explanation) *order {
	mode := cmp.Or(f.Settlement.Duplicates, affiliate.RejectDuplicates)
	c := f.Settlement.Currency
	all := inOrder(mode, f.Reports)
	o := &order{whole: money(0, c), left: money(0, c)}
	if len(all) == 0 {
		x.say("order", "no report is known")
		return o
	}
	o.at = all[0].At
	t := tally{currency: c, flagged: rs.strange}
	if separate(mode) {
		t.readOne(f.Order, all)
	} else {
		if mode == affiliate.ByEvent {
			all = ofEvent(f.Order, all)
		}
		t.readAll(mode, all)
	}
	t.repeated = t.repeated && mode == affiliate.AcceptFlagged
	o.fill(&t)
	o.explain(mode, len(f.Reports), &t, x)
	o.takeOff(&t, rs, x)
	return o
}

// ofEvent are the reports that are about one event. Where the event "" has none of its own,
// the name "" stands for the event that was reported first.
func ofEvent(event string, sorted []affiliate.Report) []affiliate.Report {
	others := func(r affiliate.Report) bool { return r.Event != event && !everyEvent(&r) }
	if event == "" {
		if first := slices.IndexFunc(sorted, func(r affiliate.Report) bool { return !everyEvent(&r) }); first >= 0 &&
			!slices.ContainsFunc(sorted, func(r affiliate.Report) bool { return r.Event == "" && !everyEvent(&r) }) {
			event = sorted[first].Event
		}
	}
	return slices.DeleteFunc(slices.Clone(sorted), others)
}

// fill takes the particulars from the reports that tell them.
func (o *order) fill(t *tally) {
	o.flagged = t.flagged || t.repeated
	o.whole.Minor, o.payout, o.approved = minor(t.amount), nil, t.approved
	if t.payout != nil {
		o.payout = &t.payout.Minor
	}
	o.reports, o.known = t.opened, len(t.opened) > 0
	for i := range t.opened {
		r := &t.opened[i]
		o.told.event = cmp.Or(o.told.event, r.Event)
		o.told.category = cmp.Or(o.told.category, r.Category)
		o.told.customer = cmp.Or(o.told.customer, r.Customer)
		o.told.customerID = cmp.Or(o.told.customerID, r.CustomerID)
	}
	if o.known {
		o.at = t.opened[0].At
	}
	o.left = o.whole
}

func (o *order) explain(mode affiliate.DuplicateMode, reports int, t *tally, x *explanation) {
	if !o.known {
		x.say("order", "%d reports, all of reversals: the order itself is not known yet", reports)
		return
	}
	x.say("order", "order of %s at %s, from %d of %d reports (duplicates: %s)", o.whole, moment(o.at), len(t.opened), reports, mode)
	if t.repeated {
		x.say("duplicates", "the transaction was reported before: report %s repeats it and is held for a person", t.opened[0].ID)
	}
	if t.flagged {
		x.say("currency", "an amount is not in %s, so it does not count; the conversion is held for a person", o.whole.Currency)
	}
}

// takeOff applies the reversals.
func (o *order) takeOff(t *tally, rs rulings, x *explanation) {
	if !o.known {
		return
	}
	taken := plus(t.taken, rs.taken)
	switch {
	case t.all:
		x.say("reversal", "a report reverses all of the order")
	case rs.reversedBy != nil:
		x.say("reversal", "%s reverses all of the order at %s", rs.reversedBy.Author, moment(rs.reversedBy.At))
	case taken > 0:
		off := min(taken, o.whole.Minor)
		o.left.Minor = o.whole.Minor - off
		o.gone = o.left.Minor == 0
		x.say("reversal", "reversals of %s take %s off %s: %s are left", money(taken, o.whole.Currency), money(off, o.whole.Currency), o.whole, o.left)
		return
	default:
		return
	}
	o.left.Minor, o.gone = 0, true
}

// remains is what is left of an amount that belongs to the whole order.
func (o *order) remains(n int64) int64 {
	switch {
	case o.gone:
		return 0
	case o.left == o.whole:
		return n
	}
	return inProportion(n, o.left.Minor, o.whole.Minor)
}
