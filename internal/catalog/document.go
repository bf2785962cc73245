package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// encode writes a document as it is stored. URLs stay readable: nothing is
// escaped for HTML.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("BUG: a %T cannot be written as JSON: %v", v, err))
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// read decodes the document of a key into v, or returns NotFound.
func read(d store.DocumentReader, kind store.Kind, key string, v any) error {
	doc, err := d.Get(kind, key)
	if err != nil {
		return err
	}
	return decode(kind, doc, v)
}

func decode(kind store.Kind, doc store.Document, v any) error {
	if err := json.Unmarshal(doc.Body, v); err != nil {
		return fmt.Errorf("the stored document of the %s %q cannot be read: %w", kind, doc.Key, err)
	}
	return nil
}

// each decodes the documents of a kind one after the other; fn may be nil.
func each[T any](d store.DocumentReader, kind store.Kind, fn func(T) error) error {
	if fn == nil {
		return nil
	}
	docs, err := d.List(kind, "")
	if err != nil {
		return err
	}
	for _, doc := range docs {
		var v T
		if err := decode(kind, doc, &v); err != nil {
			return err
		}
		if err := fn(v); err != nil {
			return err
		}
	}
	return nil
}

func (c *Catalog) get(ctx context.Context, kind store.Kind, key string, v any) error {
	return c.store.View(ctx, func(r store.Reader) error { return read(r.Documents(), kind, key, v) })
}

// all returns the documents of a kind whose key starts with prefix.
func all[T any](ctx context.Context, c *Catalog, kind store.Kind, prefix string) (values []T, err error) {
	err = c.store.View(ctx, func(r store.Reader) error {
		docs, err := r.Documents().List(kind, prefix)
		values = make([]T, len(docs))
		for i := range docs {
			if err := decode(kind, docs[i], &values[i]); err != nil {
				return err
			}
		}
		return err
	})
	return values, err
}

// invalid is an error about one field.
func invalid(message, field, format string, args ...any) error {
	return &affiliate.Error{Code: affiliate.Invalid, Message: message,
		Faults: []affiliate.Fault{{Field: field, Message: fmt.Sprintf(format, args...)}}}
}
