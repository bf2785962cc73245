package api

import (
	"context"
	"net/http"

	"github.com/sluicehq/sluice/internal/affiliate"
)

const tagSites = "Sites"

// Site is one place on the web that serves links.
type Site struct {
	affiliate.Site
}

// SiteInput is what may be written of a site.
type SiteInput struct {
	affiliate.Site
}

type siteAnswer struct {
	ETag string `header:"ETag" doc:"Version, for If-Match."`
	Body Site
}

type siteCreated struct {
	Location string `header:"Location" doc:"Address of the new site."`
	ETag     string `header:"ETag" doc:"Version, for If-Match."`
	Body     Site
}

type sitesAnswer struct {
	Body struct {
		Items []Site `json:"items"`
	} `nameHint:"SiteList"`
}

// SitePath names a site in an address.
type SitePath struct {
	Site string `path:"site" doc:"Id of the site." example:"blog"`
}

func (s *server) registerSites() {
	handle(s, operation{
		method: http.MethodGet, path: "/sites", id: "listSites", tag: tagSites, access: read,
		summary: "List sites",
	}, s.listSites)
	handle(s, operation{
		method: http.MethodPost, path: "/sites", id: "createSite", tag: tagSites, access: operator, status: http.StatusCreated,
		summary: "Add a site", errors: []int{http.StatusConflict},
	}, s.createSite)
	handle(s, operation{
		method: http.MethodGet, path: "/sites/{site}", id: "getSite", tag: tagSites, access: read,
		summary: "Show a site",
	}, s.getSite)
	handle(s, operation{
		method: http.MethodPut, path: "/sites/{site}", id: "updateSite", tag: tagSites, access: operator,
		summary: "Replace a site", errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
	}, s.updateSite)
	handle(s, operation{
		method: http.MethodDelete, path: "/sites/{site}", id: "deleteSite", tag: tagSites, access: operator, status: http.StatusNoContent,
		summary: "Remove a site", description: "It must have no links.",
		errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
	}, s.deleteSite)
}

func (s *server) listSites(ctx context.Context, _ *struct{}) (*sitesAnswer, error) {
	sites, err := s.Catalog.Sites(ctx)
	if err != nil {
		return nil, err
	}
	out := &sitesAnswer{}
	out.Body.Items = make([]Site, len(sites))
	for i, site := range sites {
		out.Body.Items[i] = Site{site}
	}
	return out, nil
}

func (s *server) createSite(ctx context.Context, in *struct{ Body SiteInput }) (*siteCreated, error) {
	site, err := s.Catalog.CreateSite(ctx, callerOf(ctx).actor(), in.Body.Site)
	if err != nil {
		return nil, err
	}
	return &siteCreated{Location: prefix + "/sites/" + site.ID, ETag: etag(site.Version), Body: Site{site}}, nil
}

func (s *server) getSite(ctx context.Context, in *SitePath) (*siteAnswer, error) {
	site, err := s.Catalog.Site(ctx, in.Site)
	if err != nil {
		return nil, err
	}
	return siteOf(site), nil
}

func (s *server) updateSite(ctx context.Context, in *struct {
	SitePath
	Precondition
	Body SiteInput
}) (*siteAnswer, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	site := in.Body.Site
	if err := sameName("id", &site.ID, in.Site); err != nil {
		return nil, err
	}
	site, err = s.Catalog.UpdateSite(ctx, callerOf(ctx).actor(), site, version)
	if err != nil {
		return nil, err
	}
	return siteOf(site), nil
}

func (s *server) deleteSite(ctx context.Context, in *struct {
	SitePath
	Precondition
}) (*struct{}, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return nil, s.Catalog.DeleteSite(ctx, callerOf(ctx).actor(), in.Site, version)
}

func siteOf(site affiliate.Site) *siteAnswer {
	return &siteAnswer{ETag: etag(site.Version), Body: Site{site}}
}

// sameName fills in the name from the path, or says that the body names another.
func sameName(field string, inBody *string, inPath string) error {
	if *inBody != "" && *inBody != inPath {
		return &affiliate.Error{Code: affiliate.Invalid, Message: "the request is not valid",
			Faults: []affiliate.Fault{{Field: field, Message: "it cannot be changed; leave it out, or repeat the one of the address"}}}
	}
	*inBody = inPath
	return nil
}
