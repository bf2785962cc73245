package migration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// rowsSum is what is known of the rows of a day: their number, and the sum of their hashes, which does not
// depend on their order. Who wanted to make another day of the same sum would have to solve
// that for 128 bits.
type rowsSum struct {
	rows             int64
	high, low        uint64
	copies, nameless int64
	last             affiliate.ClickID
	b                []byte
}

// add takes a row, unless it is a copy of the one before or has no id, without which nobody can say whether
// it is there.
func (s *rowsSum) add(r *analytics.Row) (taken bool) {
	switch {
	case r.ID.IsZero():
		s.nameless++
		return false
	case r.ID == s.last:
		s.copies++
		return false
	}
	s.last = r.ID
	s.rows++
	s.b = r.AppendTo(s.b[:0])
	sum := sha256.Sum256(s.b)
	s.high += binary.BigEndian.Uint64(sum[:8])
	s.low += binary.BigEndian.Uint64(sum[8:16])
	return true
}

func (s *rowsSum) alike(other *rowsSum) bool {
	return s.rows == other.rows && s.high == other.high && s.low == other.low
}

func (s *rowsSum) String() string { return fmt.Sprintf("%016x%016x", s.high, s.low) }

// difference is how a day differs.
type difference struct {
	missing, extra, changed int64
	first                   string
}

// difference compares a day row by row.
func (m *clickMover) difference(ctx context.Context, s span) (d difference, err error) {
	note := func(n *int64, format string, args ...any) {
		if *n++; d.first == "" {
			d.first = fmt.Sprintf(format, args...)
		}
	}
	var a, b []byte
	err = m.merge(ctx, s, func(from, to *analytics.Row) error {
		switch {
		case to == nil:
			note(&d.missing, "the click %s of %s is missing in the target", from.ID, s.since.Format("2006-01-02"))
		case from == nil:
			note(&d.extra, "the click %s of %s is in the target and not in the source", to.ID, s.since.Format("2006-01-02"))
		default:
			if a, b = from.AppendTo(a[:0]), to.AppendTo(b[:0]); !bytes.Equal(a, b) {
				note(&d.changed, "the click %s of %s is not the same in the target", from.ID, s.since.Format("2006-01-02"))
			}
		}
		return nil
	})
	return d, err
}

// merge calls fn for every id of a day, with the row of each side, nil where there is none.
func (m *clickMover) merge(ctx context.Context, s span, fn func(from, to *analytics.Row) error) error {
	from, to := rowsOf(ctx, m.From, s), rowsOf(ctx, m.To, s)
	defer from.stop()
	defer to.stop()
	from.advance()
	to.advance()
	for from.row != nil || to.row != nil {
		order := 0
		switch {
		case to.row == nil:
			order = -1
		case from.row == nil:
			order = 1
		default:
			order = bytes.Compare(from.row.ID[:], to.row.ID[:])
		}
		var a, b *analytics.Row
		if order <= 0 {
			a = from.row
		}
		if order >= 0 {
			b = to.row
		}
		if err := fn(a, b); err != nil {
			return err
		}
		if order <= 0 {
			from.advance()
		}
		if order >= 0 {
			to.advance()
		}
	}
	return firstOf(from.err, to.err)
}

// rowsDump is a day that is read row by row. Copies and rows without an id are left out.
type rowsDump struct {
	next func() (*analytics.Row, bool)
	stop func()
	err  error
	row  *analytics.Row // nil at the end
}

func rowsOf(ctx context.Context, e analytics.Dumper, s span) *rowsDump {
	d := &rowsDump{}
	d.next, d.stop = iter.Pull(func(yield func(*analytics.Row) bool) {
		var last affiliate.ClickID
		d.err = e.Dump(ctx, s.since, s.until, func(rows []analytics.Row) error {
			for i := range rows {
				if rows[i].ID.IsZero() || rows[i].ID == last {
					continue
				}
				last = rows[i].ID
				if !yield(&rows[i]) {
					return errEnough
				}
			}
			return nil
		})
	})
	return d
}

func (d *rowsDump) advance() { d.row, _ = d.next() }
