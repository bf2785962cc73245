package store

import (
	"encoding/json"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
)

// BooksReader reads how clicks become money: reports as they came, conversions as they
// stand, the ledger, what was refused and what waits to be sent. Times are kept to the
// millisecond; a time that is zero stays zero.
type BooksReader interface {
	ReportReader
	ConversionReader
	LedgerReader
	RejectionReader
	MessageReader
}

// Books reads the books and writes into them. What belongs together, such as a report,
// its conversion, its posting and its message, is written in one Update.
type Books interface {
	BooksReader

	// AddReports adds reports. Those whose digest is there already for their program
	// and transaction, in the store or earlier in the batch, are left out and returned
	// by their place in the batch, in order. A report without a digest is Invalid.
	AddReports(batch []Report) (known []int, err error)

	// PutConversion adds a conversion, or replaces the one with its ID.
	PutConversion(c Conversion) error

	// Post adds postings in their order and returns how many it added. Those whose ID
	// is there already, in the store or earlier in the batch, are left out. One that is
	// dated before the last posting of the books is dated like that one: time never goes back. When
	// CheckPosting refuses one, or a balance would leave 64 bits, it is Invalid and
	// nothing of the batch is added. There is no way to change an entry or to take it away.
	Post(batch []ledger.Posting) (added int, err error)

	// Refuse keeps what was rejected, unless its ID is there already. Of more than
	// RejectionsMax the oldest go.
	Refuse(r Rejection) error
	// SweepRejections removes those of before a time.
	SweepRejections(before time.Time) (removed int64, err error)

	// Enqueue adds messages; those whose ID is in the outbox are left out.
	Enqueue(batch []Message) error
	// Retry puts a waiting message off and counts an attempt, or NotFound.
	Retry(id string, notBefore time.Time, lastError string) error
	// Dead counts an attempt and sets a waiting message aside, or NotFound.
	Dead(id, lastError string) error
	// Replay makes a dead message due at once, as if it was never tried, or NotFound.
	Replay(id string) error
	// Done removes a message, waiting or dead, or NotFound.
	Done(id string) error
}

// Report is a report and what tells it from others.
type Report struct {
	affiliate.Report
	// Digest is the same for two reports of a transaction that are one, and only for
	// those. The caller makes it, since what counts depends on the program.
	Digest string
}

// ReportReader reads reports.
type ReportReader interface {
	// Reports returns all that was reported of a transaction, by id.
	Reports(program, tx string) ([]affiliate.Report, error)
}

// Conversion is an order of a program, as all that is known about it says.
type Conversion struct {
	ID      string
	Program string
	Tx      string
	Event   string // with affiliate.ByEvent
	Ordinal int    // with affiliate.AcceptNew: 0, 1, 2, …

	State   affiliate.State
	At      time.Time // of the order
	Updated time.Time
	Due     time.Time // when it must be looked at again; zero: never by itself
	Order   affiliate.Money
	Whole   int64 // of the order before reversals, in minor units; 0 where it was not kept
	// Shares are a JSON array of objects, each with its Partner and the Amount of money.
	Shares  json.RawMessage
	Partner string // of the largest share

	ClickID  string
	ClickAt  time.Time
	Visitor  string
	Coupon   string
	Customer string // a hash, never an address
	Link     int64
	Page     string
	Variant  string
	Sub1     string

	Revision int64
	Flagged  bool // held for a person
	Path     json.RawMessage
	Rulings  json.RawMessage
	Evidence json.RawMessage // what it was settled by beside reports, path and rulings
}

// ConversionQuery chooses conversions. Empty fields choose all; the chosen must meet
// every field that is set.
type ConversionQuery struct {
	Program string
	Partner string // of the largest share; Program must be set too
	State   affiliate.State
	Click   string
	From    time.Time // of the order, inclusive
	To      time.Time // exclusive
	Before  string    // chooses those listed after the one with this ID; for paging
	Limit   int       // must be set
}

// ConversionReader finds conversions.
type ConversionReader interface {
	// Conversion returns a conversion, or NotFound.
	Conversion(id string) (Conversion, error)
	// ConversionsOf returns those of a transaction, by ordinal and event.
	ConversionsOf(program, tx string) ([]Conversion, error)
	// DueConversions returns those that are due at or before now, the longest first.
	DueConversions(now time.Time, limit int) ([]Conversion, error)
	// FindConversions returns the chosen, the newest order first, of orders at the
	// same moment by ID downwards. Before must exist, or NotFound.
	FindConversions(query ConversionQuery) ([]Conversion, error)
	// CustomerOrders counts a customer's conversions before a moment, reversed ones
	// too: which order of a customer one is does not change later.
	CustomerOrders(program, customer string, before time.Time) (int, error)
	// Volume sums the orders of a partner's conversions with from <= At < to that are
	// neither reversed nor unmatched, in minor units of the program's currency. The partner ""
	// is us.
	Volume(program, partner string, from, to time.Time) (int64, error)
	// SumConversions counts and sums the chosen, by the query's dimensions, state and currency, in
	// that order. TooLarge: see Summing.Add.
	SumConversions(query SumQuery) ([]ConversionSum, error)
}

// Balance is what an account holds in one currency.
type Balance struct {
	Account ledger.Account
	affiliate.Money
}

// PostingQuery chooses postings; empty fields choose all.
type PostingQuery struct {
	Subject string
	Account ledger.Account // of one of its entries
	Before  string         // chooses postings made before the one with this ID; for paging
	Limit   int            // must be set
}

// LedgerReader reads the ledger. A balance at a moment counts the postings dated until
// then, that moment included; the zero time is the end of the books. Its price does not
// depend on the number of entries.
type LedgerReader interface {
	// Balance returns what an account held, by currency: one amount, which may be
	// zero, for each currency that it had entries in.
	Balance(account ledger.Account, at time.Time) ([]affiliate.Money, error)
	// Balances returns what the accounts held whose name starts with prefix, by name
	// and currency; accounts without entries until then are left out.
	Balances(prefix string, at time.Time) ([]Balance, error)
	// SubjectBalances sums what was posted about a subject for each account. It is a
	// Conflict when that is in two currencies for one account.
	SubjectBalances(subject string) (map[ledger.Account]affiliate.Money, error)
	// Postings returns the chosen with all their entries, the last one first. Before
	// must exist, or NotFound.
	Postings(query PostingQuery) ([]ledger.Posting, error)
	// Trial sums all balances, by currency: each is zero, or the books are damaged.
	Trial() ([]affiliate.Money, error)
}

// CheckPosting says why no engine can keep a posting, as Invalid; what it means is ledger's to check: it needs an ID and entries
// whose amounts sum to zero in each currency. Engines ask before they write, because
// what the ledger has it keeps.
func CheckPosting(p *ledger.Posting) error {
	if p.ID == "" {
		return affiliate.Errorf(affiliate.Invalid, "a posting about %q has no id", p.Subject)
	}
	if n := len(p.Entries); n == 0 || n > ledger.EntriesMax {
		return affiliate.Errorf(affiliate.Invalid, "the posting %q has %d entries; it must have 1 to %d", p.ID, n, ledger.EntriesMax)
	}
	sums := map[affiliate.Currency]int64{}
	for _, e := range p.Entries {
		if e.Account == "" || !e.Amount.Currency.Known() {
			return affiliate.Errorf(affiliate.Invalid, "the posting %q has an entry of %s for the account %q; both account and currency must be given", p.ID, e.Amount, e.Account)
		}
		if e.Amount.Minor <= -amountEnd || e.Amount.Minor >= amountEnd {
			return affiliate.Errorf(affiliate.Invalid, "the posting %q has an entry of %s, more than %d digits", p.ID, e.Amount, affiliate.AmountDigitsMax)
		}
		sums[e.Amount.Currency] += e.Amount.Minor
	}
	for currency, sum := range sums {
		if sum != 0 {
			return affiliate.Errorf(affiliate.Invalid, "the entries of the posting %q sum to %s; they must sum to zero", p.ID, affiliate.Money{Minor: sum, Currency: currency})
		}
	}
	return nil
}

// amountEnd is the first amount with more than affiliate.AmountDigitsMax digits, small
// enough that ledger.EntriesMax of them fit into 64 bits.
const amountEnd = 1_000_000_000_000_000

// Rejection is a report that was not taken in.
type Rejection struct {
	ID      string
	At      time.Time
	Program string // "" when not known
	Source  affiliate.Source
	Reason  string // a code for programs
	Message string // a sentence for people
	Raw     string // as it came, cut to RejectionRawBytesMax
	Remote  string // the sender's address
}

// Limits of rejections, most of which strangers send.
const (
	RejectionsMax        = 100_000
	RejectionRawBytesMax = 8 << 10
)

// RejectionQuery chooses rejections; empty fields choose all.
type RejectionQuery struct {
	Program string
	Reason  string
	Before  string // chooses those that came before the one with this ID; for paging
	Limit   int    // must be set
}

// RejectionReader finds rejections.
type RejectionReader interface {
	// Rejections returns the chosen, the last that came first. Before must exist, or
	// NotFound.
	Rejections(query RejectionQuery) ([]Rejection, error)
}

// Message is something to be sent, at least once.
type Message struct {
	ID        string
	Kind      string
	Target    string
	Body      []byte
	NotBefore time.Time // zero: at once
	Attempts  int
	LastError string // cut to LastErrorBytesMax
}

// LastErrorBytesMax bounds what is kept of an error, whose text is often the other side's.
const LastErrorBytesMax = 1 << 10

// MessageReader reads the outbox.
type MessageReader interface {
	// DueMessages returns waiting messages with NotBefore <= now, the longest due
	// first, of equal ones in the order of Enqueue.
	DueMessages(now time.Time, limit int) ([]Message, error)
	// DeadMessages returns dead messages, the last enqueued first; before chooses those
	// after the one with this ID, "" all. It must exist, or NotFound.
	DeadMessages(before string, limit int) ([]Message, error)
}
