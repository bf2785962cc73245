package sqlite

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

// books is spread over files by noun: reports and rejections here, then
// conversions.go, ledger.go, outbox.go.
type books struct{ t *transaction }

func (b books) Reports(program, tx string) (reports []affiliate.Report, err error) {
	var body sql.RawBytes
	err = b.t.each("SELECT body FROM reports WHERE program = ? AND tx = ? ORDER BY id", []any{program, tx}, func(rows *sql.Rows) error {
		if err := rows.Scan(&body); err != nil {
			return err
		}
		report, err := engine.DecodeReport(b.t.store.path, tx, body)
		if err != nil {
			return err
		}
		reports = append(reports, report)
		return nil
	})
	return reports, err
}

func (b books) AddReports(batch []store.Report) (known []int, err error) {
	for i := range batch {
		added, err := b.addReport(&batch[i])
		if err != nil {
			return nil, err
		}
		if !added {
			known = append(known, i)
		}
	}
	b.t.written += len(batch) - len(known)
	return known, nil
}

func (b books) addReport(r *store.Report) (added bool, err error) {
	body, err := engine.EncodeReport(r)
	if err != nil {
		return false, err
	}
	n, err := b.t.exec("INSERT OR IGNORE INTO reports (id, program, tx, digest, body) VALUES (?, ?, ?, ?, ?)",
		r.ID, r.Program, r.Tx, r.Digest, body)
	return n == 1, err
}

const rejectionColumns = "id, at, program, source, reason, message, remote, raw"

func (b books) Rejections(q store.RejectionQuery) (found []store.Rejection, err error) {
	var w where
	if q.Program != "" {
		w.and("program = ?", q.Program)
	}
	if q.Reason != "" {
		w.and("reason = ?", q.Reason)
	}
	if err := b.before(&w, "rejections", "seq", q.Before); err != nil {
		return nil, err
	}
	query := "SELECT " + rejectionColumns + " FROM rejections" + w.String() + " ORDER BY seq DESC LIMIT ?"
	err = b.t.each(query, append(w.args, q.Limit), func(rows *sql.Rows) error {
		var r store.Rejection
		err := rows.Scan(&r.ID, moment{&r.At}, &r.Program, &r.Source, &r.Reason, &r.Message, &r.Remote, &r.Raw)
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
	found, err := b.t.one([]any{&seq}, "SELECT seq FROM "+tableOf(group)+" WHERE id = ?", id)
	if err != nil {
		return err
	}
	if !found {
		return engine.NoItem(group, id)
	}
	w.and(column+" < ?", seq)
	return nil
}

func (b books) Refuse(r store.Rejection) error {
	n, err := b.t.exec("INSERT OR IGNORE INTO rejections ("+rejectionColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		r.ID, engine.Millis(r.At), r.Program, r.Source, r.Reason, r.Message, r.Remote, []byte(engine.Cut(r.Raw, store.RejectionRawBytesMax)))
	if err != nil || n == 0 {
		return err
	}
	b.t.written++
	// Numbers grow by one, so the bound costs a look-up, and needs nobody who sweeps.
	_, err = b.t.exec("DELETE FROM rejections WHERE seq <= (SELECT max(seq) FROM rejections) - ?", store.RejectionsMax)
	return err
}

func (b books) SweepRejections(before time.Time) (removed int64, err error) {
	return b.t.exec("DELETE FROM rejections WHERE at < ?", engine.Millis(before))
}

// moment scans a Unix millisecond into a time.
type moment struct{ t *time.Time }

func (m moment) Scan(v any) error {
	ms, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a time is %T, not a number", v)
	}
	*m.t = engine.Instant(ms)
	return nil
}
