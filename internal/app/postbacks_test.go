package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/postback"
	"github.com/sluicehq/sluice/internal/store"
)

// From a click over a merchant's signed postback to a pending commission of the right
// partner, all of it over HTTP and with the real engines.
func TestPostbackOfAClick(t *testing.T) {
	p := start(t, t.TempDir())
	p.create("/api/v1/programs", `{"id": "lamps", "side": "pays", "settlement": {"currency": "EUR", "minimum_payout": 1000,
		"terms": [{"hold_days": 30, "rates": [{"percent": 100000}]}]}}`)
	p.create("/api/v1/partners", `{"program": "lamps", "code": "anna"}`)
	p.create("/api/v1/links", `{"slug": "lamp", "program": "lamps", "destinations": [{"url": "https://lamps.example/?sid={click_id}"}]}`)
	to, err := url.Parse(p.click("lamp?ref=anna"))
	if err != nil {
		t.Fatal(err)
	}
	id := to.Query().Get("sid")
	p.clicks(1)

	o := p.app.office.get()
	program, err := o.books.Program(t.Context(), "lamps")
	if err != nil {
		t.Fatal(err)
	}
	server, page, secret := p.app.mailbox.Tokens(program)
	sign := func(query string) string {
		canonical, err := postback.Canonical(query)
		if err != nil {
			t.Fatal(err)
		}
		return query + "&sig=" + postback.Sign(secret, canonical)
	}
	order := fmt.Sprintf("click_id=%s&txid=order-1&amount=129.90&currency=EUR&ts=%d&nonce=", id, time.Now().Unix())
	status, answer := p.send("/postback/" + server + "?" + sign(order+"nonce-0001"))
	if status != 200 || answer["status"] != "stored" || answer["state"] != "pending" {
		t.Fatalf("the order: %d %v", status, answer)
	}
	if status, answer := p.send("/postback/" + server + "?" + sign(order+"nonce-0002")); status != 200 || answer["status"] != "duplicate" {
		t.Errorf("the same order again: %d %v", status, answer)
	}
	for name, c := range map[string]struct {
		path   string
		status int
	}{
		"replayed":            {"/postback/" + server + "?" + sign(order+"nonce-0001"), 409},
		"unsigned":            {"/postback/" + server + "?" + order + "nonce-0003", 401},
		"a stranger's token":  {"/postback/lamps.s0123456789abcdef01234567?" + sign(order+"nonce-0004"), 404},
		"a page's token":      {"/postback/" + page + "?" + sign(order+"nonce-0005"), 403},
		"an unresolved macro": {"/postback/" + server + "?" + sign("click_id="+id+"&txid=%7Btxid%7D&amount=1&nonce=nonce-0006"+fmt.Sprintf("&ts=%d", time.Now().Unix())), 422},
	} {
		if status, answer := p.send(c.path); status != c.status && !(c.status == 422 && status == 400) {
			t.Errorf("%s: %d %v, want %d", name, status, answer, c.status)
		}
	}
	if status, answer := p.send("/pixel/" + page + ".gif?txid=order-2&amount=10.00&currency=EUR&click_id=" + id); status != 200 {
		t.Errorf("the pixel: %d %v", status, answer)
	}
	x, err := o.books.Explain(t.Context(), answer["conversion"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Shares) != 1 || x.Shares[0].Partner != "anna" || x.Shares[0].Amount != (affiliate.Money{Minor: 1299, Currency: "EUR"}) || len(x.Postings) != 1 {
		t.Errorf("the conversion: %+v", x)
	}
	var refused []store.Rejection
	if err := o.store.View(context.Background(), func(r store.Reader) error {
		refused, err = r.Books().Rejections(store.RejectionQuery{Limit: 100})
		return err
	}); err != nil || len(refused) < 4 {
		t.Errorf("%d rejections are listed, %v", len(refused), err)
	}
	for _, r := range refused {
		if strings.Contains(r.Raw, server) || strings.Contains(r.Raw, "sig="+postback.Sign(secret, "")) {
			t.Errorf("a rejection shows a secret: %s", r.Raw)
		}
	}
}

// create posts a document to the operator's API.
func (p *process) create(path, body string) {
	p.t.Helper()
	var answer json.RawMessage
	if status := p.call("POST", path, body, &answer); status != 201 && status != 200 {
		p.t.Fatalf("POST %s: %d %s", path, status, answer)
	}
}

// send is a merchant's server.
func (p *process) send(path string) (status int, answer map[string]any) {
	p.t.Helper()
	res, err := http.Get(p.links + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = json.Unmarshal(body, &answer) // a pixel has none
	return res.StatusCode, answer
}

// A postback is in the report of earnings that is asked for next: no later than two seconds, since
// it is read from the books.
func TestPostbackIsInTheNextReport(t *testing.T) {
	p := start(t, t.TempDir())
	p.create("/api/v1/programs", `{"id": "lamps", "side": "pays", "settlement": {"currency": "EUR", "static_token": true,
		"terms": [{"hold_days": 30, "rates": [{"percent": 100000}]}]}}`)
	p.create("/api/v1/partners", `{"program": "lamps", "code": "anna"}`)
	p.create("/api/v1/links", `{"slug": "lamp", "program": "lamps", "destinations": [{"url": "https://lamps.example/?sid={click_id}"}]}`)
	to, err := url.Parse(p.click("lamp?ref=anna"))
	if err != nil {
		t.Fatal(err)
	}
	p.click("lamp?ref=anna")
	p.clicks(2)
	program, err := p.app.office.get().books.Program(t.Context(), "lamps")
	if err != nil {
		t.Fatal(err)
	}
	server, _, _ := p.app.mailbox.Tokens(program)
	begin := time.Now()
	if status, answer := p.send("/postback/" + server + "?click_id=" + to.Query().Get("sid") + "&txid=order-1&amount=129.90&currency=EUR"); status != 200 || answer["state"] != "pending" {
		t.Fatalf("the order: %d %v", status, answer)
	}
	var report struct {
		Rows []struct {
			Partner, Link, Epc  string
			Clicks, Conversions int
			Net                 affiliate.Money
		}
	}
	if status := p.call("GET", "/api/v1/reports/earnings?by=partner,link", "", &report); status != 200 {
		t.Fatalf("the report: %d", status)
	}
	took := time.Since(begin)
	t.Logf("visible %s after the postback was sent", took)
	if len(report.Rows) != 1 || took > 2*time.Second {
		t.Fatalf("after %s the report is %+v", took, report)
	}
	if r := report.Rows[0]; r.Partner != "anna" || r.Link != "lamp" || r.Clicks != 2 || r.Conversions != 1 || r.Net.Minor != 1299 || r.Epc != "6.495000" {
		t.Errorf("the row is %+v", r)
	}
}
