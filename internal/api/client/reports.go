package client

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/sluicehq/sluice/internal/api"
)

// ClickFilter chooses clicks. Since and Until are dates, instants or ages such as
// 7d; empty means the server's default.
type ClickFilter struct {
	Since, Until string
	Zone         string
	Is           []string // "country:DE"
}

// ReportQuery asks for a report.
type ReportQuery struct {
	ClickFilter
	By    []string
	Order string
	Limit int
	All   bool
}

func (f *ClickFilter) values() url.Values {
	v := values("since", f.Since, "until", f.Until, "zone", f.Zone)
	if len(f.Is) > 0 {
		v["is"] = f.Is
	}
	return v
}

func (q *ReportQuery) values(format string) url.Values {
	v := q.ClickFilter.values()
	if len(q.By) > 0 {
		v["by"] = q.By
	}
	for name, value := range values("order", q.Order, "limit", number(q.Limit), "all", yes(q.All), "format", format) {
		v[name] = value
	}
	return v
}

// Report counts clicks. Numbers in its rows are json.Number.
func (c *Client) Report(ctx context.Context, q ReportQuery) (api.Report, error) {
	return ask[api.Report](ctx, c, call{method: http.MethodGet, path: "/reports/clicks", query: q.values("")})
}

// ReportCSV writes a report as a table for spreadsheets.
func (c *Client) ReportCSV(ctx context.Context, q ReportQuery, w io.Writer) error {
	response, err := c.send(ctx, call{method: http.MethodGet, path: "/reports/clicks", query: q.values("csv")})
	if err != nil {
		return err
	}
	return copyAll(w, response)
}

// ExportClicks writes every click that the filter chooses, as csv or parquet.
func (c *Client) ExportClicks(ctx context.Context, f ClickFilter, format string, w io.Writer) error {
	query := f.values()
	query.Set("format", format)
	response, err := c.send(ctx, call{method: http.MethodGet, path: "/clicks/export", query: query})
	if err != nil {
		return err
	}
	return copyAll(w, response)
}

// EarningsQuery asks what clicks have earned. Empty fields mean the server's default.
type EarningsQuery struct {
	Since, Until string
	Zone         string
	By           []string
	Is           []string // "program:acme"
	Currency     string
	Order        string
	Limit        int
}

func (q *EarningsQuery) values(format string) url.Values {
	v := values("since", q.Since, "until", q.Until, "zone", q.Zone, "currency", q.Currency, "order", q.Order, "limit", number(q.Limit), "format", format)
	if len(q.By) > 0 {
		v["by"] = q.By
	}
	if len(q.Is) > 0 {
		v["is"] = q.Is
	}
	return v
}

// Earnings says what clicks have earned. In its rows numbers are json.Number, amounts objects.
func (c *Client) Earnings(ctx context.Context, q EarningsQuery) (api.EarningsReport, error) {
	return ask[api.EarningsReport](ctx, c, call{method: http.MethodGet, path: "/reports/earnings", query: q.values("")})
}

// EarningsCSV writes a report of earnings as a table for spreadsheets.
func (c *Client) EarningsCSV(ctx context.Context, q EarningsQuery, w io.Writer) error {
	response, err := c.send(ctx, call{method: http.MethodGet, path: "/reports/earnings", query: q.values("csv")})
	if err != nil {
		return err
	}
	return copyAll(w, response)
}

// Discrepancies lists what does not add up, of a program or of all.
func (c *Client) Discrepancies(ctx context.Context, program, since string, limit int) (api.DiscrepancyList, error) {
	return ask[api.DiscrepancyList](ctx, c, call{method: http.MethodGet, path: "/reports/discrepancies",
		query: values("program", program, "since", since, "limit", number(limit))})
}
