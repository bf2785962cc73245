package postgres

import (
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

// balanceOfRow is the balance of account a, of the query around it, after the posting $1.
const balanceOfRow = "SELECT e.balance FROM entries e WHERE e.account = a.id AND e.posting <= $1 ORDER BY e.posting DESC, e.line DESC LIMIT 1"

// lastUntil is the number of the last posting dated at or before a moment.
func (b books) lastUntil(at time.Time) (seq int64, err error) {
	if at.IsZero() {
		return math.MaxInt64, nil
	}
	_, err = b.t.one([]any{&seq}, "SELECT seq FROM postings WHERE at <= $1 ORDER BY at DESC, seq DESC LIMIT 1", engine.Millis(at))
	return seq, err
}

func (b books) Balance(name ledger.Account, at time.Time) (held []affiliate.Money, err error) {
	balances, err := b.balances(at, func(w *where) { w.and("a.name = ?", raw(name)) })
	for _, balance := range balances {
		held = append(held, balance.Money)
	}
	return held, err
}

func (b books) Balances(prefix string, at time.Time) ([]store.Balance, error) {
	return b.balances(at, func(w *where) { w.startsWith("a.name", prefix) })
}

func (b books) balances(at time.Time, which func(*where)) (balances []store.Balance, err error) {
	last, err := b.lastUntil(at)
	if err != nil {
		return nil, err
	}
	w := where{args: []any{last}}
	which(&w)
	query := "SELECT a.name, a.currency, (" + balanceOfRow + ") FROM accounts a" + w.String() + " ORDER BY a.name, a.currency"
	err = b.t.each(query, w.args, func(rows pgx.Rows) error {
		var balance store.Balance
		var minor *int64
		err := rows.Scan(to(&balance.Account), to(&balance.Currency), &minor)
		if minor != nil {
			balance.Minor = *minor
			balances = append(balances, balance)
		}
		return err
	})
	return balances, err
}

func (b books) SubjectBalances(subject string) (map[ledger.Account]affiliate.Money, error) {
	sums := engine.SubjectSums{}
	err := b.t.each(`SELECT a.name, a.currency, sum(e.amount)::bigint FROM postings p JOIN entries e ON e.posting = p.seq
		JOIN accounts a ON a.id = e.account WHERE p.subject = $1 GROUP BY a.name, a.currency`, []any{raw(subject)}, func(rows pgx.Rows) error {
		var name ledger.Account
		var sum affiliate.Money
		if err := rows.Scan(to(&name), to(&sum.Currency), &sum.Minor); err != nil {
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
	if err != nil || len(seqs) == 0 {
		return nil, err
	}
	postings := make([]ledger.Posting, len(seqs))
	place := make(map[int64]*ledger.Posting, len(seqs))
	for i, seq := range seqs {
		place[seq] = &postings[i]
	}
	err = b.t.each(`SELECT p.seq, p.id, p.at, p.why, p.subject, p.author, p.note, p.reason, a.name, a.currency, e.amount
		FROM postings p JOIN entries e ON e.posting = p.seq JOIN accounts a ON a.id = e.account
		WHERE p.seq = ANY($1::bigint[]) ORDER BY p.seq, e.line`, []any{seqs}, func(rows pgx.Rows) error {
		var seq int64
		var read ledger.Posting
		var e ledger.Entry
		if err := rows.Scan(&seq, to(&read.ID), moment{&read.At}, to(&read.Why), to(&read.Subject), to(&read.Author), to(&read.Note), to(&read.Reason),
			to(&e.Account), to(&e.Amount.Currency), &e.Amount.Minor); err != nil {
			return err
		}
		p := place[seq]
		read.Entries = append(p.Entries, e)
		*p = read
		return nil
	})
	return postings, err
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
		w.and("p.subject = ?", raw(q.Subject))
	}
	if q.Account != "" {
		w.and("EXISTS (SELECT 1 FROM entries e JOIN accounts a ON a.id = e.account WHERE e.posting = p.seq AND a.name = ?)", raw(q.Account))
	}
	query := "SELECT p.seq FROM postings p" + w.String() + " ORDER BY p.seq DESC" + w.limit(q.Limit)
	return b.numbers(query, w.args...)
}

// accountPostings walks the index of each currency of the account on its own, so that
// it reads no more than Limit entries or so of each.
func (b books) accountPostings(q store.PostingQuery) (seqs []int64, err error) {
	accounts, err := b.numbers("SELECT id FROM accounts WHERE name = $1", raw(q.Account))
	if err != nil {
		return nil, err
	}
	for _, id := range accounts {
		var w where
		w.and("e.account = ?", id)
		if err := b.before(&w, "postings", "e.posting", q.Before); err != nil {
			return nil, err
		}
		query := "SELECT DISTINCT e.posting FROM entries e" + w.String() + " ORDER BY e.posting DESC" + w.limit(q.Limit)
		more, err := b.numbers(query, w.args...)
		if err != nil {
			return nil, err
		}
		seqs = append(seqs, more...)
	}
	return engine.Newest(seqs, q.Limit), nil
}

func (b books) numbers(query string, args ...any) (numbers []int64, err error) {
	err = b.t.each(query, args, func(rows pgx.Rows) error {
		var n int64
		err := rows.Scan(&n)
		numbers = append(numbers, n)
		return err
	})
	return numbers, err
}

func (b books) Trial() (sums []affiliate.Money, err error) {
	err = b.t.each("SELECT currency, coalesce(sum(balance), 0)::bigint FROM (SELECT a.currency, ("+balanceOfRow+") AS balance FROM accounts a) b GROUP BY currency ORDER BY currency",
		[]any{int64(math.MaxInt64)}, func(rows pgx.Rows) error {
			var sum affiliate.Money
			err := rows.Scan(to(&sum.Currency), &sum.Minor)
			sums = append(sums, sum)
			return err
		})
	return sums, err
}
