package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// transaction is one View or Update. Statements that only write wait in a batch, which is sent with the next
// question or with COMMIT: that is one round trip for all of them. An error of one is that of the
// question, and breaks the transaction like every error of the server.
type transaction struct {
	store *Store
	ctx   context.Context
	conn  *pgxpool.Conn // nil when it is over

	batch      *pgx.Batch
	batchBytes int   // of the arguments in it
	refused    error // by a callback of the batch; not the server's
	broken     error // of the server: what was written before it is gone too
	cursors    int

	// Of an Update only:
	compatibleFrom int
	counters       map[string]*counter
	ledger         *ledgerEnd
	changed        bool // the log was added to
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

// What a batch may hold before it is sent unasked.
const (
	batchStatementsMax = 500
	batchBytesMax      = 4 << 20
)

// ask adds a statement to the batch; its answer is had by flush.
func (t *transaction) ask(query string, args ...any) *pgx.QueuedQuery {
	if t.batch == nil {
		t.batch = &pgx.Batch{}
	}
	for _, arg := range args {
		t.batchBytes += argumentBytes(arg)
	}
	return t.batch.Queue(query, args...)
}

func (t *transaction) queue(query string, args ...any) { t.ask(query, args...) }

// argumentBytes is about what an argument takes.
func argumentBytes(arg any) int {
	switch arg := arg.(type) {
	case []byte:
		return len(arg)
	case [][]byte:
		n := 0
		for _, b := range arg {
			n += 24 + len(b)
		}
		return n
	case []int64:
		return 8 * len(arg)
	}
	return 16
}

// write adds a statement whose answer nobody waits for. What it is given must not be the caller's memory.
func (t *transaction) write(query string, args ...any) error {
	if err := t.usable(); err != nil {
		return err
	}
	t.queue(query, args...)
	if t.batch.Len() < batchStatementsMax && t.batchBytes < batchBytesMax {
		return nil
	}
	return t.flush()
}

// flush sends the batch and reads all its answers.
func (t *transaction) flush() error {
	batch := t.batch
	t.batch, t.batchBytes, t.refused = nil, 0, nil
	if err := t.usable(); err != nil || batch == nil {
		return err
	}
	err := t.conn.SendBatch(t.ctx, batch).Close()
	if t.refused != nil {
		return t.refused
	}
	if err != nil {
		t.broken = t.store.failureOf(t.ctx, err)
		return t.broken
	}
	return nil
}

// exec runs a statement and returns the number of rows it touched.
func (t *transaction) exec(query string, args ...any) (rows int64, err error) {
	t.ask(query, args...).Exec(func(tag pgconn.CommandTag) error {
		rows = tag.RowsAffected()
		return nil
	})
	err = t.flush()
	return rows, err
}

// one reads a single row into dest; found is false when there is none.
func (t *transaction) one(dest []any, query string, args ...any) (found bool, err error) {
	err = t.each(query, args, func(rows pgx.Rows) error {
		found = true
		return rows.Scan(dest...)
	})
	return found, err
}

// each runs fn for every row of a query. fn must not use the transaction.
func (t *transaction) each(query string, args []any, fn func(pgx.Rows) error) error {
	t.askEach(query, args, fn)
	return t.flush()
}

// askEach is each for a statement of the batch.
func (t *transaction) askEach(query string, args []any, fn func(pgx.Rows) error) {
	t.ask(query, args...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := fn(rows); err != nil {
				if rows.Err() == nil { // a Scan that fails is told by the rows
					t.refused = err
				}
				return err
			}
		}
		return rows.Err()
	})
}

// usable says why nothing can be written any more.
func (t *transaction) usable() error {
	if t.conn == nil {
		return affiliate.Errorf(affiliate.Unavailable, "the transaction on %s is over", t.store.place)
	}
	if t.broken != nil {
		return t.broken
	}
	return t.ctx.Err()
}

// next takes n numbers of a sequence and returns the first.
func (t *transaction) next(name string, n int) (first int64) {
	c := t.counters[name]
	first = c.last + 1
	c.last += int64(n)
	return first
}

// commitTimeout is how long the answer to a COMMIT is waited for.
const commitTimeout = 30 * time.Second

// commit sends what is left together with COMMIT. The context's end does not break it off
// any more: what became of it would be unknown.
func (t *transaction) commit() error {
	for name, c := range t.counters {
		if c.last != c.stored {
			t.queue("UPDATE counters SET last = $1 WHERE name = $2", c.last, name)
		}
	}
	if t.changed {
		t.queue("SELECT pg_notify($1, $2)", channel(t.store.schema), "")
	}
	var tag pgconn.CommandTag
	t.ask("COMMIT").Exec(func(answer pgconn.CommandTag) error {
		tag = answer
		return nil
	})
	if err := t.usable(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), commitTimeout)
	defer cancel()
	err := t.conn.SendBatch(ctx, t.batch).Close()
	t.batch = nil
	if err != nil {
		return t.store.commitFailure(err)
	}
	if tag.String() != "COMMIT" {
		return &store.Failure{Place: t.store.place, Err: errors.New("the change was not stored: the server answered COMMIT with " + tag.String())}
	}
	return nil
}

// endTimeout is how long the end of a transaction that stores nothing may take before
// its connection is given up, which ends it too.
const endTimeout = 2 * time.Second

// end rolls back what was not committed and gives the connection back.
func (t *transaction) end() {
	conn := t.conn
	if conn == nil {
		return
	}
	t.conn = nil
	defer conn.Release() // closes a connection that is within a transaction still
	if conn.Conn().IsClosed() || conn.Conn().PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), endTimeout)
	defer cancel()
	// Nothing is lost when this fails.
	_, _ = conn.Exec(ctx, "ROLLBACK")
}
