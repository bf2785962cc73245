package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
)

const tagLinks = "Links"

// Link is a link as it is served.
type Link struct {
	affiliate.Link
	ShortURL string            `json:"short_url,omitempty" doc:"The address to publish. Absent when the site has no host of its own." example:"https://blog.example/go/kettle"`
	Warnings []affiliate.Fault `json:"warnings,omitempty" doc:"What is allowed but seldom meant; in answers to changes only."`
}

// LinkInput is what may be written of a link. What only the server says may be
// there and is ignored, so that a link that was read can be sent back.
type LinkInput struct {
	affiliate.Link
	URL      string            `json:"url,omitempty" doc:"Short for one destination with this URL." example:"https://shop.example/kettle?tag=blog"`
	ShortURL string            `json:"short_url,omitempty" readOnly:"true" doc:"Ignored."`
	Warnings []affiliate.Fault `json:"warnings,omitempty" readOnly:"true" doc:"Ignored."`
}

// LinkList is one page of links.
type LinkList struct {
	Items []Link `json:"items"`
	Next  string `json:"next,omitempty" doc:"Cursor of the next page; absent on the last." example:"MTc"`
	Total int64  `json:"total" doc:"How many links match in all." example:"31"`
}

// LinkPath names a link in an address.
type LinkPath struct {
	ID int64 `path:"id" minimum:"1" doc:"Id of the link." example:"17"`
}

type linkAnswer struct {
	ETag string `header:"ETag" doc:"Version, for If-Match."`
	Body Link
}

type linkCreated struct {
	Location string `header:"Location" doc:"Address of the new link."`
	ETag     string `header:"ETag" doc:"Version, for If-Match."`
	Replayed string `header:"Idempotent-Replayed" doc:"\"true\" when the request had been answered before and nothing was done now."`
	Body     Link
}

func (s *server) registerLinks() {
	handle(s, operation{
		method: http.MethodGet, path: "/links", id: "listLinks", tag: tagLinks, access: read,
		summary: "List and search links", description: "Newest first. Follow next until it is absent: no link that matches all along is repeated or missed.",
	}, s.listLinks)
	handle(s, operation{
		method: http.MethodPost, path: "/links", id: "createLink", tag: tagLinks, access: write, status: http.StatusCreated,
		summary:     "Add a link",
		description: "Give url, or destinations. Without a slug the link gets a short random one. With an Idempotency-Key the request can be sent again when no answer came: the link is added once.",
		errors:      []int{http.StatusConflict},
		adjust:      exampleBody(map[string]any{"slug": "kettle", "url": "https://shop.example/kettle?tag=blog"}),
	}, s.createLink)
	handle(s, operation{
		method: http.MethodGet, path: "/links/by-slug", id: "getLinkBySlug", tag: tagLinks, access: read,
		summary: "Find a link by its name", description: "In any spelling that visitors may use.", errors: []int{http.StatusNotFound},
	}, s.getLinkBySlug)
	handle(s, operation{
		method: http.MethodGet, path: "/links/{id}", id: "getLink", tag: tagLinks, access: read,
		summary: "Show a link",
	}, s.getLink)
	handle(s, operation{
		method: http.MethodPut, path: "/links/{id}", id: "updateLink", tag: tagLinks, access: write,
		summary: "Replace a link", description: "What is left out gets its default. Another slug renames the link and another site moves it; its history and its visitors' variants stay.",
		errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
	}, s.updateLink)
	handle(s, operation{
		method: http.MethodPatch, path: "/links/{id}", id: "patchLink", tag: tagLinks, access: write,
		summary:     "Change parts of a link",
		description: "A JSON merge patch (RFC 7396): fields that are given replace the link's, null removes, lists are replaced whole. url replaces the destinations by one.",
		errors:      []int{http.StatusConflict, http.StatusPreconditionFailed},
		adjust:      s.patchBody,
	}, s.patchLink)
	handle(s, operation{
		method: http.MethodDelete, path: "/links/{id}", id: "deleteLink", tag: tagLinks, access: write, status: http.StatusNoContent,
		summary: "Remove a link for good", description: "Its clicks stay in the reports. To keep its fallback, set its status to archived instead.",
		errors: []int{http.StatusPreconditionFailed},
	}, s.deleteLink)
	handle(s, operation{
		method: http.MethodGet, path: "/links/{id}/changes", id: "listLinkChanges", tag: tagLinks, access: read,
		summary: "Show a link's history", description: "Newest first; also of a link that was removed.",
	}, s.linkHistory)
}

// exampleBody puts an example of the JSON body into the document.
func exampleBody(example any) func(*huma.Operation) {
	return func(op *huma.Operation) {
		op.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{"application/json": {Example: example}}}
	}
}

type linksQuery struct {
	Q       string `query:"q" maxLength:"200" doc:"Part of the slug, a destination, a tag or the note." example:"kettle"`
	Tag     string `query:"tag" doc:"Only links with this tag." example:"kitchen"`
	Site    string `query:"site" doc:"Only links of this site." example:"blog"`
	Program string `query:"program" doc:"Only links of this program." example:"acme"`
	Partner string `query:"partner" doc:"Only links that credit this partner of the program; program must be given too." example:"mia"`
	Status  string `query:"status" enum:"active,paused,archived" doc:"Only links in this state."`
	Cursor  string `query:"cursor" maxLength:"500" doc:"The next of the page before."`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many at most."`
}

func (s *server) listLinks(ctx context.Context, in *linksQuery) (*struct{ Body LinkList }, error) {
	page, err := s.Catalog.FindLinks(ctx, catalog.LinkFilter{
		Text: in.Q, Tag: in.Tag, Site: in.Site, Program: in.Program, Partner: in.Partner,
		Status: affiliate.Status(in.Status), Cursor: in.Cursor, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	bases, err := s.bases(ctx)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body LinkList }{LinkList{Items: make([]Link, len(page.Links)), Next: page.Next, Total: page.Total}}
	for i := range page.Links {
		out.Body.Items[i] = bases.link(page.Links[i], nil)
	}
	return out, nil
}

func (s *server) getLink(ctx context.Context, in *LinkPath) (*linkAnswer, error) {
	link, err := s.Catalog.Link(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return s.linkOf(ctx, link, nil)
}

func (s *server) getLinkBySlug(ctx context.Context, in *struct {
	Site string `query:"site" doc:"The site; may be left out when there is only one." example:"blog"`
	Slug string `query:"slug" required:"true" doc:"The name." example:"kettle"`
}) (*linkAnswer, error) {
	link, err := s.Catalog.LinkBySlug(ctx, in.Site, in.Slug)
	if err != nil {
		return nil, err
	}
	return s.linkOf(ctx, link, nil)
}

func (s *server) updateLink(ctx context.Context, in *struct {
	LinkPath
	Precondition
	Body LinkInput
}) (*linkAnswer, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	link, err := in.Body.link()
	if err != nil {
		return nil, err
	}
	if link.ID != 0 && link.ID != in.ID {
		return nil, faultf("id", "it cannot be changed; leave it out, or repeat the one of the address")
	}
	link.ID = in.ID
	link, warnings, err := s.Catalog.UpdateLink(ctx, callerOf(ctx).actor(), link, version)
	if err != nil {
		return nil, err
	}
	return s.linkOf(ctx, link, warnings)
}

func (s *server) deleteLink(ctx context.Context, in *struct {
	LinkPath
	Precondition
}) (*struct{}, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return nil, s.Catalog.DeleteLink(ctx, callerOf(ctx).actor(), in.ID, version)
}

// link returns the document that the input means.
func (in *LinkInput) link() (affiliate.Link, error) {
	link := in.Link
	if in.URL == "" {
		return link, nil
	}
	if len(link.Destinations) > 0 {
		return link, faultf("url", "give url or destinations, not both")
	}
	link.Destinations = []affiliate.Destination{{URL: in.URL}}
	return link, nil
}

func (s *server) linkOf(ctx context.Context, link affiliate.Link, warnings []affiliate.Fault) (*linkAnswer, error) {
	bases, err := s.bases(ctx)
	if err != nil {
		return nil, err
	}
	return &linkAnswer{ETag: etag(link.Version), Body: bases.link(link, warnings)}, nil
}

// faultf is an error about one field of a request.
func faultf(field, message string) error {
	return &affiliate.Error{Code: affiliate.Invalid, Message: "the request is not valid",
		Faults: []affiliate.Fault{{Field: field, Message: message}}}
}

func linkAddress(id int64) string { return prefix + "/links/" + strconv.FormatInt(id, 10) }
