package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

// books is spread over files by noun: reports and rejections here, then
// conversions.go, ledger.go, balances.go, outbox.go.
type books struct{ t *transaction }

func (b books) Reports(program, tx string) (reports []affiliate.Report, err error) {
	var body pgtype.DriverBytes
	err = b.t.each("SELECT body FROM reports WHERE program = $1 AND tx = $2 ORDER BY id", []any{raw(program), raw(tx)}, func(rows pgx.Rows) error {
		if err := rows.Scan(&body); err != nil {
			return err
		}
		report, err := engine.DecodeReport(b.t.store.place, tx, body)
		if err != nil {
			return err
		}
		reports = append(reports, report)
		return nil
	})
	return reports, err
}

// reportKey tells reports from each other.
type reportKey struct{ program, tx, digest string }

// AddReports adds them by one statement, which inserts in the order of its arrays.
func (b books) AddReports(batch []store.Report) (known []int, err error) {
	if len(batch) == 0 {
		return nil, nil
	}
	bodies := make([][]byte, len(batch))
	for i := range batch {
		if bodies[i], err = engine.EncodeReport(&batch[i]); err != nil {
			return nil, err
		}
	}
	added := make(map[reportKey]bool, len(batch))
	b.t.askEach(`INSERT INTO reports (id, program, tx, digest, body)
		SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[])
		ON CONFLICT (program, tx, digest) DO NOTHING RETURNING program, tx, digest`,
		[]any{raws(batch, func(r *store.Report) string { return r.ID }), raws(batch, func(r *store.Report) string { return r.Program }),
			raws(batch, func(r *store.Report) string { return r.Tx }), raws(batch, func(r *store.Report) string { return r.Digest }), bodies},
		func(rows pgx.Rows) error {
			var key reportKey
			err := rows.Scan(to(&key.program), to(&key.tx), to(&key.digest))
			added[key] = true
			return err
		})
	if err := b.t.flush(); err != nil {
		return nil, err
	}
	for i := range batch {
		key := reportKey{batch[i].Program, batch[i].Tx, batch[i].Digest}
		if !added[key] {
			known = append(known, i)
		}
		delete(added, key) // the first of equal ones was added
	}
	return known, nil
}

const rejectionColumns = "id, at, program, source, reason, message, remote, raw"

func (b books) Rejections(q store.RejectionQuery) (found []store.Rejection, err error) {
	var w where
	if q.Program != "" {
		w.and("program = ?", raw(q.Program))
	}
	if q.Reason != "" {
		w.and("reason = ?", raw(q.Reason))
	}
	if err := b.before(&w, "rejections", "seq", q.Before); err != nil {
		return nil, err
	}
	query := "SELECT " + rejectionColumns + " FROM rejections" + w.String() + " ORDER BY seq DESC" + w.limit(q.Limit)
	err = b.t.each(query, w.args, func(rows pgx.Rows) error {
		var r store.Rejection
		err := rows.Scan(to(&r.ID), moment{&r.At}, to(&r.Program), to(&r.Source), to(&r.Reason), to(&r.Message), to(&r.Remote), to(&r.Raw))
		found = append(found, r)
		return err
	})
	return found, err
}

// before chooses rows below the one with an id, by their number, for paging.
func (b books) before(w *where, group, column, id string) error {
	if id == "" {
		return nil
	}
	var seq int64
	found, err := b.t.one([]any{&seq}, "SELECT seq FROM "+tableOf(group)+" WHERE id = $1", raw(id))
	if err != nil {
		return err
	}
	if !found {
		return engine.NoItem(group, id)
	}
	w.and(column+" < ?", seq)
	return nil
}

// Refuse numbers rejections by one each, which the sequences of PostgreSQL do not, so that the bound
// is a look-up and needs nobody who sweeps. The limit within keeps the server to the index; it also brings
// the number down, ten at a time, should the bound be lowered.
func (b books) Refuse(r store.Rejection) error {
	return b.t.write(`WITH added AS (
			INSERT INTO rejections (seq, `+rejectionColumns+`)
			SELECT (SELECT coalesce(max(seq), 0) + 1 FROM rejections), $1::bytea, $2::bigint, $3::bytea, $4::bytea, $5::bytea, $6::bytea, $7::bytea, $8::bytea
			ON CONFLICT (id) DO NOTHING RETURNING seq)
		DELETE FROM rejections WHERE seq = ANY(ARRAY(
			SELECT r.seq FROM rejections r WHERE r.seq <= (SELECT seq FROM added) - $9::bigint ORDER BY r.seq LIMIT 10))`,
		raw(r.ID), engine.Millis(r.At), raw(r.Program), raw(r.Source), raw(r.Reason), raw(r.Message), raw(r.Remote), raw(engine.Cut(r.Raw, store.RejectionRawBytesMax)),
		int64(store.RejectionsMax))
}

func (b books) SweepRejections(before time.Time) (removed int64, err error) {
	return b.t.exec("DELETE FROM rejections WHERE at < $1", engine.Millis(before))
}
