package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// SumDimension is something that sums of conversions can be broken down by.
type SumDimension string

// The dimensions. Those of time are cut in the query's zone, at the cohort's time.
const (
	SumByMonth   SumDimension = "month"   // "2026-11"
	SumByDay     SumDimension = "day"     // "2026-11-20"
	SumByLink    SumDimension = "link"    // the id in digits; "0": none
	SumByPage    SumDimension = "page"    // as at the click
	SumByProgram SumDimension = "program" // its id
	SumByPartner SumDimension = "partner" // of each share; "" is us
	SumByVariant SumDimension = "variant"
	SumBySub1    SumDimension = "sub1"
)

// Limits of sums.
const (
	SumDimensionsMax = 3 // two that are asked for, and a day to convert by
	SumsMax          = 200_000
)

// SumQuery asks for sums of conversions. The time that counts is that of the cohort: of the click, or
// of the order where there is no click.
type SumQuery struct {
	From time.Time // inclusive; zero: from the beginning
	To   time.Time // exclusive; zero: no end
	By   []SumDimension
	Zone *time.Location // nil: UTC
	// Is keeps the conversions whose dimension has one of the values. Of a partner it
	// keeps the shares: what others have of the same conversion is left out.
	Is map[SumDimension][]string
}

// ConversionSum is what the conversions have in common that agree in the dimensions, in state and in
// currency. Amounts are in minor units.
//
// A conversion of several partners counts once for each where the query is by partner, with its
// whole order and with what is the partner's of the commission.
type ConversionSum struct {
	Values     []string // of the query's By, in its order
	State      affiliate.State
	Currency   affiliate.Currency
	Count      int64
	Orders     int64 // reversals taken off
	Whole      int64 // before reversals
	Commission int64 // of the shares, reversals taken off
}

// SumRow is what engines read of a conversion to sum it.
type SumRow struct {
	Cohort        time.Time
	State         affiliate.State
	Order         affiliate.Money
	Whole         int64
	Shares        []byte
	Link          int64
	Program, Page string
	Partner       string
	Variant, Sub1 string
}

// Summing adds conversions up as an engine reads them. Its memory grows with the sums and not
// with the conversions.
type Summing struct {
	query SumQuery
	zone  *time.Location
	sums  map[sumKey]*ConversionSum
}

type sumKey struct {
	values   [SumDimensionsMax]string
	state    affiliate.State
	currency affiliate.Currency
}

// NewSumming begins. Invalid: a dimension is not known, or they are too many.
func NewSumming(q SumQuery) (*Summing, error) {
	if len(q.By) > SumDimensionsMax {
		return nil, affiliate.Errorf(affiliate.Invalid, "conversions are summed by %d dimensions at most, not %d", SumDimensionsMax, len(q.By))
	}
	s := &Summing{query: q, zone: cmp.Or(q.Zone, time.UTC), sums: map[sumKey]*ConversionSum{}}
	for _, d := range q.By {
		if _, ok := s.value(d, &SumRow{}); !ok && d != SumByPartner {
			return nil, unknownSum(d)
		}
	}
	for d := range q.Is {
		if _, ok := s.value(d, &SumRow{}); !ok && d != SumByPartner || d == SumByMonth || d == SumByDay {
			return nil, unknownSum(d)
		}
	}
	return s, nil
}

func unknownSum(d SumDimension) error {
	return affiliate.Errorf(affiliate.Invalid, "conversions are not summed by %q", d)
}

// value is that of a dimension other than the partner, which is each share's.
func (s *Summing) value(d SumDimension, r *SumRow) (value string, ok bool) {
	switch d {
	case SumByMonth:
		return r.Cohort.In(s.zone).Format("2006-01"), true
	case SumByDay:
		return r.Cohort.In(s.zone).Format(time.DateOnly), true
	case SumByLink:
		return strconv.FormatInt(r.Link, 10), true
	case SumByPage:
		return r.Page, true
	case SumByProgram:
		return r.Program, true
	case SumByVariant:
		return r.Variant, true
	case SumBySub1:
		return r.Sub1, true
	}
	return "", false
}

// part is what one partner has of a conversion.
type part struct {
	partner string
	minor   int64
}

// Add counts a conversion, whose time the engine has compared with the query's. TooLarge: there
// are more than SumsMax sums, or one does not fit into 64 bits.
func (s *Summing) Add(r *SumRow) error {
	for d, allowed := range s.query.Is {
		if v, ok := s.value(d, r); ok && !slices.Contains(allowed, v) {
			return nil
		}
	}
	parts, err := r.parts()
	if err != nil {
		return err
	}
	if allowed, ok := s.query.Is[SumByPartner]; ok {
		parts = slices.DeleteFunc(parts, func(p part) bool { return !slices.Contains(allowed, p.partner) })
		if len(parts) == 0 {
			return nil
		}
	}
	if !slices.Contains(s.query.By, SumByPartner) {
		all := part{}
		for _, p := range parts {
			all.minor += p.minor
		}
		parts = []part{all}
	}
	for _, p := range parts {
		if err := s.addPart(r, p); err != nil {
			return err
		}
	}
	return nil
}

// parts are the shares by partner; a conversion without shares is its partner's.
func (r *SumRow) parts() (parts []part, err error) {
	var shares []struct {
		Partner string
		Amount  affiliate.Money
	}
	if len(r.Shares) > 0 {
		if err := json.Unmarshal(r.Shares, &shares); err != nil {
			return nil, fmt.Errorf("the shares of a conversion of %q: %w", r.Program, err)
		}
	}
	for _, share := range shares {
		i := slices.IndexFunc(parts, func(p part) bool { return p.partner == share.Partner })
		if i < 0 {
			i = len(parts)
			parts = append(parts, part{partner: share.Partner})
		}
		parts[i].minor += share.Amount.Minor
	}
	if len(parts) == 0 {
		parts = []part{{partner: r.Partner}}
	}
	return parts, nil
}

func (s *Summing) addPart(r *SumRow, p part) error {
	key := sumKey{state: r.State, currency: r.Order.Currency}
	for i, d := range s.query.By {
		if d == SumByPartner {
			key.values[i] = p.partner
		} else {
			key.values[i], _ = s.value(d, r)
		}
	}
	sum := s.sums[key]
	if sum == nil {
		if len(s.sums) == SumsMax {
			return affiliate.Errorf(affiliate.TooLarge, "the conversions make more than %d sums; choose a shorter range or fewer dimensions", SumsMax)
		}
		sum = &ConversionSum{Values: key.values[:len(s.query.By):len(s.query.By)], State: key.state, Currency: key.currency}
		s.sums[key] = sum
	}
	sum.Count++
	for _, add := range []struct {
		to *int64
		n  int64
	}{{&sum.Orders, r.Order.Minor}, {&sum.Whole, max(r.Whole, r.Order.Minor)}, {&sum.Commission, p.minor}} {
		if add.n > 0 && *add.to > math.MaxInt64-add.n || add.n < 0 && *add.to < math.MinInt64-add.n {
			return affiliate.Errorf(affiliate.TooLarge, "a sum of conversions of %q does not fit into 64 bits; choose a shorter range", r.Program)
		}
		*add.to += add.n
	}
	return nil
}

// Sums returns them, by values, currency and state.
func (s *Summing) Sums() []ConversionSum {
	all := make([]ConversionSum, 0, len(s.sums))
	for _, sum := range s.sums {
		all = append(all, *sum)
	}
	slices.SortFunc(all, func(a, b ConversionSum) int {
		return cmp.Or(slices.Compare(a.Values, b.Values), cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.State, b.State))
	})
	return all
}
