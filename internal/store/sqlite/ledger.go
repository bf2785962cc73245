package sqlite

import (
	"database/sql"
	"math"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

// ledgerEnd is what an Update that posts knows of the end of the books.
type ledgerEnd struct {
	seq, at  int64
	accounts map[engine.AccountKey]*account
	// broken is why a posting was written in part. It ends the Update even when its
	// function thinks nothing of the error: half a posting could never be taken back.
	broken error
}

// account is an account in one currency and its last balance.
type account struct{ id, balance int64 }

const entryRow = "(?, ?, ?, ?, ?)"

func (b books) Post(batch []ledger.Posting) (added int, err error) {
	fresh, err := b.fresh(batch)
	if err != nil || len(fresh) == 0 {
		return 0, err
	}
	if err := b.openLedger(); err != nil {
		return 0, err
	}
	balances, _, err := engine.BalancesAfter(fresh, b.lastBalance)
	if err != nil {
		return 0, err
	}
	for _, p := range fresh {
		if err := b.post(p, balances[:len(p.Entries)]); err != nil {
			b.t.ledger.broken = err
			return 0, err
		}
		balances = balances[len(p.Entries):]
	}
	return len(fresh), nil
}

// fresh checks a batch and returns the postings that are not there yet.
func (b books) fresh(batch []ledger.Posting) (fresh []*ledger.Posting, err error) {
	met := make(map[string]bool, len(batch))
	for i := range batch {
		p := &batch[i]
		if err := store.CheckPosting(p); err != nil {
			return nil, err
		}
		var seq int64
		there, err := b.t.one([]any{&seq}, "SELECT seq FROM postings WHERE id = ?", p.ID)
		if err != nil {
			return nil, err
		}
		if !there && !met[p.ID] {
			fresh = append(fresh, p)
		}
		met[p.ID] = true
	}
	return fresh, nil
}

func (b books) openLedger() error {
	if b.t.ledger != nil {
		return nil
	}
	end := &ledgerEnd{accounts: map[engine.AccountKey]*account{}}
	if _, err := b.t.one([]any{&end.seq, &end.at}, "SELECT seq, at FROM postings ORDER BY seq DESC LIMIT 1"); err != nil {
		return err
	}
	b.t.ledger = end
	return nil
}

// lastBalance opens an account when it is not there; one that then stays empty does no harm.
func (b books) lastBalance(name engine.AccountKey) (int64, error) {
	a, err := b.account(name)
	if err != nil {
		return 0, err
	}
	return a.balance, nil
}

// account finds an account in one currency, or opens it.
func (b books) account(name engine.AccountKey) (*account, error) {
	a := b.t.ledger.accounts[name]
	if a != nil {
		return a, nil
	}
	a = &account{}
	found, err := b.t.one([]any{&a.id}, "SELECT id FROM accounts WHERE name = ? AND currency = ?", name.Name, name.Currency)
	if err != nil {
		return nil, err
	}
	if !found {
		if _, err := b.t.exec("INSERT INTO accounts (name, currency) VALUES (?, ?)", name.Name, name.Currency); err != nil {
			return nil, err
		}
		if _, err := b.t.one([]any{&a.id}, "SELECT id FROM accounts WHERE name = ? AND currency = ?", name.Name, name.Currency); err != nil {
			return nil, err
		}
	}
	_, err = b.t.one([]any{&a.balance}, "SELECT balance FROM entries WHERE account = ? ORDER BY posting DESC, line DESC LIMIT 1", a.id)
	if err == nil {
		b.t.ledger.accounts[name] = a
	}
	return a, err
}

func (b books) post(p *ledger.Posting, balances []int64) error {
	end := b.t.ledger
	end.seq++
	end.at = max(end.at, engine.Millis(p.At))
	b.t.written += 1 + len(p.Entries)
	if _, err := b.t.exec("INSERT INTO postings (seq, id, at, why, subject, author, note, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		end.seq, p.ID, end.at, p.Why, p.Subject, p.Author, p.Note, p.Reason); err != nil {
		return err
	}
	return inChunks(len(p.Entries), func(from, to int) error {
		args := make([]any, 0, 5*(to-from))
		for line, e := range p.Entries[from:to] {
			a := end.accounts[engine.AccountOf(e)]
			a.balance = balances[from+line]
			args = append(args, end.seq, from+line, a.id, e.Amount.Minor, a.balance)
		}
		_, err := b.t.exec("INSERT OR FAIL INTO entries (posting, line, account, amount, balance) VALUES "+rowsOf(entryRow, to-from), args...)
		return err
	})
}

// lastUntil is the number of the last posting dated at or before a moment.
func (b books) lastUntil(at time.Time) (seq int64, err error) {
	if at.IsZero() {
		return math.MaxInt64, nil
	}
	_, err = b.t.one([]any{&seq}, "SELECT seq FROM postings WHERE at <= ? ORDER BY at DESC, seq DESC LIMIT 1", engine.Millis(at))
	return seq, err
}

func (b books) Balance(name ledger.Account, at time.Time) (held []affiliate.Money, err error) {
	balances, err := b.balances(" WHERE a.name = ?", at, name)
	for _, balance := range balances {
		held = append(held, balance.Money)
	}
	return held, err
}

func (b books) Balances(prefix string, at time.Time) ([]store.Balance, error) {
	if end := engine.PrefixEnd(prefix); end != "" {
		return b.balances(" WHERE a.name >= ? AND a.name < ?", at, prefix, end)
	}
	return b.balances(" WHERE a.name >= ?", at, prefix)
}

func (b books) balances(condition string, at time.Time, args ...any) (balances []store.Balance, err error) {
	last, err := b.lastUntil(at)
	if err != nil {
		return nil, err
	}
	query := "SELECT a.name, a.currency, (" + balanceOfRow + ") FROM accounts a" + condition + " ORDER BY a.name, a.currency"
	err = b.t.each(query, append([]any{last}, args...), func(rows *sql.Rows) error {
		var balance store.Balance
		var minor sql.NullInt64
		err := rows.Scan(&balance.Account, &balance.Currency, &minor)
		if balance.Minor = minor.Int64; minor.Valid {
			balances = append(balances, balance)
		}
		return err
	})
	return balances, err
}

// balanceOfRow is the balance of account a, of the query around it, after a posting.
const balanceOfRow = "SELECT e.balance FROM entries e WHERE e.account = a.id AND e.posting <= ? ORDER BY e.posting DESC, e.line DESC LIMIT 1"

func (b books) SubjectBalances(subject string) (map[ledger.Account]affiliate.Money, error) {
	sums := engine.SubjectSums{}
	err := b.t.each(`SELECT a.name, a.currency, sum(e.amount) FROM postings p CROSS JOIN entries e ON e.posting = p.seq
		CROSS JOIN accounts a ON a.id = e.account WHERE p.subject = ? GROUP BY a.name, a.currency`, []any{subject}, func(rows *sql.Rows) error {
		var name ledger.Account
		var sum affiliate.Money
		if err := rows.Scan(&name, &sum.Currency, &sum.Minor); err != nil {
			return err
		}
		return sums.Add(subject, name, sum)
	})
	if err != nil {
		return nil, err
	}
	return sums, nil
}

func (b books) Postings(q store.PostingQuery) ([]ledger.Posting, error) {
	seqs, err := b.postingNumbers(q)
	if err != nil {
		return nil, err
	}
	postings := make([]ledger.Posting, len(seqs))
	for i, seq := range seqs {
		if err := b.posting(seq, &postings[i]); err != nil {
			return nil, err
		}
	}
	return postings, nil
}

// postingNumbers are the numbers of the chosen postings, downwards.
func (b books) postingNumbers(q store.PostingQuery) ([]int64, error) {
	var w where
	if err := b.before(&w, "postings", "p.seq", q.Before); err != nil {
		return nil, err
	}
	if q.Subject == "" && q.Account != "" {
		return b.accountPostings(q)
	}
	if q.Subject != "" {
		w.and("p.subject = ?", q.Subject)
	}
	if q.Account != "" {
		w.and("EXISTS (SELECT 1 FROM entries e CROSS JOIN accounts a ON a.id = e.account WHERE e.posting = p.seq AND a.name = ?)", q.Account)
	}
	return b.numbers("SELECT p.seq FROM postings p"+w.String()+" ORDER BY p.seq DESC LIMIT ?", append(w.args, q.Limit)...)
}

// accountPostings walks the index of each currency of the account on its own, so that
// it reads no more than Limit entries or so of each.
func (b books) accountPostings(q store.PostingQuery) (seqs []int64, err error) {
	accounts, err := b.numbers("SELECT id FROM accounts WHERE name = ?", q.Account)
	if err != nil {
		return nil, err
	}
	for _, id := range accounts {
		var w where
		w.and("e.account = ?", id)
		if err := b.before(&w, "postings", "e.posting", q.Before); err != nil {
			return nil, err
		}
		more, err := b.numbers("SELECT DISTINCT e.posting FROM entries e"+w.String()+" ORDER BY e.posting DESC LIMIT ?", append(w.args, q.Limit)...)
		if err != nil {
			return nil, err
		}
		seqs = append(seqs, more...)
	}
	return engine.Newest(seqs, q.Limit), nil
}

func (b books) numbers(query string, args ...any) (numbers []int64, err error) {
	err = b.t.each(query, args, func(rows *sql.Rows) error {
		var n int64
		err := rows.Scan(&n)
		numbers = append(numbers, n)
		return err
	})
	return numbers, err
}

func (b books) posting(seq int64, p *ledger.Posting) error {
	return b.t.each(`SELECT p.id, p.at, p.why, p.subject, p.author, p.note, p.reason, a.name, a.currency, e.amount
		FROM postings p CROSS JOIN entries e ON e.posting = p.seq CROSS JOIN accounts a ON a.id = e.account
		WHERE p.seq = ? ORDER BY e.line`, []any{seq}, func(rows *sql.Rows) error {
		var e ledger.Entry
		err := rows.Scan(&p.ID, moment{&p.At}, &p.Why, &p.Subject, &p.Author, &p.Note, &p.Reason, &e.Account, &e.Amount.Currency, &e.Amount.Minor)
		p.Entries = append(p.Entries, e)
		return err
	})
}

func (b books) Trial() (sums []affiliate.Money, err error) {
	err = b.t.each("SELECT currency, coalesce(sum(balance), 0) FROM (SELECT a.currency, ("+balanceOfRow+") AS balance FROM accounts a) GROUP BY currency ORDER BY currency",
		[]any{int64(math.MaxInt64)}, func(rows *sql.Rows) error {
			var sum affiliate.Money
			err := rows.Scan(&sum.Currency, &sum.Minor)
			sums = append(sums, sum)
			return err
		})
	return sums, err
}
