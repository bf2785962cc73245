package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// field is a column of an export. Their names and order are a promise: new ones
// are only added at the end.
type field struct {
	name string
	expr string
	kind fieldKind
}

type fieldKind int

const (
	plain   fieldKind = iota // a number or a yes-or-no
	foreign                  // text that others chose
	own                      // text of our own making
	instantField
)

var fields = exportFields()

func exportFields() []field {
	fields := []field{
		{"time", `"time"`, instantField},
		{"id", idText, own},
		{"link_id", "link", plain},
		{"site", "site", foreign},
		{"slug", "slug", foreign},
		{"host", "host", foreign},
		{"outcome", nameOf(analytics.Names(analytics.ByOutcome), "outcome"), own},
		{"code", "code", plain},
		{"why", bitNames("why", func(bit uint) []string { return affiliate.Why(1 << bit).Strings() }), own},
	}
	for _, name := range []string{"program", "partner", "variant", "rule", "page"} {
		fields = append(fields, field{name, `"` + name + `"`, foreign})
	}
	fields = append(fields, field{"url", urlText, foreign}, field{"visitor", visitorText, own}, field{"ip", ipText, foreign})
	for _, name := range []string{"agent", "referrer", "referrer_host", "language", "country", "query",
		"sub1", "sub2", "sub3", "sub4", "sub5", "sub6", "sub7", "sub8", "sub9", "sub10"} {
		fields = append(fields, field{name, `"` + name + `"`, foreign})
	}
	fields = append(fields,
		field{"signals", bitNames("signals", func(bit uint) []string { return affiliate.Signals(1 << bit).Strings() }), own},
		field{"fetch_dest", fetchNames(0, func(f affiliate.Fetch) string { return f.Dest() }), own},
		field{"fetch_mode", fetchNames(4, func(f affiliate.Fetch) string { return f.Mode() }), own},
		field{"fetch_site", fetchNames(8, func(f affiliate.Fetch) string { return f.Site() }), own},
		field{"verdict", nameOf(affiliate.VerdictNames(), "verdict"), own},
		field{"reasons", bitNames("reasons", func(bit uint) []string { return affiliate.Reasons(1 << bit).Strings() }), own},
		field{"asn", "asn", plain},
	)
	for _, name := range []string{"network", "browser", "browser_version", "os"} {
		fields = append(fields, field{name, `"` + name + `"`, foreign})
	}
	return append(fields,
		field{"device", nameOf(analytics.Names(analytics.ByDevice), "device"), own},
		field{"bot_name", "bot_name", foreign},
		field{"bot_class", "bot_class", foreign},
		field{"valid", "valid", plain},
		field{"unique", "is_unique", plain},
		field{"duplicate", "duplicate", plain},
	)
}

// The ids in their letters.
var (
	idText = letters(`(epoch_ms("time") << 12) | id_middle`, 12) + " || " + letters("id_low", 12)
	// A click without a visitor has the number 0.
	visitorText = "CASE WHEN visitor_high = 0 AND visitor_low = 0 THEN '' ELSE " +
		letters("visitor_high", 4) + " || " + letters("visitor_low", 12) + " END"
)

// What is kept in two places.
var (
	urlText = "url_head || CASE WHEN url_has_id THEN " + idText + " ELSE '' END || url_tail"
	ipText  = "CASE WHEN ip = 0 THEN address ELSE concat_ws('.', ip >> 24, (ip >> 16) & 255, (ip >> 8) & 255, ip & 255) END"
)

// letters spells n characters of base 32; encode is the same in Go. DuckDB counts
// on with A to V where our alphabet has the letters without i, l, o and u.
func letters(number string, n int) string {
	return fmt.Sprintf("translate(to_base((%s)::BIGINT, 32, %d), 'ABCDEFGHIJKLMNOPQRSTUV', '%s')", number, n, base32[10:])
}

// bitNames lists the names of a set's bits, with a space between two.
func bitNames(column string, names func(bit uint) []string) string {
	var all []string
	for bit := uint(0); bit < 32 && len(names(bit)) == 1; bit++ {
		all = append(all, names(bit)[0])
	}
	return fmt.Sprintf("CASE WHEN %[1]s = 0 THEN '' ELSE array_to_string(list_filter(%[2]s, lambda name, i: (%[1]s >> (i - 1)) & 1 = 1), ' ') END",
		column, listOf(all))
}

func fetchNames(shift uint, name func(affiliate.Fetch) string) string {
	var all []string
	for n := affiliate.Fetch(0); n < 16; n++ {
		all = append(all, name(n<<shift))
	}
	return nameOf(all, fmt.Sprintf(`(("fetch" >> %d) & 15)`, shift))
}

// selection is the SELECT list of an export.
func selection(format analytics.ExportFormat) string {
	var list []string
	for _, f := range fields {
		expr := f.expr
		if format == analytics.CSV {
			switch f.kind {
			case instantField:
				expr = fmt.Sprintf("strftime(%s, '%%Y-%%m-%%dT%%H:%%M:%%S.%%gZ')", expr)
			case foreign:
				expr = disarm(expr)
			}
		}
		list = append(list, fmt.Sprintf("%s AS %q", expr, f.name))
	}
	return strings.Join(list, ", ")
}

// disarm puts an apostrophe before what a spreadsheet would take for a formula.
// It looks the first character up in a string, because DuckDB turns each IN of
// six values into a join with a hash table of its own: 100 MB for a row of cells.
func disarm(text string) string {
	return fmt.Sprintf("CASE WHEN %[1]s <> '' AND strpos('=+-@\t\r', left(%[1]s, 1)) > 0 THEN '''' || %[1]s ELSE %[1]s END", text)
}

// Export writes the matching clicks into a pipe that is copied to w, so that
// nothing is gathered in memory and no file is left behind whatever happens.
func (e *Engine) Export(ctx context.Context, f analytics.Filter, format analytics.ExportFormat, w io.Writer) error {
	if err := f.Check(); err != nil {
		return err
	}
	if err := format.Check(); err != nil {
		return err
	}
	x := &export{engine: e, format: format, from: source(f)}
	err := e.read(ctx, func(tx *sql.Tx) (err error) {
		x.where, x.args, err = where(ctx, tx, f)
		return err
	})
	if err != nil {
		return err
	}
	return x.pipe(ctx, w)
}

// export is one export under way.
type export struct {
	engine *Engine
	format analytics.ExportFormat
	from   string // what the filter needs
	where  string
	args   []any
	target string // the file that DuckDB writes to
}

// pipe runs the export with one end of a pipe as its target and copies what
// comes out. The reading end stays open until DuckDB is done, even when w fails:
// a write to a pipe without reader would end the process.
func (x *export) pipe(ctx context.Context, w io.Writer) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("analytics: no pipe for the export: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(w, reader)
		if err != nil {
			cancel(err)
			_, _ = io.Copy(io.Discard, reader)
		}
		copied <- err
	}()
	x.target = fmt.Sprintf("/dev/fd/%d", writer.Fd())
	if x.format == analytics.Parquet {
		err = x.parquet(ctx)
	} else {
		err = x.csv(ctx)
	}
	err = errors.Join(err, writer.Close())
	if failed := <-copied; failed != nil {
		err = fmt.Errorf("analytics: the export was not taken: %w", failed)
	}
	return errors.Join(err, reader.Close())
}

// parquetRows is how many clicks, in the order in which they were stored, a Parquet
// export puts together with their side tables at a time.
const parquetRows = 1 << 15

// parquet gathers the clicks in a temporary table, which DuckDB keeps in its
// temporary file: it cannot write a file of Parquet in parts.
func (x *export) parquet(ctx context.Context) error {
	e := x.engine
	e.reading.RLock()
	defer e.reading.RUnlock()
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return e.explain(ctx, err)
	}
	defer func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS exported") // temporary in any case
		_ = conn.Close()
	}()
	var first, last int64
	query := fmt.Sprintf("SELECT coalesce(min(clicks.rowid), 0), coalesce(max(clicks.rowid), -1) FROM %s WHERE %s", x.from, x.where)
	if err := conn.QueryRowContext(ctx, query, x.args...).Scan(&first, &last); err != nil {
		return e.explain(ctx, err)
	}
	into := "CREATE TEMP TABLE exported AS "
	for end := last + 1; ; first += parquetRows {
		more := fmt.Sprintf(" AND clicks.rowid >= %d AND clicks.rowid < %d", first, min(first+parquetRows, end))
		if err := x.part(ctx, conn, more, into); err != nil {
			return e.explain(ctx, err)
		}
		if into = "INSERT INTO exported "; first+parquetRows >= end {
			break
		}
	}
	_, err = conn.ExecContext(ctx, fmt.Sprintf("COPY exported TO '%s' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480, USE_TMP_FILE false)", x.target))
	return e.explain(ctx, err)
}

// part adds clicks to the temporary table.
func (x *export) part(ctx context.Context, conn *sql.Conn, more, into string) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	gathered, err := x.gather(ctx, tx, more)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("%s SELECT %s FROM %s", into, selection(x.format), gathered)); err != nil {
		return err
	}
	if err := drop(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// gather makes temporary tables of matching clicks and all that is known of them,
// and returns the FROM clause that puts them side by side. It asks one side table
// after the other, and of each only for what the clicks name: a join takes 8 MB at
// least, and all at once would not fit the memory. Each has a row for each click,
// even if the side table had lost it.
func (x *export) gather(ctx context.Context, tx *sql.Tx, more string) (from string, err error) {
	from = "gathered"
	_, err = tx.ExecContext(ctx, fmt.Sprintf("CREATE TEMP TABLE gathered AS SELECT clicks.* FROM %s WHERE %s%s", x.from, x.where, more), x.args...)
	for _, s := range sides {
		if err != nil {
			break
		}
		_, err = tx.ExecContext(ctx, fmt.Sprintf(`CREATE TEMP TABLE gathered_%[1]s AS SELECT named.* EXCLUDE (%[2]s) FROM gathered LEFT JOIN
			(SELECT * FROM %[1]s WHERE %[2]s IN (SELECT %[2]s FROM gathered)) AS named USING (%[2]s) ORDER BY gathered.rowid`, s.table, s.key))
		from += " POSITIONAL JOIN gathered_" + s.table
	}
	return from, err
}

// drop ends what gather began, in a transaction that is kept.
func drop(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "DROP TABLE gathered")
	for _, s := range sides {
		if err == nil {
			_, err = tx.ExecContext(ctx, "DROP TABLE gathered_"+s.table)
		}
	}
	return err
}

// sliceRows is how many rows of a CSV export are sorted at a time. Sorting all
// of them at once takes memory or, at best, as much disk as they fill.
const sliceRows = 8192

// csv writes slices of time, each sorted by itself. Rows that are appended
// meanwhile are left out, or a late one could be missed and a new one not.
func (x *export) csv(ctx context.Context) error {
	var rows int64
	var since, until time.Time
	err := x.engine.read(ctx, func(tx *sql.Tx) (err error) {
		var last int64
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(rowid), -1) FROM clicks").Scan(&last); err != nil {
			return err
		}
		x.where += fmt.Sprintf(" AND clicks.rowid <= %d", last)
		if err := tx.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s", x.from, x.where), x.args...).Scan(&rows); err != nil {
			return err
		}
		since, until, err = bounds(ctx, tx, x.from, x.where, x.args...)
		return err
	})
	if err != nil {
		return err
	}
	if err := x.slice(ctx, 0, 0, "true"); err != nil { // nothing but the header
		return err
	}
	return x.span(ctx, since.UnixMilli(), until.UnixMilli()+1, rows)
}

// slice writes the rows between two milliseconds.
func (x *export) slice(ctx context.Context, since, until int64, header string) error {
	// No value is NULL; naming a word for it other than "" keeps DuckDB from
	// putting quotes around what is empty.
	return x.engine.read(ctx, func(tx *sql.Tx) error {
		gathered, err := x.gather(ctx, tx, between(since, until))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, fmt.Sprintf(`COPY (SELECT %s FROM %s ORDER BY gathered."time", id_middle, id_low) TO '%s' (FORMAT csv, NULLSTR 'null', HEADER %s, USE_TMP_FILE false)`,
			selection(x.format), gathered, x.target, header))
		return err
	})
}

// span writes the rows between two milliseconds, in as many slices as it takes.
func (x *export) span(ctx context.Context, since, until, rows int64) error {
	if rows == 0 {
		return nil
	}
	if rows <= sliceRows || until-since == 1 {
		return x.slice(ctx, since, until, "false")
	}
	width := (until - since + 255) / 256
	counts, err := x.counts(ctx, since, until, width)
	if err != nil {
		return err
	}
	start, sum := int64(0), int64(0)
	for i, n := range counts {
		if sum > 0 && sum+n > sliceRows {
			if err := x.span(ctx, since+start*width, since+int64(i)*width, sum); err != nil {
				return err
			}
			start, sum = int64(i), 0
		}
		sum += n
	}
	return x.span(ctx, since+start*width, until, sum)
}

// counts returns how many rows each part of a span holds.
func (x *export) counts(ctx context.Context, since, until, width int64) ([]int64, error) {
	counts := make([]int64, (until-since+width-1)/width)
	query := fmt.Sprintf(`SELECT (epoch_ms("time") - %d) // %d, count(*) FROM %s WHERE %s%s GROUP BY 1`,
		since, width, x.from, x.where, between(since, until))
	err := x.engine.read(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, query, x.args, func(rows *sql.Rows) error {
			var part, n int64
			err := rows.Scan(&part, &n)
			counts[part] = n
			return err
		})
	})
	return counts, err
}

func between(since, until int64) string {
	return fmt.Sprintf(` AND "time" >= %s AND "time" < %s`, instant(time.UnixMilli(since)), instant(time.UnixMilli(until)))
}
