package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/export"
	"github.com/sluicehq/sluice/internal/export/edge"
)

func newExportLambda(p *program) *cobra.Command {
	var target edge.Lambda
	cmd := p.exportTo(&target, &cobra.Command{
		Use:   "lambda-edge",
		Short: "Write the links for Lambda@Edge",
		Long: `Write into a folder what a Lambda@Edge function is packed of: index.mjs, documents.json with
the links, and config.json, which is written once and then yours. Put beside them, before you
zip the folder, cookie-keys (a copy of keys/cookie in the data folder) and ingest-keys (what
"sluice ingest key SITE" prints). docs/edge.md leads through it.`,
		Example: `  sluice export lambda-edge --out lambda --ingest-url https://go.example.com/ingest/clicks`,
	}, "lambda")
	cmd.Flags().StringVar(&target.IngestURL, "ingest-url", "", "`address` that takes the clicks, such as https://go.example.com/ingest/clicks")
	return cmd
}

func newExportCloudFront(p *program) *cobra.Command {
	return p.exportTo(edge.CloudFront{}, &cobra.Command{
		Use:   "cloudfront",
		Short: "Write the links for a CloudFront Function with a key-value store",
		Long: `Write into a folder function.js, a CloudFront Function, and kvs.json, which CloudFront imports
into a key-value store. A function has 10 KB and a store 5 MB: what does not fit, and what the
function leaves out, is listed. docs/edge.md tells how its clicks come back.`,
		Example: `  sluice export cloudfront --out cloudfront`,
	}, "cloudfront")
}

// exportTo makes the verb of a target that only needs a folder.
func (p *program) exportTo(target export.Target, cmd *cobra.Command, folder string) *cobra.Command {
	out := cmd.Flags().String("out", folder, "`folder` to write into")
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			from, err := exportSource(ctx, c.Client)
			if err != nil {
				return err
			}
			return p.export(ctx, target, from, *out)
		})
	}
	return cmd
}
