package affiliate

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"reflect"
	"strconv"
	"strings"
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

// Cookies that were given out before version 2 stay good, and come back as version 2.
func TestTokenOfVersion1(t *testing.T) {
	// aToken as the last program that wrote version 1 has sealed it with newKey.
	const text = "AQIAAQAAAAAAAAACAcUQsAAAAAABnssnJegAAQAAAAAAAAJ4YLPCAZ7LJyIAAAEAAAAAAAABh0US-7bRhw-29vqWeot9Yw"
	want := aToken()
	got, ok := Keyring{newKey}.Open(text)
	if !ok || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v\n have %+v\n want %+v", ok, got, want)
	}
	if again := string(Keyring{newKey}.Seal(nil, &got)); again[:2] != "Ag" {
		t.Errorf("it is sealed as %s, not as version 2", again)
	}
	for i := range text {
		forged := []byte(text)
		forged[i] ^= 1
		if _, ok := (Keyring{newKey}).Open(string(forged)); ok {
			t.Errorf("with character %d changed it is accepted", i)
		}
	}
}

// The examples of RFC 4493, section 4.
func TestCMAC(t *testing.T) {
	key := unhexed(t, "2b7e151628aed2a6abf7158809cf4f3c")
	message := unhexed(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	c := newCMAC([16]byte(key))
	for n, want := range map[int]string{0: "bb1d6929e95937287fa37d129b756746", 16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827", 64: "51f0bebf7e3b9d92fc49741779363cfe"} {
		var mac [16]byte
		if c.sum(&mac, message[:n]); hex.EncodeToString(mac[:]) != want {
			t.Errorf("of %d bytes: %x, want %s", n, mac, want)
		}
	}
}

func unhexed(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decodeBase64 accepts what the standard library's strict decoder accepts, but for
// line breaks, and reads it alike.
func FuzzBase64(f *testing.F) {
	for _, s := range []string{"", "A", "AA", "AB", "AAA", "AAE", "AAAA", "_-_-", "A\nAA", "AA==", "AAAA+"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := base64.RawURLEncoding.Strict().DecodeString(s)
		good := err == nil && !strings.ContainsAny(s, "\r\n")
		got := make([]byte, len(s)+3)
		if n, ok := decodeBase64(got, s); ok != good || ok && !bytes.Equal(got[:n], want) {
			t.Errorf("%q: %v %x, want %v %x", s, ok, got[:n], good, want)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, touches := range []int{1, 5} {
		b.Run(strconv.Itoa(touches), func(b *testing.B) {
			s, token, out := NewSigner(Keyring{newKey}), tokenWith(touches), make([]byte, 0, 256)
			b.ReportAllocs()
			for b.Loop() {
				out = s.Seal(out[:0], &token)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, touches := range []int{1, 5} {
		b.Run(strconv.Itoa(touches), func(b *testing.B) {
			s, token := NewSigner(Keyring{newKey}), tokenWith(touches)
			text := string(s.Seal(nil, &token))
			b.ReportAllocs()
			for b.Loop() {
				if !s.Open(text, &token) {
					b.Fatal("refused")
				}
			}
		})
	}
}

// tokenWith returns a token with as many touches.
func tokenWith(touches int) Token {
	t := Token{Visitor: NewVisitorID(1, 2), Since: time.Unix(1781524800, 0)}
	for i := range touches {
		t.Touch(strconv.Itoa(i), NewClickID(1781524800000+int64(i), 1, uint64(i)))
	}
	return t
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
	if len(token.Touches) != TouchesMax || token.Touches[0] != NewTouch("d", at(6, 6)) {
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
