package catalog_test

import (
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// What was booked keeps its program and its partner; what was not may go, with the
// partner's postback.
func TestBookedIsNotDeleted(t *testing.T) {
	o, ctx := open(t), t.Context()
	for _, id := range []string{"ordered", "paid", "fresh"} {
		o.program(id)
		if _, err := o.CreatePartner(ctx, operator, affiliate.Partner{Program: id, Code: "eve", Name: "Eve"}); err != nil {
			t.Fatal(err)
		}
	}
	five := affiliate.Money{Minor: 500, Currency: "EUR"}
	bonus := ledger.Posting{ID: "bonus/1", Subject: "bonus/1", At: time.Now(), Entries: []ledger.Entry{
		{Account: "partner/paid/eve/owed", Amount: five},
		{Account: "program/paid/cost", Amount: affiliate.Money{Minor: -500, Currency: "EUR"}},
	}}
	if err := o.store.Update(ctx, func(w store.Writer) error {
		if _, err := w.Books().Post([]ledger.Posting{bonus}); err != nil {
			return err
		}
		for _, program := range []string{"fresh", "paid"} {
			if err := w.Documents().Put(store.Endpoint, store.Document{Key: "postback/" + program + "/eve", Body: []byte(`{}`)}); err != nil {
				return err
			}
		}
		return w.Books().PutConversion(store.Conversion{ID: "ordered/A-1", Program: "ordered", Tx: "A-1", State: affiliate.Pending, At: time.Now(), Updated: time.Now(),
			Order: five, Partner: "eve", Shares: []byte(`[]`), Path: []byte(`[]`), Rulings: []byte(`[]`), Evidence: []byte(`{}`)})
	}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, o.DeletePartner(ctx, operator, "ordered", "eve", 0), affiliate.Conflict, "ordered/A-1", "archived")
	wantCode(t, o.DeletePartner(ctx, operator, "paid", "eve", 0), affiliate.Conflict, "partner/paid/eve/owed", "archived")
	if err := o.DeletePartner(ctx, operator, "fresh", "eve", 0); err != nil {
		t.Fatal(err)
	}
	if err := o.DeleteProgram(ctx, operator, "fresh", 0); err != nil {
		t.Fatal(err)
	}

	// Without its partners, a program still has what was booked.
	if err := o.store.Update(ctx, func(w store.Writer) error {
		for _, program := range []string{"ordered", "paid"} {
			if err := w.Documents().Delete(store.Partner, program+"/eve"); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, o.DeleteProgram(ctx, operator, "ordered", 0), affiliate.Conflict, "ordered/A-1", "archived")
	wantCode(t, o.DeleteProgram(ctx, operator, "paid", 0), affiliate.Conflict, "entries in the ledger", "archived")
	if err := o.store.View(ctx, func(r store.Reader) error {
		left, err := r.Documents().List(store.Endpoint, "postback/")
		if len(left) != 1 || left[0].Key != "postback/paid/eve" {
			t.Errorf("the postbacks left are %v, want paid's alone", left)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
