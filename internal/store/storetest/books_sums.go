package storetest

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// sumConversions are two of March by their clicks, one of them split, one of April by its order, one
// of another currency, and one whose order is of April but whose click is of March.
func sumConversions(t *testing.T, w store.Writer) {
	at := func(s string) time.Time {
		if s == "" {
			return time.Time{}
		}
		when, err := time.Parse("2006-01-02T15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, row := range []struct {
		id, program, click, order string
		state                     affiliate.State
		amount                    affiliate.Money
		whole                     int64
		link                      int64
		partner, shares           string
	}{
		{"c1", "shop", "2026-03-01T10:00", "2026-03-02T10:00", affiliate.Pending, eur(10000), 10000, 7, "ada",
			`[{"Partner":"ada","Amount":{"minor":600,"currency":"EUR"}},{"Partner":"bob","Amount":{"minor":300,"currency":"EUR"}},{"Partner":"ada","Amount":{"minor":100,"currency":"EUR"}}]`},
		{"c2", "shop", "2026-03-31T22:30", "2026-04-02T10:00", affiliate.Pending, eur(4000), 5000, 8, "ada", `[{"Partner":"ada","Amount":{"minor":400,"currency":"EUR"}}]`},
		{"c3", "shop", "", "2026-04-03T10:00", affiliate.Approved, eur(2000), 0, 0, "", `[{"Partner":"","Amount":{"minor":200,"currency":"EUR"}}]`},
		{"c4", "shop", "2026-03-05T10:00", "2026-03-06T10:00", affiliate.Reversed, eur(0), 3000, 7, "bob", ``},
		{"c5", "jp", "2026-03-05T10:00", "2026-03-06T10:00", affiliate.Pending, affiliate.Money{Minor: 900, Currency: "JPY"}, 900, 9, "ada", `[{"Partner":"ada","Amount":{"minor":90,"currency":"JPY"}}]`},
	} {
		c := conversion(row.id)
		c.Program, c.State, c.Order, c.Whole, c.Link, c.Partner, c.Shares = row.program, row.state, row.amount, row.whole, row.link, row.partner, json.RawMessage(row.shares)
		c.ClickAt, c.At = at(row.click), at(row.order)
		put(t, w, c)
	}
}

func testSumConversions(t *testing.T, s *suite) {
	s.update(func(w store.Writer) error { sumConversions(t, w); return nil })
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	sum := func(values []string, state affiliate.State, currency affiliate.Currency, count, orders, whole, commission int64) store.ConversionSum {
		return store.ConversionSum{Values: values, State: state, Currency: currency, Count: count, Orders: orders, Whole: whole, Commission: commission}
	}
	march, april := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	none := []string{}
	for _, c := range []struct {
		name  string
		query store.SumQuery
		want  []store.ConversionSum
	}{
		{"all", store.SumQuery{}, []store.ConversionSum{
			sum(none, affiliate.Approved, "EUR", 1, 2000, 2000, 200), sum(none, affiliate.Pending, "EUR", 2, 14000, 15000, 1400),
			sum(none, affiliate.Reversed, "EUR", 1, 0, 3000, 0), sum(none, affiliate.Pending, "JPY", 1, 900, 900, 90)}},
		{"by the month of the click", store.SumQuery{By: []store.SumDimension{store.SumByMonth}, Is: map[store.SumDimension][]string{store.SumByProgram: {"shop"}}}, []store.ConversionSum{
			sum([]string{"2026-03"}, affiliate.Pending, "EUR", 2, 14000, 15000, 1400), sum([]string{"2026-03"}, affiliate.Reversed, "EUR", 1, 0, 3000, 0),
			sum([]string{"2026-04"}, affiliate.Approved, "EUR", 1, 2000, 2000, 200)}},
		{"by the month in Berlin, where it is April already", store.SumQuery{Zone: berlin, By: []store.SumDimension{store.SumByMonth, store.SumByDay},
			Is: map[store.SumDimension][]string{store.SumByLink: {"8"}}}, []store.ConversionSum{
			sum([]string{"2026-04", "2026-04-01"}, affiliate.Pending, "EUR", 1, 4000, 5000, 400)}},
		{"by partner, of each share", store.SumQuery{From: march, To: april, By: []store.SumDimension{store.SumByPartner}, Is: map[store.SumDimension][]string{store.SumByLink: {"7"}}}, []store.ConversionSum{
			sum([]string{"ada"}, affiliate.Pending, "EUR", 1, 10000, 10000, 700), sum([]string{"bob"}, affiliate.Pending, "EUR", 1, 10000, 10000, 300),
			sum([]string{"bob"}, affiliate.Reversed, "EUR", 1, 0, 3000, 0)}},
		{"of one partner", store.SumQuery{Is: map[store.SumDimension][]string{store.SumByPartner: {"bob"}}}, []store.ConversionSum{
			sum(none, affiliate.Pending, "EUR", 1, 10000, 10000, 300), sum(none, affiliate.Reversed, "EUR", 1, 0, 3000, 0)}},
		{"of us", store.SumQuery{Is: map[store.SumDimension][]string{store.SumByPartner: {""}}}, []store.ConversionSum{sum(none, affiliate.Approved, "EUR", 1, 2000, 2000, 200)}},
		{"from a click on, that moment included", store.SumQuery{From: time.Date(2026, 3, 31, 22, 30, 0, 0, time.UTC), To: time.Date(2026, 4, 3, 10, 0, 0, 0, time.UTC), By: []store.SumDimension{store.SumByLink}},
			[]store.ConversionSum{sum([]string{"8"}, affiliate.Pending, "EUR", 1, 4000, 5000, 400)}},
		{"none", store.SumQuery{To: march}, []store.ConversionSum{}},
		{"by page, variant and sub1", store.SumQuery{To: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), By: []store.SumDimension{store.SumByPage, store.SumByVariant, store.SumBySub1}},
			[]store.ConversionSum{sum([]string{"/best", "b", "sub"}, affiliate.Pending, "EUR", 1, 10000, 10000, 1000)}},
	} {
		s.view(func(r store.Reader) error {
			got, err := r.Books().SumConversions(c.query)
			if err != nil {
				return err
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s:\ngot  %+v\nwant %+v", c.name, got, c.want)
			}
			return nil
		})
	}
}

func testBadSums(t *testing.T, s *suite) {
	s.view(func(r store.Reader) error {
		for _, q := range []store.SumQuery{
			{By: []store.SumDimension{"colour"}},
			{By: []store.SumDimension{store.SumByMonth, store.SumByDay, store.SumByLink, store.SumByPage}},
			{Is: map[store.SumDimension][]string{store.SumByDay: {"2026-03-01"}}},
		} {
			_, err := r.Books().SumConversions(q)
			wantCode(t, err, affiliate.Invalid)
		}
		return nil
	})
}
