package duckdb

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// Clicks finds the rows first and reads them afterwards.
func (e *Engine) Clicks(ctx context.Context, ids []affiliate.ClickID) (found []analytics.Touch, err error) {
	if err := analytics.CheckClicks(ids); err != nil {
		return nil, err
	}
	asked := map[affiliate.ClickID]bool{}
	for _, id := range ids {
		if decode(id[:12]) != 0 || decode(id[12:]) != 0 { // rows without an id have these
			asked[id] = true
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	err = e.lookUp(ctx, func(tx *sql.Tx) error {
		numbers, err := clickRows(ctx, tx, asked)
		if err != nil {
			return err
		}
		found, err = touches(ctx, tx, numbers)
		return err
	})
	// What shares a millisecond with an id may have come along; what was stored
	// twice comes once.
	return slices.DeleteFunc(found, func(t analytics.Touch) bool {
		wanted := asked[t.ID]
		delete(asked, t.ID)
		return !wanted
	}), err
}

// Touches finds the rows first, as Clicks does.
func (e *Engine) Touches(ctx context.Context, program string, visitors []affiliate.VisitorID, since, until time.Time) (found []analytics.Touch, err error) {
	if err := analytics.CheckTouches(visitors, since, until); err != nil {
		return nil, err
	}
	q := visits{program: clean(program), since: since, until: until, left: map[affiliate.VisitorID]int{}}
	for _, v := range visitors {
		if decode(v[:4]) != 0 || decode(v[4:]) != 0 { // clicks of nobody have these
			q.left[v] = analytics.TouchesMax
		}
	}
	if len(q.left) == 0 {
		return nil, nil
	}
	err = e.lookUp(ctx, func(tx *sql.Tx) error {
		numbers, err := q.rows(ctx, tx)
		if err != nil {
			return err
		}
		found, err = touches(ctx, tx, numbers)
		return err
	})
	slices.SortFunc(found, func(a, b analytics.Touch) int { return bytes.Compare(b.ID[:], a.ID[:]) })
	return slices.DeleteFunc(found, func(t analytics.Touch) bool { return !q.take(&t) }), err
}

// lookedUpMax is how many rows are looked up by one statement. Up to so many
// values of one side of a join DuckDB uses to skip what the other side need not
// read; by itself it stops at 50.
const lookedUpMax = 1000

// lookUp runs fn in a transaction whose joins skip what they can.
func (e *Engine) lookUp(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return e.read(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("SET SESSION dynamic_or_filter_threshold = %d", lookedUpMax)); err != nil {
			return err
		}
		defer func() { _, _ = tx.ExecContext(context.WithoutCancel(ctx), "RESET SESSION dynamic_or_filter_threshold") }()
		return fn(tx)
	})
}

// clickRows returns the numbers of the rows that have the ids, and some more. It
// asks for the ids' times alone, a column that packs well; only where too many
// clicks share a millisecond does it look at the rest of the id.
func clickRows(ctx context.Context, tx *sql.Tx, ids map[affiliate.ClickID]bool) ([]int64, error) {
	var times, whole []string
	for id := range ids {
		at := instant(time.UnixMilli(int64(decode(id[:12]) >> 12)))
		times = append(times, "("+at+")")
		whole = append(whole, fmt.Sprintf("(%s, %d::UBIGINT)", at, decode(id[12:])))
	}
	slices.Sort(times)
	numbers, err := rowNumbers(ctx, tx, fmt.Sprintf(`SELECT clicks.rowid FROM clicks JOIN (VALUES %s) AS asked (ms) ON "time" = ms LIMIT %d`,
		strings.Join(slices.Compact(times), ", "), lookedUpMax+1))
	if err != nil || len(numbers) <= lookedUpMax {
		return numbers, err
	}
	return rowNumbers(ctx, tx, fmt.Sprintf(`SELECT clicks.rowid FROM clicks JOIN (VALUES %s) AS asked (ms, low) ON "time" = ms AND id_low = low`,
		strings.Join(whole, ", ")))
}

// visits is what Touches asks for.
type visits struct {
	program      string
	since, until time.Time
	left         map[affiliate.VisitorID]int // how many touches each may still have
}

// take says whether a touch belongs to the answer; newer ones are asked about first.
func (q *visits) take(t *analytics.Touch) bool {
	if !t.Valid || t.Program != q.program || q.left[t.Visitor] == 0 {
		return false
	}
	q.left[t.Visitor]--
	return true
}

// visitsMax is how many clicks of the visitors are read to see which are of the
// program and newest. Where there are more DuckDB chooses, which means reading
// three times as much.
const visitsMax = 10 * lookedUpMax

// rows returns the numbers of the rows that Touches is about, and some more.
func (q *visits) rows(ctx context.Context, tx *sql.Tx) ([]int64, error) {
	var lows, whole []string
	for v := range q.left {
		lows = append(lows, fmt.Sprintf("(%d::UBIGINT)", decode(v[4:])))
		whole = append(whole, fmt.Sprintf("(%d::UINTEGER, %d::UBIGINT)", decode(v[:4]), decode(v[4:])))
	}
	slices.Sort(lows)
	within := "TRUE"
	if !q.since.IsZero() {
		within += ` AND "time" >= ` + instant(q.since)
	}
	if !q.until.IsZero() {
		within += ` AND "time" <= ` + instant(q.until.Truncate(time.Millisecond))
	}
	numbers, err := rowNumbers(ctx, tx, fmt.Sprintf("SELECT clicks.rowid FROM clicks JOIN (VALUES %s) AS asked (low) ON visitor_low = low WHERE %s LIMIT %d",
		strings.Join(slices.Compact(lows), ", "), within, visitsMax+1))
	if err != nil || len(numbers) <= visitsMax {
		return numbers, err
	}
	return rowNumbers(ctx, tx, fmt.Sprintf(`WITH theirs AS MATERIALIZED (
			SELECT clicks.rowid AS number, high, low, route_id, "time", id_middle, id_low
			FROM clicks JOIN (VALUES %s) AS asked (high, low) ON visitor_low = low AND visitor_high = high WHERE valid AND %s)
		SELECT unnest(max_by(number, ("time", id_middle, id_low), %d)) FROM theirs
		WHERE route_id IN (SELECT route_id FROM routes WHERE program = ? AND route_id IN (SELECT route_id FROM theirs)) GROUP BY high, low`,
		strings.Join(whole, ", "), within, analytics.TouchesMax), q.program)
}

func rowNumbers(ctx context.Context, tx *sql.Tx, query string, args ...any) (numbers []int64, err error) {
	err = each(ctx, tx, query, args, func(rows *sql.Rows) error {
		var n int64
		err := rows.Scan(&n)
		numbers = append(numbers, n)
		return err
	})
	return numbers, err
}

// touchSides are the side tables that a touch has something of.
var touchSides = [...]struct {
	table, key, columns string
	fields              func(t *analytics.Touch) []any
	copy                func(to, from *analytics.Touch)
}{
	{"routes", "route_id", "site, program, slug, variant",
		func(t *analytics.Touch) []any { return []any{&t.Site, &t.Program, &t.Slug, &t.Variant} },
		func(to, from *analytics.Touch) {
			to.Site, to.Program, to.Slug, to.Variant = from.Site, from.Program, from.Slug, from.Variant
		}},
	{"places", "place_id", "country",
		func(t *analytics.Touch) []any { return []any{&t.Country} },
		func(to, from *analytics.Touch) { to.Country = from.Country }},
	{"origins", "origin_id", "page",
		func(t *analytics.Touch) []any { return []any{&t.Page} },
		func(to, from *analytics.Touch) { to.Page = from.Page }},
	{"campaigns", "campaign_id", "partner, sub1",
		func(t *analytics.Touch) []any { return []any{&t.Partner, &t.Sub1} },
		func(to, from *analytics.Touch) { to.Partner, to.Sub1 = from.Partner, from.Sub1 }},
	{"requests", "request_id", "verdict",
		func(t *analytics.Touch) []any { return []any{&t.Verdict} },
		func(to, from *analytics.Touch) { to.Verdict = from.Verdict }},
}

// touches reads rows of clicks, and of the side tables what they name.
func touches(ctx context.Context, tx *sql.Tx, numbers []int64) ([]analytics.Touch, error) {
	found := make([]analytics.Touch, 0, len(numbers))
	var named [len(touchSides)]map[int64][]int // by the number in the side table, who names it
	keys, columns := [len(touchSides)]int64{}, `epoch_ms("time"), id_middle, id_low, visitor_high, visitor_low, link, valid`
	for i := range touchSides {
		named[i] = map[int64][]int{}
		columns += ", " + touchSides[i].key
	}
	slices.Sort(numbers)
	err := lookedUp(ctx, tx, columns, "clicks", "clicks.rowid", numbers, func(rows *sql.Rows) error {
		var t analytics.Touch
		var ms int64
		var middle, low, visitorHigh, visitorLow uint64
		to := []any{&ms, &middle, &low, &visitorHigh, &visitorLow, &t.Link, &t.Valid}
		for i := range keys {
			to = append(to, &keys[i])
		}
		if err := rows.Scan(to...); err != nil {
			return err
		}
		t.At = time.UnixMilli(ms).UTC()
		encode(t.ID[:12], uint64(ms)<<12|middle)
		encode(t.ID[12:], low)
		if visitorHigh != 0 || visitorLow != 0 {
			encode(t.Visitor[:4], visitorHigh)
			encode(t.Visitor[4:], visitorLow)
		}
		for i, key := range keys {
			named[i][key] = append(named[i][key], len(found))
		}
		found = append(found, t)
		return nil
	})
	for i := range touchSides {
		if err == nil {
			err = name(ctx, tx, i, named[i], found)
		}
	}
	return found, err
}

// name fills in what touches have of one side table.
func name(ctx context.Context, tx *sql.Tx, side int, named map[int64][]int, found []analytics.Touch) error {
	s := &touchSides[side]
	keys := make([]int64, 0, len(named))
	for key := range named {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return lookedUp(ctx, tx, s.key+", "+s.columns, s.table, s.key, keys, func(rows *sql.Rows) error {
		var key int64
		var t analytics.Touch
		if err := rows.Scan(append([]any{&key}, s.fields(&t)...)...); err != nil {
			return err
		}
		for _, i := range named[key] {
			s.copy(&found[i], &t)
		}
		return nil
	})
}

// lookedUp calls fn for the rows of a table whose key is one of the values, which
// ascend. Their bounds are in the statement as well, because what is known when
// it is planned is skipped for less.
func lookedUp(ctx context.Context, tx *sql.Tx, columns, table, key string, values []int64, fn func(rows *sql.Rows) error) error {
	for part := range slices.Chunk(values, lookedUpMax) {
		list := make([]string, len(part))
		for i, v := range part {
			list[i] = fmt.Sprintf("(%d::BIGINT)", v)
		}
		query := fmt.Sprintf("SELECT %[1]s FROM %[2]s JOIN (VALUES %[3]s) AS asked (value) ON %[4]s = value WHERE %[4]s >= %[5]d AND %[4]s <= %[6]d",
			columns, table, strings.Join(list, ", "), key, part[0], part[len(part)-1])
		if err := each(ctx, tx, query, nil, fn); err != nil {
			return err
		}
	}
	return nil
}
