package sqlite

import (
	"context"
	"database/sql"

	"github.com/sluicehq/sluice/internal/store"
)

// transaction is one View or Update.
type transaction struct {
	store *Store
	ctx   context.Context
	sql   *sql.Tx

	// Of an Update only:
	prepared map[string]*sql.Stmt
	counters map[string]*counter
	written  int // rows of links, changes and books
	ledger   *ledgerEnd
}

// counter is a sequence in use; it is written back at the end.
type counter struct{ last, stored int64 }

type reader struct{ t *transaction }

func (r reader) Documents() store.DocumentReader { return documents(r) }
func (r reader) Links() store.LinkReader         { return links(r) }
func (r reader) Changes() store.ChangeReader     { return changes(r) }
func (r reader) Books() store.BooksReader        { return books(r) }

type writer struct{ t *transaction }

func (w writer) Documents() store.Documents { return documents(w) }
func (w writer) Links() store.Links         { return links(w) }
func (w writer) Changes() store.Changes     { return changes(w) }
func (w writer) Books() store.Books         { return books(w) }

// statement returns the prepared form of a query; an Update prepares each once.
func (t *transaction) statement(query string) (*sql.Stmt, error) {
	if stmt := t.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := t.sql.Prepare(query)
	if err == nil && t.prepared != nil {
		t.prepared[query] = stmt
	}
	return stmt, err
}

// exec runs a statement that writes and returns the number of rows it touched.
func (t *transaction) exec(query string, args ...any) (int64, error) {
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	stmt, err := t.statement(query)
	if err != nil {
		return 0, t.store.failure(err)
	}
	result, err := stmt.Exec(args...)
	if err != nil {
		return 0, t.store.failure(err)
	}
	n, err := result.RowsAffected()
	return n, t.store.failure(err)
}

// query runs a statement that reads. A View's is interrupted when its context ends.
func (t *transaction) query(query string, args ...any) (*sql.Rows, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	if t.prepared == nil {
		rows, err := t.sql.QueryContext(t.ctx, query, args...)
		return rows, t.store.failure(err)
	}
	stmt, err := t.statement(query)
	if err != nil {
		return nil, t.store.failure(err)
	}
	rows, err := stmt.Query(args...)
	return rows, t.store.failure(err)
}

// one reads a single row into dest; found is false when there is none.
func (t *transaction) one(dest []any, query string, args ...any) (found bool, err error) {
	err = t.each(query, args, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(dest...)
	})
	return found, err
}

// each runs fn for every row of a query.
func (t *transaction) each(query string, args []any, fn func(*sql.Rows) error) (err error) {
	rows, err := t.query(query, args...)
	if err != nil {
		return err
	}
	defer func() {
		if closing := rows.Close(); err == nil {
			err = t.store.failure(closing)
		}
	}()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	if err := t.ctx.Err(); err != nil {
		return err
	}
	return t.store.failure(rows.Err())
}

// next takes n numbers of a sequence and returns the first.
func (t *transaction) next(name string, n int) (first int64, err error) {
	c := t.counters[name]
	if c == nil {
		c = &counter{}
		if _, err := t.one([]any{&c.last}, "SELECT last FROM counters WHERE name = ?", name); err != nil {
			return 0, err
		}
		c.stored = c.last
		if t.counters == nil {
			t.counters = map[string]*counter{}
		}
		t.counters[name] = c
	}
	first = c.last + 1
	c.last += int64(n)
	return first, nil
}

// finish writes what is kept in memory until the end.
func (t *transaction) finish() error {
	if t.ledger != nil && t.ledger.broken != nil {
		return t.ledger.broken
	}
	for name, c := range t.counters {
		if c.last == c.stored {
			continue
		}
		if _, err := t.exec("UPDATE counters SET last = ? WHERE name = ?", c.last, name); err != nil {
			return err
		}
	}
	return t.ctx.Err()
}
