package sqlite

import (
	"database/sql"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

type documents struct{ t *transaction }

func (d documents) Get(kind store.Kind, key string) (doc store.Document, err error) {
	var expires int64
	found, err := d.t.one([]any{&doc.Body, &expires}, "SELECT body, expires FROM documents WHERE kind = ? AND key = ?", kind, key)
	if err != nil {
		return store.Document{}, err
	}
	if !found {
		return store.Document{}, noDocument(kind, key)
	}
	doc.Key, doc.Expires = key, instant(expires)
	return doc, nil
}

func (d documents) List(kind store.Kind, prefix string) (docs []store.Document, err error) {
	query, args := "SELECT key, body, expires FROM documents WHERE kind = ? AND key >= ?", []any{kind, prefix}
	if end := afterPrefix(prefix); end != "" {
		query, args = query+" AND key < ?", append(args, end)
	}
	err = d.t.each(query+" ORDER BY key", args, func(rows *sql.Rows) error {
		var doc store.Document
		var expires int64
		if err := rows.Scan(&doc.Key, &doc.Body, &expires); err != nil {
			return err
		}
		doc.Expires = instant(expires)
		docs = append(docs, doc)
		return nil
	})
	return docs, err
}

func (d documents) Put(kind store.Kind, doc store.Document) error {
	expires := int64(0)
	if !doc.Expires.IsZero() {
		expires = doc.Expires.UnixMilli()
	}
	_, err := d.t.exec("INSERT OR REPLACE INTO documents (kind, key, body, expires) VALUES (?, ?, ?, ?)",
		kind, doc.Key, []byte(doc.Body), expires)
	return err
}

func (d documents) Delete(kind store.Kind, key string) error {
	n, err := d.t.exec("DELETE FROM documents WHERE kind = ? AND key = ?", kind, key)
	if err == nil && n == 0 {
		return noDocument(kind, key)
	}
	return err
}

func (d documents) Sweep(now time.Time) (removed int64, err error) {
	return d.t.exec("DELETE FROM documents WHERE expires > 0 AND expires <= ?", now.UnixMilli())
}

func noDocument(kind store.Kind, key string) error {
	return affiliate.Errorf(affiliate.NotFound, "there is no %s %q", kind, key)
}

// instant is the time of a Unix millisecond, zero for 0.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// afterPrefix is the smallest text above everything that starts with prefix, ""
// when there is none.
func afterPrefix(prefix string) string {
	b := []byte(prefix)
	for len(b) > 0 {
		if b[len(b)-1] < 0xff {
			b[len(b)-1]++
			return string(b)
		}
		b = b[:len(b)-1]
	}
	return ""
}
