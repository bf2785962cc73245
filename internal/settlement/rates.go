package settlement

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// Limits of exchange rates.
const (
	RatesMax           = 10_000 // that are stored at a time
	RateDigitsMax      = 15
	rateSourceBytesMax = 100
	rateFaultsMax      = 100
	ecbBytesMax        = 32 << 20
	ecbColumnsMax      = 200
)

// PutRates stores exchange rates, each in both directions: one EUR is 1.0567 USD, so one
// USD is 10000/10567 EUR, exactly. A rate of the same currencies and day is replaced. All are
// stored or none; what is wrong is Invalid with a fault for each.
func (o *Office) PutRates(ctx context.Context, rates []affiliate.FXRate) error {
	if len(rates) > RatesMax {
		return affiliate.Errorf(affiliate.TooLarge, "%d rates are too many; store at most %d at a time", len(rates), RatesMax)
	}
	wrong := &affiliate.Error{Code: affiliate.Invalid, Message: "the exchange rates cannot be stored"}
	for i := range rates {
		if fault := rateFault(&rates[i]); fault != nil && len(wrong.Faults) < rateFaultsMax {
			fault.Field = fmt.Sprintf("items[%d].%s", i, fault.Field)
			wrong.Faults = append(wrong.Faults, *fault)
		}
	}
	if len(wrong.Faults) > 0 {
		return wrong
	}
	return o.options.Store.Update(ctx, func(w store.Writer) error {
		for _, rate := range rates {
			for _, r := range []affiliate.FXRate{rate, inverse(rate)} {
				if err := w.Documents().Put(store.Rate, store.Document{Key: rateKey(r.From, r.To, r.Date), Body: encode(r)}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func inverse(r affiliate.FXRate) affiliate.FXRate {
	r.From, r.To = r.To, r.From
	r.Numerator, r.Denominator = r.Denominator, r.Numerator
	return r
}

func rateFault(r *affiliate.FXRate) *affiliate.Fault {
	day, err := time.Parse(time.DateOnly, r.Date)
	switch {
	case !r.From.Known():
		return &affiliate.Fault{Field: "from", Message: fmt.Sprintf("%.20q is not a currency; use its ISO 4217 code, such as EUR", r.From)}
	case !r.To.Known():
		return &affiliate.Fault{Field: "to", Message: fmt.Sprintf("%.20q is not a currency; use its ISO 4217 code, such as USD", r.To)}
	case r.From == r.To:
		return &affiliate.Fault{Field: "to", Message: "a currency has no rate to itself"}
	case err != nil || day.Year() < 1970:
		return &affiliate.Fault{Field: "date", Message: fmt.Sprintf("%.20q is not a day; write it like 2026-11-27", r.Date)}
	case r.Numerator <= 0 || r.Denominator <= 0:
		return &affiliate.Fault{Field: "rate", Message: "a rate is above 0"}
	case strings.TrimSpace(r.Source) == "" || len(r.Source) > rateSourceBytesMax:
		return &affiliate.Fault{Field: "source", Message: fmt.Sprintf("say in 1 to %d bytes where the rate comes from, such as ECB", rateSourceBytesMax)}
	}
	return nil
}

// Rates returns stored exchange rates: of two currencies, the latest day first; of one, the latest
// rate to each other currency, by its code. from must be given.
func (o *Office) Rates(ctx context.Context, from, to affiliate.Currency, limit int) (rates []affiliate.FXRate, err error) {
	if !from.Known() {
		return nil, affiliate.Errorf(affiliate.Invalid, "from: %.20q is not a currency; use its ISO 4217 code, such as EUR", from)
	}
	prefix := string(from) + "/"
	if to != "" {
		prefix += string(to) + "/"
	}
	err = o.options.Store.View(ctx, func(r store.Reader) error {
		documents, err := r.Documents().List(store.Rate, prefix)
		if err != nil {
			return err
		}
		slices.Reverse(documents) // the keys end in the day
		last := ""
		for _, d := range documents {
			pair := d.Key[:strings.LastIndexByte(d.Key, '/')]
			if to == "" && pair == last || len(rates) == limit && to != "" {
				continue
			}
			last = pair
			var rate affiliate.FXRate
			if err := json.Unmarshal(d.Body, &rate); err != nil {
				return fmt.Errorf("the stored exchange rate %s: %w", d.Key, err)
			}
			rates = append(rates, rate)
		}
		return nil
	})
	if to == "" {
		slices.Reverse(rates)
		rates = rates[:min(len(rates), limit)]
	}
	return rates, err
}

// ParseRate reads a rate from decimal text exactly: digits with at most one point, at most
// RateDigitsMax of them, above 0. 1.0567 is 10567/10000.
func ParseRate(text string) (affiliate.Ratio, error) {
	whole, part, pointed := strings.Cut(text, ".")
	digits := strings.TrimLeft(whole+part, "0")
	isNumber := strings.IndexFunc(whole+part, func(r rune) bool { return r < '0' || r > '9' }) < 0
	switch {
	case whole == "" || pointed && part == "" || !isNumber:
		return affiliate.Ratio{}, affiliate.Errorf(affiliate.Invalid, "the rate %.40q is not a number; write digits and at most one point, such as 1.0567", text)
	case len(digits) > RateDigitsMax || len(part) > RateDigitsMax:
		return affiliate.Ratio{}, affiliate.Errorf(affiliate.Invalid, "the rate %.40q has more than %d digits", text, RateDigitsMax)
	case digits == "":
		return affiliate.Ratio{}, affiliate.Errorf(affiliate.Invalid, "the rate %.40q is not above 0", text)
	}
	numerator, _ := strconv.ParseInt(digits, 10, 64) // at most RateDigitsMax digits
	denominator := int64(1)
	for range part {
		denominator *= 10
	}
	for numerator%10 == 0 && denominator > 1 {
		numerator, denominator = numerator/10, denominator/10
	}
	return affiliate.Ratio{Numerator: numerator, Denominator: denominator}, nil
}

// ReadECB reads the reference rates of the European Central Bank, the daily file or the
// history: a header "Date,USD,JPY,…", then a row for each day, of what one EUR is worth. Cells
// with N/A are passed over, and so are columns of currencies that money is not owed in any more; those are returned as unknown.
func ReadECB(r io.Reader) (rates []affiliate.FXRate, unknown []string, err error) {
	lines := csv.NewReader(io.LimitReader(r, ecbBytesMax))
	lines.TrimLeadingSpace, lines.FieldsPerRecord, lines.ReuseRecord = true, -1, true
	header, err := lines.Read()
	if err != nil || len(header) < 2 || len(header) > ecbColumnsMax || strings.TrimSpace(strings.TrimPrefix(header[0], "\ufeff")) != "Date" {
		return nil, nil, affiliate.Errorf(affiliate.Invalid, "line 1: this is no file of the European Central Bank; it begins with a header such as Date,USD,JPY; the bank has it under \"Euro foreign exchange reference rates\" as CSV")
	}
	columns := make([]affiliate.Currency, len(header))
	for i, name := range header[1:] {
		name = strings.TrimSpace(name)
		if c, err := affiliate.ParseCurrency(name); err == nil {
			columns[i+1] = c
		} else if name != "" { // each line ends in a comma
			unknown = append(unknown, name)
		}
	}
	for {
		cells, err := lines.Read()
		if errors.Is(err, io.EOF) {
			if lines.InputOffset() >= ecbBytesMax {
				return nil, nil, affiliate.Errorf(affiliate.TooLarge, "the file is larger than %d MiB", ecbBytesMax>>20)
			}
			return rates, unknown, nil
		}
		if err != nil {
			return nil, nil, affiliate.Errorf(affiliate.Invalid, "the file cannot be read: %s", err)
		}
		line, _ := lines.FieldPos(0)
		if rates, err = ecbRow(rates, columns, cells); err != nil {
			return nil, nil, affiliate.Errorf(affiliate.Invalid, "line %d: %s", line, err)
		}
	}
}

// ecbRow adds the rates of one day.
func ecbRow(rates []affiliate.FXRate, columns []affiliate.Currency, cells []string) ([]affiliate.FXRate, error) {
	if len(cells) > len(columns) {
		return nil, affiliate.Errorf(affiliate.Invalid, "there are %d cells below a header of %d", len(cells), len(columns))
	}
	day, err := ecbDay(strings.TrimSpace(cells[0]))
	if err != nil {
		return nil, err
	}
	for i, cell := range cells {
		cell = strings.TrimSpace(cell)
		if i == 0 || columns[i] == "" || columns[i] == "EUR" || cell == "" || cell == "N/A" {
			continue
		}
		ratio, err := ParseRate(cell)
		if err != nil {
			return nil, affiliate.Errorf(affiliate.Invalid, "%s: %s", columns[i], err)
		}
		rates = append(rates, affiliate.FXRate{Ratio: ratio, From: "EUR", To: columns[i], Date: day, Source: "ECB"})
	}
	return rates, nil
}

// ecbDay reads a day: the history writes 2026-11-27, the daily file 27 November 2026.
func ecbDay(text string) (string, error) {
	for _, layout := range []string{time.DateOnly, "2 January 2006"} {
		if day, err := time.Parse(layout, text); err == nil {
			return day.Format(time.DateOnly), nil
		}
	}
	return "", affiliate.Errorf(affiliate.Invalid, "%.40q is not a day, such as 2026-11-27", text)
}
