package remittance

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"pgregory.net/rapid"
)

var ibans = strings.Fields("DE89370400440532013000 FR1420041010050500013M02606 NO9386011117947 MT84MALT011000012345MTLCAST001S GB29NWBK60161331926819")

// anyText draws what people and machines put into fields, odd things above all.
func anyText(most int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		s := rapid.OneOf(
			rapid.String(),
			rapid.StringOfN(rapid.RuneFrom([]rune("=+-@\t\r\n,;\"' aäßÅ\u0308\u200b\x00&<>]")), 0, 40, -1),
			rapid.StringMatching(`[=+@-][A-Z]{3}\("[a-z]{0,9}",A1\)`),
		).Draw(t, "text")
		for len(latin(s)) > most || len(s) > textBytesMax {
			r := []rune(s)
			s = string(r[:len(r)/2])
		}
		return s
	})
}

// transfers draws up to 40 transfers in EUR that every file takes.
func transfers(t *rapid.T, most int64) []Transfer {
	list := make([]Transfer, rapid.IntRange(1, 40).Draw(t, "transfers"))
	for i := range list {
		list[i] = Transfer{
			ID:      fmt.Sprintf("%s-%d", rapid.StringMatching(`[A-Za-z0-9]([A-Za-z0-9:.,'()+?-]|/[a-z]){0,12}`).Draw(t, "id"), i),
			Partner: anyText(TextCharsMax).Draw(t, "partner"),
			Name:    "A" + anyText(NameCharsMax-1).Draw(t, "name"), // a letter is needed
			IBAN:    rapid.SampledFrom(ibans).Draw(t, "iban"),
			BIC:     rapid.SampledFrom([]string{"", "COBADEFF", "COBADEFFXXX"}).Draw(t, "bic"),
			Email:   rapid.StringMatching(`[a-z0-9]([a-z0-9.+_-]){0,20}@[a-z]{1,10}\.example`).Draw(t, "email"),
			Amount:  eur(rapid.Int64Range(1, most).Draw(t, "amount")),
			Text:    anyText(TextCharsMax).Draw(t, "text"),
		}
		if len(latin(list[i].Name)) > NameCharsMax {
			list[i].Name = "A"
		}
	}
	return list
}

// A reader gets the amounts and ids back in their order, and no cell is a formula.
func TestWhatASpreadsheetReads(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := transfers(rt, amountMax)
		var generic, paypal, comma bytes.Buffer
		if err := errors.Join(WriteCSV(&generic, list), WritePayPal(&paypal, list), WritePayPalMark(&comma, list, DecimalComma)); err != nil {
			rt.Fatal(err)
		}
		for _, f := range []struct {
			name                       string
			text                       []byte
			header, columns            int
			id, amount, currency, note int
			mark                       string
		}{
			{"csv", generic.Bytes(), 1, 9, 0, 6, 7, 8, "."},
			{"paypal", paypal.Bytes(), 0, 5, 3, 1, 2, 4, "."},
			{"paypal with a comma", comma.Bytes(), 0, 5, 3, 1, 2, 4, ","},
		} {
			if lines := bytes.Count(f.text, []byte("\n")); lines != len(list)+f.header {
				rt.Fatalf("%s: %d lines for %d transfers", f.name, lines, len(list))
			}
			rows, err := csv.NewReader(bytes.NewReader(f.text)).ReadAll()
			if err != nil || len(rows) != len(list)+f.header {
				rt.Fatalf("%s: %d rows, %v", f.name, len(rows), err)
			}
			for i, row := range rows[f.header:] {
				amount, err := affiliate.ParseAmount(strings.Replace(row[f.amount], f.mark, ".", 1), affiliate.Currency(row[f.currency]))
				if err != nil || amount != list[i].Amount || row[f.id] != list[i].ID || len(row) != f.columns {
					rt.Fatalf("%s: %q, %v, want %+v", f.name, row, err, list[i])
				}
				for _, c := range row {
					if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
						rt.Fatalf("%s: %q begins a formula", f.name, c)
					}
				}
			}
		}
	})
}

func TestCells(t *testing.T) {
	for text, want := range map[string]string{
		"":                "",
		"plain":           "plain",
		"=1+1":            "'=1+1",
		"+49 30":          "'+49 30",
		"-1":              "'-1",
		"@SUM(A1)":        "'@SUM(A1)",
		"\t=1":            "' =1",
		"\r=1":            "' =1",
		"a=1":             "a=1",
		"a\nb\u2028c\x00": "a b c ",
		"ä, \"ß\"":        "ä, \"ß\"",
	} {
		if got := cell(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestCurrenciesOfPayPal(t *testing.T) {
	for _, test := range []struct {
		minor    int64
		currency affiliate.Currency
		mark     DecimalMark
		want     string // the amount in the file, or what the refusal says
	}{
		{1234, "USD", DecimalPoint, "12.34"},
		{1234, "EUR", DecimalComma, `"12,34"`},
		{5, "GBP", DecimalPoint, "0.05"},
		{1234, "JPY", DecimalPoint, "1234"},
		{1234, "JPY", DecimalComma, "1234"},
		{1200, "HUF", DecimalPoint, "12"},
		{1200, "TWD", DecimalComma, "12"},
		{1234, "HUF", DecimalPoint, "whole HUF only"},
		{1210, "TWD", DecimalPoint, "whole TWD only"},
		{1, "KWD", DecimalPoint, "PayPal does not send KWD"},
		{1, "INR", DecimalPoint, "PayPal does not send INR"},
		{1, "EUR", ";", "neither a point nor a comma"},
	} {
		list := two()[:1]
		list[0].Amount = affiliate.Money{Minor: test.minor, Currency: test.currency}
		var out bytes.Buffer
		err := WritePayPalMark(&out, list, test.mark)
		want := fmt.Sprintf("anna@example.com,%s,%s,po-2026-11-0001,Commission November 2026\n", test.want, test.currency)
		if err != nil && (!strings.Contains(err.Error(), test.want) || out.Len() > 0) || err == nil && out.String() != want {
			t.Errorf("%d %s %s: %q, %v, want %s", test.minor, test.currency, test.mark, out.String(), err, test.want)
		}
	}
}

func TestGenericFilesMixCurrencies(t *testing.T) {
	list := two()
	list[0].Amount = affiliate.Money{Minor: 1_234, Currency: "KWD"}
	list[1] = Transfer{ID: "po-2", Amount: affiliate.Money{Minor: 1_234, Currency: "JPY"}}
	var out bytes.Buffer
	if err := WriteCSV(&out, list); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), ",1.234,KWD,") || !strings.HasSuffix(out.String(), "po-2,,,,,,1234,JPY,\n") {
		t.Error(out.String())
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("no space left")

func TestTheWritersErrorIsHandedOn(t *testing.T) {
	for name, err := range map[string]error{
		"csv":       WriteCSV(full{}, two()),
		"paypal":    WritePayPal(full{}, two()),
		"sepa":      WriteSEPA(full{}, message(), two()),
		"statement": WriteStatement(full{}, november()),
	} {
		if !errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
