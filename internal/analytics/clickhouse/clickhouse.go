// Package clickhouse keeps clicks in a ClickHouse server or cluster and answers
// reports from it: the engine of an installation with more clicks than one file, or
// with several collectors.
//
// ClickHouse has no transaction over rows and position. A click is counted once in
// effect nevertheless: every batch is announced in a log before its rows are stored,
// rows and position are stored by statements that do nothing when a later
// announcement for the same source is there, and a batch that may have been stored
// in part before leaves out what is there. What two writers can still store twice
// lies under an announcement that was never finished; there every engine looks for
// copies each minute and removes them. See docs/decisions/0022 for the argument.
//
// Statements are written for servers from 18.16 to today's. What users wrote goes
// along as data, or as hexadecimal digits, never as text of a statement.
package clickhouse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"github.com/sluicehq/sluice/internal/analytics"
)

// Options of an Engine.
type Options struct {
	// URL of the server, or of several with a comma between, by the native protocol:
	// "clickhouse://user@host:9000/default". The database in it is the one to connect
	// to while Database is not there yet. "?secure=true" asks for TLS.
	URL      string
	Password string // instead of one in the URL
	// Database of the tables; default "sluice". It is created if that is allowed.
	Database string

	// Cluster of that name, in the servers' configuration, keeps the clicks: in its
	// shards, of one or more replicas each, behind a Distributed table. It needs
	// ZooKeeper or Keeper, and the macros {shard} and {replica}. All collectors name the
	// servers in the same order: the first that answers is used. "" is a server alone.
	Cluster string
	// InsertQuorum is how many replicas of a shard have a batch before it counts as
	// stored; 0 is 2, or 1 in a cluster without replicas. 1 leaves it to one: what that
	// has acknowledged may be lost with it, or come back and count twice.
	InsertQuorum int
	// Partition is "month", the default, or "day", which suits those who drop old
	// clicks by the day; late clicks of many days make as many small parts.
	Partition string

	// ReportTime and ReportMemory bound one query of a reader on the server: 60 s
	// and 4 GB by default. More is refused with an error.
	ReportTime   time.Duration
	ReportMemory int64
	// Readers is how many queries may run at the same time; default 8. Batches
	// do not wait for them.
	Readers int
	// Uncompressed batches spare a processor where the network is a fast one.
	Uncompressed bool
	// MendEvery is how often copies are looked for; default 1 minute.
	MendEvery time.Duration

	Logger *slog.Logger
	// Now is the clock, which ends a report without an end; default: time.Now.
	Now func() time.Time

	examined bool // nothing is made
}

// writersMax is how many batches are stored at the same time.
const writersMax = 16

const (
	msMinute = 60_000
	msHour   = 60 * msMinute
	msDay    = 24 * msHour
)

// Engine is an analytics.Engine on ClickHouse.
type Engine struct {
	options Options
	tables  tables
	place   string // for errors, without a password
	log     *slog.Logger
	now     func() time.Time
	conn    driver.Conn
	version proto.Version // of the server
	quorums quorums
	readers chan struct{}
	writers chan struct{}

	// Where quorums are one after the other, those of this process need not meet: who
	// stores rows holds turn, who writes to the log logTurn.
	turn, logTurn sync.Mutex

	mu      sync.Mutex // guards what follows; the lock of a source is taken before
	sources map[string]*source
	blocks  []*block // free ones

	names names
	mend  mender

	hooks hooks
}

// hooks let tests stop a batch in the middle. They are called without a lock but
// that of the source.
type hooks struct {
	announced, checked, rowsStored func()
	fence                          func(condition string) string // instead of that of the rows
}

func (h *hooks) call(hook func()) {
	if hook != nil {
		hook()
	}
}

var _ analytics.Engine = (*Engine)(nil)

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// check reads the options.
func (o *Options) check() (*clickhouse.Options, error) {
	o.Database = cmp.Or(o.Database, "sluice")
	o.Partition = cmp.Or(o.Partition, "month")
	o.ReportTime = cmp.Or(o.ReportTime, time.Minute)
	o.ReportMemory = cmp.Or(o.ReportMemory, 4_000_000_000)
	o.Readers = cmp.Or(o.Readers, 8)
	o.MendEvery = cmp.Or(o.MendEvery, time.Minute)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	if o.Now == nil {
		o.Now = time.Now
	}
	for _, name := range []string{o.Database, o.Cluster} {
		if name != "" && !identifier.MatchString(name) {
			return nil, fmt.Errorf("analytics: %q is no name for a database or cluster of ClickHouse: take letters, digits and _, a letter first", name)
		}
	}
	if o.InsertQuorum < 0 || o.InsertQuorum > quorumMax || o.InsertQuorum > 1 && o.Cluster == "" {
		return nil, fmt.Errorf("analytics: a batch cannot be on %d replicas: take 1 to %d, in a cluster", o.InsertQuorum, quorumMax)
	}
	if o.Partition != "month" && o.Partition != "day" {
		return nil, fmt.Errorf("analytics: clicks are partitioned by \"month\" or \"day\", not by %q", o.Partition)
	}
	c, err := clickhouse.ParseDSN(o.URL)
	if err != nil {
		// The error may hold the URL, and that a password.
		return nil, errors.New("analytics: the address of ClickHouse is not one: write it as clickhouse://user@host:9000/default, and special characters of a user as %XX")
	}
	if c.Protocol != clickhouse.Native {
		return nil, errors.New("analytics: ClickHouse is spoken to by its native protocol: write clickhouse://, and the port that is usually 9000, or 9440 with ?secure=true")
	}
	if o.Password != "" {
		c.Auth.Password = o.Password
	}
	c.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	if o.Uncompressed {
		c.Compression = nil
	}
	c.DialTimeout = 10 * time.Second
	c.MaxOpenConns = o.Readers + writersMax + 4
	c.MaxIdleConns = c.MaxOpenConns
	return c, nil
}

func (o *Options) place(c *clickhouse.Options) string {
	return fmt.Sprintf("clickhouse://%s@%s/%s", c.Auth.Username, c.Addr[0], o.Database)
}

// Open connects, makes the database and its tables where they are missing, and begins
// to look after copies.
func Open(ctx context.Context, o Options) (*Engine, error) {
	e, err := connect(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := e.migrate(ctx); err != nil {
		return nil, errors.Join(e.explain(ctx, err), e.Close())
	}
	e.mend.begin(e)
	return e, nil
}

// connect returns an engine whose tables may not be there.
func connect(ctx context.Context, o Options) (*Engine, error) {
	c, err := o.check()
	if err != nil {
		return nil, err
	}
	e := &Engine{
		options: o,
		tables:  tables{database: o.Database, cluster: o.Cluster, partition: o.Partition},
		place:   o.place(c), log: o.Logger, now: o.Now,
		readers: make(chan struct{}, o.Readers), writers: make(chan struct{}, writersMax),
		sources: map[string]*source{},
	}
	e.names.known, e.mend.suspects = map[int64]naming{}, map[looseKey]entry{}
	if err := e.dial(ctx, *c); err != nil {
		if e.conn != nil {
			err = errors.Join(err, e.conn.Close())
		}
		return nil, err
	}
	return e, nil
}

// dial connects to the database, and makes it where it is not there.
func (e *Engine) dial(ctx context.Context, c clickhouse.Options) error {
	first := c.Auth.Database
	c.Auth.Database = e.options.Database
	err := e.dialTo(ctx, c)
	missing := codeOf(err) == codeUnknownDatabase && !e.options.examined
	if missing {
		_ = e.conn.Close() // it has no connection
		c.Auth.Database = first
		err = e.dialTo(ctx, c)
	}
	if err == nil {
		err = e.meet(ctx)
	}
	if err == nil && missing {
		err = e.define(ctx, e.tables.createDatabase())
	}
	return e.explain(ctx, err)
}

// meet sees whom it has to do with.
func (e *Engine) meet(ctx context.Context) error {
	version, err := e.conn.ServerVersion()
	if err != nil {
		return err
	}
	if e.version = version.Version; !e.newer(18, 16) {
		return &refusal{fmt.Sprintf("it is ClickHouse %d.%d; 18.16 or newer is needed", e.version.Major, e.version.Minor), "upgrade the server"}
	}
	e.quorums, err = e.agree(ctx)
	return err
}

func (e *Engine) dialTo(ctx context.Context, c clickhouse.Options) (err error) {
	if e.conn, err = clickhouse.Open(&c); err != nil {
		return err
	}
	return e.conn.Ping(ctx)
}

// Close ends the search for copies and releases the connections. A batch that is
// under way fails.
func (e *Engine) Close() error {
	e.mend.end()
	return e.conn.Close()
}

// settings of a statement by their names; values are numbers, as 18.16 takes no others.
type settings = clickhouse.Settings

// reading bounds what one reader may take of the server.
func (e *Engine) reading() settings {
	return settings{
		"max_execution_time": int(max(1, e.options.ReportTime/time.Second)),
		"max_memory_usage":   int(e.options.ReportMemory),
		// What does not fit half of it goes to the server's disk.
		"max_bytes_before_external_group_by": int(e.options.ReportMemory / 2),
		"max_bytes_before_external_sort":     int(e.options.ReportMemory / 2),
	}
}

// certain are those of who goes by what is there: rows that a quorum has. Others may be
// dropped again.
func (e *Engine) certain() settings {
	s := e.reading()
	if e.quorums.rows > 1 {
		s["select_sequential_consistency"] = 1
	}
	return s
}

// logging are the settings of what reads and writes the log of batches: with a quorum,
// whatever server is asked has all that any has acknowledged. That takes quorums one
// after the other, which releases since 2020 have to be told.
func (e *Engine) logging() settings { return e.inQuorum(e.quorums.log) }

// storing are the settings of what stores rows: they wait for the quorum and for all
// shards. Late clicks may be of any day.
func (e *Engine) storing() settings {
	s := e.inQuorum(e.quorums.rows)
	s["max_execution_time"] = int(insertTime / time.Second)
	if e.tables.cluster != "" {
		s["insert_distributed_sync"], s["insert_distributed_timeout"] = 1, int(insertTime/time.Second)
	}
	if e.newer(19, 1) && e.tables.partition == "day" {
		s["max_partitions_per_insert_block"] = 0
	}
	return s
}

// newer says whether the server is of that release or a later one.
func (e *Engine) newer(major, minor uint64) bool {
	return e.version.Major > major || e.version.Major == major && e.version.Minor >= minor
}

// exec runs a statement with the tables that go along.
func (e *Engine) exec(ctx context.Context, statement string, along ...*ext.Table) error {
	return e.execWith(ctx, nil, statement, along...)
}

func (e *Engine) execWith(ctx context.Context, s settings, statement string, along ...*ext.Table) error {
	return e.conn.Exec(clickhouse.Context(ctx, clickhouse.WithSettings(s), clickhouse.WithExternalTable(along...)), statement)
}

// each calls fn for every row of a query that a reader asks.
func (e *Engine) each(ctx context.Context, query string, fn func(rows driver.Rows) error, along ...*ext.Table) error {
	select {
	case e.readers <- struct{}{}:
		defer func() { <-e.readers }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return e.eachWith(ctx, e.reading(), query, fn, along...)
}

func (e *Engine) eachWith(ctx context.Context, s settings, query string, fn func(rows driver.Rows) error, along ...*ext.Table) error {
	ctx, cancel := context.WithCancel(ctx) // the server stops when we do
	defer cancel()
	rows, err := e.conn.Query(clickhouse.Context(ctx, clickhouse.WithSettings(s), clickhouse.WithExternalTable(along...)), query)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := fn(rows); err != nil {
			cancel()
			_ = rows.Close() // fn's error is the one that counts
			return err
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// scan reads the only row of a query of our own.
func (e *Engine) scan(ctx context.Context, query string, to ...any) error {
	return e.scanWith(ctx, nil, query, to...)
}

func (e *Engine) scanWith(ctx context.Context, s settings, query string, to ...any) error {
	return e.eachWith(ctx, s, query, func(rows driver.Rows) error { return rows.Scan(to...) })
}

// Stats describes what is kept. Releases of the last years answer it from their
// books of parts, for time is what partitions are made by; older ones read a column.
func (e *Engine) Stats(ctx context.Context) (analytics.Stats, error) {
	s := analytics.Stats{Engine: "clickhouse"}
	var rows, first, last, size uint64
	err := e.scanWith(ctx, e.reading(), "SELECT count(), min(time), max(time) FROM "+e.tables.name(clicksTable), &rows, &first, &last)
	if err == nil && rows > 0 {
		s.Clicks, s.First, s.Last = int64(rows), timeOf(first), timeOf(last)
	}
	if err == nil {
		parts, along := e.everywhere("parts")
		err = e.scanWith(ctx, along, fmt.Sprintf("SELECT sum(bytes_on_disk) FROM %s WHERE active AND database = '%s'", parts, e.tables.database), &size)
		s.Bytes = int64(size)
		if codeOf(err) == codeAccessDenied { // Examine says so
			err = nil
		}
	}
	return s, e.explain(ctx, err)
}

func timeOf(ms uint64) time.Time { return time.UnixMilli(int64(ms)).UTC() }

// takeBlock returns an empty block.
func (e *Engine) takeBlock() (*block, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.blocks); n > 0 {
		b := e.blocks[n-1]
		e.blocks = e.blocks[:n-1]
		return b, nil
	}
	return newBlock()
}

func (e *Engine) giveBlock(b *block) {
	b.release()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.blocks) < 4 {
		e.blocks = append(e.blocks, b)
	}
}
