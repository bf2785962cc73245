package postback

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/internal/affiliate"
)

const form, asJSON = "application/x-www-form-urlencoded", "application/json"

func TestReportsAreRead(t *testing.T) {
	report := func(change func(*affiliate.Report)) affiliate.Report {
		r := affiliate.Report{Program: "shop", Tx: "A-1", Status: affiliate.ReportPending, Taken: noon, Source: affiliate.ByPostback}
		change(&r)
		return r
	}
	for _, c := range []struct {
		name, method, path, kind, body string
		want                           affiliate.Report
		warnings                       string
	}{
		{name: "the least", path: "/postback/tok_static?txid=A-1", want: report(func(r *affiliate.Report) {})},
		{name: "everything", path: "/postback/tok_static?click_id=" + clickID + "&txid=A-1&amount=49.90&payout=2.5&currency=usd&status=approved&event=sale&coupon=SPRING+10&category=shoes" +
			"&customer=new&customer_id=9f86d081&sub1=a&sub3=c&sub10=j&ts=1795780800&nonce=abcdefgh",
			want: report(func(r *affiliate.Report) {
				r.ClickID, r.Amount, r.Payout, r.Status, r.Original = clickID, money(4990, "USD"), money(250, "USD"), affiliate.ReportApproved, "approved"
				r.Event, r.Coupon, r.Category, r.Customer, r.CustomerID = "sale", "SPRING 10", "shoes", affiliate.NewCustomer, "9f86d081"
				r.Subs, r.Nonce, r.At = []string{"a", "", "c", "", "", "", "", "", "", "j"}, "abcdefgh", time.Unix(1795780800, 0).UTC()
			})},
		{name: "other trackers' names", path: "/postback/tok_static?transaction_id=" + strings.ToUpper(clickID) + "&tid=A-1&sale_amount=49.9&revenue=0",
			want: report(func(r *affiliate.Report) {
				r.ClickID, r.Amount, r.Payout = clickID, money(4990, "EUR"), money(0, "EUR")
			})},
		{name: "aliases that agree", path: "/postback/tok_static?txid=A-1&order_id=A-1&tid=", want: report(func(r *affiliate.Report) {})},
		{name: "empty is not told", path: "/postback/tok_static?txid=A-1&amount=&coupon=&status=&sub1=&&", want: report(func(r *affiliate.Report) {})},
		{name: "zeros behind", path: "/postback/tok_yen?txid=A-1&amount=0012.000", want: report(func(r *affiliate.Report) { r.Program, r.Amount = "tokyo", money(12, "JPY") })},
		{name: "a currency of three digits", path: "/postback/tok_none?txid=A-1&amount=1.234&currency=KWD", want: report(func(r *affiliate.Report) { r.Program, r.Amount = "none", money(1234, "KWD") })},
		{name: "a form", method: "POST", path: "/postback/tok_static", kind: form, body: "txid=A-1&amount=1", want: report(func(r *affiliate.Report) { r.Amount = money(100, "EUR") })},
		{name: "a form and a query", method: "POST", path: "/postback/tok_static?txid=A-1", kind: form + "; charset=utf-8", body: "amount=1", want: report(func(r *affiliate.Report) { r.Amount = money(100, "EUR") })},
		{name: "a form without a type", method: "POST", path: "/postback/tok_static", body: "txid=A-1", want: report(func(r *affiliate.Report) {})},
		{name: "JSON with numbers", method: "POST", path: "/postback/tok_static", kind: asJSON, body: ` {"txid":"A-1","amount":49.90,"coupon":null,"touches":["` + clickID + `"]} `,
			want: report(func(r *affiliate.Report) { r.Amount, r.Touches = money(4990, "EUR"), []string{clickID} })},
		{name: "JSON as text from a page", method: "POST", path: "/postback/tok_script", kind: "text/plain;charset=UTF-8", body: `{"txid":"A-1","via":"script","touches":[]}`,
			want: report(func(r *affiliate.Report) { r.Source = affiliate.ByScript })},
		{name: "a reversal", path: "/postback/tok_static?txid=A-1&status=Chargeback&reason=ITEM_RETURNED&amount=5",
			want: report(func(r *affiliate.Report) {
				r.Status, r.Original, r.Reason, r.Amount = affiliate.ReportReversed, "Chargeback", affiliate.ReasonReturned, money(500, "EUR")
			})},
		{name: "an unknown reason", path: "/postback/tok_static?txid=A-1&status=reversed&reason=lost+in+space",
			want: report(func(r *affiliate.Report) {
				r.Status, r.Original, r.Reason = affiliate.ReportReversed, "reversed", affiliate.ReasonOther
			}), warnings: "reason_unknown"},
		{name: "an unknown status is never money", path: "/postback/tok_static?txid=A-1&status=vergütet", want: report(func(r *affiliate.Report) { r.Original = "vergütet" }), warnings: "status_unknown"},
		{name: "sale is an order", path: "/postback/tok_static?txid=A-1&status=sale", want: report(func(r *affiliate.Report) { r.Original = "sale" })},
		{name: "words chosen in the URL", path: "/postback/tok_static?txid=A-1&status=Billed&sale=billed,done&rejected_status=fake", want: report(func(r *affiliate.Report) {
			r.Status, r.Original = affiliate.ReportApproved, "Billed"
		})},
		{name: "their approved is only pending", path: "/postback/tok_static?txid=A-1&status=approved&pending=approved", want: report(func(r *affiliate.Report) { r.Original = "approved" })},
		{name: "a word of a number", path: "/postback/tok_static?txid=A-1&status=2&reversed=2", want: report(func(r *affiliate.Report) { r.Status, r.Original = affiliate.ReportReversed, "2" })},
		{name: "a click alone", path: "/postback/tok_static?cid=" + clickID, want: report(func(r *affiliate.Report) { r.Tx, r.ClickID = clickID, clickID }), warnings: "txid_missing"},
		{name: "what we do not know", path: "/postback/tok_static?txid=A-1&goal_id=7&x={y}", want: report(func(r *affiliate.Report) {}), warnings: "parameter_unknown"},
		{name: "when it happened", path: "/postback/tok_static?txid=A-1&ts=1795780801&at=2026-11-01T01:00:00%2B01:00", want: report(func(r *affiliate.Report) { r.At = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) })},
		{name: "exactly 400 days old", path: fmt.Sprintf("/postback/tok_static?txid=A-1&at=%d", noon.Add(-AgeMax).Unix()), want: report(func(r *affiliate.Report) { r.At = noon.Add(-AgeMax) })},
		{name: "exactly 5 minutes ahead", path: fmt.Sprintf("/postback/tok_static?txid=A-1&at=%d", noon.Add(SkewMax).Unix()), want: report(func(r *affiliate.Report) { r.At = noon.Add(SkewMax) })},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, &recorder{})
			status, a := s.send(t, first(c.method, "GET"), c.path, c.kind, c.body)
			if status != 200 || a.Status != "stored" || a.ID != "r1" || a.Conversion != "c1" || a.State != affiliate.Pending {
				t.Fatalf("%d %+v", status, a)
			}
			if len(s.taker.taken) != 1 || len(s.taker.rejections) != 0 {
				t.Fatalf("%+v", s.taker)
			}
			if diff := cmp.Diff(c.want, s.taker.taken[0]); diff != "" {
				t.Error(diff)
			}
			if got := strings.Join(a.Warnings, "\n"); !strings.HasPrefix(got, c.warnings) || (got == "") != (c.warnings == "") {
				t.Errorf("warnings %q, want %q", got, c.warnings)
			}
		})
	}
}

func first(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

// refusals are bad requests from life: what must be said of each.
var refusals = []struct {
	reason Reason
	field  string
	status int
	path   string // behind /postback/
	kind   string // not empty: a POST
	body   string
}{
	{TokenUnknown, "", 404, "nobody?txid=A-1", "", ""},
	{TokenUnknown, "", 404, "?txid=A-1", "", ""},
	{TokenUnknown, "", 404, "tok_static/more?txid=A-1", "", ""},
	{TokenUnknown, "", 404, strings.Repeat("t", 5000), "", ""},
	{SourceClosed, "", 403, "tok_script?txid=A-1", "", ""},
	{SourceClosed, "", 403, "tok_static?txid=A-1&via=script", "", ""},
	{BodyTooLarge, "", 413, "tok_static", form, "txid=A-1&x=" + strings.Repeat("x", BodyBytesMax)},
	{QueryTooLarge, "", 414, "tok_static?" + strings.Repeat("&", BodyBytesMax+1), "", ""},
	{ContentTypeUnknown, "", 415, "tok_static", "multipart/form-data; boundary=x", "--x"},
	{ContentTypeUnknown, "", 415, "tok_static", "text/xml", "<order/>"},
	{JSONMalformed, "", 400, "tok_static", asJSON, `{"txid":"A-1"`},
	{JSONMalformed, "", 400, "tok_static", asJSON, `["A-1"]`},
	{JSONMalformed, "", 400, "tok_static", asJSON, `{"txid":"A-1"} {"txid":"A-2"}`},
	{JSONMalformed, "", 400, "tok_static", asJSON, `{"txid":"A-1","amount":NaN}`},
	{JSONMalformed, "amount", 400, "tok_static", asJSON, `{"txid":"A-1","amount":{"value":1}}`},
	{JSONMalformed, "amount", 400, "tok_static", asJSON, `{"txid":"A-1","amount":` + strings.Repeat("[", 60000)},
	{JSONMalformed, "touches", 400, "tok_static", asJSON, `{"txid":"A-1","touches":[1]}`},
	{EncodingMalformed, "txid", 400, "tok_static?txid=100%&amount=1", "", ""},
	{EncodingMalformed, "txid", 400, "tok_static?txid=%ff%fe", "", ""},
	{EncodingMalformed, "", 400, "tok_static", asJSON, "{\"txid\":\"\xff\"}"},
	{TooManyParameters, "", 400, "tok_static?txid=A-1" + many("p", 100), "", ""},
	{TooManyParameters, "", 400, "tok_static?txid=A-1" + many("p", 60), form, many("q", 60)[1:]},
	{ValueTooLong, "coupon", 400, "tok_static?txid=A-1&coupon=" + strings.Repeat("c", 1025), "", ""},
	{ValueMalformed, "coupon", 400, "tok_static?txid=A-1&coupon=a%00b", "", ""},
	{ValueMalformed, "coupon", 400, "tok_static", asJSON, `{"txid":"A-1","coupon":"\ud800"}`},
	{ParameterTwice, "txid", 400, "tok_static?txid=A-1&txid=A-1", "", ""},
	{ParameterTwice, "txid", 400, "tok_static?txid=A-1", form, "txid=A-2"},
	{ParameterTwice, "txid", 400, "tok_static", asJSON, `{"txid":"A-1","\u0074xid":"A-2"}`},
	{AliasesDisagree, "order_id", 400, "tok_static?txid=A-1&order_id=A-2", "", ""},
	{AliasesDisagree, "revenue", 400, "tok_static?txid=A-1&payout=1&revenue=2", "", ""},
	{MacroUnresolved, "payout", 400, "tok_static?txid=A-1&payout={payout}", "", ""},
	{MacroUnresolved, "cid", 400, "tok_static?txid=A-1&cid={clickid}", "", ""},
	{MacroUnresolved, "payout", 400, "tok_static?txid=A-1&payout=%7Bpayout%7D", "", ""},
	{MacroUnresolved, "payout", 400, "tok_static?txid=A-1&payout=%257Bpayout%257D", "", ""},
	{MacroUnresolved, "payout", 400, "tok_static?txid=A-1&payout=%257bpayout%257d", "", ""},
	{MacroUnresolved, "txid", 400, "tok_static?txid=!!!macro!!!", "", ""},
	{MacroUnresolved, "txid", 400, "tok_static?txid=[[order]]", "", ""},
	{MacroUnresolved, "txid", 400, "tok_static?txid=order-{id}", "", ""},
	{MacroUnresolved, "txid", 400, "tok_static?txid=$%7Bid%7D", "", ""},
	{MacroUnresolved, "subid", 400, "tok_static?txid=A-1&subid=__CLICKID__", "", ""},
	{MacroUnresolved, "sub4", 400, "tok_static?txid=A-1&sub4=%25subacc4%25", "", ""},
	{MacroUnresolved, "sig", 400, "tok_signed?txid=A-1&sig={sig}", "", ""},
	{MacroUnresolved, "sale", 400, "tok_static?txid=A-1&sale={words}", "", ""},
	{MacroUnresolved, "amount", 400, "tok_static", asJSON, `{"txid":"A-1","amount":"{amount}"}`},
	{SignatureMissing, "sig", 401, "tok_signed?txid=A-1", "", ""},
	{SignatureMissing, "sig", 401, "tok_bare?txid=A-1", "", ""},
	{ClickIDMalformed, "click_id", 400, "tok_static?click_id=123", "", ""},
	{ClickIDMalformed, "click_id", 400, "tok_static?txid=A-1&click_id=0dd5q0h3c00000000000000l", "", ""},
	{ClickIDMalformed, "touches", 400, "tok_static?txid=A-1&touches=" + clickID + ",x", "", ""},
	{ClickIDMalformed, "touches", 400, "tok_static?txid=A-1&touches=" + strings.Repeat(clickID+",", 5) + clickID, "", ""},
	{OrderMissing, "txid", 400, "tok_static", "", ""},
	{OrderMissing, "txid", 400, "tok_static?txid=+&amount=5", "", ""},
	{AmountNegative, "amount", 400, "tok_static?txid=A-1&amount=-5", "", ""},
	{AmountNegative, "payout", 400, "tok_static", asJSON, `{"txid":"A-1","payout":-0.5}`},
	{AmountMalformed, "amount", 400, "tok_static?txid=A-1&amount=NaN", "", ""},
	{AmountMalformed, "amount", 400, "tok_static?txid=A-1&amount=Infinity", "", ""},
	{AmountMalformed, "amount", 400, "tok_static?txid=A-1&amount=1e400", "", ""},
	{AmountMalformed, "amount", 400, "tok_static?txid=A-1&amount=0x10", "", ""},
	{AmountMalformed, "amount", 400, "tok_static?txid=A-1&amount=12,50", "", ""},
	{AmountMalformed, "amount", 400, "tok_static?txid=A-1&amount=1.234.50", "", ""},
	{AmountMalformed, "amount", 400, "tok_static?txid=A-1&amount=-", "", ""},
	{AmountMalformed, "amount", 400, "tok_static?txid=A-1&amount=%2B5", "", ""},
	{AmountMalformed, "amount", 400, "tok_static?txid=A-1&amount=5EUR", "", ""},
	{AmountMalformed, "amount", 400, "tok_static?txid=A-1&amount=%D9%A5", "", ""}, // an Arabic five
	{AmountTooLarge, "amount", 400, "tok_static?txid=A-1&amount=" + strings.Repeat("9", 400), "", ""},
	{AmountTooLarge, "amount", 400, "tok_static?txid=A-1&amount=10000000000000", "", ""},
	{AmountTooPrecise, "amount", 400, "tok_static?txid=A-1&amount=12.345", "", ""},
	{AmountTooPrecise, "amount", 400, "tok_yen?txid=A-1&amount=12.5", "", ""},
	{AmountTooPrecise, "payout", 400, "tok_static?txid=A-1&payout=12.5&currency=JPY", "", ""},
	{CurrencyUnknown, "currency", 400, "tok_static?txid=A-1&amount=5&currency=EURO", "", ""},
	{CurrencyUnknown, "currency", 400, "tok_static?txid=A-1&currency=XAU", "", ""},
	{CurrencyMissing, "currency", 400, "tok_none?txid=A-1&amount=5", "", ""},
	{TimeMalformed, "ts", 400, "tok_static?txid=A-1&ts=yesterday", "", ""},
	{TimeMalformed, "ts", 400, "tok_static?txid=A-1&ts=1795780800000", "", ""},
	{TimeMalformed, "at", 400, "tok_static?txid=A-1&at=2026-11-27", "", ""},
	{TimeInFuture, "ts", 400, fmt.Sprintf("tok_static?txid=A-1&ts=%d", noon.Add(SkewMax).Unix()+1), "", ""},
	{TimeInFuture, "at", 400, "tok_static?txid=A-1&at=9999-12-31T23:59:59Z", "", ""},
	{TimeTooOld, "at", 400, fmt.Sprintf("tok_static?txid=A-1&at=%d", noon.Add(-AgeMax).Unix()-1), "", ""},
	{TimeTooOld, "at", 400, "tok_static?txid=A-1&at=0001-01-01T00:00:00Z", "", ""},
	{StatusMalformed, "status", 400, "tok_static?txid=A-1&status=approved,paid", "", ""},
	{StatusMalformed, "status", 400, "tok_static?txid=A-1&status=lead->sale", "", ""},
	{StatusMalformed, "sale", 400, "tok_static?txid=A-1&sale=12.34", "", ""},
	{StatusContradicted, "paid", 400, "tok_static?txid=A-1&paid=pending", "", ""},
	{StatusContradicted, "sale_status", 400, "tok_static?txid=A-1&sale_status=done,reversed", "", ""},
	{StatusContradicted, "", 400, "tok_static?txid=A-1&approved=done&rejected=done", "", ""},
	{ReasonContradicted, "reason", 400, "tok_static?txid=A-1&status=approved&reason=fraud", "", ""},
	{ReasonContradicted, "reason", 400, "tok_static?txid=A-1&reason=fraud", "", ""},
	{CustomerUnknown, "customer", 400, "tok_static?txid=A-1&customer=old", "", ""},
	{CustomerIDPersonal, "customer_id", 400, "tok_static?txid=A-1&customer_id=jo%40example.com", "", ""},
	{NonceMalformed, "nonce", 400, "tok_static?txid=A-1&nonce=short", "", ""},
	{NonceMalformed, "nonce", 400, "tok_static?txid=A-1&nonce=" + strings.Repeat("n", 65), "", ""},
	{NonceMalformed, "nonce", 400, "tok_static?txid=A-1&nonce=with+a+space", "", ""},
	{StatusUntrusted, "status", 403, "tok_page?txid=A-1&status=approved", "", ""},
	{StatusUntrusted, "status", 403, "tok_page?txid=A-1&status=reversed", "", ""},
	{StatusUntrusted, "status", 403, "tok_page?txid=A-1&status=ok&paid=ok", "", ""},
	{PayoutUntrusted, "payout", 403, "tok_page?txid=A-1&payout=900", "", ""},
}

func many(prefix string, n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "&%s%d=x", prefix, i)
	}
	return text.String()
}

func TestBadReportsAreRefused(t *testing.T) {
	s := serve(t, &recorder{})
	for _, c := range refusals {
		c.path = strings.ReplaceAll(c.path, "lead->", "lead-%3E")
		method := "GET"
		if c.kind != "" {
			method = "POST"
		}
		s.taker.rejections = nil
		status, a := s.send(t, method, "/postback/"+c.path, c.kind, c.body)
		if status != c.status || a.Status != "refused" || a.Reason != c.reason || c.field != "" && a.Field != c.field {
			t.Errorf("%.80s %.80s: %d %+v, want %d %s of %q", c.path, c.body, status, a, c.status, c.reason, c.field)
			continue
		}
		if a.Message == "" || len(a.Message) > 600 {
			t.Errorf("%.80s: the message has %d bytes: %s", c.path, len(a.Message), a.Message)
		}
		if len(s.taker.taken) > 0 || len(s.taker.nonces) > 0 {
			t.Fatalf("%.80s: a refused report changed something: %+v", c.path, s.taker)
		}
		if len(s.taker.rejections) != 1 {
			t.Fatalf("%.80s: %d rejections", c.path, len(s.taker.rejections))
		}
		r := s.taker.rejections[0]
		if r.Reason != a.Reason || r.Status != status || r.Field != a.Field || r.Message != a.Message || !r.At.Equal(noon) {
			t.Errorf("%.80s: answered %+v, kept %+v", c.path, a, r)
		}
		if len(r.Raw) > RawBytesMax || strings.Contains(r.Raw, "tok_") || !strings.HasPrefix(r.Raw, method+" /postback/") {
			t.Errorf("%.80s: raw is %q", c.path, r.Raw)
		}
	}
}

func TestMethods(t *testing.T) {
	s := serve(t, &recorder{})
	for _, method := range []string{"HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"} {
		req, _ := http.NewRequest(method, s.url+"/postback/tok_static?txid=A-1", nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != 405 || res.Header.Get("Allow") != "GET, POST" {
			t.Errorf("%s: %v %v", method, res, err)
		}
	}
	if status, a := s.get(t, "/elsewhere"); status != 404 || a.Reason != TokenUnknown {
		t.Errorf("%d %+v", status, a)
	}
	if len(s.taker.taken) > 0 {
		t.Errorf("%+v", s.taker.taken)
	}
}

func TestDuplicatesAreMarked(t *testing.T) {
	s := serve(t, &recorder{})
	s.get(t, "/postback/tok_static?txid=A-1")
	if status, a := s.get(t, "/postback/tok_static?txid=A-1"); status != 200 || a.Status != "duplicate" || a.ID == "" {
		t.Errorf("%d %+v", status, a)
	}
}

func TestTextForOldSystems(t *testing.T) {
	s := serve(t, &recorder{})
	for _, c := range []struct {
		path, want string
		status     int
	}{
		{"/postback/tok_static?txid=A-1&return=text", "OK\n", 200},
		{"/postback/tok_static?txid=A-1&return=OK", "OK\n", 200}, // a duplicate by now
		{"/postback/tok_static?txid=A-2&amount=-1&return=text", "ERROR amount_negative\n", 400},
		{"/postback/nobody?txid=A-2&return=text", "ERROR token_unknown\n", 404},
	} {
		res, err := http.Get(s.url + c.path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.status || string(text) != c.want || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %q", c.path, res.StatusCode, text)
		}
	}
}

// A sender that is told that its token is unknown gives up. A store that is away is not that.
func TestStoreAwayIsNotAnUnknownToken(t *testing.T) {
	r := &recorder{programErr: errors.New("the database system is starting up at 10.0.0.1")}
	s := serve(t, r)
	for _, path := range []string{"/postback/tok_static?txid=A-1", "/postback/nobody?txid=A-1"} {
		if status, a := s.get(t, path); status != 503 || a.Reason != Unavailable || strings.Contains(a.Message, "10.0.0.1") {
			t.Errorf("%s: %d %+v", path, status, a)
		}
	}
	r.mu.Lock()
	r.programErr = nil
	r.mu.Unlock()
	if status, _ := s.get(t, "/postback/tok_static?txid=A-1"); status != 200 {
		t.Errorf("afterwards: %d", status)
	}
}

func TestErrorsOfTheTaker(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		reason Reason
	}{
		{errors.New("disk on fire at /var/lib"), 503, Unavailable},
		{affiliate.Errorf(affiliate.Unavailable, "not now"), 503, Unavailable},
		{affiliate.Errorf(affiliate.Invalid, "no rate for USD"), 400, ReportInvalid},
		{affiliate.Errorf(affiliate.Forbidden, "the program is closed"), 403, ReportForbidden},
		{fmt.Errorf("take: %w", affiliate.Errorf(affiliate.Conflict, "x")), 409, ReportConflict},
		{&affiliate.Error{Code: affiliate.Conflict, Message: "x", Faults: []affiliate.Fault{{Field: "status", Message: "y"}}}, 409, TransitionRefused},
		{&Refusal{Reason: ReportConflict, Field: "txid", Message: "x"}, 409, ReportConflict},
	} {
		s := serve(t, &recorder{err: c.err})
		status, a := s.get(t, "/postback/tok_static?txid=A-1")
		if status != c.status || a.Reason != c.reason || strings.Contains(a.Message, "fire") {
			t.Errorf("%v: %d %+v", c.err, status, a)
		}
		if logged := s.log.String(); (status == 503) != strings.Contains(logged, c.err.Error()) {
			t.Errorf("%v: logged %q", c.err, logged)
		}
		if len(s.taker.rejections) != 1 || s.taker.rejections[0].Status != c.status {
			t.Errorf("%v: %+v", c.err, s.taker.rejections)
		}
	}
}

// endless is a body of a stranger with time.
type endless struct{ read atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read.Add(int64(len(p)))
	return len(p), nil
}

func TestAnEndlessBodyIsNotRead(t *testing.T) {
	s := serve(t, &recorder{})
	body := &endless{}
	res, err := http.Post(s.url+"/postback/tok_static", form, io.LimitReader(body, 1<<30))
	if err == nil && res.StatusCode != 413 {
		t.Errorf("%d", res.StatusCode)
	}
	s.close()                      // the client may be gone before the server has said so to the Taker
	if body.read.Load() > 64<<20 { // what fits into the buffers between, and far from the gigabyte
		t.Errorf("%d bytes were read", body.read.Load())
	}
	if len(s.taker.rejections) != 1 || s.taker.rejections[0].Reason != BodyTooLarge {
		t.Errorf("%+v", s.taker.rejections)
	}
}

func TestPixel(t *testing.T) {
	s := serve(t, &recorder{})
	fetch := func(method, path string) (*http.Response, string) {
		req, _ := http.NewRequest(method, s.url+path, nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		return res, string(body)
	}
	for _, c := range []struct{ path, report string }{
		{"/pixel/tok_page.gif?txid=P-1&amount=5", "stored"},
		{"/pixel/tok_page.gif?txid=P-1&amount=5", "duplicate"},
		{"/pixel/tok_page.gif?txid=P-2&amount=-5", "refused; reason=amount_negative"},
		{"/pixel/tok_page.gif?txid=P-2&status=paid", "refused; reason=status_untrusted"},
		{"/pixel/tok_static.gif?txid=P-2", "refused; reason=source_closed"},
		{"/pixel/nobody.gif?txid=P-2", "refused; reason=token_unknown"},
	} {
		res, body := fetch("GET", c.path)
		if res.StatusCode != 200 || body != gif || res.Header.Get("Content-Type") != "image/gif" ||
			res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Sluice-Report") != c.report {
			t.Errorf("%s: %d %q %v", c.path, res.StatusCode, body, res.Header)
		}
	}
	if n := len(s.taker.taken); n != 2 || s.taker.taken[0].Source != affiliate.ByPixel || len(s.taker.rejections) != 4 {
		t.Errorf("%+v", s.taker)
	}
	if res, body := fetch("HEAD", "/pixel/tok_page.gif?txid=P-3"); res.StatusCode != 200 || body != "" || len(s.taker.taken) != 2 {
		t.Errorf("HEAD: %d %q, %d taken", res.StatusCode, body, len(s.taker.taken))
	}
	if res, _ := fetch("POST", "/pixel/tok_page.gif?txid=P-3"); res.StatusCode != 405 {
		t.Errorf("POST: %d", res.StatusCode)
	}
	if res, _ := fetch("GET", "/pixel/tok_page.png?txid=P-3"); res.StatusCode != 404 {
		t.Errorf("png: %d", res.StatusCode)
	}
}

func TestAPublicTokenAnnouncesOnly(t *testing.T) {
	s := serve(t, &recorder{})
	if status, a := s.get(t, "/postback/tok_page?txid=A-1&amount=5&status=lead"); status != 200 {
		t.Errorf("%d %+v", status, a)
	}
	// A signature is what a stranger has not.
	if status, a := s.get(t, "/postback/tok_page?"+signed(t, "txid=A-2&status=approved&payout=5", noon, "nonce-of-8")); status != 200 {
		t.Errorf("%d %+v", status, a)
	}
}
