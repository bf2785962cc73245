package catalog

import (
	"context"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Warnings are what is allowed but seldom meant.
type Warnings = []affiliate.Fault

// CreateSite adds a site. Conflict: the id is taken, a host belongs to another
// site, or a second site would have no hosts.
func (c *Catalog) CreateSite(ctx context.Context, actor Actor, site affiliate.Site) (out affiliate.Site, err error) {
	err = c.Edit(ctx, actor, func(e *Edit) error { out, err = e.CreateSite(site); return err })
	return out, err
}

// UpdateSite replaces the site of the same id. ifVersion is the version that the
// caller has read, 0 for any; another one is Stale. A change that would make
// links of the site illegal is a Conflict that names the first ten of them.
func (c *Catalog) UpdateSite(ctx context.Context, actor Actor, site affiliate.Site, ifVersion int64) (out affiliate.Site, err error) {
	err = c.Edit(ctx, actor, func(e *Edit) error { out, err = e.UpdateSite(site, ifVersion); return err })
	return out, err
}

// DeleteSite removes a site; Conflict while it has links or is the last one.
func (c *Catalog) DeleteSite(ctx context.Context, actor Actor, id string, ifVersion int64) error {
	return c.Edit(ctx, actor, func(e *Edit) error { return e.DeleteSite(id, ifVersion) })
}

// CreateProgram adds a program; Conflict: the id is taken.
func (c *Catalog) CreateProgram(ctx context.Context, actor Actor, program affiliate.Program) (out affiliate.Program, err error) {
	err = c.Edit(ctx, actor, func(e *Edit) error { out, err = e.CreateProgram(program); return err })
	return out, err
}

// UpdateProgram replaces the program of the same id. A change that would make
// links of the program illegal is a Conflict that names the first ten of them.
func (c *Catalog) UpdateProgram(ctx context.Context, actor Actor, program affiliate.Program, ifVersion int64) (out affiliate.Program, err error) {
	err = c.Edit(ctx, actor, func(e *Edit) error { out, err = e.UpdateProgram(program, ifVersion); return err })
	return out, err
}

// DeleteProgram removes a program; Conflict while links or partners refer to it, and for
// ever once it has conversions or entries in the ledger: archive it instead.
func (c *Catalog) DeleteProgram(ctx context.Context, actor Actor, id string, ifVersion int64) error {
	return c.Edit(ctx, actor, func(e *Edit) error { return e.DeleteProgram(id, ifVersion) })
}

// CreatePartner adds a partner to a program; Conflict: the code is taken.
func (c *Catalog) CreatePartner(ctx context.Context, actor Actor, partner affiliate.Partner) (out affiliate.Partner, err error) {
	err = c.Edit(ctx, actor, func(e *Edit) error { out, err = e.CreatePartner(partner); return err })
	return out, err
}

// UpdatePartner replaces the partner of the same program and code.
func (c *Catalog) UpdatePartner(ctx context.Context, actor Actor, partner affiliate.Partner, ifVersion int64) (out affiliate.Partner, err error) {
	err = c.Edit(ctx, actor, func(e *Edit) error { out, err = e.UpdatePartner(partner, ifVersion); return err })
	return out, err
}

// DeletePartner removes a partner and where its postbacks go; Conflict while links name it
// as their own, and for ever once it has conversions or entries: archive it instead.
func (c *Catalog) DeletePartner(ctx context.Context, actor Actor, program, code string, ifVersion int64) error {
	return c.Edit(ctx, actor, func(e *Edit) error { return e.DeletePartner(program, code, ifVersion) })
}

// CreateLink adds a link and returns it as stored: normalised, with its id,
// version 1 and times. An empty Site means the only one. Conflict: the slug is
// taken on the site.
func (c *Catalog) CreateLink(ctx context.Context, actor Actor, link affiliate.Link) (out affiliate.Link, warnings Warnings, err error) {
	err = c.Edit(ctx, actor, func(e *Edit) error { out, warnings, err = e.CreateLink(link); return err })
	return out, warnings, err
}

// UpdateLink replaces the link of the same id. Another slug renames it and another
// site moves it; its id, and so its history and its visitors' variants, stay. An
// empty Site means as it is. An update that changes nothing keeps the version.
func (c *Catalog) UpdateLink(ctx context.Context, actor Actor, link affiliate.Link, ifVersion int64) (out affiliate.Link, warnings Warnings, err error) {
	err = c.Edit(ctx, actor, func(e *Edit) error { out, warnings, err = e.UpdateLink(link, ifVersion); return err })
	return out, warnings, err
}

// DeleteLink removes a link for good; its id is not given again.
func (c *Catalog) DeleteLink(ctx context.Context, actor Actor, id int64, ifVersion int64) error {
	return c.Edit(ctx, actor, func(e *Edit) error { return e.DeleteLink(id, ifVersion) })
}
