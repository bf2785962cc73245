// Package sqlite is the embedded engine of store: one SQLite file, its
// write-ahead log beside it, and a lock file that keeps other processes out.
//
// One connection writes, several read. Commits are synchronous=FULL: they wait
// until the log is on the disk. A large import is one transaction like any other;
// while it runs, readers go on and other writers wait.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "github.com/mattn/go-sqlite3" // the "sqlite3" driver

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

// Options of Open. Path must be set.
type Options struct {
	// Path of the file; its folder is created when missing.
	Path string
	// ReadOnly opens an existing file beside the process that writes it: Update
	// is Forbidden and no lock is taken.
	ReadOnly bool
	// Readers is the number of reading connections; 4 by default.
	Readers int
	// BusyTimeout is how long to wait for a program outside Sluice that holds
	// the file; 5 s by default.
	BusyTimeout time.Duration
	// Logger is told of migrations and of checkpoints that fail; discarded by default.
	Logger *slog.Logger
}

// Page cache of the connections, in KiB: the writer's holds the index of a
// million slugs, so that a large import does not go back and forth to the disk.
const (
	writerCacheKiB = 64 << 10
	readerCacheKiB = 8 << 10
)

// walKeepBytes is the size at which the write-ahead log is copied into the file, and
// to which it is cut back then. A page that many commits change is copied once.
const walKeepBytes = 64 << 20

// Store is a SQLite file.
type Store struct {
	path   string
	logger *slog.Logger
	lock   *os.File
	writer *sql.DB // nil when read-only
	reader *sql.DB
	gate   *engine.Gate
}

// Open opens the file, creating or migrating it as needed.
func Open(ctx context.Context, options Options) (*Store, error) {
	if options.Path == "" {
		return nil, errors.New("sqlite: Options.Path is empty")
	}
	if options.Readers <= 0 {
		options.Readers = 4
	}
	if options.BusyTimeout <= 0 {
		options.BusyTimeout = 5 * time.Second
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{path: options.Path, logger: options.Logger, gate: engine.NewGate("the store " + options.Path)}
	if err := s.open(ctx, options); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, options Options) (err error) {
	if options.ReadOnly {
		if _, err := os.Stat(s.path); err != nil {
			return s.statFailure(err)
		}
	} else {
		if err := os.MkdirAll(filepath.Dir(s.path), 0o750); err != nil {
			return s.statFailure(err)
		}
		if s.lock, err = lockFile(s.path + ".lock"); err != nil {
			return err
		}
		if err := s.create(ctx); err != nil {
			return err
		}
		if s.writer, err = sql.Open("sqlite3", s.dsn(options, "_txlock=immediate", writerCacheKiB)); err != nil {
			return s.failure(err)
		}
		s.writer.SetMaxOpenConns(1)
		if err := s.migrate(ctx); err != nil {
			return err
		}
	}
	if s.reader, err = sql.Open("sqlite3", s.dsn(options, "_query_only=1", readerCacheKiB)); err != nil {
		return s.failure(err)
	}
	s.reader.SetMaxOpenConns(options.Readers)
	s.reader.SetMaxIdleConns(options.Readers)
	return s.checkVersion(ctx, s.reader)
}

// pageBytes is the size of the file's pages: large, because an import's cost is
// the number of pages that it writes.
const pageBytes = 16 << 10

// create gives a new file its page size, which is fixed once the file has a
// write-ahead log.
func (s *Store) create(ctx context.Context) error {
	if _, err := os.Stat(s.path); err == nil {
		return nil
	}
	db, err := sql.Open("sqlite3", s.uri())
	if err == nil {
		_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA page_size = %d; PRAGMA journal_mode = WAL", pageBytes))
		err = errors.Join(err, db.Close())
	}
	return s.failure(err)
}

// uri is the path with whatever a URI cannot hold escaped.
func (s *Store) uri() string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(s.path)}).EscapedPath()
}

// dsn names the file and the pragmas of each connection. The journal's mode is a
// property of the file, which the writer sets.
func (s *Store) dsn(options Options, mode string, cacheKiB int) string {
	q := url.Values{}
	q.Set("_busy_timeout", strconv.FormatInt(options.BusyTimeout.Milliseconds(), 10))
	q.Set("_foreign_keys", "1")
	q.Set("_synchronous", "FULL")
	q.Set("_cache_size", strconv.Itoa(-cacheKiB))
	if !options.ReadOnly {
		q.Set("_journal_mode", "WAL")
	}
	return s.uri() + "?" + mode + "&" + q.Encode()
}

// View runs fn over one moment of the store.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	leave, err := s.gate.Enter()
	if err != nil {
		return err
	}
	defer leave()
	tx, err := s.reader.BeginTx(ctx, nil)
	if err != nil {
		return s.failure(err)
	}
	// Nothing was written, so there is nothing that a failed end could lose.
	defer func() { _ = tx.Rollback() }()
	t := &transaction{store: s, ctx: ctx, sql: tx}
	return fn(reader{t})
}

// Update runs fn alone and commits what it wrote.
func (s *Store) Update(ctx context.Context, fn func(store.Writer) error) error {
	if s.writer == nil {
		return affiliate.Errorf(affiliate.Forbidden, "%s was opened for reading only", s.path)
	}
	leave, err := s.gate.EnterAlone(ctx)
	if err != nil {
		return err
	}
	defer leave()
	// A statement that can be cancelled costs a goroutine each, which a million of them
	// would feel: the transaction looks at ctx between statements instead.
	tx, err := s.writer.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return s.failure(err)
	}
	t := &transaction{store: s, ctx: ctx, sql: tx, prepared: map[string]*sql.Stmt{}}
	done := false
	defer func() {
		if !done {
			_ = tx.Rollback() // fn has failed or panicked; that is the news
		}
	}()
	if err := fn(writer{t}); err != nil {
		return err
	}
	if err := t.finish(); err != nil {
		return err
	}
	done = true
	if err := tx.Commit(); err != nil {
		_ = tx.Rollback()
		return s.failure(fmt.Errorf("storing the change: %w", err))
	}
	if t.written > checkpointAbove {
		s.checkpoint()
	}
	return nil
}

// checkpointAbove is the number of rows in one commit that make it worth copying
// the log into the file at once, rather than leaving a gigabyte of it behind.
const checkpointAbove = 50_000

// checkpoint copies the log into the file and gives the page cache back. That readers keep it from finishing
// is no fault: a later one will.
func (s *Store) checkpoint() {
	if _, err := s.writer.Exec("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA shrink_memory"); err != nil {
		s.logger.Warn("the store's log could not be copied into its file; it will be tried again", "file", s.path, "error", err)
	}
}

// Close waits for running transactions and lets the file go.
func (s *Store) Close() (err error) {
	if first := s.gate.Close(); !first {
		return nil
	}
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			err = errors.Join(err, db.Close())
		}
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

var _ store.Store = (*Store)(nil)
