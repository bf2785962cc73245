package postgres

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

type links struct{ t *transaction }

func (l links) Get(id int64) (affiliate.Link, error) {
	return l.one(engine.NoLink(id), "SELECT body FROM links WHERE id = $1", id)
}

func (l links) BySlug(site, slug string) (affiliate.Link, error) {
	return l.one(engine.NoSlug(site, slug), "SELECT body FROM links WHERE site = $1 AND slug = $2", raw(site), raw(slug))
}

func (l links) one(missing error, query string, args ...any) (link affiliate.Link, err error) {
	var body pgtype.DriverBytes
	found := false
	err = l.t.each(query, args, func(rows pgx.Rows) error {
		found = true
		if err := rows.Scan(&body); err != nil {
			return err
		}
		link, err = engine.DecodeLink(l.t.store.place, body)
		return err
	})
	if err == nil && !found {
		err = missing
	}
	return link, err
}

func (l links) Count(q store.LinkQuery) (n int64, err error) {
	w := linkWhere(q)
	_, err = l.t.one([]any{&n}, "SELECT count(*) FROM links"+w.String(), w.args...)
	return n, err
}

// linkWhere is the condition of a query. The comparisons with the empty text let the
// partial indexes be used.
func linkWhere(q store.LinkQuery) (w where) {
	if q.Site != "" {
		w.and("site = ?", raw(q.Site))
	}
	if q.Program != "" {
		w.and("program = ? AND program <> ''", raw(q.Program))
		if q.Partner != "" {
			w.and("partner = ? AND partner <> ''", raw(q.Partner))
		}
	}
	if q.Status != "" {
		w.and("status = ?", raw(q.Status))
	}
	if q.Before > 0 {
		w.and("id < ?", q.Before)
	}
	if q.Tag != "" {
		w.contains("words", store.SearchForTag(q.Tag))
	}
	if q.Text != "" {
		w.contains("words", store.SearchFor(q.Text))
	}
	return w
}

func (l links) Reserve(n int) (first int64, err error) { return l.t.next("link", n), l.t.usable() }

// insertRows is how many links one statement adds.
const insertRows = 1000

// Insert sends all of the batch before it reads the first answer. Of rows with one slug the first is added,
// because a statement inserts in the order of its arrays.
func (l links) Insert(batch []store.Link) (taken []int, err error) {
	added := make(map[int64]bool, min(len(batch), insertRows))
	for from := 0; from < len(batch); from += insertRows {
		part := batch[from:min(from+insertRows, len(batch))]
		bodies := make([][]byte, len(part))
		for i := range part {
			bodies[i] = append([]byte{}, part[i].Body...)
		}
		clear(added)
		var id int64
		// An id that is there is no name that is taken, and fails.
		l.t.askEach(`INSERT INTO links (id, site, slug, status, program, partner, words, body)
			SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[])
			ON CONFLICT (site, slug) DO NOTHING RETURNING id`,
			[]any{numbers(part, func(k *store.Link) int64 { return k.ID }),
				raws(part, func(k *store.Link) string { return k.Site }), raws(part, func(k *store.Link) string { return k.Slug }),
				raws(part, func(k *store.Link) string { return string(k.Status) }), raws(part, func(k *store.Link) string { return k.Program }),
				raws(part, func(k *store.Link) string { return k.Partner }), raws(part, func(k *store.Link) string { return store.SearchText(k.Link) }), bodies},
			func(rows pgx.Rows) error {
				err := rows.Scan(&id)
				added[id] = true
				return err
			})
		if err := l.t.flush(); err != nil {
			return nil, err
		}
		if len(added) == len(part) {
			continue
		}
		for i := range part {
			if !added[part[i].ID] {
				taken = append(taken, from+i)
			}
		}
	}
	return taken, nil
}

func (l links) Replace(link store.Link) error {
	var other int64
	site, slug := raw(link.Site), raw(link.Slug)
	l.t.askEach("SELECT id FROM links WHERE site = $1 AND slug = $2 AND id <> $3", []any{site, slug, link.ID},
		func(rows pgx.Rows) error { return rows.Scan(&other) })
	n, err := l.t.exec(`UPDATE links SET site = $1, slug = $2, status = $4, program = $5, partner = $6, words = $7, body = $8
		WHERE id = $3 AND NOT EXISTS (SELECT 1 FROM links o WHERE o.site = $1 AND o.slug = $2 AND o.id <> $3)`,
		site, slug, link.ID, raw(link.Status), raw(link.Program), raw(link.Partner), raw(store.SearchText(link.Link)), append([]byte{}, link.Body...))
	if err != nil {
		return err
	}
	if other != 0 {
		return engine.SlugTaken(link.Link, other)
	}
	if n == 0 {
		return engine.NoLink(link.ID)
	}
	return nil
}

func (l links) Delete(id int64) error {
	n, err := l.t.exec("DELETE FROM links WHERE id = $1", id)
	if err == nil && n == 0 {
		err = engine.NoLink(id)
	}
	return err
}
