package main

import (
	"bufio"
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

// fetchLinks hands on every link as it comes. They are decoded while others are worked on.
func fetchLinks(ctx context.Context, c *client.Client, yield func(*affiliate.Link, error) bool) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	type batch struct {
		links []affiliate.Link
		err   error
	}
	batches := make(chan batch, 4)
	go func() {
		defer close(batches)
		links, download := io.Pipe()
		defer func() { _ = links.Close() }()
		go func() {
			_, err := c.ExportLinks(ctx, "jsonl", "", false, download)
			_ = download.CloseWithError(err) // nil ends the links; it never fails
		}()
		d := json.NewDecoder(bufio.NewReaderSize(links, 1<<18))
		for {
			b := batch{links: make([]affiliate.Link, 0, fetchBatch)}
			for b.err == nil && len(b.links) < fetchBatch {
				var link affiliate.Link
				if b.err = d.Decode(&link); b.err == nil {
					b.links = append(b.links, link)
				}
			}
			select {
			case batches <- b:
			case <-ctx.Done():
				return
			}
			if b.err != nil {
				return
			}
		}
	}()
	for b := range batches {
		for i := range b.links {
			if !yield(&b.links[i], nil) {
				return
			}
		}
		if b.err != nil && !errors.Is(b.err, io.EOF) {
			yield(nil, fmt.Errorf("the links cannot be read: %w", b.err))
			return
		}
	}
}

// fetchBatch is how many links are decoded before they are handed on.
const fetchBatch = 256
