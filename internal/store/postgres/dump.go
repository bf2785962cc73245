package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sluicehq/sluice/internal/store"
)

// tableOf is the table of a group's items.
func tableOf(group string) string {
	if group == "messages" {
		return "outbox"
	}
	return group
}

// isFlag says whether a number is a yes or no.
func isFlag(g *store.Group, f *store.Field) bool {
	return g.Name == "conversions" && f.Name == "flagged" || g.Name == "messages" && f.Name == "dead"
}

// expressions read a group's columns as the contract has them.
func expressions(g *store.Group) []string {
	names := g.Names()
	for i := range g.Fields {
		switch {
		case g.Name == "counters" && names[i] == "name":
			names[i] = "convert_to(name, 'UTF8')"
		case isFlag(g, &g.Fields[i]):
			names[i] += "::int::bigint"
		}
	}
	return names
}

// Counts counts the items of each group.
func (s *Store) Counts(ctx context.Context) (counts []int64, err error) {
	err = s.atOnce(ctx, func(tx pgx.Tx) error {
		counts = make([]int64, len(store.Groups))
		for i := range store.Groups {
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+tableOf(store.Groups[i].Name)).Scan(&counts[i]); err != nil {
				return err
			}
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
	var refused error // by fn
	err = s.atOnce(ctx, func(tx pgx.Tx) error {
		// Sorting would gather a group on the server before it sends the first row.
		if _, err := tx.Exec(ctx, "SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"); err != nil {
			return err
		}
		for i := first; i < len(store.Groups); i++ {
			err := dump(ctx, tx, i, from.Key, func(item *store.Item) error {
				refused = fn(item)
				return refused
			})
			if err != nil {
				return err
			}
			from.Key = nil
		}
		return nil
	})
	if refused != nil {
		return refused
	}
	return err
}

// atOnce reads one moment of the store.
func (s *Store) atOnce(ctx context.Context, fn func(tx pgx.Tx) error) error {
	leave, err := s.gate.Enter()
	if err != nil {
		return err
	}
	defer leave()
	return s.failureOf(ctx, pgx.BeginTxFunc(ctx, s.reader, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn))
}

// dump reads a group behind a key, or all of it.
func dump(ctx context.Context, tx pgx.Tx, number int, after []store.Value, fn func(*store.Item) error) error {
	g := &store.Groups[number]
	item := store.Item{Group: number, Values: make([]store.Value, len(g.Fields))}
	texts, to := make([]pgtype.DriverBytes, len(g.Fields)), make([]any, len(g.Fields))
	for i, f := range g.Fields {
		if to[i] = &texts[i]; f.Number {
			to[i] = &item.Values[i].Number
		}
	}
	columns := expressions(g)
	key := strings.Join(columns[:g.Key], ", ")
	query, args := "SELECT "+strings.Join(columns, ", ")+" FROM "+tableOf(g.Name), []any{}
	if after != nil {
		places := make([]string, g.Key)
		for i, v := range after {
			if places[i] = "$" + strconv.Itoa(i+1); g.Fields[i].Number {
				args = append(args, v.Number)
			} else {
				args = append(args, append([]byte{}, v.Text...))
			}
		}
		query += " WHERE (" + key + ") > (" + strings.Join(places, ", ") + ")"
	}
	rows, err := tx.Query(ctx, query+" ORDER BY "+key, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		for i := range texts {
			item.Values[i].Text = texts[i]
		}
		if err := fn(&item); err != nil {
			return err
		}
	}
	return rows.Err()
}

var _ store.Dumper = (*Store)(nil)
