package api

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/postback"
)

// report reads the input by the rules of a postback whose sender may say anything. Its At
// is zero when none was given.
func (in *ReportInput) report(own affiliate.Currency, now time.Time) (r affiliate.Report, err error) {
	r = affiliate.Report{
		Program: in.Program, Tx: strings.TrimSpace(in.Tx), Event: in.Event, Status: affiliate.ReportStatus(in.Status), Original: in.Status,
		Coupon: in.Coupon, Category: in.Category, Customer: affiliate.Customer(in.Customer), CustomerID: in.CustomerID,
		Subs: in.Subs, Source: affiliate.ByAPI,
	}
	if r.Status == "" {
		r.Status = affiliate.ReportPending
	}
	for _, read := range []func(*affiliate.Report) error{
		in.texts, in.clicks, func(r *affiliate.Report) error { return in.money(r, own) }, in.reason,
		func(r *affiliate.Report) error { return in.time(r, now) },
	} {
		if err := read(&r); err != nil {
			return r, err
		}
	}
	switch {
	case r.Tx == "" && r.ClickID == "":
		return r, faultf("tx", "give the order's number, or at least the click_id")
	case r.Tx == "":
		r.Tx = r.ClickID
	case strings.Contains(r.CustomerID, "@"):
		return r, faultf("customer_id", "this looks like an e-mail address; send a hash of it or a number of your own")
	}
	return r, nil
}

// textBytesMax bounds a text, as it does in a postback.
const textBytesMax = postback.ValueBytesMax

// texts refuses what is shown again and would not stay on its line.
func (in *ReportInput) texts(*affiliate.Report) error {
	type text struct{ field, value string }
	all := []text{{"tx", in.Tx}, {"event", in.Event}, {"coupon", in.Coupon}, {"category", in.Category}, {"customer_id", in.CustomerID}}
	for i, sub := range in.Subs {
		all = append(all, text{fmt.Sprintf("subs[%d]", i), sub})
	}
	for _, t := range all {
		if strings.ContainsFunc(t.value, unicode.IsControl) {
			return faultf(t.field, "it has control characters; take them out")
		}
		if len(t.value) > textBytesMax {
			return faultf(t.field, fmt.Sprintf("it is longer than %d bytes", textBytesMax))
		}
	}
	return nil
}

func (in *ReportInput) clicks(r *affiliate.Report) error {
	if in.ClickID != "" {
		id, err := affiliate.ParseClickID(in.ClickID)
		if err != nil {
			return faultf("click_id", err.Error()+"; the order's own number goes into tx")
		}
		r.ClickID = id.String()
	}
	for i, text := range in.Touches {
		id, err := affiliate.ParseClickID(text)
		if err != nil {
			return faultf(fmt.Sprintf("touches[%d]", i), err.Error())
		}
		r.Touches = append(r.Touches, id.String())
	}
	return nil
}

func (in *ReportInput) money(r *affiliate.Report, currency affiliate.Currency) (err error) {
	if in.Currency != "" {
		if currency, err = affiliate.ParseCurrency(in.Currency); err != nil {
			return faultf("currency", err.Error())
		}
	}
	if r.Amount, err = amountIn("amount", in.Amount, currency); err != nil {
		return err
	}
	r.Payout, err = amountIn("payout", in.Payout, currency)
	return err
}

func (in *ReportInput) reason(r *affiliate.Report) (err error) {
	if in.Reason == "" {
		return nil
	}
	if r.Status != affiliate.ReportReversed {
		return faultf("reason", "a reason belongs to a reversal; set status to reversed, or leave it out")
	}
	if r.Reason, err = affiliate.ParseReason(in.Reason); err != nil {
		return faultf("reason", err.Error())
	}
	return nil
}

func (in *ReportInput) time(r *affiliate.Report, now time.Time) error {
	if in.At == nil {
		return nil
	}
	r.At = in.At.UTC()
	switch {
	case r.At.Sub(now) > postback.SkewMax:
		return faultf("at", fmt.Sprintf("%s is more than %s in the future", r.At.Format(time.RFC3339), postback.SkewMax))
	case now.Sub(r.At) > postback.AgeMax:
		return faultf("at", fmt.Sprintf("%s is more than %d days ago", r.At.Format(time.RFC3339), postback.AgeMax/(24*time.Hour)))
	}
	return nil
}
