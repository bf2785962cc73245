package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// unfinishedTable is in a schema for as long as a migration into it is not finished. It is none of the
// schema's own parts: it says that the others cannot be relied on.
const unfinishedTable = `CREATE TABLE unfinished_migration (
	source text NOT NULL,
	state  text NOT NULL,
	begun  timestamptz NOT NULL DEFAULT now(),
	moved  timestamptz NOT NULL DEFAULT now(),
	mark   jsonb NOT NULL DEFAULT '{}'
)`

// unfinished is the only row of that table.
type unfinished struct {
	source       store.Source
	begun, moved time.Time
	mark         store.Mark
}

// unfinishedIn returns what a migration has left, nil when there is nothing of the kind.
func (s *Store) unfinishedIn(ctx context.Context, q querier) (*unfinished, error) {
	there, err := column[bool](ctx, q, "SELECT EXISTS (SELECT 1 FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid WHERE n.nspname = $1 AND c.relname = 'unfinished_migration')", s.schema)
	if err != nil || !there[0] {
		return nil, err
	}
	rows, err := q.Query(ctx, "SELECT source, state, begun, moved, mark::text FROM unfinished_migration")
	if err != nil {
		return nil, err
	}
	return pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (*unfinished, error) {
		var u unfinished
		var mark string
		err := row.Scan(&u.source.Place, &u.source.State, &u.begun, &u.moved, &mark)
		if err == nil {
			err = json.Unmarshal([]byte(mark), &u.mark)
		}
		return &u, err
	})
}

// checkFinished refuses a schema that is filled by half.
func (s *Store) checkFinished(ctx context.Context, q querier) error {
	u, err := s.unfinishedIn(ctx, q)
	if err != nil {
		return s.failureOf(ctx, err)
	}
	if u == nil {
		return nil
	}
	return &store.Failure{Place: s.where(),
		Err: fmt.Errorf("%w: it was begun from %s at %s, and %d items are here since %s", store.ErrUnfinished,
			u.source.Place, u.begun.UTC().Format(time.RFC3339), u.mark.Items, u.moved.UTC().Format(time.RFC3339)),
		Hint: "finish it with: sluice migrate; until then run the server with the engine it is moved from"}
}

// load is the one that fills the schema. It holds the only connection that writes, and on it the lock
// of all writers, which the server frees when the connection ends.
type load struct {
	store *Store
	conn  *pgxpool.Conn
	leave func() // the gate
	mark  store.Mark
}

// BeginLoad takes the schema for itself.
func (s *Store) BeginLoad(ctx context.Context, source store.Source) (store.Load, error) {
	leave, err := s.gate.Enter()
	if err != nil {
		return nil, err
	}
	conn, err := s.writer.Acquire(ctx)
	if err != nil {
		leave()
		return nil, s.failureOf(ctx, err)
	}
	l := &load{store: s, conn: conn, leave: leave}
	if err := l.begin(ctx, source); err != nil {
		return nil, errors.Join(s.failureOf(ctx, err), l.Close())
	}
	return l, nil
}

func (l *load) begin(ctx context.Context, source store.Source) error {
	source.Place = strings.ToValidUTF8(strings.ReplaceAll(source.Place, "\x00", "?"), "?")
	if _, err := l.conn.Exec(ctx, "SELECT pg_advisory_lock($1)", lockKey(l.store.schema)); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, l.conn, func(tx pgx.Tx) error {
		before, err := l.store.unfinishedIn(ctx, tx)
		if err != nil {
			return err
		}
		if before != nil {
			l.mark = before.mark
			return l.store.sameSource(before, source)
		}
		if err := l.store.checkEmpty(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, unfinishedTable); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO unfinished_migration (source, state) VALUES ($1, $2)", source.Place, source.State)
		return err
	})
}

// sameSource refuses to mix two sources, or two states of one.
func (s *Store) sameSource(before *unfinished, source store.Source) error {
	if before.source.State == source.State {
		return nil
	}
	again := fmt.Sprintf("to begin anew, drop the schema (DROP SCHEMA %s CASCADE) or name another in store.schema", s.schema)
	if before.source.Place == source.Place {
		return affiliate.Errorf(affiliate.Stale, "%s: %s was changed since its migration into here began at %s; %s",
			s.where(), source.Place, before.begun.UTC().Format(time.RFC3339), again)
	}
	return affiliate.Errorf(affiliate.Conflict, "%s holds a part of %s, whose migration began at %s and is not finished; finish that one, or %s",
		s.where(), before.source.Place, before.begun.UTC().Format(time.RFC3339), again)
}

// checkEmpty refuses a schema with somebody's data.
func (s *Store) checkEmpty(ctx context.Context, tx pgx.Tx) error {
	for i := range store.Groups {
		g := &store.Groups[i]
		condition := ""
		if g.Name == "counters" {
			condition = " WHERE last > 0"
		}
		var there bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+tableOf(g.Name)+condition+")").Scan(&there); err != nil {
			return err
		}
		if there {
			return affiliate.Errorf(affiliate.Conflict, "%s holds %s already, which no unfinished migration has brought; move into an empty schema: name another in store.schema, or drop this one "+
				"if nobody needs it. If a migration was finished here, look at it with: sluice migrate --check", s.where(), g.Name)
		}
	}
	return nil
}

// Mark is behind the last item that is there.
func (l *load) Mark() store.Mark { return l.mark }

// Add copies runs of items of one group each.
func (l *load) Add(ctx context.Context, items []store.Item) error {
	if len(items) == 0 {
		return nil
	}
	last := items[len(items)-1].Clone()
	mark := store.Mark{Group: last.Of().Name, Key: last.Key(), Items: l.mark.Items + int64(len(items))}
	at, err := json.Marshal(mark)
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, l.conn, func(tx pgx.Tx) error {
		for from := 0; from < len(items); {
			end := from + 1
			for end < len(items) && items[end].Group == items[from].Group {
				end++
			}
			if err := copyItems(ctx, tx, l.store.schema, items[from:end]); err != nil {
				return err
			}
			from = end
		}
		_, err := tx.Exec(ctx, "UPDATE unfinished_migration SET mark = $1::text::jsonb, moved = now()", string(at))
		return err
	})
	if err != nil {
		return l.store.failureOf(ctx, err)
	}
	l.mark = mark
	return nil
}

// copyItems adds items of one group. The counters are there from the beginning.
func copyItems(ctx context.Context, tx pgx.Tx, schema string, items []store.Item) error {
	g := items[0].Of()
	if g.Name == "counters" {
		for i := range items {
			if _, err := tx.Exec(ctx, "INSERT INTO counters (name, last) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET last = excluded.last",
				string(items[i].Values[0].Text), items[i].Values[1].Number); err != nil {
				return err
			}
		}
		return nil
	}
	row := make([]any, len(g.Fields))
	_, err := tx.CopyFrom(ctx, pgx.Identifier{schema, tableOf(g.Name)}, g.Names(), pgx.CopyFromSlice(len(items), func(n int) ([]any, error) {
		for i := range g.Fields {
			v := &items[n].Values[i]
			switch f := &g.Fields[i]; {
			case isFlag(g, f):
				row[i] = v.Number != 0
			case f.Number:
				row[i] = v.Number
			case len(v.Text) == 0 && f.Optional:
				row[i] = nil
			case len(v.Text) == 0:
				row[i] = []byte{}
			default:
				row[i] = v.Text
			}
		}
		return row, nil
	}))
	return err
}

// Finish lets the numbers of messages go on behind the last one, and the planner know the tables.
func (l *load) Finish(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, l.conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT setval(pg_get_serial_sequence('outbox', 'seq'), max(seq)) FROM outbox HAVING max(seq) > 0")
		for i := 0; err == nil && i < len(store.Groups); i++ {
			_, err = tx.Exec(ctx, "ANALYZE "+tableOf(store.Groups[i].Name))
		}
		if err == nil {
			_, err = tx.Exec(ctx, "DROP TABLE unfinished_migration")
		}
		return err
	})
	return l.store.failureOf(ctx, err)
}

// Close ends the connection, and with it the lock.
func (l *load) Close() error {
	if l.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	_ = l.conn.Conn().Close(ctx) // the server ends it in any case
	l.conn.Release()
	l.conn = nil
	l.leave()
	return nil
}

var _ store.Loader = (*Store)(nil)
