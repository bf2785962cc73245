package api

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/store"
)

// earningsWorld has clicks in DuckDB and orders in SQLite that belong together. Acme pays 10 % in
// EUR, kyoto earns 5 % in JPY.
//
//	October:  4 clicks through anna, 1 order of 100.00, approved
//	November: 3 through anna, 2 through ben, 1 without a program; an order of 50.00 (pending), one of 80.00 of
//	          which 20.00 went back (pending), one of 40.00 that was reversed; 2 clicks to kyoto, 1 order of 3000 JPY
func earningsWorld(t *testing.T) *world {
	w := newWorld(t).keepBooks()
	w.do(socket, "POST", "/programs", `{"id": "kyoto", "settlement": {"currency": "JPY", "terms": [{"hold_days": 30, "rates": [{"percent": 50000}]}]}}`).want(201, nil)
	october, november := time.Date(2026, 10, 20, 10, 0, 0, 0, time.UTC), time.Date(2026, 11, 10, 10, 0, 0, 0, time.UTC)
	click := func(at time.Time, program, partner, page string) string {
		row := click(at, "kettle", "DE")
		row.Program, row.Partner, row.Page = program, partner, page
		w.clicks(row)
		w.known.mu.Lock()
		defer w.known.mu.Unlock()
		w.known.all = append(w.known.all, analytics.Touch{ID: row.ID, At: at, Program: program, Partner: partner, Link: row.Link, Page: page, Visitor: row.Visitor, Valid: true})
		return row.ID.String()
	}
	order := func(program, tx, click, amount, status string, at time.Time) {
		w.do(socket, "POST", "/conversions", map[string]any{"program": program, "tx": tx, "click_id": click, "amount": amount, "status": status, "at": at.Format(time.RFC3339)}).want(200, nil)
	}
	first := click(october, "acme", "anna", "/a")
	for range 3 {
		click(october, "acme", "anna", "/a")
	}
	// Ordered in November: it counts in October all the same.
	order("acme", "A-1", first, "100.00", "approved", november)
	anna, ben, second := click(november, "acme", "anna", "/a"), click(november, "acme", "ben", "/a"), click(november, "acme", "anna", "/b")
	click(november, "acme", "anna", "/b")
	click(november, "acme", "ben", "/b")
	click(november, "", "", "/b")
	order("acme", "A-2", anna, "50.00", "pending", november.Add(time.Hour))
	order("acme", "A-3", ben, "80.00", "pending", november.Add(time.Hour))
	order("acme", "A-3", ben, "20.00", "reversed", november.Add(2*time.Hour))
	order("acme", "A-4", second, "40.00", "pending", november.Add(time.Hour))
	order("acme", "A-4", second, "", "reversed", november.Add(2*time.Hour))
	yen := click(november, "kyoto", "", "/a")
	click(november, "kyoto", "", "/a")
	order("kyoto", "K-1", yen, "3000", "pending", november.Add(time.Hour))
	order("acme", "A-5", "", "10.00", "pending", november) // nobody's
	return w
}

// line is a row in one line: what is null is "-".
func line(t *testing.T, by []string, row any) string {
	t.Helper()
	b, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	var e Earnings
	var all map[string]any
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	var cells []string
	for _, d := range by {
		cells = append(cells, fmt.Sprint(all[d]))
	}
	number := func(f *float64) string {
		if f == nil {
			return "-"
		}
		return fmt.Sprint(*f)
	}
	words := func(s *string) string {
		if s == nil {
			return "-"
		}
		return *s
	}
	cells = append(cells, e.Currency, fmt.Sprintf("%d clicks, %d=%d+%d+%d+%d", e.Clicks, e.Conversions, e.Pending, e.Approved, e.Paid, e.Reversed),
		fmt.Sprintf("orders %d net %d settled %d", e.Orders.Minor, e.Net.Minor, e.Settled.Minor),
		"cr "+number(e.CR), "ar "+number(e.AR)+" "+number(e.ARValue), "epc "+words(e.EPC)+" "+words(e.SettledEPC), "maturity "+number(e.Maturity), "reversed "+number(e.ReversalRate))
	return strings.Join(cells, "; ")
}

func TestReportEarnings(t *testing.T) {
	w := earningsWorld(t)
	w.do(socket, "PUT", "/rates", `{"items": [{"from": "EUR", "to": "JPY", "date": "2026-11-09", "rate": "160", "source": "ECB"}]}`)
	const (
		october  = "EUR; 4 clicks, 1=0+1+0+0; orders 10000 net 1000 settled 1000; cr 0.25; ar 1 1; epc 2.500000 2.500000; maturity 1; reversed 0"
		november = "EUR; 5 clicks, 3=2+0+0+1; orders 11000 net 1100 settled 0; cr 0.4; ar 0 0; epc 2.200000 0.000000; maturity 0.333333; reversed 0.333333"
		yen      = "JPY; 2 clicks, 1=1+0+0+0; orders 3000 net 150 settled 0; cr 0.5; ar - -; epc 75.0000 0.0000; maturity 0; reversed 0"
		none     = "; 1 clicks, 0=0+0+0+0; orders 0 net 0 settled 0; cr 0; ar - -; epc 0.0000 0.0000; maturity -; reversed -"
	)
	for _, c := range []struct {
		query  string
		rows   []string
		totals []string
	}{
		{"by=month", []string{"2026-10; " + october, "2026-11; " + november, "2026-11; " + yen, "2026-11; " + none}, []string{
			"EUR; 9 clicks, 4=2+1+0+1; orders 21000 net 2100 settled 1000; cr 0.333333; ar 0.5 0.714286; epc 2.333333 1.111111; maturity 0.5; reversed 0.25", yen, none}},
		{"by=month&is=program:acme&since=2026-11-01", []string{"2026-11; " + november}, []string{november}},
		{"by=partner&is=program:acme&since=2026-11-01&order=partner", []string{
			"anna; EUR; 3 clicks, 2=1+0+0+1; orders 5000 net 500 settled 0; cr 0.333333; ar 0 0; epc 1.666667 0.000000; maturity 0.5; reversed 0.5",
			"ben; EUR; 2 clicks, 1=1+0+0+0; orders 6000 net 600 settled 0; cr 0.5; ar - -; epc 3.000000 0.000000; maturity 0; reversed 0"}, nil},
		{"by=page,link&is=program:acme&since=2026-11-01&order=-page&limit=1", []string{
			"/b; kettle; EUR; 3 clicks, 1=0+0+0+1; orders 0 net 0 settled 0; cr 0; ar 0 0; epc 0.000000 0.000000; maturity 1; reversed 1"}, []string{november}},
		// 3000 JPY are 18.75 EUR, 150 JPY 0.94; all clicks count.
		{"currency=eur&since=2026-11-01", []string{
			"EUR; 8 clicks, 4=3+0+0+1; orders 12875 net 1194 settled 0; cr 0.375; ar 0 0; epc 1.492500 0.000000; maturity 0.25; reversed 0.25"}, nil},
		{"is=partner:ben&by=day", []string{"2026-11-10; EUR; 2 clicks, 1=1+0+0+0; orders 6000 net 600 settled 0; cr 0.5; ar - -; epc 3.000000 0.000000; maturity 0; reversed 0"}, nil},
		{"is=program:nobody", nil, []string{}},
	} {
		t.Run(c.query, func(t *testing.T) {
			var r EarningsReport
			body := w.do(socket, "GET", "/reports/earnings?"+c.query, nil).want(200, &r).Body.String()
			var rows, totals []string
			for _, row := range r.Rows {
				rows = append(rows, line(t, r.By, row))
			}
			for _, total := range r.Totals {
				totals = append(totals, line(t, nil, total))
			}
			if got, want := strings.Join(rows, "\n"), strings.Join(c.rows, "\n"); got != want {
				t.Errorf("rows\n%s\nwant\n%s", got, want)
			}
			if got, want := strings.Join(totals, "\n"), strings.Join(c.totals, "\n"); c.totals != nil && got != want {
				t.Errorf("totals\n%s\nwant\n%s", got, want)
			}
			if r.More != strings.Contains(c.query, "limit") || r.Zone != "UTC" || strings.Contains(body, `"rows":null`) || strings.Contains(body, `"by":null`) {
				t.Errorf("the report is %s", body)
			}
		})
	}
}

func TestEarningsAreRefused(t *testing.T) {
	w := earningsWorld(t)
	for _, c := range []struct{ query, says string }{
		{"by=colour", "colour"}, {"by=day,link,page", "at most 2"}, {"by=day&by=day", "twice"}, {"is=country:DE", "country"}, {"is=program", "has no value"},
		{"order=height", "height"}, {"currency=EUX", "EUX"}, {"zone=Mars", "Mars"}, {"currency=EUR", "from JPY to EUR of 2026-11-10"}, {"by=link&is=link:%23x", "#"},
	} {
		if a := w.do(socket, "GET", "/reports/earnings?"+c.query, nil); a.Code != 422 || !strings.Contains(a.Body.String(), c.says) {
			t.Errorf("%s: %d %s", c.query, a.Code, a.Body)
		}
	}
	w.do(w.token("mia", account.Read), "GET", "/reports/earnings", nil).problem(403, "forbidden")
	w.do(w.token("mia", account.Read), "GET", "/reports/discrepancies", nil).problem(403, "forbidden")
}

func TestEarningsAsCSV(t *testing.T) {
	w := newWorld(t).keepBooks()
	row := click(w.clock.Now().Add(-time.Hour), "kettle", "DE")
	row.Program, row.Page = "acme", "=HYPERLINK(1)"
	w.clicks(row)
	text := w.do(socket, "GET", "/reports/earnings?by=page&format=csv", nil).want(200, nil).Body.String()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	w.must(err)
	want := "'=HYPERLINK(1)|EUR|1|0|0|0|0|0|0.00|0.00|0.00|0|||0.000000|0.000000||"
	if len(rows) != 2 || len(rows[0]) != 18 || rows[0][0] != "page" || strings.Join(rows[1], "|") != want {
		t.Errorf("the table is %q, want %s", rows, want)
	}
}

// What is reported is in the very next report: earnings are read from the books.
func TestEarningsAreImmediate(t *testing.T) {
	w := newWorld(t).keepBooks()
	id := w.click("anna")
	w.do(socket, "POST", "/conversions", map[string]any{"program": "acme", "tx": "A-1", "click_id": id, "amount": "100.00"}).want(200, nil)
	var r EarningsReport
	w.do(socket, "GET", "/reports/earnings?by=partner", nil).want(200, &r)
	if len(r.Rows) != 1 || r.Rows[0]["partner"] != "anna" || r.Totals[0].Net.Minor != 1000 || r.Totals[0].EPC != nil {
		t.Errorf("the report is %+v", r)
	}
}

func TestDiscrepancies(t *testing.T) {
	w := newWorld(t).keepBooks()
	w.do(socket, "POST", "/programs", `{"id": "net", "settlement": {"currency": "EUR", "terms": [{"hold_days": 30, "rates": [{"percent": 100000}]}]}}`).want(201, nil)
	at := w.clock.Now().Add(-48 * time.Hour)
	report := func(program string, fields ...string) {
		in := map[string]any{"program": program, "at": at.Format(time.RFC3339)}
		for i := 0; i < len(fields); i += 2 {
			in[fields[i]] = fields[i+1]
		}
		if a := w.do(socket, "POST", "/conversions", in); a.Code != 201 && a.Code != 200 {
			t.Fatalf("%v: %d %s", in, a.Code, a.Body)
		}
		at = at.Add(time.Minute)
	}
	list := func(query string) (kinds map[string]Discrepancy, r DiscrepancyList) {
		w.do(socket, "GET", "/reports/discrepancies?"+query, nil).want(200, &r)
		kinds = map[string]Discrepancy{}
		for _, d := range r.Items {
			kinds[d.Kind] = d
		}
		return kinds, r
	}
	id := w.earlier("acme", at.Add(-time.Hour))
	report("acme", "tx", "good", "click_id", id, "amount", "100.00")
	if _, r := list(""); len(r.Items) != 0 {
		t.Fatalf("all is well, and yet %+v", r.Items)
	}
	report("acme", "tx", "lost", "amount", "10.00")
	report("acme", "tx", "twice", "click_id", id, "amount", "10.00")
	report("acme", "tx", "twice", "click_id", id, "amount", "11.00", "status", "approved")
	mine := w.earlier("net", at.Add(-time.Hour))
	report("net", "tx", "told", "click_id", mine, "amount", "100.00", "payout", "9.00")
	report("net", "tx", "told", "click_id", mine, "amount", "100.00", "payout", "8.00", "status", "paid")
	w.must(w.store.Update(t.Context(), func(s store.Writer) error {
		found, err := s.Books().ConversionsOf("acme", "good")
		if err != nil {
			return err
		}
		found[0].Shares = json.RawMessage(strings.Replace(string(found[0].Shares), `"minor":1000`, `"minor":1001`, 1))
		found[0].Flagged = true
		return errors.Join(s.Books().PutConversion(found[0]), s.Books().Refuse(store.Rejection{ID: "r1", At: at, Program: "acme", Reason: "amount_malformed", Message: "x"}),
			s.Books().Refuse(store.Rejection{ID: "r2", At: at, Program: "acme", Reason: "amount_malformed", Message: "=y"}))
	}))
	kinds, r := list("")
	for kind, want := range map[string]struct{ subject, amount, says string }{
		"unmatched": {"", "10.00 EUR", `"lost"`}, "flagged": {"", "100.00 EUR", `"good"`}, "amounts_differ": {"twice", "11.00 EUR", "10.00 EUR"},
		"commission_differs": {"", "-1.00 EUR", "by the terms it is 10.00 EUR"}, "payment_differs": {"", "-1.00 EUR", "has paid 8.00 EUR"},
		"ledger_differs": {"", "-0.01 EUR", "shares are 10.01 EUR"}, "rejected_reports": {"amount_malformed", "", "2 reports"},
	} {
		d, ok := kinds[kind]
		if !ok || want.subject != "" && d.Subject != want.subject || !strings.Contains(d.Message, want.says) || d.Amount != nil && d.Amount.Text != want.amount || (d.Amount == nil) != (want.amount == "") {
			t.Errorf("%s: %+v, want %+v", kind, d, want)
		}
	}
	if len(r.Items) != 7 || r.More {
		t.Errorf("%d discrepancies, more %v: %+v", len(r.Items), r.More, r.Items)
	}
	for i := 1; i < len(r.Items); i++ {
		if r.Items[i].At.After(r.Items[i-1].At) {
			t.Errorf("%s comes after what is earlier", r.Items[i].Kind)
		}
	}
	if _, one := list("program=net"); len(one.Items) != 2 {
		t.Errorf("of one program: %+v", one.Items)
	}
	if _, few := list("limit=3"); len(few.Items) != 3 || !few.More {
		t.Errorf("of three: %+v", few)
	}
	if _, later := list("since=1h"); len(later.Items) != 0 {
		t.Errorf("of the last hour: %+v", later.Items)
	}
}

// earlier makes a click on a program's link known.
func (w *world) earlier(program string, at time.Time) string {
	w.known.mu.Lock()
	defer w.known.mu.Unlock()
	id := affiliate.NewClickID(at.UnixMilli(), 1, uint64(len(w.known.all)))
	partner := map[string]string{"acme": "anna"}[program]
	w.known.all = append(w.known.all, analytics.Touch{ID: id, At: at, Program: program, Partner: partner, Link: 7, Valid: true, Visitor: affiliate.NewVisitorID(0, uint64(len(w.known.all)+1))})
	return id.String()
}
