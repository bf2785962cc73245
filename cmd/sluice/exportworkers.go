package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/export"
	"github.com/sluicehq/sluice/internal/export/edge"
)

func newExportWorkers(p *program) *cobra.Command {
	var target edge.Workers
	var out, check string
	cmd := &cobra.Command{
		Use:   "workers",
		Short: "Write the links for Cloudflare Workers with KV",
		Long: `Write into a folder all that serves the links from Cloudflare's edge: the documents for
the key-value store in files for "wrangler kv bulk put", the worker, its configuration
(wrangler.jsonc, written once and then yours) and deploy.sh, which puts all of it in place.
With --since-last only what differs from the last deploy.sh that ran through.

--check compares the links with what "wrangler kv key list" prints of the store.`,
		Example: `  sluice export workers --out edge
  sluice export workers --out edge --since-last && edge/deploy.sh
  wrangler kv key list --binding LINKS --remote | sluice export workers --check -`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&out, "out", "edge", "`folder` to write into")
	cmd.Flags().BoolVar(&target.SinceLast, "since-last", false, "only what differs from what was deployed last")
	cmd.Flags().StringVar(&target.IngestURL, "ingest-url", "", "`address` that takes the clicks, such as https://go.example.com/ingest/clicks")
	cmd.Flags().StringVar(&target.Namespace, "namespace", "", "`id` of the KV namespace")
	cmd.Flags().StringVar(&check, "check", "", "compare with the listing in this `file` (- for standard input) instead of writing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			from, err := exportSource(ctx, c.Client)
			if err != nil {
				return err
			}
			if check != "" {
				return p.checkListing(ctx, from, check)
			}
			return p.export(ctx, &target, from, out)
		})
	}
	return cmd
}

// export writes a target's files and says what came of it.
func (p *program) export(ctx context.Context, target export.Target, from *export.Source, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	report, err := target.Export(ctx, from, p.now(), dir)
	if err != nil {
		return err
	}
	_, err = report.WriteTo(p.out)
	return err
}

func (p *program) checkListing(ctx context.Context, from *export.Source, name string) (err error) {
	listing := p.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // it was only read
		listing = f
	}
	difference, err := edge.Check(ctx, from, listing)
	if err != nil {
		return err
	}
	if difference.None() {
		p.printf("the store has exactly the links\n")
		return nil
	}
	p.printf("%s", difference)
	return problems{"the store differs from the links: export them with --since-last and deploy"}
}
