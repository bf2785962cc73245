package postback

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// terms are what a report is read by, apart from what it says.
type terms struct {
	inbox   Inbox
	source  affiliate.Source
	now     time.Time
	trusted bool // it may say more than that an order happened
}

// report makes the fields a report, or says what is wrong with the first bad one.
func (f *fields) report(t terms) (affiliate.Report, *Refusal) {
	r := affiliate.Report{
		Program:  t.inbox.Program,
		Event:    f.values["event"],
		Coupon:   f.values["coupon"],
		Category: f.values["category"],
		Nonce:    f.values["nonce"],
		Source:   t.source,
		Taken:    t.now,
	}
	for _, read := range []func(*fields, *affiliate.Report, terms) *Refusal{
		(*fields).order, (*fields).money, (*fields).status, (*fields).customer, (*fields).time, (*fields).trust,
	} {
		if refusal := read(f, &r, t); refusal != nil {
			return affiliate.Report{}, refusal
		}
	}
	r.Subs = f.subs()
	if r.Nonce != "" {
		return r, nonceFault(r.Nonce)
	}
	return r, nil
}

// subs are sub1 and so on, as many as there are up to the last that says something.
func (f *fields) subs() (subs []string) {
	for i := range affiliate.SubSlots {
		value := f.values[fmt.Sprintf("sub%d", i+1)]
		if value == "" {
			continue
		}
		for len(subs) < i {
			subs = append(subs, "")
		}
		subs = append(subs, value)
	}
	return subs
}

// order reads which order it is and whose click may have led to it.
func (f *fields) order(r *affiliate.Report, _ terms) *Refusal {
	if text := f.values["click_id"]; text != "" {
		id, err := affiliate.ParseClickID(text)
		if err != nil {
			return refuse(ClickIDMalformed, "click_id", "%s; the order's own number goes into txid", err)
		}
		r.ClickID = id.String()
	}
	if list := f.values["touches"]; list != "" {
		texts := strings.Split(list, ",")
		if len(texts) > affiliate.TouchesMax {
			return refuse(ClickIDMalformed, "touches", "there are more than %d click ids; send the newest", affiliate.TouchesMax)
		}
		for _, text := range texts {
			id, err := affiliate.ParseClickID(text)
			if err != nil {
				return refuse(ClickIDMalformed, "touches", "%s", err)
			}
			r.Touches = append(r.Touches, id.String())
		}
	}
	r.Tx = f.values["txid"]
	if r.Tx == "" && r.ClickID != "" {
		r.Tx = r.ClickID
		f.warn("txid_missing", "the click id stands in for the order's number, so a click can have one order only; send txid")
	}
	if r.Tx == "" {
		return refuse(OrderMissing, "txid", "neither txid, the order's number, nor click_id is there")
	}
	return nil
}

func (f *fields) money(r *affiliate.Report, t terms) *Refusal {
	currency := t.inbox.Currency
	if text := f.values["currency"]; text != "" {
		var err error
		if currency, err = affiliate.ParseCurrency(text); err != nil {
			return refuse(CurrencyUnknown, "currency", "%s", err)
		}
	}
	for _, one := range []struct {
		name string
		into **affiliate.Money
	}{{"amount", &r.Amount}, {"payout", &r.Payout}} {
		text, ok := f.values[one.name]
		if !ok {
			continue
		}
		if !currency.Known() {
			return refuse(CurrencyMissing, "currency", "the program has no currency of its own; send currency with the ISO 4217 code")
		}
		m, err := affiliate.ParseAmount(text, currency)
		if err != nil {
			return refuse(amountFault(text, currency), one.name, "%s", err)
		}
		*one.into = &m
	}
	return nil
}

// amountFault tells apart why an amount was refused.
func amountFault(text string, currency affiliate.Currency) Reason {
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	whole, part, pointed := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	switch {
	case !digits(whole) || pointed && !digits(part):
		return AmountMalformed
	case text[0] == '-':
		return AmountNegative
	case len(strings.TrimLeft(whole, "0"))+currency.Digits() > affiliate.AmountDigitsMax:
		return AmountTooLarge
	}
	return AmountTooPrecise
}

func (f *fields) customer(r *affiliate.Report, _ terms) *Refusal {
	switch c := affiliate.Customer(strings.ToLower(f.values["customer"])); c {
	case affiliate.AnyCustomer, affiliate.NewCustomer, affiliate.ReturningCustomer:
		r.Customer = c
	default:
		return refuse(CustomerUnknown, "customer", "%q is neither new nor returning", clip(f.values["customer"]))
	}
	r.CustomerID = f.values["customer_id"]
	if strings.Contains(r.CustomerID, "@") {
		return refuse(CustomerIDPersonal, "customer_id", "this looks like an e-mail address; send a hash of it or a number of your own")
	}
	return nil
}

// time reads when it happened: at, else ts. Where neither is told the Taker says when, so
// that a report that is sent again is still the same.
func (f *fields) time(r *affiliate.Report, t terms) *Refusal {
	for _, name := range []string{"ts", "at"} {
		text, ok := f.values[name]
		if !ok {
			continue
		}
		at, ok := unixSeconds(text)
		if !ok && name == "at" {
			var err error
			at, err = time.Parse(time.RFC3339, text)
			at, ok = at.UTC(), err == nil
		}
		switch {
		case !ok:
			return refuse(TimeMalformed, name, "%q is not a time; send Unix seconds, not milliseconds, or in at a time such as 2026-11-27T18:00:00Z", clip(text))
		case at.Sub(t.now) > SkewMax:
			return refuse(TimeInFuture, name, "%s is more than %s in the future", at.Format(time.RFC3339), SkewMax)
		case t.now.Sub(at) > AgeMax:
			return refuse(TimeTooOld, name, "%s is more than %d days ago", at.Format(time.RFC3339), AgeMax/(24*time.Hour))
		}
		r.At = at
	}
	return nil
}

// trust holds a report under a public token to what a stranger may say.
func (f *fields) trust(r *affiliate.Report, t terms) *Refusal {
	if t.trusted {
		return nil
	}
	if r.Status != affiliate.ReportPending {
		return refuse(StatusUntrusted, "status", "the token stands in pages where everyone can read it, so it cannot say %s; sign the report, or send it under a token for servers", r.Status)
	}
	if r.Payout != nil {
		return refuse(PayoutUntrusted, "payout", "the token stands in pages where everyone can read it, so it cannot name a commission; sign the report, or send it under a token for servers")
	}
	return nil
}

// open says that reports may come that way.
func (in Inbox) open(s affiliate.Source) bool {
	if len(in.Sources) == 0 {
		return !public(s)
	}
	return slices.Contains(in.Sources, s)
}

// trusts says that an unsigned report may be believed: its token is in no page.
func (in Inbox) trusts() bool { return !slices.ContainsFunc(in.Sources, public) }

func public(s affiliate.Source) bool { return s == affiliate.ByPixel || s == affiliate.ByScript }
