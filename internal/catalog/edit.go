package catalog

import (
	"context"
	"encoding/json"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Warnings are what is allowed but seldom meant.
type Warnings = []affiliate.Fault

// CreateSite adds a site. Conflict: the id is taken, a host belongs to another
// site, or a second site would have no hosts.
func (c *Catalog) CreateSite(ctx context.Context, actor Actor, site affiliate.Site) (affiliate.Site, error) {
	return affiliate.Site{}, errUnbuilt
}

// UpdateSite replaces the site of the same id. ifVersion is the version that the
// caller has read, 0 for any; another one is Stale.
func (c *Catalog) UpdateSite(ctx context.Context, actor Actor, site affiliate.Site, ifVersion int64) (affiliate.Site, error) {
	return affiliate.Site{}, errUnbuilt
}

// DeleteSite removes a site; Conflict while it has links or is the last one.
func (c *Catalog) DeleteSite(ctx context.Context, actor Actor, id string, ifVersion int64) error {
	return errUnbuilt
}

// CreateProgram adds a program; Conflict: the id is taken.
func (c *Catalog) CreateProgram(ctx context.Context, actor Actor, program affiliate.Program) (affiliate.Program, error) {
	return affiliate.Program{}, errUnbuilt
}

// UpdateProgram replaces the program of the same id. A change that would make
// links of the program illegal is a Conflict that names the first ten of them.
func (c *Catalog) UpdateProgram(ctx context.Context, actor Actor, program affiliate.Program, ifVersion int64) (affiliate.Program, error) {
	return affiliate.Program{}, errUnbuilt
}

// DeleteProgram removes a program; Conflict while links or partners refer to it.
func (c *Catalog) DeleteProgram(ctx context.Context, actor Actor, id string, ifVersion int64) error {
	return errUnbuilt
}

// CreatePartner adds a partner to a program; Conflict: the code is taken.
func (c *Catalog) CreatePartner(ctx context.Context, actor Actor, partner affiliate.Partner) (affiliate.Partner, error) {
	return affiliate.Partner{}, errUnbuilt
}

// UpdatePartner replaces the partner of the same program and code.
func (c *Catalog) UpdatePartner(ctx context.Context, actor Actor, partner affiliate.Partner, ifVersion int64) (affiliate.Partner, error) {
	return affiliate.Partner{}, errUnbuilt
}

// DeletePartner removes a partner; Conflict while links name it as their own.
func (c *Catalog) DeletePartner(ctx context.Context, actor Actor, program, code string, ifVersion int64) error {
	return errUnbuilt
}

// CreateLink adds a link and returns it as stored: normalised, with its id,
// version 1 and times. An empty Site means the only one. Conflict: the slug is
// taken on the site.
func (c *Catalog) CreateLink(ctx context.Context, actor Actor, link affiliate.Link) (affiliate.Link, Warnings, error) {
	return affiliate.Link{}, nil, errUnbuilt
}

// UpdateLink replaces the link of the same id. Its site cannot change; empty
// means as it is. An update that changes nothing keeps the version.
func (c *Catalog) UpdateLink(ctx context.Context, actor Actor, link affiliate.Link, ifVersion int64) (affiliate.Link, Warnings, error) {
	return affiliate.Link{}, nil, errUnbuilt
}

// DeleteLink removes a link for good; its id is not given again.
func (c *Catalog) DeleteLink(ctx context.Context, actor Actor, id int64, ifVersion int64) error {
	return errUnbuilt
}

// Request is one request that a client may send again because it has not seen
// the answer. Key is the client's (1 to 255 bytes), Hash identifies the request's
// content. Keys are the actor's own and are remembered for 24 hours.
type Request struct {
	Key  string
	Hash string
}

// Once runs edit as Edit does and remembers its response, encoded as JSON,
// together with what it changed. When the actor has sent the request before, edit does not
// run: the remembered response is returned and again is true. The same key with
// another hash is a Conflict. What failed is not remembered.
func (c *Catalog) Once(ctx context.Context, actor Actor, request Request, edit func(*Edit) (response any, err error)) (response json.RawMessage, again bool, err error) {
	return nil, false, errUnbuilt
}

// Edit runs several changes as one: all are stored together, or none when edit
// returns an error. Other changes wait meanwhile. edit must use e alone, not the
// Catalog, and must not keep it.
func (c *Catalog) Edit(ctx context.Context, actor Actor, edit func(e *Edit) error) error {
	return errUnbuilt
}

// Edit is a set of changes in the making. Its methods are those of Catalog.
type Edit struct{}

// CreateSite is Catalog.CreateSite.
func (e *Edit) CreateSite(site affiliate.Site) (affiliate.Site, error) {
	return affiliate.Site{}, errUnbuilt
}

// UpdateSite is Catalog.UpdateSite.
func (e *Edit) UpdateSite(site affiliate.Site, ifVersion int64) (affiliate.Site, error) {
	return affiliate.Site{}, errUnbuilt
}

// DeleteSite is Catalog.DeleteSite.
func (e *Edit) DeleteSite(id string, ifVersion int64) error { return errUnbuilt }

// CreateProgram is Catalog.CreateProgram.
func (e *Edit) CreateProgram(program affiliate.Program) (affiliate.Program, error) {
	return affiliate.Program{}, errUnbuilt
}

// UpdateProgram is Catalog.UpdateProgram.
func (e *Edit) UpdateProgram(program affiliate.Program, ifVersion int64) (affiliate.Program, error) {
	return affiliate.Program{}, errUnbuilt
}

// DeleteProgram is Catalog.DeleteProgram.
func (e *Edit) DeleteProgram(id string, ifVersion int64) error { return errUnbuilt }

// CreatePartner is Catalog.CreatePartner.
func (e *Edit) CreatePartner(partner affiliate.Partner) (affiliate.Partner, error) {
	return affiliate.Partner{}, errUnbuilt
}

// UpdatePartner is Catalog.UpdatePartner.
func (e *Edit) UpdatePartner(partner affiliate.Partner, ifVersion int64) (affiliate.Partner, error) {
	return affiliate.Partner{}, errUnbuilt
}

// DeletePartner is Catalog.DeletePartner.
func (e *Edit) DeletePartner(program, code string, ifVersion int64) error { return errUnbuilt }

// CreateLink is Catalog.CreateLink.
func (e *Edit) CreateLink(link affiliate.Link) (affiliate.Link, Warnings, error) {
	return affiliate.Link{}, nil, errUnbuilt
}

// UpdateLink is Catalog.UpdateLink.
func (e *Edit) UpdateLink(link affiliate.Link, ifVersion int64) (affiliate.Link, Warnings, error) {
	return affiliate.Link{}, nil, errUnbuilt
}

// DeleteLink is Catalog.DeleteLink.
func (e *Edit) DeleteLink(id int64, ifVersion int64) error { return errUnbuilt }
