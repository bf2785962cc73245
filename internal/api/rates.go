package api

import (
	"context"
	"fmt"
	"math/big"
	"net/http"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/settlement"
)

const tagRates = "Exchange rates"

// ExchangeRate is what one unit of a currency was worth in another.
type ExchangeRate struct {
	From   string `json:"from" maxLength:"3" doc:"One of this." example:"EUR"`
	To     string `json:"to" maxLength:"3" doc:"Is so many of this." example:"USD"`
	Date   string `json:"date" maxLength:"10" doc:"On this day." example:"2026-11-27"`
	Rate   string `json:"rate" maxLength:"40" doc:"Digits and at most one point. Of a rate that has no end as a decimal, the opposite direction of one that was stored, the first digits." example:"1.0567"`
	Source string `json:"source" maxLength:"100" doc:"Where it comes from." example:"ECB"`
}

func exchangeRateOf(r affiliate.FXRate) ExchangeRate {
	return ExchangeRate{From: string(r.From), To: string(r.To), Date: r.Date, Rate: decimal(r.Ratio), Source: r.Source}
}

// rateDigits is how many digits behind the point of a rate without end are shown.
const rateDigits = 10

// decimal writes a ratio as people do.
func decimal(r affiliate.Ratio) string {
	if r.Denominator == 0 {
		return ""
	}
	ratio := big.NewRat(r.Numerator, r.Denominator)
	if digits, exact := ratio.FloatPrec(); exact {
		return ratio.FloatString(digits)
	}
	return ratio.FloatString(rateDigits)
}

// RateList is a list of exchange rates.
type RateList struct {
	Items []ExchangeRate `json:"items" maxItems:"10000" doc:"The rates."`
}

func (s *server) registerRates() {
	handle(s, operation{
		method: http.MethodGet, path: "/rates", id: "listRates", tag: tagRates, access: operatorRead,
		summary: "List exchange rates", description: "Between two currencies, the latest day first; of one, its latest rate to each other.",
	}, s.listRates)
	handle(s, operation{
		method: http.MethodPut, path: "/rates", id: "putRates", tag: tagRates, access: operator,
		summary:     "Store exchange rates",
		description: "All or none. Each serves both directions, and replaces that of the same currencies and day. A report in another currency than the program's is converted by the latest rate of its day or the seven before; what was converted stays as it is.",
	}, s.putRates)
}

func (s *server) listRates(ctx context.Context, in *struct {
	From  string `query:"from" maxLength:"20" default:"EUR" doc:"The currency of which one unit is meant."`
	To    string `query:"to" maxLength:"20" doc:"The currency that it is expressed in. Absent: each." example:"USD"`
	Limit int    `query:"limit" minimum:"1" maximum:"10000" default:"100" doc:"How many at most."`
}) (*struct{ Body RateList }, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	from, err := affiliate.ParseCurrency(in.From)
	if err != nil {
		return nil, faultf("from", err.Error())
	}
	to := affiliate.Currency("")
	if in.To != "" {
		if to, err = affiliate.ParseCurrency(in.To); err != nil {
			return nil, faultf("to", err.Error())
		}
	}
	rates, err := office.Rates(ctx, from, to, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body RateList }{RateList{Items: []ExchangeRate{}}}
	for _, r := range rates {
		out.Body.Items = append(out.Body.Items, exchangeRateOf(r))
	}
	return out, nil
}

// RatesStored says how many rates were stored.
type RatesStored struct {
	Stored int `json:"stored" doc:"How many; each in both directions." example:"31"`
}

func (s *server) putRates(ctx context.Context, in *struct{ Body RateList }) (*struct{ Body RatesStored }, error) {
	office, err := s.books()
	if err != nil {
		return nil, err
	}
	rates := make([]affiliate.FXRate, len(in.Body.Items))
	wrong := &affiliate.Error{Code: affiliate.Invalid, Message: "the exchange rates cannot be stored"}
	for i, r := range in.Body.Items {
		ratio, err := settlement.ParseRate(r.Rate)
		if err != nil && len(wrong.Faults) < faultsMax {
			wrong.Faults = append(wrong.Faults, affiliate.Fault{Field: fmt.Sprintf("items[%d].rate", i), Message: err.Error()})
		}
		rates[i] = affiliate.FXRate{Ratio: ratio, From: affiliate.Currency(r.From), To: affiliate.Currency(r.To), Date: r.Date, Source: r.Source}
	}
	if len(wrong.Faults) > 0 {
		return nil, wrong
	}
	if err := office.PutRates(ctx, rates); err != nil {
		return nil, err
	}
	return &struct{ Body RatesStored }{RatesStored{Stored: len(rates)}}, nil
}
