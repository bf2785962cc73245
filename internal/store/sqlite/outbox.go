package sqlite

import (
	"database/sql"
	"time"

	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

const messageColumns = "id, kind, target, body, not_before, attempts, last_error"

func (b books) DueMessages(now time.Time, limit int) ([]store.Message, error) {
	return b.messages(" WHERE dead = 0 AND not_before <= ? ORDER BY not_before, seq LIMIT ?", engine.Millis(now), limit)
}

func (b books) DeadMessages(before string, limit int) ([]store.Message, error) {
	var w where
	w.and("dead = 1")
	if err := b.before(&w, "messages", "seq", before); err != nil {
		return nil, err
	}
	return b.messages(w.String()+" ORDER BY seq DESC LIMIT ?", append(w.args, limit)...)
}

// messages returns the rows behind a condition.
func (b books) messages(condition string, args ...any) (found []store.Message, err error) {
	err = b.t.each("SELECT "+messageColumns+" FROM outbox"+condition, args, func(rows *sql.Rows) error {
		var m store.Message
		err := rows.Scan(&m.ID, &m.Kind, &m.Target, &m.Body, moment{&m.NotBefore}, &m.Attempts, &m.LastError)
		found = append(found, m)
		return err
	})
	return found, err
}

func (b books) Enqueue(batch []store.Message) error {
	for _, m := range batch {
		if _, err := b.t.exec("INSERT OR IGNORE INTO outbox ("+messageColumns+") VALUES (?, ?, ?, ?, ?, ?, ?)",
			m.ID, m.Kind, m.Target, blob(m.Body), engine.Millis(m.NotBefore), m.Attempts, engine.Cut(m.LastError, store.LastErrorBytesMax)); err != nil {
			return err
		}
	}
	b.t.written += len(batch)
	return nil
}

func (b books) Retry(id string, notBefore time.Time, lastError string) error {
	return b.message(id, "UPDATE outbox SET attempts = attempts + 1, not_before = ?, last_error = ? WHERE id = ? AND dead = 0",
		engine.Millis(notBefore), engine.Cut(lastError, store.LastErrorBytesMax), id)
}

func (b books) Dead(id, lastError string) error {
	return b.message(id, "UPDATE outbox SET attempts = attempts + 1, dead = 1, last_error = ? WHERE id = ? AND dead = 0",
		engine.Cut(lastError, store.LastErrorBytesMax), id)
}

func (b books) Replay(id string) error {
	return b.message(id, "UPDATE outbox SET attempts = 0, dead = 0, not_before = 0, last_error = '' WHERE id = ? AND dead = 1", id)
}

func (b books) Done(id string) error {
	return b.message(id, "DELETE FROM outbox WHERE id = ?", id)
}

// message runs a statement about one message.
func (b books) message(id, statement string, args ...any) error {
	n, err := b.t.exec(statement, args...)
	if err == nil && n == 0 {
		err = engine.NoItem("messages", id)
	}
	return err
}
