package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/maphash"
	"reflect"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/sluicehq/sluice/internal/analytics"
)

// writer is the connection that appends. One caller at a time.
type writer struct {
	conn    *sql.Conn
	raw     mapping.Connection
	strings arena
	clicks  *chunk
	links   *chunk
	names   names
	sides   []*numbering
	rows    []*Row // of the batch being stored
	loaded  bool
}

var linkColumns = []column{
	number("link", mapping.TypeBigInt, func(r *Row) int64 { return r.Link }),
	text("site", func(r *Row) string { return r.Site }),
	text("slug", func(r *Row) string { return r.Slug }),
}

func newWriter(db *sql.DB) (*writer, error) {
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	w := &writer{conn: conn, names: newNames()}
	for _, s := range sides {
		w.sides = append(w.sides, newNumbering(s, &w.strings))
	}
	w.clicks, w.links = newChunk(clickColumns(w.sides), &w.strings), newChunk(linkColumns, &w.strings)
	if err := conn.Raw(w.attach); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// load reads back what the tables know. It waits for the first batch, so that a
// start does not wait for it.
func (w *writer) load(ctx context.Context) error {
	if w.loaded {
		return nil
	}
	if err := w.names.load(w.conn); err != nil {
		return err
	}
	for _, n := range w.sides {
		if err := n.load(ctx, w.conn); err != nil {
			return err
		}
	}
	w.loaded = true
	return nil
}

// attach finds the C connection inside the driver's, which the driver keeps to
// itself while it exports every function that needs one.
func (w *writer) attach(driverConn any) error {
	c, ok := driverConn.(*duckdb.Conn)
	if !ok {
		return fmt.Errorf("BUG: the connection is a %T", driverConn)
	}
	field := reflect.ValueOf(c).Elem().FieldByName("conn")
	if !field.IsValid() || field.Type() != reflect.TypeFor[mapping.Connection]() {
		return errors.New("BUG: this release of DuckDB's driver keeps its connection elsewhere; see attach")
	}
	w.raw = *(*mapping.Connection)(unsafe.Pointer(field.UnsafeAddr()))
	return nil
}

func (w *writer) close() error {
	w.clicks.close()
	w.links.close()
	for _, n := range w.sides {
		n.chunk.close()
	}
	w.strings.release(0)
	return w.conn.Close()
}

// Append stores the batch's rows and its position.
func (e *Engine) Append(ctx context.Context, batch analytics.Batch) error {
	e.appending.Lock()
	defer e.appending.Unlock()
	if e.closed {
		return errors.New("analytics: the engine is closed")
	}
	if e.options.ReadOnly {
		return e.errReadOnly()
	}
	if e.broken || e.writer == nil {
		if err := e.mend(); err != nil {
			return e.explain(ctx, err)
		}
	}
	if err := e.writer.append(ctx, batch); err != nil {
		if errors.Is(err, analytics.ErrPosition) {
			return err
		}
		e.broken = e.broken || invalidated(err)
		return e.explain(ctx, err)
	}
	e.rows += int64(len(batch.Rows))
	e.extent.grow(batch.Rows)
	e.pack(ctx)
	return nil
}

// pack makes a checkpoint when another group of rows is full. The batch is
// stored whether it succeeds or not; one that fails is made up by the next.
func (e *Engine) pack(ctx context.Context) {
	full := e.rows / e.groupRows
	if full == e.packed {
		return
	}
	if !e.reading.TryLock() {
		if full < e.packed+groupsBehind {
			return
		}
		e.reading.Lock()
	}
	defer e.reading.Unlock()
	if _, err := e.writer.conn.ExecContext(context.WithoutCancel(ctx), "CHECKPOINT"); err != nil {
		e.log.Warn("analytics: the write-ahead log could not be moved into the table; the next batch tries again", "path", e.path, "error", err)
		return
	}
	e.packed = full
}

// append runs the transaction. Once begun, only the work between chunks heeds
// the context: an interrupted commit would leave its outcome unknown.
func (w *writer) append(ctx context.Context, batch analytics.Batch) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	whole := context.WithoutCancel(ctx)
	if _, err := w.conn.ExecContext(whole, "BEGIN"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.undo()
			_, _ = w.conn.ExecContext(whole, "ROLLBACK") // a failed COMMIT has already done it
		}
	}()
	if err := w.move(whole, batch); err != nil {
		return err
	}
	if err := w.load(ctx); err != nil {
		return err
	}
	if err := w.fill(ctx, batch.Rows); err != nil {
		return err
	}
	if _, err := w.conn.ExecContext(whole, "COMMIT"); err != nil {
		return err
	}
	w.keep()
	return nil
}

// fill appends clicks and what is new in them.
func (w *writer) fill(ctx context.Context, rows []Row) error {
	for i := range rows {
		w.rows = append(w.rows, &rows[i])
	}
	if err := w.table(ctx, "clicks", w.clicks, w.rows); err != nil {
		return err
	}
	for _, n := range w.sides {
		if err := w.table(ctx, n.side.table, n.chunk, n.fresh); err != nil {
			return err
		}
	}
	return w.table(ctx, "links", w.links, w.names.learn(w.rows))
}

// keep ends a transaction that was stored, undo one that was not.
func (w *writer) keep() {
	w.names.keep()
	for _, n := range w.sides {
		n.keep()
	}
	w.forget()
}

func (w *writer) undo() {
	w.names.undo()
	for _, n := range w.sides {
		n.undo()
	}
	w.forget()
}

// forget lets go of the batch, which is its caller's.
func (w *writer) forget() {
	clear(w.rows)
	w.rows = w.rows[:0]
}

// move takes the source from the batch's start to its end.
func (w *writer) move(ctx context.Context, batch analytics.Batch) error {
	position, err := positionOf(ctx, w.conn, batch.Source)
	if err != nil {
		return err
	}
	if position != batch.From {
		return fmt.Errorf("%w: %s stands at %q and the batch starts at %q", analytics.ErrPosition, batch.Source, position, batch.From)
	}
	_, err = w.conn.ExecContext(ctx, "INSERT INTO positions VALUES (?, ?) ON CONFLICT DO UPDATE SET position = excluded.position",
		clean(batch.Source), batch.To)
	return err
}

// table appends to a table within the open transaction.
func (w *writer) table(ctx context.Context, name string, c *chunk, rows []*Row) (err error) {
	if len(rows) == 0 {
		return nil
	}
	var a mapping.Appender
	if mapping.AppenderCreateExt(w.raw, "", "", name, &a) == mapping.StateError {
		err = errors.New(mapping.AppenderError(a))
		mapping.AppenderDestroy(&a)
		return err
	}
	defer func() {
		if err != nil {
			mapping.AppenderClear(a) // or destroying it would store what it holds
		}
		mapping.AppenderDestroy(&a)
	}()
	capacity := duckdb.GetDataChunkCapacity()
	for len(rows) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(capacity, len(rows))
		if err := c.appendTo(a, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	if mapping.AppenderFlush(a) == mapping.StateError {
		return errors.New(mapping.AppenderError(a))
	}
	return nil
}

// names remembers under which name each link was last stored, so that the table
// links grows by what is new only. It keeps 8 bytes for a link: a hash of the
// name, in pages, because ids are small numbers that lie close together.
type names struct {
	seed  maphash.Seed
	pages map[int64]*[pageLinks]uint64
	fresh []*Row           // learned and not kept yet
	old   map[int64]uint64 // what they were before
}

const pageLinks = 1024

func newNames() names {
	return names{seed: maphash.MakeSeed(), pages: map[int64]*[pageLinks]uint64{}, old: map[int64]uint64{}}
}

func (n *names) slot(link int64) *uint64 {
	page := n.pages[link/pageLinks]
	if page == nil {
		page = new([pageLinks]uint64)
		n.pages[link/pageLinks] = page
	}
	return &page[link%pageLinks]
}

func (n *names) hash(site, slug string) uint64 {
	return maphash.Comparable(n.seed, [2]string{site, slug})
}

// learn returns, for each link whose name is new, a row that has it.
func (n *names) learn(rows []*Row) []*Row {
	for _, r := range rows {
		if r.Link <= 0 {
			continue
		}
		slot, hash := n.slot(r.Link), n.hash(r.Site, r.Slug)
		if *slot == hash {
			continue
		}
		if _, seen := n.old[r.Link]; !seen {
			n.old[r.Link] = *slot
		}
		*slot = hash
		n.fresh = append(n.fresh, r)
	}
	return n.fresh
}

// keep ends a transaction that was stored, undo one that was not.
func (n *names) keep() {
	clear(n.old)
	clear(n.fresh)
	n.fresh = n.fresh[:0]
}

func (n *names) undo() {
	for link, hash := range n.old {
		*n.slot(link) = hash
	}
	n.keep()
}

// load reads what the table knows.
func (n *names) load(conn *sql.Conn) error {
	rows, err := conn.QueryContext(context.Background(), "SELECT link, site, slug FROM links ORDER BY rowid")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var link int64
		var site, slug string
		if err := rows.Scan(&link, &site, &slug); err != nil {
			return err
		}
		*n.slot(link) = n.hash(site, slug)
	}
	return rows.Err()
}
