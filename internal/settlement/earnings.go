package settlement

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/store"
)

// ClickCounter counts clicks.
type ClickCounter interface {
	Report(ctx context.Context, q analytics.Query) (*analytics.Report, error)
}

// EarningsDimensionsMax is how many dimensions a report of earnings may have.
const EarningsDimensionsMax = 2

// EarningsDimensions are what earnings can be broken down by: what clicks and conversions both have.
func EarningsDimensions() []string {
	return []string{"month", "day", "link", "page", "program", "partner", "variant", "sub1"}
}

// EarningsQuery asks for a report of earnings.
type EarningsQuery struct {
	Since, Until time.Time // of the clicks, [Since, Until); Until must be set
	By           []string
	Zone         string // IANA name; "UTC" when empty
	Is           map[string][]string
	Currency     affiliate.Currency // to convert into; "": each program's own
	Order        string             // a dimension, currency or metric, "-" in front for descending
	Limit        int                // rows; must be set
}

// EarningsReport is the answer.
type EarningsReport struct {
	Since, Until time.Time
	Zone         string
	By           []string
	Rows         []EarningsRow
	Totals       []Earnings // by currency, over all rows; each conversion counts once
	More         bool       // there were more rows than the limit
}

// EarningsRow is what the clicks of some values of the dimensions have brought, in one currency.
type EarningsRow struct {
	Values []string // of the report's By
	LinkID int64    // by link
	Earnings
}

// Earnings are clicks and the conversions of these clicks, that is the cohort of the clicks' time.
// Amounts are in minor units of the currency.
type Earnings struct {
	Currency affiliate.Currency // "": no program's
	Clicks   int64              // valid ones
	// Conversions are all that are not unmatched.
	Conversions, Pending, Approved, Paid, Reversed int64
	Orders                                         int64 // not reversed
	Net                                            int64 // commission that is pending, approved or paid
	Settled                                        int64 // commission that is approved or paid

	approvedOrders int64 // of what is decided, reversals taken off
	decidedWhole   int64 // of what is decided, before reversals
}

// The ratios; ok is false when there is nothing to divide by.

// CR is conversions that are not reversed, per click.
func (e *Earnings) CR() (Ppm, bool) { return ratio(e.Conversions-e.Reversed, e.Clicks) }

// AR is what was approved or paid, of what is decided, by count.
func (e *Earnings) AR() (Ppm, bool) { return ratio(e.Approved+e.Paid, e.Approved+e.Paid+e.Reversed) }

// ARValue is AR by the value of the orders: reversals in part count for what they take off.
func (e *Earnings) ARValue() (Ppm, bool) { return ratio(e.approvedOrders, e.decidedWhole) }

// Maturity is how many of the conversions are decided.
func (e *Earnings) Maturity() (Ppm, bool) {
	return ratio(e.Approved+e.Paid+e.Reversed, e.Conversions)
}

// ReversalRate is how many of the conversions are reversed.
func (e *Earnings) ReversalRate() (Ppm, bool) { return ratio(e.Reversed, e.Conversions) }

// EPC is the net commission per click as decimal text with four digits more than the currency
// has, half to even.
func (e *Earnings) EPC() (string, bool) { return perClick(e.Net, e.Clicks, e.Currency) }

// SettledEPC is EPC of what is approved or paid.
func (e *Earnings) SettledEPC() (string, bool) { return perClick(e.Settled, e.Clicks, e.Currency) }

// add counts what is summed; unmatched conversions are nobody's yet.
func (e *Earnings) add(s *store.ConversionSum) {
	switch s.State {
	case affiliate.Pending:
		e.Pending += s.Count
	case affiliate.Approved:
		e.Approved += s.Count
	case affiliate.Paid:
		e.Paid += s.Count
	case affiliate.Reversed:
		e.Reversed += s.Count
	default:
		return
	}
	e.Conversions += s.Count
	if s.State == affiliate.Pending {
		e.Orders, e.Net = e.Orders+s.Orders, e.Net+s.Commission
		return
	}
	e.decidedWhole += s.Whole
	if s.State != affiliate.Reversed {
		e.Orders, e.Net = e.Orders+s.Orders, e.Net+s.Commission
		e.Settled, e.approvedOrders = e.Settled+s.Commission, e.approvedOrders+s.Orders
	}
}

// Earnings joins clicks with the conversions of the same clicks: a conversion counts at the time of
// its click, or of its order where it has none. Invalid: a dimension or an order that is not there, or
// no exchange rate for a day; TooLarge: too many different values.
func (o *Office) Earnings(ctx context.Context, q EarningsQuery, clicks ClickCounter) (*EarningsReport, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(cmp.Or(q.Zone, "UTC"))
	if err != nil || q.Zone == "Local" {
		return nil, affiliate.Errorf(affiliate.Invalid, "%q is not a time zone; use a name such as Europe/Berlin", q.Zone)
	}
	counted, totals, err := countClicks(ctx, clicks, &q)
	if err != nil {
		return nil, err
	}
	out := &EarningsReport{Since: q.Since, Until: q.Until, Zone: zone.String(), By: q.By}
	err = o.options.Store.View(ctx, func(view store.Reader) error {
		j := join{reader: viewing(view), links: view.Links(), query: &q, zone: zone}
		if out.Rows, err = j.rows(q.By, counted); err != nil {
			return err
		}
		if !slices.Contains(q.By, "partner") {
			out.Totals = totalsOf(out.Rows)
			return nil
		}
		// What partners share would count twice.
		all, err := j.rows(nil, totals)
		out.Totals = totalsOf(all)
		return err
	})
	if err != nil {
		return nil, err
	}
	q.sort(out.Rows)
	if out.More = len(out.Rows) > q.Limit; out.More {
		out.Rows = out.Rows[:q.Limit]
	}
	return out, nil
}

func (q *EarningsQuery) check() error {
	if len(q.By) > EarningsDimensionsMax {
		return affiliate.Errorf(affiliate.Invalid, "by: %d dimensions; at most %d", len(q.By), EarningsDimensionsMax)
	}
	known := EarningsDimensions()
	for i, d := range q.By {
		if !slices.Contains(known, d) || slices.Contains(q.By[:i], d) {
			return affiliate.Errorf(affiliate.Invalid, "by: %q is not one of %s, or is named twice", d, strings.Join(known, ", "))
		}
	}
	for d, values := range q.Is {
		if !slices.Contains(known[2:], d) {
			return affiliate.Errorf(affiliate.Invalid, "is: %q is not one of %s", d, strings.Join(known[2:], ", "))
		}
		if len(values) > analytics.ValuesMax {
			return affiliate.Errorf(affiliate.TooLarge, "is: at most %d values of %s, not %d", analytics.ValuesMax, d, len(values))
		}
	}
	if q.Currency != "" && !q.Currency.Known() {
		return affiliate.Errorf(affiliate.Invalid, "currency: %.20q is not a currency; use its ISO 4217 code, such as EUR", q.Currency)
	}
	name := strings.TrimPrefix(q.Order, "-")
	if name != "" && !slices.Contains(q.By, name) && earningsMetrics[name] == nil {
		return affiliate.Errorf(affiliate.Invalid, "order: the report has no %q; order by a dimension of it, clicks, conversions, pending, approved, paid, reversed, orders, net, settled, cr, ar, epc or reversal_rate", name)
	}
	return nil
}

// join brings clicks and conversions together in one view of the store.
type join struct {
	reader
	links store.LinkReader
	query *EarningsQuery
	zone  *time.Location
	names map[int64]string                        // of links
	rates map[affiliate.Currency][]store.Document // into the query's currency
}

// currencies are those of the programs that have a settlement.
func (j *join) currencies() (map[string]affiliate.Currency, error) {
	documents, err := j.documents.List(store.Program, "")
	of := map[string]affiliate.Currency{}
	for _, d := range documents {
		var p affiliate.Program
		if err := json.Unmarshal(d.Body, &p); err != nil {
			return nil, fmt.Errorf("the stored program %q: %w", d.Key, err)
		}
		if p.Settlement != nil {
			of[d.Key] = p.Settlement.Currency
		}
	}
	return of, err
}

// totalsOf adds rows up by currency; what has none comes last.
func totalsOf(rows []EarningsRow) (totals []Earnings) {
	for i := range rows {
		r := &rows[i].Earnings
		at := slices.IndexFunc(totals, func(e Earnings) bool { return e.Currency == r.Currency })
		if at < 0 {
			at = len(totals)
			totals = append(totals, Earnings{Currency: r.Currency})
		}
		t := &totals[at]
		t.Clicks += r.Clicks
		t.Conversions += r.Conversions
		t.Pending += r.Pending
		t.Approved += r.Approved
		t.Paid += r.Paid
		t.Reversed += r.Reversed
		t.Orders += r.Orders
		t.Net += r.Net
		t.Settled += r.Settled
		t.approvedOrders += r.approvedOrders
		t.decidedWhole += r.decidedWhole
	}
	slices.SortFunc(totals, func(a, b Earnings) int {
		if (a.Currency == "") != (b.Currency == "") {
			return cmp.Compare(b.Currency, a.Currency)
		}
		return cmp.Compare(a.Currency, b.Currency)
	})
	return totals
}

type rowKey struct {
	values   string
	currency affiliate.Currency
}

// rows are those of clicks and of conversions, in no order.
func (j *join) rows(by []string, counts []clickCount) ([]EarningsRow, error) {
	sums, err := j.sums(by)
	if err != nil {
		return nil, err
	}
	of, err := j.currencies()
	if err != nil {
		return nil, err
	}
	only := j.onlyCurrency(sums, counts, of)
	rows := map[rowKey]*EarningsRow{}
	at := func(values []string, link int64, currency affiliate.Currency) *EarningsRow {
		key := rowKey{strings.Join(values, "\x00"), currency}
		if slices.Contains(by, "link") {
			key.values += "\x00#" + strconv.FormatInt(link, 10)
		}
		if rows[key] == nil {
			rows[key] = &EarningsRow{Values: values, LinkID: link, Earnings: Earnings{Currency: currency}}
		}
		return rows[key]
	}
	position := slices.Index(by, "link")
	for i := range counts {
		c := &counts[i]
		values := slices.Clone(c.values)
		if position >= 0 {
			if values[position], err = j.linkName(c.link, values[position]); err != nil {
				return nil, err
			}
		}
		at(values, c.link, cmp.Or(j.query.Currency, of[c.program], only)).Clicks += c.clicks
	}
	for i := range sums {
		s, link := &sums[i], int64(0)
		values := slices.Clone(s.Values[:len(by)])
		if position >= 0 {
			link = whole(values[position])
			if values[position], err = j.linkName(link, ""); err != nil {
				return nil, err
			}
		}
		at(values, link, s.Currency).add(s)
	}
	out := make([]EarningsRow, 0, len(rows))
	for _, r := range rows {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b EarningsRow) int {
		return cmp.Or(slices.Compare(a.Values, b.Values), cmp.Compare(a.LinkID, b.LinkID), cmp.Compare(a.Currency, b.Currency))
	})
	return out, nil
}

// onlyCurrency is the one that the whole report is in, where clicks that have none count too, as they
// do in a report that is converted; "" when there are several.
func (j *join) onlyCurrency(sums []store.ConversionSum, counts []clickCount, of map[string]affiliate.Currency) (only affiliate.Currency) {
	seen := map[affiliate.Currency]bool{}
	for i := range sums {
		seen[sums[i].Currency] = true
	}
	for i := range counts {
		if c := of[counts[i].program]; c != "" {
			seen[c] = true
		}
	}
	for c := range seen {
		only = c
	}
	if len(seen) != 1 {
		return ""
	}
	return only
}

// linkName is the short name that a link has now, or else had, or else its number.
func (j *join) linkName(id int64, had string) (string, error) {
	if id == 0 {
		return had, nil
	}
	if name, ok := j.names[id]; ok {
		return name, nil
	}
	link, err := j.links.Get(id)
	name := link.Slug
	switch {
	case affiliate.CodeOf(err) == affiliate.NotFound:
		name = cmp.Or(had, "#"+strconv.FormatInt(id, 10))
	case err != nil:
		return "", err
	}
	if j.names == nil {
		j.names = map[int64]string{}
	}
	j.names[id] = name
	return name, nil
}
