package duckdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// field is a column of an export. Their names and order are a promise: new ones
// are only added at the end.
type field struct {
	name string
	sql  string
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
	for _, name := range []string{"program", "partner", "variant", "rule", "page", "url"} {
		fields = append(fields, field{name, `"` + name + `"`, foreign})
	}
	fields = append(fields, field{"visitor", visitorText, own})
	for _, name := range []string{"ip", "agent", "referrer", "referrer_host", "language", "country", "query",
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
	idText = letters("((epoch_ms(\"time\") << 12) | id_middle)", 12) + " || " + letters("id_low", 12)
	// A click without a visitor has the number 0.
	visitorText = "CASE WHEN visitor_high = 0 AND visitor_low = 0 THEN '' ELSE " +
		letters("visitor_high", 4) + " || " + letters("visitor_low", 12) + " END"
)

// letters spells n characters of base 32; encode is the same in Go.
func letters(number string, n int) string {
	var parts []string
	for i := n - 1; i >= 0; i-- {
		parts = append(parts, fmt.Sprintf("substr('%s', ((%s >> %d) & 31)::BIGINT + 1, 1)", base32, number, 5*i))
	}
	return strings.Join(parts, " || ")
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
		sql := f.sql
		if format == analytics.CSV {
			switch f.kind {
			case instantField:
				sql = fmt.Sprintf("strftime(%s, '%%Y-%%m-%%dT%%H:%%M:%%S.%%gZ')", sql)
			case foreign: // a spreadsheet takes a cell that starts so for a formula
				sql = fmt.Sprintf("CASE WHEN left(%[1]s, 1) IN ('=', '+', '-', '@', chr(9), chr(13)) THEN '''' || %[1]s ELSE %[1]s END", sql)
			}
		}
		if format == analytics.CSV && f.kind != plain {
			sql = fmt.Sprintf("nullif(%s, '')", sql) // nothing between the commas rather than ""
		}
		list = append(list, fmt.Sprintf("%s AS %q", sql, f.name))
	}
	return strings.Join(list, ", ")
}

// Export writes the matching clicks, oldest first. DuckDB writes into a pipe that
// is copied to w: nothing is gathered in memory, and no file is left behind
// whatever happens.
func (e *Engine) Export(ctx context.Context, f analytics.Filter, format analytics.ExportFormat, w io.Writer) error {
	if err := f.Check(); err != nil {
		return err
	}
	var options string
	switch format {
	case analytics.CSV:
		options = "FORMAT csv, HEADER true"
	case analytics.Parquet:
		options = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 24576"
	default:
		return affiliate.Errorf(affiliate.Invalid, "there is no export format %q; there are: csv, parquet", format)
	}
	where, args, err := e.where(ctx, f)
	if err != nil {
		return err
	}
	query := fmt.Sprintf(`SELECT %s FROM clicks WHERE %s ORDER BY "time", id_middle, id_low`, selection(format), where)
	return e.copyTo(ctx, w, query, options, args)
}

// copyTo has DuckDB write a query's answer to w, through a pipe. The reading end
// stays open until DuckDB is done, even when w fails: a write to a pipe without
// reader would end the process.
func (e *Engine) copyTo(ctx context.Context, w io.Writer, query, options string, args []any) error {
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
	_, err = e.db.ExecContext(ctx, fmt.Sprintf("COPY (%s) TO '/dev/fd/%d' (%s, USE_TMP_FILE false)", query, writer.Fd(), options), args...)
	err = errors.Join(e.explain(ctx, err), writer.Close())
	if failed := <-copied; failed != nil {
		err = fmt.Errorf("analytics: the export was not taken: %w", failed)
	}
	return errors.Join(err, reader.Close())
}
