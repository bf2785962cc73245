package sqlite

import (
	"database/sql"
	"encoding/json"

	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

type changes struct{ t *transaction }

const (
	changeColumns = "seq, at, actor, kind, action, key, before, after"
	changeRow     = "(?, ?, ?, ?, ?, ?, ?, ?)"
)

func (c changes) Find(q store.ChangeQuery) (found []store.Change, err error) {
	var w where
	w.and("seq > ?", q.After)
	if q.Before > 0 {
		w.and("seq < ?", q.Before)
	}
	if q.Kind != "" {
		w.and("kind = ?", q.Kind)
	}
	if q.Kind != "" && q.Key != "" {
		w.and("key = ?", q.Key)
	}
	order := " ORDER BY seq LIMIT ?"
	if q.Newest {
		order = " ORDER BY seq DESC LIMIT ?"
	}
	err = c.t.each("SELECT "+changeColumns+" FROM changes"+w.String()+order, append(w.args, q.Limit), func(rows *sql.Rows) error {
		var change store.Change
		var at int64
		err := rows.Scan(&change.Seq, &at, &change.Actor, &change.Kind, &change.Action, &change.Key,
			(*[]byte)(&change.Before), (*[]byte)(&change.After))
		change.At = engine.Instant(at)
		found = append(found, change)
		return err
	})
	return found, err
}

func (c changes) Last() (last int64, err error) {
	if n := c.t.counters["change"]; n != nil {
		return n.last, nil
	}
	_, err = c.t.one([]any{&last}, "SELECT last FROM counters WHERE name = 'change'")
	return last, err
}

func (c changes) Append(batch []store.Change) error {
	seq, err := c.t.next("change", len(batch))
	if err != nil {
		return err
	}
	for i := range batch {
		batch[i].Seq = seq + int64(i)
	}
	c.t.written += len(batch)
	return inChunks(len(batch), func(from, to int) error {
		args := make([]any, 0, 8*(to-from))
		for _, ch := range batch[from:to] {
			args = append(args, ch.Seq, ch.At.UnixMilli(), ch.Actor, ch.Kind, ch.Action, ch.Key, blob(ch.Before), blob(ch.After))
		}
		_, err := c.t.exec("INSERT OR FAIL INTO changes ("+changeColumns+") VALUES "+rowsOf(changeRow, to-from), args...)
		return err
	})
}

// blob is NULL for an empty document.
func blob(b json.RawMessage) any {
	if len(b) == 0 {
		return nil
	}
	return []byte(b)
}
