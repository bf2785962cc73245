package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api/client"
	"github.com/sluicehq/sluice/internal/export"
)

func newExport(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the links as files for nginx or the edge",
		Long: `Write the links as files for those who serve them without Sluice. What a target cannot
express is listed, with what visitors get instead; nothing is dropped in silence.`,
	}
	cmd.AddCommand(newExportNginx(p), newExportWorkers(p), newExportLambda(p), newExportCloudFront(p))
	return cmd
}

// exportSource is everything that answers depend on. The links are fetched while they are read.
func exportSource(ctx context.Context, c *client.Client) (*export.Source, error) {
	from := &export.Source{}
	sites, err := c.Sites(ctx)
	if err != nil {
		return nil, fmt.Errorf("the sites cannot be read: %w", err)
	}
	for i := range sites {
		from.Sites = append(from.Sites, sites[i].Site)
	}
	programs, err := c.Programs(ctx)
	if err != nil {
		return nil, fmt.Errorf("the programs cannot be read: %w", err)
	}
	for i := range programs {
		from.Programs = append(from.Programs, programs[i].Program)
	}
	partners, err := c.Partners(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("the partners cannot be read: %w", err)
	}
	for i := range partners {
		from.Partners = append(from.Partners, partners[i].Partner)
	}
	from.Links = func(yield func(*affiliate.Link, error) bool) { fetchLinks(ctx, c, yield) }
	return from, nil
}

// fetchLinks hands on every link as it comes.
func fetchLinks(ctx context.Context, c *client.Client, yield func(*affiliate.Link, error) bool) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	links, download := io.Pipe()
	go func() {
		_, err := c.ExportLinks(ctx, "jsonl", "", false, download)
		_ = download.CloseWithError(err) // nil ends the links; it never fails
	}()
	defer func() { _ = links.Close() }()
	for d := json.NewDecoder(links); ; {
		var link affiliate.Link
		err := d.Decode(&link)
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			yield(nil, fmt.Errorf("the links cannot be read: %w", err))
			return
		case !yield(&link, nil):
			return
		}
	}
}
