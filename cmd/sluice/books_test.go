package main

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/settlement"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/sqlite"
	"github.com/sluicehq/sluice/internal/webhook"
)

// books is a server that keeps them, over HTTP, with a clock of the test's own.
type books struct {
	*testing.T
	environ []string
	now     atomic.Int64 // milliseconds
	office  *settlement.Office
	store   store.Store
	clicks  oneClick
}

// oneClick is all that the books can find.
type oneClick struct{ analytics.Touch }

func (c oneClick) Clicks(_ context.Context, ids []affiliate.ClickID) ([]analytics.Touch, error) {
	if slices.Contains(ids, c.ID) {
		return []analytics.Touch{c.Touch}, nil
	}
	return nil, nil
}

func (c oneClick) Touches(context.Context, string, []affiliate.VisitorID, time.Time, time.Time) ([]analytics.Touch, error) {
	return nil, nil
}

// keepBooks serves the program acme, which pays anna 10 % after 30 days, from 20 EUR on.
func keepBooks(t *testing.T) *books {
	t.Helper()
	b := &books{T: t}
	b.now.Store(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).UnixMilli())
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "control.db")})
	b.must(err)
	t.Cleanup(func() { b.must(db.Close()) })
	links, err := catalog.Open(t.Context(), catalog.Options{Store: db, Now: b.clock})
	b.must(err)
	at := b.clock().Add(-time.Hour)
	b.clicks = oneClick{analytics.Touch{ID: affiliate.NewClickID(at.UnixMilli(), 1, 1), At: at, Program: "acme", Partner: "anna", Link: 7, Page: "/reviews/kettles",
		Visitor: affiliate.NewVisitorID(0, 1), Valid: true}}
	b.store = db
	b.office = settlement.Open(settlement.Options{Store: db, Clicks: b.clicks, Now: b.clock, Random: rand.Uint64})
	t.Cleanup(b.office.Close)
	boss := catalog.Actor{Name: "test", Operator: true}
	_, err = links.CreateProgram(t.Context(), boss, affiliate.Program{ID: "acme", Name: "Acme", Side: affiliate.Pays, Settlement: &affiliate.Settlement{
		Currency: "EUR", MinimumPayout: 2000, Terms: []affiliate.CommissionTerms{{HoldDays: 30, Rates: []affiliate.Rate{{Percent: 100_000}}}}}})
	b.must(err)
	_, err = links.CreatePartner(t.Context(), boss, affiliate.Partner{Program: "acme", Code: "anna",
		Method: &affiliate.PayoutMethod{Kind: affiliate.BySEPA, Name: "Anna Example", IBAN: "DE89370400440532013000"}})
	b.must(err)
	server := httptest.NewServer(api.AsOperator(api.New(api.Options{
		Catalog: links, Accounts: account.Open(account.Options{Store: db, Now: b.clock}), Office: b.office, Analytics: fourClicks{},
		Webhooks: webhook.NewDesk(webhook.DeskOptions{Store: db, Random: crand.Reader, Now: b.clock}), TempDir: dir, Now: b.clock, Version: "1.2.3"})))
	t.Cleanup(server.Close)
	b.environ = []string{"SLUICE_URL=" + server.URL, "SLUICE_TOKEN=x"}
	return b
}

func (b *books) clock() time.Time { return time.UnixMilli(b.now.Load()).UTC() }

func (b *books) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// later lets days pass and does what falls due.
func (b *books) later(days int) {
	b.Helper()
	b.now.Add(int64(days) * 24 * time.Hour.Milliseconds())
	_, err := b.office.RunDue(b.Context())
	b.must(err)
}

func (b *books) sluice(code int, args ...string) outcome {
	b.Helper()
	return b.sluiceWith(code, "", args...)
}

func (b *books) sluiceWith(code int, input string, args ...string) outcome {
	b.Helper()
	b.now.Add(1000) // two commands are never of one moment
	return sluiceWith(b.T, "", b.environ, input, args...).must(b.T, code)
}

// order reports an order of 600.00 EUR and returns its conversion.
func (b *books) order() string {
	b.Helper()
	var r api.Receipt
	b.sluice(exitFine, "conversion", "report", "--program", "acme", "--tx", "A-1001", "--amount", "600.00", "--click", b.clicks.ID.String(), "--format", "json").json(b.T, &r)
	return r.Conversion
}

func TestAConversionsLife(t *testing.T) {
	b := keepBooks(t)
	id := b.order()
	again := b.sluice(exitFine, "conversion", "report", "--program", "acme", "--tx", "A-1001", "--amount", "600.00", "--click", b.clicks.ID.String())
	contains(t, again.out, "known already, nothing changed", id, "pending")
	contains(t, b.sluice(exitFine, "conversion", "list", "--state", "pending").out, "ORDERED (UTC)", id, "2026-11-20 12:00", "acme", "A-1001", "600.00 EUR", "60.00 EUR", "anna")
	contains(t, b.sluice(exitFine, "conversion", "list", "--format", "csv").out, "id,at,program,tx,event,state,order,earned,currency,partner", ",600.00,60.00,EUR,anna,")
	contains(t, b.sluice(exitFine, "conversion", "show", id).out, "state       pending", "earned      60.00 EUR", "anna 60.00 EUR by "+b.clicks.ID.String(), "next        2026-12-20 12:00 UTC")

	contains(t, b.sluice(exitFine, "conversion", "hold", id, "--note", "look at it").out, "hold: "+id+" is pending, held")
	contains(t, b.sluice(exitFine, "conversion", "release", id).out, "is pending;")
	contains(t, b.sluice(exitFine, "conversion", "approve", id).out, "is approved; order 600.00 EUR, earned 60.00 EUR")
	contains(t, b.sluice(exitFine, "conversion", "reverse", id, "--amount", "200.00", "--reason", "item_returned").out, "order 400.00 EUR, earned 40.00 EUR")

	text := b.sluice(exitFine, "conversion", "explain", id).out
	contains(t, text, "\nWhy\n 1. ", "\nReports\n", "\nClicks of the visitor\n", "/reviews/kettles", "\nDecisions\n", "look at it", "item_returned", "\nLedger\n",
		"accrued", "anna, pending", "anna, owed", "-20.00 EUR   40.00 EUR", "-40.00 EUR", "local")
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 120 {
			t.Errorf("a line of %d characters: %s", n, line)
		}
	}
	var x api.ConversionExplanation
	b.sluice(exitFine, "conversion", "explain", id, "--format", "json").json(t, &x)
	if len(x.Decisions) != 4 || len(x.Postings) != 3 || x.Conversion.Earned.Minor != 4000 {
		t.Errorf("explained %+v", x)
	}
}

func TestConversionFaults(t *testing.T) {
	b := keepBooks(t)
	id := b.order()
	for _, c := range []struct {
		code       int
		args, want string
	}{
		{exitProblems, "conversion show absent", "absent"},
		{exitProblems, "conversion approve absent", "absent"},
		{exitProblems, "conversion reverse " + id + " --amount 1,50", "write digits and at most one point"},
		{exitProblems, "conversion reverse " + id + " --reason dunno", `"dunno" is not a reason`},
		{exitFailed, "conversion reverse " + id + " other --amount 1", "name one conversion"},
		{exitFailed, "conversion list --partner anna", "give --program too"},
		{exitFailed, "conversion list --limit 0", "give at least 1, or --all"},
		{exitFailed, "conversion list --state lost", "use one of unmatched, pending"},
		{exitFailed, "conversion list --since soon", "soon"},
		{exitFailed, "conversion report --program acme", "--tx or at least the --click"},
		{exitFailed, "conversion report --program acme --tx 1 --at soon", `"soon" is not a time`},
		{exitProblems, "conversion report --program nope --tx 1", "nope"},
		{exitProblems, "conversion report --program acme --tx 1 --amount 1 --currency USD", "there is no exchange rate from USD to EUR"},
		{exitFailed, "conversion import x.csv", "--program"},
		{exitFailed, "conversion import absent.csv --program acme", "no such file"},
		{exitFailed, "conversion rejected --limit 5000", "give 1 to 1000"},
		{exitProblems, "payout preview nope", "nope"},
		{exitProblems, "payout approve absent", "absent"},
		{exitFailed, "payout undo x", "say why with --note"},
		{exitFailed, "payout export acme --format sepa", "--debtor-name and --debtor-iban"},
		{exitProblems, "payout export acme", "no approved payout"},
		{exitFailed, "balance --partner anna", "give --program too"},
		{exitProblems, "balance --program nope", "nope"},
		{exitProblems, "balance --at soon", `"soon" is not a time`},
		{exitFailed, "payout statement acme anna", "--since"},
		{exitProblems, "payout statement acme nobody --since 1d", "nobody"},
		{exitFailed, "payout bonus acme anna --amount 1", "say why with --note"},
		{exitFailed, "payout adjust acme anna --note x", "say how much with --amount"},
		{exitProblems, "payout bonus acme anna --amount -1 --note x", "a bonus can only give"},
		{exitProblems, "payout adjust acme anna --amount 1 --note x --reason dunno", `"dunno" is not a reason`},
		{exitProblems, "webhook partner list nope", "nope"},
		{exitProblems, "webhook partner set acme nobody https://x.example/", "nobody"},
		{exitProblems, "webhook partner remove acme anna", "has no postback"},
		{exitFailed, "rates import absent.csv", "no such file"},
		{exitFailed, "rates list --limit 0", "give 1 to 10000"},
		{exitFailed, "rates list --from EURO", "EURO"},
	} {
		got := b.sluice(c.code, strings.Fields(c.args)...)
		contains(t, got.err, c.want)
		if got.out != "" {
			t.Errorf("%s printed %q", c.args, got.out)
		}
	}
}

func TestImportReports(t *testing.T) {
	b := keepBooks(t)
	file := fmt.Sprintf("txid,click_id,amount\nA-1,%s,100.00\nA-2,,oops\nA-3,,5.00\n", b.clicks.ID)
	got := b.sluiceWith(exitProblems, file, "conversion", "import", "-", "--program", "acme")
	contains(t, got.out, "line 3: amount: ", "2 reports stored, 0 known already; 1 bad line not taken")
	var report struct {
		Taken, Duplicates, Bad int
		BadLines               []api.BadReport `json:"bad_lines"`
	}
	b.sluiceWith(exitProblems, file, "conversion", "import", "-", "--program", "acme", "--json").json(t, &report)
	if report.Taken != 0 || report.Duplicates != 2 || report.Bad != 1 || report.BadLines[0].Reason != "amount_malformed" {
		t.Errorf("again: %+v", report)
	}
	contains(t, b.sluiceWith(exitProblems, "txid,amonut\n", "conversion", "import", "-", "--program", "acme").err, "amonut")
	contains(t, b.sluice(exitFine, "conversion", "rejected").out, "WHAT IS WRONG")
}

func TestPayingAPartner(t *testing.T) {
	b := keepBooks(t)
	b.order()
	got := b.sluice(exitFine, "payout", "run", "acme")
	contains(t, got.err, "nobody is paid now")
	b.later(31)
	got = b.sluice(exitFine, "payout", "preview", "acme")
	contains(t, got.out, "anna", "60.00 EUR", "is paid")
	contains(t, got.err, "sluice payout run acme")
	got = b.sluice(exitFine, "payout", "run", "acme")
	contains(t, got.out, "acme:anna:EUR:1", "draft", "local")
	if out := b.sluice(exitFine, "payout", "preview", "acme").out; strings.Contains(out, "anna") {
		t.Errorf("the draft has not taken its money:\n%s", out)
	}
	contains(t, b.sluice(exitProblems, "payout", "sent", "acme:anna:EUR:1").err, "only an approved one")
	contains(t, b.sluice(exitFine, "payout", "approve", "acme:anna:EUR:1").out, "approved")
	path := filepath.Join(t.TempDir(), "acme.xml")
	b.sluice(exitFine, "payout", "export", "acme", "--format", "sepa", "--debtor-name", "Acme", "--debtor-iban", "NL91ABNA0417164300", "--out", path)
	contains(t, b.sluice(exitFine, "payout", "export", "acme").out, "acme:anna:EUR:1,anna,Anna Example,DE89370400440532013000")
	contains(t, b.sluice(exitProblems, "payout", "export", "acme", "--format", "paypal").err, "1 are paid another way")
	contains(t, b.sluice(exitFine, "payout", "sent", "acme:anna:EUR:1").out, "sent")
	contains(t, b.sluice(exitFine, "payout", "undo", "acme:anna:EUR:1", "--note", "it came back").out, "undone")
	contains(t, b.sluice(exitFine, "payout", "list", "acme", "--format", "csv").out, "acme:anna:EUR:1,acme,anna,60.00,EUR,sepa,undone,acme:anna:EUR:1,")
}

func TestBalancesAndBonuses(t *testing.T) {
	b := keepBooks(t)
	b.order()
	contains(t, b.sluice(exitFine, "balance").out, "OWED", "acme", "anna", "60.00 EUR")
	bonus := []string{"payout", "bonus", "acme", "anna", "--amount", "25.00", "--note", "spring contest", "--key", "spring"}
	contains(t, b.sluice(exitFine, bonus...).out, "bonus of 25.00 EUR for anna is posted by local")
	b.sluice(exitFine, bonus...) // the same key: posted once
	contains(t, b.sluice(exitProblems, append(bonus, "--amount", "26.00")...).err, "Idempotency-Key")
	for range 2 { // without one each command is its own
		b.sluice(exitFine, "payout", "adjust", "acme", "anna", "--amount", "-1.50", "--reason", "order_error", "--note", "counted twice")
	}
	if got, want := b.sluice(exitFine, "balance", "--program", "acme", "--partner", "anna", "--format", "csv").out,
		"program,partner,pending,owed,in_payout,paid_out,currency\nacme,anna,60.00,22.00,0.00,0.00,EUR\n"; got != want {
		t.Errorf("balance\n%s", got)
	}
	if out := b.sluice(exitFine, "balance", "--at", "2026-11-19").out; strings.Contains(out, "anna") {
		t.Errorf("before the order:\n%s", out)
	}
	contains(t, b.sluice(exitFine, "payout", "statement", "acme", "anna", "--since", "2026-11-01").out, "WHY", "bonus", "25.00", "-1.50", "22.00")
	contains(t, b.sluice(exitFine, "payout", "statement", "acme", "anna", "--since", "2026-11-01", "--format", "csv").out, "partner,time,conversion,why,amount,balance,currency\n")
}

// lossy answers its first requests of a path and loses the answers.
type lossy struct {
	http.RoundTripper
	lose int
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if err == nil && l.lose > 0 {
		l.lose--
		_ = response.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return response, err
}

func TestALostAnswerIsAskedForAgain(t *testing.T) {
	b := keepBooks(t)
	old := http.DefaultClient.Transport
	defer func() { http.DefaultClient.Transport = old }()
	id := b.order()
	http.DefaultClient.Transport = &lossy{http.DefaultTransport, 1}
	b.sluice(exitFine, "payout", "bonus", "acme", "anna", "--amount", "25.00", "--note", "spring")
	http.DefaultClient.Transport = &lossy{http.DefaultTransport, 1}
	b.sluice(exitFine, "conversion", "reverse", id, "--amount", "200.00")
	contains(t, b.sluice(exitFine, "balance", "--format", "csv").out, ",40.00,25.00,")
}

func TestPartnersPostbacks(t *testing.T) {
	b := keepBooks(t)
	contains(t, b.sluice(exitFine, "webhook", "partner", "set", "acme", "anna", "https://tracker.example/?cid={click_id}", "--event", "conversion.approved").out, "tracker.example", "conversion.approved", "on")
	contains(t, b.sluice(exitFine, "webhook", "partner", "list", "acme", "--format", "csv").out, "acme,anna,https://tracker.example/?cid={click_id},conversion.approved,false,")
	contains(t, b.sluice(exitFine, "webhook", "partner", "remove", "acme", "anna").out, "removed the postback of anna")
	if out := b.sluice(exitFine, "webhook", "partner", "list", "acme").out; strings.Contains(out, "tracker") {
		t.Errorf("still there:\n%s", out)
	}
}

func TestKeepingRates(t *testing.T) {
	b := keepBooks(t)
	file := write(t, "eurofxref-hist.csv", "Date,USD,JPY,CYP,\n2026-11-19,1.0567,160,N/A,\n2026-11-18,1.05,0.000012,0.58,\n")
	got := b.sluice(exitFine, "rates", "import", file)
	contains(t, got.out, "4 rates stored")
	contains(t, got.err, "CYP")
	got = b.sluice(exitFine, "rates", "list", "--format", "csv")
	if want := "from,to,date,rate,source\nEUR,JPY,2026-11-19,160,ECB\nEUR,USD,2026-11-19,1.0567,ECB\n"; got.out != want {
		t.Errorf("listed\n%s", got.out)
	}
	contains(t, b.sluice(exitFine, "rates", "list", "--from", "EUR", "--to", "JPY").out, "0.000012", "2026-11-18")
	contains(t, b.sluice(exitProblems, "rates", "import", file, "--since", "2027-01-01").err, "has no rates to import")
	contains(t, b.sluiceWith(exitProblems, "slug,url\n", "rates", "import", "-").err, "no file of the European Central Bank")
	contains(t, b.sluice(exitFine, "conversion", "report", "--program", "acme", "--tx", "usd", "--amount", "105.67", "--currency", "USD", "--click", b.clicks.ID.String()).out, "pending")
}

func TestReportsOfMoney(t *testing.T) {
	b := keepBooks(t)
	b.order()
	contains(t, b.sluice(exitFine, "report", "earnings", "--by", "month,partner").out, "MONTH", "EPC", "2026-11", "anna", "60.00 EUR", "all")
	contains(t, b.sluice(exitFine, "report", "earnings", "--by", "partner", "--csv").out, "partner,currency,clicks,conversions,", "anna,EUR,4,1,1,0,0,0,600.00,60.00,0.00,0.25,,,15.000000,0.000000,0,0")
	contains(t, b.sluice(exitFine, "report", "earnings", "--json").out, `"epc": "15.000000"`)
	b.sluice(exitFailed, "report", "earnings", "--is", "program")
	b.sluice(exitFine, "conversion", "report", "--program", "acme", "--tx", "=1", "--amount", "6.00")
	b.later(2)
	contains(t, b.sluice(exitFine, "report", "discrepancies").out, "unmatched", "acme", "is nobody's since")
	contains(t, b.sluice(exitFine, "report", "discrepancies", "--csv").out, "at,kind,program,subject,amount,currency,message", ",unmatched,acme,", ",6.00,EUR,")
}

// fourClicks are through anna in November, whatever is asked.
type fourClicks struct{}

func (fourClicks) Report(_ context.Context, q analytics.Query) (*analytics.Report, error) {
	row := map[string]any{"month": "2026-11", "partner": "anna", "program": "acme", "clicks": int64(4)}
	return &analytics.Report{Rows: []map[string]any{row}, Zone: q.Zone}, nil
}

func (fourClicks) Export(context.Context, analytics.Filter, analytics.ExportFormat, io.Writer) error {
	return nil
}
