package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/settlement"
)

// knownClicks are those that the books can find.
type knownClicks struct {
	mu  sync.Mutex
	all []analytics.Touch
}

func (k *knownClicks) Clicks(_ context.Context, ids []affiliate.ClickID) (found []analytics.Touch, _ error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.all {
		if slices.Contains(ids, t.ID) {
			found = append(found, t)
		}
	}
	return found, nil
}

func (k *knownClicks) Touches(context.Context, string, []affiliate.VisitorID, time.Time, time.Time) ([]analytics.Touch, error) {
	return nil, nil
}

// click makes a click of a partner's visitor known, an hour ago.
func (w *world) click(partner string) string {
	at := w.clock.Now().Add(-time.Hour)
	w.known.mu.Lock()
	defer w.known.mu.Unlock()
	id := affiliate.NewClickID(at.UnixMilli(), 1, uint64(len(w.known.all)))
	w.known.all = append(w.known.all, analytics.Touch{ID: id, At: at, Program: "acme", Partner: partner, Link: 7, Valid: true,
		Visitor: affiliate.NewVisitorID(0, uint64(len(w.known.all)+1))})
	return id.String()
}

// keepBooks adds the program acme, which pays anna and ben 10 % after 30 days, from 20 EUR on.
func (w *world) keepBooks(change ...func(*affiliate.Settlement)) *world {
	w.Helper()
	s := &affiliate.Settlement{Currency: "EUR", MinimumPayout: 2000,
		Terms: []affiliate.CommissionTerms{{HoldDays: 30, Rates: []affiliate.Rate{{Percent: 100_000}}}}}
	for _, c := range change {
		c(s)
	}
	boss := catalog.Actor{Name: "test", Operator: true}
	_, err := w.catalog.CreateProgram(w.Context(), boss, affiliate.Program{ID: "acme", Name: "Acme", Side: affiliate.Pays, Settlement: s})
	w.must(err)
	for code, method := range map[string]affiliate.PayoutMethod{
		"anna": {Kind: affiliate.BySEPA, Name: "Anna Müller", IBAN: "DE89370400440532013000"},
		"ben":  {Kind: affiliate.ByPayPal, Email: "ben@example.com"},
	} {
		_, err := w.catalog.CreatePartner(w.Context(), boss, affiliate.Partner{Program: "acme", Code: code, Method: &method})
		w.must(err)
	}
	return w
}

// order reports an order of an amount after a click of a partner.
func (w *world) order(tx, partner, amount string) Receipt {
	w.Helper()
	var r Receipt
	w.do(socket, "POST", "/conversions", ReportInput{Program: "acme", Tx: tx, Amount: amount, ClickID: w.click(partner)}).want(200, &r)
	return r
}

func (w *world) explain(id string) (x ConversionExplanation) {
	w.Helper()
	w.do(socket, "GET", "/conversions/"+id, nil).want(200, &x)
	return x
}

func TestLifeOfAConversion(t *testing.T) {
	w := newWorld(t).keepBooks()
	as := w.token("admin", account.Write)
	click := w.click("anna")
	var r Receipt
	w.do(as, "POST", "/conversions", map[string]any{"program": "acme", "tx": "A-1", "amount": "100.00", "click_id": click}).want(200, &r)
	if r.State != "pending" || r.Duplicate || r.ID == "" {
		t.Fatalf("receipt %+v", r)
	}
	x := w.explain(r.Conversion)
	c := x.Conversion
	if c.Order != (Amount{10_000, "EUR", "100.00 EUR"}) || c.Earned.Text != "10.00 EUR" || c.Partner != "anna" || c.ClickID != click || c.Link != 7 || c.Due == nil {
		t.Errorf("conversion %+v", c)
	}
	if len(x.Steps) == 0 || len(x.Reports) != 1 || x.Reports[0].Source != "api" || len(x.Path) != 1 || len(x.Postings) != 1 || x.Postings[0].Why != "accrued" {
		t.Errorf("explanation %+v", x)
	}
	for _, step := range []struct{ body, state, earned string }{
		{`{"do": "hold", "note": "look at it"}`, "pending", "10.00 EUR"},
		{`{"do": "approve"}`, "approved", "10.00 EUR"},
		{`{"do": "reverse", "amount": "30.00", "reason": "item_returned"}`, "approved", "7.00 EUR"},
		{`{"do": "reverse", "reason": "fraud", "note": "stolen card"}`, "reversed", "0.00 EUR"},
	} {
		var c Conversion
		w.clock.Add(time.Minute)
		w.do(as, "POST", "/conversions/"+r.Conversion+"/decisions", step.body).want(200, &c)
		if c.State != step.state || c.Earned.Text != step.earned {
			t.Errorf("after %s it is %s, %s; want %s, %s", step.body, c.State, c.Earned.Text, step.state, step.earned)
		}
	}
	x = w.explain(r.Conversion)
	if len(x.Decisions) != 4 || x.Decisions[0].Author != "admin" || x.Decisions[2].Amount.Text != "30.00 EUR" || x.Decisions[3].Note != "stolen card" {
		t.Errorf("decisions %+v", x.Decisions)
	}
	last := x.Postings[len(x.Postings)-1]
	for _, e := range last.Entries {
		if e.Sum.Minor != 0 {
			t.Errorf("after all %s has %s", e.Account, e.Sum.Text)
		}
	}
}

// A decision whose answer was lost is sent again: it is made once.
func TestADecisionOnce(t *testing.T) {
	w := newWorld(t).keepBooks()
	r, other := w.order("A-1", "anna", "100.00"), w.order("A-2", "anna", "100.00")
	path, body := "/conversions/"+r.Conversion+"/decisions", `{"do": "reverse", "amount": "30.00"}`
	var first, again Conversion
	w.do(socket, "POST", path, body, "Idempotency-Key", "k").want(200, &first)
	w.clock.Add(time.Minute)
	a := w.do(socket, "POST", path, body, "Idempotency-Key", "k").want(200, &again)
	if first.Earned.Text != "7.00 EUR" || again.Earned != first.Earned || a.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("first %+v, again %+v", first, again)
	}
	w.do(socket, "POST", path, `{"do": "reverse", "amount": "31.00"}`, "Idempotency-Key", "k").problem(422, "invalid")
	w.do(socket, "POST", "/conversions/"+other.Conversion+"/decisions", body, "Idempotency-Key", "k").problem(422, "invalid")
	w.clock.Add(48 * time.Hour) // the key is forgotten, the decision is not
	w.do(socket, "POST", path, body, "Idempotency-Key", "k").want(200, &again)
	w.do(socket, "POST", path, `{"do": "approve"}`, "Idempotency-Key", "k").problem(422, "invalid")
	w.clock.Add(48 * time.Hour)
	w.do(socket, "POST", path, `{"do": "approve"}`, "Idempotency-Key", "k").problem(409, "conflict")
	if x := w.explain(r.Conversion); again.Earned != first.Earned || len(x.Decisions) != 1 {
		t.Errorf("earned %s, decisions %+v", again.Earned.Text, x.Decisions)
	}
}

func TestDecisionsThatMakeNoSense(t *testing.T) {
	w := newWorld(t).keepBooks()
	r := w.order("A-1", "anna", "100.00")
	for body, field := range map[string]string{
		`{"do": "pay"}`:                                                  "do",
		`{"do": "approve", "amount": "3.00"}`:                            "do",
		`{"do": "reverse", "amount": "-3.00"}`:                           "amount",
		`{"do": "reverse", "amount": "3.001"}`:                           "amount",
		`{"do": "reverse", "amount": "0"}`:                               "amount",
		`{"do": "reverse", "reason": "did not like it"}`:                 "reason",
		`{"do": "reverse", "note": "` + strings.Repeat("x", 1001) + `"}`: "note",
	} {
		p := w.do(socket, "POST", "/conversions/"+r.Conversion+"/decisions", body).problem(422, "invalid")
		if len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%.60s: %+v; want a fault of %s", body, p.Errors, field)
		}
	}
	w.do(socket, "POST", "/conversions/absent/decisions", `{"do": "hold"}`).problem(404, "not_found")
	if x := w.explain(r.Conversion); len(x.Decisions) != 0 {
		t.Errorf("decisions %+v", x.Decisions)
	}
}

func TestReportsThatAreRefused(t *testing.T) {
	w := newWorld(t).keepBooks()
	_, err := w.catalog.CreateProgram(t.Context(), catalog.Actor{Name: "test", Operator: true}, affiliate.Program{ID: "bare"})
	w.must(err)
	for _, c := range []struct {
		name, field string
		in          ReportInput
	}{
		{"no such program", "program", ReportInput{Program: "nope", Tx: "1"}},
		{"no settlement", "program", ReportInput{Program: "bare", Tx: "1"}},
		{"no order", "tx", ReportInput{Program: "acme"}},
		{"a malformed click", "click_id", ReportInput{Program: "acme", ClickID: "x"}},
		{"a malformed touch", "touches[0]", ReportInput{Program: "acme", Tx: "1", Touches: []string{"x"}}},
		{"a comma", "amount", ReportInput{Program: "acme", Tx: "1", Amount: "12,50"}},
		{"too precise", "amount", ReportInput{Program: "acme", Tx: "1", Amount: "12.501"}},
		{"a payout below zero", "payout", ReportInput{Program: "acme", Tx: "1", Payout: "-1"}},
		{"an unknown currency", "currency", ReportInput{Program: "acme", Tx: "1", Currency: "ZZZ", Amount: "1"}},
		{"an unknown status", "status", ReportInput{Program: "acme", Tx: "1", Status: "done"}},
		{"a reason without reversal", "reason", ReportInput{Program: "acme", Tx: "1", Reason: "fraud"}},
		{"an address", "customer_id", ReportInput{Program: "acme", Tx: "1", CustomerID: "a@b.example"}},
		{"a line break", "tx", ReportInput{Program: "acme", Tx: "1\x1b[2J"}},
		{"a long sub-ID", "subs[1]", ReportInput{Program: "acme", Tx: "1", Subs: []string{"a", strings.Repeat("x", 1025)}}},
		{"from the future", "at", ReportInput{Program: "acme", Tx: "1", At: moment(w.clock.Now().Add(6 * time.Minute))}},
		{"long ago", "at", ReportInput{Program: "acme", Tx: "1", At: moment(w.clock.Now().AddDate(-2, 0, 0))}},
	} {
		p := w.do(socket, "POST", "/conversions", c.in).problem(422, "invalid")
		if len(p.Errors) != 1 || p.Errors[0].Field != c.field {
			t.Errorf("%s: %+v; want a fault of %s", c.name, p.Errors, c.field)
		}
	}
	p := w.do(socket, "POST", "/conversions", ReportInput{Program: "acme", Tx: "1", Amount: "1", Currency: "USD"}).problem(422, "invalid")
	if !strings.Contains(p.Detail, "there is no exchange rate from USD to EUR") {
		t.Errorf("without a rate: %+v", p)
	}
	var list ConversionList
	w.do(socket, "GET", "/conversions", nil).want(200, &list)
	if len(list.Items) != 0 {
		t.Errorf("kept %+v", list.Items)
	}
}

// A request that is sent again counts once, in the mode in which every report is an order.
func TestReportingAgainUnderOneKey(t *testing.T) {
	w := newWorld(t).keepBooks(func(s *affiliate.Settlement) { s.Duplicates = affiliate.AcceptNew })
	body := ReportInput{Program: "acme", Tx: "A-1", Amount: "100.00", ClickID: w.click("anna")}
	var first, again, other Receipt
	w.do(socket, "POST", "/conversions", body, "Idempotency-Key", "k1").want(200, &first)
	w.clock.Add(time.Minute)
	a := w.do(socket, "POST", "/conversions", body, "Idempotency-Key", "k1").want(200, &again)
	if !again.Duplicate || again.Conversion != first.Conversion || a.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %+v, replayed %q", again, a.Header().Get("Idempotent-Replayed"))
	}
	w.do(socket, "POST", "/conversions", body, "Idempotency-Key", "k2").want(200, &other)
	if other.Duplicate || other.Conversion == first.Conversion {
		t.Errorf("under another key: %+v", other)
	}
	body.Amount = "200.00"
	w.do(socket, "POST", "/conversions", body, "Idempotency-Key", "k1").problem(422, "invalid")
	// Somebody else's key is another one.
	body.Amount = "100.00"
	w.do(w.token("admin", account.Write), "POST", "/conversions", body, "Idempotency-Key", "k1").want(200, &other)
	if other.Duplicate {
		t.Errorf("of another caller: %+v", other)
	}
}

// dyingOffice does what it is asked once, and the answer gets lost; or not even that.
type dyingOffice struct {
	Office
	before, after int // how many calls end so
}

func (d *dyingOffice) Take(ctx context.Context, r affiliate.Report) (settlement.Receipt, error) {
	if d.before > 0 {
		d.before--
		return settlement.Receipt{}, errors.New("the power is gone")
	}
	receipt, err := d.Office.Take(ctx, r)
	if d.after > 0 {
		d.after--
		return settlement.Receipt{}, errors.New("the power is gone")
	}
	return receipt, err
}

// A server that dies while it answers neither loses the report nor counts it twice.
func TestReportingAgainAfterACrash(t *testing.T) {
	for _, d := range []*dyingOffice{{before: 1}, {after: 1}} {
		w := newWorld(t, func(o *Options) { d.Office, o.Office = o.Office, d }).keepBooks(func(s *affiliate.Settlement) { s.Duplicates = affiliate.AddUp })
		body := ReportInput{Program: "acme", Tx: "A-1", Amount: "100.00", ClickID: w.click("anna")}
		w.do(socket, "POST", "/conversions", body, "Idempotency-Key", "k").problem(500, "internal")
		var r Receipt
		for range 2 {
			w.clock.Add(time.Minute)
			w.do(socket, "POST", "/conversions", body, "Idempotency-Key", "k").want(200, &r)
		}
		if x := w.explain(r.Conversion); x.Conversion.Order.Text != "100.00 EUR" || len(x.Reports) != 1 {
			t.Errorf("dying %+v: the order is %s by %d reports", d, x.Conversion.Order.Text, len(x.Reports))
		}
	}
}

func TestListConversions(t *testing.T) {
	w := newWorld(t).keepBooks()
	var last Receipt
	for i := range 5 {
		last = w.order(fmt.Sprintf("A-%d", i), []string{"anna", "ben"}[i%2], "10.00")
		w.clock.Add(24 * time.Hour)
	}
	w.do(socket, "POST", "/conversions/"+last.Conversion+"/decisions", `{"do": "approve"}`).want(200, nil)
	var txs []string
	cursor := ""
	for {
		var page ConversionList
		w.do(socket, "GET", "/conversions?limit=2&cursor="+cursor, nil).want(200, &page)
		for _, c := range page.Items {
			txs = append(txs, c.Tx)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if want := []string{"A-4", "A-3", "A-2", "A-1", "A-0"}; !slices.Equal(txs, want) {
		t.Errorf("paged %v", txs)
	}
	for query, want := range map[string]int{
		"program=acme": 5, "program=other": 0, "program=acme&partner=ben": 2, "state=approved": 1, "since=3d": 3, "until=2026-11-21": 2,
		"since=2026-11-21&until=2026-11-22": 2, "click=" + w.known.all[0].ID.String(): 1,
	} {
		var page ConversionList
		w.do(socket, "GET", "/conversions?"+query, nil).want(200, &page)
		if len(page.Items) != want {
			t.Errorf("%s: %d conversions, want %d", query, len(page.Items), want)
		}
	}
	w.do(socket, "GET", "/conversions?partner=ben", nil).problem(422, "invalid")
	w.do(socket, "GET", "/conversions?cursor=absent", nil).problem(422, "invalid")
	w.do(socket, "GET", "/conversions?since=soon", nil).problem(422, "invalid")
}

// importReports sends a file and returns what was told of it.
func (w *world) importReports(file string) (bad []BadReport, report *ConversionImportReport, fault *Problem) {
	w.Helper()
	a := w.do(socket, "POST", "/conversions/import?program=acme", file, "Content-Type", "text/csv").want(200, nil)
	for line := range strings.Lines(a.Body.String()) {
		var event ConversionImportEvent
		w.must(json.Unmarshal([]byte(line), &event))
		if event.Bad != nil {
			bad = append(bad, *event.Bad)
		}
		report, fault = event.Report, event.Error
	}
	return bad, report, fault
}

func TestImportConversions(t *testing.T) {
	w := newWorld(t).keepBooks()
	click := w.click("anna")
	file := "txid,click_id,amount,status,at\n" +
		"A-1," + click + ",100.00,pending,2026-11-20T11:30:00Z\n" +
		"A-2,,12.345,pending,\n" +
		"A-1,,,reversed,2026-11-20T11:45:00Z\n" +
		"A-3,,1.00,pending,2036-11-20T11:45:00Z\n" +
		"A-1," + click + ",100.00,pending,2026-11-20T11:30:00Z\n"
	bad, report, _ := w.importReports(file)
	if report == nil || report.Read != 5 || report.Taken != 2 || report.Duplicates != 1 || report.Bad != 2 {
		t.Fatalf("report %+v", report)
	}
	slices.SortFunc(bad, func(a, b BadReport) int { return int(a.Line - b.Line) })
	if len(bad) != 2 || bad[0].Line != 3 || bad[0].Reason != "amount_too_precise" || bad[1].Line != 5 || bad[1].Reason != "time_in_future" {
		t.Errorf("bad %+v", bad)
	}
	var list ConversionList
	w.do(socket, "GET", "/conversions", nil).want(200, &list)
	if len(list.Items) != 1 || list.Items[0].State != "reversed" {
		t.Errorf("conversions %+v", list.Items)
	}
	// Once more: nothing is counted twice.
	if _, report, _ = w.importReports(file); report.Taken != 0 || report.Duplicates != 3 {
		t.Errorf("again: %+v", report)
	}
	if _, _, fault := w.importReports("txid,amonut\nA-1,1\n"); fault == nil || fault.Code != "invalid" || !strings.Contains(fault.Detail, "amonut") {
		t.Errorf("a misspelt column: %+v", fault)
	}
	w.do(socket, "POST", "/conversions/import?program=nope", file, "Content-Type", "text/csv").problem(422, "invalid")
}

func TestListRejections(t *testing.T) {
	w := newWorld(t).keepBooks()
	w.refuse("r1", "acme", "amount_malformed")
	w.refuse("r2", "acme", "status_untrusted")
	w.refuse("r3", "", "token_unknown")
	var list RejectionList
	w.do(socket, "GET", "/rejections?limit=2", nil).want(200, &list)
	if len(list.Items) != 2 || list.Items[0].ID != "r3" || list.Next != "r2" {
		t.Errorf("page %+v", list)
	}
	w.do(socket, "GET", "/rejections?cursor=r2", nil).want(200, &list)
	if len(list.Items) != 1 || list.Items[0].Raw != "amount=x" {
		t.Errorf("next %+v", list)
	}
	w.do(socket, "GET", "/rejections?program=acme&reason=status_untrusted", nil).want(200, &list)
	if len(list.Items) != 1 || list.Items[0].ID != "r2" {
		t.Errorf("chosen %+v", list)
	}
}

// Without books every operation of settlement says so, and the others go on.
func TestWithoutBooks(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Office = nil }).keepBooks()
	for _, r := range routes(t) {
		if !slices.Contains([]string{tagConversions, tagPayouts, tagRates}, r.Tags[0]) {
			continue
		}
		path := strings.ReplaceAll(r.path, "{id}", "x")
		query := ""
		for _, p := range r.Parameters {
			switch p.Name {
			case "program":
				query += "&program=acme"
			case "since":
				query += "&since=1d"
			}
		}
		var body any
		if r.RequestBody != nil {
			body = map[string]map[string]any{
				"reportConversion": {"program": "acme", "tx": "1"}, "decideConversion": {"do": "hold"}, "runPayouts": {"program": "acme"}, "undoPayout": {"note": "x"},
				"adjustBalance": {"kind": "bonus", "program": "acme", "amount": "1", "reason": "other", "note": "x"}, "putRates": {"items": []any{}}, "importConversions": {},
			}[r.ID]
		}
		p := w.do(socket, r.method, path+"?"+strings.TrimPrefix(query, "&"), body).problem(http.StatusServiceUnavailable, "unavailable")
		if !strings.Contains(p.Detail, "settlement") {
			t.Errorf("%s: %q does not say why", r.ID, p.Detail)
		}
	}
	w.do(socket, "GET", "/links", nil).want(200, nil)
}
