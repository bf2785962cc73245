package catalog

import (
	"context"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// Site returns a site, or NotFound.
func (c *Catalog) Site(ctx context.Context, id string) (site affiliate.Site, err error) {
	err = c.get(ctx, store.Site, id, &site)
	return site, err
}

// Sites returns all sites by id.
func (c *Catalog) Sites(ctx context.Context) ([]affiliate.Site, error) {
	return all[affiliate.Site](ctx, c, store.Site, "")
}

// Program returns a program, or NotFound.
func (c *Catalog) Program(ctx context.Context, id string) (program affiliate.Program, err error) {
	err = c.get(ctx, store.Program, id, &program)
	return program, err
}

// Programs returns all programs by id.
func (c *Catalog) Programs(ctx context.Context) ([]affiliate.Program, error) {
	return all[affiliate.Program](ctx, c, store.Program, "")
}

// Partner returns a partner of a program, or NotFound.
func (c *Catalog) Partner(ctx context.Context, program, code string) (partner affiliate.Partner, err error) {
	err = c.get(ctx, store.Partner, partnerKey(program, code), &partner)
	return partner, err
}

// Partners returns the partners of a program by code; "" means of all programs,
// by program and code.
func (c *Catalog) Partners(ctx context.Context, program string) ([]affiliate.Partner, error) {
	return all[affiliate.Partner](ctx, c, store.Partner, partnersOf(program))
}

// partnerKey is unambiguous because neither part can contain a slash.
func partnerKey(program, code string) string { return program + "/" + code }

// partnersOf is the start of the keys of a program's partners.
func partnersOf(program string) string {
	if program == "" {
		return ""
	}
	return program + "/"
}

// Link returns a link, or NotFound.
func (c *Catalog) Link(ctx context.Context, id int64) (link affiliate.Link, err error) {
	err = c.store.View(ctx, func(r store.Reader) error {
		link, err = r.Links().Get(id)
		return err
	})
	return link, err
}

// LinkBySlug returns the link that a site knows by a name in any spelling, or
// NotFound. An empty site means the only one.
func (c *Catalog) LinkBySlug(ctx context.Context, site, slug string) (link affiliate.Link, err error) {
	canonical, ok := affiliate.CanonicalSlug(strings.TrimSpace(slug))
	if !ok {
		return link, affiliate.Errorf(affiliate.NotFound, "there is no link %q: no link can have such a name", slug)
	}
	err = c.store.View(ctx, func(r store.Reader) error {
		if site == "" {
			if site, err = newSurroundings(r.Documents()).onlySite(); err != nil {
				return err
			}
		}
		link, err = r.Links().BySlug(site, canonical)
		return err
	})
	return link, err
}

// LinkFilter chooses links. Empty fields choose all.
type LinkFilter struct {
	Site    string
	Text    string // part of the slug, any URL, a tag, the page or the note; letter case is ignored
	Tag     string
	Program string
	Partner string // code of a partner of Program
	Status  affiliate.Status
	// Cursor is LinkPage.Next of the page before; "" for the first page.
	Cursor string
	// Limit is 1 to LinkLimitMax; 0 means LinkLimitDefault.
	Limit int
}

// Limits of one page of links.
const (
	LinkLimitDefault = 50
	LinkLimitMax     = 1000
	// TextMax is the length limit of LinkFilter.Text and Tag, in bytes.
	TextMax = 200
)

// LinkPage is one page of links, newest first.
type LinkPage struct {
	Links []affiliate.Link
	// Next continues after the page's last link; "" when there are no more.
	Next string
	// Total is how many links match in all.
	Total int64
}

// FindLinks returns one page of the links that match. Paging neither repeats nor
// misses a link that matches all along, while others come and go.
func (c *Catalog) FindLinks(ctx context.Context, filter LinkFilter) (page LinkPage, err error) {
	query, err := filter.query()
	if err != nil {
		return page, err
	}
	limit := query.Limit
	query.Limit++ // one more tells whether there is a next page
	err = c.store.View(ctx, func(r store.Reader) error {
		page.Links = make([]affiliate.Link, 0, min(query.Limit, 128))
		if err := r.Links().Find(query, func(l affiliate.Link) error {
			page.Links = append(page.Links, l)
			return nil
		}); err != nil {
			return err
		}
		if query.Before == 0 && len(page.Links) <= limit {
			page.Total = int64(len(page.Links)) // it all fits on the first page: no need to count
			return nil
		}
		query.Before = 0
		page.Total, err = r.Links().Count(query)
		return err
	})
	if err != nil {
		return LinkPage{}, err
	}
	if len(page.Links) > limit {
		page.Links = page.Links[:limit]
		page.Next = cursorOf(page.Links[limit-1].ID)
	}
	return page, nil
}

func (f LinkFilter) query() (q store.LinkQuery, err error) {
	q = store.LinkQuery{Site: f.Site, Text: strings.TrimSpace(f.Text), Tag: strings.TrimSpace(f.Tag), Program: f.Program,
		Partner: f.Partner, Status: f.Status, Limit: f.Limit}
	if f.Limit == 0 {
		q.Limit = LinkLimitDefault
	}
	switch {
	case f.Limit < 0 || f.Limit > LinkLimitMax:
		return q, invalid("the links cannot be listed", "limit", "%d is not between 1 and %d", f.Limit, LinkLimitMax)
	case len(q.Text) > TextMax || len(q.Tag) > TextMax:
		return q, invalid("the links cannot be listed", "text", "it is longer than %d bytes", TextMax)
	case f.Partner != "" && f.Program == "":
		return q, invalid("the links cannot be listed", "partner", "name the partner's program too")
	}
	switch f.Status {
	case "", affiliate.Active, affiliate.Paused, affiliate.Archived:
	default:
		return q, invalid("the links cannot be listed", "status", "%q is not one of active, paused, archived", f.Status)
	}
	if f.Cursor != "" {
		if q.Before, err = parseCursor(f.Cursor); err != nil {
			return q, err
		}
	}
	return q, nil
}

// cursorOf names the place behind a link. The letter keeps people from taking it
// for an id.
func cursorOf(id int64) string { return "b" + strconv.FormatInt(id, 36) }

func parseCursor(s string) (id int64, err error) {
	digits, ok := strings.CutPrefix(s, "b")
	if id, err = strconv.ParseInt(digits, 36, 64); !ok || err != nil || id <= 0 {
		return 0, invalid("the links cannot be listed", "cursor", "%q is not a cursor; take the one that came with the page before, or none", s)
	}
	return id, nil
}

// Changes returns recorded changes with a Seq above after, oldest first, at most
// limit (1 to 1000).
func (c *Catalog) Changes(ctx context.Context, after int64, limit int) ([]Change, error) {
	return c.log(ctx, store.ChangeQuery{After: after, Limit: limit})
}

// History returns the recorded changes of one kind, or of one thing when key is
// not empty, newest first, with a Seq below before (0 for the newest), at most
// limit (1 to 1000). An empty kind means everything.
func (c *Catalog) History(ctx context.Context, kind, key string, before int64, limit int) ([]Change, error) {
	return c.log(ctx, store.ChangeQuery{Kind: kind, Key: key, Before: before, Limit: limit, Newest: true})
}

func (c *Catalog) log(ctx context.Context, query store.ChangeQuery) (changes []Change, err error) {
	if query.Limit < 1 || query.Limit > 1000 {
		return nil, invalid("the changes cannot be listed", "limit", "%d is not between 1 and 1000", query.Limit)
	}
	err = c.store.View(ctx, func(r store.Reader) error {
		changes, err = r.Changes().Find(query)
		return err
	})
	return changes, err
}

// LastSeq returns the number of the newest change; 0 when there is none.
func (c *Catalog) LastSeq(ctx context.Context) (seq int64, err error) {
	err = c.store.View(ctx, func(r store.Reader) error {
		seq, err = r.Changes().Last()
		return err
	})
	return seq, err
}

// Visitor receives the parts of a snapshot; nil functions skip their part. The
// order is sites, programs, partners, links; links come by id.
type Visitor struct {
	Site    func(affiliate.Site) error
	Program func(affiliate.Program) error
	Partner func(affiliate.Partner) error
	Link    func(affiliate.Link) error
}

// Snapshot hands out everything as it stood right after the change seq, streaming
// the links. A notice of the Publisher whose Seq is not above it is already in it,
// even when it arrives later. An error of the visitor ends it and is returned.
func (c *Catalog) Snapshot(ctx context.Context, visit Visitor) (seq int64, err error) {
	err = c.store.View(ctx, func(r store.Reader) error {
		if seq, err = r.Changes().Last(); err != nil {
			return err
		}
		if err := each(r.Documents(), store.Site, visit.Site); err != nil {
			return err
		}
		if err := each(r.Documents(), store.Program, visit.Program); err != nil {
			return err
		}
		if err := each(r.Documents(), store.Partner, visit.Partner); err != nil {
			return err
		}
		if visit.Link == nil {
			return nil
		}
		return r.Links().Find(store.LinkQuery{Ascending: true}, visit.Link)
	})
	return seq, err
}
