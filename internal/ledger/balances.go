package ledger

import (
	"fmt"
	"maps"
	"math/big"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Balances are sums of entries in minor units. An account that is absent and one that
// stands at 0 are the same.
type Balances map[Account]map[affiliate.Currency]int64

// cell is one balance.
type cell struct {
	account  Account
	currency affiliate.Currency
}

// Add applies a posting that Check has passed. It fails, and changes nothing, where a
// balance would leave 64 bits; that takes 9,000 entries of the largest amount.
func (b Balances) Add(p *Posting) error {
	next := map[cell]int64{}
	for _, e := range p.Entries {
		at := cell{e.Account, e.Amount.Currency}
		have, touched := next[at]
		if !touched {
			have = b[at.account][at.currency]
		}
		sum := have + e.Amount.Minor
		if (sum > have) != (e.Amount.Minor > 0) {
			return affiliate.Errorf(affiliate.TooLarge, "the posting %.80q would bring %s of %s above what 64 bits hold; check the amounts posted there", p.ID, at.currency, at.account)
		}
		next[at] = sum
	}
	for at, sum := range next {
		if b[at.account] == nil {
			b[at.account] = map[affiliate.Currency]int64{}
		}
		b[at.account][at.currency] = sum
	}
	return nil
}

// Owed is what each partner of a program is owed in a currency, by code; "" is us.
// Those who are owed nothing are left out.
func (b Balances) Owed(program string, currency affiliate.Currency) map[string]affiliate.Money {
	owed := map[string]affiliate.Money{}
	for account, sums := range b {
		kind, of, partner, ok := account.Parse()
		if ok && kind == KindOwed && of == program && sums[currency] != 0 {
			owed[partner] = affiliate.Money{Minor: sums[currency], Currency: currency}
		}
	}
	return owed
}

// Equal says that all accounts stand the same.
func (b Balances) Equal(other Balances) bool {
	return maps.Equal(b.cells(), other.cells())
}

func (b Balances) cells() map[cell]int64 {
	cells := map[cell]int64{}
	for account, sums := range b {
		for currency, sum := range sums {
			if sum != 0 {
				cells[cell{account, currency}] = sum
			}
		}
	}
	return cells
}

// Trial is the trial balance: nil when all accounts sum to zero in each currency. An
// error means that entries were lost or changed where they are kept; no posting that
// passed Check can cause it.
func (b Balances) Trial() error {
	sums := map[affiliate.Currency]*big.Int{}
	for at, sum := range b.cells() {
		addTo(sums, at.currency, sum)
	}
	if currency, off := imbalance(sums); off != nil {
		return fmt.Errorf("the ledger's accounts in %s sum to %s minor units, not to 0: entries were lost or changed where they are kept; compare the balances with a replay of all postings", currency, off)
	}
	return nil
}
