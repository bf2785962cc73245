package client

import (
	"context"
	"io"
	"net/http"

	"github.com/sluicehq/sluice/internal/api"
)

// ConversionFilter chooses conversions; what is empty chooses all. Since and Until are
// dates, instants or ages such as 7d.
type ConversionFilter struct {
	Program, Partner, State, Click string
	Since, Until                   string
	Cursor                         string
	Limit                          int
}

// Conversions returns one page of conversions, the newest order first.
func (c *Client) Conversions(ctx context.Context, f ConversionFilter) (api.ConversionList, error) {
	return ask[api.ConversionList](ctx, c, call{method: http.MethodGet, path: "/conversions", query: values(
		"program", f.Program, "partner", f.Partner, "state", f.State, "click", f.Click, "since", f.Since, "until", f.Until,
		"cursor", f.Cursor, "limit", number(f.Limit))})
}

// ExplainConversion returns a conversion and why it is what it is.
func (c *Client) ExplainConversion(ctx context.Context, id string) (api.ConversionExplanation, error) {
	return ask[api.ConversionExplanation](ctx, c, call{method: http.MethodGet, path: "/conversions/" + escape(id)})
}

// ReportConversion reports an order. With a key the call can be repeated when its answer was
// lost; "" for none.
func (c *Client) ReportConversion(ctx context.Context, in api.ReportInput, key string) (api.Receipt, error) {
	return ask[api.Receipt](ctx, c, call{method: http.MethodPost, path: "/conversions", body: in, header: once(key)})
}

// once is the header of a call that may be repeated.
func once(key string) http.Header {
	if key == "" {
		return nil
	}
	return http.Header{"Idempotency-Key": {key}}
}

// DecideConversion adds a person's decision and returns the conversion after it. With a key the
// call can be repeated when its answer was lost; "" for none.
func (c *Client) DecideConversion(ctx context.Context, id string, in api.DecisionInput, key string) (api.Conversion, error) {
	return ask[api.Conversion](ctx, c, call{method: http.MethodPost, path: "/conversions/" + escape(id) + "/decisions", body: in, header: once(key)})
}

// ConversionImport says what is done with what an import of reports tells.
type ConversionImport struct {
	Program  string
	Progress func(read int64)          // about once per second; may be nil
	Bad      func(api.BadReport) error // every line that was not taken; its error ends the call, but not the import. May be nil
}

// ImportConversions sends a CSV file of reports and returns what came of it. Lines that were
// taken before an error stay.
func (c *Client) ImportConversions(ctx context.Context, file io.Reader, o ConversionImport) (*api.ConversionImportReport, error) {
	response, err := c.send(ctx, call{
		method: http.MethodPost, path: "/conversions/import", stream: file,
		header: http.Header{"Content-Type": {"text/csv"}}, query: values("program", o.Program),
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	return followImport[api.ConversionImportReport](response.Body, o.Bad, o.Progress,
		"the server stopped before the import was done; look at its log, and import the file again: what was taken counts once")
}

// RejectionFilter chooses rejections; what is empty chooses all.
type RejectionFilter struct {
	Program, Reason string
	Cursor          string
	Limit           int
}

// Rejections returns one page of reports that were not taken in, the last that came first.
func (c *Client) Rejections(ctx context.Context, f RejectionFilter) (api.RejectionList, error) {
	return ask[api.RejectionList](ctx, c, call{method: http.MethodGet, path: "/rejections",
		query: values("program", f.Program, "reason", f.Reason, "cursor", f.Cursor, "limit", number(f.Limit))})
}

// PostbackAddress says where a program's merchant reports orders, with the secret that signs.
func (c *Client) PostbackAddress(ctx context.Context, program string) (api.PostbackAddress, error) {
	return ask[api.PostbackAddress](ctx, c, call{method: http.MethodGet, path: "/programs/" + escape(program) + "/postback"})
}
