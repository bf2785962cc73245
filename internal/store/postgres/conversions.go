package postgres

import (
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

const conversionColumns = `id, program, tx, event, ordinal, state, at, updated, due, amount, currency, shares, partner, click_id, click_at, visitor, coupon, customer, link, page, variant, sub1, revision, flagged, path, rulings, evidence, whole`

// putConversion is an INSERT that becomes an UPDATE of the row that is there.
var putConversion = func() string {
	columns := strings.Split(conversionColumns, ", ")
	values, sets := make([]string, len(columns)), make([]string, len(columns)-1)
	for i, column := range columns {
		values[i] = "$" + strconv.Itoa(i+1)
		if i > 0 {
			sets[i-1] = column + " = excluded." + column
		}
	}
	return "INSERT INTO conversions (" + conversionColumns + ") VALUES (" + strings.Join(values, ", ") + ") ON CONFLICT (id) DO UPDATE SET " + strings.Join(sets, ", ")
}()

func (b books) PutConversion(c store.Conversion) error {
	return b.t.write(putConversion,
		raw(c.ID), raw(c.Program), raw(c.Tx), raw(c.Event), int64(c.Ordinal), raw(c.State), engine.Millis(c.At), engine.Millis(c.Updated), engine.Millis(c.Due),
		c.Order.Minor, raw(c.Order.Currency), blob(c.Shares), raw(c.Partner), raw(c.ClickID), engine.Millis(c.ClickAt), raw(c.Visitor), raw(c.Coupon),
		raw(c.Customer), c.Link, raw(c.Page), raw(c.Variant), raw(c.Sub1), c.Revision, c.Flagged, blob(c.Path), blob(c.Rulings), blob(c.Evidence), c.Whole)
}

func (b books) Conversion(id string) (store.Conversion, error) {
	found, err := b.conversions(" WHERE id = $1", raw(id))
	if err == nil && len(found) == 0 {
		err = engine.NoItem("conversions", id)
	}
	if err != nil {
		return store.Conversion{}, err
	}
	return found[0], nil
}

func (b books) ConversionsOf(program, tx string) ([]store.Conversion, error) {
	return b.conversions(" WHERE program = $1 AND tx = $2 ORDER BY ordinal, event, id", raw(program), raw(tx))
}

func (b books) DueConversions(now time.Time, limit int) ([]store.Conversion, error) {
	return b.conversions(" WHERE due > 0 AND due <= $1 ORDER BY due, id LIMIT $2", engine.Millis(now), int64(limit))
}

func (b books) FindConversions(q store.ConversionQuery) ([]store.Conversion, error) {
	w := conversionWhere(q)
	if q.Before != "" {
		var at int64
		found, err := b.t.one([]any{&at}, "SELECT at FROM conversions WHERE id = $1", raw(q.Before))
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, engine.NoItem("conversions", q.Before)
		}
		w.and("(at, id) < (?::bigint, ?::bytea)", at, raw(q.Before))
	}
	condition := w.String() + " ORDER BY at DESC, id DESC" + w.limit(q.Limit)
	return b.conversions(condition, w.args...)
}

// conversionWhere is the condition of a query. The comparison with the empty text lets a
// partial index be used.
func conversionWhere(q store.ConversionQuery) (w where) {
	if q.State != "" {
		w.and("state = ?", raw(q.State))
	}
	if q.Program != "" {
		w.and("program = ?", raw(q.Program))
	}
	if q.Program != "" && q.Partner != "" {
		w.and("partner = ?", raw(q.Partner))
	}
	if q.Click != "" {
		w.and("click_id = ? AND click_id <> ''", raw(q.Click))
	}
	if !q.From.IsZero() {
		w.and("at >= ?", engine.Millis(q.From))
	}
	if !q.To.IsZero() {
		w.and("at < ?", engine.Millis(q.To))
	}
	return w
}

func (b books) CustomerOrders(program, customer string, before time.Time) (n int, err error) {
	_, err = b.t.one([]any{&n}, "SELECT count(*) FROM conversions WHERE program = $1 AND customer = $2 AND customer <> '' AND at < $3",
		raw(program), raw(customer), engine.Millis(before))
	return n, err
}

// Volume lets the server sum: amounts are bounded, and a sum beyond 64 bits is an error of the server.
func (b books) Volume(program, partner string, from, to time.Time) (minor int64, err error) {
	_, err = b.t.one([]any{&minor}, `SELECT coalesce(sum(amount), 0)::bigint FROM conversions
		WHERE program = $1 AND partner = $2 AND at >= $3 AND at < $4 AND state NOT IN ('reversed', 'unmatched')`,
		raw(program), raw(partner), engine.Millis(from), engine.Millis(to))
	return minor, err
}

// SumConversions reads only the columns that it needs.
func (b books) SumConversions(q store.SumQuery) ([]store.ConversionSum, error) {
	sums, err := store.NewSumming(q)
	if err != nil {
		return nil, err
	}
	from, end := engine.Span(q.From, q.To)
	const query = `SELECT ` + cohort + `, state, amount, currency, whole, shares, link, program, page, partner, variant, sub1
		FROM conversions WHERE ` + cohort + ` >= $1 AND ` + cohort + ` < $2`
	var r store.SumRow
	var shares pgtype.DriverBytes
	err = b.t.each(query, []any{from, end}, func(rows pgx.Rows) error {
		if err := rows.Scan(moment{&r.Cohort}, to(&r.State), &r.Order.Minor, to(&r.Order.Currency), &r.Whole, &shares, &r.Link,
			to(&r.Program), to(&r.Page), to(&r.Partner), to(&r.Variant), to(&r.Sub1)); err != nil {
			return err
		}
		r.Shares = shares
		return sums.Add(&r)
	})
	return sums.Sums(), err
}

// conversions returns the rows behind the name of the table.
func (b books) conversions(which string, args ...any) (found []store.Conversion, err error) {
	err = b.t.each("SELECT "+conversionColumns+" FROM conversions"+which, args, func(rows pgx.Rows) error {
		var c store.Conversion
		err := rows.Scan(to(&c.ID), to(&c.Program), to(&c.Tx), to(&c.Event), &c.Ordinal, to(&c.State), moment{&c.At}, moment{&c.Updated}, moment{&c.Due},
			&c.Order.Minor, to(&c.Order.Currency), body{&c.Shares}, to(&c.Partner), to(&c.ClickID), moment{&c.ClickAt}, to(&c.Visitor), to(&c.Coupon),
			to(&c.Customer), &c.Link, to(&c.Page), to(&c.Variant), to(&c.Sub1), &c.Revision, &c.Flagged, body{&c.Path}, body{&c.Rulings}, body{&c.Evidence}, &c.Whole)
		found = append(found, c)
		return err
	})
	return found, err
}
