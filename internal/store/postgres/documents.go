package postgres

import (
	"bytes"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

type documents struct{ t *transaction }

func (d documents) Get(kind store.Kind, key string) (doc store.Document, err error) {
	found, err := d.t.one([]any{body{&doc.Body}, moment{&doc.Expires}}, "SELECT body, expires FROM documents WHERE kind = $1 AND key = $2", raw(kind), raw(key))
	if err != nil {
		return store.Document{}, err
	}
	if !found {
		return store.Document{}, engine.NoDocument(kind, key)
	}
	doc.Key = key
	return doc, nil
}

func (d documents) List(kind store.Kind, prefix string) (docs []store.Document, err error) {
	var w where
	w.and("kind = ?", raw(kind))
	w.startsWith("key", prefix)
	err = d.t.each("SELECT key, body, expires FROM documents"+w.String()+" ORDER BY key", w.args, func(rows pgx.Rows) error {
		var doc store.Document
		err := rows.Scan(to(&doc.Key), body{&doc.Body}, moment{&doc.Expires})
		docs = append(docs, doc)
		return err
	})
	return docs, err
}

func (d documents) Put(kind store.Kind, doc store.Document) error {
	return d.t.write("INSERT INTO documents (kind, key, body, expires) VALUES ($1, $2, $3, $4) ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body, expires = excluded.expires",
		raw(kind), raw(doc.Key), append([]byte{}, bytes.Clone(doc.Body)...), engine.Millis(doc.Expires))
}

func (d documents) Delete(kind store.Kind, key string) error {
	n, err := d.t.exec("DELETE FROM documents WHERE kind = $1 AND key = $2", raw(kind), raw(key))
	if err == nil && n == 0 {
		return engine.NoDocument(kind, key)
	}
	return err
}

func (d documents) Sweep(now time.Time) (removed int64, err error) {
	return d.t.exec("DELETE FROM documents WHERE expires > 0 AND expires <= $1", now.UnixMilli())
}
