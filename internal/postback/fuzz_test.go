package postback

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// sane checks what must hold of every report, whatever it was made from.
func sane(t *testing.T, r affiliate.Report) {
	t.Helper()
	for _, m := range []*affiliate.Money{r.Amount, r.Payout} {
		if m != nil && (m.Minor < 0 || m.Minor > 999_999_999_999_999 || !m.Currency.Known()) {
			t.Errorf("an amount of %+v", m)
		}
	}
	if r.Tx == "" || r.At.After(noon.Add(SkewMax)) || !r.At.IsZero() && noon.Sub(r.At) > AgeMax || len(r.Subs) > 10 || len(r.Touches) > 5 {
		t.Errorf("%+v", r)
	}
	if _, err := affiliate.ParseClickID(r.ClickID); r.ClickID != "" && err != nil {
		t.Error(err)
	}
	for _, text := range append([]string{r.Tx, r.Event, r.Coupon, r.Category, r.CustomerID, r.Original, r.Nonce}, r.Subs...) {
		if macro.MatchString(text) || len(text) > ValueBytesMax {
			t.Errorf("a value of %q", text)
		}
	}
	switch r.Status {
	case affiliate.ReportPending, affiliate.ReportApproved, affiliate.ReportPaid, affiliate.ReportReversed:
	default:
		t.Errorf("a status of %q", r.Status)
	}
}

func FuzzRequest(f *testing.F) {
	for _, c := range refusals {
		token, query, _ := strings.Cut(c.path, "?")
		if len(c.path)+len(c.body) < 4000 {
			f.Add(token, query, c.kind, c.body)
		}
	}
	f.Add("tok_static", "txid=A-1&sale=billed&status=billed&amount=5&sub3=x", asJSON, `{"payout":1,"touches":["`+clickID+`"]}`)
	f.Add("tok_signed", signed(f, "txid=A-1&amount=5", noon, "nonce-1234"), form, "")
	f.Fuzz(func(t *testing.T, token, query, kind, body string) {
		for _, path := range []string{"/postback/" + token, "/pixel/" + token + ".gif"} {
			taker := &recorder{}
			h := New(taker, Options{Now: func() time.Time { return noon }})
			r := httptest.NewRequest("POST", "/", strings.NewReader(body))
			r.URL = &url.URL{Path: path, RawQuery: query}
			r.Header.Set("Content-Type", kind)
			if strings.HasSuffix(path, ".gif") {
				r.Method = "GET"
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			for _, report := range taker.taken {
				sane(t, report)
			}
			if len(taker.taken)+len(taker.rejections) != 1 {
				t.Fatalf("%d taken, %d refused", len(taker.taken), len(taker.rejections))
			}
			if len(taker.rejections) == 1 {
				if rejection := taker.rejections[0]; len(rejection.Raw) > RawBytesMax || rejection.Status/100 != 4 {
					t.Fatalf("%+v", rejection)
				}
			}
			if kind := w.Header().Get("Content-Type"); kind == asJSON && !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%q", w.Body)
			}
			if w.Code != 200 && len(taker.taken) > 0 {
				t.Fatalf("taken, but %d %s", w.Code, w.Body)
			}
		}
	})
}

func FuzzCSV(f *testing.F) {
	f.Add("txid,amount\nA-1,5\n\"A-2\",-5\n")
	f.Add("\ufeffclick_id;status;reason\n" + clickID + ";reversed;fraud\n\"")
	f.Fuzz(func(t *testing.T, file string) {
		line := 0
		for row, err := range ReadCSV(strings.NewReader(file), csvInbox, noon) {
			if row.Line <= line {
				t.Fatalf("line %d after %d", row.Line, line)
			}
			if line = row.Line; err == nil {
				sane(t, row.Report)
			}
		}
	})
}
