package api

import (
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Amount is money as answers show it: for programs and for people.
type Amount struct {
	Minor    int64  `json:"minor" doc:"In minor units: cents of EUR, whole JPY. Below 0: taken back." example:"1234"`
	Currency string `json:"currency" doc:"ISO 4217 code." example:"EUR"`
	Text     string `json:"text" doc:"As people write it." example:"12.34 EUR"`
}

func amountOf(m affiliate.Money) Amount {
	return Amount{Minor: m.Minor, Currency: string(m.Currency), Text: m.String()}
}

func amountOrNone(m *affiliate.Money) *Amount {
	if m == nil {
		return nil
	}
	a := amountOf(*m)
	return &a
}

// amountIn reads the text of an amount in a field of a request; "" is none.
func amountIn(field, text string, currency affiliate.Currency) (*affiliate.Money, error) {
	if text == "" {
		return nil, nil
	}
	m, err := affiliate.ParseAmount(text, currency)
	if err != nil {
		return nil, faultf(field, err.Error())
	}
	return &m, nil
}

// signedAmountIn is amountIn for what may be below zero.
func signedAmountIn(field, text string, currency affiliate.Currency) (affiliate.Money, error) {
	digits, negative := strings.CutPrefix(text, "-")
	m, err := affiliate.ParseAmount(digits, currency)
	if err != nil {
		return m, faultf(field, err.Error())
	}
	if negative {
		m = m.Neg()
	}
	return m, nil
}

// moment leaves out a time that is not there.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
