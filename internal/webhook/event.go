package webhook

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// Change is what has happened to a conversion.
type Change struct {
	Before *store.Conversion // nil: it is new
	After  store.Conversion
	Why    ledger.Why       // of the posting that belongs to it; "" when nothing was posted
	Reason affiliate.Reason // of a reversal, when it is known
	At     time.Time        // when it was noticed
	// Subs are the sub-ids of clicks, for postbacks. Where they are not given, sub1 is
	// that of the conversion's path and the others are empty.
	Subs map[string][]string
}

// Payload is the body of a webhook.
type Payload struct {
	Type      Type      `json:"type"`
	Timestamp time.Time `json:"timestamp"` // when it happened
	Data      any       `json:"data"`      // Conversion or Payout
}

// Amount of money, for programs and for people.
type Amount struct {
	Minor    int64              `json:"minor"` // in the currency's smallest unit
	Currency affiliate.Currency `json:"currency"`
	Text     string             `json:"text"` // "12.34"
}

func amount(m affiliate.Money) Amount { return Amount{m.Minor, m.Currency, m.Decimal()} }

// Standing is what a conversion amounts to at a moment.
type Standing struct {
	State      affiliate.State `json:"state"`
	Held       bool            `json:"held"` // waits for a person
	Order      Amount          `json:"order"`
	Commission Amount          `json:"commission"` // the sum of the shares
	Shares     []Share         `json:"shares"`
}

// Share is what one click, or one coupon, earns its partner.
type Share struct {
	Partner    string `json:"partner,omitempty"` // "": us
	ClickID    string `json:"click_id,omitempty"`
	Commission Amount `json:"commission"`
}

// Conversion is the data of its events. It holds nothing that names a customer or a visitor.
type Conversion struct {
	ID       string     `json:"id"`
	Revision int64      `json:"revision"` // the higher one is the later one
	Program  string     `json:"program"`
	TxID     string     `json:"txid"`
	Event    string     `json:"event,omitempty"` // tells the orders of one transaction apart
	At       time.Time  `json:"at"`              // of the order
	Why      ledger.Why `json:"why,omitempty"`
	Standing
	Reason   affiliate.Reason `json:"reason,omitempty"`
	Partner  string           `json:"partner,omitempty"` // of the largest share, as what follows
	ClickID  string           `json:"click_id,omitempty"`
	ClickAt  time.Time        `json:"click_at,omitzero"`
	Link     int64            `json:"link,omitempty"`
	Page     string           `json:"page,omitempty"`
	Variant  string           `json:"variant,omitempty"`
	Sub1     string           `json:"sub1,omitempty"`
	Coupon   string           `json:"coupon,omitempty"`
	Previous *Standing        `json:"previous,omitempty"` // before this change
}

// Payout is the data of its events.
type Payout struct {
	ID       string             `json:"id"`
	Program  string             `json:"program"`
	Partner  string             `json:"partner,omitempty"` // "": us
	Amount   Amount             `json:"amount"`
	Method   string             `json:"method,omitempty"`
	State    ledger.PayoutState `json:"state"`
	Created  time.Time          `json:"created"`
	Approved time.Time          `json:"approved,omitzero"`
	Sent     time.Time          `json:"sent,omitzero"`
	Undone   time.Time          `json:"undone,omitzero"`
}

// Events returns the messages that tell of a change of a conversion. It is pure, and the id
// of a message follows from the conversion, its revision, the event and the target; so a
// transaction that is tried again puts each into the outbox once. An error means that the
// conversion's shares or path cannot be read.
func Events(c Change, to Subscribers) ([]store.Message, error) {
	s, err := read(&c)
	if err != nil {
		return nil, err
	}
	var all []store.Message
	for _, t := range happened(s.before, s.after) {
		payload := Payload{Type: t, Timestamp: c.At.UTC(), Data: s.conversion()}
		messages, err := to.webhooks(payload, c.After.Program, c.After.ID, c.After.Revision)
		if err != nil {
			return nil, err
		}
		all = append(all, messages...)
	}
	postbacks, err := s.postbacks(to.Postbacks)
	return append(all, postbacks...), err
}

// PayoutEvents returns the messages that tell of a payout that was just sent or undone; of
// others there are none. Like those of Events they are the same when asked for again.
func PayoutEvents(p ledger.Payout, to Subscribers) ([]store.Message, error) {
	payload, step := Payload{Type: PayoutSent, Timestamp: p.Sent.UTC()}, int64(2) // as its postings are numbered
	switch p.State {
	case ledger.PayoutSent:
	case ledger.PayoutUndone:
		payload.Type, payload.Timestamp, step = PayoutUndone, p.Undone.UTC(), 3
	default:
		return nil, nil
	}
	payload.Data = Payout{
		ID: p.ID, Program: p.Program, Partner: p.Partner, Amount: amount(p.Amount), Method: p.Method, State: p.State,
		Created: p.Created.UTC(), Approved: utc(p.Approved), Sent: utc(p.Sent), Undone: utc(p.Undone),
	}
	return to.webhooks(payload, p.Program, p.Subject(), step)
}

// utc leaves a time that is not known as it is.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

// webhooks returns the messages for the endpoints that want an event.
func (to Subscribers) webhooks(payload Payload, program, subject string, revision int64) ([]store.Message, error) {
	var all []store.Message
	var body []byte
	for i := range to.Endpoints {
		e := &to.Endpoints[i]
		if !e.wants(payload.Type, program) {
			continue
		}
		if body == nil {
			var err error
			if body, err = json.Marshal(payload); err != nil {
				return nil, fmt.Errorf("the event %s of %s cannot be written: %w", payload.Type, subject, err)
			}
		}
		all = append(all, store.Message{ID: messageID(subject, revision, payload.Type, e.Key()), Kind: KindWebhook, Target: e.Key(), Body: body, NotBefore: payload.Timestamp})
	}
	return all, nil
}

// messageID names a message after what it tells and whom. It has no full stop, with which
// the signed content separates its parts.
func messageID(subject string, revision int64, t Type, target string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{subject, strconv.FormatInt(revision, 10), string(t), target}, "\x00")))
	return "msg_" + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:20]))
}

// story is a change that was read.
type story struct {
	*Change
	before, after *Standing // nil: nobody knows of it
	path          map[string]affiliate.PathTouch
}

func read(c *Change) (*story, error) {
	s := &story{Change: c, path: map[string]affiliate.PathTouch{}}
	var err error
	if s.after, err = standing(&c.After); err != nil {
		return nil, err
	}
	conversions := []*store.Conversion{&c.After}
	if c.Before != nil {
		conversions = append(conversions, c.Before)
		if s.before, err = standing(c.Before); err != nil {
			return nil, err
		}
	}
	for _, conversion := range conversions {
		var path []affiliate.PathTouch
		if err := decode(conversion.Path, &path); err != nil {
			return nil, fmt.Errorf("the path of the conversion %s: %w", conversion.ID, err)
		}
		for _, touch := range path {
			s.path[touch.ClickID] = touch
		}
	}
	return s, nil
}

// standing reads a conversion.
func standing(c *store.Conversion) (*Standing, error) {
	var shares []commission.Share
	if err := decode(c.Shares, &shares); err != nil {
		return nil, fmt.Errorf("the shares of the conversion %s: %w", c.ID, err)
	}
	s := &Standing{State: c.State, Held: c.Flagged, Order: amount(c.Order), Shares: []Share{}}
	sum := affiliate.Money{Currency: c.Order.Currency}
	for i, share := range shares {
		if i == 0 {
			sum.Currency = share.Amount.Currency
		} else if share.Amount.Currency != sum.Currency {
			return nil, fmt.Errorf("the shares of the conversion %s are in %s and %s", c.ID, sum.Currency, share.Amount.Currency)
		}
		sum = sum.Add(share.Amount)
		s.Shares = append(s.Shares, Share{share.Partner, share.ClickID, amount(share.Amount)})
	}
	s.Commission = amount(sum)
	return s, nil
}

func decode(text []byte, into any) error {
	if len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, into)
}

func (s *story) conversion() Conversion {
	c := &s.After
	return Conversion{
		ID: c.ID, Revision: c.Revision, Program: c.Program, TxID: c.Tx, Event: c.Event, At: c.At.UTC(), Why: s.Why, Standing: *s.after,
		Reason: s.Reason, Partner: c.Partner, ClickID: c.ClickID, ClickAt: utc(c.ClickAt), Link: c.Link, Page: c.Page, Variant: c.Variant,
		Sub1: c.Sub1, Coupon: c.Coupon, Previous: s.before,
	}
}

// happened says which events lead from one standing to the next. Nobody is told of a
// conversion before it is credited.
func happened(before, after *Standing) []Type {
	locked := after.State == affiliate.Approved || after.State == affiliate.Paid
	switch {
	case before == nil || before.State == affiliate.Unmatched:
		switch {
		case after.State == affiliate.Unmatched:
			return nil
		case after.State == affiliate.Reversed:
			return []Type{ConversionReversed}
		case locked:
			return []Type{ConversionCreated, ConversionApproved}
		}
		return []Type{ConversionCreated}
	case before.equal(after):
		return nil
	case after.State == affiliate.Reversed && before.State != affiliate.Reversed:
		return []Type{ConversionReversed}
	case locked && before.State != affiliate.Approved && before.State != affiliate.Paid:
		return []Type{ConversionApproved}
	}
	return []Type{ConversionChanged}
}

func (s *Standing) equal(other *Standing) bool {
	a, _ := json.Marshal(s)
	b, _ := json.Marshal(other)
	return string(a) == string(b)
}
