package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

// ledgerEnd is what an Update that posts knows of the end of the books.
type ledgerEnd struct {
	seq, at     int64
	lastAccount int64
	accounts    map[engine.AccountKey]*account
}

// account is an account in one currency and its last balance.
type account struct{ id, balance int64 }

// Post asks once, for all that it does not know yet. What it writes waits for the next question.
func (b books) Post(batch []ledger.Posting) (added int, err error) {
	for i := range batch {
		if err := store.CheckPosting(&batch[i]); err != nil {
			return 0, err
		}
	}
	fresh, err := b.openLedger(batch)
	if err != nil || len(fresh) == 0 {
		return 0, err
	}
	after, now, err := engine.BalancesAfter(fresh, b.lastBalance)
	if err != nil {
		return 0, err
	}
	if err := b.writeAccounts(fresh, now); err != nil {
		return 0, err
	}
	if err := b.writePostings(fresh); err != nil {
		return 0, err
	}
	return len(fresh), b.writeEntries(fresh, after)
}

// openLedger reads the end of the books, the accounts of a batch, and which of its postings are there; it returns the others.
func (b books) openLedger(batch []ledger.Posting) (fresh []*ledger.Posting, err error) {
	end := b.t.ledger
	if end == nil {
		end = &ledgerEnd{accounts: map[engine.AccountKey]*account{}}
		b.t.askEach("SELECT seq, at FROM postings ORDER BY seq DESC LIMIT 1", nil, func(rows pgx.Rows) error { return rows.Scan(&end.seq, &end.at) })
		b.t.askEach("SELECT coalesce(max(id), 0) FROM accounts", nil, func(rows pgx.Rows) error { return rows.Scan(&end.lastAccount) })
	}
	found := map[engine.AccountKey]*account{}
	b.askAccounts(batch, end, found)
	there := make(map[string]bool, len(batch))
	b.t.askEach("SELECT id FROM postings WHERE id = ANY($1::bytea[])", []any{raws(batch, func(p *ledger.Posting) string { return p.ID })}, func(rows pgx.Rows) error {
		var id string
		err := rows.Scan(to(&id))
		there[id] = true
		return err
	})
	if err := b.t.flush(); err != nil {
		return nil, err
	}
	for name, a := range found {
		end.accounts[name] = a
	}
	b.t.ledger = end
	for i := range batch {
		if p := &batch[i]; !there[p.ID] {
			fresh = append(fresh, p)
			there[p.ID] = true
		}
	}
	return fresh, nil
}

// askAccounts asks for the accounts that are not known yet, each with the balance after its last entry.
func (b books) askAccounts(batch []ledger.Posting, end *ledgerEnd, found map[engine.AccountKey]*account) {
	var names, currencies [][]byte
	asked := map[engine.AccountKey]bool{}
	for i := range batch {
		for _, e := range batch[i].Entries {
			name := engine.AccountOf(e)
			if end.accounts[name] == nil && !asked[name] {
				asked[name] = true
				names, currencies = append(names, raw(name.Name)), append(currencies, raw(name.Currency))
			}
		}
	}
	if len(names) == 0 {
		return
	}
	b.t.askEach(`SELECT a.id, a.name, a.currency, coalesce((SELECT e.balance FROM entries e WHERE e.account = a.id ORDER BY e.posting DESC, e.line DESC LIMIT 1), 0)
		FROM unnest($1::bytea[], $2::bytea[]) asked (name, currency) JOIN accounts a ON a.name = asked.name AND a.currency = asked.currency`,
		[]any{names, currencies}, func(rows pgx.Rows) error {
			var name engine.AccountKey
			var a account
			err := rows.Scan(&a.id, to(&name.Name), to(&name.Currency), &a.balance)
			found[name] = &a
			return err
		})
}

// lastBalance is the balance of an account that openLedger has asked for.
func (b books) lastBalance(name engine.AccountKey) (int64, error) {
	if a := b.t.ledger.accounts[name]; a != nil {
		return a.balance, nil
	}
	return 0, nil
}

// writeAccounts opens the accounts that are not there, in the order in which the postings name them, and keeps all balances.
func (b books) writeAccounts(postings []*ledger.Posting, now map[engine.AccountKey]int64) error {
	end := b.t.ledger
	var ids []int64
	var names, currencies [][]byte
	for _, p := range postings {
		for _, e := range p.Entries {
			name := engine.AccountOf(e)
			a := end.accounts[name]
			if a == nil {
				end.lastAccount++
				a = &account{id: end.lastAccount}
				end.accounts[name] = a
				ids, names, currencies = append(ids, a.id), append(names, raw(name.Name)), append(currencies, raw(name.Currency))
			}
			a.balance = now[name]
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return b.t.write("INSERT INTO accounts (id, name, currency) SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[])", ids, names, currencies)
}

func (b books) writePostings(postings []*ledger.Posting) error {
	end := b.t.ledger
	seqs, ats := make([]int64, len(postings)), make([]int64, len(postings))
	for i, p := range postings {
		end.seq++
		end.at = max(end.at, engine.Millis(p.At))
		seqs[i], ats[i] = end.seq, end.at
	}
	column := func(text func(*ledger.Posting) string) [][]byte {
		return raws(postings, func(p **ledger.Posting) string { return text(*p) })
	}
	return b.t.write(`INSERT INTO postings (seq, id, at, why, subject, author, note, reason)
		SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[])`,
		seqs, column(func(p *ledger.Posting) string { return p.ID }), ats,
		column(func(p *ledger.Posting) string { return string(p.Why) }), column(func(p *ledger.Posting) string { return p.Subject }),
		column(func(p *ledger.Posting) string { return p.Author }), column(func(p *ledger.Posting) string { return p.Note }),
		column(func(p *ledger.Posting) string { return string(p.Reason) }))
}

// entryRows is how many entries one statement adds.
const entryRows = 5_000

func (b books) writeEntries(fresh []*ledger.Posting, after []int64) error {
	var rows [4][]int64 // posting, line, account, amount
	n := len(after)
	for i := range rows {
		rows[i] = make([]int64, 0, n)
	}
	first := b.t.ledger.seq - int64(len(fresh)) + 1
	for i, p := range fresh {
		for line, e := range p.Entries {
			a := b.t.ledger.accounts[engine.AccountOf(e)]
			rows[0], rows[1] = append(rows[0], first+int64(i)), append(rows[1], int64(line))
			rows[2], rows[3] = append(rows[2], a.id), append(rows[3], e.Amount.Minor)
		}
	}
	for from := 0; from < n; from += entryRows {
		end := min(from+entryRows, n)
		if err := b.t.write("INSERT INTO entries (posting, line, account, amount, balance) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])",
			rows[0][from:end], rows[1][from:end], rows[2][from:end], rows[3][from:end], after[from:end]); err != nil {
			return err
		}
	}
	return nil
}
