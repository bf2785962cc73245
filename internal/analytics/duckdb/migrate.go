package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// migrations bring a file from each version of the schema to the next; the first
// starts from nothing. What a released one does never changes.
var migrations = []migration{
	{statement: createWide},
	{statement: createSides},
	{before: moveClicks, statement: "DROP TABLE wide"},
}

// migration is a transaction, after work that commits as it goes and, begun again
// after a crash, goes on where it was.
type migration struct {
	before    func(ctx context.Context, db *sql.DB) error
	statement string
}

// migrate brings the file to this program's version of the schema.
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
	m := migrations[version]
	if m.before != nil {
		if err := m.before(ctx, db); err != nil {
			return err
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, m.statement); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO meta VALUES ('schema', ?) ON CONFLICT DO UPDATE SET value = excluded.value", version+1); err != nil {
		return err
	}
	return tx.Commit()
}

// createWide is version 1: everything of a click in one row of 48 columns.
const createWide = `
	CREATE TABLE clicks (
		"time" TIMESTAMP_MS NOT NULL, id_middle USMALLINT NOT NULL, id_low UBIGINT NOT NULL, link BIGINT NOT NULL,
		valid BOOLEAN NOT NULL, is_unique BOOLEAN NOT NULL, duplicate BOOLEAN NOT NULL, outcome UTINYINT NOT NULL,
		code USMALLINT NOT NULL, why UINTEGER NOT NULL, site VARCHAR NOT NULL, host VARCHAR NOT NULL, slug VARCHAR NOT NULL,
		program VARCHAR NOT NULL, partner VARCHAR NOT NULL, variant VARCHAR NOT NULL, rule VARCHAR NOT NULL,
		page VARCHAR NOT NULL, url VARCHAR NOT NULL, visitor_high UINTEGER NOT NULL, visitor_low UBIGINT NOT NULL,
		ip VARCHAR NOT NULL, agent VARCHAR NOT NULL, referrer VARCHAR NOT NULL, referrer_host VARCHAR NOT NULL,
		"language" VARCHAR NOT NULL, country VARCHAR NOT NULL, query VARCHAR NOT NULL,
		sub1 VARCHAR NOT NULL, sub2 VARCHAR NOT NULL, sub3 VARCHAR NOT NULL, sub4 VARCHAR NOT NULL, sub5 VARCHAR NOT NULL,
		sub6 VARCHAR NOT NULL, sub7 VARCHAR NOT NULL, sub8 VARCHAR NOT NULL, sub9 VARCHAR NOT NULL, sub10 VARCHAR NOT NULL,
		signals UINTEGER NOT NULL, "fetch" USMALLINT NOT NULL, verdict UTINYINT NOT NULL, reasons UINTEGER NOT NULL,
		asn UINTEGER NOT NULL, network VARCHAR NOT NULL, browser VARCHAR NOT NULL, browser_version VARCHAR NOT NULL,
		os VARCHAR NOT NULL, device UTINYINT NOT NULL, bot_name VARCHAR NOT NULL, bot_class VARCHAR NOT NULL);
	-- The names of links, in the order in which they were seen: the last one of
	-- a link is its name today.
	CREATE TABLE links (link BIGINT NOT NULL, site VARCHAR NOT NULL, slug VARCHAR NOT NULL);
	CREATE TABLE positions (source VARCHAR PRIMARY KEY, position VARCHAR NOT NULL);`

// moveClicks takes version 2 to 3: the clicks go from the wide table into the
// narrow one and what they share into side tables. It works in slices, joined with
// one table after the other, as memory is short; that also keeps their order. The
// number of a target is that of its click, so the highest one tells how far an
// earlier attempt came. Until the end, the file needs room for both.
func moveClicks(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var rows, first int64
	err = conn.QueryRowContext(ctx, "SELECT (SELECT coalesce(max(rowid) + 1, 0) FROM wide), (SELECT coalesce(max(target_id), 0) FROM targets)").Scan(&rows, &first)
	if err != nil || first == rows {
		return err
	}
	if _, err := conn.ExecContext(ctx, dottedNumber); err != nil {
		return err
	}
	for n := 1; first < rows; n++ {
		if err := moveSlice(ctx, conn, first); err != nil {
			return err
		}
		if first += slice; n%slicesPacked == 0 {
			if _, err := conn.ExecContext(ctx, "CHECKPOINT"); err != nil {
				return err
			}
		}
	}
	return nil
}

// slice is how many clicks are moved at a time; slicesPacked of them are packed
// together.
const (
	slice        = 1 << 15
	slicesPacked = 16
)

func moveSlice(ctx context.Context, conn *sql.Conn, first int64) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	statements := []string{fmt.Sprintf("CREATE TEMP TABLE moved AS SELECT * FROM %s WHERE number >= %d AND number < %d ORDER BY number", widened, first, first+slice)}
	from, drops := "moved", ""
	for _, s := range version2 {
		statements = append(statements,
			fmt.Sprintf(`INSERT INTO %[1]s SELECT (SELECT coalesce(max(%[2]s), 0) FROM %[1]s) + row_number() OVER (), *
				FROM (SELECT DISTINCT %[3]s FROM moved) ANTI JOIN %[1]s USING (%[3]s)`, s.table, s.key, s.columns),
			fmt.Sprintf("CREATE TEMP TABLE moved_%[1]s AS SELECT %[2]s FROM moved JOIN %[1]s USING (%[3]s) ORDER BY number", s.table, s.key, s.columns))
		from += " POSITIONAL JOIN moved_" + s.table
		drops += "; DROP TABLE moved_" + s.table
	}
	statements = append(statements,
		"INSERT INTO targets SELECT number + 1, url, false, '' FROM moved ORDER BY number",
		`INSERT INTO clicks SELECT "time", id_middle, id_low, visitor_high, visitor_low, link, valid, is_unique, verdict = 2, signals & 3 <> 0, ip4,
			route_id, number + 1, agent_id, place_id, address_id, origin_id, campaign_id, request_id FROM `+from+" ORDER BY number",
		"DROP TABLE moved"+drops)
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// version2 lists the side tables that are filled with what is different; nearly
// every URL is, so each becomes a target of its own without being looked for.
var version2 = []struct{ table, key, columns string }{
	{"routes", "route_id", "site, host, slug, program, variant, rule"},
	{"agents", "agent_id", "agent, browser, browser_version, os, device, bot_name, bot_class"},
	{"places", "place_id", "country, asn, network"},
	{"addresses", "address_id", "address"},
	{"origins", "origin_id", "page, referrer, referrer_host"},
	{"campaigns", "campaign_id", "partner, query, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10"},
	{"requests", "request_id", `outcome, code, why, "language", signals, "fetch", verdict, reasons, duplicate`},
}

// widened has the addresses of version 1, which are texts, as version 2 keeps them.
const widened = `(SELECT *, rowid AS number, dotted_number(ip) AS ip4, CASE WHEN dotted_number(ip) = 0 THEN ip ELSE '' END AS address FROM wide)`

const createSides = `
	ALTER TABLE clicks RENAME TO wide;
	CREATE TABLE clicks (
		"time" TIMESTAMP_MS NOT NULL, id_middle USMALLINT NOT NULL, id_low UBIGINT NOT NULL,
		visitor_high UINTEGER NOT NULL, visitor_low UBIGINT NOT NULL, link BIGINT NOT NULL,
		valid BOOLEAN NOT NULL, is_unique BOOLEAN NOT NULL, is_bot BOOLEAN NOT NULL, is_ahead BOOLEAN NOT NULL, ip UINTEGER NOT NULL,
		route_id BIGINT NOT NULL, target_id BIGINT NOT NULL, agent_id BIGINT NOT NULL, place_id BIGINT NOT NULL,
		address_id BIGINT NOT NULL, origin_id BIGINT NOT NULL, campaign_id BIGINT NOT NULL, request_id BIGINT NOT NULL);
	CREATE TABLE routes (route_id BIGINT NOT NULL, site VARCHAR NOT NULL, host VARCHAR NOT NULL, slug VARCHAR NOT NULL,
		program VARCHAR NOT NULL, variant VARCHAR NOT NULL, rule VARCHAR NOT NULL);
	CREATE TABLE targets (target_id BIGINT NOT NULL, url_head VARCHAR NOT NULL, url_has_id BOOLEAN NOT NULL, url_tail VARCHAR NOT NULL);
	CREATE TABLE agents (agent_id BIGINT NOT NULL, agent VARCHAR NOT NULL, browser VARCHAR NOT NULL, browser_version VARCHAR NOT NULL,
		os VARCHAR NOT NULL, device UTINYINT NOT NULL, bot_name VARCHAR NOT NULL, bot_class VARCHAR NOT NULL);
	CREATE TABLE places (place_id BIGINT NOT NULL, country VARCHAR NOT NULL, asn UINTEGER NOT NULL, network VARCHAR NOT NULL);
	CREATE TABLE addresses (address_id BIGINT NOT NULL, address VARCHAR NOT NULL);
	CREATE TABLE origins (origin_id BIGINT NOT NULL, page VARCHAR NOT NULL, referrer VARCHAR NOT NULL, referrer_host VARCHAR NOT NULL);
	CREATE TABLE campaigns (campaign_id BIGINT NOT NULL, partner VARCHAR NOT NULL, query VARCHAR NOT NULL,
		sub1 VARCHAR NOT NULL, sub2 VARCHAR NOT NULL, sub3 VARCHAR NOT NULL, sub4 VARCHAR NOT NULL, sub5 VARCHAR NOT NULL,
		sub6 VARCHAR NOT NULL, sub7 VARCHAR NOT NULL, sub8 VARCHAR NOT NULL, sub9 VARCHAR NOT NULL, sub10 VARCHAR NOT NULL);
	CREATE TABLE requests (request_id BIGINT NOT NULL, outcome UTINYINT NOT NULL, code USMALLINT NOT NULL, why UINTEGER NOT NULL,
		"language" VARCHAR NOT NULL, signals UINTEGER NOT NULL, "fetch" USMALLINT NOT NULL, verdict UTINYINT NOT NULL,
		reasons UINTEGER NOT NULL, duplicate BOOLEAN NOT NULL);`

const dottedNumber = `
	CREATE TEMP MACRO dotted_number(ip) AS CASE WHEN contains(ip, '.') AND NOT contains(ip, ':')
		THEN split_part(ip, '.', 1)::UINTEGER * 16777216 + split_part(ip, '.', 2)::UINTEGER * 65536 + split_part(ip, '.', 3)::UINTEGER * 256
		+ split_part(ip, '.', 4)::UINTEGER ELSE 0 END;`
