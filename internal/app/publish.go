package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/routing"
)

// publisher brings the catalog's changes into the routing table: those of this process as
// they are made, or, where other processes write to the store as well, those of all of
// them as it reads them there (see tail).
type publisher struct {
	tables *routing.Holder
	logger *slog.Logger
	shared bool          // there is a tail
	poke   chan struct{} // wakes the tail
	done   func()        // called after the table has changed

	mu         sync.Mutex
	catalog    *catalog.Catalog // set once it is open
	rebuilding bool
	again      bool             // what was rebuilt is out of date already
	since      []routing.Change // applied since the rebuild under way began
	rebuilds   sync.WaitGroup
}

// Publish applies changes at once. A change that cannot be applied leads to a
// rebuild: the catalog is right, whatever the table thinks.
func (p *publisher) Publish(changes []catalog.Change) {
	if p.shared {
		p.wake()
		return
	}
	p.publish(changes)
	p.done()
}

func (p *publisher) publish(changes []catalog.Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
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
		return
	}
	if p.rebuilding {
		p.since = append(p.since, next...)
		if len(p.since) > catalog.ReloadAbove {
			p.since, p.again = nil, true
		}
	}
}

// rebuildSoon is called with mu held.
func (p *publisher) rebuildSoon(why error) {
	if why != nil {
		p.logger.Error("a change does not fit the routing table; the table is built anew", "reason", why)
	}
	if p.catalog == nil {
		return // start looks whether the table is behind
	}
	if p.rebuilding {
		p.again = true
		return
	}
	p.rebuilding = true
	p.rebuilds.Go(func() {
		if err := p.rebuild(context.Background()); err != nil {
			p.logger.Error("the routing table could not be built; visitors are served from the one before", "reason", err)
		}
		p.done()
	})
}

// rebuild fills new tables from the catalog, while the old one serves, until one
// is up to date.
func (p *publisher) rebuild(ctx context.Context) error {
	for {
		p.mu.Lock()
		p.since, p.again = nil, false
		p.mu.Unlock()
		r, seq, err := p.fill(ctx)

		p.mu.Lock()
		if err == nil {
			err = r.Publish(seq)
		}
		if err == nil && !p.again && len(p.since) > 0 {
			// The new table begins where the snapshot stood; what came after is
			// still to be done.
			p.again = p.tables.Apply(p.since) != nil
		}
		if err != nil || !p.again {
			p.rebuilding, p.since = false, nil
			p.mu.Unlock()
			return err
		}
		p.mu.Unlock()
	}
}

// fill reads the whole catalog into a table that is not published yet.
func (p *publisher) fill(ctx context.Context) (*routing.Rebuild, int64, error) {
	r, err := p.tables.Rebuild()
	if err != nil {
		return nil, 0, err
	}
	seq, err := p.catalog.Snapshot(ctx, catalog.Visitor{
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
		return nil, 0, err
	}
	return r, seq, nil
}

// start takes the catalog and brings the table up to date with it. A catalog that
// knows less than the table is not obeyed: it has been lost or rolled back.
func (p *publisher) start(ctx context.Context, c *catalog.Catalog) error {
	last, err := c.LastSeq(ctx)
	if err != nil {
		return err
	}
	table := p.tables.Current()
	if last < table.Seq() {
		return fmt.Errorf("the store knows changes up to %d, the routing table up to %d: the store was lost or rolled back. "+
			"Visitors are served from the table. Restore the store's backup; or, to go on with what the store has, "+
			"stop Sluice and remove the folder table", last, table.Seq())
	}
	p.mu.Lock()
	p.catalog = c
	behind := last > table.Seq()
	p.rebuilding = behind
	p.mu.Unlock()
	if behind {
		return p.rebuild(ctx)
	}
	return nil
}

// followed waits until the table holds every change of the catalog so far.
func (p *publisher) followed(ctx context.Context) error {
	last, err := p.catalog.LastSeq(ctx)
	if err != nil {
		return err
	}
	for p.tables.Current().Seq() < last {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		if !p.shared && !p.busy() && p.tables.Current().Seq() < last {
			return affiliate.Errorf(affiliate.Unavailable, "the links are stored, but redirects do not follow them yet; the server's log says why")
		}
	}
	return nil
}

func (p *publisher) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rebuilding
}

// wait lets rebuilds under way finish.
func (p *publisher) wait() { p.rebuilds.Wait() }

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
