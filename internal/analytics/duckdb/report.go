package duckdb

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
)

// Report counts clicks in one statement: groups, the best of them by the order,
// and the sum of all groups as totals.
func (e *Engine) Report(ctx context.Context, query analytics.Query) (*analytics.Report, error) {
	q, zone, order, err := query.Normal()
	if err != nil {
		return nil, err
	}
	r := analytics.NewReport(&q)
	err = e.read(ctx, func(tx *sql.Tx) error {
		where, args, err := where(ctx, tx, q.Filter)
		if err != nil {
			return err
		}
		err = r.Cover(&q, e.now, func() (first, last time.Time, err error) {
			return bounds(ctx, tx, source(q.Filter), where, args...)
		})
		if err != nil {
			return err
		}
		b := builder{q: q, order: order, local: localTime(analytics.Offsets(zone, r.Since, r.Until))}
		return fill(ctx, tx, r, &q, b.statement(where), args)
	})
	if err != nil {
		return nil, err
	}
	r.Cut(q.Limit)
	return r, nil
}

// fill runs the statement. Its columns are the dimensions, the link's id where
// links are a dimension, the metrics, and the totals.
func fill(ctx context.Context, tx *sql.Tx, r *analytics.Report, q *analytics.Query, statement string, args []any) error {
	metrics := q.Metrics()
	names := make([]string, len(q.By))
	counts := make([]int64, 2*len(metrics))
	var link int64
	var to []any
	for i := range names {
		to = append(to, &names[i])
	}
	byLink := slices.Contains(q.By, analytics.ByLink)
	if byLink {
		to = append(to, &link)
	}
	for i := range counts {
		to = append(to, &counts[i])
	}
	return each(ctx, tx, statement, args, func(rows *sql.Rows) error {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		row := make(map[string]any, len(to))
		for i, d := range q.By {
			row[string(d)] = names[i]
		}
		if byLink {
			row[analytics.LinkID] = link
		}
		for i, m := range metrics {
			row[m], r.Totals[m] = counts[i], counts[len(metrics)+i]
		}
		r.Rows = append(r.Rows, row)
		return nil
	})
}

// builder writes the statement of a report. What users wrote is in its
// parameters; the statement itself is made of constants and numbers only.
type builder struct {
	q     analytics.Query
	order []analytics.Sort
	local string // the row's time in the zone, as milliseconds
}

// statement: groups counts, top cuts, and names are looked up for what is left,
// or before the cut when the report is ordered by them.
func (b *builder) statement(where string) string {
	var s strings.Builder
	var groups, labels []string
	byLink := -1
	for i, d := range b.q.By {
		groups = append(groups, fmt.Sprintf("%s AS d%d", b.key(d), i))
		labels = append(labels, label(d, fmt.Sprintf("d%d", i)))
		if d == analytics.ByLink {
			byLink = i
		}
	}
	metrics, sums := b.metrics()
	if !b.q.All {
		where += " AND valid"
	}
	fmt.Fprintf(&s, "WITH groups AS (SELECT %s FROM %s WHERE %s GROUP BY ALL HAVING count(*) > 0)",
		strings.Join(append(groups, metrics...), ", "), source(b.q.Filter, b.q.By...), where)
	from := "groups"
	join := ""
	if byLink >= 0 {
		labels = append(labels, fmt.Sprintf("d%d", byLink))
		join = fmt.Sprintf(" LEFT JOIN names ON names.link = d%d", byLink)
		if b.order[0].By == string(analytics.ByLink) {
			s.WriteString(", names AS (" + currentNames + " GROUP BY link)")
			from, join = from+join, ""
		}
	}
	keys := b.keys()
	fmt.Fprintf(&s, ", top AS (SELECT * FROM %s ORDER BY %s LIMIT %d)", from, keys, b.q.Limit+1)
	if join != "" {
		fmt.Fprintf(&s, ", names AS (%s WHERE link IN (SELECT d%d FROM top) GROUP BY link)", currentNames, byLink)
	}
	fmt.Fprintf(&s, " SELECT %s FROM top%s ORDER BY %s",
		strings.Join(append(append(labels, b.q.Metrics()...), sums...), ", "), join, keys)
	return s.String()
}

// currentNames is the start of a query for the newest name of each link.
const currentNames = "SELECT link, arg_max(slug, rowid) AS slug FROM links"

func (b *builder) metrics() (metrics, sums []string) {
	count := func(condition, metric string) {
		metrics = append(metrics, fmt.Sprintf("count_if(%s)::BIGINT AS %s", condition, metric))
	}
	if b.q.All {
		count("valid", analytics.Clicks)
		count("valid AND is_unique", analytics.Uniques)
		metrics = append(metrics, "count(*) AS "+analytics.Total)
		count("is_bot", analytics.Bots)
		count("is_ahead", analytics.Prefetches)
	} else { // statement has chosen the valid ones
		metrics = append(metrics, "count(*) AS "+analytics.Clicks)
		count("is_unique", analytics.Uniques)
	}
	for _, m := range b.q.Metrics() {
		sums = append(sums, fmt.Sprintf("(SELECT sum(%s)::BIGINT FROM groups)", m))
	}
	return metrics, sums
}

// keys is the ORDER BY.
func (b *builder) keys() string {
	var keys []string
	for i, s := range b.order {
		expressions := []string{s.By}
		if at := slices.Index(b.q.By, analytics.Dimension(s.By)); at >= 0 {
			d := fmt.Sprintf("d%d", at)
			switch {
			case s.By != string(analytics.ByLink):
				expressions = []string{orderKey(b.q.By[at], d)}
			case i == 0:
				expressions = []string{"coalesce(slug, '')", d}
			default:
				expressions = []string{d}
			}
		}
		for _, x := range expressions {
			if s.Descending {
				x += " DESC"
			}
			keys = append(keys, x)
		}
	}
	return strings.Join(keys, ", ")
}

const (
	msHour = int64(time.Hour / time.Millisecond)
	msDay  = 24 * msHour
)

// key is what rows are grouped by: numbers where there are any.
func (b *builder) key(d analytics.Dimension) string {
	switch d {
	case analytics.ByHour:
		return fmt.Sprintf("%s // %d", b.local, msHour)
	case analytics.ByDay:
		return fmt.Sprintf("%s // %d", b.local, msDay)
	case analytics.ByWeek: // the first of January 1970 was a Thursday
		return fmt.Sprintf("(%s // %d + 3) // 7", b.local, msDay)
	case analytics.ByMonth:
		return fmt.Sprintf("date_diff('month', TIMESTAMP '1970-01-01', make_timestamp_ms(%s))", b.local)
	}
	return columnOf(d)
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

// source is clicks with the side tables that a filter and dimensions need.
func source(f analytics.Filter, by ...analytics.Dimension) string {
	from := "clicks"
	for _, s := range sides {
		if slices.ContainsFunc(by, s.has) || slices.ContainsFunc(slices.Collect(maps.Keys(f.Is)), s.has) {
			from += s.join()
		}
	}
	return from
}

// label turns the key k into what the report shows.
func label(d analytics.Dimension, k string) string {
	switch d {
	case analytics.ByHour:
		return fmt.Sprintf("strftime(make_timestamp_ms(%s * %d), '%%Y-%%m-%%dT%%H:%%M')", k, msHour)
	case analytics.ByDay:
		return fmt.Sprintf("strftime(make_timestamp_ms(%s * %d), '%%Y-%%m-%%d')", k, msDay)
	case analytics.ByWeek:
		return fmt.Sprintf("strftime(make_timestamp_ms((%s * 7 - 3) * %d), '%%Y-%%m-%%d')", k, msDay)
	case analytics.ByMonth:
		return fmt.Sprintf("strftime(TIMESTAMP '1970-01-01' + to_months(%s::INTEGER), '%%Y-%%m')", k)
	case analytics.ByLink:
		return "coalesce(slug, '')"
	}
	return orderKey(d, k)
}

// orderKey is what sorts a dimension as its labels would sort.
func orderKey(d analytics.Dimension, k string) string {
	if names := analytics.Names(d); names != nil {
		return nameOf(names, k)
	}
	return k
}

// nameOf is the name with the number k.
func nameOf(names []string, k string) string {
	return fmt.Sprintf("coalesce((%s)[%s::BIGINT + 1], '')", listOf(names), k)
}

// listOf is a list of our own names, none of which holds a quote.
func listOf(names []string) string {
	return "['" + strings.Join(names, "', '") + "']"
}

// localTime is the row's time in the zone, as milliseconds.
func localTime(offsets []analytics.Offset) string {
	last := len(offsets) - 1
	shift := fmt.Sprint(offsets[last].Seconds * 1000)
	if last > 0 {
		var s strings.Builder
		s.WriteString("CASE")
		for _, o := range offsets[:last] {
			fmt.Fprintf(&s, " WHEN \"time\" < %s THEN %d", instant(o.Until), o.Seconds*1000)
		}
		shift = s.String() + " ELSE " + shift + " END"
	}
	return fmt.Sprintf("(epoch_ms(\"time\") + %s)", shift)
}

// instant is a time as a literal of the column's own type, which lets DuckDB
// skip what lies outside. Times are kept in milliseconds, so a bound between two
// of them moves to the later one.
func instant(t time.Time) string {
	if t.After(t.Truncate(time.Millisecond)) {
		t = t.Truncate(time.Millisecond).Add(time.Millisecond)
	}
	return t.UTC().Format("TIMESTAMP_MS '2006-01-02 15:04:05.000'")
}

// where is the filter's condition and its parameters.
func where(ctx context.Context, tx *sql.Tx, f analytics.Filter) (string, []any, error) {
	conditions, args := []string{"TRUE"}, []any{}
	if !f.Since.IsZero() {
		conditions = append(conditions, `"time" >= `+instant(f.Since))
	}
	if !f.Until.IsZero() {
		conditions = append(conditions, `"time" < `+instant(f.Until))
	}
	for _, d := range analytics.Dimensions() {
		values := f.Is[d]
		if len(values) == 0 {
			continue
		}
		var in []string
		var err error
		switch names := analytics.Names(d); {
		case d == analytics.ByLink:
			if in, err = linkIDs(ctx, tx, values); err != nil {
				return "", nil, err
			}
		case names != nil:
			for _, v := range values {
				in = append(in, fmt.Sprint(slices.Index(names, v)))
			}
		default:
			for _, v := range values {
				in, args = append(in, "?"), append(args, clean(v))
			}
		}
		conditions = append(conditions, fmt.Sprintf("%s IN (%s)", columnOf(d), strings.Join(in, ", ")))
	}
	return strings.Join(conditions, " AND "), args, nil
}

// linkIDs turns ids and short names into ids, at least one: -1 is no link's.
func linkIDs(ctx context.Context, tx *sql.Tx, values []string) ([]string, error) {
	numbers, slugs, err := analytics.ParseLinks(values)
	if err != nil {
		return nil, err
	}
	ids := []string{"-1"}
	for _, id := range numbers {
		ids = append(ids, fmt.Sprint(id))
	}
	if len(slugs) == 0 {
		return ids, nil
	}
	var marks []string
	var args []any
	for _, slug := range slugs {
		marks, args = append(marks, "?"), append(args, clean(slug))
	}
	query := fmt.Sprintf("SELECT link FROM (%s GROUP BY link) WHERE slug IN (%s)", currentNames, strings.Join(marks, ", "))
	err = each(ctx, tx, query, args, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		ids = append(ids, fmt.Sprint(id))
		return err
	})
	return ids, err
}
