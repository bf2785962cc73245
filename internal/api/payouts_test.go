package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/settlement"
	"github.com/sluicehq/sluice/internal/store"
)

func (w *world) refuse(id, program, reason string) {
	w.Helper()
	w.must(w.store.Update(w.Context(), func(s store.Writer) error {
		return s.Books().Refuse(settlement.Rejection{ID: id, At: w.clock.Now(), Program: program, Source: affiliate.ByPostback, Reason: reason, Message: "no", Raw: "amount=x"})
	}))
}

// later lets days pass and does what falls due.
func (w *world) later(days int) {
	w.Helper()
	w.clock.Add(time.Duration(days) * 24 * time.Hour)
	_, err := w.office.RunDue(w.Context())
	w.must(err)
}

// From owed to paid, and back, with who did what.
func TestLifeOfAPayout(t *testing.T) {
	w := newWorld(t).keepBooks(func(s *affiliate.Settlement) { s.Confirm = true })
	_, err := w.accounts.CreateUser(t.Context(), "berta", "", true)
	w.must(err)
	admin, berta := w.token("admin", account.Write), w.token("berta", account.Write)
	w.order("A-1", "anna", "600.00")
	w.order("A-2", "ben", "100.00")
	w.later(30)

	var preview struct{ Items []PayoutLine }
	w.do(admin, "GET", "/payouts/preview?program=acme", nil).want(200, &preview)
	if len(preview.Items) != 2 || preview.Items[0].Waits != "" || preview.Items[0].Amount.Text != "60.00 EUR" || preview.Items[1].Waits != "below_minimum" || preview.Items[1].Why == "" {
		t.Fatalf("preview %+v", preview.Items)
	}
	var drafts, again, all PayoutList
	w.do(admin, "POST", "/payouts", PayoutRun{"acme"}).want(200, &drafts)
	w.do(admin, "POST", "/payouts", PayoutRun{"acme"}).want(200, &again)
	if len(drafts.Items) != 1 || len(again.Items) != 0 {
		t.Fatalf("drafts %+v, again %+v", drafts, again)
	}
	p := drafts.Items[0]
	if p.ID != "acme:anna:EUR:1" || p.Reference != p.ID || p.Author != "admin" || p.Method != "sepa" || p.State != "draft" {
		t.Errorf("draft %+v", p)
	}
	address := "/payouts/" + p.ID
	w.do(admin, "POST", address+"/sent", nil).problem(409, "conflict")
	w.do(admin, "POST", address+"/approve", nil).problem(403, "forbidden")
	w.do(berta, "POST", address+"/approve", nil).want(200, &p)
	if p.State != "approved" || p.Approver != "berta" || p.Approved == nil {
		t.Errorf("approved %+v", p)
	}
	w.do(admin, "POST", address+"/sent", nil).want(200, &p)
	w.do(admin, "POST", address+"/sent", nil).problem(409, "conflict")
	w.do(admin, "POST", address+"/undo", `{}`).problem(422, "invalid")
	w.do(berta, "POST", address+"/undo", PayoutUndo{"it came back"}).want(200, &p)
	if p.State != "undone" || p.Undone == nil {
		t.Errorf("undone %+v", p)
	}
	w.do(admin, "GET", "/payouts?program=acme&state=undone", nil).want(200, &all)
	if len(all.Items) != 1 {
		t.Errorf("payouts %+v", all)
	}
	w.do(admin, "GET", "/payouts?program=nope", nil).problem(422, "invalid")
	w.do(admin, "POST", "/payouts/absent/approve", nil).problem(404, "not_found")

	a := w.do(admin, "GET", "/statements?program=acme&partner=anna&since=2026-11-01", nil).want(200, nil)
	for _, line := range []string{"opening,,0.00,EUR", "approved,60.00,60.00,EUR", "payout,-60.00,0.00,EUR", "undone,60.00,60.00,EUR"} {
		if !strings.Contains(a.Body.String(), line) {
			t.Errorf("%q is not in the statement:\n%s", line, a.Body)
		}
	}
	var authors []string
	w.must(w.store.View(t.Context(), func(r store.Reader) error {
		postings, err := r.Books().Postings(store.PostingQuery{Subject: "payout:" + p.ID, Limit: 10})
		for _, posting := range postings {
			authors = append(authors, string(posting.Why)+" by "+posting.Author)
		}
		return err
	}))
	if got := strings.Join(authors, ", "); got != "undone by berta, settled by admin, payout by admin" {
		t.Errorf("the ledger says: %s", got)
	}
}

func TestBalancesAndAdjustments(t *testing.T) {
	w := newWorld(t).keepBooks()
	as := w.token("admin", account.Write)
	bonus := AdjustmentInput{Kind: "bonus", Program: "acme", Partner: "anna", Amount: "25.00", Reason: "other", Note: "spring contest"}
	var first, again Adjustment
	w.do(as, "POST", "/adjustments", bonus, "Idempotency-Key", "k1").want(201, &first)
	a := w.do(as, "POST", "/adjustments", bonus, "Idempotency-Key", "k1").want(201, &again)
	if first != again || first.Author != "admin" || a.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("first %+v, again %+v", first, again)
	}
	other := bonus
	other.Amount = "26.00"
	w.do(as, "POST", "/adjustments", other, "Idempotency-Key", "k1").problem(422, "invalid")
	w.clock.Add(12 * time.Hour) // the first moment of the next day
	taken := bonus
	taken.Kind, taken.Amount = "manual", "-30.00"
	w.do(as, "POST", "/adjustments", taken).want(201, nil)
	owed := func(query string) string {
		t.Helper()
		var list BalanceList
		w.do(as, "GET", "/balances?"+query, nil).want(200, &list)
		texts := []string{}
		for _, b := range list.Items {
			texts = append(texts, b.Partner+" "+b.Owed.Text)
		}
		return strings.Join(texts, ", ")
	}
	for query, want := range map[string]string{
		"": "anna -5.00 EUR", "program=acme&partner=anna": "anna -5.00 EUR", "program=acme&partner=ben": "",
		"program=acme&at=2026-11-20": "anna 25.00 EUR", "program=acme&at=2026-11-19": "",
	} {
		if got := owed(query); got != want {
			t.Errorf("%q: owed %q, want %q", query, got, want)
		}
	}
	for field, change := range map[string]func(*AdjustmentInput){
		"kind":    func(in *AdjustmentInput) { in.Kind = "gift" },
		"program": func(in *AdjustmentInput) { in.Program = "nope" },
		"partner": func(in *AdjustmentInput) { in.Partner = "nobody" },
		"amount":  func(in *AdjustmentInput) { in.Amount = "-1.00" },
		"reason":  func(in *AdjustmentInput) { in.Reason = "because" },
		"note":    func(in *AdjustmentInput) { in.Note = " " },
	} {
		in := bonus
		change(&in)
		p := w.do(as, "POST", "/adjustments", in).problem(422, "invalid")
		if len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%s: %+v", field, p.Errors)
		}
	}
	w.clock.Add(48 * time.Hour) // the key is forgotten, the posting is not
	w.do(as, "POST", "/adjustments", bonus, "Idempotency-Key", "k1").want(201, &again)
	w.clock.Add(48 * time.Hour)
	w.do(as, "POST", "/adjustments", other, "Idempotency-Key", "k1").problem(409, "conflict")
	if got := owed(""); got != "anna -5.00 EUR" || again.ID != first.ID {
		t.Errorf("posted twice: owed %q, %+v", got, again)
	}
	in := bonus
	in.Partner = ""
	w.do(as, "POST", "/adjustments", in).problem(422, "invalid")
	w.do(as, "GET", "/balances?program=nope", nil).problem(404, "not_found")
	w.do(as, "GET", "/balances?at=soon", nil).problem(422, "invalid")
}

func TestPaymentFiles(t *testing.T) {
	w := newWorld(t).keepBooks()
	w.do(socket, "GET", "/payouts/export?program=acme", nil).problem(422, "invalid") // nothing is approved
	w.order("A-1", "anna", "600.00")
	w.order("A-2", "ben", "500.00")
	w.later(30)
	var drafts PayoutList
	w.do(socket, "POST", "/payouts", PayoutRun{"acme"}).want(200, &drafts)
	for i, p := range drafts.Items {
		w.do(socket, "POST", "/payouts/"+p.ID+"/approve", nil).want(200, nil)
		file := w.do(socket, "GET", "/payouts/export?program=acme", nil).want(200, nil).Body.String()
		if lines := strings.Count(file, "\n"); lines != i+2 {
			t.Errorf("with %d approved the file is\n%s", i+1, file)
		}
	}
	sepa := "format=sepa&debtor_name=Acme&debtor_iban=NL91ABNA0417164300&debtor_bic=ABNANL2A"
	for _, c := range []struct {
		query, skipped string
		parts          []string
	}{
		{"", "0", []string{"acme:anna:EUR:1,anna,Anna Müller,DE89370400440532013000,,,60.00,EUR,Commission Acme acme:anna:EUR:1", "acme:ben:EUR:1,ben,,,,ben@example.com,50.00,EUR"}},
		{"format=paypal&decimal_mark=comma", "1", []string{`ben@example.com,"50,00",EUR,acme:ben:EUR:1`}},
		{sepa, "1", []string{"<EndToEndId>acme:anna:EUR:1</EndToEndId>", "<CtrlSum>60.00</CtrlSum>", "<IBAN>NL91ABNA0417164300</IBAN>", "<Dt>2026-12-20</Dt>"}},
		{sepa + "&execute=2026-12-24&version=pain.001.001.03", "1", []string{"<ReqdExctnDt>2026-12-24</ReqdExctnDt>", "pain.001.001.03"}},
	} {
		a := w.do(w.token("admin", account.Read), "GET", "/payouts/export?program=acme&"+c.query, nil).want(200, nil)
		for _, part := range c.parts {
			if !strings.Contains(a.Body.String(), part) {
				t.Errorf("%s: %q is not in\n%s", c.query, part, a.Body)
			}
		}
		if got := a.Header().Get("Sluice-Skipped"); got != c.skipped || a.Header().Get("Content-Disposition") == "" {
			t.Errorf("%s: skipped %s, %q", c.query, got, a.Header().Get("Content-Disposition"))
		}
	}
	first := w.do(socket, "GET", "/payouts/export?program=acme&"+sepa, nil).Body.String()
	w.clock.Add(48 * time.Hour)
	second := w.do(socket, "GET", "/payouts/export?program=acme&"+sepa, nil).Body.String()
	id := func(file string) string {
		_, rest, _ := strings.Cut(file, "<MsgId>")
		id, _, _ := strings.Cut(rest, "<")
		return id
	}
	if id(first) == "" || id(first) != id(second) {
		t.Errorf("the same payouts are the messages %q and %q", id(first), id(second))
	}
	for query, field := range map[string]string{
		"format=sepa": "debtor_name", "format=sepa&debtor_name=Acme": "debtor_iban", sepa + "&execute=tomorrow": "execute",
		"format=sepa&debtor_name=Acme&debtor_iban=NL92ABNA0417164300": "message.debtor.iban",
	} {
		p := w.do(socket, "GET", "/payouts/export?program=acme&"+query, nil).problem(422, "invalid")
		if len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}
}

func TestReferenceOfAPayout(t *testing.T) {
	for id, same := range map[string]bool{
		"acme:mia:EUR:3": true, "acme:mia-2.x:EUR:3": true, "acme_shop:mia:EUR:3": false,
		"acme-kitchenware-germany:influencer-mia:EUR:12": false, ":mia:EUR:1": false,
	} {
		got := reference(id)
		if (got == id) != same || len(got) > 30 || got != reference(id) {
			t.Errorf("%s: %s", id, got)
		}
	}
	if reference(strings.Repeat("a", 40)+"1") == reference(strings.Repeat("a", 40)+"2") {
		t.Error("two payouts have one reference")
	}
}

func TestRates(t *testing.T) {
	w := newWorld(t).keepBooks()
	as := w.token("admin", account.Write)
	rates := RateList{Items: []ExchangeRate{{From: "EUR", To: "USD", Date: "2026-11-19", Rate: "1.0567", Source: "ECB"}, {From: "EUR", To: "JPY", Date: "2026-11-19", Rate: "160", Source: "ECB"}}}
	var stored RatesStored
	w.do(as, "PUT", "/rates", rates).want(200, &stored)
	var list RateList
	w.do(as, "GET", "/rates", nil).want(200, &list)
	if stored.Stored != 2 || len(list.Items) != 2 || list.Items[0].To != "JPY" || list.Items[1].Rate != "1.0567" {
		t.Errorf("stored %d, list %+v", stored.Stored, list)
	}
	w.do(as, "GET", "/rates?from=usd&to=EUR", nil).want(200, &list)
	if len(list.Items) != 1 || list.Items[0].Rate != "0.9463423867" {
		t.Errorf("back: %+v", list)
	}
	var r Receipt
	w.do(as, "POST", "/conversions", ReportInput{Program: "acme", Tx: "usd", Amount: "105.67", Currency: "USD", ClickID: w.click("anna")}).want(200, &r)
	if x := w.explain(r.Conversion); x.Conversion.Order.Text != "100.00 EUR" || x.Reports[0].Received.Text != "105.67 USD" || x.Reports[0].Rate.Source != "ECB" {
		t.Errorf("converted: %+v", x.Reports)
	}
	rates.Items[0].Rate = "1e3"
	rates.Items[1].To = "ZZZ"
	p := w.do(as, "PUT", "/rates", rates).problem(http.StatusUnprocessableEntity, "invalid")
	if len(p.Errors) != 1 || p.Errors[0].Field != "items[0].rate" {
		t.Errorf("faults %+v", p.Errors)
	}
	rates.Items[0].Rate = "2"
	w.do(as, "PUT", "/rates", rates).problem(422, "invalid")
	w.do(as, "GET", "/rates?from=EUR&to=USD", nil).want(200, &list)
	if list.Items[0].Rate != "1.0567" {
		t.Errorf("half of a bad list was stored: %+v", list)
	}
}
