package catalog

import (
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// nothingBooked refuses to delete what the books know, as a Conflict: the terms and the
// payee of an order must stay to be read as long as the order is. partner is "" for the
// program as a whole.
func (e *Edit) nothingBooked(what, program, partner string) error {
	conversions, err := e.w.Books().FindConversions(store.ConversionQuery{Program: program, Partner: partner, Limit: 1})
	if err != nil {
		return err
	}
	if len(conversions) > 0 {
		return booked(what, "conversions, "+conversions[0].ID+" the latest of them")
	}
	// A share that was not the largest, a bonus, a correction and a payout all have entries.
	accounts := []string{"partner/" + program + "/" + partner + "/"}
	if partner == "" {
		accounts = []string{"partner/" + program + "/", "own/" + program + "/", "program/" + program + "/"}
	}
	for _, prefix := range accounts {
		balances, err := e.w.Books().Balances(prefix, time.Time{})
		if err != nil {
			return err
		}
		if len(balances) > 0 {
			return booked(what, "entries in the ledger, on "+string(balances[0].Account))
		}
	}
	return nil
}

func booked(what, has string) error {
	return affiliate.Errorf(affiliate.Conflict, "%s has %s, and what was booked keeps its terms; set its status to archived instead", what, has)
}

// forget removes a document that goes with another, if there is one.
func (e *Edit) forget(kind store.Kind, key string) error {
	err := e.w.Documents().Delete(kind, key)
	if affiliate.CodeOf(err) == affiliate.NotFound {
		return nil
	}
	return e.fail(err)
}
