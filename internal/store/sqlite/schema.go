package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sluicehq/sluice/internal/store"
)

// migrations lead from each version of the schema to the next; they are only ever
// added to. Version n is what the first n of them make.
var migrations = []string{
	// 1. A link's row holds what it is found by; its document lies apart, so that a
	// search reads only the former. words is the lower-case text of a link, see store.SearchText.
	`CREATE TABLE documents (
		kind    TEXT NOT NULL,
		key     TEXT NOT NULL,
		body    BLOB NOT NULL,
		expires INTEGER NOT NULL DEFAULT 0,  -- Unix milliseconds, 0: never
		PRIMARY KEY (kind, key)
	) STRICT, WITHOUT ROWID;
	CREATE INDEX documents_expires ON documents (expires) WHERE expires > 0;

	CREATE TABLE links (
		id      INTEGER PRIMARY KEY,
		site    TEXT NOT NULL,
		slug    TEXT NOT NULL,
		status  TEXT NOT NULL,
		program TEXT NOT NULL,
		partner TEXT NOT NULL,
		words   TEXT NOT NULL
	) STRICT;
	CREATE UNIQUE INDEX links_slug ON links (site, slug);
	CREATE INDEX links_program ON links (program) WHERE program <> '';
	CREATE INDEX links_partner ON links (program, partner) WHERE partner <> '';
	CREATE TABLE link_bodies (
		id   INTEGER PRIMARY KEY,
		body BLOB NOT NULL
	) STRICT;

	CREATE TABLE changes (
		seq    INTEGER PRIMARY KEY,
		at     INTEGER NOT NULL,  -- Unix milliseconds
		actor  TEXT NOT NULL,
		kind   TEXT NOT NULL,
		action TEXT NOT NULL,
		key    TEXT NOT NULL,
		before BLOB,
		after  BLOB
	) STRICT;
	CREATE INDEX changes_key ON changes (kind, key);

	-- The last number given of each sequence.
	CREATE TABLE counters (
		name TEXT PRIMARY KEY,
		last INTEGER NOT NULL
	) STRICT, WITHOUT ROWID;
	INSERT INTO counters VALUES ('link', 0), ('change', 0);`,
	booksSchema, // 2
	// 3. Conversions are summed by the time of their click, and reversals compared with what they take off.
	`ALTER TABLE conversions ADD COLUMN whole INTEGER NOT NULL DEFAULT 0;
	CREATE INDEX conversions_cohort ON conversions (` + cohort + `);`,
}

// cohort is the moment at which reports count a conversion: of its click, or of its order where there is none.
const cohort = `(CASE click_at WHEN 0 THEN at ELSE click_at END)`

// SchemaVersion is the version that this program writes, and the highest it reads.
var SchemaVersion = len(migrations)

// migrate brings the file to SchemaVersion, each step in a transaction of its own.
func (s *Store) migrate(ctx context.Context) error {
	if _, err := s.writer.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema  (version INTEGER PRIMARY KEY) STRICT`); err != nil {
		return s.failure(err)
	}
	if _, err := s.writer.ExecContext(ctx, fmt.Sprintf("PRAGMA journal_size_limit = %d; PRAGMA wal_autocheckpoint = %d", walKeepBytes, walKeepBytes/pageBytes)); err != nil {
		return s.failure(err)
	}
	version, err := s.version(ctx, s.writer)
	if err != nil {
		return err
	}
	for ; version < SchemaVersion; version++ {
		if err := s.step(ctx, version); err != nil {
			return s.failure(fmt.Errorf("migrating from schema version %d to %d: %w", version, version+1, err))
		}
		s.logger.Info("the store has a new schema", "file", s.path, "version", version+1)
	}
	return s.checkVersion(ctx, s.writer)
}

func (s *Store) step(ctx context.Context, version int) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, migrations[version]); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO schema VALUES (?)", version+1); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (s *Store) version(ctx context.Context, db *sql.DB) (version int, err error) {
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM schema").Scan(&version)
	return version, s.failure(err)
}

// checkVersion refuses a file that this program does not know how to read.
func (s *Store) checkVersion(ctx context.Context, db *sql.DB) error {
	version, err := s.version(ctx, db)
	if err != nil {
		return err
	}
	if version > SchemaVersion {
		return &store.Failure{Place: s.path,
			Err:  fmt.Errorf("%w: its schema has version %d, this program knows up to %d", store.ErrNewer, version, SchemaVersion),
			Hint: "run the newer Sluice, or restore a copy of the data folder from before its upgrade"}
	}
	if version < SchemaVersion {
		return &store.Failure{Place: s.path,
			Err:  fmt.Errorf("its schema has version %d, this program needs %d", version, SchemaVersion),
			Hint: "open it once for writing, which brings it up to date: sluice serve"}
	}
	return nil
}
