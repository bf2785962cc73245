package remittance

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

func eur(minor int64) affiliate.Money { return affiliate.Money{Minor: minor, Currency: "EUR"} }

// two are transfers that every file takes.
func two() []Transfer {
	return []Transfer{
		{ID: "po-2026-11-0001", Partner: "anna", Name: "Anna Müller-Lüdenscheidt", IBAN: "DE89 3704 0044 0532 0130 00", BIC: "COBADEFFXXX",
			Email: "anna@example.com", Amount: eur(123_45), Text: "Commission November 2026"},
		{ID: "po-2026-11-0002", Partner: "blog", Name: "Éditions Œuvre & Fils", IBAN: "FR14 2004 1010 0505 0001 3M02 606",
			Email: "b.log+pay@example.org", Amount: eur(7), Text: "=Commission \"November\""},
	}
}

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func message() Message {
	return Message{ID: "sluice-2026-11", Created: noon, Execute: Date{2026, time.November, 30},
		Debtor: Debtor{Name: "Größte GmbH", IBAN: "NL91ABNA0417164300", BIC: "ABNANL2A"}}
}

var writers = map[string]func(*bytes.Buffer, []Transfer) error{
	"csv":         func(w *bytes.Buffer, t []Transfer) error { return WriteCSV(w, t) },
	"paypal":      func(w *bytes.Buffer, t []Transfer) error { return WritePayPal(w, t) },
	"sepa":        func(w *bytes.Buffer, t []Transfer) error { return WriteSEPA(w, message(), t) },
	"sepa .03":    func(w *bytes.Buffer, t []Transfer) error { return WriteSEPA(w, older(message()), t) },
	"paypal with": func(w *bytes.Buffer, t []Transfer) error { return WritePayPalMark(w, t, DecimalComma) },
}

func older(m Message) Message {
	m.Version = Pain00100103
	return m
}

// Every refusal names the transfer and the field, and leaves nothing behind.
func TestRefusals(t *testing.T) {
	all := "csv, paypal, sepa"
	tests := []struct {
		name  string
		who   string // the files that refuse it; the others take it
		set   func(*Transfer)
		field string
		says  string
	}{
		{"amount of zero", all, func(t *Transfer) { t.Amount.Minor = 0 }, "amount", "only amounts above 0"},
		{"amount below zero", all, func(t *Transfer) { t.Amount.Minor = -1 }, "amount", "-0.01 EUR"},
		{"amount of 16 digits", all, func(t *Transfer) { t.Amount.Minor = 1e15 }, "amount", "15 digits"},
		{"amount above SEPA's", "sepa", func(t *Transfer) { t.Amount.Minor = 1e11 }, "amount", "999999999.99"},
		{"amount of SEPA's largest", "", func(t *Transfer) { t.Amount.Minor = 1e11 - 1 }, "", ""},
		{"no currency", all, func(t *Transfer) { t.Amount.Currency = "" }, "amount", `"" is not a currency`},
		{"two currencies", "paypal, sepa", func(t *Transfer) { t.Amount.Currency = "USD" }, "amount", "USD"},
		{"id empty", all, func(t *Transfer) { t.ID = "" }, "id", "empty"},
		{"id of 35", "paypal", func(t *Transfer) { t.ID = strings.Repeat("x", 35) }, "id", "at most 30"},
		{"id of 30", "", func(t *Transfer) { t.ID = strings.Repeat("x", 30) }, "", ""},
		{"id of 36", all, func(t *Transfer) { t.ID = strings.Repeat("x", 36) }, "id", "at most 35"},
		{"id twice", all, func(t *Transfer) { t.ID = "po-2026-11-0001" }, "id", "transfers[0] has the same id"},
		{"id with a space", all, func(t *Transfer) { t.ID = "po 1" }, "id", "' '"},
		{"id with an umlaut", all, func(t *Transfer) { t.ID = "pö1" }, "id", "'ö'"},
		{"id of two slashes", all, func(t *Transfer) { t.ID = "po//1" }, "id", "slash"},
		{"id ends in a slash", all, func(t *Transfer) { t.ID = "po1/" }, "id", "slash"},
		{"id with one slash", "", func(t *Transfer) { t.ID = "po/1" }, "", ""},
		{"id as a formula", all, func(t *Transfer) { t.ID = "+1" }, "id", "does not start"},
		{"IBAN with a wrong digit", "csv, sepa", func(t *Transfer) { t.IBAN = "DE89370400440532013001" }, "iban", `"DE89…3001" are wrong`},
		{"IBAN with swapped digits", "csv, sepa", func(t *Transfer) { t.IBAN = "DE89370400440532031000" }, "iban", "check digits"},
		{"IBAN too short for its country", "csv, sepa", func(t *Transfer) { t.IBAN = "DE8937040044053201300" }, "iban", "those of DE have 22"},
		{"IBAN with a sign", "csv, sepa", func(t *Transfer) { t.IBAN = "DE89-3704-0044-0532-0130-00" }, "iban", "does not look like one"},
		{"IBAN in small letters", "", func(t *Transfer) { t.IBAN = "de89370400440532013000" }, "", ""},
		{"IBAN with a letter that grows into ASCII", "csv, sepa", func(t *Transfer) { t.IBAN = "Lı8937040044053201300" }, "iban", "does not look"},
		{"IBAN outside SEPA", "sepa", func(t *Transfer) { t.IBAN = "SA0380000000608010167519" }, "iban", "not in SEPA"},
		{"no IBAN", "sepa", func(t *Transfer) { t.IBAN = "" }, "iban", "missing"},
		{"BIC of nine", "csv, sepa", func(t *Transfer) { t.BIC = "COBADEFFX" }, "bic", "not a BIC"},
		{"BIC with digits for the country", "csv, sepa", func(t *Transfer) { t.BIC = "COBA12FF" }, "bic", "not a BIC"},
		{"BIC in small letters", "", func(t *Transfer) { t.BIC = "cobadeff" }, "", ""},
		{"no name", "sepa", func(t *Transfer) { t.Name = " \u200b" }, "name", "empty"},
		{"name of 71", "sepa", func(t *Transfer) { t.Name = strings.Repeat("x", 71) }, "name", "71 characters"},
		{"name of 70", "", func(t *Transfer) { t.Name = strings.Repeat("x", 70) }, "", ""},
		{"name of 36 that grows to 72", "sepa", func(t *Transfer) { t.Name = strings.Repeat("ß", 36) }, "name", "72 characters"},
		{"name without a Latin letter", "sepa", func(t *Transfer) { t.Name = "Иван Петров" }, "name", "no Latin letter"},
		{"name that is not text", all, func(t *Transfer) { t.Name = "\xff" }, "name", "UTF-8"},
		{"text of 141", "sepa", func(t *Transfer) { t.Text = strings.Repeat("x", 141) }, "text", "141 characters"},
		{"text of 140", "", func(t *Transfer) { t.Text = strings.Repeat("x", 140) }, "", ""},
		{"text of 1001", "paypal, sepa", func(t *Transfer) { t.Text = strings.Repeat("x", 1001) }, "text", "1001 characters"},
		{"text without end", all, func(t *Transfer) { t.Text = strings.Repeat("x", 2049) }, "text", "2048"},
		{"no text", "", func(t *Transfer) { t.Text = "" }, "", ""},
		{"no address", "paypal", func(t *Transfer) { t.Email = "" }, "email", "missing"},
		{"half an address", "paypal", func(t *Transfer) { t.Email = "anna@" }, "email", "not one"},
		{"address with two signs", "paypal", func(t *Transfer) { t.Email = "a@b@example.com" }, "email", "not one"},
		{"address as a formula", "paypal", func(t *Transfer) { t.Email = "=cmd@example.com" }, "email", "formula"},
		{"two addresses", "paypal", func(t *Transfer) { t.Email = "a@example.com,b@example.com" }, "email", "not one"},
		{"address with a line break", "paypal", func(t *Transfer) { t.Email = "a@example.com\nb" }, "email", "character"},
		{"address of 128", "paypal", func(t *Transfer) { t.Email = strings.Repeat("a", 116) + "@example.com" }, "email", "127"},
	}
	for _, test := range tests {
		for format, write := range writers {
			if strings.Contains(format, " ") {
				continue // the same rules
			}
			t.Run(test.name+"/"+format, func(t *testing.T) {
				list := two()
				test.set(&list[1])
				var out bytes.Buffer
				err := write(&out, list)
				if !strings.Contains(test.who, format) {
					if err != nil {
						t.Fatalf("refused: %s", err)
					}
					return
				}
				refused(t, err, &out, "transfers[1]."+test.field, test.says)
				if list[1].ID != "" && !strings.Contains(err.Error(), shown(list[1].ID)) {
					t.Errorf("it does not name the payout: %s", err)
				}
			})
		}
	}
}

func refused(t *testing.T, err error, out *bytes.Buffer, field, says string) {
	t.Helper()
	var e *affiliate.Error
	if !errors.As(err, &e) || e.Code != affiliate.Invalid {
		t.Fatalf("error %v, want one of code invalid", err)
	}
	found := false
	for _, f := range e.Faults {
		found = found || f.Field == field && strings.Contains(f.Message, says)
	}
	if !found {
		t.Errorf("no fault of %s says %q: %s", field, says, err)
	}
	if len(e.Faults) != 1 {
		t.Errorf("%d faults, want the one: %s", len(e.Faults), err)
	}
	if out.Len() > 0 {
		t.Errorf("%d bytes were written all the same", out.Len())
	}
}

func TestRefusalsOfTheMessage(t *testing.T) {
	for name, test := range map[string]struct {
		set         func(*Message)
		field, says string
	}{
		"id empty":            {func(m *Message) { m.ID = "" }, "message.id", "empty"},
		"id of 36":            {func(m *Message) { m.ID = strings.Repeat("x", 36) }, "message.id", "at most 35"},
		"no such day":         {func(m *Message) { m.Execute = Date{2027, time.February, 29} }, "message.execute", "2027-02-29 is not a day"},
		"no day":              {func(m *Message) { m.Execute = Date{} }, "message.execute", "not a day"},
		"yesterday":           {func(m *Message) { m.Execute = Date{2026, time.November, 26} }, "message.execute", "before the day"},
		"no name":             {func(m *Message) { m.Debtor.Name = "" }, "message.debtor.name", "empty"},
		"no IBAN":             {func(m *Message) { m.Debtor.IBAN = "" }, "message.debtor.iban", "missing"},
		"wrong IBAN":          {func(m *Message) { m.Debtor.IBAN = "NL91ABNA0417164301" }, "message.debtor.iban", "check digits"},
		"wrong BIC":           {func(m *Message) { m.Debtor.BIC = "ABNA" }, "message.debtor.bic", "not a BIC"},
		"BIC of 2014 for .03": {func(m *Message) { *m = older(*m); m.Debtor.BIC = "AB1ANL2A" }, "message.debtor.bic", "not a BIC"},
		"name without end":    {func(m *Message) { m.Debtor.Name = strings.Repeat("x", 3000) }, "message.debtor.name", "2048"},
	} {
		t.Run(name, func(t *testing.T) {
			m := message()
			test.set(&m)
			var out bytes.Buffer
			refused(t, WriteSEPA(&out, m, two()), &out, test.field, test.says)
		})
	}
	m := message()
	m.Created = time.Time{}
	if err := WriteSEPA(&bytes.Buffer{}, m, two()); err == nil || !strings.Contains(err.Error(), "message.created") {
		t.Errorf("no time: %v", err)
	}
	m = message()
	m.Version = "pain.008.001.02"
	if err := WriteSEPA(&bytes.Buffer{}, m, two()); affiliate.CodeOf(err) != affiliate.Invalid {
		t.Errorf("another message: %v", err)
	}
	// Midnight is not the same everywhere: what counts is the day where the file is made.
	m = message()
	m.Created = time.Date(2026, 11, 28, 0, 30, 0, 0, time.FixedZone("CET", 3600))
	m.Execute = Date{2026, time.November, 27}
	if err := WriteSEPA(&bytes.Buffer{}, m, two()); err == nil {
		t.Error("a day that is over in Berlin was taken")
	}
}

func TestTheNumberOfTransfersIsBounded(t *testing.T) {
	many := make([]Transfer, TransfersMax+1)
	for format, write := range writers {
		var out bytes.Buffer
		if err := write(&out, nil); affiliate.CodeOf(err) != affiliate.Invalid || out.Len() > 0 {
			t.Errorf("%s, none: %v, %d bytes", format, err, out.Len())
		}
		if err := write(&out, many); affiliate.CodeOf(err) != affiliate.TooLarge || out.Len() > 0 {
			t.Errorf("%s, %d: %v, %d bytes", format, len(many), err, out.Len())
		}
		err := write(&out, many[:PayPalTransfersMax+1])
		if want := map[bool]affiliate.Code{true: affiliate.TooLarge, false: affiliate.Invalid}[strings.HasPrefix(format, "paypal")]; affiliate.CodeOf(err) != want || out.Len() > 0 {
			t.Errorf("%s, %d: %v, %d bytes", format, PayPalTransfersMax+1, err, out.Len())
		}
	}
	for i := range many {
		many[i] = two()[0]
		many[i].ID = fmt.Sprint("po-", i)
	}
	var generic, paypal bytes.Buffer
	if err := errors.Join(WriteCSV(&generic, many[:TransfersMax]), WritePayPal(&paypal, many[:PayPalTransfersMax])); err != nil {
		t.Errorf("as many as allowed: %s", err)
	}
	many = make([]Transfer, 5000)
	// Five thousand faults make an error that can be read.
	err := WriteCSV(&bytes.Buffer{}, many)
	var e *affiliate.Error
	if !errors.As(err, &e) || len(e.Faults) != faultsMax || !strings.Contains(e.Message, "more faults") {
		t.Errorf("%d faults: %.200s", len(e.Faults), err)
	}
}

func TestSpelling(t *testing.T) {
	for text, want := range map[string]string{
		"Anna Müller-Lüdenscheidt":          "Anna Mueller-Luedenscheidt",
		"Mu\u0308ller":                      "Mueller", // decomposed, as macOS writes names
		"ÄÖÜ äöü ß ẞ":                       "AeOeUe aeoeue ss SS",
		"François Ñandú, Zoë":               "Francois Nandu, Zoe",
		"Łukasz Żółć":                       "Lukasz Zolc",
		"Søren Ångström Æbelø":              "Soren Angstroem Aebelo",
		"Þórður Guðmundsson":                "Thordur Gudmundsson",
		"Dvořák & Cie":                      "Dvorak + Cie",
		"O’Brien “Ltd”":                     "O'Brien 'Ltd'",
		"a – b_c":                           "a - b-c",
		"ﬁsh ﬆreet １２":                      "fish street 12",
		"line\r\nbreak\ttab\x00":            "line break tab",
		"soft\u00adhyphen\ufeff":            "softhyphen",
		"Иван 5 € 😀":                        ".... 5 EUR .",
		"<a href=\"x\">;*#%":                ".a href.'x'.....",
		"  spaces   ":                       "spaces",
		"e" + strings.Repeat("\u0301", 100): "e",
		"(+49) 12/34: a,b.c?'d":             "(+49) 12/34: a,b.c?'d",
	} {
		if got := latin(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// One IBAN for each country of the table, from the registry's examples.
func TestIBANs(t *testing.T) {
	for _, iban := range strings.Fields("AD1200012030200359100100 AL47212110090000000235698741 AT611904300234573201 BE68539007547034 " +
		"BG80BNBG96611020345678 CH9300762011623852957 CY17002001280000001200527600 CZ6508000000192000145399 DE89370400440532013000 " +
		"DK5000400440116243 EE382200221020145685 ES9121000418450200051332 FI2112345600000785 FR1420041010050500013M02606 " +
		"GB29NWBK60161331926819 GI75NWBK000000007099453 GR1601101250000000012300695 HR1210010051863000160 " +
		"HU42117730161111101800000000 IE29AIBK93115212345678 IS140159260076545510730339 IT60X0542811101000000123456 " +
		"LI21088100002324013AA LT121000011101001000 LU280019400644750000 LV80BANK0000435195001 MC5811222000010123456789030 " +
		"MD24AG000225100013104168 ME25505000012345678951 MK07250120000058984 MT84MALT011000012345MTLCAST001S NL91ABNA0417164300 " +
		"NO9386011117947 PL61109010140000071219812874 PT50000201231234567890154 RO49AAAA1B31007593840000 RS35260005601001611379 " +
		"SE4550000000058398257466 SI56263300012039086 SK3112000000198742637541 SM86U0322509800000000270100 VA59001123000012345678") {
		if fault := sepaAccountFault(iban); fault != "" {
			t.Errorf("%s: %s", iban, fault)
		}
		for i := 2; i < len(iban); i++ {
			wrong := []byte(iban)
			if wrong[i]++; wrong[i] == '9'+1 {
				wrong[i] = '0'
			} else if wrong[i] == 'Z'+1 {
				wrong[i] = 'A'
			}
			if ibanFault(string(wrong)) == "" {
				t.Errorf("%s was taken, which is %s with one character changed", wrong, iban)
			}
		}
	}
	if len(sepaIBANLengths) != 42 {
		t.Errorf("%d codes of countries, want 42: 41 countries and Gibraltar", len(sepaIBANLengths))
	}
}
