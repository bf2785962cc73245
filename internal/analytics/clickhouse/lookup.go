package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

func columnType(kind string) column.Type { return column.Type(kind) }

// idTable is a table of ids that goes along with a query, and the condition that
// chooses the minutes in which they are: 200 times at most, or reading what lies
// between two is cheaper than choosing.
func idTable(ids map[clickID]bool) (table *ext.Table, minutes string, err error) {
	table, err = ext.NewTable("asked", ext.Column("time", "UInt64"), ext.Column("middle", "UInt16"), ext.Column("low", "UInt64"))
	times := make([]uint64, 0, len(ids))
	for id := range ids {
		if err == nil {
			err = table.Append(id.time, id.middle, id.low)
		}
		times = append(times, id.time)
	}
	return table, within(runsOf(times, msMinute, 200)), err
}

// asked is which ids are asked about; what is no id is left out.
func asked(ids []affiliate.ClickID) map[clickID]bool {
	all := make(map[clickID]bool, len(ids))
	for _, id := range ids {
		if n := numberOf(id); n != (clickID{}) { // rows without an id have this
			all[n] = true
		}
	}
	return all
}

const ofAsked = "(time, id_middle, id_low) IN (SELECT time, middle, low FROM asked)"

// Known looks at the clicks of the ids' minutes.
func (e *Engine) Known(ctx context.Context, ids []affiliate.ClickID) ([]affiliate.ClickID, error) {
	if err := analytics.CheckKnown(len(ids)); err != nil {
		return nil, err
	}
	known, err := e.known(ctx, ids)
	return known, e.explain(ctx, err)
}

// known asks past other readers: batches wait for it.
func (e *Engine) known(ctx context.Context, ids []affiliate.ClickID) (known []affiliate.ClickID, err error) {
	left := asked(ids)
	if len(left) == 0 {
		return nil, ctx.Err()
	}
	table, minutes, err := idTable(left)
	if err != nil {
		return nil, err
	}
	query := fmt.Sprintf("SELECT time, id_middle, id_low FROM %s WHERE %s AND %s", e.tables.name(clicksTable), minutes, ofAsked)
	err = e.eachWith(ctx, e.certain(), query, func(rows driver.Rows) error {
		var id clickID
		err := rows.Scan(&id.time, &id.middle, &id.low)
		if left[id] { // a copy is not named again
			delete(left, id)
			known = append(known, id.text())
		}
		return err
	}, table)
	return known, err
}

// touchColumns are what a touch tells, in the order of readTouch.
const touchColumns = "time, id_middle, id_low, version, visitor_high, visitor_low, link, valid, verdict, site, program, partner, slug, variant, page, sub1, country"

func readTouch(rows driver.Rows) (t analytics.Touch, version uint64, err error) {
	var id clickID
	var visitor visitorID
	var valid, verdict uint8
	err = rows.Scan(&id.time, &id.middle, &id.low, &version, &visitor.high, &visitor.low, &t.Link, &valid, &verdict,
		&t.Site, &t.Program, &t.Partner, &t.Slug, &t.Variant, &t.Page, &t.Sub1, &t.Country)
	t.ID, t.At, t.Visitor = id.text(), timeOf(id.time), visitor.text()
	t.Valid, t.Verdict = valid != 0, affiliate.Verdict(verdict)
	return t, version, err
}

// Clicks looks at the clicks of the ids' minutes, as Known does. Of copies it takes
// the one that will stay.
func (e *Engine) Clicks(ctx context.Context, ids []affiliate.ClickID) (found []analytics.Touch, err error) {
	if err := analytics.CheckClicks(ids); err != nil {
		return nil, err
	}
	wanted := asked(ids)
	if len(wanted) == 0 {
		return nil, e.explain(ctx, ctx.Err())
	}
	table, minutes, err := idTable(wanted)
	if err != nil {
		return nil, e.explain(ctx, err)
	}
	type copy struct {
		at      int
		version uint64
	}
	copies := map[affiliate.ClickID]copy{}
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s AND %s", touchColumns, e.tables.name(clicksTable), minutes, ofAsked)
	err = e.each(ctx, query, func(rows driver.Rows) error {
		t, version, err := readTouch(rows)
		if c, twice := copies[t.ID]; !twice {
			copies[t.ID] = copy{len(found), version}
			found = append(found, t)
		} else if version > c.version {
			copies[t.ID] = copy{c.at, version}
			found[c.at] = t
		}
		return err
	}, table)
	return found, e.explain(ctx, err)
}

// visitorTable is a table of visitors that goes along with a query, nil when none of
// them is one.
func visitorTable(visitors []affiliate.VisitorID) (*ext.Table, error) {
	all := map[visitorID]bool{}
	for _, v := range visitors {
		all[numberOfVisitor(v)] = true
	}
	delete(all, visitorID{}) // clicks of nobody have this
	if len(all) == 0 {
		return nil, nil
	}
	table, err := ext.NewTable("asked", ext.Column("high", "UInt32"), ext.Column("low", "UInt64"))
	for v := range all {
		if err == nil {
			err = table.Append(v.high, v.low)
		}
	}
	return table, err
}

const ofVisitors = "(visitor_high, visitor_low) IN (SELECT high, low FROM asked)"

// copiesOnce ends a query that has its rows in an order: of copies the first stays.
const copiesOnce = " LIMIT 1 BY time, id_middle, id_low"

// Touches finds the newest clicks of each visitor, each once.
func (e *Engine) Touches(ctx context.Context, program string, visitors []affiliate.VisitorID, since, until time.Time) (found []analytics.Touch, err error) {
	if err := analytics.CheckTouches(visitors, since, until); err != nil {
		return nil, err
	}
	table, err := visitorTable(visitors)
	if err != nil || table == nil {
		return nil, e.explain(ctx, cmpErr(err, ctx.Err()))
	}
	condition := "valid AND program = " + literal(clean(program)) + " AND " + ofVisitors
	if !since.IsZero() {
		condition += from(since)
	}
	if !until.IsZero() {
		condition += upTo(until.Truncate(time.Millisecond).Add(time.Millisecond))
	}
	const order = " ORDER BY time DESC, id_middle DESC, id_low DESC"
	query := fmt.Sprintf("SELECT %s FROM (SELECT %s FROM %s WHERE %s%s, version DESC%s)%s LIMIT %d BY visitor_high, visitor_low",
		touchColumns, touchColumns, e.tables.name(clicksTable), condition, order, copiesOnce, order, analytics.TouchesMax)
	err = e.each(ctx, query, func(rows driver.Rows) error {
		t, _, err := readTouch(rows)
		found = append(found, t)
		return err
	}, table)
	slices.SortFunc(found, newestFirst)
	return found, e.explain(ctx, err)
}

func cmpErr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// Uniques reads an hour at a time, so that the server has to tell copies apart in an
// hour only.
func (e *Engine) Uniques(ctx context.Context, since time.Time, fn func(affiliate.VisitorID, int64, time.Time)) error {
	var hours []uint64
	query := fmt.Sprintf("SELECT DISTINCT intDiv(minute, 60) AS hour FROM %s WHERE valid AND is_unique%s ORDER BY hour", e.tables.name(clicksTable), from(since))
	err := e.each(ctx, query, func(rows driver.Rows) error {
		var hour uint64
		err := rows.Scan(&hour)
		hours = append(hours, hour)
		return err
	})
	for _, hour := range hours {
		if err != nil {
			break
		}
		err = e.uniques(ctx, from(since)+fmt.Sprintf(" AND minute >= %d AND minute < %d", hour*60, (hour+1)*60), fn)
	}
	return e.explain(ctx, err)
}

// UniquesOf reads the unique clicks of some visitors in a time.
func (e *Engine) UniquesOf(ctx context.Context, visitors []affiliate.VisitorID, since, until time.Time, fn func(affiliate.VisitorID, int64, time.Time)) error {
	if err := analytics.CheckKnown(len(visitors)); err != nil {
		return err
	}
	table, err := visitorTable(visitors)
	if err != nil || table == nil {
		return e.explain(ctx, err)
	}
	return e.explain(ctx, e.uniques(ctx, " AND "+ofVisitors+from(since)+upTo(until.Truncate(time.Millisecond).Add(time.Millisecond)), fn, table))
}

func (e *Engine) uniques(ctx context.Context, more string, fn func(affiliate.VisitorID, int64, time.Time), along ...*ext.Table) error {
	query := fmt.Sprintf("SELECT visitor_high, visitor_low, link, time FROM %s WHERE valid AND is_unique%s%s", e.tables.name(clicksTable), more, copiesOnce)
	return e.each(ctx, query, func(rows driver.Rows) error {
		var visitor visitorID
		var link int64
		var ms uint64
		if err := rows.Scan(&visitor.high, &visitor.low, &link, &ms); err != nil {
			return err
		}
		fn(visitor.text(), link, timeOf(ms))
		return nil
	}, along...)
}

// msOf is a time in milliseconds. Times are kept so, and a bound between two of them
// moves to the later one. What lies before 1970 is before all clicks.
func msOf(t time.Time) uint64 {
	ms := t.UnixMilli()
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	return uint64(max(ms, 0))
}

// from and upTo are conditions that choose a time from its beginning, and up to its
// end without it. The minute is what the table is ordered by.
func from(t time.Time) string {
	return fmt.Sprintf(" AND minute >= %d AND time >= %d", msOf(t)/msMinute, msOf(t))
}

func upTo(t time.Time) string {
	return fmt.Sprintf(" AND minute <= %d AND time < %d", msOf(t)/msMinute, msOf(t))
}
