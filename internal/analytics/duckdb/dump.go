package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// Days lists the days that have clicks.
func (e *Engine) Days(ctx context.Context) (days []analytics.Day, err error) {
	const day = 24 * time.Hour
	err = e.countBy(ctx, day, "true", func(c analytics.Counted) { days = append(days, analytics.Day{Start: c.At, Rows: c.Rows}) })
	return days, err
}

// countBy counts clicks by their time, cut to a width.
func (e *Engine) countBy(ctx context.Context, width time.Duration, where string, fn func(analytics.Counted)) error {
	query := fmt.Sprintf(`SELECT epoch_ms("time") // %[1]d AS moment, count(*) FROM clicks WHERE %[2]s GROUP BY moment ORDER BY moment`, width.Milliseconds(), where)
	return e.read(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, query, nil, func(rows *sql.Rows) error {
			var moment, n int64
			err := rows.Scan(&moment, &n)
			fn(analytics.Counted{At: time.UnixMilli(moment * width.Milliseconds()).UTC(), Rows: n})
			return err
		})
	})
}

// Dump reads spans of seconds, for DuckDB's driver keeps a whole answer in memory. Each is
// gathered as for an export.
func (e *Engine) Dump(ctx context.Context, since, until time.Time, fn func([]Row) error) error {
	var seconds []analytics.Counted
	within := strings.TrimPrefix(between(since.UnixMilli(), until.UnixMilli()), " AND ")
	if err := e.countBy(ctx, time.Second, within, func(c analytics.Counted) { seconds = append(seconds, c) }); err != nil {
		return err
	}
	x := &export{engine: e, from: "clicks", where: "true"}
	var rows []Row
	return analytics.Spans(seconds, time.Second, func(first, end time.Time) (err error) {
		if first.Before(since) {
			first = since
		}
		if end.After(until) {
			end = until
		}
		if rows, err = x.rows(ctx, first, end, rows[:0]); err != nil {
			return err
		}
		return fn(rows)
	})
}

// dumpedColumns are what rows are read from, in the order of scanRow.
const dumpedColumns = `epoch_ms("time"), id_middle, id_low, visitor_high, visitor_low, link, is_unique, ip, address,
	site, host, slug, program, variant, rule, url_head, url_has_id, url_tail, agent, browser, browser_version, os, device, bot_name, bot_class,
	country, asn, network, page, referrer, referrer_host, partner, query, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10,
	outcome, code, why, "language", signals, "fetch", verdict, reasons, duplicate`

// rows reads the rows of a time.
func (x *export) rows(ctx context.Context, since, until time.Time, to []Row) ([]Row, error) {
	err := x.engine.read(ctx, func(tx *sql.Tx) error {
		gathered, err := x.gather(ctx, tx, between(since.UnixMilli(), until.UnixMilli()))
		if err != nil {
			return err
		}
		query := fmt.Sprintf(`SELECT %s FROM %s ORDER BY gathered."time", id_middle, id_low, valid DESC, is_unique DESC`, dumpedColumns, gathered)
		return each(ctx, tx, query, nil, func(rows *sql.Rows) error {
			to = append(to, Row{})
			return scanRow(rows, &to[len(to)-1])
		})
	})
	return to, err
}

func scanRow(rows *sql.Rows, r *Row) error {
	var ms int64
	var middle uint16
	var low, visitorLow uint64
	var visitorHigh, ip uint32
	var address, head, tail string
	var hasID bool
	if err := rows.Scan(&ms, &middle, &low, &visitorHigh, &visitorLow, &r.Link, &r.Unique, &ip, &address,
		&r.Site, &r.Host, &r.Slug, &r.Program, &r.Variant, &r.Rule, &head, &hasID, &tail, &r.Agent, &r.Browser, &r.BrowserVersion, &r.OS, &r.Device, &r.BotName, &r.BotClass,
		&r.Country, &r.ASN, &r.Network, &r.Page, &r.Referrer, &r.ReferrerHost, &r.Partner, &r.Query,
		&r.Subs[0], &r.Subs[1], &r.Subs[2], &r.Subs[3], &r.Subs[4], &r.Subs[5], &r.Subs[6], &r.Subs[7], &r.Subs[8], &r.Subs[9],
		&r.Outcome, &r.Code, &r.Why, &r.Language, &r.Signals, &r.Fetch, &r.Verdict, &r.Reasons, &r.Duplicate); err != nil {
		return err
	}
	if ms != 0 || middle != 0 || low != 0 {
		encode(r.ID[:12], uint64(ms)<<12|uint64(middle))
		encode(r.ID[12:], low)
	}
	if visitorHigh != 0 || visitorLow != 0 {
		encode(r.Visitor[:4], uint64(visitorHigh))
		encode(r.Visitor[4:], visitorLow)
	}
	if r.URL = head; hasID {
		r.URL += string(r.ID[:]) + tail
	}
	switch {
	case ip != 0:
		r.IP = netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)})
	case address != "":
		parsed, err := netip.ParseAddr(address)
		if err != nil {
			return fmt.Errorf("the click %s has an address that is none: %w", r.ID, err)
		}
		r.IP = parsed
	}
	return nil
}

// Positions returns where each source stands.
func (e *Engine) Positions(ctx context.Context) (map[string]string, error) {
	positions := map[string]string{}
	err := e.read(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, "SELECT source, position FROM positions", nil, func(rows *sql.Rows) error {
			var source, position string
			err := rows.Scan(&source, &position)
			positions[source] = position
			return err
		})
	})
	return positions, err
}

// checkVersion refuses a file that would have to be changed before it can be read.
func (e *Engine) checkVersion() error {
	var version int
	err := e.db.QueryRow("SELECT value FROM meta WHERE key = 'schema'").Scan(&version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return explainOpen(e.path, err)
	}
	if version != len(migrations) {
		return fmt.Errorf("analytics: %s has version %d of the schema and this program reads version %d: start the server of this program once with it, which brings it up to date",
			e.path, version, len(migrations))
	}
	return nil
}

// errReadOnly is what a file answers that was opened for reading.
func (e *Engine) errReadOnly() error {
	return affiliate.Errorf(affiliate.Forbidden, "%s was opened for reading only", e.path)
}

var _ analytics.Dumper = (*Engine)(nil)
