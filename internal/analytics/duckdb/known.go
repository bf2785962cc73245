package duckdb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// Known looks at the clicks of the ids' times only: for those of the last minutes
// these are the last rows, for those of months it reads two columns of the months.
func (e *Engine) Known(ctx context.Context, ids []affiliate.ClickID) (known []affiliate.ClickID, err error) {
	if err := analytics.CheckKnown(len(ids)); err != nil {
		return nil, err
	}
	asked := make(map[affiliate.ClickID]bool, len(ids))
	all := make([]affiliate.ClickID, 0, len(ids))
	for _, id := range ids {
		if decode(id[:12]) != 0 || decode(id[12:]) != 0 { // rows without an id have these
			asked[id] = true
			all = append(all, id)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	slices.SortFunc(all, func(a, b affiliate.ClickID) int { return int(a.Time().Sub(b.Time())) })
	err = e.read(ctx, func(tx *sql.Tx) error {
		for _, run := range runsOf(all) {
			if err := knownOf(ctx, tx, run, asked, &known); err != nil {
				return err
			}
		}
		return nil
	})
	return known, err
}

// runGap ends a run of ids: between two runs the clicks are not read. runsMax bounds
// how many there are, as each is a statement.
const (
	runGap  = time.Hour
	runsMax = 16
)

// runsOf cuts ids, which ascend, where nothing is asked for a while; beyond runsMax the
// last run takes the rest.
func runsOf(ids []affiliate.ClickID) (runs [][]affiliate.ClickID) {
	from := 0
	for i := 1; i < len(ids) && len(runs) < runsMax-1; i++ {
		if ids[i].Time().Sub(ids[i-1].Time()) > runGap {
			runs, from = append(runs, ids[from:i]), i
		}
	}
	return append(runs, ids[from:])
}

// knownOf finds a run's ids by their lower half; what has that half and another
// beginning is left out. An id that is found is not asked for any more.
func knownOf(ctx context.Context, tx *sql.Tx, run []affiliate.ClickID, asked map[affiliate.ClickID]bool, known *[]affiliate.ClickID) error {
	var lows []byte
	for i, id := range run {
		if i > 0 {
			lows = append(lows, ',')
		}
		lows = strconv.AppendUint(lows, decode(id[12:]), 10)
	}
	query := fmt.Sprintf(`SELECT epoch_ms("time"), id_middle, id_low FROM clicks
		WHERE "time" >= %s AND "time" <= %s AND id_low IN (SELECT unnest(string_split(?, ','))::UBIGINT)`,
		instant(run[0].Time()), instant(run[len(run)-1].Time()))
	return each(ctx, tx, query, []any{string(lows)}, func(rows *sql.Rows) error {
		var ms int64
		var middle, low uint64
		if err := rows.Scan(&ms, &middle, &low); err != nil {
			return err
		}
		var id affiliate.ClickID
		encode(id[:12], uint64(ms)<<12|middle)
		encode(id[12:], low)
		if asked[id] {
			delete(asked, id)
			*known = append(*known, id)
		}
		return nil
	})
}

// UniquesOf reads the unique clicks of a time and leaves out those of others.
func (e *Engine) UniquesOf(ctx context.Context, visitors []affiliate.VisitorID, since, until time.Time, fn func(affiliate.VisitorID, int64, time.Time)) error {
	if err := analytics.CheckKnown(len(visitors)); err != nil {
		return err
	}
	asked := make(map[affiliate.VisitorID]bool, len(visitors))
	var lows []byte
	for _, v := range visitors {
		if asked[v] || decode(v[:4]) == 0 && decode(v[4:]) == 0 { // clicks of nobody have these
			continue
		}
		if asked[v] = true; len(lows) > 0 {
			lows = append(lows, ',')
		}
		lows = strconv.AppendUint(lows, decode(v[4:]), 10)
	}
	if len(asked) == 0 {
		return nil
	}
	query := fmt.Sprintf(`SELECT visitor_high, visitor_low, link, epoch_ms("time") FROM clicks
		WHERE valid AND is_unique AND "time" >= %s AND "time" <= %s AND visitor_low IN (SELECT unnest(string_split(?, ','))::UBIGINT)`,
		instant(since), instant(until.Truncate(time.Millisecond)))
	return e.read(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, query, []any{string(lows)}, func(rows *sql.Rows) error {
			var high, low uint64
			var link, ms int64
			if err := rows.Scan(&high, &low, &link, &ms); err != nil {
				return err
			}
			var visitor affiliate.VisitorID
			encode(visitor[:4], high)
			encode(visitor[4:], low)
			if asked[visitor] {
				fn(visitor, link, time.UnixMilli(ms).UTC())
			}
			return nil
		})
	})
}
