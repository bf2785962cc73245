package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
)

func newLink(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "link",
		Short: "Manage links",
		Long: `Manage links. A link is named by its slug, "the-thing", or by its id, "#17";
where several sites know the slug, say which with --site.`,
	}
	cmd.AddCommand(newLinkAdd(p), newLinkList(p), newLinkShow(p), newLinkUpdate(p), newLinkRm(p), newLinkImport(p), newLinkExport(p))
	return cmd
}

// findLink finds a link by its slug, or by its id written "#17".
func findLink(ctx context.Context, c *connection, site, name string) (api.Link, error) {
	if digits, ok := strings.CutPrefix(name, "#"); ok {
		id, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || id < 1 {
			return api.Link{}, fmt.Errorf("%q is not the id of a link; ids are written like #17", name)
		}
		return c.Link(ctx, id)
	}
	if site != "" {
		return c.LinkBySlug(ctx, site, name)
	}
	return findOnAnySite(ctx, c, name)
}

// findOnAnySite finds the link whose slug only one site knows.
func findOnAnySite(ctx context.Context, c *connection, slug string) (found api.Link, err error) {
	sites, err := c.Sites(ctx)
	if err != nil {
		return found, err
	}
	var on []string
	for _, s := range sites {
		link, err := c.LinkBySlug(ctx, s.ID, slug)
		switch {
		case affiliate.CodeOf(err) == affiliate.NotFound:
		case err != nil:
			return found, err
		default:
			found = link
			on = append(on, s.ID)
		}
	}
	switch len(on) {
	case 0:
		return found, affiliate.Errorf(affiliate.NotFound, "there is no link %q; see them with: sluice link list", slug)
	case 1:
		return found, nil
	}
	return found, affiliate.Errorf(affiliate.Conflict, "several sites have a link %q; say which with --site: %s", slug, strings.Join(on, ", "))
}

// linkFields are the flags that set a link's fields.
type linkFields struct {
	site, slug, status, program, partner, page, note, starts, ends, limit, fallback, query string
	urls, tags                                                                             []string
	weights                                                                                []int
	code                                                                                   int
	deepLink, blockBots                                                                    bool
}

func (f *linkFields) define(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.status, "status", "", "active, paused or archived")
	fs.IntSliceVar(&f.weights, "weight", nil, "`weights` of several URLs, in their order, such as 70,30")
	fs.StringVar(&f.program, "program", "", "`id` of the program that pays")
	fs.StringVar(&f.partner, "partner", "", "`code` of the partner who is credited when a visit names none")
	fs.StringSliceVar(&f.tags, "tag", nil, "`tags`, separated by commas")
	fs.StringVar(&f.page, "page", "", "`path` of the page where the link stands")
	fs.StringVar(&f.note, "note", "", "`text` for yourself")
	fs.StringVar(&f.starts, "starts", "", "`time` from which the link leads to its URL")
	fs.StringVar(&f.ends, "ends", "", "`time` from which it no longer does")
	fs.StringVar(&f.limit, "cap", "", "how many `clicks` it may send, such as 1000/day or 20000/month@Europe/Berlin (per hour, day, month or total); none for any number")
	fs.StringVar(&f.fallback, "fallback", "", "`URL` for when the link is paused, outside its time or at its cap")
	fs.IntVar(&f.code, "code", 0, "redirect `code`: 302 (default), 307, 301, 308")
	fs.StringVar(&f.query, "query", "", "parameters to hand on: drop, pass or only:`NAME`,…")
	fs.BoolVar(&f.deepLink, "deep-link", false, "let ?url= choose a page of the program's hosts")
	fs.BoolVar(&f.blockBots, "block-bots", false, "answer declared bots with 403")
}

// destinations puts the URLs and their weights together.
func (f *linkFields) destinations() ([]affiliate.Destination, error) {
	if len(f.weights) > 0 && len(f.weights) != len(f.urls) {
		return nil, fmt.Errorf("--weight has %d weights for %d URLs; give one for each", len(f.weights), len(f.urls))
	}
	ds := make([]affiliate.Destination, len(f.urls))
	for i, u := range f.urls {
		ds[i] = affiliate.Destination{URL: u, Weight: 1}
		if len(f.weights) > 0 {
			ds[i].Weight = f.weights[i]
		}
	}
	return ds, nil
}

// patch holds the fields whose flags were given; an empty value takes the field
// away.
func (f *linkFields) patch(cmd *cobra.Command) (map[string]any, error) {
	patch := map[string]any{}
	var fault error
	set := func(flag, field string, value func() (any, error)) {
		if !cmd.Flags().Changed(flag) || fault != nil {
			return
		}
		v, err := value()
		if err != nil {
			fault = fmt.Errorf("--%s: %w", flag, err)
		}
		patch[field] = v
	}
	text := func(s *string) func() (any, error) {
		return func() (any, error) {
			if *s == "" {
				return nil, nil
			}
			return *s, nil
		}
	}
	moment := func(s *string) func() (any, error) {
		return func() (any, error) {
			if *s == "" {
				return nil, nil
			}
			return parseTime(*s)
		}
	}
	value := func(v func() any) func() (any, error) { return func() (any, error) { return v(), nil } }
	set("slug", "slug", text(&f.slug))
	set("status", "status", text(&f.status))
	set("program", "program", text(&f.program))
	set("partner", "partner", text(&f.partner))
	set("page", "page", text(&f.page))
	set("note", "note", text(&f.note))
	set("fallback", "fallback", text(&f.fallback))
	set("starts", "starts_at", moment(&f.starts))
	set("ends", "ends_at", moment(&f.ends))
	set("cap", "cap", func() (any, error) { return capPatch(f.limit) })
	set("tag", "tags", value(func() any {
		return slices.DeleteFunc(f.tags, func(t string) bool { return strings.TrimSpace(t) == "" })
	}))
	set("code", "code", value(func() any { return f.code }))
	set("deep-link", "deep_link", value(func() any { return f.deepLink }))
	set("block-bots", "block_bots", value(func() any { return f.blockBots }))
	set("query", "query", value(func() any { return queryPolicy(f.query) }))
	return patch, fault
}

// capPatch replaces the whole cap, the zone too.
func capPatch(s string) (any, error) {
	if s == "" || s == "none" {
		return nil, nil
	}
	c, err := affiliate.ParseClickCap(s)
	if err != nil {
		return nil, err
	}
	patch := map[string]any{"clicks": c.Clicks, "per": c.Per, "zone": nil}
	if c.Zone != "" {
		patch["zone"] = c.Zone
	}
	return patch, nil
}

func queryPolicy(s string) affiliate.QueryPolicy {
	mode, names, _ := strings.Cut(s, ":")
	q := affiliate.QueryPolicy{Mode: affiliate.QueryMode(mode)}
	if names != "" {
		q.Names = strings.Split(names, ",")
	}
	return q
}

// parseTime reads a time as people write it; without a zone it is UTC.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time; write 2026-11-20, 2026-11-20 13:00 (UTC) or 2026-11-20T13:00:00+01:00", s)
}

func newLinkAdd(p *program) *cobra.Command {
	var f linkFields
	var document string
	cmd := &cobra.Command{
		Use:   "add SLUG URL…",
		Short: "Add a link",
		Long: `Add a link. Several URLs share its visitors, evenly or by --weight; the same
visitor always gets the same one. Everything a link can be, rules included, can
be given as a link document with --document.`,
		Example: `  sluice link add the-thing "https://shop.example/p/123?ref=abc"
  sluice link add kettle https://a.example/k https://b.example/k --weight 70,30 --tag kitchen
  sluice link add --document kettle.json`,
	}
	f.define(cmd)
	cmd.Flags().StringVar(&f.site, "site", "", "`id` of the site; may be left out when there is only one")
	cmd.Flags().StringVar(&document, "document", "", "read the link from a JSON `file`, - for standard input")
	format := formatFlag(cmd, "table", "json")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case document == "" && len(args) < 2:
			return fmt.Errorf("give a slug and a URL: sluice link add the-thing https://shop.example/p/123")
		case document != "" && len(args) > 0:
			return fmt.Errorf("give either a slug and URLs, or --document")
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in, err := p.linkToAdd(cmd, &f, document, args)
		if err != nil {
			return err
		}
		return p.withConnection(cmd, true, func(ctx context.Context, c *connection) error {
			link, err := c.CreateLink(ctx, in, "")
			if err != nil {
				return err
			}
			return p.printChanged("added", link, format.value)
		})
	}
	return cmd
}

func (p *program) linkToAdd(cmd *cobra.Command, f *linkFields, document string, args []string) (in api.LinkInput, err error) {
	if document != "" {
		err = p.readDocument(document, &in)
	} else {
		in.Slug = args[0]
		f.urls = args[1:]
		if in.Destinations, err = f.destinations(); err != nil {
			return in, err
		}
	}
	if err != nil {
		return in, err
	}
	patch, err := f.patch(cmd)
	if err != nil {
		return in, err
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return in, err
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return in, err
	}
	if f.site != "" {
		in.Site = f.site
	}
	return in, nil
}

func (p *program) readDocument(name string, into any) error {
	file, _, err := p.openInput(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	d := json.NewDecoder(file)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return problems{fmt.Sprintf("%s is not a link document: %s", name, strings.TrimPrefix(err.Error(), "json: "))}
	}
	return nil
}

// printChanged says what came of a change.
func (p *program) printChanged(what string, link api.Link, format string) error {
	for _, w := range link.Warnings {
		p.notef("warning: %s", w)
	}
	if format == "json" {
		return printJSON(p.out, link)
	}
	name := link.ShortURL
	if name == "" {
		name = link.Site + "/" + link.Slug
	}
	p.printf("%s #%d %s\n", what, link.ID, name)
	return nil
}

func newLinkUpdate(p *program) *cobra.Command {
	var f linkFields
	cmd := &cobra.Command{
		Use:   "update LINK",
		Short: "Change a link",
		Long: `Change a link: what is given replaces what was there, an empty value ("") takes
it away, and the rest stays. --url, given once or several times, replaces all
destinations. The change is refused when somebody else changes the link at the
same moment.`,
		Example: `  sluice link update the-thing --url "https://shop.example/p/124?ref=abc"
  sluice link update the-thing --status paused --fallback https://blog.example/deals
  sluice link update the-thing --cap 1000/day
  sluice link update "#17" --slug new-name --note ""`,
		Args: cobra.ExactArgs(1),
	}
	f.define(cmd)
	cmd.Flags().StringVar(&f.site, "site", "", "`id` of the site, where several know the slug")
	cmd.Flags().StringVar(&f.slug, "slug", "", "new `name`")
	cmd.Flags().StringArrayVar(&f.urls, "url", nil, "`URL` to lead to")
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		patch, err := f.patch(cmd)
		if err != nil {
			return err
		}
		if len(f.urls) > 0 || len(f.weights) > 0 {
			if patch["destinations"], err = f.destinations(); err != nil {
				return err
			}
		}
		if len(patch) == 0 {
			return fmt.Errorf("nothing to change; give what is to be different, such as --url; see: sluice link update --help")
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			link, err := findLink(ctx, c, f.site, args[0])
			if err != nil {
				return err
			}
			if link, err = c.PatchLink(ctx, link.ID, patch, link.Version); err != nil {
				return err
			}
			return p.printChanged("changed", link, format.value)
		})
	}
	return cmd
}

func newLinkRm(p *program) *cobra.Command {
	var site string
	cmd := &cobra.Command{
		Use:   "rm LINK…",
		Short: "Remove links",
		Long: `Remove links. Their clicks stay in the reports. To stop a link and keep it, use
"sluice link update LINK --status archived".`,
		Args: cobra.MinimumNArgs(1),
	}
	cmd.Flags().StringVar(&site, "site", "", "`id` of the site, where several know the slug")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			for _, name := range args {
				link, err := findLink(ctx, c, site, name)
				if err != nil {
					return err
				}
				if err := c.DeleteLink(ctx, link.ID, link.Version); err != nil {
					return err
				}
				p.printf("removed #%d %s/%s\n", link.ID, link.Site, link.Slug)
			}
			return nil
		})
	}
	return cmd
}
