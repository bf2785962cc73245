package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newCluster(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "See all nodes of an installation, and do what concerns all of them",
		Long: `See all nodes of an installation, and do what concerns all of them. It talks to a control
node: the one on this data folder, or that of SLUICE_URL. docs/cluster.md tells how an
installation of many nodes is made.`,
	}
	cmd.AddCommand(newClusterNodes(p), newClusterRepublish(p), newClusterRotate(p))
	return cmd
}

func newClusterNodes(p *program) *cobra.Command {
	cmd := &cobra.Command{Use: "nodes", Short: "List the processes of this installation", Args: cobra.NoArgs,
		Long: `List the processes that share this installation's distribution, how far each follows the
changes of links, how many clicks wait there, and how far its clock is off.`,
		Example: "  sluice cluster nodes"}
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			status, err := c.Status(ctx)
			if err != nil {
				return err
			}
			if format.value == "json" {
				return printJSON(p.out, map[string]any{"nodes": status.Nodes})
			}
			names := []string{"node", "role", "number", "version", "admin", "change", "waiting", "clock", "alarms"}
			var rows [][]string
			for _, n := range status.Nodes {
				rows = append(rows, []string{n.Name, n.Role, fmt.Sprint(n.Number), n.Version, n.Address, fmt.Sprint(n.TableSeq), fmt.Sprint(n.Waiting),
					fmt.Sprintf("%+.3f s", n.SkewSeconds), fmt.Sprint(n.Alarms)})
			}
			if format.value == "csv" {
				return printCSV(p.out, names, rows)
			}
			t := newTable(names...)
			for _, row := range rows {
				t.add(row...)
			}
			return t.print(p.out)
		})
	}
	return cmd
}

func newClusterRepublish(p *program) *cobra.Command {
	cmd := &cobra.Command{Use: "republish", Short: "Make the store's links those of all nodes, also of such that know more", Args: cobra.NoArgs,
		Long: `Make the store's links those of all nodes, also of such that know more changes. It is for
a store that was restored from an old backup: without this word nodes go on with what
they have, since a lost store must not delete links. What was changed after the backup
is gone then.`,
		Example: "  sluice cluster republish --yes"}
	yes := cmd.Flags().Bool("yes", false, "do it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !*yes {
			return fmt.Errorf("nodes forget what they know beyond the store's last change; give --yes if that is meant")
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			if err := c.RepublishLinks(ctx); err != nil {
				return err
			}
			p.notef("a new epoch of links begins; every node takes the store's links within seconds")
			return nil
		})
	}
	return cmd
}

func newClusterRotate(p *program) *cobra.Command {
	cmd := &cobra.Command{Use: "rotate-cookie-keys", Short: "Sign visitors' cookies with a new key, on all nodes", Args: cobra.NoArgs,
		Long: `Sign visitors' cookies with a new key: a minute later, when every node has it. Cookies
that older keys have signed stay good for as long as cookies last (400 days), so no
visitor looks new, and no attribution is lost. A node that was away learns the keys
before it meets cookies that it does not know, as long as it reaches the distribution.`,
		Example: "  sluice cluster rotate-cookie-keys"}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			if err := c.RotateCookieKeys(ctx); err != nil {
				return err
			}
			p.notef("the new key signs within a minute; those before it stay accepted")
			return nil
		})
	}
	return cmd
}
