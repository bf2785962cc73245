package sqlite

import (
	"database/sql"
	"fmt"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/engine"
)

type links struct{ t *transaction }

func (l links) Get(id int64) (affiliate.Link, error) {
	return l.one(engine.NoLink(id), "SELECT body FROM link_bodies WHERE id = ?", id)
}

func (l links) BySlug(site, slug string) (affiliate.Link, error) {
	return l.one(engine.NoSlug(site, slug),
		"SELECT b.body FROM links l JOIN link_bodies b ON b.id = l.id WHERE l.site = ? AND l.slug = ?", site, slug)
}

func (l links) one(missing error, query string, args ...any) (link affiliate.Link, err error) {
	var body sql.RawBytes
	found := false
	err = l.t.each(query, args, func(rows *sql.Rows) error {
		found = true
		if err := rows.Scan(&body); err != nil {
			return err
		}
		link, err = engine.DecodeLink(l.t.store.path, body)
		return err
	})
	if err == nil && !found {
		err = missing
	}
	return link, err
}

func (l links) Find(q store.LinkQuery, fn func(affiliate.Link) error) error {
	w := linkWhere(q, "+l.site")
	query := "SELECT b.body FROM links l JOIN link_bodies b ON b.id = l.id" + w.String() + " ORDER BY l.id"
	if w.empty() {
		query = "SELECT body FROM link_bodies ORDER BY id"
	}
	if !q.Ascending {
		query += " DESC"
	}
	if q.Limit == 0 {
		return l.stream(query, w.args, fn)
	}
	var body sql.RawBytes
	return l.t.each(query+" LIMIT ?", append(w.args, q.Limit), func(rows *sql.Rows) error {
		if err := rows.Scan(&body); err != nil {
			return err
		}
		link, err := engine.DecodeLink(l.t.store.path, body)
		if err != nil {
			return err
		}
		return fn(link)
	})
}

func (l links) Count(q store.LinkQuery) (n int64, err error) {
	w := linkWhere(q, "l.site")
	_, err = l.t.one([]any{&n}, "SELECT count(*) FROM links l"+w.String(), w.args...)
	return n, err
}

// linkWhere is the condition of a query. A list is in the order of ids, so it
// must not walk the index of slugs, which the unary plus before site prevents.
func linkWhere(q store.LinkQuery, site string) (w where) {
	if q.Site != "" {
		w.and(site+" = ?", q.Site)
	}
	if q.Program != "" {
		w.and("l.program = ? AND l.program <> ''", q.Program) // the second lets the partial index be used
		if q.Partner != "" {
			w.and("l.partner = ? AND l.partner <> ''", q.Partner)
		}
	}
	if q.Status != "" {
		w.and("l.status = ?", q.Status)
	}
	if q.Before > 0 {
		w.and("l.id < ?", q.Before)
	}
	if q.Tag != "" {
		w.and(`l.words LIKE ? ESCAPE '\'`, engine.LikeWithin(store.SearchForTag(q.Tag)))
	}
	if q.Text != "" {
		w.and(`l.words LIKE ? ESCAPE '\'`, engine.LikeWithin(store.SearchFor(q.Text)))
	}
	return w
}

func (l links) Reserve(n int) (first int64, err error) { return l.t.next("link", n) }

const linkRow = "(?, ?, ?, ?, ?, ?, ?)"

func (l links) Insert(batch []store.Link) (taken []int, err error) {
	err = inChunks(len(batch), func(from, to int) error {
		out, err := l.insert(batch[from:to])
		for _, i := range out {
			taken = append(taken, from+i)
		}
		return err
	})
	return taken, err
}

// insert adds a chunk. OR IGNORE here, and OR FAIL below and for changes, spare SQLite
// what ON CONFLICT DO NOTHING or a plain INSERT of several rows needs: a copy of
// every page the statement touches, to undo it alone. That would triple the time.
// A failure must then undo the whole transaction, which it does.
func (l links) insert(chunk []store.Link) (taken []int, err error) {
	args := make([]any, 0, 7*len(chunk))
	for _, link := range chunk {
		args = append(args, link.ID, link.Site, link.Slug, string(link.Status), link.Program, link.Partner, store.SearchText(link.Link))
	}
	n, err := l.t.exec("INSERT OR IGNORE INTO links (id, site, slug, status, program, partner, words) VALUES "+rowsOf(linkRow, len(chunk)), args...)
	if err != nil {
		return nil, err
	}
	l.t.written += 2 * int(n)
	if int(n) == len(chunk) {
		return nil, l.insertBodies(chunk)
	}
	var added []store.Link
	for i, link := range chunk {
		var slug string
		if _, err := l.t.one([]any{&slug}, "SELECT slug FROM links WHERE id = ?", link.ID); err != nil {
			return nil, err
		}
		if slug == link.Slug {
			added = append(added, link)
		} else {
			taken = append(taken, i)
		}
	}
	if len(added) != int(n) {
		return nil, fmt.Errorf("BUG: %d links were added to %s, of which %d are there: ids were not reserved", n, l.t.store.path, len(added))
	}
	return taken, inChunks(len(added), func(from, to int) error { return l.insertBodies(added[from:to]) })
}

func (l links) insertBodies(chunk []store.Link) error {
	args := make([]any, 0, 2*len(chunk))
	for _, link := range chunk {
		args = append(args, link.ID, []byte(link.Body))
	}
	_, err := l.t.exec("INSERT OR FAIL INTO link_bodies (id, body) VALUES "+rowsOf("(?, ?)", len(chunk)), args...)
	return err
}

func (l links) Replace(link store.Link) error {
	var other int64
	taken, err := l.t.one([]any{&other}, "SELECT id FROM links WHERE site = ? AND slug = ? AND id <> ?", link.Site, link.Slug, link.ID)
	if err != nil {
		return err
	}
	if taken {
		return engine.SlugTaken(link.Link, other)
	}
	n, err := l.t.exec("UPDATE links SET site = ?, slug = ?, status = ?, program = ?, partner = ?, words = ? WHERE id = ?",
		link.Site, link.Slug, string(link.Status), link.Program, link.Partner, store.SearchText(link.Link), link.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		return engine.NoLink(link.ID)
	}
	l.t.written += 2
	_, err = l.t.exec("UPDATE link_bodies SET body = ? WHERE id = ?", []byte(link.Body), link.ID)
	return err
}

func (l links) Delete(id int64) error {
	n, err := l.t.exec("DELETE FROM links WHERE id = ?", id)
	if err != nil {
		return err
	}
	if n == 0 {
		return engine.NoLink(id)
	}
	_, err = l.t.exec("DELETE FROM link_bodies WHERE id = ?", id)
	return err
}
