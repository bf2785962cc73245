package migration

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// books adds up the target's entries while they pass by: what every account holds, from the amounts
// alone.
type books struct {
	accounts map[int64]named
	held     map[int64]int64
}

type named struct {
	account  ledger.Account
	currency affiliate.Currency
}

func newBooks() *books { return &books{map[int64]named{}, map[int64]int64{}} }

var (
	accountsGroup = store.GroupNamed("accounts")
	entriesGroup  = store.GroupNamed("entries")
)

// add takes an item; those of other groups are left out. Accounts come before entries.
func (b *books) add(item *store.Item) {
	switch item.Group {
	case accountsGroup:
		b.accounts[item.Values[0].Number] = named{ledger.Account(item.Values[1].Text), affiliate.Currency(item.Values[2].Text)}
	case entriesGroup:
		b.held[item.Values[2].Number] += item.Values[3].Number
	}
}

// compareBooks asks both sides what every account holds, as the server does, and compares that with the
// sum of the entries.
func (m *mover) compareBooks(ctx context.Context, b *books) error {
	from, fromTrial, err := balancesOf(ctx, m.From)
	if err != nil {
		return err
	}
	to, toTrial, err := balancesOf(ctx, m.To)
	if err != nil {
		return err
	}
	for _, sum := range toTrial {
		if sum.Minor != 0 {
			m.differs("trial balance", fmt.Sprintf("all accounts of the target sum to %s; they must sum to zero", sum))
		}
	}
	if !slices.Equal(fromTrial, toTrial) {
		m.differs("trial balance", fmt.Sprintf("it is %v in the source and %v in the target", fromTrial, toTrial))
	}
	summed := map[named]int64{}
	for id, n := range b.held {
		summed[b.accounts[id]] = n
	}
	for of, n := range from {
		if there, ok := to[of]; !ok || there != n || summed[of] != n {
			m.differs("balances", fmt.Sprintf("the account %s in %s holds %d in the source and %d in the target, whose entries sum to %d", of.account, of.currency, n, there, summed[of]))
			break
		}
	}
	if len(from) != len(to) {
		m.differs("balances", fmt.Sprintf("%d accounts have entries in the source and %d in the target", len(from), len(to)))
	}
	return nil
}

func (m *mover) differs(group, how string) {
	m.report.Differences = append(m.report.Differences, Difference{Group: group, First: how})
}

// balancesOf reads what every account holds, and what all of them sum to.
func balancesOf(ctx context.Context, s store.Store) (held map[named]int64, trial []affiliate.Money, err error) {
	held = map[named]int64{}
	err = s.View(ctx, func(r store.Reader) error {
		balances, err := r.Books().Balances("", time.Time{})
		if err != nil {
			return err
		}
		for _, b := range balances {
			held[named{b.Account, b.Currency}] = b.Minor
		}
		trial, err = r.Books().Trial()
		return err
	})
	return held, trial, err
}
