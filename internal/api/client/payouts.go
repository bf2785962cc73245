package client

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/sluicehq/sluice/internal/api"
)

// Balances returns what partners have at a moment, as a date, an instant or an age; "" is now. An empty
// program, partner or network means all.
func (c *Client) Balances(ctx context.Context, program, partner, network, at string) (api.BalanceList, error) {
	return ask[api.BalanceList](ctx, c, call{method: http.MethodGet, path: "/balances", query: values("program", program, "partner", partner, "network", network, "at", at)})
}

// Adjust gives a bonus or corrects a balance. With a key the call can be repeated when its
// answer was lost; "" for none.
func (c *Client) Adjust(ctx context.Context, in api.AdjustmentInput, key string) (api.Adjustment, error) {
	return ask[api.Adjustment](ctx, c, call{method: http.MethodPost, path: "/adjustments", body: in, header: once(key)})
}

// Payouts returns the payouts of a program in a state; "" is all.
func (c *Client) Payouts(ctx context.Context, program, state string) ([]api.Payout, error) {
	return askList[api.Payout](ctx, c, call{method: http.MethodGet, path: "/payouts", query: values("program", program, "state", state)})
}

// PreviewPayouts says who would be paid now, and why the others wait.
func (c *Client) PreviewPayouts(ctx context.Context, program string) ([]api.PayoutLine, error) {
	return askList[api.PayoutLine](ctx, c, call{method: http.MethodGet, path: "/payouts/preview", query: values("program", program)})
}

// RunPayouts drafts the payouts that do not wait, and returns them.
func (c *Client) RunPayouts(ctx context.Context, program string) ([]api.Payout, error) {
	return askList[api.Payout](ctx, c, call{method: http.MethodPost, path: "/payouts", body: api.PayoutRun{Program: program}})
}

// ApprovePayout lets a draft be sent.
func (c *Client) ApprovePayout(ctx context.Context, id string) (api.Payout, error) {
	return ask[api.Payout](ctx, c, call{method: http.MethodPost, path: "/payouts/" + escape(id) + "/approve"})
}

// SendPayout says that an approved payout was transferred.
func (c *Client) SendPayout(ctx context.Context, id string) (api.Payout, error) {
	return ask[api.Payout](ctx, c, call{method: http.MethodPost, path: "/payouts/" + escape(id) + "/sent"})
}

// UndoPayout takes a payout back; the note says why.
func (c *Client) UndoPayout(ctx context.Context, id, note string) (api.Payout, error) {
	return ask[api.Payout](ctx, c, call{method: http.MethodPost, path: "/payouts/" + escape(id) + "/undo", body: api.PayoutUndo{Note: note}})
}

// PayoutFile describes a payment file.
type PayoutFile struct {
	Program     string
	Format      string // csv, paypal, sepa
	DebtorName  string // the following are for sepa
	DebtorIBAN  string
	DebtorBIC   string
	Execute     string // a day
	Version     string // of the message; "" is the server's default
	DecimalMark string // for paypal: point, comma
}

// ExportPayouts writes the approved payouts of a program as a payment file, and says how many
// it leaves out because they are paid another way.
func (c *Client) ExportPayouts(ctx context.Context, f PayoutFile, w io.Writer) (skipped int, err error) {
	response, err := c.send(ctx, call{method: http.MethodGet, path: "/payouts/export", query: values(
		"program", f.Program, "format", f.Format, "debtor_name", f.DebtorName, "debtor_iban", f.DebtorIBAN, "debtor_bic", f.DebtorBIC,
		"execute", f.Execute, "version", f.Version, "decimal_mark", f.DecimalMark)})
	if err != nil {
		return 0, err
	}
	skipped, _ = strconv.Atoi(response.Header.Get("Sluice-Skipped"))
	return skipped, copyAll(w, response)
}

// ExportStatement writes a partner's statement as CSV. since and until are dates, instants or ages;
// an empty until is now.
func (c *Client) ExportStatement(ctx context.Context, program, partner, since, until string, w io.Writer) error {
	response, err := c.send(ctx, call{method: http.MethodGet, path: "/statements", query: values("program", program, "partner", partner, "since", since, "until", until)})
	if err != nil {
		return err
	}
	return copyAll(w, response)
}

// Rates returns exchange rates: between two currencies the latest day first; with an empty to, the latest to each.
func (c *Client) Rates(ctx context.Context, from, to string, limit int) ([]api.ExchangeRate, error) {
	return askList[api.ExchangeRate](ctx, c, call{method: http.MethodGet, path: "/rates", query: values("from", from, "to", to, "limit", number(limit))})
}

// PutRates stores exchange rates, all or none, and says how many.
func (c *Client) PutRates(ctx context.Context, rates []api.ExchangeRate) (int, error) {
	out, err := ask[api.RatesStored](ctx, c, call{method: http.MethodPut, path: "/rates", body: api.RateList{Items: rates}})
	return out.Stored, err
}
