package affiliate

import (
	"bytes"
	"encoding/base64"
	"reflect"
	"testing"
	"time"
)

var (
	oldKey = Key{Number: 1, Secret: bytes.Repeat([]byte("o"), 32)}
	newKey = Key{Number: 2, Secret: bytes.Repeat([]byte("n"), 32)}
)

func aToken() Token {
	t := Token{Visitor: NewVisitorID(1, 2), Since: time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)}
	t.Touch("acme", NewClickID(1781524800000, 1, 1))
	t.Touch("", NewClickID(1781524801000, 1, 2))
	return t
}

func TestTokenRoundTrip(t *testing.T) {
	for _, want := range []Token{aToken(), {Visitor: NewVisitorID(9, 9), Since: time.Unix(0, 0).UTC()}} {
		sealed := Keyring{newKey}.Seal(nil, &want)
		got, ok := Keyring{newKey}.Open(string(sealed))
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%v\n have %+v\n want %+v", ok, got, want)
		}
	}
}

func TestTokenOfAnOldKey(t *testing.T) {
	token := aToken()
	sealed := string(Keyring{oldKey}.Seal(nil, &token))
	if _, ok := (Keyring{newKey, oldKey}).Open(sealed); !ok {
		t.Error("after the key has changed, an old token is refused")
	}
	if _, ok := (Keyring{newKey}).Open(sealed); ok {
		t.Error("when the old key is gone, its token is accepted")
	}
	if _, ok := (Keyring{{Number: oldKey.Number, Secret: newKey.Secret}}).Open(sealed); ok {
		t.Error("a token of another secret with the same number is accepted")
	}
	resealed, ok := (Keyring{newKey, oldKey}).Open(string(Keyring{newKey, oldKey}.Seal(nil, &token)))
	if !ok || resealed.Visitor != token.Visitor {
		t.Error("the first key does not seal")
	}
}

// One flipped bit, in the bytes or in the text, is enough.
func TestTokenThatWasTouched(t *testing.T) {
	for _, token := range []Token{aToken(), {Visitor: NewVisitorID(1, 2)}} {
		sealed := Keyring{newKey}.Seal(nil, &token)
		raw, err := base64.RawURLEncoding.DecodeString(string(sealed))
		if err != nil {
			t.Fatal(err)
		}
		for bit := range len(raw) * 8 {
			forged := bytes.Clone(raw)
			forged[bit/8] ^= 1 << (bit % 8)
			if _, ok := (Keyring{newKey, oldKey}).Open(base64.RawURLEncoding.EncodeToString(forged)); ok {
				t.Errorf("with bit %d flipped it is accepted", bit)
			}
		}
		for bit := range len(sealed) * 8 {
			forged := bytes.Clone(sealed)
			forged[bit/8] ^= 1 << (bit % 8)
			if _, ok := (Keyring{newKey, oldKey}).Open(string(forged)); ok {
				t.Errorf("with bit %d of its text flipped it is accepted", bit)
			}
		}
		for n := range sealed {
			if _, ok := (Keyring{newKey}).Open(string(sealed[:n])); ok {
				t.Errorf("cut to %d characters it is accepted", n)
			}
		}
		for _, odd := range []string{string(sealed) + "\n", "\r" + string(sealed), string(sealed) + "A", string(sealed) + "="} {
			if _, ok := (Keyring{newKey}).Open(odd); ok {
				t.Errorf("a second spelling %q is accepted", odd)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	token := aToken()
	f.Add(string(Keyring{newKey}.Seal(nil, &token)))
	f.Add("AQI")
	f.Fuzz(func(t *testing.T, s string) {
		if token, ok := (Keyring{newKey}).Open(s); ok && string(Keyring{newKey}.Seal(nil, &token)) != s {
			t.Errorf("%q is a second spelling of a token", s)
		}
	})
}

func TestTouches(t *testing.T) {
	var token Token
	at := func(day, n int) ClickID {
		return NewClickID(1781524800000+int64(day)*24*time.Hour.Milliseconds(), 1, uint64(n))
	}
	for i, program := range []string{"a", "b", "c", "d", "e", "f"} {
		token.Touch(program, at(i, i))
	}
	if len(token.Touches) != TouchesMax || token.Touches[0].Program != Bucket("f") || token.Touches[4].Program != Bucket("b") {
		t.Errorf("of six programs it keeps %+v", token.Touches)
	}
	token.Touch("d", at(6, 6))
	if len(token.Touches) != TouchesMax || token.Touches[0] != (Touch{Bucket("d"), at(6, 6)}) {
		t.Errorf("a second click for a program gives %+v", token.Touches)
	}
	token.Touch("b", at(403, 7))
	if len(token.Touches) != 4 {
		t.Errorf("touches older than 400 days are kept: %+v", token.Touches)
	}
	token.Touch("", at(403, 8))
	if token.Touches[0].Program != 0 {
		t.Errorf("a click without program is %+v", token.Touches[0])
	}
}
