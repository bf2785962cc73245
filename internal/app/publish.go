package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/routing"
)

// publisher brings the catalog's changes into the routing table.
type publisher struct {
	tables *routing.Holder
	logger *slog.Logger

	mu      sync.Mutex
	catalog *catalog.Catalog // set once it is open
	rebuilt sync.WaitGroup
}

// Publish applies changes at once. A change that cannot be applied leads to a
// rebuild: the catalog is right, whatever the table thinks.
func (p *publisher) Publish(changes []catalog.Change) {
	next := make([]routing.Change, 0, len(changes))
	for i := range changes {
		if changes[i].Action == catalog.ActionReload {
			p.rebuildSoon(nil)
			return
		}
		c, err := routingChange(&changes[i])
		if err != nil {
			p.rebuildSoon(err)
			return
		}
		next = append(next, c)
	}
	if err := p.tables.Apply(next); err != nil {
		p.rebuildSoon(err)
	}
}

func (p *publisher) rebuildSoon(why error) {
	if why != nil {
		p.logger.Error("a change does not fit the routing table; the table is built anew", "reason", why)
	}
	p.mu.Lock()
	c := p.catalog
	p.mu.Unlock()
	if c == nil {
		return // start looks whether the table is behind
	}
	p.rebuilt.Go(func() {
		if err := p.rebuild(context.Background(), c); err != nil {
			p.logger.Error("the routing table could not be built; visitors are served from the one before", "reason", err)
		}
	})
}

// start takes the catalog and brings the table up to date with it. A catalog that
// knows less than the table is not obeyed: it has been lost or rolled back.
func (p *publisher) start(ctx context.Context, c *catalog.Catalog) error {
	p.mu.Lock()
	p.catalog = c
	p.mu.Unlock()
	last, err := c.LastSeq(ctx)
	if err != nil {
		return err
	}
	table := p.tables.Current()
	switch {
	case last < table.Seq():
		return fmt.Errorf("the store knows changes up to %d, the routing table up to %d: the store was lost or rolled back. "+
			"Visitors are served from the table. Restore the store's backup; or, to go on with what the store has, "+
			"stop Sluice and remove the folder table", last, table.Seq())
	case last > table.Seq():
		return p.rebuild(ctx, c)
	}
	return nil
}

// rebuild fills a new table from the catalog while the old one serves.
func (p *publisher) rebuild(ctx context.Context, c *catalog.Catalog) error {
	r, err := p.tables.Rebuild()
	if err != nil {
		return err
	}
	seq, err := c.Snapshot(ctx, catalog.Visitor{
		Site:    func(s affiliate.Site) error { r.Site(s); return nil },
		Program: func(x affiliate.Program) error { r.Program(x); return nil },
		Partner: func(x affiliate.Partner) error { r.Partner(x); return nil },
		Link: func(l affiliate.Link) error {
			if err := r.Link(&l); err != nil {
				p.logger.Error("a link cannot be served", "link", l.Slug, "reason", err)
			}
			return nil
		},
	})
	if err != nil {
		r.Discard()
		return err
	}
	return r.Publish(seq)
}

// wait lets rebuilds under way finish.
func (p *publisher) wait() { p.rebuilt.Wait() }

// routingChange turns a catalog's change into the table's.
func routingChange(c *catalog.Change) (out routing.Change, err error) {
	out.Seq = c.Seq
	gone := c.Action == catalog.ActionDelete
	switch c.Kind {
	case catalog.KindSite:
		if gone {
			out.SiteGone = c.Key
			return out, nil
		}
		return out, json.Unmarshal(c.After, &out.Site)
	case catalog.KindProgram:
		if gone {
			out.ProgramGone = c.Key
			return out, nil
		}
		return out, json.Unmarshal(c.After, &out.Program)
	case catalog.KindPartner:
		if gone {
			program, code, _ := strings.Cut(c.Key, "/")
			out.PartnerGone = &affiliate.Partner{Program: program, Code: code}
			return out, nil
		}
		return out, json.Unmarshal(c.After, &out.Partner)
	}
	return out, linkChange(c, &out)
}

// linkChange also frees the name that a link has left.
func linkChange(c *catalog.Change, out *routing.Change) error {
	if c.Action != catalog.ActionDelete {
		if err := json.Unmarshal(c.After, &out.Link); err != nil {
			return err
		}
	}
	if len(c.Before) == 0 {
		return nil
	}
	var before affiliate.Link
	if err := json.Unmarshal(c.Before, &before); err != nil {
		return err
	}
	if out.Link == nil || out.Link.Site != before.Site || out.Link.Slug != before.Slug {
		out.NameGone = &routing.LinkName{Site: before.Site, Slug: before.Slug}
	}
	return nil
}

var _ catalog.Publisher = (*publisher)(nil)
