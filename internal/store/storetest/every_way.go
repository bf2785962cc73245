package storetest

import (
	"errors"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// ReadBooksEveryWay calls every method that reads the books, with every combination of a query's fields, so
// that an engine can look at all statements it has for that. What a query pages from has the ID "x", and must be there.
func ReadBooksEveryWay(b store.BooksReader) error {
	now := time.Unix(1e9, 0)
	_, err1 := b.Reports("", "")
	_, err2 := b.ConversionsOf("", "")
	_, err3 := b.DueConversions(now, 1)
	_, err4 := b.CustomerOrders("", "", now)
	_, err5 := b.Volume("", "", now, now)
	_, err6 := b.Balance("a", now)
	_, err7 := b.Balances("a", now)
	_, err8 := b.SubjectBalances("x")
	_, err9 := b.Trial()
	_, err10 := b.DueMessages(now, 1)
	_, err11 := b.SumConversions(store.SumQuery{To: now})
	err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11)
	EveryWay(7, func(set func(field int, value string) string) {
		when := func(field int) (at time.Time) {
			if set(field, "now") != "" {
				at = now
			}
			return at
		}
		_, err1 := b.FindConversions(store.ConversionQuery{Before: set(0, "x"), Program: set(1, "x"), Partner: set(2, "x"), State: affiliate.State(set(3, "x")),
			Click: set(4, "x"), From: when(5), To: when(6), Limit: 1})
		_, err2 := b.Postings(store.PostingQuery{Before: set(0, "x"), Subject: set(1, "x"), Account: ledger.Account(set(2, "a")), Limit: 1})
		_, err3 := b.Rejections(store.RejectionQuery{Before: set(0, "x"), Program: set(1, "x"), Reason: set(2, "x"), Limit: 1})
		err = errors.Join(err, err1, err2, err3)
	})
	return err
}

// EveryWay calls fn for each choice among some fields. set returns a value when its field is chosen, "" otherwise.
func EveryWay(fields int, fn func(set func(field int, value string) string)) {
	for choice := range 1 << fields {
		fn(func(field int, value string) string {
			if choice>>field&1 == 0 {
				return ""
			}
			return value
		})
	}
}
