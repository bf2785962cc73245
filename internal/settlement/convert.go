package settlement

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// rateDays is how old a rate may be: weekends and the holidays around them.
const rateDays = 7

// convert brings the amounts of a report into the program's currency, and keeps what came
// with the rate that was used.
func (o *Office) convert(r reader, report *affiliate.Report, to affiliate.Currency) error {
	for _, amount := range []**affiliate.Money{&report.Amount, &report.Payout} {
		if *amount == nil || (*amount).Currency == to {
			continue
		}
		rate, err := rateOn(r, (*amount).Currency, to, report.At.UTC().Format("2006-01-02"))
		if err != nil {
			return err
		}
		converted, err := (*amount).Convert(rate.Ratio, to)
		if err != nil {
			return err
		}
		if converted.Minor == 0 && (*amount).Minor != 0 && report.Status == affiliate.ReportReversed {
			// Nothing is what a reversal of everything names.
			return affiliate.Errorf(affiliate.Invalid, "%s is less than the smallest unit of %s, so that nothing of the order can be taken back by it", **amount, to)
		}
		if amount == &report.Amount {
			report.Received = *amount
		}
		report.Rate = rate
		*amount = &converted
	}
	return nil
}

// rateKey is where a rate is stored: an order of dates is an order of keys.
func rateKey(from, to affiliate.Currency, date string) string {
	return fmt.Sprintf("%s/%s/%s", from, to, date)
}

// rateOn returns the latest rate of up to a day.
func rateOn(r reader, from, to affiliate.Currency, day string) (*affiliate.FXRate, error) {
	documents, err := r.documents.List(store.Rate, fmt.Sprintf("%s/%s/", from, to))
	if err != nil {
		return nil, err
	}
	return rateAmong(documents, from, to, day)
}

// rateAmong returns the latest rate of up to a day among those of two currencies, the oldest first.
func rateAmong(documents []store.Document, from, to affiliate.Currency, day string) (*affiliate.FXRate, error) {
	for i := len(documents) - 1; i >= 0; i-- {
		rate := new(affiliate.FXRate)
		if err := json.Unmarshal(documents[i].Body, rate); err != nil {
			return nil, fmt.Errorf("the stored exchange rate %s: %w", documents[i].Key, err)
		}
		if rate.Date > day {
			continue
		}
		if rate.Date < daysBefore(day, rateDays) {
			break
		}
		return rate, nil
	}
	return nil, affiliate.Errorf(affiliate.Invalid, "there is no exchange rate from %s to %s of %s or the %d days before; import one, or report in %s", from, to, day, rateDays, to)
}

func daysBefore(day string, n int) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return ""
	}
	return t.AddDate(0, 0, -n).Format(time.DateOnly)
}
