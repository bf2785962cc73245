package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/settlement"
	"github.com/sluicehq/sluice/internal/store"
)

// twins tells a transaction again, in two books of its own, in the order in which it came and
// in another. Both must end alike.
func (w *world) twins(ctx context.Context, st *story) error {
	if st.ruled {
		return nil
	}
	natural := make([]int, len(st.sent))
	for i := range natural {
		natural[i] = i
	}
	one, err := w.twin(ctx, st, natural)
	if err != nil {
		return err
	}
	order := w.dice.Perm(len(st.sent))
	other, err := w.twin(ctx, st, order)
	if err != nil {
		return err
	}
	if one != other {
		return fmt.Errorf("the transaction %s (%s, %s) ends with %s, and with %s when its reports arrive in the order %v: %s",
			st.tx, st.Settlement.Duplicates, st.Settlement.Attribution.Model, one, other, order, describe(st.sent))
	}
	return nil
}

func describe(reports []affiliate.Report) string {
	var b strings.Builder
	for i := range reports {
		text, _ := json.Marshal(&reports[i])
		fmt.Fprintf(&b, "\n  %d: %s", i, text)
	}
	return b.String()
}

// twin returns the balances after the story's reports in an order.
func (w *world) twin(ctx context.Context, st *story, order []int) (string, error) {
	books := newMemory()
	defer func() { _ = books.Close() }()
	now := w.now.Add(-time.Hour)
	know := newClicks()
	know.now = func() time.Time { return now }
	for _, k := range st.clicks {
		own := *k
		own.known = begin.AddDate(-1, 0, 0)
		know.byID[k.ID] = &own
		know.of[k.Visitor] = append(know.of[k.Visitor], &own)
	}
	err := books.Update(ctx, func(u store.Writer) error { return w.copyCatalog(ctx, u, st.shop) })
	if err != nil {
		return "", err
	}
	ids := rand.New(rand.NewPCG(w.options.Seed, uint64(order[0])))
	office := settlement.Open(settlement.Options{Store: books, Clicks: know, Now: func() time.Time { return now }, Random: ids.Uint64})
	defer office.Close()
	for _, i := range order {
		// In another order, an approval may come behind its reversal: refused, and nothing lost.
		if _, err := office.Take(ctx, st.sent[i]); err != nil && !(affiliate.CodeOf(err) == affiliate.Conflict && st.isPast(&st.sent[i], now)) {
			return "", err
		}
		now = now.Add(time.Minute)
	}
	now = w.now
	if _, err := office.RunDue(ctx); err != nil {
		return "", err
	}
	var text strings.Builder
	for _, b := range mustBalances(books) {
		if b.Minor != 0 {
			fmt.Fprintf(&text, "%s %s; ", b.Account, b.Money)
		}
	}
	return text.String(), nil
}

func mustBalances(m *memory) []store.Balance {
	all, err := books{m: m}.Balances("", endOfBooks)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return all
}

// copyCatalog copies a program, its partners and the rates.
func (w *world) copyCatalog(ctx context.Context, to store.Writer, s *shop) error {
	return w.store.View(ctx, func(r store.Reader) error {
		for kind, prefix := range map[store.Kind]string{store.Program: s.ID, store.Partner: s.ID + "/", store.Rate: "USD/" + string(s.Settlement.Currency)} {
			all, err := r.Documents().List(kind, prefix)
			if err != nil {
				return err
			}
			for _, d := range all {
				if err := to.Documents().Put(kind, d); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
