package webhook

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// postbacks returns the messages for partners. Each is told of the conversion as it is for
// that partner: credit that goes to somebody else is created there and reversed here.
func (s *story) postbacks(to []PartnerPostback) ([]store.Message, error) {
	var all []store.Message
	for i := range to {
		b := &to[i]
		if b.Program != s.After.Program || b.Partner == "" {
			continue
		}
		before, after := s.before.of(b.Partner), s.after.of(b.Partner)
		for _, t := range seen(before, after, s.before) {
			if !b.wants(t, s.After.Program, b.Partner) {
				continue
			}
			body, err := json.Marshal(s.values(t, before, after))
			if err != nil {
				return nil, fmt.Errorf("the postback %s of the conversion %s cannot be written: %w", t, s.After.ID, err)
			}
			all = append(all, store.Message{ID: messageID(s.After.ID, s.After.Revision, t, b.Key()), Kind: KindPostback, Target: b.Key(), Body: body, NotBefore: s.At.UTC()})
		}
	}
	return all, nil
}

// seen says which events a partner sees, of whose shares before and after are made; nil
// is none.
func seen(before, after, whole *Standing) []Type {
	switch {
	case before == nil && after == nil:
		return nil
	case after == nil:
		return []Type{ConversionReversed}
	case before == nil && whole != nil && whole.State == affiliate.Reversed:
		return []Type{ConversionChanged} // it had been taken back
	}
	return happened(before, after)
}

// of is the standing as one partner sees it, or nil where the partner has no share. Its
// only share is named after the click of the partner's largest.
func (s *Standing) of(partner string) *Standing {
	if s == nil || s.State == affiliate.Unmatched {
		return nil
	}
	var own *Standing
	largest := int64(0)
	for _, share := range s.Shares {
		if share.Partner != partner {
			continue
		}
		if own == nil {
			own = &Standing{State: s.State, Order: s.Order, Commission: share.Commission, Shares: []Share{share}}
			largest = share.Commission.Minor
			continue
		}
		sum := affiliate.Money{Minor: own.Commission.Minor, Currency: own.Commission.Currency}.
			Add(affiliate.Money{Minor: share.Commission.Minor, Currency: share.Commission.Currency})
		own.Commission = amount(sum)
		if share.Commission.Minor > largest {
			largest, own.Shares[0].ClickID = share.Commission.Minor, share.ClickID
		}
	}
	if own != nil {
		own.Shares[0].Commission = own.Commission
	}
	return own
}

// values are those of the macros.
func (s *story) values(t Type, before, after *Standing) values {
	now := after
	if now == nil { // what was the partner's is not any more
		lost := *before
		lost.State, lost.Commission = affiliate.Reversed, amount(affiliate.Money{Currency: before.Commission.Currency})
		if s.after.State == affiliate.Reversed {
			lost.Order = s.after.Order
		}
		now = &lost
	}
	click := now.Shares[0].ClickID
	v := values{
		"click_id": click, "txid": s.After.Tx, "amount": now.Order.Text, "commission": now.Commission.Text, "currency": string(now.Commission.Currency),
		"status": string(now.State), "event": string(t), "time": strconv.FormatInt(s.At.Unix(), 10),
	}
	if touch, ok := s.path[click]; ok {
		v["sub1"] = touch.Sub1
	}
	for i, sub := range s.Subs[click] {
		if i < affiliate.SubSlots {
			v["sub"+strconv.Itoa(i+1)] = sub
		}
	}
	return v
}
