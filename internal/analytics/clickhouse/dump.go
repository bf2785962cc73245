package clickhouse

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// Days lists the days that have clicks; copies that no merge has met yet count.
func (e *Engine) Days(ctx context.Context) (days []analytics.Day, err error) {
	err = e.countBy(ctx, 24*time.Hour, "1", func(c analytics.Counted) { days = append(days, analytics.Day{Start: c.At, Rows: c.Rows}) })
	return days, e.explain(ctx, err)
}

// countBy counts rows by their time, cut to a width.
func (e *Engine) countBy(ctx context.Context, width time.Duration, condition string, fn func(analytics.Counted)) error {
	query := fmt.Sprintf("SELECT intDiv(time, %d) AS moment, count() FROM %s WHERE %s GROUP BY moment ORDER BY moment", width.Milliseconds(), e.tables.name(clicksTable), condition)
	return e.each(ctx, query, func(rows driver.Rows) error {
		var moment, n uint64
		err := rows.Scan(&moment, &n)
		fn(analytics.Counted{At: timeOf(moment * uint64(width.Milliseconds())), Rows: int64(n)})
		return err
	})
}

// during is the condition that chooses [since, until).
func during(since, until time.Time) string {
	first, end := uint64(max(since.UnixMilli(), 0)), uint64(max(until.UnixMilli(), 0))
	return fmt.Sprintf("minute >= %d AND minute <= %d AND time >= %d AND time < %d", first/msMinute, end/msMinute, first, end)
}

// Dump reads spans of seconds, so that the server sorts no more than these.
func (e *Engine) Dump(ctx context.Context, since, until time.Time, fn func([]Row) error) error {
	var seconds []analytics.Counted
	if err := e.countBy(ctx, time.Second, during(since, until), func(c analytics.Counted) { seconds = append(seconds, c) }); err != nil {
		return e.explain(ctx, err)
	}
	var rows []Row
	var refused error // by fn
	err := analytics.Spans(seconds, time.Second, func(first, end time.Time) (err error) {
		if first.Before(since) {
			first = since
		}
		if end.After(until) {
			end = until
		}
		if rows, err = e.dumped(ctx, first, end, rows[:0]); err == nil {
			refused = fn(rows)
			err = refused
		}
		return err
	})
	if refused != nil {
		return refused
	}
	return e.explain(ctx, err)
}

// dumped reads the rows of a time. Of copies the one that a merge would leave comes.
func (e *Engine) dumped(ctx context.Context, since, until time.Time, to []Row) ([]Row, error) {
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY time, id_middle, id_low, version DESC%s",
		exportedColumns, e.tables.name(clicksTable), during(since, until), copiesOnce)
	raw := newRaw()
	err := e.each(ctx, query, func(rows driver.Rows) error {
		if err := raw.scan(rows); err != nil {
			return err
		}
		to = append(to, Row{})
		raw.row(&to[len(to)-1])
		return nil
	})
	return to, err
}

// row is what the table's row was made from.
func (r *raw) row(to *Row) {
	x := &r.x
	to.ID, to.Visitor = r.id.text(), r.visitor.text()
	to.Outcome, to.Code, to.Why = affiliate.Outcome(r.outcome), int(x.Code), affiliate.Why(r.why)
	to.Link, to.Site, to.Host, to.Slug, to.Program, to.Partner, to.Variant, to.Rule, to.Page = x.Link, x.Site, x.Host, x.Slug, x.Program, x.Partner, x.Variant, x.Rule, x.Page
	to.URL = r.wholeURL(to.ID)
	to.Agent, to.Referrer, to.Language, to.Country, to.Query = x.Agent, x.Referrer, x.Language, x.Country, x.Query
	to.Subs = [...]string{x.Sub1, x.Sub2, x.Sub3, x.Sub4, x.Sub5, x.Sub6, x.Sub7, x.Sub8, x.Sub9, x.Sub10}
	to.Signals, to.Fetch, to.Verdict, to.Reasons = affiliate.Signals(r.signals), affiliate.Fetch(r.fetch), affiliate.Verdict(r.verdict), affiliate.Reasons(r.reasons)
	to.IP = r.address()
	to.ASN, to.Network, to.Browser, to.BrowserVersion, to.OS, to.Device = x.ASN, x.Network, x.Browser, x.BrowserVersion, x.OS, affiliate.Device(r.device)
	to.BotName, to.BotClass, to.ReferrerHost = x.BotName, x.BotClass, x.ReferrerHost
	to.Unique, to.Duplicate = r.unique != 0, r.duplicate != 0
}

// Positions returns where each source stands.
func (e *Engine) Positions(ctx context.Context) (map[string]string, error) {
	positions := map[string]string{}
	query := fmt.Sprintf("SELECT source, argMaxIf(position_to, number, kind = %[1]d) FROM %[2]s GROUP BY source HAVING countIf(kind = %[1]d) > 0", finished, e.tables.name(appendsTable))
	err := e.eachWith(ctx, e.logging(), query, func(rows driver.Rows) error {
		var source, position string
		err := rows.Scan(&source, &position)
		positions[source] = position
		return err
	})
	return positions, e.explain(ctx, err)
}

var _ analytics.Dumper = (*Engine)(nil)
