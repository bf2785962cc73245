package engine

import (
	"cmp"
	"slices"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
)

// AccountKey tells one account from another as they are kept: each has one currency.
type AccountKey struct {
	Name     ledger.Account
	Currency affiliate.Currency
}

// AccountOf is the account that an entry belongs to.
func AccountOf(e ledger.Entry) AccountKey { return AccountKey{e.Account, e.Amount.Currency} }

// BalancesAfter returns the balance after each entry of some postings, in their order, and the one
// that each of their accounts ends with, so that a posting that cannot be counted is refused before
// anything is written. last is asked once for each account: its balance before, 0 when it is
// new. Invalid: a balance would leave 64 bits.
func BalancesAfter(postings []*ledger.Posting, last func(AccountKey) (int64, error)) (after []int64, end map[AccountKey]int64, err error) {
	end = map[AccountKey]int64{}
	for _, p := range postings {
		for _, e := range p.Entries {
			key := AccountOf(e)
			balance, met := end[key]
			if !met {
				if balance, err = last(key); err != nil {
					return nil, nil, err
				}
			}
			sum := balance + e.Amount.Minor
			if (sum > balance) != (e.Amount.Minor > 0) && e.Amount.Minor != 0 {
				return nil, nil, affiliate.Errorf(affiliate.Invalid, "the posting %q would take the account %s beyond what can be counted", p.ID, e.Account)
			}
			end[key] = sum
			after = append(after, sum)
		}
	}
	return after, end, nil
}

// SubjectSums are the sums of a subject's entries by account.
type SubjectSums map[ledger.Account]affiliate.Money

// Add adds the sum of an account in one currency. Conflict: there is one in another currency already.
func (s SubjectSums) Add(subject string, name ledger.Account, sum affiliate.Money) error {
	if other, met := s[name]; met {
		return affiliate.Errorf(affiliate.Conflict, "%q has entries in %s and in %s for the account %s; read its postings", subject, other.Currency, sum.Currency, name)
	}
	s[name] = sum
	return nil
}

// Newest lists numbers of postings as a query does: downwards, each once, at most limit.
func Newest(seqs []int64, limit int) []int64 {
	slices.SortFunc(seqs, func(a, b int64) int { return cmp.Compare(b, a) })
	seqs = slices.Compact(seqs)
	return seqs[:min(len(seqs), max(limit, 0))]
}
