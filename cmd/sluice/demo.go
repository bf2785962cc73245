package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/demo"
)

// demoSource is under which name the reports keep where the demonstration's
// clicks came from.
const demoSource = "demo"

func newDemo(p *program) *cobra.Command {
	var days int
	var seed uint64
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Fill a data folder with links and three months of clicks to look at",
		Long: `Fill an empty data folder with a believable business: two sites, their programs
and partners, thirty links and three months of clicks. No server may be running
on the folder. Afterwards "sluice serve" shows it.`,
		Example: `  sluice demo --data ./demo
  sluice serve --data ./demo`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().IntVar(&days, "days", demo.Days, "how many `days` of clicks")
	cmd.Flags().Uint64Var(&seed, "seed", demo.Seed, "`number` that everything follows from")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if days < 1 || days > 3660 {
			return fmt.Errorf("--days %d: give 1 to 3660", days)
		}
		cfg, err := p.settings(cmd)
		if err != nil {
			return err
		}
		if alive, err := socketAlive(cmd.Context(), cfg.Data); err != nil || alive {
			return errors.Join(err, fmt.Errorf("a server is running on %s; stop it first, or choose another folder with --data", cfg.Data))
		}
		c, err := p.openOffline(cmd.Context(), cfg)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.Close()) }()
		return p.fill(cmd.Context(), c, cfg.Data, seed, days)
	}
	return cmd
}

func (p *program) fill(ctx context.Context, c *connection, data string, seed uint64, days int) error {
	there, err := c.Links(ctx, catalog.LinkFilter{Limit: 1})
	if err != nil {
		return err
	}
	if there.Total > 0 {
		return problems{fmt.Sprintf("%s has %s already; the demonstration wants a folder of its own: choose another with --data", data, plural(there.Total, "link"))}
	}
	now := p.now()
	contents := demo.Portfolio(seed, now)
	if err := createContents(ctx, c, &contents); err != nil {
		return err
	}
	n, err := p.appendClicks(ctx, c.app.Analytics(), contents, seed, now.AddDate(0, 0, -days), now)
	if err != nil {
		return err
	}
	p.printf("%s: %s on %s, and %s\n", data, plural(int64(len(contents.Links)), "link"), plural(int64(len(contents.Sites)), "site"), plural(n, "click"))
	p.printf("\n  look at them:   sluice serve --data %s\n  or here:        sluice report --data %s --by link --since 30d\n", data, data)
	return nil
}

// createContents stores everything, and puts the links' ids in place.
func createContents(ctx context.Context, c *connection, contents *demo.Contents) error {
	if err := createSites(ctx, c, contents.Sites); err != nil {
		return err
	}
	for _, x := range contents.Programs {
		if _, err := c.CreateProgram(ctx, x); err != nil && affiliate.CodeOf(err) != affiliate.Conflict {
			return err
		}
	}
	for _, x := range contents.Partners {
		if _, err := c.CreatePartner(ctx, x); err != nil && affiliate.CodeOf(err) != affiliate.Conflict {
			return err
		}
	}
	for i := range contents.Links {
		in := api.LinkInput{Link: contents.Links[i]}
		in.ID = 0
		link, err := c.CreateLink(ctx, in, "")
		if err != nil {
			return err
		}
		contents.Links[i].ID = link.ID
	}
	return nil
}

// createSites puts the sites in the place of the one that every installation
// begins with, when that has no links.
func createSites(ctx context.Context, c *connection, sites []affiliate.Site) error {
	for i, s := range sites {
		_, err := c.CreateSite(ctx, s)
		if affiliate.CodeOf(err) == affiliate.Conflict {
			if _, missing := c.Site(ctx, s.ID); missing == nil {
				err = nil // from a demonstration that was interrupted
			}
		}
		if err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		if err := c.DeleteSite(ctx, "main", 0); err != nil && affiliate.CodeOf(err) != affiliate.NotFound {
			return err
		}
	}
	return nil
}

// demoBatch is how many clicks are stored in one step.
const demoBatch = 20_000

func (p *program) appendClicks(ctx context.Context, engine analytics.Engine, contents demo.Contents, seed uint64, from, to time.Time) (n int64, err error) {
	at, err := engine.Position(ctx, demoSource)
	if err != nil {
		return 0, err
	}
	g := p.newProgress("making hours of clicks", int64(to.Sub(from)/time.Hour), false)
	defer g.end()
	rows := make([]analytics.Row, 0, demoBatch)
	store := func() error {
		n += int64(len(rows))
		next := fmt.Sprintf("%s/%d", from.UTC().Format(time.RFC3339), n)
		err := engine.Append(ctx, analytics.Batch{Source: demoSource, From: at, To: next, Rows: rows})
		at, rows = next, rows[:0]
		return err
	}
	err = demo.Clicks(contents, seed, from, to, func(r analytics.Row) error {
		if rows = append(rows, r); len(rows) < demoBatch {
			return nil
		}
		g.at(int64(r.Time().Sub(from) / time.Hour))
		return store()
	})
	return n, errors.Join(err, store())
}
