// Package postgres is the engine of store for several control nodes: a PostgreSQL
// schema, 13 or newer, that every one of them writes to.
//
// One Update runs at a time, whatever node it is on: it begins by taking an advisory lock,
// which goes away with its transaction however that ends. What it writes is sent along with its next question or with its COMMIT,
// so that a network between the two costs little. A View reads one snapshot and takes no
// lock. Text is kept as bytea: compared and listed by its bytes, whatever the collation of the
// database, and with every byte that a stranger may send, which text of PostgreSQL cannot hold.
//
// A COMMIT waits until the change is on the server's disk, also where the server is set to
// answer earlier. When its answer is lost nobody knows whether it was stored: that Update returns
// store.ErrUncertain, and is not run again.
package postgres

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

// Options of Open. URL must be set.
type Options struct {
	// URL of the database, postgres://user@host:5432/database, with the parameters of libpq,
	// such as sslmode and sslrootcert. Several hosts are tried in their order. What it leaves out is
	// taken from where every program of PostgreSQL takes it: ~/.pgpass and the PG variables.
	URL string
	// Password of the user. It counts before one within the URL, and is never in a message.
	Password string
	// Schema that holds everything, so that several installations can share a database:
	// letters a to z, digits and _, at most 40; "sluice" by default. It is created when missing.
	Schema string
	// ConnectionsMax bounds the connections of this store: one writes, one watches, the others
	// read. 10 by default, at least 3.
	ConnectionsMax int
	// LockTimeout is how long an Update waits for the Update of another node, and a new schema for
	// whatever holds its tables; 30 s by default.
	LockTimeout time.Duration
	// Unfinished opens a schema also when a migration into it is not finished, to finish it or to look at it.
	Unfinished bool
	// Logger is told of migrations and of a watch that lost its connection; discarded by default.
	Logger *slog.Logger
}

// Defaults and limits of Options.
const (
	schemaDefault         = "sluice"
	connectionsMaxDefault = 10
	connectionsMaxLeast   = 3
	lockTimeoutDefault    = 30 * time.Second
)

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

// Store is a schema of a database.
type Store struct {
	place    string // the address without the password
	schema   string
	logger   *slog.Logger
	writer   *pgxpool.Pool // of one connection
	reader   *pgxpool.Pool
	watching *pgx.ConnConfig
	migrates []migration
	gate     *engine.Gate // one Update of this process at a time waits for the lock of all
}

// Open connects, and creates or migrates the schema as needed. It is a *store.Failure
// when there is no such server or database, when the server is too old or a standby, and when the
// schema was written by a version of Sluice that this one must not write beside, or is filled by half.
func Open(ctx context.Context, options Options) (*Store, error) {
	return open(ctx, options, migrations)
}

func open(ctx context.Context, options Options, migrates []migration) (*Store, error) {
	if options.Schema == "" {
		options.Schema = schemaDefault
	}
	if !schemaName.MatchString(options.Schema) {
		return nil, affiliate.Errorf(affiliate.Invalid, "the schema %q is not a name of a to z, 0 to 9 and _, of at most 40 characters", options.Schema)
	}
	if options.ConnectionsMax == 0 {
		options.ConnectionsMax = connectionsMaxDefault
	}
	options.ConnectionsMax = max(options.ConnectionsMax, connectionsMaxLeast)
	if options.LockTimeout <= 0 {
		options.LockTimeout = lockTimeoutDefault
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	config, place, err := parseAddress(options.URL, options.Password)
	if err != nil {
		return nil, err
	}
	s := &Store{place: place, schema: options.Schema, logger: options.Logger, migrates: migrates,
		gate: engine.NewGate("the store at " + place)}
	if err := s.connect(ctx, config, options); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) connect(ctx context.Context, config *pgxpool.Config, options Options) (err error) {
	s.sessions(config, options)
	s.watching = config.ConnConfig.Copy()
	reader, writer := config, config.Copy()
	reader.MaxConns = int32(options.ConnectionsMax - 2)
	if s.reader, err = pgxpool.NewWithConfig(ctx, reader); err != nil {
		return s.failure(err)
	}
	writer.MaxConns = 1
	params := writer.ConnConfig.RuntimeParams
	params["lock_timeout"] = milliseconds(options.LockTimeout)
	params["idle_in_transaction_session_timeout"] = milliseconds(stalledAfter)
	// A plan that was made for a small table stays while the transaction makes it a large one: every
	// statement that writes has its index, and is to use it.
	params["enable_seqscan"] = "off"
	// Nor does it depend on how many are asked for at once, so planning again each time is in vain.
	params["plan_cache_mode"] = "force_generic_plan"
	writer.AfterConnect = durable
	if s.writer, err = pgxpool.NewWithConfig(ctx, writer); err != nil {
		return s.failure(err)
	}
	if err := s.checkServer(ctx); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil || options.Unfinished {
		return err
	}
	return s.checkFinished(ctx, s.writer)
}

// stalledAfter is how long an Update may do something other than talk to the server before
// the server ends it: a node that hangs must not keep the others from writing for ever.
const stalledAfter = 5 * time.Minute

// durable lets a COMMIT wait for the disk also where the server, the database or the user is set not to.
func durable(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
	return err
}

// View runs fn over one moment of the store: that at which it begins.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	leave, err := s.gate.Enter()
	if err != nil {
		return err
	}
	defer leave()
	t, err := s.begin(ctx, s.reader, snapshot)
	if err != nil {
		return err
	}
	defer t.end()
	return fn(reader{t})
}

// snapshot begins the transaction of a View.
func snapshot(t *transaction) {
	t.queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	t.queue("SELECT 1") // takes the snapshot
}

// Update runs fn alone and commits what it wrote.
func (s *Store) Update(ctx context.Context, fn func(store.Writer) error) error {
	leave, err := s.gate.EnterAlone(ctx)
	if err != nil {
		return err
	}
	defer leave()
	t, err := s.begin(ctx, s.writer, s.alone)
	if err != nil {
		return err
	}
	defer t.end()
	if err := s.checkWritable(t.compatibleFrom); err != nil {
		return err
	}
	if err := fn(writer{t}); err != nil {
		return err
	}
	return t.commit()
}

// alone begins the transaction of an Update, which no other writer runs beside, and reads what nearly every one needs.
func (s *Store) alone(t *transaction) {
	// A snapshot is taken by each statement, so that those behind the lock see what its last holder committed.
	t.queue("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
	t.queue("SELECT pg_advisory_xact_lock($1)", lockKey(s.schema))
	t.counters = map[string]*counter{"link": {}, "change": {}}
	link, change := t.counters["link"], t.counters["change"]
	t.ask("SELECT (SELECT max(compatible_from) FROM schema), (SELECT last FROM counters WHERE name = 'link'), (SELECT last FROM counters WHERE name = 'change')").
		QueryRow(func(row pgx.Row) error { return row.Scan(&t.compatibleFrom, &link.last, &change.last) })
}

// begin starts a transaction with the statements that first queues. Connections that the server has closed
// meanwhile, as when it was restarted, are replaced: nothing has been done on them yet.
func (s *Store) begin(ctx context.Context, pool *pgxpool.Pool, first func(*transaction)) (*transaction, error) {
	for idle := pool.Config().MaxConns; ; idle-- {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return nil, s.failureOf(ctx, err)
		}
		t := &transaction{store: s, ctx: ctx, conn: conn}
		first(t)
		if err = t.flush(); err == nil {
			for _, c := range t.counters {
				c.stored = c.last
			}
			return t, nil
		}
		lost := conn.Conn().IsClosed()
		t.end()
		if !lost || idle == 0 || ctx.Err() != nil {
			return nil, s.beginFailure(err)
		}
	}
}

// Close waits for running transactions, ends every Watch and the connections.
func (s *Store) Close() error {
	if first := s.gate.Close(); !first {
		return nil
	}
	for _, pool := range []*pgxpool.Pool{s.reader, s.writer} {
		if pool != nil {
			pool.Close()
		}
	}
	return nil
}

var (
	_ store.Store    = (*Store)(nil)
	_ store.Notifier = (*Store)(nil)
)
