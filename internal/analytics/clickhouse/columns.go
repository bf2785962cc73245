package clickhouse

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// Row is what the table keeps.
type Row = analytics.Row

// field is a column of the table clicks: its name, its type, and how the rows of a
// batch fill it. Whole columns are handed to the driver, which copies them: a value
// at a time costs several times as much.
type field struct {
	name, kind string
	fill       func(to appender, rows []stored, texts []string) error
}

// appender is a column of the driver's.
type appender interface{ Append(v any) ([]uint8, error) }

// stored is a row with what is found out once for several columns.
type stored struct {
	*Row
	id      clickID
	visitor visitorID
	version uint64
	urlAt   int // where the URL names the click, -1 for nowhere
}

func number[T uint8 | uint16 | uint32 | uint64 | int64](name, kind string, get func(*stored) T) field {
	return field{name, kind, func(to appender, rows []stored, _ []string) error {
		values := make([]T, len(rows))
		for i := range rows {
			values[i] = get(&rows[i])
		}
		_, err := to.Append(values)
		return err
	}}
}

func boolean(name string, get func(*stored) bool) field {
	return number(name, "UInt8", func(r *stored) (n uint8) {
		if get(r) {
			n = 1
		}
		return n
	})
}

func text(name string, get func(*stored) string) field {
	return field{name, "String", func(to appender, rows []stored, texts []string) error {
		for i := range rows {
			texts[i] = clean(get(&rows[i]))
		}
		_, err := to.Append(texts)
		return err
	}}
}

// clean makes a string UTF-8: ClickHouse keeps any bytes, and whoever reads them
// would be at a loss.
func clean(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// fields are the columns of the table clicks in their order; new ones are added at
// the end, by a migration.
var fields = []field{
	number("minute", "UInt64", func(r *stored) uint64 { return r.id.minute() }),
	number("time", "UInt64", func(r *stored) uint64 { return r.id.time }),
	number("id_middle", "UInt16", func(r *stored) uint16 { return r.id.middle }),
	number("id_low", "UInt64", func(r *stored) uint64 { return r.id.low }),
	number("version", "UInt64", func(r *stored) uint64 { return r.version }),
	number("visitor_high", "UInt32", func(r *stored) uint32 { return r.visitor.high }),
	number("visitor_low", "UInt64", func(r *stored) uint64 { return r.visitor.low }),
	number("link", "Int64", func(r *stored) int64 { return r.Link }),
	boolean("valid", func(r *stored) bool { return r.Valid() }),
	boolean("is_unique", func(r *stored) bool { return r.Unique }),
	boolean("is_bot", func(r *stored) bool { return r.Verdict == affiliate.VerdictBot }),
	boolean("is_ahead", func(r *stored) bool { return r.Signals&(affiliate.SignalHead|affiliate.SignalPrefetch) != 0 }),
	boolean("duplicate", func(r *stored) bool { return r.Duplicate }),
	number("outcome", "UInt8", func(r *stored) uint8 { return uint8(r.Outcome) }),
	number("verdict", "UInt8", func(r *stored) uint8 { return uint8(r.Verdict) }),
	number("device", "UInt8", func(r *stored) uint8 { return uint8(r.Device) }),
	number("code", "UInt16", func(r *stored) uint16 { return uint16(r.Code) }),
	number("fetch", "UInt16", func(r *stored) uint16 { return uint16(r.Fetch) }),
	number("why", "UInt32", func(r *stored) uint32 { return uint32(r.Why) }),
	number("signals", "UInt32", func(r *stored) uint32 { return uint32(r.Signals) }),
	number("reasons", "UInt32", func(r *stored) uint32 { return uint32(r.Reasons) }),
	number("asn", "UInt32", func(r *stored) uint32 { return r.ASN }),
	{"ip", "String", func(to appender, rows []stored, texts []string) error { // 4 or 16 bytes
		for i := range rows {
			texts[i] = string(rows[i].IP.Unmap().AsSlice())
		}
		_, err := to.Append(texts)
		return err
	}},
	text("site", func(r *stored) string { return r.Site }),
	text("host", func(r *stored) string { return r.Host }),
	text("slug", func(r *stored) string { return r.Slug }),
	text("program", func(r *stored) string { return r.Program }),
	text("partner", func(r *stored) string { return r.Partner }),
	text("variant", func(r *stored) string { return r.Variant }),
	text("rule", func(r *stored) string { return r.Rule }),
	text("page", func(r *stored) string { return r.Page }),
	// Networks want the click's id in the URL. It is cut out, for it does not
	// compress and is there already.
	text("url", func(r *stored) string {
		if r.urlAt < 0 {
			return r.URL
		}
		return r.URL[:r.urlAt] + r.URL[r.urlAt+len(r.ID):]
	}),
	number("url_id", "UInt32", func(r *stored) uint32 { return uint32(r.urlAt + 1) }), // where it was, counted from 1
	text("agent", func(r *stored) string { return r.Agent }),
	text("browser", func(r *stored) string { return r.Browser }),
	text("browser_version", func(r *stored) string { return r.BrowserVersion }),
	text("os", func(r *stored) string { return r.OS }),
	text("bot_name", func(r *stored) string { return r.BotName }),
	text("bot_class", func(r *stored) string { return r.BotClass }),
	text("referrer", func(r *stored) string { return r.Referrer }),
	text("referrer_host", func(r *stored) string { return r.ReferrerHost }),
	text("language", func(r *stored) string { return r.Language }),
	text("country", func(r *stored) string { return r.Country }),
	text("network", func(r *stored) string { return r.Network }),
	text("query", func(r *stored) string { return r.Query }),
	sub(1), sub(2), sub(3), sub(4), sub(5), sub(6), sub(7), sub(8), sub(9), sub(10),
}

func sub(n int) field {
	return text(fmt.Sprintf("sub%d", n), func(r *stored) string { return r.Subs[n-1] })
}

// prepare finds out what several columns need. Of a click that a batch has twice the
// copy stays that a merge would leave; clicks without an id cannot be told apart until
// one, which then leaves a single one.
func (b *block) prepare(rows []Row, batch uint64) {
	b.rows = b.rows[:0]
	clear(b.places)
	for i := range rows {
		r := &rows[i]
		s := stored{Row: r, id: numberOf(r.ID), visitor: numberOfVisitor(r.Visitor), urlAt: -1}
		s.version = rankOf(r)<<batchBits | batch
		if s.id != (clickID{}) {
			if utf8.ValidString(r.URL) { // or cleaning it would move the place
				s.urlAt = strings.Index(r.URL, string(r.ID[:]))
			}
			if at, twice := b.places[s.id]; twice {
				if s.version > b.rows[at].version {
					b.rows[at] = s
				}
				continue
			}
			b.places[s.id] = len(b.rows)
		}
		b.rows = append(b.rows, s)
	}
}

// batchBits is the width of a batch's number in a version; above it is the rank.
const batchBits = 62

// rankOf orders copies of a click: one that counts and is unique stays, whatever a
// collector thought of the click when it read it again.
func rankOf(r *Row) (rank uint64) {
	if r.Valid() {
		rank = 2
	}
	if r.Unique {
		rank++
	}
	return rank
}

// block is a batch on its way: a table that goes along with a statement.
type block struct {
	table  *ext.Table
	rows   []stored
	texts  []string
	places map[clickID]int // in rows
}

func newBlock() (*block, error) {
	var columns []func(*ext.Table) error
	for _, f := range fields {
		columns = append(columns, ext.Column(f.name, column.Type(f.kind)))
	}
	table, err := ext.NewTable("batch", columns...)
	return &block{table: table, places: map[clickID]int{}}, err
}

// fill replaces what the block holds.
func (b *block) fill(rows []Row, batch uint64) error {
	b.prepare(rows, batch)
	if len(b.texts) < len(b.rows) {
		b.texts = make([]string, len(b.rows))
	}
	for i, c := range b.table.Block().Columns {
		c.Reset()
		if err := fields[i].fill(c, b.rows, b.texts[:len(b.rows)]); err != nil {
			return fmt.Errorf("column %s: %w", fields[i].name, err)
		}
	}
	return nil
}

// release lets go of the batch's memory.
func (b *block) release() {
	clear(b.rows)
	clear(b.texts)
}

// newestFirst orders touches as their ids descend.
func newestFirst(a, b analytics.Touch) int { return bytes.Compare(b.ID[:], a.ID[:]) }
