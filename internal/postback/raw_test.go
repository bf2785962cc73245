package postback

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// What is kept of a refused report helps people and nobody else.
func TestSecretsAreBlankedOut(t *testing.T) {
	sig := strings.Repeat("5e", 32)
	bad := "&amount=-1&txid=A-1" // so that all are refused
	for _, c := range []struct{ name, path, kind, body string }{
		{"sig in the query", "tok_static?sig=" + sig + bad, "", ""},
		{"sig written otherwise", "tok_static?s%69g=" + sig + bad, "", ""},
		{"sig in a query that cannot be read", "tok_static?a=%&sig=" + sig, "", ""},
		{"sig under a name that cannot be read", "tok_static?%zz=" + sig, "", ""},
		{"sig twice", "tok_static?sig=x&sig=" + sig + bad, "", ""},
		{"sig in a form", "tok_static", form, "sig=" + sig + bad},
		{"sig in JSON", "tok_static", asJSON, `{"amount":-1,"sig" : "` + sig + `"}`},
		{"sig in JSON, name escaped", "tok_static", asJSON, `{"amount":-1,"\u0073ig":"` + sig + `"}`},
		{"sig in JSON that breaks off", "tok_static", asJSON, `{"sig":"` + sig},
		{"token and secret as parameters", "tok_static?token=tok_static&key=" + strings.ReplaceAll(string(secret), " ", "%20") + "&key2=" + strings.ReplaceAll(string(secret), " ", "+") + bad, "", ""},
		{"secret in JSON", "tok_static", asJSON, `{"amount":-1,"txid":"A-1","secret":"` + string(secret) + `"}`},
		{"an unknown token", "tok_typo?txid=A-1", "", ""},
		{"an address", "tok_static?txid=A-1&customer_id=jo%40example.com", "", ""},
		{"an address in JSON", "tok_static", asJSON, `{"txid":"A-1","customer_id":"jo@example.com"}`},
	} {
		s := serve(t, &recorder{})
		method := "GET"
		if c.kind != "" {
			method = "POST"
		}
		s.send(t, method, "/postback/"+c.path, c.kind, c.body)
		if len(s.taker.rejections) != 1 {
			t.Fatalf("%s: %+v", c.name, s.taker)
		}
		raw := s.taker.rejections[0].Raw
		for _, text := range []string{sig, "tok_", "thirty-two", "example.com"} {
			if strings.Contains(raw, text) {
				t.Errorf("%s: %q is kept in %s", c.name, text, raw)
			}
		}
		if !strings.Contains(raw, blanked) {
			t.Errorf("%s: kept as %s", c.name, raw)
		}
	}
}

func TestRawIsCutWhereACharacterEnds(t *testing.T) {
	s := serve(t, &recorder{})
	s.send(t, "POST", "/postback/tok_static", asJSON, `{"coupon":"`+strings.Repeat("ä", 20000)+`"}`)
	raw := s.taker.rejections[0].Raw
	if len(raw) > RawBytesMax || len(raw) < RawBytesMax-8 || !utf8.ValidString(raw) || !strings.HasSuffix(raw, "ä…") {
		t.Errorf("%d bytes, ending in %q", len(raw), raw[len(raw)-8:])
	}
}
