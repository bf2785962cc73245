package sqlite

import (
	"database/sql"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

const conversionColumns = `id, program, tx, event, ordinal, state, at, updated, due, amount, currency, shares, partner,
	click_id, click_at, visitor, coupon, customer, link, page, variant, sub1, revision, flagged, path, rulings, evidence, whole`

// putConversion is an INSERT that becomes an UPDATE of the row that is there, which keeps
// its number and the index entries that do not change.
var putConversion = func() string {
	columns := strings.FieldsFunc(conversionColumns, func(r rune) bool { return strings.ContainsRune(", \n\t", r) })
	sets := make([]string, 0, len(columns))
	for _, column := range columns[1:] {
		sets = append(sets, column+" = excluded."+column)
	}
	return "INSERT INTO conversions (" + conversionColumns + ") VALUES (" + strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ") +
		") ON CONFLICT (id) DO UPDATE SET " + strings.Join(sets, ", ")
}()

func (b books) PutConversion(c store.Conversion) error {
	b.t.written++
	_, err := b.t.exec(putConversion,
		c.ID, c.Program, c.Tx, c.Event, c.Ordinal, c.State, engine.Millis(c.At), engine.Millis(c.Updated), engine.Millis(c.Due), c.Order.Minor, c.Order.Currency,
		blob(c.Shares), c.Partner, c.ClickID, engine.Millis(c.ClickAt), c.Visitor, c.Coupon, c.Customer, c.Link, c.Page, c.Variant, c.Sub1,
		c.Revision, c.Flagged, blob(c.Path), blob(c.Rulings), blob(c.Evidence), c.Whole)
	return err
}

func (b books) Conversion(id string) (store.Conversion, error) {
	found, err := b.conversions(" WHERE id = ?", id)
	if err == nil && len(found) == 0 {
		err = engine.NoItem("conversions", id)
	}
	if err != nil {
		return store.Conversion{}, err
	}
	return found[0], nil
}

func (b books) ConversionsOf(program, tx string) ([]store.Conversion, error) {
	return b.conversions(" WHERE program = ? AND tx = ? ORDER BY ordinal, event, id", program, tx)
}

func (b books) DueConversions(now time.Time, limit int) ([]store.Conversion, error) {
	return b.conversions(" WHERE due > 0 AND due <= ? ORDER BY due, id LIMIT ?", engine.Millis(now), limit)
}

func (b books) FindConversions(q store.ConversionQuery) ([]store.Conversion, error) {
	index, w := conversionWhere(q)
	if q.Before != "" {
		var at int64
		found, err := b.t.one([]any{&at}, "SELECT at FROM conversions WHERE id = ?", q.Before)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, engine.NoItem("conversions", q.Before)
		}
		w.and("(at, id) < (?, ?)", at, q.Before)
	}
	return b.conversions(" INDEXED BY "+index+w.String()+" ORDER BY at DESC, id DESC LIMIT ?", append(w.args, q.Limit)...)
}

// conversionWhere is the condition of a query. It names the index of the narrowest field:
// SQLite knows nothing of our data and would now and then walk another. The
// comparisons with the empty text let a partial one be used.
func conversionWhere(q store.ConversionQuery) (index string, w where) {
	index = "conversions_at"
	if q.State != "" {
		index = "conversions_state"
		w.and("state = ?", q.State)
	}
	if q.Program != "" {
		index = "conversions_program"
		w.and("program = ?", q.Program)
	}
	if q.Program != "" && q.State != "" {
		index = "conversions_program_state"
	}
	if q.Program != "" && q.Partner != "" {
		index = "conversions_partner"
		w.and("partner = ?", q.Partner)
	}
	if q.Click != "" {
		index = "conversions_click"
		w.and("click_id = ? AND click_id <> ''", q.Click)
	}
	if !q.From.IsZero() {
		w.and("at >= ?", engine.Millis(q.From))
	}
	if !q.To.IsZero() {
		w.and("at < ?", engine.Millis(q.To))
	}
	return index, w
}

func (b books) CustomerOrders(program, customer string, before time.Time) (n int, err error) {
	_, err = b.t.one([]any{&n}, "SELECT count(*) FROM conversions WHERE program = ? AND customer = ? AND customer <> '' AND at < ?",
		program, customer, engine.Millis(before))
	return n, err
}

func (b books) Volume(program, partner string, from, to time.Time) (minor int64, err error) {
	_, err = b.t.one([]any{&minor}, `SELECT coalesce(sum(amount), 0) FROM conversions INDEXED BY conversions_partner
		WHERE program = ? AND partner = ? AND at >= ? AND at < ? AND state NOT IN ('reversed', 'unmatched')`,
		program, partner, engine.Millis(from), engine.Millis(to))
	return minor, err
}

// SumConversions reads only the columns that it needs, along the index of the cohort.
func (b books) SumConversions(q store.SumQuery) ([]store.ConversionSum, error) {
	sums, err := store.NewSumming(q)
	if err != nil {
		return nil, err
	}
	from, end := engine.Span(q.From, q.To)
	const query = `SELECT ` + cohort + `, state, amount, currency, whole, shares, link, program, page, partner, variant, sub1
		FROM conversions INDEXED BY conversions_cohort WHERE ` + cohort + ` >= ? AND ` + cohort + ` < ?`
	var r store.SumRow
	err = b.t.each(query, []any{from, end}, func(rows *sql.Rows) error {
		if err := rows.Scan(moment{&r.Cohort}, &r.State, &r.Order.Minor, &r.Order.Currency, &r.Whole, (*[]byte)(&r.Shares), &r.Link,
			&r.Program, &r.Page, &r.Partner, &r.Variant, &r.Sub1); err != nil {
			return err
		}
		return sums.Add(&r)
	})
	return sums.Sums(), err
}

// conversions returns the rows behind the name of the table.
func (b books) conversions(which string, args ...any) (found []store.Conversion, err error) {
	err = b.t.each("SELECT "+conversionColumns+" FROM conversions"+which, args, func(rows *sql.Rows) error {
		var c store.Conversion
		err := rows.Scan(&c.ID, &c.Program, &c.Tx, &c.Event, &c.Ordinal, &c.State, moment{&c.At}, moment{&c.Updated}, moment{&c.Due},
			&c.Order.Minor, &c.Order.Currency, (*[]byte)(&c.Shares), &c.Partner, &c.ClickID, moment{&c.ClickAt}, &c.Visitor, &c.Coupon,
			&c.Customer, &c.Link, &c.Page, &c.Variant, &c.Sub1, &c.Revision, &c.Flagged, (*[]byte)(&c.Path), (*[]byte)(&c.Rulings), (*[]byte)(&c.Evidence), &c.Whole)
		found = append(found, c)
		return err
	})
	return found, err
}
