package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/catalog"
)

func newLinkList(p *program) *cobra.Command {
	var f catalog.LinkFilter
	var limit int
	var all bool
	status := &choice{allowed: []string{"active", "paused", "archived"}}
	cmd := &cobra.Command{
		Use:   "list [TEXT]",
		Short: "List and search links",
		Long:  `List links, newest first: all, or those whose slug, URL, tag, page or note contains TEXT.`,
		Example: `  sluice link list
  sluice link list kettle --site kitchen --status active
  sluice link list --tag deals --all --format csv`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringVar(&f.Site, "site", "", "only links of the site with this `id`")
	cmd.Flags().StringVar(&f.Tag, "tag", "", "only links with this `tag`")
	cmd.Flags().StringVar(&f.Program, "program", "", "only links of the program with this `id`")
	cmd.Flags().StringVar(&f.Partner, "partner", "", "only links of the partner with this `code`")
	cmd.Flags().Var(status, "status", "only links in this state")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most `n` links")
	cmd.Flags().BoolVar(&all, "all", false, "every link, however many there are")
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if limit < 1 {
			return fmt.Errorf("--limit %d: give at least 1, or --all", limit)
		}
		if len(args) == 1 {
			f.Text = args[0]
		}
		f.Status = affiliate.Status(status.value)
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			list, err := collectLinks(ctx, c, f, limit, all)
			if err != nil {
				return err
			}
			return p.printLinks(list, format.value)
		})
	}
	return cmd
}

// pageSize is how many links are asked for at a time.
const pageSize = 200

// collectLinks follows the pages up to the limit.
func collectLinks(ctx context.Context, c *connection, f catalog.LinkFilter, limit int, all bool) (api.LinkList, error) {
	out := api.LinkList{Items: []api.Link{}}
	for {
		f.Limit = pageSize
		if !all {
			f.Limit = min(pageSize, limit-len(out.Items))
		}
		page, err := c.Links(ctx, f)
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, page.Items...)
		out.Total, out.Next = page.Total, page.Next
		if page.Next == "" || !all && len(out.Items) >= limit {
			return out, nil
		}
		f.Cursor = page.Next
	}
}

func (p *program) printLinks(list api.LinkList, format string) error {
	switch format {
	case "json":
		return printJSON(p.out, list)
	case "csv":
		var rows [][]string
		for _, l := range list.Items {
			rows = append(rows, []string{strconv.FormatInt(l.ID, 10), l.Site, l.Slug, string(l.Status), target(&l), l.Program, strings.Join(l.Tags, ";"), l.ShortURL, l.CreatedAt.Format(time.RFC3339)})
		}
		return printCSV(p.out, []string{"id", "site", "slug", "status", "url", "program", "tags", "short_url", "created_at"}, rows)
	}
	t := newTable(">id", "site", "slug", "status", "leads to", "tags")
	for _, l := range list.Items {
		t.add("#"+strconv.FormatInt(l.ID, 10), l.Site, shorten(l.Slug, 40), statusOf(&l), shorten(leadsTo(&l), 60), shorten(strings.Join(l.Tags, ", "), 30))
	}
	if err := t.print(p.out); err != nil {
		return err
	}
	if n := int64(len(list.Items)); n < list.Total {
		p.notef("%s of %s links; see the others with --all or --limit", grouped(n), grouped(list.Total))
	}
	return nil
}

func target(l *api.Link) string {
	if len(l.Destinations) == 0 {
		return ""
	}
	return l.Destinations[0].URL
}

func leadsTo(l *api.Link) string {
	s := target(l)
	var more []string
	if n := len(l.Destinations) - 1; n > 0 {
		more = append(more, plural(int64(n), "variant"))
	}
	if n := len(l.Rules); n > 0 {
		more = append(more, plural(int64(n), "rule"))
	}
	if len(more) > 0 {
		s = shorten(s, 45) + " +" + strings.Join(more, ", ")
	}
	return s
}

func newLinkShow(p *program) *cobra.Command {
	var site string
	var changes bool
	cmd := &cobra.Command{
		Use:     "show LINK",
		Short:   "Show a link and everything that decides where it leads",
		Example: "  sluice link show the-thing\n  sluice link show \"#17\" --changes",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&site, "site", "", "`id` of the site, where several know the slug")
	cmd.Flags().BoolVar(&changes, "changes", false, "show who changed it and when")
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			link, err := findLink(ctx, c, site, args[0])
			if err != nil {
				return err
			}
			if changes {
				list, err := c.LinkChanges(ctx, link.ID, 0, 100)
				if err != nil {
					return err
				}
				return p.printChanges(list, format.value)
			}
			if format.value == "json" {
				return printJSON(p.out, link)
			}
			return showLink(p.out, &link, capUse(ctx, c, &link))
		})
	}
	return cmd
}

func (p *program) printChanges(list api.ChangeList, format string) error {
	if format == "json" {
		return printJSON(p.out, list)
	}
	t := newTable(">number", "when", "who", "what")
	for _, c := range list.Items {
		t.add(strconv.FormatInt(c.Seq, 10), c.At.UTC().Format("2006-01-02 15:04:05"), c.Actor, fmt.Sprint(c.Action))
	}
	return t.print(p.out)
}

// statusOf is a link's status as people should read it.
func statusOf(l *api.Link) string {
	if l.CapReached != nil && l.Status == affiliate.Active {
		return "capped"
	}
	return string(l.Status)
}

// capUse is the cap of a link in words, with what is used of it where the server can count.
func capUse(ctx context.Context, c *connection, l *api.Link) string {
	if l.Cap == nil {
		return ""
	}
	s := l.Cap.String()
	if use, err := c.LinkCap(ctx, l.ID); err == nil {
		s += fmt.Sprintf(", %s so far", grouped(use.Clicks))
	}
	if r := l.CapReached; r != nil {
		s += "; reached at " + instant(&r.At)
		if r.Until != nil {
			s += ", opens at " + instant(r.Until)
		}
	}
	return s
}

// showLink prints the fields that have something to say.
func showLink(w io.Writer, l *api.Link, limit string) error {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-12s %s\n", name, value)
		}
	}
	line("link", fmt.Sprintf("#%d %s/%s", l.ID, l.Site, l.Slug))
	line("address", l.ShortURL)
	line("status", statusOf(l))
	line("cap", limit)
	showDestinations(line, "", l.Destinations)
	for _, r := range l.Rules {
		line("rule "+r.ID, conditions(r.When))
		showDestinations(line, "  ", r.Destinations)
	}
	line("from", instant(l.StartsAt))
	line("until", instant(l.EndsAt))
	line("fallback", l.Fallback)
	if l.Code != 302 {
		line("code", strconv.Itoa(l.Code))
	}
	line("program", l.Program)
	line("partner", l.Partner)
	if !l.Query.IsZero() {
		line("query", strings.TrimSuffix(string(l.Query.Mode)+" "+strings.Join(l.Query.Names, ","), " "))
	}
	line("deep link", yesNo(l.DeepLink))
	line("block bots", yesNo(l.BlockBots))
	line("tags", strings.Join(l.Tags, ", "))
	line("page", l.Page)
	line("note", l.Note)
	line("created", instant(&l.CreatedAt))
	line("changed", instant(&l.UpdatedAt))
	_, err := io.WriteString(w, b.String())
	return err
}

func showDestinations(line func(name, value string), indent string, ds []affiliate.Destination) {
	total := 0
	for _, d := range ds {
		total += d.Weight
	}
	for _, d := range ds {
		text := d.URL
		if len(ds) > 1 && total > 0 {
			text = fmt.Sprintf("%s %.0f %%  %s", d.ID, 100*float64(d.Weight)/float64(total), d.URL)
		}
		if d.Down {
			text += "  (down)"
		}
		line(indent+"leads to", text)
	}
}

func conditions(when []affiliate.Condition) string {
	if len(when) == 0 {
		return "always"
	}
	var parts []string
	for _, c := range when {
		parts = append(parts, condition(&c))
	}
	return strings.Join(parts, " and ")
}

func condition(c *affiliate.Condition) string {
	s := strings.TrimSpace(c.On + " " + c.Name)
	switch {
	case len(c.In) > 0:
		s += " is " + strings.Join(c.In, ", ")
	case len(c.NotIn) > 0:
		s += " is not " + strings.Join(c.NotIn, ", ")
	}
	if len(c.Days) > 0 {
		s += " on " + strings.Join(c.Days, ", ")
	}
	if c.From != "" || c.To != "" {
		s += fmt.Sprintf(" %s–%s", c.From, c.To)
	}
	if c.Zone != "" {
		s += " " + c.Zone
	}
	if c.After != nil {
		s += " from " + instant(c.After)
	}
	if c.Before != nil {
		s += " until " + instant(c.Before)
	}
	return s
}

func instant(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return ""
}
