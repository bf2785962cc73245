package affiliate

import (
	"slices"
	"strings"
	"time"
)

// Report is one message about an order, as it came. It is stored once and never
// changes; what an order is, all its reports say together.
type Report struct {
	ID       string       `json:"id"` // given when it is taken in: its time, then random; 24 characters
	Program  string       `json:"program"`
	Tx       string       `json:"tx"` // the merchant's or network's transaction id
	Event    string       `json:"event,omitempty"`
	Status   ReportStatus `json:"status"`
	Original string       `json:"original,omitempty"` // the status in the sender's word
	Amount   *Money       `json:"amount,omitempty"`   // of the order, nil when not told
	Payout   *Money       `json:"payout,omitempty"`   // commission as the sender says, nil when not told
	// Received is the amount as it came, when it came in another currency than the program's, and Rate what it was converted by.
	Received *Money   `json:"received,omitempty"`
	Rate     *FXRate  `json:"rate,omitempty"`
	ClickID  string   `json:"click_id,omitempty"`
	Touches  []string `json:"touches,omitempty"` // click ids of the visitor's cookie, newest first
	Coupon   string   `json:"coupon,omitempty"`
	Category string   `json:"category,omitempty"`
	Customer Customer `json:"customer,omitempty"`
	// CustomerID names the customer for recurring orders: a hash, never an address.
	CustomerID string    `json:"customer_id,omitempty"`
	Reason     Reason    `json:"reason,omitempty"`
	Subs       []string  `json:"subs,omitempty"`
	At         time.Time `json:"at"`     // when it happened, by the sender; or when it was taken in
	Taken      time.Time `json:"taken"`  // when it was taken in
	Source     Source    `json:"source"` // how it came
	Nonce      string    `json:"nonce,omitempty"`
}

// NewReportID names a report: the 24 characters of a ClickID, the time it was taken in
// to the millisecond and then 64 random bits, so that ids sort by time.
func NewReportID(t time.Time, random uint64) string {
	return NewClickID(t.UnixMilli(), uint16(random>>56), random).String()
}

// FXRate is an exchange rate with its origin.
type FXRate struct {
	Ratio
	From   Currency `json:"from"`
	To     Currency `json:"to"`
	Date   string   `json:"date"` // 2026-11-27, of the rate
	Source string   `json:"source"`
}

// ReportStatus is what a report says of an order.
type ReportStatus string

// The statuses that reports have.
const (
	ReportPending  ReportStatus = "pending"
	ReportApproved ReportStatus = "approved"
	ReportPaid     ReportStatus = "paid"     // the network has paid us
	ReportReversed ReportStatus = "reversed" // with an amount: so much of it; without: all
)

// ReportStatuses are all of them.
var ReportStatuses = []ReportStatus{ReportPending, ReportApproved, ReportPaid, ReportReversed}

// Valid says that it is one of ReportStatuses.
func (r ReportStatus) Valid() bool { return slices.Contains(ReportStatuses, r) }

// Source is how a report came.
type Source string

// The sources.
const (
	ByPostback Source = "postback"
	ByPixel    Source = "pixel"
	ByScript   Source = "script"
	ByAPI      Source = "api"
	ByCSV      Source = "csv"
)

// Sources are all of them.
var Sources = []Source{ByPostback, ByPixel, ByScript, ByAPI, ByCSV}

// Valid says that it is one of Sources.
func (s Source) Valid() bool { return slices.Contains(Sources, s) }

// Reason of a reversal.
type Reason string

// The reasons that are known everywhere; an operator's note says more.
const (
	ReasonRejected    Reason = "rejected"
	ReasonInfoInvalid Reason = "customer_info_invalid"
	ReasonError       Reason = "consumer_error"
	ReasonFraud       Reason = "fraud"
	ReasonReturned    Reason = "item_returned"
	ReasonOutOfStock  Reason = "out_of_stock"
	ReasonOrderError  Reason = "order_error"
	ReasonDispute     Reason = "publisher_dispute"
	ReasonTerms       Reason = "terms"
	ReasonMerchant    Reason = "merchant_return"
	ReasonOther       Reason = "other"
)

// ReversalReasons are all of them.
var ReversalReasons = []Reason{ReasonRejected, ReasonInfoInvalid, ReasonError, ReasonFraud, ReasonReturned, ReasonOutOfStock,
	ReasonOrderError, ReasonDispute, ReasonTerms, ReasonMerchant, ReasonOther}

// Valid says that it is one of ReversalReasons.
func (r Reason) Valid() bool { return slices.Contains(ReversalReasons, r) }

// reasonCodes are impact.com's codes of reversals where they are not our words already.
var reasonCodes = map[string]Reason{
	"cons_info_invalid":    ReasonInfoInvalid,
	"cons_error":           ReasonError,
	"cons_fraud":           ReasonFraud,
	"item_out_of_stock":    ReasonOutOfStock,
	"pub_act_dispute":      ReasonDispute,
	"not_compliance_terms": ReasonTerms,
	"mp_returned":          ReasonMerchant,
}

// ParseReason reads a reason in any case, with spaces or hyphens between its words, or
// as one of impact.com's codes; "" is no reason. Invalid: it is not known; whoever would rather
// keep the reversal takes ReasonOther.
func ParseReason(s string) (Reason, error) {
	word := strings.ToLower(strings.Join(strings.FieldsFunc(clip(s, 80), func(r rune) bool { return r == ' ' || r == '-' || r == '_' }), "_"))
	if r, ok := reasonCodes[word]; ok {
		return r, nil
	}
	if r := Reason(word); word == "" || r.Valid() {
		return r, nil
	}
	return "", Errorf(Invalid, "%q is not a reason; use one of %s", clip(s, 40), listed(ReversalReasons))
}

// PathTouch is a valid click of a visitor, as attribution sees it.
type PathTouch struct {
	ClickID string    `json:"click_id"`
	At      time.Time `json:"at"`
	Link    int64     `json:"link,omitempty"`
	Partner string    `json:"partner,omitempty"`
	Variant string    `json:"variant,omitempty"`
	Page    string    `json:"page,omitempty"`
	Sub1    string    `json:"sub1,omitempty"`
}

// State of a commission.
type State string

// The states.
const (
	Unmatched State = "unmatched" // its click or its order is not known yet
	Pending   State = "pending"
	Approved  State = "approved" // locked
	Paid      State = "paid"
	Reversed  State = "reversed"
)

// States are all of them.
var States = []State{Unmatched, Pending, Approved, Paid, Reversed}

// Valid says that it is one of States.
func (s State) Valid() bool { return slices.Contains(States, s) }
