package remittance

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Version of the ISO 20022 message CustomerCreditTransferInitiation.
type Version string

// The versions that banks take. SEPA's rulebooks use .09 since November 2023; some
// banks still ask for .03.
const (
	Pain00100109 Version = "pain.001.001.09"
	Pain00100103 Version = "pain.001.001.03"
)

// sepaAmountMax is the most that one SEPA credit transfer carries: 999,999,999.99 EUR.
const sepaAmountMax = 99_999_999_999

// Debtor is who pays, and from which account. BIC may be empty.
type Debtor struct{ Name, IBAN, BIC string }

// Message is the frame of a payment file.
type Message struct {
	ID      string    // unique for ever at the bank: it refuses a file whose id it has seen
	Created time.Time // written in UTC, to the second
	Execute Date      // when the account is to be debited; not before Created in its time zone
	Debtor  Debtor
	Version Version // "" is Pain00100109
}

// WriteSEPA writes a SEPA credit transfer: one message with one payment information
// block, in EUR, with the number and the sum of the transfers in both headers. Names
// and texts are written with SEPA's characters; see docs/payouts.md. IDs and IBANs
// are never changed.
//
// A refusal is an affiliate.Error of code Invalid with a fault for each field, or
// TooLarge, and nothing is written then. Other errors are w's.
func WriteSEPA(w io.Writer, m Message, list []Transfer) error {
	if m.Version == "" {
		m.Version = Pain00100109
	}
	if m.Version != Pain00100109 && m.Version != Pain00100103 {
		return affiliate.Errorf(affiliate.Invalid, "nothing was written: message.version: %s is neither %s nor %s", shown(string(m.Version)), Pain00100109, Pain00100103)
	}
	var c check
	debtor := c.message(m)
	transfers := make([]creditTransfer, 0, min(len(list), TransfersMax))
	sum := affiliate.Money{Currency: "EUR"}
	err := c.transfers(list, TransfersMax, func(p place, t Transfer) {
		transfers = append(transfers, p.creditTransfer(t, m.Version))
		if t.Amount.Currency == "EUR" && 0 < t.Amount.Minor && t.Amount.Minor <= sepaAmountMax {
			sum = sum.Add(t.Amount) // at most 10^16 in all
		}
	})
	if err != nil {
		return err
	}
	d := m.document(debtor, transfers, sum)
	buffered := bufio.NewWriter(w)
	if _, err := buffered.WriteString(xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(buffered)
	e.Indent("", " ")
	if err := e.Encode(d); err != nil {
		return err
	}
	if err := buffered.WriteByte('\n'); err != nil {
		return err
	}
	return buffered.Flush()
}

// message checks the frame and returns the debtor as the file names it.
func (c *check) message(m Message) Debtor {
	if fault := idFault(m.ID, IDCharsMax); fault != "" {
		c.add("message.id", "%s", fault)
	}
	if !DateOf(m.Created.UTC()).known() || !DateOf(m.Created).known() {
		c.add("message.created", "%s is not a time that a file can name", m.Created)
	}
	if !m.Execute.known() {
		c.add("message.execute", "%s is not a day of the calendar", m.Execute)
	} else if created := DateOf(m.Created); m.Execute.String() < created.String() {
		c.add("message.execute", "%s is before the day the file is written on, %s; choose a day to come", m.Execute, created)
	}
	d := Debtor{IBAN: compact(m.Debtor.IBAN), BIC: compact(m.Debtor.BIC)}
	for _, f := range []struct{ field, text string }{
		{"message.debtor.name", m.Debtor.Name}, {"message.debtor.iban", d.IBAN}, {"message.debtor.bic", d.BIC},
	} {
		if fault := textFault(f.text); fault != "" {
			c.add(f.field, "%s", fault)
			return d
		}
	}
	var fault string
	if d.Name, fault = holderName(m.Debtor.Name); fault != "" {
		c.add("message.debtor.name", "%s", fault)
	}
	if fault := sepaAccountFault(d.IBAN); fault != "" {
		c.add("message.debtor.iban", "%s", fault)
	}
	if d.BIC != "" {
		if fault := bicFault(d.BIC, m.Version); fault != "" {
			c.add("message.debtor.bic", "%s", fault)
		}
	}
	return d
}

func sepaAccountFault(iban string) string {
	if iban == "" {
		return "the IBAN is missing"
	}
	if fault := ibanFault(iban); fault != "" {
		return fault
	}
	if sepaIBANLengths[iban[:2]] == 0 {
		return fmt.Sprintf("the IBAN %s belongs to %s, which is not in SEPA; pay it another way", covered(iban), iban[:2])
	}
	return ""
}

// creditTransfer checks a transfer by SEPA's rules and returns it as the file has it.
func (p place) creditTransfer(t Transfer, v Version) creditTransfer {
	name, fault := holderName(t.Name)
	if fault != "" {
		p.fault("name", "%s", fault)
	}
	iban, bic := compact(t.IBAN), compact(t.BIC)
	if fault := sepaAccountFault(iban); fault != "" {
		p.fault("iban", "%s", fault)
	}
	if bic != "" {
		if fault := bicFault(bic, v); fault != "" {
			p.fault("bic", "%s", fault)
		}
	}
	text := latin(t.Text)
	if len(text) > TextCharsMax {
		p.fault("text", "%s", tooLong("the text", text, TextCharsMax))
	}
	switch m := t.Amount; {
	case m.Currency.Known() && m.Currency != "EUR":
		p.fault("amount", "%s cannot be paid by SEPA, which moves EUR only; pay it another way", m)
	case m.Minor > sepaAmountMax && m.Minor <= amountMax:
		p.fault("amount", "%s is more than a SEPA credit transfer carries, 999999999.99 EUR", m)
	}
	out := creditTransfer{ID: t.ID, Amount: amount{Currency: "EUR", Decimal: t.Amount.Decimal()}, Name: name, IBAN: iban}
	if bic != "" {
		out.Agent = agentOf(bic, v)
	}
	if text != "" {
		out.Text = &text
	}
	return out
}

func tooLong(what, spelled string, most int) string {
	return fmt.Sprintf("%s has %d characters with SEPA's spelling, %s; at most %d", what, len(spelled), shown(spelled), most)
}

func (m Message) document(debtor Debtor, transfers []creditTransfer, sum affiliate.Money) document {
	execute := day{Dt: m.Execute.String()}
	if m.Version == Pain00100103 {
		execute = day{Plain: m.Execute.String()}
	}
	notProvided := "NOTPROVIDED" // what the EPC has in place of a BIC; the element must be there
	bank := &agent{Other: &notProvided}
	if debtor.BIC != "" {
		bank = agentOf(debtor.BIC, m.Version)
	}
	return document{
		Space: "urn:iso:std:iso:20022:tech:xsd:" + string(m.Version),
		Header: groupHeader{ID: m.ID, Created: m.Created.UTC().Format("2006-01-02T15:04:05Z"),
			Count: len(transfers), Sum: sum.Decimal(), Initiator: debtor.Name},
		Block: paymentBlock{ID: m.ID, Method: "TRF", Count: len(transfers), Sum: sum.Decimal(), ServiceLevel: "SEPA", Execute: execute,
			Name: debtor.Name, IBAN: debtor.IBAN, Agent: bank, Charges: "SLEV", Transfers: transfers},
	}
}

func agentOf(bic string, v Version) *agent {
	if v == Pain00100103 {
		return &agent{BIC: bic}
	}
	return &agent{BICFI: bic}
}

// The message, element by element in the order of the standard. Pointers are elements
// that may be missing: an empty text would leave the elements around it behind.
type document struct {
	XMLName xml.Name     `xml:"Document"`
	Space   string       `xml:"xmlns,attr"`
	Header  groupHeader  `xml:"CstmrCdtTrfInitn>GrpHdr"`
	Block   paymentBlock `xml:"CstmrCdtTrfInitn>PmtInf"`
}

type groupHeader struct {
	ID        string `xml:"MsgId"`
	Created   string `xml:"CreDtTm"`
	Count     int    `xml:"NbOfTxs"`
	Sum       string `xml:"CtrlSum"`
	Initiator string `xml:"InitgPty>Nm"`
}

type paymentBlock struct {
	ID           string           `xml:"PmtInfId"`
	Method       string           `xml:"PmtMtd"`
	Count        int              `xml:"NbOfTxs"`
	Sum          string           `xml:"CtrlSum"`
	ServiceLevel string           `xml:"PmtTpInf>SvcLvl>Cd"`
	Execute      day              `xml:"ReqdExctnDt"`
	Name         string           `xml:"Dbtr>Nm"`
	IBAN         string           `xml:"DbtrAcct>Id>IBAN"`
	Agent        *agent           `xml:"DbtrAgt>FinInstnId"`
	Charges      string           `xml:"ChrgBr"`
	Transfers    []creditTransfer `xml:"CdtTrfTxInf"`
}

// day is a choice of elements in .09 and the date itself in .03.
type day struct {
	Plain string `xml:",chardata"`
	Dt    string `xml:"Dt,omitempty"`
}

// agent is a bank. Its BIC has another name in .03.
type agent struct {
	BICFI string  `xml:"BICFI,omitempty"`
	BIC   string  `xml:"BIC,omitempty"`
	Other *string `xml:"Othr>Id"`
}

type creditTransfer struct {
	ID     string  `xml:"PmtId>EndToEndId"`
	Amount amount  `xml:"Amt>InstdAmt"`
	Agent  *agent  `xml:"CdtrAgt>FinInstnId"`
	Name   string  `xml:"Cdtr>Nm"`
	IBAN   string  `xml:"CdtrAcct>Id>IBAN"`
	Text   *string `xml:"RmtInf>Ustrd"`
}

type amount struct {
	Currency string `xml:"Ccy,attr"`
	Decimal  string `xml:",chardata"`
}
