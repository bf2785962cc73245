package api

import (
	"context"
	"net/http"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/settlement"
)

const tagConversions = "Conversions"

// Conversion is an order of a program, as all that is known about it says.
type Conversion struct {
	ID       string     `json:"id" doc:"Id of the conversion." example:"a1b2c3d4e5f6g7h8i9j0k1l2"`
	Program  string     `json:"program" doc:"Program of the order." example:"acme"`
	Tx       string     `json:"tx" doc:"Number of the order at the merchant or network." example:"A-1001"`
	Event    string     `json:"event,omitempty" doc:"What happened, where each event of a transaction is an order." example:"sale"`
	State    string     `json:"state" enum:"unmatched,pending,approved,paid,reversed" doc:"State of its commission."`
	At       time.Time  `json:"at" doc:"When it was ordered."`
	Updated  time.Time  `json:"updated" doc:"When something about it changed last."`
	Due      *time.Time `json:"due,omitempty" doc:"When the clock alone changes it next: a hold or a lock ends, or its click is looked for again."`
	Order    Amount     `json:"order" doc:"What the order amounts to, reversals taken off."`
	Earned   Amount     `json:"earned" doc:"The sum of the shares."`
	Shares   []Share    `json:"shares" doc:"Who earns what by it."`
	Partner  string     `json:"partner,omitempty" doc:"Partner of the largest share." example:"mia"`
	ClickID  string     `json:"click_id,omitempty" doc:"Click of the largest share."`
	ClickAt  *time.Time `json:"click_at,omitempty" doc:"When that click was."`
	Link     int64      `json:"link,omitempty" doc:"Link of that click." example:"17"`
	Page     string     `json:"page,omitempty" doc:"Page on which the link stood."`
	Variant  string     `json:"variant,omitempty" doc:"Destination that the visitor got."`
	Sub1     string     `json:"sub1,omitempty" doc:"First sub-ID of that click."`
	Coupon   string     `json:"coupon,omitempty" doc:"Code that the customer used."`
	Customer string     `json:"customer,omitempty" doc:"Hash that names the customer."`
	Flagged  bool       `json:"flagged,omitempty" doc:"Held: only a person moves it on."`
	Revision int64      `json:"revision" doc:"Grows with each change." example:"2"`
}

// Share is one click's part of a commission.
type Share struct {
	Partner string `json:"partner,omitempty" doc:"Who earns it; absent: we." example:"mia"`
	ClickID string `json:"click_id,omitempty" doc:"The click that earned it; absent: a coupon."`
	Amount  Amount `json:"amount" doc:"What it earns."`
}

// ConversionList is one page of conversions.
type ConversionList struct {
	Items []Conversion `json:"items"`
	Next  string       `json:"next,omitempty" doc:"Cursor of the next page; absent on the last."`
}

// ConversionPath names a conversion in an address.
type ConversionPath struct {
	ID string `path:"id" maxLength:"64" doc:"Id of the conversion." example:"a1b2c3d4e5f6g7h8i9j0k1l2"`
}

func (s *server) registerConversions() {
	handle(s, operation{
		method: http.MethodGet, path: "/conversions", id: "listConversions", tag: tagConversions, access: operatorRead,
		summary: "List conversions", description: "Newest order first. Follow next until it is absent.",
	}, s.listConversions)
	handle(s, operation{
		method: http.MethodPost, path: "/conversions", id: "reportConversion", tag: tagConversions, access: operator,
		summary: "Report an order",
		description: "Or what became of one: all reports with one transaction id say together what a conversion is. The answer comes when the report is stored safely. " +
			"With an Idempotency-Key the request can be sent again when no answer came: it counts once, in every mode of duplicates.",
		errors: []int{http.StatusNotFound},
		adjust: exampleBody(map[string]any{"program": "acme", "tx": "A-1001", "amount": "49.90", "click_id": "0dd5q0h3c00000000000000f"}),
	}, s.reportConversion)
	s.registerConversionImport()
	handle(s, operation{
		method: http.MethodGet, path: "/conversions/{id}", id: "getConversion", tag: tagConversions, access: operatorRead,
		summary: "Explain a conversion", description: "It is derived again from all facts that are stored: reports, clicks, decisions; with every rule that was applied, and what was posted.",
	}, s.explainConversion)
	handle(s, operation{
		method: http.MethodPost, path: "/conversions/{id}/decisions", id: "decideConversion", tag: tagConversions, access: operator,
		summary: "Decide about a conversion",
		description: "Approve and reverse act at once, and of the two the latest decides. Between hold and release neither the clock nor a report approves. The caller's name is kept with it. " +
			"With an Idempotency-Key the request can be sent again when no answer came: it is decided once, and the answer is the conversion as it stands.",
		errors: []int{http.StatusConflict},
		adjust: exampleBody(map[string]any{"do": "reverse", "amount": "20.00", "reason": "item_returned", "note": "one of two sent back"}),
	}, s.decideConversion)
	handle(s, operation{
		method: http.MethodGet, path: "/rejections", id: "listRejections", tag: tagConversions, access: operatorRead,
		summary: "List refused reports", description: "What was sent and not taken in, with the reason; the last first.",
	}, s.listRejections)
}

func (s *server) listConversions(ctx context.Context, in *struct {
	Program string `query:"program" maxLength:"64" doc:"Only those of this program." example:"acme"`
	Partner string `query:"partner" maxLength:"64" doc:"Only those whose largest share is this partner's; program must be given too." example:"mia"`
	State   string `query:"state" enum:"unmatched,pending,approved,paid,reversed" doc:"Only those in this state."`
	Click   string `query:"click" maxLength:"64" doc:"Only those of this click." example:"0dd5q0h3c00000000000000f"`
	Since   string `query:"since" doc:"Ordered from then on: a date, an instant, or an age such as 7d." example:"30d"`
	Until   string `query:"until" doc:"Ordered until then: as since; a date is part of the range." example:"2026-11-30"`
	Cursor  string `query:"cursor" maxLength:"64" doc:"The next of the page before."`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many at most."`
}) (*struct{ Body ConversionList }, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	if in.Partner != "" && in.Program == "" {
		return nil, faultf("program", "a partner belongs to a program; name it too")
	}
	from, to, faults := timeRange(in.Since, in.Until, "", s.Now())
	if len(faults) > 0 {
		return nil, &affiliate.Error{Code: affiliate.Invalid, Message: "the request is not valid", Faults: faults}
	}
	found, err := office.Conversions(ctx, settlement.ConversionQuery{
		Program: in.Program, Partner: in.Partner, State: affiliate.State(in.State), Click: in.Click, From: from, To: to, Before: in.Cursor, Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, cursorFault(in.Cursor, err)
	}
	out := &struct{ Body ConversionList }{ConversionList{Items: []Conversion{}}}
	if len(found) > in.Limit {
		found = found[:in.Limit]
		out.Body.Next = found[in.Limit-1].ID
	}
	for i := range found {
		c, err := conversionOf(&found[i])
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, c)
	}
	return out, nil
}

// cursorFault words what a store says of a cursor that it does not know.
func cursorFault(cursor string, err error) error {
	if cursor != "" && affiliate.CodeOf(err) == affiliate.NotFound {
		return faultf("cursor", "it is not known, or what it named is gone; begin again without it")
	}
	return err
}

func conversionOf(c *settlement.Conversion) (Conversion, error) {
	shares, err := settlement.SharesOf(c)
	if err != nil {
		return Conversion{}, err
	}
	out := Conversion{
		ID: c.ID, Program: c.Program, Tx: c.Tx, Event: c.Event, State: string(c.State), At: c.At, Updated: c.Updated, Due: moment(c.Due),
		Order: amountOf(c.Order), Partner: c.Partner, ClickID: c.ClickID, ClickAt: moment(c.ClickAt), Link: c.Link, Page: c.Page,
		Variant: c.Variant, Sub1: c.Sub1, Coupon: c.Coupon, Customer: c.Customer, Flagged: c.Flagged, Revision: c.Revision,
	}
	out.Shares, out.Earned = sharesOf(shares, c.Order.Currency)
	return out, nil
}

func sharesOf(shares []commission.Share, currency affiliate.Currency) ([]Share, Amount) {
	sum, out := affiliate.Money{Currency: currency}, []Share{}
	for _, share := range shares {
		sum = sum.Add(share.Amount)
		out = append(out, Share{Partner: share.Partner, ClickID: share.ClickID, Amount: amountOf(share.Amount)})
	}
	return out, amountOf(sum)
}

// DecisionInput is what a person decides about a conversion.
type DecisionInput struct {
	Do     string `json:"do" enum:"approve,reverse,hold,release" doc:"What to do."`
	Amount string `json:"amount,omitempty" maxLength:"40" doc:"For reverse: how much of the order is taken back, in the program's currency. Absent: all." example:"20.00"`
	Reason string `json:"reason,omitempty" maxLength:"80" doc:"For reverse: why, such as item_returned, fraud or other." example:"item_returned"`
	Note   string `json:"note,omitempty" maxLength:"1000" doc:"For the people who look at it later."`
}

type decided struct {
	Replayed string `header:"Idempotent-Replayed" doc:"\"true\" when the request had come before."`
	Body     Conversion
}

func (s *server) decideConversion(ctx context.Context, in *struct {
	ConversionPath
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"Chosen by the client, new for each decision, such as a UUID. Remembered for 24 hours." example:"0f0b9f0e-4f3e-4a39-9e53-0b8c3a8b2d7a"`
	Body DecisionInput
}) (*decided, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	c, err := office.Conversion(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	ruling := commission.Ruling{Author: callerOf(ctx).User.Name, Note: in.Body.Note, Do: commission.RulingKind(in.Body.Do)}
	if ruling.Do != commission.Reverse && (in.Body.Amount != "" || in.Body.Reason != "") {
		return nil, faultf("do", "an amount and a reason belong to reverse; say in the note why you "+in.Body.Do)
	}
	if ruling.Amount, err = amountIn("amount", in.Body.Amount, c.Order.Currency); err != nil {
		return nil, err
	}
	if ruling.Amount != nil && ruling.Amount.Minor == 0 {
		return nil, faultf("amount", "0 takes nothing back; leave the amount out to take back all")
	}
	if ruling.Reason, err = affiliate.ParseReason(in.Body.Reason); err != nil {
		return nil, faultf("reason", err.Error())
	}
	out := &decided{}
	if in.Key != "" {
		c, err := s.claim(ctx, in.Key, map[string]any{"conversion": in.ID, "decision": in.Body})
		if err != nil {
			return nil, err
		}
		ruling.ID, out.Replayed = c.Nonce, c.replayed() // the books know it again
	}
	if c, err = office.Rule(ctx, in.ID, ruling); err != nil {
		return nil, err
	}
	out.Body, err = conversionOf(&c)
	return out, err
}

// ReportInput is one report of an order.
type ReportInput struct {
	Program    string     `json:"program" maxLength:"64" doc:"Program of the order." example:"acme"`
	Tx         string     `json:"tx,omitempty" maxLength:"200" doc:"Number of the order at the merchant or network. Absent: the click id stands in." example:"A-1001"`
	Event      string     `json:"event,omitempty" maxLength:"100" doc:"What happened, where a program has several." example:"sale"`
	Status     string     `json:"status,omitempty" enum:"pending,approved,paid,reversed" doc:"What the sender says of it; pending by default. reversed takes back the amount, or all."`
	Amount     string     `json:"amount,omitempty" maxLength:"40" doc:"Of the order: digits and at most one point." example:"49.90"`
	Payout     string     `json:"payout,omitempty" maxLength:"40" doc:"The commission, as the sender says." example:"4.99"`
	Currency   string     `json:"currency,omitempty" maxLength:"20" doc:"Of amount and payout; the program's by default." example:"EUR"`
	ClickID    string     `json:"click_id,omitempty" maxLength:"64" doc:"The click that the sender knows." example:"0dd5q0h3c00000000000000f"`
	Touches    []string   `json:"touches,omitempty" maxItems:"5" doc:"The visitor's last click ids, newest first."`
	Coupon     string     `json:"coupon,omitempty" maxLength:"100" doc:"Code that the customer used." example:"SPRING"`
	Category   string     `json:"category,omitempty" maxLength:"100" doc:"Of the goods, where rates depend on it."`
	Customer   string     `json:"customer,omitempty" enum:"new,returning" doc:"Whether the merchant knew the customer before."`
	CustomerID string     `json:"customer_id,omitempty" maxLength:"200" doc:"A hash that is the same for all orders of one customer; never an e-mail address."`
	Reason     string     `json:"reason,omitempty" maxLength:"80" doc:"For reversed: why." example:"item_returned"`
	Subs       []string   `json:"subs,omitempty" maxItems:"10" doc:"Sub-IDs to see again in reports."`
	At         *time.Time `json:"at,omitempty" doc:"When it happened; now by default. At most 400 days ago, at most 5 minutes ahead."`
}

// Receipt says what became of a report.
type Receipt struct {
	ID         string `json:"id" doc:"Id of the report. One that was known already is not kept a second time."`
	Conversion string `json:"conversion,omitempty" doc:"The conversion that it is about."`
	State      string `json:"state,omitempty" doc:"State of its commission now." example:"pending"`
	Duplicate  bool   `json:"duplicate,omitempty" doc:"Whether it changed nothing, because it was known."`
}

type reported struct {
	Replayed string `header:"Idempotent-Replayed" doc:"\"true\" when the request had come before."`
	Body     Receipt
}

func (s *server) reportConversion(ctx context.Context, in *struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"Chosen by the client, new for each report, such as a UUID. Remembered for 24 hours." example:"0f0b9f0e-4f3e-4a39-9e53-0b8c3a8b2d7a"`
	Body ReportInput
}) (*reported, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	program, err := s.settledProgram(ctx, "program", in.Body.Program)
	if err != nil {
		return nil, err
	}
	report, err := in.Body.report(program.Settlement.Currency, s.Now())
	if err != nil {
		return nil, err
	}
	out := &reported{}
	if in.Key != "" {
		c, err := s.claim(ctx, in.Key, in.Body)
		if err != nil {
			return nil, err
		}
		// The same report each time: the books know it again.
		report.Nonce, out.Replayed = c.Nonce, c.replayed()
		if report.At.IsZero() {
			report.At = c.At
		}
	}
	receipt, err := office.Take(ctx, report)
	if err != nil {
		return nil, err
	}
	out.Body = Receipt{ID: receipt.Report, Conversion: receipt.Conversion, State: string(receipt.State), Duplicate: receipt.Duplicate}
	return out, nil
}
