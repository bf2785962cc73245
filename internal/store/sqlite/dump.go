package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/sluicehq/sluice/internal/store"
)

// dumped says where the items of a group are when that is no table of its name.
var dumped = map[string]string{
	"links":    "links LEFT JOIN link_bodies USING (id)",
	"messages": "outbox",
}

var linksGroup = store.GroupNamed("links")

func tableOf(group string) string {
	if from, ok := dumped[group]; ok {
		return from
	}
	return group
}

// Counts counts the items of each group.
func (s *Store) Counts(ctx context.Context) (counts []int64, err error) {
	err = s.read(ctx, func(t *transaction) error {
		for i := range store.Groups {
			table, _, _ := strings.Cut(tableOf(store.Groups[i].Name), " ")
			var n int64
			if _, err := t.one([]any{&n}, "SELECT count(*) FROM "+table); err != nil {
				return err
			}
			counts = append(counts, n)
		}
		return nil
	})
	return counts, err
}

// Dump reads one group after the other along the index of its key.
func (s *Store) Dump(ctx context.Context, from store.Mark, fn func(*store.Item) error) error {
	first, err := from.First()
	if err != nil {
		return err
	}
	return s.read(ctx, func(t *transaction) error {
		for i := first; i < len(store.Groups); i++ {
			if err := t.dump(i, from.Key, fn); err != nil {
				return err
			}
			from.Key = nil
		}
		return nil
	})
}

// read is View for what is below the contract's nouns.
func (s *Store) read(ctx context.Context, fn func(*transaction) error) error {
	return s.View(ctx, func(r store.Reader) error { return fn(r.(reader).t) })
}

// dump reads a group behind a key, or all of it.
func (t *transaction) dump(number int, after []store.Value, fn func(*store.Item) error) error {
	g := &store.Groups[number]
	item := store.Item{Group: number, Values: make([]store.Value, len(g.Fields))}
	names, to := g.Names(), make([]any, len(g.Fields))
	texts := make([]sql.RawBytes, len(g.Fields))
	for i, f := range g.Fields {
		if to[i] = &texts[i]; f.Number {
			to[i] = &item.Values[i].Number
		}
	}
	key := strings.Join(names[:g.Key], ", ")
	query, args := "SELECT "+strings.Join(names, ", ")+" FROM "+tableOf(g.Name), []any{}
	if after != nil {
		query += " WHERE (" + key + ") > (" + strings.TrimSuffix(strings.Repeat("?, ", g.Key), ", ") + ")"
		for i, v := range after {
			if g.Fields[i].Number {
				args = append(args, v.Number)
			} else {
				args = append(args, string(v.Text)) // bytes would be compared as a blob, which is above all texts
			}
		}
	}
	return t.each(query+" ORDER BY "+key, args, func(rows *sql.Rows) error {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		for i, f := range g.Fields {
			if !f.Number {
				item.Values[i].Text = texts[i]
			}
		}
		if number == linksGroup && len(texts[len(texts)-1]) == 0 {
			return &store.Failure{Place: t.store.path, Hint: "restore a backup", Err: fmt.Errorf("%w: the link with %s has no document", store.ErrCorrupt, item.String())}
		}
		return fn(&item)
	})
}

var _ store.Dumper = (*Store)(nil)
