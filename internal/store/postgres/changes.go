package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

type changes struct{ t *transaction }

const changeColumns = "seq, at, actor, kind, action, key, before, after"

func (c changes) Find(q store.ChangeQuery) (found []store.Change, err error) {
	var w where
	w.and("seq > ?", q.After)
	if q.Before > 0 {
		w.and("seq < ?", q.Before)
	}
	if q.Kind != "" {
		w.and("kind = ?", raw(q.Kind))
	}
	if q.Kind != "" && q.Key != "" {
		w.and("key = ?", raw(q.Key))
	}
	order := " ORDER BY seq"
	if q.Newest {
		order = " ORDER BY seq DESC"
	}
	query := "SELECT " + changeColumns + " FROM changes" + w.String() + order + w.limit(q.Limit)
	err = c.t.each(query, w.args, func(rows pgx.Rows) error {
		var ch store.Change
		err := rows.Scan(&ch.Seq, moment{&ch.At}, to(&ch.Actor), to(&ch.Kind), to(&ch.Action), to(&ch.Key), body{&ch.Before}, body{&ch.After})
		found = append(found, ch)
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

// appendRows is how many changes one statement adds.
const appendRows = 1000

func (c changes) Append(batch []store.Change) error {
	if len(batch) == 0 {
		return nil
	}
	seq := c.t.next("change", len(batch))
	for i := range batch {
		batch[i].Seq = seq + int64(i)
	}
	c.t.changed = true
	for from := 0; from < len(batch); from += appendRows {
		part := batch[from:min(from+appendRows, len(batch))]
		before, after := make([][]byte, len(part)), make([][]byte, len(part))
		for i := range part {
			before[i], after[i] = blob(part[i].Before), blob(part[i].After)
		}
		err := c.t.write("INSERT INTO changes ("+changeColumns+") SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[])",
			numbers(part, func(ch *store.Change) int64 { return ch.Seq }), numbers(part, func(ch *store.Change) int64 { return engine.Millis(ch.At) }),
			raws(part, func(ch *store.Change) string { return ch.Actor }), raws(part, func(ch *store.Change) string { return ch.Kind }),
			raws(part, func(ch *store.Change) string { return ch.Action }), raws(part, func(ch *store.Change) string { return ch.Key }), before, after)
		if err != nil {
			return err
		}
	}
	return nil
}
