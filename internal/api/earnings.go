package api

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/settlement"
)

// EarningsReport is what clicks have brought.
type EarningsReport struct {
	Since  time.Time        `json:"since" doc:"Beginning of the range, of clicks."`
	Until  time.Time        `json:"until" doc:"End of the range; not part of it."`
	Zone   string           `json:"zone" doc:"Time zone that days and months are cut in." example:"Europe/Berlin"`
	By     []string         `json:"by" doc:"The dimensions of the rows."`
	Rows   []map[string]any `json:"rows" doc:"One object for each combination and currency: the dimensions by name, link_id beside link, and what a total has."`
	Totals []Earnings       `json:"totals" doc:"By currency, over all rows and not only those shown. Each conversion counts once, also where several partners share it."`
	More   bool             `json:"more" doc:"Whether there are more rows than the limit."`
}

// Earnings are clicks and what came of these same clicks, whenever it came.
type Earnings struct {
	Currency     string   `json:"currency" doc:"ISO 4217 code; empty for clicks on links without a program that is settled, where there are several currencies." example:"EUR"`
	Clicks       int64    `json:"clicks" doc:"Valid clicks." example:"1200"`
	Conversions  int64    `json:"conversions" doc:"All that are not unmatched." example:"30"`
	Pending      int64    `json:"pending" doc:"Conversions that wait." example:"5"`
	Approved     int64    `json:"approved" doc:"Conversions that are approved." example:"20"`
	Paid         int64    `json:"paid" doc:"Conversions whose state is paid."`
	Reversed     int64    `json:"reversed" doc:"Conversions that were taken back as a whole." example:"5"`
	Orders       Amount   `json:"orders" doc:"Orders that are not reversed, reversals in part taken off."`
	Net          Amount   `json:"net" doc:"Commission that is pending, approved or paid, reversals in part taken off."`
	Settled      Amount   `json:"settled" doc:"Commission that is approved or paid."`
	CR           *float64 `json:"cr" nullable:"true" doc:"Conversions that are not reversed, per click. null without clicks, as are the other ratios when there is nothing to divide by." example:"0.020833"`
	AR           *float64 `json:"ar" nullable:"true" doc:"Approved or paid, of what is decided: approved, paid or reversed." example:"0.8"`
	ARValue      *float64 `json:"ar_value" nullable:"true" doc:"The same by the value of the orders, where a reversal in part counts too." example:"0.75"`
	EPC          *string  `json:"epc" nullable:"true" doc:"Net per click, in the currency, with four digits more than it has." example:"0.241667"`
	SettledEPC   *string  `json:"settled_epc" nullable:"true" doc:"Settled per click." example:"0.200000"`
	Maturity     *float64 `json:"maturity" nullable:"true" doc:"Conversions that are decided, of all: 1 is final." example:"0.833333"`
	ReversalRate *float64 `json:"reversal_rate" nullable:"true" doc:"Reversed, of all conversions." example:"0.166667"`
}

// earningsColumns are the names of Earnings in the order of a table.
var earningsColumns = []string{"currency", "clicks", "conversions", "pending", "approved", "paid", "reversed", "orders", "net", "settled",
	"cr", "ar", "ar_value", "epc", "settled_epc", "maturity", "reversal_rate"}

func earningsOf(e *settlement.Earnings) Earnings {
	amount := func(minor int64) Amount {
		a := amountOf(affiliate.Money{Minor: minor, Currency: e.Currency})
		a.Text = strings.TrimSpace(a.Text)
		return a
	}
	number := func(ratio settlement.Ppm, ok bool) *float64 {
		if !ok {
			return nil
		}
		f := float64(ratio) / 1e6
		return &f
	}
	words := func(text string, ok bool) *string {
		if !ok {
			return nil
		}
		return &text
	}
	return Earnings{Currency: string(e.Currency), Clicks: e.Clicks, Conversions: e.Conversions, Pending: e.Pending, Approved: e.Approved, Paid: e.Paid, Reversed: e.Reversed,
		Orders: amount(e.Orders), Net: amount(e.Net), Settled: amount(e.Settled), CR: number(e.CR()), AR: number(e.AR()), ARValue: number(e.ARValue()),
		EPC: words(e.EPC()), SettledEPC: words(e.SettledEPC()), Maturity: number(e.Maturity()), ReversalRate: number(e.ReversalRate())}
}

// named are the values by the names of their columns.
func (e *Earnings) named() map[string]any {
	return map[string]any{"currency": e.Currency, "clicks": e.Clicks, "conversions": e.Conversions, "pending": e.Pending, "approved": e.Approved,
		"paid": e.Paid, "reversed": e.Reversed, "orders": e.Orders, "net": e.Net, "settled": e.Settled, "cr": e.CR, "ar": e.AR, "ar_value": e.ARValue,
		"epc": e.EPC, "settled_epc": e.SettledEPC, "maturity": e.Maturity, "reversal_rate": e.ReversalRate}
}

func (s *server) registerEarnings() {
	handle(s, operation{
		method: http.MethodGet, path: "/reports/earnings", id: "reportEarnings", tag: tagReports, access: operatorRead,
		summary: "Say what clicks earn",
		description: "Clicks and the conversions of these same clicks, by up to two of the dimensions " + strings.Join(settlement.EarningsDimensions(), ", ") +
			". A conversion counts at the time of its click, or of its order where it has none, so by=month are cohorts that ripen. docs/settlement.md has the formulas.",
		adjust: func(op *huma.Operation) {
			op.Responses = map[string]*huma.Response{"200": {Description: "The report.", Content: map[string]*huma.MediaType{
				"application/json": {Schema: s.schemaOf(EarningsReport{})},
				"text/csv":         {Schema: &huma.Schema{Type: huma.TypeString}},
			}}}
		},
	}, s.reportEarnings)
}

func (s *server) reportEarnings(ctx context.Context, in *struct {
	By       []string `query:"by,explode" maxItems:"2" doc:"Dimensions of the rows, at most 2; repeated, or separated by commas. None: one row for each currency." example:"[\"month\"]"`
	Since    string   `query:"since" default:"90d" doc:"Beginning, of clicks: a date (cut in the zone), an instant (RFC 3339), or an age such as 90d or 3mo." example:"90d"`
	Until    string   `query:"until" doc:"End: as since; a date is part of the range. Default: now." example:"2026-11-30"`
	Zone     string   `query:"zone" default:"UTC" doc:"Time zone that days and months are cut in." example:"Europe/Berlin"`
	Is       []string `query:"is,explode" maxItems:"50" doc:"Only what has the value: DIMENSION:VALUE, of link (short name or #id), page, program, partner, variant or sub1. Several of one dimension: any of them." example:"[\"program:acme\"]"`
	Currency string   `query:"currency" maxLength:"3" doc:"Convert all into this currency, each day of clicks by the stored rate of that day or the seven before it. Absent: a row for each currency." example:"EUR"`
	Order    string   `query:"order" doc:"A dimension or metric, with - in front for descending. Default: time ascending, then most net commission first." example:"-net"`
	Limit    int      `query:"limit" minimum:"1" maximum:"100000" default:"1000" doc:"How many rows at most."`
	Format   string   `query:"format" enum:"json,csv" default:"json" doc:"Form of the answer."`
}) (*huma.StreamResponse, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	now := s.Now()
	since, until, faults := timeRange(in.Since, in.Until, in.Zone, now)
	if until.IsZero() {
		until = now
	}
	q := settlement.EarningsQuery{Since: since, Until: until, By: splitCommas(in.By), Zone: in.Zone, Is: map[string][]string{},
		Currency: affiliate.Currency(strings.ToUpper(in.Currency)), Order: in.Order, Limit: in.Limit}
	for i, condition := range in.Is {
		name, value, ok := strings.Cut(condition, ":")
		if !ok {
			faults = append(faults, affiliate.Fault{Field: fmt.Sprintf("is[%d]", i), Message: strconv.Quote(condition) + " has no value; write it as program:acme"})
		}
		q.Is[name] = append(q.Is[name], value)
	}
	if len(faults) > 0 {
		return nil, &affiliate.Error{Code: affiliate.Invalid, Message: "the request is not valid", Faults: faults}
	}
	report, err := office.Earnings(ctx, q, s.Analytics)
	if err != nil {
		return nil, err
	}
	out := earningsReportOf(report)
	if in.Format == "csv" {
		return csvEarnings(&out), nil
	}
	return s.jsonAnswer(out), nil
}

func earningsReportOf(r *settlement.EarningsReport) EarningsReport {
	out := EarningsReport{Since: r.Since, Until: r.Until, Zone: r.Zone, By: append([]string{}, r.By...), Rows: []map[string]any{}, Totals: []Earnings{}, More: r.More}
	for i := range r.Rows {
		e := earningsOf(&r.Rows[i].Earnings)
		row := e.named()
		for at, d := range r.By {
			row[d] = r.Rows[i].Values[at]
			if d == string(analytics.ByLink) {
				row[analytics.LinkID] = r.Rows[i].LinkID
			}
		}
		out.Rows = append(out.Rows, row)
	}
	for i := range r.Totals {
		out.Totals = append(out.Totals, earningsOf(&r.Totals[i]))
	}
	return out
}

// csvEarnings writes the rows as a table, amounts without their currency.
func csvEarnings(r *EarningsReport) *huma.StreamResponse {
	var columns []string
	for _, d := range r.By {
		if d == string(analytics.ByLink) {
			columns = append(columns, analytics.LinkID)
		}
		columns = append(columns, d)
	}
	columns = append(columns, earningsColumns...)
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "text/csv; charset=utf-8")
		ctx.SetHeader("Content-Disposition", `attachment; filename="earnings.csv"`)
		w := csv.NewWriter(ctx.BodyWriter())
		_ = w.Write(columns) // the error stays with w
		cells := make([]string, len(columns))
		for _, row := range r.Rows {
			for i, c := range columns {
				cells[i] = earningsCell(row[c])
			}
			_ = w.Write(cells)
		}
		w.Flush()
		if w.Error() != nil {
			panic(http.ErrAbortHandler)
		}
	}}
}

func earningsCell(v any) string {
	switch v := v.(type) {
	case Amount:
		return strings.TrimSpace(strings.TrimSuffix(v.Text, v.Currency))
	case *float64:
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'f', -1, 64)
	case *string:
		if v == nil {
			return ""
		}
		return *v
	}
	return cell(v)
}
