package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sluicehq/sluice/internal/store"
)

// migration leads from one version of the schema to the next.
type migration struct {
	name      string
	statement string
	// compatibleFrom is the lowest version whose programs may go on writing beside this one. It is below the
	// migration's own when the statement only adds: tables, indexes, and columns that are NULL or have a
	// default. docs/decisions/0021-postgresql-one-writer-at-a-time.md has the rule.
	compatibleFrom int
}

// migrations are only ever added to, and never changed. Version n is what the first n of them make.
var migrations = []migration{
	{name: "everything", statement: firstTables, compatibleFrom: 1},
}

func (m *migration) checksum() string {
	sum := sha256.Sum256([]byte(m.statement))
	return hex.EncodeToString(sum[:])
}

// schemaTable says what the schema has been through. parts names the columns, indexes and triggers that were there after a
// migration, so that one that is missing is noticed.
const schemaTable = `CREATE TABLE schema (
	version         integer PRIMARY KEY,
	name            text NOT NULL,
	checksum        text NOT NULL,
	compatible_from integer NOT NULL,
	migrated        timestamptz NOT NULL DEFAULT now(),
	parts           text[] NOT NULL
)`

// partsThere lists what belongs to the schema now. It reads the catalog's tables: to_regclass and its like answer from a
// cache that may not have heard yet of what another session has made.
const partsThere = `SELECT 'the column ' || c.relname || '.' || a.attname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> 'unfinished_migration'
	UNION ALL SELECT 'the index ' || c.relname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_index i ON i.indexrelid = c.oid
		WHERE n.nspname = $1 AND i.indisvalid
	UNION ALL SELECT 'the trigger ' || t.tgname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_trigger t ON t.tgrelid = c.oid
		WHERE n.nspname = $1 AND NOT t.tgisinternal AND t.tgenabled <> 'D'`

// lockKey is the number of the lock that a schema's writers take. Locks belong to the database.
func lockKey(schema string) int64 {
	sum := sha256.Sum256([]byte("sluice store " + schema))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// applied is a row of the schema's table.
type applied struct {
	version        int
	name           string
	checksum       string
	compatibleFrom int
	parts          []string
}

// migrate brings the schema to the version of this program, each step in a transaction of its own that
// no writer and no other migration runs beside.
func (s *Store) migrate(ctx context.Context) error {
	done, err := s.history(ctx, s.writer)
	for err == nil {
		if err := s.checkHistory(ctx, s.writer, done); err != nil {
			return err
		}
		if len(done) >= len(s.migrates) {
			return nil
		}
		done, err = s.step(ctx)
	}
	return err
}

// querier is a pool, or the connection of a transaction.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}

// history reads what the schema has been through; nothing for one that is not there.
func (s *Store) history(ctx context.Context, q querier) (done []applied, err error) {
	there, err := column[bool](ctx, q, "SELECT EXISTS (SELECT 1 FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid WHERE n.nspname = $1 AND c.relname = 'schema')", s.schema)
	if err != nil || !there[0] {
		return nil, s.failureOf(ctx, err)
	}
	rows, err := q.Query(ctx, "SELECT version, name, checksum, compatible_from, parts FROM schema ORDER BY version")
	if err == nil {
		done, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a applied, err error) {
			err = row.Scan(&a.version, &a.name, &a.checksum, &a.compatibleFrom, &a.parts)
			return a, err
		})
	}
	return done, s.failureOf(ctx, err)
}

// column reads the only column of a query.
func column[T any](ctx context.Context, q querier, query string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}

// step runs the next migration, whichever that is when it is our turn, and returns the history after it.
func (s *Store) step(ctx context.Context) (done []applied, err error) {
	before := 0
	err = pgx.BeginTxFunc(ctx, s.writer, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", lockKey(s.schema)); err != nil {
			return err
		}
		if done, err = s.history(ctx, tx); err != nil {
			return err
		}
		if before = len(done); before >= len(s.migrates) || s.checkHistory(ctx, tx, done) != nil {
			return nil // somebody else was first; migrate looks at it
		}
		if err := s.apply(ctx, tx, len(done)); err != nil {
			return err
		}
		done, err = s.history(ctx, tx)
		return err
	})
	if err != nil {
		return nil, s.migrationFailure(ctx, err)
	}
	for _, a := range done[before:] {
		s.logger.Info("the store has a new schema", "database", s.place, "schema", s.schema, "version", a.version, "name", a.name)
	}
	return done, nil
}

func (s *Store) apply(ctx context.Context, tx pgx.Tx, version int) error {
	m := s.migrates[version]
	if version == 0 {
		if err := s.create(ctx, tx); err != nil {
			return err
		}
	}
	if _, err := tx.Conn().PgConn().Exec(ctx, m.statement).ReadAll(); err != nil {
		return fmt.Errorf("migrating from schema version %d to %d (%s): %w", version, version+1, m.name, err)
	}
	_, err := tx.Exec(ctx, "INSERT INTO schema (version, name, checksum, compatible_from, parts) SELECT $2, $3, $4, $5, array(SELECT p FROM ("+partsThere+") parts (p) ORDER BY p)",
		s.schema, version+1, m.name, m.checksum(), m.compatibleFrom)
	return err
}

// create makes the schema, unless somebody has who had the right to, and its table.
func (s *Store) create(ctx context.Context, tx pgx.Tx) error {
	there, err := column[bool](ctx, tx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", s.schema)
	if err == nil && !there[0] {
		_, err = tx.Exec(ctx, "CREATE SCHEMA "+s.schema)
	}
	if err == nil {
		_, err = tx.Exec(ctx, schemaTable)
	}
	return err
}

// checkHistory refuses a schema that this program cannot work with.
func (s *Store) checkHistory(ctx context.Context, q querier, done []applied) error {
	if len(done) == 0 {
		return nil
	}
	if faults := s.historyFaults(done); len(faults) > 0 {
		return s.unsound(faults)
	}
	if err := s.checkWritable(compatibleFrom(done)); err != nil {
		return err
	}
	faults, err := s.missingParts(ctx, q, done)
	if err != nil {
		return s.failureOf(ctx, err)
	}
	if len(faults) > 0 {
		return s.unsound(faults)
	}
	return nil
}

// unsound says what is wrong with a schema.
func (s *Store) unsound(faults []string) error {
	return &store.Failure{Place: s.where(), Err: fmt.Errorf("%w: %s", store.ErrCorrupt, strings.Join(faults, ", and ")),
		Hint: "restore a whole backup of the schema, or give this installation another schema"}
}

// historyFaults says which migration is missing, changed or unknown in between.
func (s *Store) historyFaults(done []applied) (faults []string) {
	for i, a := range done {
		if a.version != i+1 {
			return append(faults, fmt.Sprintf("the migration to version %d is missing, while that to %d (%s) is there", i+1, a.version, a.name))
		}
		if i < len(s.migrates) && a.checksum != s.migrates[i].checksum() {
			faults = append(faults, fmt.Sprintf("the migration to version %d (%s) was made by other statements than this program has (%s)", a.version, a.name, s.migrates[i].name))
		}
	}
	return faults
}

// missingParts says what a migration has made that is not there any more, or not wholly.
func (s *Store) missingParts(ctx context.Context, q querier, done []applied) (faults []string, err error) {
	there, err := column[string](ctx, q, partsThere, s.schema)
	if err != nil {
		return nil, err
	}
	for _, part := range done[len(done)-1].parts {
		if !slices.Contains(there, part) {
			faults = append(faults, part)
		}
	}
	if len(faults) == 0 {
		return nil, nil
	}
	last := done[len(done)-1]
	shown := strings.Join(faults[:min(len(faults), missingShown)], ", ")
	if len(faults) > missingShown {
		shown += fmt.Sprintf(" and %d more", len(faults)-missingShown)
	}
	return []string{fmt.Sprintf("version %d (%s) is there by half: %s is missing", last.version, last.name, shown)}, nil
}

// missingShown bounds a message.
const missingShown = 5

// compatibleFrom is the lowest version that may write.
func compatibleFrom(done []applied) (version int) {
	for _, a := range done {
		version = max(version, a.compatibleFrom)
	}
	return version
}

// checkWritable refuses a database that is beyond this program; every Update asks, because another node may have migrated it.
func (s *Store) checkWritable(compatibleFrom int) error {
	if compatibleFrom <= len(s.migrates) {
		return nil
	}
	return &store.Failure{Place: s.where(),
		Err:  fmt.Errorf("%w: its schema may be written by versions from %d on, this program has %d", store.ErrNewer, compatibleFrom, len(s.migrates)),
		Hint: "run the newer Sluice on this node too, or restore a backup from before its upgrade"}
}

// where names the schema in messages.
func (s *Store) where() string { return s.place + ", schema " + s.schema }

// checkServer refuses a server that the store cannot be kept on.
func (s *Store) checkServer(ctx context.Context) error {
	var version int
	var name string
	var standby bool
	row := s.writer.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_version'), pg_is_in_recovery()")
	if err := row.Scan(&version, &name, &standby); err != nil {
		return s.failureOf(ctx, err)
	}
	if version < serverVersionLeast*10_000 {
		return &store.Failure{Place: s.place, Err: fmt.Errorf("the server is PostgreSQL %s; it must be %d or newer", name, serverVersionLeast),
			Hint: "upgrade the server"}
	}
	if standby {
		return s.readOnly(errors.New("the server is a standby, which follows another"))
	}
	return nil
}

// serverVersionLeast is the oldest release that the engine is written for.
const serverVersionLeast = 13

var _ querier = (*pgxpool.Pool)(nil)
