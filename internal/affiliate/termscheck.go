package affiliate

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of one settlement.
const (
	TermsMax        = 100 // versions of a program's, or a partner's, terms
	RatesMax        = 50  // of one version
	TiersMax        = 20  // of one rate
	WindowDaysMax   = 999
	HoldDaysMax     = 400
	LockDayMax      = 28 // every month has it
	HalfLifeMax     = 999
	OrdersMax       = 1_000_000
	wordBytesMax    = 64 // of an event or a category
	defaultWindow   = 30
	defaultHalf     = 7
	percentageLeast = Percentage(100) // 0.01 %
)

// normalized is a copy with defaults filled in and canonical spellings.
func (s *Settlement) normalized() *Settlement {
	if s == nil {
		return nil
	}
	own := *s
	own.Currency = Currency(strings.ToUpper(strings.TrimSpace(string(s.Currency))))
	own.Terms = normalizedTerms(s.Terms)
	own.Attribution.Model = orDefault(s.Attribution.Model, LastClick)
	own.Attribution.WindowDays = orDefault(s.Attribution.WindowDays, defaultWindow)
	own.Attribution.HalfLifeDays = orDefault(s.Attribution.HalfLifeDays, defaultHalf)
	own.Duplicates = orDefault(s.Duplicates, RejectDuplicates)
	return &own
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// normalizedTerms is a copy of versions, by From. Empty lists become nil, so that equal
// terms are deeply equal.
func normalizedTerms(versions []CommissionTerms) []CommissionTerms {
	var out []CommissionTerms
	for _, v := range versions {
		v.From = v.From.UTC().Truncate(time.Second)
		var rates []Rate
		for _, r := range v.Rates {
			r.Event, r.Category = strings.TrimSpace(r.Event), strings.TrimSpace(r.Category)
			r.Tiers = append([]Tier(nil), r.Tiers...)
			rates = append(rates, r)
		}
		v.Rates = rates
		out = append(out, v)
	}
	slices.SortStableFunc(out, func(a, b CommissionTerms) int { return a.From.Compare(b.From) })
	return out
}

// validate reports every field at fault of a normalised settlement.
func (s *Settlement) validate(fs *faults, field string) {
	if s == nil {
		return
	}
	if !s.Currency.Known() {
		fs.add(field+".currency", "%q is not a currency; use its ISO 4217 code, such as EUR", clip(string(s.Currency), 20))
	}
	if len(s.Terms) == 0 {
		fs.add(field+".terms", "there are no terms; say what is paid, and from when on")
	}
	validateTerms(fs, field+".terms", s.Terms)
	s.Attribution.validate(fs, field+".attribution")
	if !s.Duplicates.Valid() {
		fs.add(field+".duplicates", "%q is not one of %s", clip(string(s.Duplicates), 40), listed(DuplicateModes))
	}
	amountFault(fs, field+".minimum_payout", s.MinimumPayout)
}

// listed are words in a row, for a message.
func listed[T ~string](words []T) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return b.String()
}

func (a *Attribution) validate(fs *faults, field string) {
	if !a.Model.Valid() {
		fs.add(field+".model", "%q is not one of %s", clip(string(a.Model), 40), listed(Models))
	}
	rangeFault(fs, field+".window_days", a.WindowDays, 1, WindowDaysMax)
	rangeFault(fs, field+".half_life_days", a.HalfLifeDays, 1, HalfLifeMax)
}

// validateTerms checks versions that are sorted by From.
func validateTerms(fs *faults, field string, versions []CommissionTerms) {
	if len(versions) > TermsMax {
		fs.add(field, "%d versions; at most %d", len(versions), TermsMax)
		return
	}
	for i := range versions {
		v, at := &versions[i], index(field, i)
		if year := v.From.Year(); !v.From.IsZero() && (year < 1970 || year > 2999) {
			fs.add(at+".from", "the year is not between 1970 and 2999; leave it out in the first terms for \"since ever\"")
		}
		if i > 0 && v.From.Equal(versions[i-1].From) {
			fs.add(at+".from", "two terms begin at the same moment, %s; moments are whole seconds", since(v.From))
		}
		v.validate(fs, at)
	}
}

func (t *CommissionTerms) validate(fs *faults, field string) {
	rangeFault(fs, field+".hold_days", t.HoldDays, 0, HoldDaysMax)
	rangeFault(fs, field+".lock_day", t.LockDay, 0, LockDayMax)
	if len(t.Rates) > RatesMax {
		fs.add(field+".rates", "%d rates; at most %d", len(t.Rates), RatesMax)
		return
	}
	for i := range t.Rates {
		t.Rates[i].validate(fs, index(field+".rates", i))
	}
}

func (r *Rate) validate(fs *faults, field string) {
	textFault(fs, field+".event", r.Event, wordBytesMax)
	textFault(fs, field+".category", r.Category, wordBytesMax)
	if !r.Customer.Valid() {
		fs.add(field+".customer", "%q is not one of new, returning; leave it out for both", clip(string(r.Customer), 40))
	}
	percentFault(fs, field+".percent", r.Percent)
	amountFault(fs, field+".fixed", r.Fixed)
	amountFault(fs, field+".cap", r.Cap)
	rangeFault(fs, field+".orders", r.Orders, 0, OrdersMax)
	if len(r.Tiers) > TiersMax {
		fs.add(field+".tiers", "%d tiers; at most %d", len(r.Tiers), TiersMax)
		return
	}
	for i, t := range r.Tiers {
		at := index(field+".tiers", i)
		amountFault(fs, at+".from", t.From)
		if i > 0 && t.From <= r.Tiers[i-1].From {
			fs.add(at+".from", "%d is not above %d of the tier before; list tiers from the lowest volume to the highest", t.From, r.Tiers[i-1].From)
		}
		percentFault(fs, at+".percent", t.Percent)
		amountFault(fs, at+".fixed", t.Fixed)
	}
}

// percentFault checks a percentage. One below 0.01 % is a percentage that somebody wrote
// as 5 for 5 %, and would pay a cent for 2,000 euros.
func percentFault(fs *faults, field string, p Percentage) {
	switch {
	case p < 0 || p > Whole:
		fs.add(field, "%d is not between 0 and %d; percentages are millionths, so 7.5 %% is 75000", p, Whole)
	case p > 0 && p <= percentageLeast:
		fs.add(field, "%d is no more than 0.01 %%; percentages are millionths, so 7.5 %% is 75000", p)
	}
}

// amountFault checks an amount in minor units.
func amountFault(fs *faults, field string, minor int64) {
	if minor < 0 || minor > AmountMax {
		fs.add(field, "%d is not between 0 and %d minor units", minor, AmountMax)
	}
}

func rangeFault(fs *faults, field string, n, least, most int) {
	if n < least || n > most {
		fs.add(field, "%d is not between %d and %d", n, least, most)
	}
}

// textFault checks a short text in one line.
func textFault(fs *faults, field, s string, bytesMax int) {
	if len(s) > bytesMax {
		fs.add(field, "%q is longer than %d bytes", clip(s, 40), bytesMax)
	} else if !utf8.ValidString(s) || strings.IndexFunc(s, unicode.IsControl) >= 0 {
		fs.add(field, "%q contains characters that cannot be printed", clip(s, 40))
	}
}
