package settlement

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// sums are those of the conversions in the dimensions, converted where that is asked for.
func (j *join) sums(by []string) ([]store.ConversionSum, error) {
	q := store.SumQuery{From: j.query.Since, To: j.query.Until, Zone: j.zone, Is: map[store.SumDimension][]string{}}
	for _, d := range by {
		q.By = append(q.By, store.SumDimension(d))
	}
	for d, values := range j.query.Is {
		if d == "link" {
			var err error
			if values, err = j.linkIDs(values); err != nil {
				return nil, err
			}
		}
		q.Is[store.SumDimension(d)] = values
	}
	if j.query.Currency == "" {
		sums, err := j.books.SumConversions(q)
		return matched(sums), err
	}
	q.By = append(q.By, store.SumByDay)
	sums, err := j.books.SumConversions(q)
	if err != nil {
		return nil, err
	}
	sums = matched(sums)
	for i := range sums {
		if err := j.convert(&sums[i]); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// matched leaves out the conversions that are nobody's yet.
func matched(sums []store.ConversionSum) []store.ConversionSum {
	return slices.DeleteFunc(sums, func(s store.ConversionSum) bool { return s.State == affiliate.Unmatched })
}

// convert brings the amounts of one day, its last value, into the query's currency.
func (j *join) convert(s *store.ConversionSum) error {
	from, to, day := s.Currency, j.query.Currency, s.Values[len(s.Values)-1]
	if from == to {
		return nil
	}
	if _, known := j.rates[from]; !known {
		documents, err := j.documents.List(store.Rate, rateKey(from, to, ""))
		if err != nil {
			return err
		}
		if j.rates == nil {
			j.rates = map[affiliate.Currency][]store.Document{}
		}
		j.rates[from] = documents
	}
	rate, err := rateAmong(j.rates[from], from, to, day)
	if affiliate.CodeOf(err) == affiliate.Invalid {
		return affiliate.Errorf(affiliate.Invalid, "currency: there is no exchange rate from %s to %s of %s or the %d days before; import one, or ask for each currency by leaving currency out", from, to, day, rateDays)
	}
	if err != nil {
		return err
	}
	for _, minor := range []*int64{&s.Orders, &s.Whole, &s.Commission} {
		m, err := affiliate.Money{Minor: *minor, Currency: from}.Convert(rate.Ratio, to)
		if err != nil {
			return err
		}
		*minor = m.Minor
	}
	s.Currency = to
	return nil
}

// linkIDs are the links that are named by number or by short name, on whatever site.
func (j *join) linkIDs(names []string) (ids []string, err error) {
	slugs := map[string]bool{}
	for _, name := range names {
		if id, ok := strings.CutPrefix(name, "#"); ok {
			ids = append(ids, id)
		} else {
			slugs[name] = true
		}
	}
	if len(slugs) == 0 {
		return ids, nil
	}
	sites, err := j.documents.List(store.Site, "")
	if err != nil {
		return nil, err
	}
	for slug := range slugs {
		for _, site := range sites {
			link, err := j.links.BySlug(site.Key, slug)
			if affiliate.CodeOf(err) == affiliate.NotFound {
				continue
			}
			if err != nil {
				return nil, err
			}
			ids = append(ids, strconv.FormatInt(link.ID, 10))
		}
	}
	return ids, nil
}
