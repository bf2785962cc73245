package routing

import (
	"fmt"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Change is one step from a table to the next. Exactly one of the nouns is set.
//
// Links are compiled against their program. When a program's network, sub-ID or
// deep link changes, its links must follow it in the same batch, each with a number
// of its own; until then they keep what they were compiled with. A change of
// partners, status or partner parameter takes effect by itself.
type Change struct {
	// Seq is the catalog's number of the change; tables are in the order of it.
	Seq         int64              `json:"seq"`
	Site        *affiliate.Site    `json:"site,omitempty"`
	SiteGone    string             `json:"site_gone,omitempty"`
	Program     *affiliate.Program `json:"program,omitempty"`
	ProgramGone string             `json:"program_gone,omitempty"`
	Partner     *affiliate.Partner `json:"partner,omitempty"`
	PartnerGone *affiliate.Partner `json:"partner_gone,omitempty"`
	Link        *affiliate.Link    `json:"link,omitempty"`
	// NameGone is a name that no longer leads anywhere: the link was removed, or
	// Link holds it under its new name.
	NameGone *LinkName `json:"name_gone,omitempty"`
}

// LinkName is where a link stands.
type LinkName struct {
	Site string `json:"site"`
	Slug string `json:"slug"`
}

// with returns the table after the changes. The receiver stays as it is.
func (t *Table) with(changes []Change) (*Table, error) {
	s := step{from: t, seq: t.seq, links: t.links, overlay: t.overlay.edit(), world: t.world}
	for i := range changes {
		if err := s.apply(&changes[i]); err != nil {
			return nil, fmt.Errorf("change %d cannot be served: %w", changes[i].Seq, err)
		}
		s.seq = max(s.seq, changes[i].Seq)
	}
	return &Table{seq: s.seq, world: s.world, base: t.base, overlay: s.overlay.done(),
		changed: t.changed + s.overlay.added, frozen: t.frozen, links: s.links}, nil
}

// step is a table in the making.
type step struct {
	from    *Table
	seq     int64
	links   int
	overlay *edit[[]byte]
	world   *world
	cloned  bool
}

func (s *step) apply(c *Change) error {
	if c.NameGone != nil {
		s.dropLink(c.NameGone)
	}
	switch {
	case c.Link != nil:
		return s.putLink(c.Link)
	case c.Site != nil:
		s.ownWorld().putSite(*c.Site)
	case c.SiteGone != "":
		s.ownWorld().dropSite(c.SiteGone)
	case c.Program != nil:
		s.ownWorld().putProgram(*c.Program)
	case c.ProgramGone != "":
		s.ownWorld().dropProgram(c.ProgramGone)
	case c.Partner != nil:
		s.ownWorld().putPartner(*c.Partner)
	case c.PartnerGone != nil:
		s.ownWorld().dropPartner(c.PartnerGone.Program, c.PartnerGone.Code)
	}
	return nil
}

// ownWorld clones the world before its first change.
func (s *step) ownWorld() *world {
	if !s.cloned {
		s.world, s.cloned = s.world.clone(), true
	}
	return s.world
}

func (s *step) putLink(l *affiliate.Link) error {
	record, err := s.world.compile(l)
	if err != nil {
		return err
	}
	site := uint16(s.world.siteIndex(l.Site))
	s.set(site, l.Slug, record)
	return nil
}

func (s *step) dropLink(n *LinkName) {
	if site := s.world.siteIndex(n.Site); site >= 0 {
		s.set(uint16(site), n.Slug, nil)
	}
}

func (s *step) set(site uint16, slug string, record []byte) {
	hash := hashName(site, slug)
	old, changed := s.overlay.get(hash, site, slug)
	if !changed {
		old, changed = s.from.frozen.get(hash, site, slug)
	}
	if !changed {
		old = s.from.base.find(hash, site, slug)
	}
	if old == nil && record == nil {
		return
	}
	if old == nil {
		s.links++
	}
	if record == nil {
		s.links--
	}
	s.overlay.set(hash, site, slug, record)
}
