package affiliate

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"
)

func partner(edit func(*Partner)) *Partner {
	p := &Partner{Program: "shop", Code: "mia"}
	edit(p)
	p.Normalize()
	return p
}

func TestPartnerIsNormalised(t *testing.T) {
	coupons := []string{" mia10 ", "Gru\u0308n-5"}
	method := &PayoutMethod{Kind: " SEPA", Name: " Mia Muster ", IBAN: "de89 3704 0044 0532 0130 00", BIC: " cobadeffxxx ", Email: " mia@blog.example "}
	p := partner(func(p *Partner) { p.Coupons, p.Method = coupons, method })
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	const want = `{"program":"shop","code":"mia","status":"active","coupons":["MIA10","GRÜN-5"],` +
		`"payout_method":{"kind":"sepa","name":"Mia Muster","iban":"DE89370400440532013000","bic":"COBADEFFXXX","email":"mia@blog.example"}}`
	if got := asJSON(p); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if coupons[0] != " mia10 " || method.Kind != " SEPA" {
		t.Error("what was given is changed")
	}
}

func TestPartnerFaults(t *testing.T) {
	coupons := func(c ...string) func(*Partner) { return func(p *Partner) { p.Coupons = c } }
	method := func(m PayoutMethod) func(*Partner) { return func(p *Partner) { p.Method = &m } }
	numbered := func(n int) (out []string) {
		for i := range n {
			out = append(out, "C"+strings.Repeat("X", i%30)+string(rune('A'+i/30)))
		}
		return out
	}
	const iban = "DE89370400440532013000"
	for _, c := range []struct {
		name  string
		edit  func(*Partner)
		field string
		says  string
	}{
		{"coupons", coupons("A", strings.Repeat("B", 40), "x_y-9", strings.Repeat("ü", 40)), "", ""},
		{"empty coupon", coupons("A", " "), "coupons[1]", "1 to 40"},
		{"long coupon", coupons(strings.Repeat("B", 41)), "coupons[0]", "1 to 40"},
		{"odd coupon", coupons("10% OFF"), "coupons[0]", "letters, digits, - and _"},
		{"coupon that is no text", coupons("A\xff"), "coupons[0]", "letters"},
		{"coupon twice", coupons("mia10", "MIA10"), "coupons[1]", "twice"},
		{"100 coupons", coupons(numbered(100)...), "", ""},
		{"101 coupons", coupons(numbered(101)...), "coupons", "at most 100"},
		{"own terms", func(p *Partner) { p.Terms = []CommissionTerms{{}, {From: day("2026-01-01")}} }, "", ""},
		{"own terms twice", func(p *Partner) { p.Terms = make([]CommissionTerms, 2) }, "terms[1].from", "same moment"},
		{"own terms over 100 %", func(p *Partner) { p.Terms = []CommissionTerms{{Rates: []Rate{{Percent: 2 * Whole}}}} }, "terms[0].rates[0].percent", "2000000"},
		{"sepa", method(PayoutMethod{Kind: BySEPA, Name: "Mia", IBAN: iban}), "", ""},
		{"sepa without name", method(PayoutMethod{Kind: BySEPA, IBAN: iban}), "payout_method.name", "needs"},
		{"sepa without IBAN", method(PayoutMethod{Kind: BySEPA, Name: "Mia"}), "payout_method.iban", "needs"},
		{"wrong IBAN", method(PayoutMethod{Kind: BySEPA, Name: "Mia", IBAN: "DE89370400440532013001"}), "payout_method.iban", "check digits"},
		{"name of 70", method(PayoutMethod{Kind: BySEPA, Name: strings.Repeat("ü", 70), IBAN: iban}), "", ""},
		{"name of 71", method(PayoutMethod{Kind: BySEPA, Name: strings.Repeat("m", 71), IBAN: iban}), "payout_method.name", "70 characters"},
		{"name of a megabyte", method(PayoutMethod{Kind: BySEPA, Name: strings.Repeat("m", 1<<20), IBAN: iban}), "payout_method.name", "70 characters"},
		{"name of two lines", method(PayoutMethod{Kind: BySEPA, Name: "Mia\nMuster", IBAN: iban}), "payout_method.name", "cannot be printed"},
		{"BIC of 8", method(PayoutMethod{Kind: BySEPA, Name: "Mia", IBAN: iban, BIC: "cobadeff"}), "", ""},
		{"BIC of 9", method(PayoutMethod{Kind: BySEPA, Name: "Mia", IBAN: iban, BIC: "COBADEFFX"}), "payout_method.bic", "8 or 11"},
		{"BIC of no country", method(PayoutMethod{Kind: BySEPA, Name: "Mia", IBAN: iban, BIC: "COBA1EFF"}), "payout_method.bic", "8 or 11"},
		{"paypal", method(PayoutMethod{Kind: ByPayPal, Email: "mia+pay@blog.example"}), "", ""},
		{"paypal without address", method(PayoutMethod{Kind: ByPayPal}), "payout_method.email", "needs"},
		{"no address", method(PayoutMethod{Kind: ByPayPal, Email: "mia"}), "payout_method.email", "not an e-mail"},
		{"two addresses", method(PayoutMethod{Kind: ByPayPal, Email: "mia@a.example,eve@b.example"}), "payout_method.email", "not an e-mail"},
		{"address of a header", method(PayoutMethod{Kind: ByPayPal, Email: "mia@a.example\nBcc:eve"}), "payout_method.email", "not an e-mail"},
		{"address without a dot", method(PayoutMethod{Kind: ByPayPal, Email: "mia@localhost."}), "payout_method.email", "not an e-mail"},
		{"by hand", method(PayoutMethod{Kind: ByHand}), "", ""},
		{"unknown kind", method(PayoutMethod{Kind: "cash"}), "payout_method.kind", "sepa, paypal, manual"},
		{"no kind", method(PayoutMethod{}), "payout_method.kind", "sepa"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []expectedFault
			if c.field != "" {
				want = []expectedFault{{c.field, c.says}}
			}
			compareFaults(t, "faults", faultsOf(t, partner(c.edit).Validate()), want)
		})
	}
}

func TestCanonicalCouponStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		coupon := CanonicalCoupon(rapid.StringOf(rapid.RuneFrom(nil, unicode.L, unicode.Mn, unicode.Nd)).Draw(t, "coupon"))
		if again := CanonicalCoupon(coupon); again != coupon {
			t.Fatalf("%+q becomes %+q", coupon, again)
		}
	})
	for r := rune(' '); r < 0x20000; r++ {
		once := CanonicalCoupon("X" + string(r))
		if again := CanonicalCoupon(once); again != once {
			t.Errorf("%+q becomes %+q", once, again)
		}
		if lower := CanonicalCoupon("x" + strings.ToLower(once[1:])); strings.IndexFunc(once, func(r rune) bool { return !isCouponText(r) }) < 0 && unicode.IsLetter(r) && r < 0x250 && r != 'İ' && lower != once {
			t.Errorf("%+q in lower case becomes %+q", once, lower)
		}
	}
}

// The examples are from the IBAN registry.
func TestIBAN(t *testing.T) {
	valid := strings.Fields("DE89370400440532013000 GB29NWBK60161331926819 FR1420041010050500013M02606 NL91ABNA0417164300 NO9386011117947 " +
		"MT84MALT011000012345MTLCAST001S LC55HEMM000100010012001200023015 CH9300762011623852957 AT611904300234573201 ES9121000418450200051332 BE68539007547034")
	for _, s := range valid {
		if !ValidIBAN(s) {
			t.Errorf("%s is refused", s)
		}
	}
	for _, s := range []string{"", "DE", "de89370400440532013000", "DE89 3704 0044 0532 0130 00", "DE8937040044053201300", "DE89370400440532013001", "8937DE0400440532013000",
		"DE8937040044053201300Ü", "D\xff89370400440532013000", "DEXX370400440532013000", "DE89-70400440532013000", strings.Repeat("DE89370400440532013000", 100)} {
		if ValidIBAN(s) {
			t.Errorf("%q passes", clip(s, 40))
		}
	}
	// 01 and 98 check the same: only one of each such pair is ever given.
	for account := range 97 {
		s := []byte("XX00000000000000")
		s[14], s[15] = byte('0'+account/10), byte('0'+account%10)
		passing := 0
		for digits := range 100 {
			s[2], s[3] = byte('0'+digits/10), byte('0'+digits%10)
			if ValidIBAN(string(s)) {
				passing++
			}
		}
		if passing != 1 {
			t.Errorf("%d check digits fit the account %02d", passing, account)
		}
	}
	rapid.Check(t, func(t *rapid.T) { // every single slip, and every swap of neighbours, is seen
		s := []byte(rapid.SampledFrom(valid).Draw(t, "iban"))
		i := rapid.IntRange(4, len(s)-2).Draw(t, "place")
		if rapid.Bool().Draw(t, "swap") {
			if s[i] == s[i+1] {
				t.Skip("nothing changes")
			}
			s[i], s[i+1] = s[i+1], s[i]
		} else {
			digit := byte('0' + rapid.IntRange(0, 9).Draw(t, "digit"))
			if s[i] < '0' || s[i] > '9' || s[i] == digit {
				t.Skip("nothing changes")
			}
			s[i] = digit
		}
		if ValidIBAN(string(s)) {
			t.Fatalf("%s passes", s)
		}
	})
}

func TestPartnersOwnTerms(t *testing.T) {
	now := day("2026-06-01")
	plain := partner(func(*Partner) {})
	with := func(from time.Time, hold int) *Partner {
		return partner(func(p *Partner) { p.Terms = []CommissionTerms{{From: from, HoldDays: hold}} })
	}
	if _, ok := plain.TermsAt(now); ok {
		t.Error("a partner has terms without any")
	}
	if terms, ok := with(day("2026-05-01"), 9).TermsAt(now); !ok || terms.HoldDays != 9 {
		t.Errorf("got %+v, %v", terms, ok)
	}
	if _, ok := with(day("2026-05-01"), 9).TermsAt(day("2026-04-30")); ok {
		t.Error("own terms hold before they begin")
	}
	for _, c := range []struct {
		name      string
		old, next *Partner
		want      []expectedFault
	}{
		{"nothing", plain, plain, nil},
		{"first terms from now on", plain, with(now, 1), nil},
		{"first terms in the past", plain, with(now.Add(-time.Second), 1), []expectedFault{{"terms[0].from", "for the past"}}},
		{"changed in force", with(day("2026-05-01"), 1), with(day("2026-05-01"), 2), []expectedFault{{"terms[0]", "in force"}}},
		{"removed in force", with(day("2026-05-01"), 1), plain, []expectedFault{{"terms", "missing"}}},
		{"removed before they begin", with(day("2026-07-01"), 1), plain, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			compareFaults(t, "faults", faultsOf(t, c.old.CanBecome(c.next, now)), c.want)
		})
	}
}
