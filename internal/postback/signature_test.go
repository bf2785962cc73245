package postback

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSignatures(t *testing.T) {
	good := signed(t, "txid=A-1&amount=49.90&coupon=a+b%20c", noon, "nonce-1234")
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in %q", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	wrongKey, _ := Canonical("txid=A-1&ts=1&nonce=12345678")
	for _, c := range []struct {
		name, token, query string
		reason             Reason // "": taken
		status             int
	}{
		{"right", "tok_signed", good, "", 200},
		{"right, though the token would do", "tok_static", good, "", 200},
		{"upper case", "tok_signed", good[:len(good)-64] + strings.ToUpper(good[len(good)-64:]), "", 200},
		{"written otherwise", "tok_signed", swap("a+b%20c", "a%20b+%63"), "", 200},
		{"5 minutes old", "tok_signed", signed(t, "txid=A-1", noon.Add(-SkewMax), "nonce-1234"), "", 200},
		{"5 minutes early", "tok_signed", signed(t, "txid=A-1", noon.Add(SkewMax), "nonce-1234"), "", 200},
		{"a value changed", "tok_signed", swap("49.90", "49.91"), SignatureWrong, 401},
		{"a parameter added", "tok_signed", good + "&payout=5", SignatureWrong, 401},
		{"one that means nothing added", "tok_signed", good + "&x=5", SignatureWrong, 401},
		{"a parameter lost", "tok_signed", swap("&amount=49.90", ""), SignatureWrong, 401},
		{"a digit changed", "tok_signed", good[:len(good)-1] + flip(good[len(good)-1:]), SignatureWrong, 401},
		{"cut", "tok_signed", good[:len(good)-2], SignatureWrong, 401},
		{"not hexadecimal", "tok_signed", good[:len(good)-2] + "zz", SignatureWrong, 401},
		{"wrong, though the token would do", "tok_static", swap("49.90", "49.91"), SignatureWrong, 401},
		{"another key", "tok_signed", "txid=A-1&ts=1&nonce=12345678&sig=" + Sign([]byte("another"), wrongKey), SignatureWrong, 401},
		{"the empty key of a program without secret", "tok_bare", "txid=A-1&ts=1&nonce=12345678&sig=" + Sign(nil, wrongKey), SignatureWrong, 401},
		{"missing", "tok_signed", "txid=A-1&ts=1&nonce=12345678", SignatureMissing, 401},
		{"without nonce", "tok_signed", "txid=A-1&ts=1&sig=" + strings.Repeat("a", 64), SignatureIncomplete, 401},
		{"without ts", "tok_signed", "txid=A-1&nonce=12345678&sig=" + strings.Repeat("a", 64), SignatureIncomplete, 401},
		{"old", "tok_signed", signed(t, "txid=A-1", noon.Add(-SkewMax-time.Second), "nonce-1234"), SignatureOld, 401},
		{"early", "tok_signed", signed(t, "txid=A-1", noon.Add(SkewMax+time.Second), "nonce-1234"), SignatureEarly, 401},
		{"nonce of 7", "tok_signed", signed(t, "txid=A-1", noon, "1234567"), NonceMalformed, 400},
	} {
		s := serve(t, &recorder{})
		status, a := s.get(t, "/postback/"+c.token+"?"+c.query)
		if status != c.status || a.Reason != c.reason {
			t.Errorf("%s: %d %+v, want %d %s", c.name, status, a, c.status, c.reason)
		}
		if taken := len(s.taker.taken) == 1; taken != (c.reason == "") || len(s.taker.nonces) != len(s.taker.taken) {
			t.Errorf("%s: %d taken, nonces %v", c.name, len(s.taker.taken), s.taker.nonces)
		}
		for _, r := range s.taker.rejections {
			if sig := query(c.query).Get("sig"); sig != "" && strings.Contains(r.Raw, sig) {
				t.Errorf("%s: the signature is kept: %s", c.name, r.Raw)
			}
		}
	}
}

func query(raw string) url.Values {
	v, _ := url.ParseQuery(raw)
	return v
}

func flip(digit string) string {
	if digit == "0" {
		return "1"
	}
	return "0"
}

func TestBodiesAreSignedToo(t *testing.T) {
	const ts, nonce = "1795780800", "nonce-1234"
	canonical, _ := Canonical("txid=A-1&amount=49.90&ts=" + ts + "&nonce=" + nonce)
	sig := Sign(secret, canonical)
	for _, c := range []struct{ query, kind, body string }{
		{"", form, "amount=49.90&txid=A-1&ts=" + ts + "&nonce=" + nonce + "&sig=" + sig},
		{"?ts=" + ts + "&nonce=" + nonce + "&sig=" + sig, form, "txid=A-1&amount=49.90"},
		{"", asJSON, fmt.Sprintf(`{"txid":"A-1","amount":49.90,"ts":%s,"nonce":%q,"sig":%q}`, ts, nonce, sig)},
		{"?sig=" + sig, asJSON, fmt.Sprintf(`{"txid":"A-1","amount":"49.90","ts":%q,"nonce":%q}`, ts, nonce)},
	} {
		s := serve(t, &recorder{})
		if status, a := s.send(t, "POST", "/postback/tok_signed"+c.query, c.kind, c.body); status != 200 {
			t.Errorf("%s: %d %+v", c.body, status, a)
		}
		body := strings.Replace(c.body, "49.90", "49.9", 1)
		if status, a := s.send(t, "POST", "/postback/tok_signed"+c.query, c.kind, body); status != 401 || a.Reason != SignatureWrong {
			t.Errorf("%s: %d %+v", body, status, a)
		}
		if raw := s.taker.rejections[0].Raw; strings.Contains(raw, sig) || strings.Contains(raw, "tok_signed") || !strings.Contains(raw, "A-1") {
			t.Errorf("kept as %s", raw)
		}
	}
}

func TestReplays(t *testing.T) {
	s := serve(t, &recorder{})
	one := "/postback/tok_signed?" + signed(t, "txid=A-1", noon, "nonce-1234")
	statuses := make([]int, 20)
	var wait sync.WaitGroup
	for i := range statuses {
		wait.Go(func() { statuses[i], _ = s.get(t, one) })
	}
	wait.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	if count[200] != 1 || count[409] != 19 || len(s.taker.taken) != 1 {
		t.Errorf("answers %v, %d taken", count, len(s.taker.taken))
	}
	// The nonce is used, whatever it comes with.
	if status, a := s.get(t, "/postback/tok_signed?"+signed(t, "txid=A-2", noon, "nonce-1234")); status != 409 || a.Reason != NonceReplayed {
		t.Errorf("%d %+v", status, a)
	}
	if until := s.taker.nonces["shop nonce-1234"]; until.Sub(noon) != 15*time.Minute {
		t.Errorf("the nonce is kept until %s", until)
	}
}

// A sender that tries again after our fault must not be told that it had been heard.
func TestARetryAfterOurFaultIsNoReplay(t *testing.T) {
	s := serve(t, &recorder{err: errors.New("disk full")})
	one := "/postback/tok_signed?" + signed(t, "txid=A-1", noon, "nonce-1234")
	for i, want := range []int{503, 200, 409} {
		if status, a := s.get(t, one); status != want {
			t.Errorf("attempt %d: %d %+v, want %d", i, status, a, want)
		}
	}
	if len(s.taker.taken) != 1 {
		t.Errorf("%+v", s.taker.taken)
	}
	s.taker.nonceErr = errors.New("no nonces today")
	if status, a := s.get(t, "/postback/tok_signed?"+signed(t, "txid=A-2", noon, "nonce-5678")); status != 503 || a.Reason != Unavailable {
		t.Errorf("%d %+v", status, a)
	}
	if len(s.taker.taken) != 1 {
		t.Error("a report was taken without its nonce")
	}
}

func TestSecondChancesAreBoundedAndEnd(t *testing.T) {
	var s secondChances
	for i := range secondChancesMax + 9 {
		s.give(fmt.Sprint(i), noon)
	}
	if len(s.until) != secondChancesMax {
		t.Errorf("%d are kept", len(s.until))
	}
	if s.take("0", noon.Add(NonceWindow)) {
		t.Error("a chance outlives the nonce")
	}
	s.give("full again", noon)
	s.give("late", noon.Add(NonceWindow))
	if len(s.until) != 1 || !s.take("late", noon.Add(NonceWindow)) || s.take("late", noon.Add(NonceWindow)) {
		t.Errorf("%d are kept, or a chance is good twice", len(s.until))
	}
}

// However a query is written and ordered, its canonical form is one, means the same,
// and is its own.
func TestCanonicalIsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.MapOfN(rapid.StringN(1, 8, 32), rapid.StringN(0, 20, 80), 0, 12).Draw(t, "values")
		delete(values, "sig")
		var pairs []string
		for name, value := range values {
			pairs = append(pairs, encode(name)+"="+spell(t, value))
		}
		want, err := Canonical(strings.Join(pairs, "&"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Canonical(strings.Join(rapid.Permutation(pairs).Draw(t, "order"), "&") + "&sig=x")
		if err != nil || got != want {
			t.Fatalf("%q, then %q (%v)", want, got, err)
		}
		if again, _ := Canonical(want); again != want {
			t.Fatalf("%q is canonical, but becomes %q", want, again)
		}
		read := query(want)
		for name, value := range values {
			if read.Get(name) != value {
				t.Fatalf("%q says %q, want %q", name, read.Get(name), value)
			}
		}
	})
}

// spell writes a value in one of the ways that mean it.
func spell(t *rapid.T, value string) string {
	var text bytes.Buffer
	for _, b := range []byte(value) {
		switch rapid.IntRange(0, 2).Draw(t, "spelling") {
		case 0:
			fmt.Fprintf(&text, "%%%02x", b)
		case 1:
			fmt.Fprintf(&text, "%%%02X", b)
		default:
			text.WriteString(url.QueryEscape(string(rune(b))[:min(1, len(string(rune(b))))]))
			if b >= 0x80 {
				text.Truncate(text.Len() - 3)
				fmt.Fprintf(&text, "%%%02X", b)
			}
		}
	}
	return text.String()
}

// No single changed byte of a signed query is taken.
func TestEveryByteIsSigned(t *testing.T) {
	taker := &recorder{}
	h := New(taker, Options{Now: func() time.Time { return noon }})
	good := signed(t, "txid=A-1&amount=49.90", noon, "nonce-1234")
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(good)-1).Draw(t, "at")
		b := rapid.SampledFrom([]byte("0123456789abcdefXYZ.-_=&+%")).Draw(t, "byte")
		changed := good[:at] + string(b) + good[at+1:]
		if strings.EqualFold(changed[len(good)-64:], good[len(good)-64:]) && changed[:len(good)-64] == good[:len(good)-64] {
			return
		}
		in := &request{Request: &http.Request{Method: "GET", URL: &url.URL{RawQuery: changed}}, token: "tok_signed", now: noon, source: "postback"}
		if receipt, refusal := h.take(in); refusal == nil {
			t.Fatalf("%q was taken: %+v", changed, receipt)
		}
	})
}
