package postgres

import (
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

// portionRows is how many links are read at a time. Between two portions the connection is free, so that whoever
// is handed a link can ask for something else.
const portionRows = 1000

// Find reads a short list at once and a long one through a cursor, a portion at a time.
func (l links) Find(q store.LinkQuery, fn func(affiliate.Link) error) error {
	w := linkWhere(q)
	query := "SELECT body FROM links" + w.String() + " ORDER BY id"
	if !q.Ascending {
		query += " DESC"
	}
	if q.Limit > 0 {
		query += w.limit(q.Limit)
	}
	if q.Limit > 0 && q.Limit <= portionRows {
		var p portion
		if err := l.t.each(query, w.args, p.add); err != nil {
			return err
		}
		return l.handOut(&p, fn)
	}
	l.t.cursors++ // Find may be called within Find
	cursor := "links_" + strconv.Itoa(l.t.cursors)
	l.t.queue("DECLARE "+cursor+" NO SCROLL CURSOR FOR "+query, w.args...)
	// Sent by itself, because a FETCH is described to us only when its cursor is there.
	err := l.t.flush()
	if err == nil {
		err = l.fetch(cursor, fn)
	}
	l.t.cursors--
	if closing := l.t.write("CLOSE " + cursor); err == nil {
		err = closing
	}
	return err
}

func (l links) fetch(cursor string, fn func(affiliate.Link) error) error {
	for {
		var p portion
		if err := l.t.each("FETCH "+strconv.Itoa(portionRows)+" FROM "+cursor, nil, p.add); err != nil {
			return err
		}
		if err := l.handOut(&p, fn); err != nil {
			return err
		}
		if len(p.ends) < portionRows {
			return nil
		}
	}
}

// portion is a run of documents, one after the other.
type portion struct {
	bodies []byte
	ends   []int
}

func (p *portion) add(rows pgx.Rows) error {
	var body pgtype.DriverBytes
	err := rows.Scan(&body)
	p.bodies = append(p.bodies, body...)
	p.ends = append(p.ends, len(p.bodies))
	return err
}

// decoders is how many goroutines decode a portion: a long list spends most of its time there.
const decoders = 4

// handOut decodes a portion and calls fn with its links in order.
func (l links) handOut(p *portion, fn func(affiliate.Link) error) error {
	found := make([]affiliate.Link, len(p.ends))
	errs := make([]error, decoders)
	share := (len(found) + decoders - 1) / decoders
	var wait sync.WaitGroup
	for d := range decoders {
		from, end := min(d*share, len(found)), min((d+1)*share, len(found))
		decode := func() {
			for i := from; i < end && errs[d] == nil; i++ {
				start := 0
				if i > 0 {
					start = p.ends[i-1]
				}
				found[i], errs[d] = engine.DecodeLink(l.t.store.place, p.bodies[start:p.ends[i]])
			}
		}
		if len(found) <= 2*decoders {
			decode()
			continue
		}
		wait.Go(decode)
	}
	wait.Wait()
	for i := range found {
		if err := errs[i/share]; err != nil {
			return err
		}
		if err := fn(found[i]); err != nil {
			return err
		}
	}
	return nil
}
