package remittance

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"pgregory.net/rapid"
)

// november is a month of a partner's account.
func november() Statement {
	at := func(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }
	return Statement{Partner: "anna", From: at(1, 0), Until: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), Opening: eur(100_00),
		Lines: []Line{
			{at(3, 9), "order-1", "approved", eur(25_50)},
			{at(9, 14), "=order-2", "reversed", eur(-2_05)},
			{at(27, 12), "po-2026-11-0001", "payout", eur(-123_45)},
		}, Closing: eur(0)}
}

func TestRefusalsOfStatements(t *testing.T) {
	for name, test := range map[string]struct {
		set         func(*Statement)
		field, says string
	}{
		"a cent too many":        {func(s *Statement) { s.Closing.Minor++ }, "closing", "make 0.00 EUR"},
		"another opening":        {func(s *Statement) { s.Opening.Minor-- }, "closing", "make -0.01 EUR"},
		"a line left out":        {func(s *Statement) { s.Lines = s.Lines[:2] }, "closing", "make 123.45 EUR"},
		"another currency":       {func(s *Statement) { s.Lines[1].Amount.Currency = "USD" }, "lines[1].amount", "USD"},
		"closing in another":     {func(s *Statement) { s.Closing.Currency = "USD" }, "closing", "USD"},
		"lines out of order":     {func(s *Statement) { s.Lines[0].At = s.Lines[2].At }, "lines[1].time", "before the line above"},
		"a line too early":       {func(s *Statement) { s.Lines[0].At = s.From.Add(-1) }, "lines[0].time", "outside"},
		"a line at the end":      {func(s *Statement) { s.Lines[2].At = s.Until }, "lines[2].time", "outside"},
		"16 digits":              {func(s *Statement) { s.Lines[0].Amount.Minor = 1e15 }, "lines[0].amount", "15 digits"},
		"a sum of 16 digits":     {func(s *Statement) { s.Lines[0].Amount.Minor = amountMax }, "lines[0].balance", "15 digits"},
		"a text without end":     {func(s *Statement) { s.Lines[0].Conversion = strings.Repeat("x", 2049) }, "lines[0].conversion", "2048"},
		"a word that is no text": {func(s *Statement) { s.Lines[0].Why = "\xff" }, "lines[0].why", "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			s := november()
			test.set(&s)
			var out bytes.Buffer
			err := WriteStatement(&out, s)
			if affiliate.CodeOf(err) != affiliate.Invalid || !strings.Contains(err.Error(), test.field+": ") || !strings.Contains(err.Error(), test.says) || out.Len() > 0 {
				t.Errorf("%v, %d bytes; want %s that says %s", err, out.Len(), test.field, test.says)
			}
		})
	}
	s := november()
	s.Lines = make([]Line, LinesMax+1)
	if err := WriteStatement(&bytes.Buffer{}, s); affiliate.CodeOf(err) != affiliate.TooLarge {
		t.Errorf("%d lines: %v", len(s.Lines), err)
	}
}

func TestStatementsAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := november()
		currency := rapid.SampledFrom([]affiliate.Currency{"EUR", "JPY", "KWD"}).Draw(rt, "currency")
		money := func(name string) affiliate.Money {
			return affiliate.Money{Minor: rapid.Int64Range(-1e12, 1e12).Draw(rt, name), Currency: currency}
		}
		s.Opening = money("opening")
		s.Closing = s.Opening
		s.Lines = make([]Line, rapid.IntRange(0, 30).Draw(rt, "lines"))
		balances := []string{s.Opening.Decimal()}
		for i := range s.Lines {
			s.Lines[i] = Line{At: s.From.Add(time.Duration(i) * time.Hour), Conversion: anyText(200).Draw(rt, "conversion"), Why: anyText(20).Draw(rt, "why"), Amount: money("amount")}
			s.Closing = s.Closing.Add(s.Lines[i].Amount)
			balances = append(balances, s.Closing.Decimal())
		}
		balances = append(balances, s.Closing.Decimal())
		var out bytes.Buffer
		if err := WriteStatement(&out, s); err != nil {
			rt.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(out.Bytes())).ReadAll()
		if err != nil || len(rows) != len(s.Lines)+3 {
			rt.Fatalf("%d rows, %v", len(rows), err)
		}
		for i, row := range rows[1:] {
			if row[5] != balances[i] || row[6] != string(currency) {
				rt.Fatalf("row %d: %q, want the balance %s", i, row, balances[i])
			}
			if 0 < i && i <= len(s.Lines) && row[4] != s.Lines[i-1].Amount.Decimal() {
				rt.Fatalf("row %d: %q, want the amount %s", i, row, s.Lines[i-1].Amount)
			}
			if conversion := row[2]; conversion != "" && strings.ContainsRune("=+-@\t\r", rune(conversion[0])) {
				rt.Fatalf("%q begins a formula", conversion)
			}
		}
		s.Closing.Minor++
		out.Reset()
		if err := WriteStatement(&out, s); err == nil || out.Len() > 0 {
			rt.Fatal("a cent too many was taken")
		}
	})
}

// The examples of docs/payouts.md are what is written.
func TestExamplesOfTheDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/payouts.md")
	if err != nil {
		t.Fatal(err)
	}
	var generic, paypal, statement bytes.Buffer
	if err := fmt.Sprint(WriteCSV(&generic, two()), WritePayPal(&paypal, two()), WriteStatement(&statement, november())); err != "<nil> <nil> <nil>" {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"WriteCSV": generic.Bytes(), "WritePayPal": paypal.Bytes(), "WriteStatement": statement.Bytes(),
		"WriteSEPA": file(t, message(), two()[:1]),
	} {
		if !bytes.Contains(page, append([]byte("\n"), text...)) {
			t.Errorf("the page has not what %s writes:\n%s", name, text)
		}
	}
}
