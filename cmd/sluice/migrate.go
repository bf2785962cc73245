package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/app"
	"github.com/sluicehq/sluice/internal/migration"
)

func newMigrate(p *program) *cobra.Command {
	var o app.MigrateOptions
	cmd := &cobra.Command{
		Use:   "migrate [store|clicks]",
		Short: "Move what is in the data folder to servers",
		Long: `Move the store from SQLite to PostgreSQL and the clicks from DuckDB to ClickHouse,
or one of both. Stop the server first, and write the servers into the
configuration: store.engine and store.url, analytics.engine and analytics.url.

The target must be empty. Everything is moved and then read once more on both sides
and compared: every item of the store, all sums and balances, every day of clicks.
Until then no server opens the new store. When it is interrupted, run it again: it
goes on where it was. The old engines are only read and stay as they are.

It exits with 1 when both sides are not the same, and names what differs. With
--check nothing is moved.`,
		Example: `  sluice migrate --data /var/lib/sluice --config sluice.yml
  sluice migrate store --data /var/lib/sluice --config sluice.yml
  sluice migrate --data /var/lib/sluice --config sluice.yml --check`,
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"store", "clicks"},
	}
	cmd.Flags().BoolVar(&o.CheckOnly, "check", false, "compare both sides and move nothing")
	format := formatFlag(cmd, "text", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := p.settings(cmd)
		if err != nil {
			return couldNotRun(err)
		}
		for _, part := range args {
			o.Store, o.Clicks = part == "store", part == "clicks"
		}
		o.Logger = newLogger(cfg.Log, p.errOut)
		m, err := p.migrate(cmd.Context(), func(ctx context.Context, tell func(migration.Step)) (app.Migrated, error) {
			o.Progress = tell
			return app.Migrate(ctx, cfg, o)
		})
		if errors.Is(err, context.Canceled) {
			return couldNotRun(errors.New("it was broken off; run the same again, and it goes on where it was"))
		}
		if err != nil {
			return couldNotRun(err)
		}
		if format.value == "json" {
			err = printJSON(p.out, m)
		} else {
			p.tellMigrated(&m, o.CheckOnly)
		}
		if err == nil && !m.Same() {
			err = problems{}
		}
		return err
	}
	return cmd
}

// migrate shows how far each step is.
func (p *program) migrate(ctx context.Context, do func(context.Context, func(migration.Step)) (app.Migrated, error)) (app.Migrated, error) {
	var g *progress
	end := func() {
		if g != nil {
			g.end()
		}
	}
	defer func() { end() }()
	return do(ctx, func(s migration.Step) {
		if g == nil || g.what != s.What {
			end()
			g = p.newProgress(s.What, s.Total, false)
		}
		g.at(min(s.Done, s.Total))
	})
}

// tellMigrated prints what people want to know.
func (p *program) tellMigrated(m *app.Migrated, checkOnly bool) {
	for _, part := range []struct {
		name, one string
		report    *migration.Report
	}{{"store", "item", m.Store}, {"clicks", "click", m.Clicks}} {
		r := part.report
		if r == nil {
			continue
		}
		if !checkOnly {
			p.printf("%s: %s moved", part.name, plural(r.Moved, part.one))
			if r.Before > 0 {
				p.printf(", %s there before", grouped(r.Before))
			}
			p.printf("\n")
		}
		if r.Copies > 0 {
			p.printf("%s: %s there twice; one of each was taken\n", part.name, grouped(r.Copies))
		}
		if r.Nameless > 0 {
			p.printf("%s: %s without an id, which stay behind: they cannot be told apart\n", part.name, grouped(r.Nameless))
		}
		if r.Same() {
			p.printf("%s: %s compared, both sides are the same\n", part.name, plural(r.Items(), part.one))
		}
		for _, d := range r.Differences {
			p.printf("%s: DIFFERS: %s\n", part.name, d)
		}
	}
	switch {
	case !m.Same() && m.Clicks == nil && m.Store != nil:
		p.printf("The new store stays closed to servers. Find out who has changed which side; see docs/migrating.md.\n")
	case !m.Same():
		p.printf("Find out who has changed which side; see docs/migrating.md.\n")
	case !checkOnly:
		p.printf("Start the server with this configuration. The old files are as they were; keep them until you are content.\n")
	}
}
