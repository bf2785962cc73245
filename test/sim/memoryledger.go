package sim

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// The ledger of the store in memory.

func (b books) Post(batch []ledger.Posting) (added int, err error) {
	for i := range batch {
		if err := store.CheckPosting(&batch[i]); err != nil {
			return 0, err
		}
	}
	for i := range batch {
		p := batch[i]
		if _, known := b.m.postingIDs[p.ID]; known {
			continue
		}
		p.At = p.At.UTC().Truncate(time.Millisecond)
		if n := len(b.m.postings); n > 0 && p.At.Before(b.m.postings[n-1].At) {
			p.At = b.m.postings[n-1].At
		}
		p.Entries = slices.Clone(p.Entries)
		if err := b.m.balances.Add(&p); err != nil {
			return 0, err
		}
		b.m.postingIDs[p.ID] = len(b.m.postings)
		b.m.ofSubject[p.Subject] = append(b.m.ofSubject[p.Subject], len(b.m.postings))
		for _, e := range p.Entries {
			if of := b.m.ofAccount[e.Account]; len(of) == 0 || of[len(of)-1] != len(b.m.postings) {
				b.m.ofAccount[e.Account] = append(of, len(b.m.postings))
			}
		}
		b.m.postings = append(b.m.postings, p)
		b.m.back(func() { b.unpost(&p) })
		added++
	}
	return added, nil
}

func (b books) unpost(p *ledger.Posting) {
	for _, e := range p.Entries {
		b.m.balances[e.Account][e.Amount.Currency] -= e.Amount.Minor
	}
	last := len(b.m.postings) - 1
	b.m.postings = b.m.postings[:last]
	for _, e := range p.Entries {
		if of := b.m.ofAccount[e.Account]; len(of) > 0 && of[len(of)-1] == last {
			b.m.ofAccount[e.Account] = of[:len(of)-1]
		}
	}
	of := b.m.ofSubject[p.Subject]
	b.m.ofSubject[p.Subject] = of[:len(of)-1]
	delete(b.m.postingIDs, p.ID)
}

func (b books) Balance(account ledger.Account, at time.Time) (held []affiliate.Money, err error) {
	all, err := b.Balances(string(account), at)
	for _, one := range all {
		if one.Account == account {
			held = append(held, one.Money)
		}
	}
	return held, err
}

func (b books) Balances(prefix string, at time.Time) (found []store.Balance, err error) {
	if !at.IsZero() {
		return nil, errors.New("the simulation asks for no balances of the past")
	}
	for account, sums := range b.m.balances {
		for currency, minor := range sums {
			if strings.HasPrefix(string(account), prefix) {
				found = append(found, store.Balance{Account: account, Money: affiliate.Money{Minor: minor, Currency: currency}})
			}
		}
	}
	slices.SortFunc(found, func(a, b store.Balance) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Currency, b.Currency))
	})
	return found, nil
}

func (b books) SubjectBalances(subject string) (map[ledger.Account]affiliate.Money, error) {
	sums := map[ledger.Account]affiliate.Money{}
	for _, n := range b.m.ofSubject[subject] {
		for _, e := range b.m.postings[n].Entries {
			have, met := sums[e.Account]
			if met && have.Currency != e.Amount.Currency {
				return nil, affiliate.Errorf(affiliate.Conflict, "%q has entries in two currencies for the account %s", subject, e.Account)
			}
			sums[e.Account] = affiliate.Money{Minor: have.Minor + e.Amount.Minor, Currency: e.Amount.Currency}
		}
	}
	return sums, nil
}

func (b books) Postings(q store.PostingQuery) (found []ledger.Posting, err error) {
	end := len(b.m.postings)
	if q.Before != "" {
		at, known := b.m.postingIDs[q.Before]
		if !known {
			return nil, affiliate.Errorf(affiliate.NotFound, "there is no posting %q", q.Before)
		}
		end = at
	}
	add := func(p ledger.Posting) {
		p.Entries = slices.Clone(p.Entries)
		found = append(found, p)
	}
	chosen := b.m.ofSubject[q.Subject]
	switch {
	case q.Subject != "":
	case q.Account != "":
		chosen = b.m.ofAccount[q.Account]
	default:
		for _, p := range slices.Backward(b.m.postings[max(end-q.Limit, 0):end]) {
			add(p)
		}
	}
	at, _ := slices.BinarySearch(chosen, end)
	for _, n := range slices.Backward(chosen[max(at-q.Limit, 0):at]) {
		add(b.m.postings[n])
	}
	return found, nil
}

func (b books) Trial() (sums []affiliate.Money, err error) {
	all := map[affiliate.Currency]int64{}
	for _, of := range b.m.balances {
		for currency, minor := range of {
			all[currency] += minor
		}
	}
	for _, currency := range slices.Sorted(maps.Keys(all)) {
		sums = append(sums, affiliate.Money{Minor: all[currency], Currency: currency})
	}
	return sums, nil
}
