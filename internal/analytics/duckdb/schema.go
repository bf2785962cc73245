package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/sluicehq/sluice/internal/analytics"
)

// Row is what the table keeps.
type Row = analytics.Row

// columns of the table clicks, in their order. DuckDB packs each by itself, so
// names that repeat cost bits, not bytes, and need no tables of their own. Ids
// are kept as the numbers they spell: 26 bytes for a click and its visitor
// instead of 40.
var columns = []column{
	number("time", mapping.TypeTimestampMS, "TIMESTAMP_MS", func(r *Row) int64 { return int64(decode(r.ID[:12]) >> 12) }),
	number("id_middle", mapping.TypeUSmallInt, "USMALLINT", func(r *Row) uint16 { return uint16(decode(r.ID[:12]) & 0xfff) }),
	number("id_low", mapping.TypeUBigInt, "UBIGINT", func(r *Row) uint64 { return decode(r.ID[12:]) }),
	number("link", mapping.TypeBigInt, "BIGINT", func(r *Row) int64 { return r.Link }),
	number("valid", mapping.TypeBoolean, "BOOLEAN", (*Row).Valid),
	number("is_unique", mapping.TypeBoolean, "BOOLEAN", func(r *Row) bool { return r.Unique }),
	number("duplicate", mapping.TypeBoolean, "BOOLEAN", func(r *Row) bool { return r.Duplicate }),
	number("outcome", mapping.TypeUTinyInt, "UTINYINT", func(r *Row) uint8 { return uint8(r.Outcome) }),
	number("code", mapping.TypeUSmallInt, "USMALLINT", func(r *Row) uint16 { return uint16(r.Code) }),
	number("why", mapping.TypeUInteger, "UINTEGER", func(r *Row) uint32 { return uint32(r.Why) }),
	text("site", func(r *Row) string { return r.Site }),
	text("host", func(r *Row) string { return r.Host }),
	text("slug", func(r *Row) string { return r.Slug }),
	text("program", func(r *Row) string { return r.Program }),
	text("partner", func(r *Row) string { return r.Partner }),
	text("variant", func(r *Row) string { return r.Variant }),
	text("rule", func(r *Row) string { return r.Rule }),
	text("page", func(r *Row) string { return r.Page }),
	text("url", func(r *Row) string { return r.URL }),
	number("visitor_high", mapping.TypeUInteger, "UINTEGER", func(r *Row) uint32 { return uint32(decode(r.Visitor[:4])) }),
	number("visitor_low", mapping.TypeUBigInt, "UBIGINT", func(r *Row) uint64 { return decode(r.Visitor[4:]) }),
	text("ip", func(r *Row) string {
		if !r.IP.IsValid() {
			return ""
		}
		return r.IP.String()
	}),
	text("agent", func(r *Row) string { return r.Agent }),
	text("referrer", func(r *Row) string { return r.Referrer }),
	text("referrer_host", func(r *Row) string { return r.ReferrerHost }),
	text("language", func(r *Row) string { return r.Language }),
	text("country", func(r *Row) string { return r.Country }),
	text("query", func(r *Row) string { return r.Query }),
	sub(1), sub(2), sub(3), sub(4), sub(5), sub(6), sub(7), sub(8), sub(9), sub(10),
	number("signals", mapping.TypeUInteger, "UINTEGER", func(r *Row) uint32 { return uint32(r.Signals) }),
	number("fetch", mapping.TypeUSmallInt, "USMALLINT", func(r *Row) uint16 { return uint16(r.Fetch) }),
	number("verdict", mapping.TypeUTinyInt, "UTINYINT", func(r *Row) uint8 { return uint8(r.Verdict) }),
	number("reasons", mapping.TypeUInteger, "UINTEGER", func(r *Row) uint32 { return uint32(r.Reasons) }),
	number("asn", mapping.TypeUInteger, "UINTEGER", func(r *Row) uint32 { return r.ASN }),
	text("network", func(r *Row) string { return r.Network }),
	text("browser", func(r *Row) string { return r.Browser }),
	text("browser_version", func(r *Row) string { return r.BrowserVersion }),
	text("os", func(r *Row) string { return r.OS }),
	number("device", mapping.TypeUTinyInt, "UTINYINT", func(r *Row) uint8 { return uint8(r.Device) }),
	text("bot_name", func(r *Row) string { return r.BotName }),
	text("bot_class", func(r *Row) string { return r.BotClass }),
}

func sub(n int) column {
	return text(fmt.Sprintf("sub%d", n), func(r *Row) string { return r.Subs[n-1] })
}

// migrations bring a file from each version of the schema to the next; the first
// starts from nothing. What a released one does never changes: when columns do,
// the first spells out the columns of its day.
var migrations = []string{
	createClicks() + `
	-- The names of links, in the order in which they were seen: the last one of
	-- a link is its name today.
	CREATE TABLE links (link BIGINT NOT NULL, site VARCHAR NOT NULL, slug VARCHAR NOT NULL);
	CREATE TABLE positions (source VARCHAR PRIMARY KEY, position VARCHAR NOT NULL);`,
}

func createClicks() string {
	var b strings.Builder
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q %s NOT NULL", c.name, c.sql)
	}
	return "CREATE TABLE clicks (" + b.String() + ");"
}

// migrate brings the file to this program's version of the schema, in one
// transaction for each step.
func migrate(db *sql.DB, path string) error {
	ctx := context.Background()
	if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS meta (key VARCHAR PRIMARY KEY, value BIGINT NOT NULL)"); err != nil {
		return explainOpen(path, err)
	}
	var version int
	err := db.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'schema'").Scan(&version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return explainOpen(path, err)
	}
	if version > len(migrations) {
		return fmt.Errorf("analytics: %s has version %d of the schema and this program knows versions up to %d: "+
			"start the newer release that wrote it, or restore a backup from before", path, version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		if err := step(ctx, db, version); err != nil {
			return fmt.Errorf("analytics: %s: bringing the schema to version %d: %w", path, version+1, err)
		}
	}
	return nil
}

func step(ctx context.Context, db *sql.DB, version int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, migrations[version]); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO meta VALUES ('schema', ?) ON CONFLICT DO UPDATE SET value = excluded.value", version+1); err != nil {
		return err
	}
	return tx.Commit()
}
