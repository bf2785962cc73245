package remittance

import (
	"encoding/csv"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Limits of PayPal's payment file.
const (
	PayPalTransfersMax  = 5_000
	PayPalIDCharsMax    = 30
	PayPalEmailCharsMax = 127
	PayPalNoteCharsMax  = 1_000
)

// transferColumns are the header of WriteCSV.
var transferColumns = []string{"id", "partner", "name", "iban", "bic", "email", "amount", "currency", "text"}

// WriteCSV writes a header and one line for each transfer, in their order, for people
// and for programs that know no better format. Currencies may be mixed. An IBAN or BIC
// that is there must be right; neither needs to be. Line breaks in texts become
// spaces, and a text that a spreadsheet would take for a formula gets an apostrophe in
// front.
//
// A refusal is an affiliate.Error of code Invalid with a fault for each field, or
// TooLarge, and nothing is written then. Other errors are w's.
func WriteCSV(w io.Writer, list []Transfer) error {
	rows := [][]string{transferColumns}
	var c check
	err := c.transfers(list, TransfersMax, func(p place, t Transfer) {
		iban, bic := compact(t.IBAN), compact(t.BIC)
		if iban != "" {
			if fault := ibanFault(iban); fault != "" {
				p.fault("iban", "%s", fault)
			}
		}
		if bic != "" {
			if fault := bicFault(bic, Pain00100109); fault != "" {
				p.fault("bic", "%s", fault)
			}
		}
		rows = append(rows, []string{t.ID, cell(t.Partner), cell(t.Name), iban, bic, cell(t.Email),
			t.Amount.Decimal(), string(t.Amount.Currency), cell(t.Text)})
	})
	if err != nil {
		return err
	}
	return csv.NewWriter(w).WriteAll(rows)
}

// cell is a text as a spreadsheet may see it: on one line, and never a formula.
func cell(s string) string {
	armed := s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0]))
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
	if armed {
		return "'" + s
	}
	return s
}

// DecimalMark stands between the whole units and their fraction. PayPal expects the
// one that is usual in the country of the account that pays.
type DecimalMark string

// The decimal marks.
const (
	DecimalPoint DecimalMark = "."
	DecimalComma DecimalMark = ","
)

// payPalCurrencies are those that PayPal holds, without the ones for accounts of one
// country only that cannot be sent abroad (CNY, INR, RUB).
var payPalCurrencies = strings.Fields("AUD BRL CAD CHF CZK DKK EUR GBP HKD HUF ILS JPY MXN MYR NOK NZD PHP PLN SEK SGD THB TWD USD")

// payPalWhole are currencies that have a fraction by ISO 4217 but none at PayPal.
var payPalWhole = []affiliate.Currency{"HUF", "TWD"}

// WritePayPal writes PayPal's payment file: no header, and email address, amount,
// currency, id and note of each transfer, in their order. All are of one currency, at
// most PayPalTransfersMax of them. Amounts have a decimal point; see WritePayPalMark.
//
// A refusal is an affiliate.Error of code Invalid with a fault for each field, or
// TooLarge, and nothing is written then. Other errors are w's.
func WritePayPal(w io.Writer, list []Transfer) error { return WritePayPalMark(w, list, DecimalPoint) }

// WritePayPalMark is WritePayPal with another mark in amounts: PayPal accounts of
// Germany or Italy read 12,34.
func WritePayPalMark(w io.Writer, list []Transfer, mark DecimalMark) error {
	if mark != DecimalPoint && mark != DecimalComma {
		return affiliate.Errorf(affiliate.Invalid, "nothing was written: the decimal mark %s is neither a point nor a comma", shown(string(mark)))
	}
	var rows [][]string
	var c check
	err := c.transfers(list, PayPalTransfersMax, func(p place, t Transfer) {
		p.payPal(t, list[0].Amount.Currency)
		rows = append(rows, []string{t.Email, payPalAmount(t.Amount, mark), string(t.Amount.Currency), t.ID, cell(t.Text)})
	})
	if err != nil {
		return err
	}
	return csv.NewWriter(w).WriteAll(rows)
}

func (p place) payPal(t Transfer, currency affiliate.Currency) {
	if len(t.ID) > PayPalIDCharsMax && len(t.ID) <= IDCharsMax {
		p.fault("id", "the id has %d characters; PayPal takes at most %d", len(t.ID), PayPalIDCharsMax)
	}
	if fault := emailFault(t.Email); fault != "" {
		p.fault("email", "%s", fault)
	}
	if n := len([]rune(t.Text)); n > PayPalNoteCharsMax {
		p.fault("text", "the note has %d characters; at most %d", n, PayPalNoteCharsMax)
	}
	m := t.Amount
	switch {
	case m.Currency.Known() && m.Currency != currency:
		p.fault("amount", "it is in %s and the first transfer in %s; PayPal takes one currency per file, so write one for each", m.Currency, currency)
	case m.Currency.Known() && !slices.Contains(payPalCurrencies, string(m.Currency)):
		p.fault("amount", "PayPal does not send %s; it sends %s", m.Currency, strings.Join(payPalCurrencies, ", "))
	case slices.Contains(payPalWhole, m.Currency) && m.Minor%100 != 0:
		p.fault("amount", "%s has a fraction, and PayPal takes whole %s only; pay the whole units", m, m.Currency)
	}
}

func payPalAmount(m affiliate.Money, mark DecimalMark) string {
	whole, fraction, _ := strings.Cut(m.Decimal(), ".")
	if fraction == "" || slices.Contains(payPalWhole, m.Currency) {
		return whole
	}
	return whole + string(mark) + fraction
}

// emailFault finds addresses that PayPal could not send to. It is stricter than the
// standard about odd ones, for a file has no room to quote them, and an address must
// reach PayPal as it is: it cannot be disarmed.
func emailFault(s string) string {
	local, host, found := strings.Cut(s, "@")
	switch {
	case s == "":
		return "the address of the partner's PayPal account is missing"
	case len(s) > PayPalEmailCharsMax:
		return "the address is longer than 127 characters"
	case !found || local == "" || !strings.Contains(host, ".") || strings.ContainsAny(host, "@_") || strings.HasPrefix(host, ".") || strings.HasSuffix(host, "."):
		return "the address " + shown(s) + " is not one; write name@example.com"
	case strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]`, r) }) >= 0:
		return "the address " + shown(s) + " has a character that PayPal does not take"
	case strings.ContainsRune("=+-", rune(s[0])):
		return "the address " + shown(s) + " starts like a formula of a spreadsheet; ask the partner for another one"
	}
	return ""
}
