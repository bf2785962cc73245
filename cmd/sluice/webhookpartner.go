package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
)

func newWebhookPartner(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "partner",
		Short: "Tell partners' own trackers of their orders",
		Long: `Tell partners' own trackers what becomes of the orders they brought, by a GET of a URL
with macros. docs/webhooks.md lists the macros.`,
	}
	cmd.AddCommand(newWebhookPartnerList(p), newWebhookPartnerSet(p), newWebhookPartnerRemove(p))
	return cmd
}

func newWebhookPartnerList(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list PROGRAM",
		Short:   "List the postbacks of a program's partners",
		Example: "  sluice webhook partner list acme",
		Args:    cobra.ExactArgs(1),
	}
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			all, err := c.PartnerPostbacks(ctx, args[0])
			if err != nil {
				return err
			}
			return p.printPostbacks(all, format.value)
		})
	}
	return cmd
}

func (p *program) printPostbacks(all []api.PartnerPostback, format string) error {
	switch format {
	case "json":
		return printJSON(p.out, api.PartnerPostbackList{Items: append([]api.PartnerPostback{}, all...)})
	case "csv":
		var rows [][]string
		for _, b := range all {
			rows = append(rows, []string{b.Program, b.Partner, b.URL, strings.Join(b.Events, " "), strconv.FormatBool(b.Disabled), plain(b.DisabledWhy)})
		}
		return printCSV(p.out, []string{"program", "partner", "url", "events", "disabled", "disabled_why"}, rows)
	}
	t := newTable("partner", "url", "events", "state")
	for _, b := range all {
		t.add(b.Partner, shorten(b.URL, 60), orElse(strings.Join(b.Events, " "), "all"), webhookState(api.Webhook{Disabled: b.Disabled, DisabledWhy: b.DisabledWhy}))
	}
	return t.print(p.out)
}

func newWebhookPartnerSet(p *program) *cobra.Command {
	var in api.PartnerPostbackInput
	cmd := &cobra.Command{
		Use:   "set PROGRAM PARTNER URL",
		Short: "Set the postback of a partner",
		Long:  `Set the postback of a partner. It replaces the one before, whole.`,
		Example: `  sluice webhook partner set acme mia "https://tracker.example/postback?cid={click_id}&payout={commission}"
  sluice webhook partner set acme mia "https://tracker.example/?cid={click_id}" --event conversion.approved`,
		Args: cobra.ExactArgs(3),
	}
	cmd.Flags().StringSliceVar(&in.Events, "event", nil, "only these `events`, separated by commas, such as conversion.approved (default all of conversions)")
	cmd.Flags().BoolVar(&in.Disabled, "disabled", false, "send nothing")
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in.URL = args[2]
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			b, err := c.SetPartnerPostback(ctx, args[0], args[1], in, 0)
			if err != nil {
				return err
			}
			return p.printPostbacks([]api.PartnerPostback{b}, format.value)
		})
	}
	return cmd
}

func newWebhookPartnerRemove(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove PROGRAM PARTNER…",
		Short: "Remove the postbacks of partners",
		Long:  `Remove the postbacks of partners. What waits for them becomes dead letters.`,
		Args:  cobra.MinimumNArgs(2),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			for _, partner := range args[1:] {
				if err := c.DeletePartnerPostback(ctx, args[0], partner, 0); err != nil {
					return err
				}
				p.printf("removed the postback of %s\n", partner)
			}
			return nil
		})
	}
	return cmd
}
