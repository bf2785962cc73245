package remittance

import (
	"encoding/csv"
	"fmt"
	"io"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// LinesMax is how many lines a statement may have.
const LinesMax = 1_000_000

// Statement is what a partner was owed in one currency at the start and at the end of
// a time, and all that changed it.
type Statement struct {
	Partner string          // code
	From    time.Time       // the opening balance is that of this moment
	Until   time.Time       // and the closing balance of this; lines have From <= At < Until
	Opening affiliate.Money // may be below 0
	Lines   []Line          // in the order of time
	Closing affiliate.Money
}

// Line is one entry of a statement.
type Line struct {
	At         time.Time
	Conversion string // or the payout it is about
	Why        string // as the ledger says: accrued, approved, reversed, payout …
	Amount     affiliate.Money
}

var statementColumns = []string{"partner", "time", "conversion", "why", "amount", "balance", "currency"}

// WriteStatement writes a header, a line "opening" with the opening balance, a line
// for each entry with the balance after it, and a line "closing". Times are UTC. Texts
// are written as in WriteCSV.
//
// It refuses a statement whose opening balance and lines do not make its closing
// balance, that mixes currencies, or whose lines are out of time or order: with an
// affiliate.Error of code Invalid, or TooLarge, and nothing is written then. Other
// errors are w's.
func WriteStatement(w io.Writer, s Statement) error {
	if len(s.Lines) > LinesMax {
		return affiliate.Errorf(affiliate.TooLarge, "nothing was written: lines: %d are too many, a statement has at most %d; choose a shorter time", len(s.Lines), LinesMax)
	}
	var c check
	c.statement(s)
	balances := c.balances(s)
	if err := c.err(); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	row := func(at time.Time, conversion, why, amount string, balance affiliate.Money) {
		_ = out.Write([]string{cell(s.Partner), instant(at), cell(conversion), cell(why), amount, balance.Decimal(), string(balance.Currency)}) // the error stays with out
	}
	_ = out.Write(statementColumns)
	row(s.From, "", "opening", "", s.Opening)
	for i, l := range s.Lines {
		row(l.At, l.Conversion, l.Why, l.Amount.Decimal(), balances[i])
	}
	row(s.Until, "", "closing", "", s.Closing)
	out.Flush()
	return out.Error()
}

// instant is a time as the other exports write it.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// statement checks everything but the sum.
func (c *check) statement(s Statement) {
	if fault := textFault(s.Partner); fault != "" {
		c.add("partner", "%s", fault)
	}
	if !DateOf(s.From.UTC()).known() || !DateOf(s.Until.UTC()).known() || s.Until.Before(s.From) {
		c.add("until", "the statement goes from %s to %s, which is no time", instant(s.From), instant(s.Until))
	}
	if !s.Opening.Currency.Known() {
		c.add("opening", "%s is not a currency; use an ISO 4217 code, such as EUR", shown(string(s.Opening.Currency)))
	}
	last := s.From
	for i, l := range s.Lines {
		at := fmt.Sprintf("lines[%d]", i)
		if l.At.Before(last) || !l.At.Before(s.Until) {
			c.add(at+".time", "%s is before the line above or outside the statement's time, %s to %s", instant(l.At), instant(s.From), instant(s.Until))
		} else {
			last = l.At
		}
		for _, f := range []struct{ field, text string }{{"conversion", l.Conversion}, {"why", l.Why}} {
			if fault := textFault(f.text); fault != "" {
				c.add(at+"."+f.field, "%s", fault)
			}
		}
	}
}

// balances adds the lines up, and returns the balance after each. It stops at the
// first amount that cannot be added.
func (c *check) balances(s Statement) []affiliate.Money {
	within := func(field string, m affiliate.Money) bool {
		switch {
		case m.Currency != s.Opening.Currency:
			c.add(field, "it is in %s and the opening balance in %s; a statement has one currency", shown(string(m.Currency)), shown(string(s.Opening.Currency)))
		case m.Minor < -amountMax || m.Minor > amountMax:
			c.add(field, "%s has more than %d digits", m, affiliate.AmountDigitsMax)
		default:
			return true
		}
		return false
	}
	if !within("opening", s.Opening) || !within("closing", s.Closing) {
		return nil
	}
	balance := s.Opening
	balances := make([]affiliate.Money, len(s.Lines))
	for i, l := range s.Lines {
		at := fmt.Sprintf("lines[%d]", i)
		if !within(at+".amount", l.Amount) {
			return nil
		}
		balance = balance.Add(l.Amount)
		if !within(at+".balance", balance) {
			return nil
		}
		balances[i] = balance
	}
	if balance != s.Closing {
		c.add("closing", "it is %s, but %s and the lines make %s; the lines or a balance are not those of the ledger", s.Closing, s.Opening, balance)
	}
	return balances
}
