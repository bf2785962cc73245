package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

const messageColumns = "id, kind, target, body, not_before, attempts, last_error"

func (b books) DueMessages(now time.Time, limit int) ([]store.Message, error) {
	return b.messages(" WHERE NOT dead AND not_before <= $1 ORDER BY not_before, seq LIMIT $2", engine.Millis(now), int64(limit))
}

func (b books) DeadMessages(before string, limit int) ([]store.Message, error) {
	var w where
	w.and("dead")
	if err := b.before(&w, "messages", "seq", before); err != nil {
		return nil, err
	}
	condition := w.String() + " ORDER BY seq DESC" + w.limit(limit)
	return b.messages(condition, w.args...)
}

// messages returns the rows behind a condition.
func (b books) messages(condition string, args ...any) (found []store.Message, err error) {
	err = b.t.each("SELECT "+messageColumns+" FROM outbox"+condition, args, func(rows pgx.Rows) error {
		var m store.Message
		err := rows.Scan(to(&m.ID), to(&m.Kind), to(&m.Target), &m.Body, moment{&m.NotBefore}, &m.Attempts, to(&m.LastError))
		found = append(found, m)
		return err
	})
	return found, err
}

func (b books) Enqueue(batch []store.Message) error {
	for _, m := range batch {
		if err := b.t.write("INSERT INTO outbox ("+messageColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
			raw(m.ID), raw(m.Kind), raw(m.Target), blob(m.Body), engine.Millis(m.NotBefore), int64(m.Attempts), raw(engine.Cut(m.LastError, store.LastErrorBytesMax))); err != nil {
			return err
		}
	}
	return nil
}

func (b books) Retry(id string, notBefore time.Time, lastError string) error {
	return b.message(id, "UPDATE outbox SET attempts = attempts + 1, not_before = $2, last_error = $3 WHERE id = $1 AND NOT dead",
		engine.Millis(notBefore), raw(engine.Cut(lastError, store.LastErrorBytesMax)))
}

func (b books) Dead(id, lastError string) error {
	return b.message(id, "UPDATE outbox SET attempts = attempts + 1, dead = true, last_error = $2 WHERE id = $1 AND NOT dead",
		raw(engine.Cut(lastError, store.LastErrorBytesMax)))
}

func (b books) Replay(id string) error {
	return b.message(id, "UPDATE outbox SET attempts = 0, dead = false, not_before = 0, last_error = '' WHERE id = $1 AND dead")
}

func (b books) Done(id string) error {
	return b.message(id, "DELETE FROM outbox WHERE id = $1")
}

// message runs a statement about one message.
func (b books) message(id, statement string, args ...any) error {
	n, err := b.t.exec(statement, append([]any{raw(id)}, args...)...)
	if err == nil && n == 0 {
		err = engine.NoItem("messages", id)
	}
	return err
}
