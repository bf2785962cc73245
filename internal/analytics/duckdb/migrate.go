package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// migrations bring a file from each version of the schema to the next; the first
// starts from nothing. What a released one does never changes.
var migrations = []func(ctx context.Context, tx *sql.Tx) error{
	statements(createWide),
	toSides,
}

func statements(text string) func(ctx context.Context, tx *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, text)
		return err
	}
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
	if err := migrations[version](ctx, tx); err != nil {
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

// toSides makes version 2: what clicks share goes into side tables. The clicks are
// moved in slices, which keeps their order; on the tried machine a million takes
// some seconds. Until the end, the file needs room for both.
func toSides(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, createSides); err != nil {
		return err
	}
	var rows int64
	if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(rowid) + 1, 0) FROM wide").Scan(&rows); err != nil {
		return err
	}
	if rows > 0 {
		if _, err := tx.ExecContext(ctx, fillSides); err != nil {
			return err
		}
	}
	for first := int64(0); first < rows; first += slice {
		if _, err := tx.ExecContext(ctx, moveClicks+fmt.Sprintf(" WHERE w.rowid >= %d AND w.rowid < %d ORDER BY w.rowid", first, first+slice)); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "DROP TABLE wide")
	return err
}

const slice = 1 << 20

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

// Version 1 kept IPv4 addresses as texts of digits and dots. Its URLs are nearly
// all different, so each becomes a target of its own without being looked for.
const fillSides = `
	CREATE MACRO dotted(ip) AS contains(ip, '.') AND NOT contains(ip, ':');
	CREATE MACRO dotted_number(ip) AS CASE WHEN dotted(ip) THEN split_part(ip, '.', 1)::UINTEGER * 16777216 + split_part(ip, '.', 2)::UINTEGER * 65536
		+ split_part(ip, '.', 3)::UINTEGER * 256 + split_part(ip, '.', 4)::UINTEGER ELSE 0 END;
	CREATE MACRO other_address(ip) AS CASE WHEN dotted_number(ip) <> 0 THEN '' ELSE ip END;
	INSERT INTO routes SELECT row_number() OVER (), * FROM (SELECT DISTINCT site, host, slug, program, variant, rule FROM wide);
	INSERT INTO targets SELECT rowid + 1, url, false, '' FROM wide;
	INSERT INTO agents SELECT row_number() OVER (), * FROM (SELECT DISTINCT agent, browser, browser_version, os, device, bot_name, bot_class FROM wide);
	INSERT INTO places SELECT row_number() OVER (), * FROM (SELECT DISTINCT country, asn, network FROM wide);
	INSERT INTO addresses SELECT row_number() OVER (), * FROM (SELECT DISTINCT other_address(ip) FROM wide);
	INSERT INTO origins SELECT row_number() OVER (), * FROM (SELECT DISTINCT page, referrer, referrer_host FROM wide);
	INSERT INTO campaigns SELECT row_number() OVER (), * FROM (SELECT DISTINCT partner, query, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10 FROM wide);
	INSERT INTO requests SELECT row_number() OVER (), * FROM (SELECT DISTINCT outcome, code, why, "language", signals, "fetch", verdict, reasons, duplicate FROM wide);`

const moveClicks = `
	INSERT INTO clicks SELECT w."time", w.id_middle, w.id_low, w.visitor_high, w.visitor_low, w.link,
		w.valid, w.is_unique, w.verdict = 2, w.signals & 3 <> 0, dotted_number(w.ip),
		route_id, w.rowid + 1, agent_id, place_id, address_id, origin_id, campaign_id, request_id
	FROM wide w
	JOIN routes r ON w.site = r.site AND w.host = r.host AND w.slug = r.slug AND w.program = r.program AND w.variant = r.variant AND w.rule = r.rule
	JOIN agents a ON w.agent = a.agent AND w.browser = a.browser AND w.browser_version = a.browser_version AND w.os = a.os
		AND w.device = a.device AND w.bot_name = a.bot_name AND w.bot_class = a.bot_class
	JOIN places p ON w.country = p.country AND w.asn = p.asn AND w.network = p.network
	JOIN addresses i ON other_address(w.ip) = i.address
	JOIN origins o ON w.page = o.page AND w.referrer = o.referrer AND w.referrer_host = o.referrer_host
	JOIN campaigns c ON w.partner = c.partner AND w.query = c.query AND w.sub1 = c.sub1 AND w.sub2 = c.sub2 AND w.sub3 = c.sub3
		AND w.sub4 = c.sub4 AND w.sub5 = c.sub5 AND w.sub6 = c.sub6 AND w.sub7 = c.sub7 AND w.sub8 = c.sub8 AND w.sub9 = c.sub9 AND w.sub10 = c.sub10
	JOIN requests q ON w.outcome = q.outcome AND w.code = q.code AND w.why = q.why AND w."language" = q."language" AND w.signals = q.signals
		AND w."fetch" = q."fetch" AND w.verdict = q.verdict AND w.reasons = q.reasons AND w.duplicate = q.duplicate`
