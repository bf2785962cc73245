package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// exampleChange is the one of docs/webhooks.md: the hold of an order ends.
func exampleChange(t *testing.T) Change {
	after := store.Conversion{
		ID: "2c9n4v8k1m7q0t5s3a6d8f1g", Program: "acme", Tx: "A-1017", State: affiliate.Approved, At: time.Date(2026, 10, 27, 9, 12, 44, 0, time.UTC),
		Order: affiliate.Money{Minor: 12000, Currency: "EUR"}, Partner: "anna", ClickID: "01k8hv3c7q0a9m2n5p8r1t4w",
		ClickAt: time.Date(2026, 10, 26, 20, 3, 10, 0, time.UTC), Link: 17, Page: "/best-kettles", Sub1: "newsletter", Revision: 3,
	}
	var err error
	after.Shares, err = json.Marshal([]commission.Share{{Partner: "anna", ClickID: after.ClickID, Amount: affiliate.Money{Minor: 600, Currency: "EUR"}}})
	must(t, err)
	before := after
	before.State, before.Revision = affiliate.Pending, 2
	return Change{Before: &before, After: after, Why: ledger.Approved, At: begin}
}

func examplePayout() ledger.Payout {
	return ledger.Payout{
		ID: "acme:anna:EUR:1", Program: "acme", Partner: "anna", Amount: affiliate.Money{Minor: 6000, Currency: "EUR"}, Method: "sepa", State: ledger.PayoutSent,
		Created: begin.Add(-2 * time.Hour), Approved: begin.Add(-time.Hour), Sent: begin,
	}
}

// The page for receivers shows what is sent: whole bodies, a signature that is right, and
// the names of all events and macros.
func TestThePageForReceivers(t *testing.T) {
	text, err := os.ReadFile("../../docs/webhooks.md")
	must(t, err)
	page := string(text)
	shows := func(what, want string) {
		t.Helper()
		if !strings.Contains(page, "\n"+want+"\n") {
			t.Errorf("the page does not show %s:\n%s", what, want)
		}
	}
	to := Subscribers{Endpoints: []Endpoint{{ID: "shop"}}}
	conversion, err := Events(exampleChange(t), to)
	must(t, err)
	payout, err := PayoutEvents(examplePayout(), to)
	must(t, err)
	for _, m := range append(conversion, payout...) {
		var indented bytes.Buffer
		must(t, json.Indent(&indented, m.Body, "", "  "))
		shows("the body of "+m.Target, indented.String())
	}

	secret, id, body := secretPrefix+"c2x1aWNlLWV4YW1wbGUtc2VjcmV0LW9mLTMyLWJ5dGU=", "msg_example", `{"type":"payout.sent"}`
	at := strconv.FormatInt(begin.Unix(), 10)
	signed, err := sign([]string{secret}, id, begin, []byte(body))
	must(t, err)
	if want := signature(t, secret, id, at, body); signed != want {
		t.Errorf("signed as %s; the specification says %s", signed, want)
	}
	shows("the worked example", fmt.Sprintf("secret     %s\nid         %s\ntimestamp  %s\nbody       %s\nsigned     %s.%s.%s\nsignature  %s", secret, id, at, body, id, at, body, signed))

	template := "https://tracker.example/postback?cid={click_id}&payout={commission}&status={status}"
	b := PartnerPostback{Program: "acme", Partner: "anna", URL: template}
	must(t, b.Validate(Policy{}))
	postback, err := Events(exampleChange(t), Subscribers{Postbacks: []PartnerPostback{b}})
	must(t, err)
	url, err := (&errand{Message: postback[0], target: target{url: template}}).postbackURL()
	must(t, err)
	if shows("the postback", url); !strings.Contains(page, "`"+template+"` becomes") {
		t.Error("the page does not show the postback's template")
	}

	for _, event := range Types {
		if !strings.Contains(page, "| `"+string(event)+"` |") {
			t.Errorf("the page has no row for %s", event)
		}
	}
	for _, macro := range macros {
		if !strings.Contains(page, "`{"+macro+"}`") && !strings.HasPrefix(macro, "sub") {
			t.Errorf("the page does not name {%s}", macro)
		}
	}
	var waits []string
	for _, d := range delays {
		waits = append(waits, strings.NewReplacer("h0m0s", " h", "m0s", " min", "s", " s").Replace(d.String()))
	}
	if !strings.Contains(page, strings.Join(waits, ", ")) {
		t.Errorf("the page does not tell the delays %s", strings.Join(waits, ", "))
	}
}
