package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/sluicehq/sluice/internal/analytics"
)

// Report counts clicks in one statement: groups, the best of them by the order, and
// the totals of all. Names are looked up for what is left.
func (e *Engine) Report(ctx context.Context, query analytics.Query) (*analytics.Report, error) {
	q, zone, order, err := query.Normal()
	if err != nil {
		return nil, err
	}
	r := analytics.NewReport(&q)
	w, err := e.where(ctx, q.Filter)
	if err == nil {
		err = r.Cover(&q, e.now, func() (first, last time.Time, err error) { return e.bounds(ctx, w) })
	}
	if err == nil {
		b := builder{engine: e, q: &q, order: order, where: w, local: localTime(analytics.Offsets(zone, r.Since, r.Until))}
		err = b.fill(ctx, r)
	}
	if err != nil {
		return nil, e.explain(ctx, err)
	}
	r.Cut(q.Limit)
	return r, nil
}

// bounds are the times of the first and the last click, zero times where there are none.
func (e *Engine) bounds(ctx context.Context, w where) (first, last time.Time, err error) {
	var rows, low, high uint64
	query := fmt.Sprintf("SELECT count(), min(time), max(time) FROM %s WHERE %s", e.tables.name(clicksTable), w.condition)
	err = e.each(ctx, query, func(found driver.Rows) error {
		return found.Scan(&rows, &low, &high)
	}, w.along...)
	if err != nil || rows == 0 {
		return first, last, err
	}
	return timeOf(low), timeOf(high), nil
}

// where is a filter's condition, with the values that go along as tables.
type where struct {
	condition string
	along     []*ext.Table
}

func (e *Engine) where(ctx context.Context, f analytics.Filter) (w where, err error) {
	w.condition = "1"
	if !f.Since.IsZero() {
		w.condition += from(f.Since)
	}
	if !f.Until.IsZero() {
		w.condition += upTo(f.Until)
	}
	for _, d := range analytics.Dimensions() {
		values := f.Is[d]
		if len(values) == 0 {
			continue
		}
		name := "asked_" + string(d)
		var table *ext.Table
		switch names := analytics.Names(d); {
		case d == analytics.ByLink:
			var ids []int64
			if ids, err = e.linkIDs(ctx, values); err == nil {
				table, err = tableOf(name, "Int64", ids)
			}
		case names != nil: // a closed set: the numbers of its names
			var numbers []int
			for _, v := range values {
				numbers = append(numbers, slices.Index(names, v))
			}
			w.condition += fmt.Sprintf(" AND toInt64(%s) IN (%s)", columnOf(d), list(numbers))
		default:
			table, err = tableOf(name, "String", cleanAll(values))
		}
		if err != nil {
			return w, err
		}
		if table != nil {
			w.condition += fmt.Sprintf(" AND %s IN %s", columnOf(d), name)
			w.along = append(w.along, table)
		}
	}
	return w, nil
}

// linkIDs turns ids and short names into ids, at least one: -1 is no link's.
func (e *Engine) linkIDs(ctx context.Context, values []string) ([]int64, error) {
	ids, slugs, err := analytics.ParseLinks(values)
	if err != nil {
		return nil, err
	}
	named, err := e.linksNamed(ctx, slugs)
	return append(append(ids, named...), -1), err
}

// columnOf is the column of a dimension that has one.
func columnOf(d analytics.Dimension) string {
	switch d {
	case analytics.ByReferrer:
		return "referrer_host"
	case analytics.ByBot:
		return "bot_name"
	}
	return string(d) // one of our own: nothing else gets into a statement
}

// builder writes the statement of a report and reads its answer. What users wrote is
// in the tables that go along.
type builder struct {
	engine *Engine
	q      *analytics.Query
	order  []analytics.Sort
	where  where
	local  string // the row's time in the zone, in milliseconds
}

// numeric says whether a dimension is grouped by a number.
func numeric(d analytics.Dimension) bool {
	return d.IsTime() || d == analytics.ByLink || analytics.Names(d) != nil
}

// key is what rows are grouped by.
func (b *builder) key(d analytics.Dimension) string {
	switch d {
	case analytics.ByHour:
		return fmt.Sprintf("intDiv(%s, %d)", b.local, msHour)
	case analytics.ByDay:
		return fmt.Sprintf("intDiv(%s, %d)", b.local, msDay)
	case analytics.ByWeek: // the first of January 1970 was a Thursday
		return fmt.Sprintf("intDiv(intDiv(%s, %d) + 3, 7)", b.local, msDay)
	case analytics.ByMonth: // ends where the server's own times end, in 2106
		return fmt.Sprintf("toInt64(toYYYYMM(toDateTime(toUInt32(least(intDiv(%s, 1000), 4294967295)), 'UTC')))", b.local)
	}
	if numeric(d) {
		return "toInt64(" + columnOf(d) + ")"
	}
	return columnOf(d)
}

// label turns a key into what the report shows; links are named later.
func label(d analytics.Dimension, k int64) string {
	switch d {
	case analytics.ByHour:
		return timeOf(uint64(k) * msHour).Format("2006-01-02T15:04")
	case analytics.ByDay:
		return timeOf(uint64(k) * msDay).Format("2006-01-02")
	case analytics.ByWeek:
		return timeOf(0).AddDate(0, 0, int(k*7-3)).Format("2006-01-02")
	case analytics.ByMonth:
		return fmt.Sprintf("%04d-%02d", k/100, k%100)
	}
	if names := analytics.Names(d); k >= 0 && k < int64(len(names)) {
		return names[k]
	}
	return ""
}

// byName says that the report comes in the order of links' names.
func (b *builder) byName() bool { return b.order[0].By == string(analytics.ByLink) }

// statement: keys are k0, k1 and so on, metrics m0, m1 and so on.
func (b *builder) statement() string {
	var keys, groups []string
	for i, d := range b.q.By {
		keys = append(keys, fmt.Sprintf("%s AS k%d", b.key(d), i))
		groups = append(groups, fmt.Sprintf("k%d", i))
	}
	condition := b.where.condition
	if !b.q.All {
		condition += " AND valid"
	}
	metrics := b.metrics()
	s := fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(append(keys, metrics...), ", "), b.engine.tables.name(clicksTable), condition)
	if len(groups) == 0 {
		return s
	}
	s += " GROUP BY " + strings.Join(groups, ", ")
	if b.byName() {
		at := slices.Index(b.q.By, analytics.ByLink)
		all := slices.Clone(groups)
		for i := range metrics {
			all = append(all, fmt.Sprintf("m%d", i))
		}
		s = fmt.Sprintf("SELECT %s, current FROM (%s) ANY LEFT JOIN (SELECT link AS k%d, current FROM (%s)) USING (k%d)",
			strings.Join(all, ", "), s, at, b.engine.currentNames("1"), at)
	} else {
		s += " WITH TOTALS"
	}
	return s + fmt.Sprintf(" ORDER BY %s LIMIT %d", b.keys(), b.q.Limit+1)
}

func (b *builder) metrics() (metrics []string) {
	for i, m := range b.q.Metrics() {
		count := map[string]string{
			analytics.Clicks: "sum(valid)", analytics.Uniques: "sum(valid AND is_unique)", analytics.Total: "count()",
			analytics.Bots: "sum(is_bot)", analytics.Prefetches: "sum(is_ahead)",
		}[m]
		metrics = append(metrics, fmt.Sprintf("toInt64(%s) AS m%d", count, i))
	}
	return metrics
}

// keys is the ORDER BY.
func (b *builder) keys() string {
	var keys []string
	for i, s := range b.order {
		var by []string
		if at := slices.Index(b.q.By, analytics.Dimension(s.By)); at < 0 {
			by = []string{fmt.Sprintf("m%d", slices.Index(b.q.Metrics(), s.By))}
		} else {
			k := fmt.Sprintf("k%d", at)
			by = []string{k}
			if names := analytics.Names(b.q.By[at]); names != nil {
				by = []string{fmt.Sprintf("['%s'][%s + 1]", strings.Join(names, "', '"), k)}
			}
			if i == 0 && b.byName() {
				by = []string{"current", k}
			}
		}
		for _, x := range by {
			if s.Descending {
				x += " DESC"
			}
			keys = append(keys, x)
		}
	}
	return strings.Join(keys, ", ")
}

// fill runs the statement and names the links.
func (b *builder) fill(ctx context.Context, r *analytics.Report) error {
	metrics := b.q.Metrics()
	numbers, texts := make([]int64, len(b.q.By)), make([]string, len(b.q.By))
	counts := make([]int64, len(metrics))
	var to []any
	for i, d := range b.q.By {
		if numeric(d) {
			to = append(to, &numbers[i])
		} else {
			to = append(to, &texts[i])
		}
	}
	for i := range counts {
		to = append(to, &counts[i])
	}
	if b.byName() {
		to = append(to, new(string))
	}
	total := func() {
		for i, m := range metrics {
			r.Totals[m] = counts[i]
		}
	}
	err := b.ask(ctx, b.statement(), func(rows driver.Rows) error {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		if len(b.q.By) == 0 {
			if total(); !slices.ContainsFunc(counts, func(n int64) bool { return n > 0 }) {
				return nil // without groups there is a row of nothing
			}
		}
		row := make(map[string]any, len(to))
		for i, d := range b.q.By {
			switch {
			case d == analytics.ByLink:
				row[analytics.LinkID] = numbers[i]
			case numeric(d):
				row[string(d)] = label(d, numbers[i])
			default:
				row[string(d)] = texts[i]
			}
		}
		for i, m := range metrics {
			row[m] = counts[i]
		}
		r.Rows = append(r.Rows, row)
		return nil
	}, func(rows driver.Rows) error {
		if len(b.q.By) == 0 || b.byName() {
			return nil
		}
		if err := rows.Totals(to...); err == nil { // without rows there are none
			total()
		}
		return nil
	})
	if err == nil && b.byName() {
		err = b.totals(ctx, counts, total)
	}
	if err == nil && slices.Contains(b.q.By, analytics.ByLink) {
		err = b.nameLinks(ctx, r)
	}
	return err
}

// ask runs a statement; end is called when all rows were read.
func (b *builder) ask(ctx context.Context, statement string, row, end func(rows driver.Rows) error) error {
	var last driver.Rows
	err := b.engine.each(ctx, statement, func(rows driver.Rows) error {
		last = rows
		return row(rows)
	}, b.where.along...)
	if err == nil && last != nil && end != nil {
		err = end(last)
	}
	return err
}

// totals counts all clicks, where the statement could not do so by the way.
func (b *builder) totals(ctx context.Context, counts []int64, total func()) error {
	all := *b
	q := *b.q
	q.By, all.q, all.order = nil, &q, []analytics.Sort{{By: analytics.Clicks}}
	var to []any
	for i := range counts {
		to = append(to, &counts[i])
	}
	return all.ask(ctx, all.statement(), func(rows driver.Rows) error {
		defer total()
		return rows.Scan(to...)
	}, nil)
}

func (b *builder) nameLinks(ctx context.Context, r *analytics.Report) error {
	var links []int64
	for _, row := range r.Rows {
		links = append(links, row[analytics.LinkID].(int64))
	}
	slices.Sort(links)
	names, err := b.engine.namesOf(ctx, slices.Compact(links))
	for _, row := range r.Rows {
		row[string(analytics.ByLink)] = names[row[analytics.LinkID].(int64)]
	}
	return err
}

// localTime is the row's time in the zone, in milliseconds, from 1970 on.
func localTime(offsets []analytics.Offset) string {
	last := len(offsets) - 1
	shift := fmt.Sprint(offsets[last].Seconds * 1000)
	if last > 0 {
		var s strings.Builder
		s.WriteString("multiIf(")
		for _, o := range offsets[:last] {
			fmt.Fprintf(&s, "time < %d, %d, ", msOf(o.Until), o.Seconds*1000)
		}
		shift = s.String() + shift + ")"
	}
	return fmt.Sprintf("greatest(toInt64(time) + %s, 0)", shift)
}
