package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/catalog"
)

// Links returns one page of links. The filter's Cursor and Limit choose which.
func (c *Client) Links(ctx context.Context, f catalog.LinkFilter) (api.LinkList, error) {
	return ask[api.LinkList](ctx, c, call{method: http.MethodGet, path: "/links", query: values(
		"q", f.Text, "tag", f.Tag, "site", f.Site, "program", f.Program, "partner", f.Partner,
		"status", string(f.Status), "cursor", f.Cursor, "limit", number(f.Limit))})
}

// Link returns a link.
func (c *Client) Link(ctx context.Context, id int64) (api.Link, error) {
	return ask[api.Link](ctx, c, call{method: http.MethodGet, path: linkPath(id)})
}

// LinkCap returns how much of a link's cap is used; NotFound for a link without.
func (c *Client) LinkCap(ctx context.Context, id int64) (api.CapUse, error) {
	return ask[api.CapUse](ctx, c, call{method: http.MethodGet, path: linkPath(id) + "/cap"})
}

// LinkBySlug returns the link that a site knows by a name. An empty site means
// the only one.
func (c *Client) LinkBySlug(ctx context.Context, site, slug string) (api.Link, error) {
	return ask[api.Link](ctx, c, call{method: http.MethodGet, path: "/links/by-slug", query: values("site", site, "slug", slug)})
}

// CreateLink adds a link. With a key the call can be repeated when its answer
// was lost; "" for none.
func (c *Client) CreateLink(ctx context.Context, in api.LinkInput, key string) (api.Link, error) {
	body, err := linkBody(in)
	if err != nil {
		return api.Link{}, err
	}
	header := http.Header{}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	return ask[api.Link](ctx, c, call{method: http.MethodPost, path: "/links", body: body, header: header})
}

// UpdateLink replaces a link; version is the one that was read, 0 for any.
func (c *Client) UpdateLink(ctx context.Context, id int64, in api.LinkInput, version int64) (api.Link, error) {
	body, err := linkBody(in)
	if err != nil {
		return api.Link{}, err
	}
	return ask[api.Link](ctx, c, call{method: http.MethodPut, path: linkPath(id), body: body, header: ifVersion(version)})
}

// PatchLink changes parts of a link: fields that are given replace the link's,
// nil removes. version is the one that was read, 0 for any.
func (c *Client) PatchLink(ctx context.Context, id int64, patch map[string]any, version int64) (api.Link, error) {
	return ask[api.Link](ctx, c, call{method: http.MethodPatch, path: linkPath(id), body: patch, header: ifVersion(version)})
}

// DeleteLink removes a link; version is the one that was read, 0 for any.
func (c *Client) DeleteLink(ctx context.Context, id, version int64) error {
	return c.do(ctx, call{method: http.MethodDelete, path: linkPath(id), header: ifVersion(version)}, nil)
}

// LinkChanges returns a link's history, newest first, before the change of that
// number (0 for the newest).
func (c *Client) LinkChanges(ctx context.Context, id, before int64, limit int) (api.ChangeList, error) {
	return ask[api.ChangeList](ctx, c, call{method: http.MethodGet, path: linkPath(id) + "/changes",
		query: values("before", number(int(before)), "limit", number(limit))})
}

func linkPath(id int64) string { return "/links/" + strconv.FormatInt(id, 10) }

// linkBody leaves out what is empty, so that the server's defaults apply.
func linkBody(in api.LinkInput) (map[string]json.RawMessage, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encoding a link: %w", err)
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, fmt.Errorf("encoding a link: %w", err)
	}
	for name, value := range body {
		if s := string(value); s == `""` || s == "0" || s == "null" {
			delete(body, name)
		}
	}
	return body, nil
}

// ImportOptions say what an import does with what it finds.
type ImportOptions struct {
	Format  string // csv, jsonl, nginx; "" for what it looks like
	Site    string // of the links whose entry names none
	SkipBad bool   // import the good entries of a file that has bad ones
	Update  bool   // replace links that exist
	DryRun  bool   // check everything and keep nothing
	// Progress is told about once per second how many entries have been read,
	// once the server has the whole file. May be nil.
	Progress func(read int64)
	// Bad is handed every bad entry, in order. Its error ends the call, but not
	// the import. May be nil.
	Bad func(catalog.BadLine) error
}

// ImportLinks sends a file of links and returns what came of it.
func (c *Client) ImportLinks(ctx context.Context, file io.Reader, o ImportOptions) (*api.ImportReport, error) {
	response, err := c.send(ctx, call{
		method: http.MethodPost, path: "/links/import", stream: file,
		header: http.Header{"Content-Type": {"application/octet-stream"}},
		query: values("format", o.Format, "site", o.Site, "skip_bad", yes(o.SkipBad),
			"update", yes(o.Update), "dry_run", yes(o.DryRun)),
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	return followImport[api.ImportReport](response.Body, o.Bad, o.Progress,
		"the server stopped before the import was done; look at its log, and list the links to see whether they are there")
}

// ExportLinks writes the links of a site, or of all when it is "", as a file. With
// skip, links that the format cannot express are left out and counted.
func (c *Client) ExportLinks(ctx context.Context, format, site string, skip bool, w io.Writer) (skipped int, err error) {
	response, err := c.send(ctx, call{method: http.MethodGet, path: "/links/export",
		query: values("format", format, "site", site, "skip", yes(skip))})
	if err != nil {
		return 0, err
	}
	skipped, _ = strconv.Atoi(response.Header.Get("Sluice-Skipped"))
	return skipped, copyAll(w, response)
}

// copyAll copies a download and says when it was cut short.
func copyAll(w io.Writer, response *http.Response) error {
	defer func() { _ = response.Body.Close() }() // it was only read
	_, err := io.Copy(w, response.Body)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the download was cut short; look at the server's log and try again")
	}
	return err
}

func escape(s string) string { return url.PathEscape(s) }
