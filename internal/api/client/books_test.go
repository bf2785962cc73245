package client_test

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/api/client"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/settlement"
	"github.com/sluicehq/sluice/internal/store/sqlite"
	"github.com/sluicehq/sluice/internal/webhook"
)

// noClicks knows none: coupons say whose an order is.
type noClicks struct{}

func (noClicks) Clicks(context.Context, []affiliate.ClickID) ([]analytics.Touch, error) {
	return nil, nil
}

func (noClicks) Touches(context.Context, string, []affiliate.VisitorID, time.Time, time.Time) ([]analytics.Touch, error) {
	return nil, nil
}

// connectBooks returns the client of a server that keeps the books of acme, where the coupon ANNA
// is anna's and pays 10 % at once.
func connectBooks(t *testing.T) *client.Client {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "control.db")})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	links, err := catalog.Open(t.Context(), catalog.Options{Store: db})
	must(t, err)
	office := settlement.Open(settlement.Options{Store: db, Clicks: noClicks{}, Now: time.Now, Random: rand.Uint64})
	t.Cleanup(office.Close)
	boss := catalog.Actor{Name: "test", Operator: true}
	_, err = links.CreateProgram(t.Context(), boss, affiliate.Program{ID: "acme", Side: affiliate.Pays, Settlement: &affiliate.Settlement{
		Currency: "EUR", Terms: []affiliate.CommissionTerms{{Rates: []affiliate.Rate{{Percent: 100_000}}}}}})
	must(t, err)
	_, err = links.CreatePartner(t.Context(), boss, affiliate.Partner{Program: "acme", Code: "anna", Coupons: []string{"ANNA"}})
	must(t, err)
	server := httptest.NewServer(api.AsOperator(api.New(api.Options{Catalog: links, Accounts: account.Open(account.Options{Store: db}), Office: office,
		Webhooks: webhook.NewDesk(webhook.DeskOptions{Store: db, Random: crand.Reader, Now: time.Now}), TempDir: dir})))
	t.Cleanup(server.Close)
	return client.New(client.Options{BaseURL: server.URL})
}

// Every call of settlement, on the way from an order to a payout that came back.
func TestBooks(t *testing.T) {
	c := connectBooks(t)
	ctx := t.Context()
	in := api.ReportInput{Program: "acme", Tx: "A-1", Amount: "100.00", Coupon: "ANNA", Status: "approved"}
	made, err := c.ReportConversion(ctx, in, "key")
	must(t, err)
	again, err := c.ReportConversion(ctx, in, "key")
	must(t, err)
	if made.State != "approved" || again.Conversion != made.Conversion || !again.Duplicate {
		t.Errorf("made %+v, again %+v", made, again)
	}
	_, err = c.DecideConversion(ctx, made.Conversion, api.DecisionInput{Do: "reverse", Amount: "40.00"}, "decision")
	must(t, err)
	after, err := c.DecideConversion(ctx, made.Conversion, api.DecisionInput{Do: "reverse", Amount: "40.00"}, "decision") // once
	must(t, err)
	list, err := c.Conversions(ctx, client.ConversionFilter{Program: "acme", Partner: "anna", State: "approved", Since: "1h", Limit: 5})
	must(t, err)
	x, err := c.ExplainConversion(ctx, made.Conversion)
	must(t, err)
	if after.Earned.Minor != 600 || len(list.Items) != 1 || x.Conversion.Earned != after.Earned || len(x.Decisions) != 1 {
		t.Errorf("after %+v, list %+v, decisions %+v", after, list, x.Decisions)
	}

	bonus := api.AdjustmentInput{Kind: "bonus", Program: "acme", Partner: "anna", Amount: "4.00", Reason: "other", Note: "contest"}
	_, err = c.Adjust(ctx, bonus, "bonus")
	must(t, err)
	_, err = c.Adjust(ctx, bonus, "bonus")
	must(t, err)
	balances, err := c.Balances(ctx, "acme", "anna", "", "")
	must(t, err)
	preview, err := c.PreviewPayouts(ctx, "acme")
	must(t, err)
	if len(balances.Items) != 1 || len(balances.Totals) != 1 || balances.Items[0].Owed.Text != "10.00 EUR" || len(preview) != 1 || preview[0].Waits != "" {
		t.Errorf("balances %+v, preview %+v", balances, preview)
	}
	drafts, err := c.RunPayouts(ctx, "acme")
	must(t, err)
	_, err = c.ApprovePayout(ctx, drafts[0].ID)
	must(t, err)
	var file, statement bytes.Buffer
	skipped, err := c.ExportPayouts(ctx, client.PayoutFile{Program: "acme", Format: "csv"}, &file)
	must(t, err)
	if skipped != 0 || !strings.Contains(file.String(), "acme:anna:EUR:1,anna") {
		t.Errorf("skipped %d of\n%s", skipped, file.String())
	}
	_, err = c.SendPayout(ctx, drafts[0].ID)
	must(t, err)
	undone, err := c.UndoPayout(ctx, drafts[0].ID, "it came back")
	must(t, err)
	all, err := c.Payouts(ctx, "acme", "undone")
	must(t, err)
	must(t, c.ExportStatement(ctx, "acme", "anna", "1d", "", &statement))
	if len(all) != 1 || all[0].ID != undone.ID || strings.Count(statement.String(), "\n") != 8 {
		t.Errorf("payouts %+v, statement\n%s", all, statement.String())
	}
	if _, err := c.SendPayout(ctx, drafts[0].ID); affiliate.CodeOf(err) != affiliate.Conflict {
		t.Errorf("sent after all: %v", err)
	}
}

func TestReportsAndRates(t *testing.T) {
	c := connectBooks(t)
	ctx := t.Context()
	var bad []api.BadReport
	report, err := c.ImportConversions(ctx, strings.NewReader("txid,amount\nA-1,5.00\nA-2,x\n"), client.ConversionImport{Program: "acme", Bad: func(b api.BadReport) error {
		bad = append(bad, b)
		return nil
	}})
	must(t, err)
	if report.Taken != 1 || report.Bad != 1 || len(bad) != 1 || bad[0].Line != 3 {
		t.Errorf("report %+v, bad %+v", report, bad)
	}
	enough := errors.New("enough")
	stop := client.ConversionImport{Program: "acme", Bad: func(api.BadReport) error { return enough }}
	if _, err := c.ImportConversions(ctx, strings.NewReader("txid,amount\nA-2,x\n"), stop); !errors.Is(err, enough) {
		t.Errorf("the callback's error became %v", err)
	}
	if _, err := c.ImportConversions(ctx, strings.NewReader("a,b\n"), client.ConversionImport{Program: "acme"}); affiliate.CodeOf(err) != affiliate.Invalid {
		t.Errorf("a file of something else: %v", err)
	}
	rejected, err := c.Rejections(ctx, client.RejectionFilter{Program: "acme", Limit: 3})
	must(t, err)
	stored, err := c.PutRates(ctx, []api.ExchangeRate{{From: "EUR", To: "USD", Date: "2026-11-20", Rate: "1.25", Source: "ECB"}})
	must(t, err)
	rates, err := c.Rates(ctx, "USD", "EUR", 1)
	must(t, err)
	if len(rejected.Items) != 0 || stored != 1 || len(rates) != 1 || rates[0].Rate != "0.8" {
		t.Errorf("rejected %+v, stored %d, rates %+v", rejected, stored, rates)
	}
}
