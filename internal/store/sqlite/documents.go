package sqlite

import (
	"database/sql"
	"time"

	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

type documents struct{ t *transaction }

func (d documents) Get(kind store.Kind, key string) (doc store.Document, err error) {
	var expires int64
	found, err := d.t.one([]any{&doc.Body, &expires}, "SELECT body, expires FROM documents WHERE kind = ? AND key = ?", kind, key)
	if err != nil {
		return store.Document{}, err
	}
	if !found {
		return store.Document{}, engine.NoDocument(kind, key)
	}
	doc.Key, doc.Expires = key, engine.Instant(expires)
	return doc, nil
}

func (d documents) List(kind store.Kind, prefix string) (docs []store.Document, err error) {
	query, args := "SELECT key, body, expires FROM documents WHERE kind = ? AND key >= ?", []any{kind, prefix}
	if end := engine.PrefixEnd(prefix); end != "" {
		query, args = query+" AND key < ?", append(args, end)
	}
	err = d.t.each(query+" ORDER BY key", args, func(rows *sql.Rows) error {
		var doc store.Document
		var expires int64
		if err := rows.Scan(&doc.Key, &doc.Body, &expires); err != nil {
			return err
		}
		doc.Expires = engine.Instant(expires)
		docs = append(docs, doc)
		return nil
	})
	return docs, err
}

func (d documents) Put(kind store.Kind, doc store.Document) error {
	_, err := d.t.exec("INSERT OR REPLACE INTO documents (kind, key, body, expires) VALUES (?, ?, ?, ?)",
		kind, doc.Key, []byte(doc.Body), engine.Millis(doc.Expires))
	return err
}

func (d documents) Delete(kind store.Kind, key string) error {
	n, err := d.t.exec("DELETE FROM documents WHERE kind = ? AND key = ?", kind, key)
	if err == nil && n == 0 {
		return engine.NoDocument(kind, key)
	}
	return err
}

func (d documents) Sweep(now time.Time) (removed int64, err error) {
	return d.t.exec("DELETE FROM documents WHERE expires > 0 AND expires <= ?", now.UnixMilli())
}
