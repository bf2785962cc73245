package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
)

func TestSettlementOfProgram(t *testing.T) {
	w := newWorld(t)
	var p Program
	w.do(socket, "POST", "/programs", `{"id": "acme", "side": "pays", "merchant": "Acme Ltd.", "settlement": {"currency": "eur",
		"terms": [{"rates": [{"event": "sale", "percent": 75000, "cap": 10000, "tiers": [{"from": 1000000, "percent": 100000}]}, {"fixed": 500}], "hold_days": 30, "lock_day": 10}],
		"minimum_payout": 5000, "confirm": true}}`).want(201, &p)
	s := p.Settlement
	if p.Side != affiliate.Pays || p.Merchant != "Acme Ltd." || s == nil || s.Currency != "EUR" || s.Attribution.WindowDays != 30 || !s.Terms[0].From.IsZero() ||
		s.Terms[0].Rates[0].Tiers[0].Percent != 100_000 || s.Terms[0].Rates[1].Fixed != 500 || !s.Confirm {
		t.Errorf("created %+v", s)
	}
	var read Program
	body := w.do(socket, "GET", "/programs/acme", nil).want(200, &read).Body.String()
	if strings.Contains(body, "0001-01-01") {
		t.Errorf("the beginning of time is shown: %s", body)
	}
	w.do(socket, "PUT", "/programs/acme", read, "If-Match", `"1"`).want(200, &read)
	if read.Version != 1 {
		t.Errorf("what was read and put back is version %d", read.Version)
	}
	for _, c := range []struct{ name, body, field, says string }{
		{"a change of the past", `{"settlement": {"currency": "EUR", "terms": [{"rates": [{"percent": 10000}]}]}}`, "settlement.terms[0]", "in force"},
		{"terms for the past", `{"settlement": {"currency": "EUR", "terms": [` + stored(t, s) + `, {"from": "2001-01-01T00:00:00Z"}]}}`, "settlement.terms[1].from", "for the past"},
		{"no settlement any more", `{}`, "settlement", "cannot be removed"},
		{"another currency", `{"settlement": {"currency": "USD", "terms": [` + stored(t, s) + `]}}`, "settlement.currency", "from EUR to USD"},
		{"percent as people say it", `{"settlement": {"currency": "EUR", "terms": [{"rates": [{"percent": 7.5}]}]}}`, "settlement.terms[0].rates[0].percent", "integer"},
		{"percent as people write it", `{"settlement": {"currency": "EUR", "terms": [{"rates": [{"percent": 5}]}]}}`, "settlement.terms[0].rates[0].percent", "7.5 % is 75000"},
		{"a field that is none", `{"settlement": {"currency": "EUR", "terms": [{"rate": []}]}}`, "settlement.terms[0].rate", "no such field"},
		{"year 10000", `{"settlement": {"currency": "EUR", "terms": [{"from": "9999-12-31T23:59:59-01:00"}]}}`, "settlement.terms[0].from", "year"},
		{"year -1", `{"settlement": {"currency": "EUR", "terms": [{"from": "0000-01-01T00:00:00+01:00"}]}}`, "settlement.terms[0].from", "year"},
	} {
		t.Run(c.name, func(t *testing.T) {
			problem := w.do(socket, "PUT", "/programs/acme", c.body).problem(422, "invalid")
			if len(problem.Errors) != 1 || problem.Errors[0].Field != c.field || !strings.Contains(problem.Errors[0].Message, c.says) {
				t.Errorf("errors %v", problem.Errors)
			}
		})
	}
	w.do(socket, "PUT", "/programs/acme", `{"settlement": {"currency": "EUR", "terms": [`+stored(t, s)+`, {"from": "2998-01-01T00:00:00Z"}]}}`).want(200, &read)
	if len(read.Settlement.Terms) != 2 {
		t.Errorf("terms %+v", read.Settlement.Terms)
	}
}

// stored are the first terms of a settlement as JSON.
func stored(t *testing.T, s *affiliate.Settlement) string {
	t.Helper()
	b, err := json.Marshal(s.Terms[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestBankAccountsAreForOperators(t *testing.T) {
	const iban = "DE89370400440532013000"
	w := newWorld(t)
	w.do(socket, "POST", "/programs", `{"id": "acme"}`).want(201, nil)
	var p Partner
	w.do(socket, "POST", "/partners", `{"program": "acme", "code": "mia", "coupons": ["mia10"],
		"payout_method": {"kind": "sepa", "name": "Mia Muster", "iban": "DE89 3704 0044 0532 0130 00"}}`).want(201, &p)
	if p.Method == nil || p.Method.IBAN != iban || p.Coupons[0] != "MIA10" {
		t.Fatalf("created %+v", p)
	}
	w.do(socket, "PUT", "/partners/acme/mia", `{"coupons": ["mia20"], "payout_method": {"kind": "sepa", "name": "Mia", "iban": "`+iban+`"}}`).want(200, nil)
	other := w.token("mia", account.Read)
	for _, path := range []string{"/partners", "/partners/acme/mia", "/changes?limit=1000", "/changes?order=newest&kind=partner&key=acme/mia"} {
		if body := w.do(socket, "GET", path, nil).want(200, nil).Body.String(); !strings.Contains(body, iban) {
			t.Errorf("%s hides the account from operators: %s", path, body)
		}
		body := w.do(other, "GET", path, nil).want(200, nil).Body.String()
		if strings.Contains(body, iban) || strings.Contains(body, "Muster") {
			t.Errorf("%s shows the account: %s", path, body)
		}
		if !strings.Contains(body, "MIA20") {
			t.Errorf("%s hides the coupons too: %s", path, body)
		}
	}
	problem := w.do(socket, "POST", "/partners", `{"program": "acme", "code": "eve", "payout_method": {"kind": "sepa", "name": "Eve", "iban": "DE00"}}`).problem(422, "invalid")
	if len(problem.Errors) != 1 || problem.Errors[0].Field != "payout_method.iban" {
		t.Errorf("errors %v", problem.Errors)
	}
}
