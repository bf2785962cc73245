// Package duckdb keeps clicks in one file and answers reports from it, inside the
// process: the engine of an installation that runs no other service.
//
// A batch and the position it leads to are one transaction of DuckDB, written and
// synced before Append returns; after a crash the file holds both or neither.
// Readers see a consistent state and neither wait for the writer nor hold it up.
// The file belongs to one process at a time.
package duckdb

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// Options of an Engine.
type Options struct {
	// Path of the database file. "" keeps it in a temporary file that is
	// removed by Close.
	Path string
	// MemoryLimit of DuckDB's buffers, such as "120MB", the default. What does
	// not fit goes to TempDir. The process takes some 60 MB more while it packs.
	MemoryLimit string
	// Threads that DuckDB may use for one query; default 1. More make reports
	// over very many clicks faster; they also make storing dearer, as DuckDB
	// spins on one processor while another one packs.
	Threads int
	// TempDir takes what does not fit into memory; default: beside the file.
	TempDir string
	// ReadOnly opens a file that is there and never changes it; Append is Forbidden.
	ReadOnly bool
	Logger   *slog.Logger
	// Now is the clock, which ends a report without an end; default: time.Now.
	Now func() time.Time

	groupRows int64 // tests want more checkpoints; default: groupRows
}

// The engine moves the write-ahead log into the tables whenever another four of
// DuckDB's groups of 122,880 rows are full: a group packed before it is full is
// packed again later, and so are the last ones of the side tables, each time.
// That is some 50 MB of log, to be replayed after a crash. While somebody reads it
// waits for a later batch, until groupsBehind times as much is there: then Append
// waits for the readers. DuckDB's own threshold is a net below that.
const (
	groupRows       = 4 * 122_880
	groupsBehind    = 3
	checkpointBytes = "1GB"
)

// Engine is an analytics.Engine on a DuckDB file.
type Engine struct {
	options Options
	path    string
	temp    string // removed by Close, "" for none
	log     *slog.Logger
	now     func() time.Time
	db      *sql.DB

	// reading is held by readers, and whole by a checkpoint, which DuckDB
	// refuses while anybody reads. It is taken after appending.
	reading sync.RWMutex

	appending sync.Mutex // guards what follows
	writer    *writer
	closed    bool
	broken    bool  // DuckDB has given the file up; see mend
	rows      int64 // in the table
	packed    int64 // groups of rows at the last checkpoint
	groupRows int64

	extent extent
}

// extent is how many clicks there are and of which time. It is kept beside the
// table, because it is asked for all the time and finding it means reading a
// column.
type extent struct {
	mu          sync.Mutex
	clicks      int64
	first, last time.Time
}

func (x *extent) grow(rows []Row) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.clicks += int64(len(rows))
	for i := range rows {
		at := rows[i].Time()
		if x.first.IsZero() || at.Before(x.first) {
			x.first = at
		}
		if at.After(x.last) {
			x.last = at
		}
	}
}

// measure reads the extent from the table.
func (x *extent) measure(db *sql.DB) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	var first, last sql.NullInt64
	err := db.QueryRow(`SELECT count(*), epoch_ms(min("time")), epoch_ms(max("time")) FROM clicks`).Scan(&x.clicks, &first, &last)
	x.first, x.last = time.Time{}, time.Time{}
	if first.Valid {
		x.first, x.last = time.UnixMilli(first.Int64).UTC(), time.UnixMilli(last.Int64).UTC()
	}
	return err
}

var _ analytics.Engine = (*Engine)(nil)

// Open opens or creates the database.
func Open(o Options) (*Engine, error) {
	e := &Engine{options: o, path: o.Path, log: cmp.Or(o.Logger, slog.Default()), now: o.Now}
	if e.now == nil {
		e.now = time.Now
	}
	if o.Path == "" {
		dir, err := os.MkdirTemp(o.TempDir, "sluice-analytics-")
		if err != nil {
			return nil, fmt.Errorf("analytics: no folder for temporary data: %w", err)
		}
		e.temp, e.path = dir, filepath.Join(dir, "clicks.duckdb")
	}
	if err := e.open(); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Engine) open() error {
	o := e.options
	if strings.ContainsAny(e.path, "?%#") {
		return fmt.Errorf("analytics: the path %s holds one of ? %% #, which DuckDB's driver takes for its own; choose another", e.path)
	}
	settings := url.Values{
		"memory_limit":                  {cmp.Or(o.MemoryLimit, "120MB")},
		"threads":                       {strconv.Itoa(cmp.Or(o.Threads, 1))},
		"temp_directory":                {cmp.Or(o.TempDir, e.path+".tmp")},
		"checkpoint_threshold":          {checkpointBytes},
		"storage_compatibility_version": {"latest"},
		// Freed memory goes back at once, not when the next one asks for some.
		"allocator_background_threads": {"true"},
		// Nothing is ever fetched from the network.
		"autoinstall_known_extensions": {"false"},
		"autoload_known_extensions":    {"false"},
	}
	if o.ReadOnly {
		settings.Set("access_mode", "READ_ONLY")
	}
	connector, err := duckdb.NewConnector(e.path+"?"+settings.Encode(), nil)
	if err != nil {
		return explainOpen(e.path, err)
	}
	e.db = sql.OpenDB(connector)
	if o.ReadOnly {
		err = e.checkVersion()
	} else if err = migrate(e.db, e.path); err == nil {
		e.writer, err = newWriter(e.db)
	}
	if err != nil {
		return err
	}
	e.groupRows = cmp.Or(o.groupRows, groupRows)
	err = e.extent.measure(e.db)
	e.rows = e.extent.clicks
	e.packed = e.rows / e.groupRows
	return err
}

// Close writes what the log holds into the file and releases it.
func (e *Engine) Close() error {
	e.appending.Lock()
	defer e.appending.Unlock()
	e.closed = true
	errs := []error{e.release()}
	if e.temp != "" {
		errs = append(errs, os.RemoveAll(e.temp))
	}
	return errors.Join(errs...)
}

// release closes what open has opened.
func (e *Engine) release() error {
	var errs []error
	if e.writer != nil {
		errs = append(errs, e.writer.close())
		e.writer = nil
	}
	if e.db != nil {
		errs = append(errs, e.db.Close())
	}
	return errors.Join(errs...)
}

// mend opens the file anew. After an error that could have left memory and file
// at odds, a full disk for one, DuckDB refuses everything until then; what it had
// committed is in the file and its log. It is called with appending held.
func (e *Engine) mend() error {
	e.reading.Lock()
	defer e.reading.Unlock()
	_ = e.release() // it is broken, and says so again
	if err := e.open(); err != nil {
		return err
	}
	e.broken = false
	e.log.Info("the clicks' file was opened anew after an error", "file", e.path)
	return nil
}

// invalidated says that DuckDB has given the file up.
func invalidated(err error) bool {
	return err != nil && strings.Contains(err.Error(), "has been invalidated")
}

// explainOpen says what to do about a file that does not open.
func explainOpen(path string, err error) error {
	text, hint := err.Error(), ""
	switch {
	case strings.Contains(text, "Could not set lock"):
		hint = "another process has it open; stop that one, or give this one its own data folder"
	case strings.Contains(text, "newer version") || strings.Contains(text, "version number"):
		hint = "it was written by a newer release of DuckDB; start the newer release of Sluice that wrote it"
	case strings.Contains(text, "not a valid DuckDB database file") || strings.Contains(text, "Corrupt database file"):
		hint = "it is something else, or it is damaged; move it away and restore a backup"
	case strings.Contains(text, "Read-only file system") || strings.Contains(text, "Permission denied"):
		hint = "this process may not write there; check the mount, and the owner of the file and its folder"
	case strings.Contains(text, "No such file or directory"):
		hint = "create the folder " + filepath.Dir(path)
	case strings.Contains(text, "No space left"):
		hint = "make room on the disk"
	default:
		return fmt.Errorf("analytics: cannot open %s: %w", path, err)
	}
	return fmt.Errorf("analytics: cannot open %s: %s: %w", path, hint, err)
}

// read runs fn in a transaction. Every query needs one: without it the driver
// plans a statement in one transaction and runs it in the next, and DuckDB would
// trust the plan's minima and maxima about rows that came in between.
func (e *Engine) read(ctx context.Context, fn func(tx *sql.Tx) error) error {
	e.reading.RLock()
	defer e.reading.RUnlock()
	tx, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return e.explain(ctx, err)
	}
	defer func() { _ = tx.Rollback() }()
	return e.explain(ctx, fn(tx))
}

// each calls fn for every row of a query.
func each(ctx context.Context, tx *sql.Tx, query string, args []any, fn func(rows *sql.Rows) error) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Position returns where the source stands.
func (e *Engine) Position(ctx context.Context, source string) (position string, err error) {
	err = e.read(ctx, func(tx *sql.Tx) (err error) {
		position, err = positionOf(ctx, tx, source)
		return err
	})
	return position, err
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func positionOf(ctx context.Context, q querier, source string) (position string, err error) {
	err = q.QueryRowContext(ctx, "SELECT position FROM positions WHERE source = ?", clean(source)).Scan(&position)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return position, err
}

// Uniques calls fn for every unique click since the instant. It reads an hour at
// a time, because DuckDB's driver keeps a whole answer in memory.
func (e *Engine) Uniques(ctx context.Context, since time.Time, fn func(affiliate.VisitorID, int64, time.Time)) error {
	var first, last time.Time
	err := e.read(ctx, func(tx *sql.Tx) (err error) {
		first, last, err = bounds(ctx, tx, "clicks", "valid AND is_unique AND \"time\" >= "+instant(since))
		return err
	})
	for ; err == nil && !first.After(last) && !last.IsZero(); first = first.Add(time.Hour) {
		err = e.read(ctx, func(tx *sql.Tx) error { return uniques(ctx, tx, first, first.Add(time.Hour), fn) })
	}
	return err
}

func uniques(ctx context.Context, tx *sql.Tx, since, until time.Time, fn func(affiliate.VisitorID, int64, time.Time)) error {
	query := fmt.Sprintf(`SELECT visitor_high, visitor_low, link, epoch_ms("time") FROM clicks
		WHERE valid AND is_unique AND "time" >= %s AND "time" < %s`, instant(since), instant(until))
	return each(ctx, tx, query, nil, func(rows *sql.Rows) error {
		var high, low uint64
		var link, ms int64
		if err := rows.Scan(&high, &low, &link, &ms); err != nil {
			return err
		}
		var visitor affiliate.VisitorID
		encode(visitor[:4], high)
		encode(visitor[4:], low)
		fn(visitor, link, time.UnixMilli(ms).UTC())
		return nil
	})
}

// Stats describes what is kept.
func (e *Engine) Stats(ctx context.Context) (analytics.Stats, error) {
	s := analytics.Stats{Engine: "duckdb"}
	for _, name := range []string{e.path, e.path + ".wal"} {
		if info, err := os.Stat(name); err == nil {
			s.Bytes += info.Size()
		}
	}
	e.extent.mu.Lock()
	defer e.extent.mu.Unlock()
	s.Clicks, s.First, s.Last = e.extent.clicks, e.extent.first, e.extent.last
	return s, ctx.Err()
}

// bounds returns the times of the first and last click that match, zero when
// there are none.
func bounds(ctx context.Context, tx *sql.Tx, from, where string, args ...any) (first, last time.Time, err error) {
	var low, high sql.NullInt64
	query := fmt.Sprintf(`SELECT epoch_ms(min("time")), epoch_ms(max("time")) FROM %s WHERE %s`, from, where)
	err = tx.QueryRowContext(ctx, query, args...).Scan(&low, &high)
	if err != nil || !low.Valid {
		return first, last, err
	}
	return time.UnixMilli(low.Int64).UTC(), time.UnixMilli(high.Int64).UTC(), nil
}

// explain gives an error its place and, where there is one, its remedy.
func (e *Engine) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if affiliate.CodeOf(err) != "" {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("analytics: stopped: %w", context.Cause(ctx))
	}
	var failure *duckdb.Error
	hint := ""
	switch {
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, driver.ErrBadConn):
		hint = "the engine is closed: "
	case errors.As(err, &failure) && failure.Type == duckdb.ErrorTypeOutOfMemory:
		hint = "the work does not fit the memory limit; ask for less time or fewer dimensions, or raise analytics.memory_limit: "
	case strings.Contains(err.Error(), "No space left"):
		hint = "the disk is full; make room: "
	case invalidated(err):
		hint = "DuckDB has given the file up after an error before; it is opened anew when the next clicks are stored: "
	}
	return fmt.Errorf("analytics: %s: %s%w", e.path, hint, err)
}
