package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
)

func newIngest(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ingest",
		Short: "Take in clicks that were made elsewhere, by nginx or an edge worker",
		Long: `Take in clicks that were made elsewhere: where nginx or an edge worker answers the same
links. Each counts once in the reports, however often it is sent. docs/ingest.md has
the protocol.`,
	}
	cmd.AddCommand(newIngestKey(p), newIngestNginx(p))
	return cmd
}

func newIngestKey(p *program) *cobra.Command {
	var rotate bool
	var revoke int
	cmd := &cobra.Command{
		Use:   "key SITE",
		Short: "Show the keys that sign a site's clicks from elsewhere, make a new one, end an old one",
		Long: `Show the keys that sign a site's clicks from elsewhere, the current one first, and where
batches are sent. To change a key without losing a click: make a new one with --rotate,
give it to every sender, and end the old one with --revoke when none uses it any more
("sluice doctor" and /metrics tell who sends).`,
		Example: `  sluice ingest key blog
  sluice ingest key blog --rotate
  sluice ingest key blog --revoke 1`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&rotate, "rotate", false, "make a new key; those before it stay accepted")
	cmd.Flags().IntVar(&revoke, "revoke", 0, "end the key with this `number`, which is not the current one")
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		revokes := cmd.Flags().Changed("revoke")
		if rotate && revokes {
			return errors.New("--rotate and --revoke are two steps: revoke when every sender has the new key")
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) (err error) {
			var keys api.IngestKeyList
			switch {
			case rotate:
				keys, err = c.RotateIngestKey(ctx, args[0])
			case revokes:
				keys, err = c.RevokeIngestKey(ctx, args[0], revoke)
			default:
				keys, err = c.IngestKeys(ctx, args[0])
			}
			if err != nil {
				return err
			}
			return p.printIngestKeys(keys, format.value)
		})
	}
	return cmd
}

func (p *program) printIngestKeys(keys api.IngestKeyList, format string) error {
	switch format {
	case "json":
		return printJSON(p.out, keys)
	case "csv":
		var rows [][]string
		for _, k := range keys.Items {
			rows = append(rows, []string{k.Name, ingestKeyState(k), k.Secret})
		}
		return printCSV(p.out, []string{"key", "state", "secret"}, rows)
	}
	t := newTable("key", "state", "secret")
	for _, k := range keys.Items {
		t.add(k.Name, ingestKeyState(k), k.Secret)
	}
	if err := t.print(p.out); err != nil {
		return err
	}
	p.notef("batches are sent to %s", keys.Address)
	return nil
}

func ingestKeyState(k api.IngestKey) string {
	if k.Current {
		return "current"
	}
	return "accepted"
}
