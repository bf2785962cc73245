// Package remittance writes payouts as files that banks and PayPal take, and
// statements for partners. A file is written whole or not at all: every transfer is
// checked before the first byte leaves, and what is refused is named with its reason.
// The same transfers make the same bytes.
//
// It is pure: nothing is stored, sent or looked up, and the time is an argument. That
// an account exists and belongs to the name only the bank can tell.
package remittance

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Limits of a file. What a bank or PayPal grants an account may be less.
const (
	TransfersMax = 100_000
	IDCharsMax   = 35 // an end-to-end id of ISO 20022, Max35Text
	NameCharsMax = 70 // SEPA allows half of ISO 20022's 140
	TextCharsMax = 140

	textBytesMax = 2048 // of any text in a CSV file
	faultsMax    = 20   // of an error; the rest is counted
)

// Transfer is one payout to one partner. IBAN and BIC may hold spaces and small
// letters; they are written without. Which fields must be filled depends on the file.
type Transfer struct {
	ID      string // the payout's id, unique for ever; the end-to-end id at the bank
	Partner string // code
	Name    string // of the account's holder
	IBAN    string
	BIC     string // may be empty: inside SEPA the bank finds it by the IBAN
	Email   string // of the partner's PayPal account
	Amount  affiliate.Money
	Text    string // what the partner reads
}

// check walks transfers and collects what is wrong with them.
type check struct {
	faults []affiliate.Fault
	more   int
}

// place is a transfer that is being checked.
type place struct {
	*check
	index int
	id    string
}

func (c *check) add(field, format string, args ...any) {
	if len(c.faults) == faultsMax {
		c.more++
		return
	}
	c.faults = append(c.faults, affiliate.Fault{Field: field, Message: fmt.Sprintf(format, args...)})
}

// fault says what is wrong with a field of the transfer.
func (p place) fault(field, format string, args ...any) {
	p.add(fmt.Sprintf("transfers[%d].%s", p.index, field), "payout %s: %s", shown(p.id), fmt.Sprintf(format, args...))
}

func (c *check) err() error {
	if len(c.faults) == 0 {
		return nil
	}
	e := &affiliate.Error{Code: affiliate.Invalid, Message: "nothing was written", Faults: c.faults}
	if c.more > 0 {
		e.Message = fmt.Sprintf("nothing was written, and %d more faults are not shown", c.more)
	}
	return e
}

// transfers checks what holds in every file, and hands each transfer to the file's
// own rules. The error covers all that was added before.
func (c *check) transfers(list []Transfer, most int, own func(place, Transfer)) error {
	if len(list) == 0 {
		return affiliate.Errorf(affiliate.Invalid, "nothing was written: there are no transfers; choose payouts first")
	}
	if len(list) > most {
		return affiliate.Errorf(affiliate.TooLarge, "nothing was written: transfers: %d are too many, a file holds at most %d; write several files", len(list), most)
	}
	seen := make(map[string]int, len(list))
	for i, t := range list {
		p := place{check: c, index: i, id: t.ID}
		if fault := idFault(t.ID, IDCharsMax); fault != "" {
			p.fault("id", "%s", fault)
		}
		if first, twice := seen[t.ID]; twice {
			p.fault("id", "transfers[%d] has the same id, and a payout is paid once; remove one of the two", first)
		} else {
			seen[t.ID] = i
		}
		p.amount(t.Amount)
		if p.texts(t) {
			own(p, t)
		}
	}
	return c.err()
}

func (p place) amount(m affiliate.Money) {
	switch {
	case !m.Currency.Known():
		p.fault("amount", "%s is not a currency; use an ISO 4217 code, such as EUR", shown(string(m.Currency)))
	case m.Minor <= 0:
		p.fault("amount", "%s cannot be transferred; only amounts above 0 can", m)
	case m.Minor > amountMax:
		p.fault("amount", "%s has more than %d digits", m, affiliate.AmountDigitsMax)
	}
}

// amountMax is the largest amount of AmountDigitsMax digits.
const amountMax int64 = 999_999_999_999_999

// texts bounds what the rules of a file look at.
func (p place) texts(t Transfer) bool {
	sound := true
	for _, f := range []struct{ field, text string }{
		{"partner", t.Partner}, {"name", t.Name}, {"iban", t.IBAN}, {"bic", t.BIC}, {"email", t.Email}, {"text", t.Text},
	} {
		if fault := textFault(f.text); fault != "" {
			p.fault(f.field, "%s", fault)
			sound = false
		}
	}
	return sound
}

func textFault(s string) string {
	if len(s) > textBytesMax {
		return fmt.Sprintf("it has %d bytes; at most %d", len(s), textBytesMax)
	}
	if !utf8.ValidString(s) {
		return "it is not UTF-8 text; type it again"
	}
	return ""
}

// idMarks may stand inside an id: SEPA's characters without the space, which PayPal
// refuses.
const idMarks = "/-?:().,'+"

// idFault says why a reference cannot be used, or "". It is passed on unchanged from
// bank to bank and searched for later, so nothing in it is replaced. The rule on
// slashes is the EPC's for references, identifications and identifiers. An id starts
// with a letter or a digit, so that it never begins a formula.
func idFault(id string, most int) string {
	switch {
	case id == "":
		return "the id is empty"
	case len(id) > most:
		return fmt.Sprintf("the id has %d characters; at most %d", len(id), most)
	case !isLatin(rune(id[0])):
		return fmt.Sprintf("the id %s does not start with a letter A-Z or a digit", shown(id))
	case strings.Contains(id, "//") || strings.HasSuffix(id, "/"):
		return fmt.Sprintf("the id %s ends in a slash or has two in a row, which banks refuse", shown(id))
	}
	for _, r := range id {
		if !isLatin(r) && !strings.ContainsRune(idMarks, r) {
			return fmt.Sprintf("the id %s has the character %q; letters A-Z, digits and %s are allowed", shown(id), r, idMarks)
		}
	}
	return ""
}

// isLatin says that r is a letter of the basic Latin alphabet or a digit.
func isLatin(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// shown quotes the start of a text for an error.
func shown(s string) string {
	const most = 60
	if len(s) > most {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:most], ""))
	}
	return fmt.Sprintf("%q", s)
}

// Date is a day of the calendar, whatever the time zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the day that t falls on in t's own time zone.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{Year: y, Month: m, Day: d}
}

// String is the date as ISO 8601 writes it: 2026-11-27.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// known says that the calendar has the day, in a year that files can name.
func (d Date) known() bool {
	return 1970 <= d.Year && d.Year <= 9999 && DateOf(time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)) == d
}
