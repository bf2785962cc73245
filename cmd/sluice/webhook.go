package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
)

func newWebhook(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Tell other systems of conversions and payouts",
		Long: `Tell other systems of conversions and payouts: each event is sent to every endpoint
that wants it, signed with the endpoint's secret. What cannot be delivered in nine
attempts is a dead letter, and stays until it is replayed.`,
	}
	cmd.AddCommand(newWebhookList(p), newWebhookAdd(p), newWebhookUpdate(p), newWebhookRm(p), newWebhookRotate(p), newWebhookDead(p), newWebhookReplay(p), newWebhookPartner(p))
	return cmd
}

func newWebhookList(p *program) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List endpoints, without their secrets", Args: cobra.NoArgs}
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			all, err := c.Webhooks(ctx)
			if err != nil {
				return err
			}
			return p.printWebhooks(all, format.value)
		})
	}
	return cmd
}

func (p *program) printWebhooks(all []api.Webhook, format string) error {
	if format == "json" {
		return printJSON(p.out, map[string]any{"items": append([]api.Webhook{}, all...)})
	}
	if format == "csv" {
		var rows [][]string
		for _, w := range all {
			rows = append(rows, []string{w.ID, w.URL, strings.Join(w.Events, " "), w.Program, strconv.FormatBool(w.Disabled), plain(w.DisabledWhy), momentText(w.OldSecretUntil)})
		}
		return printCSV(p.out, []string{"id", "url", "events", "program", "disabled", "disabled_why", "old_secret_until"}, rows)
	}
	t := newTable("id", "url", "events", "program", "state")
	for _, w := range all {
		t.add(w.ID, shorten(w.URL, 50), orElse(strings.Join(w.Events, " "), "all"), orElse(w.Program, "all"), webhookState(w))
	}
	return t.print(p.out)
}

func webhookState(w api.Webhook) string {
	switch {
	case w.DisabledWhy != "":
		return "disabled: " + w.DisabledWhy
	case w.Disabled:
		return "disabled"
	case w.OldSecretUntil != nil:
		return "on; the old secret signs too until " + w.OldSecretUntil.UTC().Format("2006-01-02 15:04") + " UTC"
	}
	return "on"
}

// webhookFields are the flags that set an endpoint's fields.
type webhookFields struct {
	events  []string
	program string
}

func (f *webhookFields) define(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.events, "event", nil, "only these `events`, separated by commas, such as conversion.approved,payout.sent")
	cmd.Flags().StringVar(&f.program, "program", "", "only events of the program with this `id`")
}

func newWebhookAdd(p *program) *cobra.Command {
	var f webhookFields
	var disabled bool
	cmd := &cobra.Command{
		Use:     "add ID URL",
		Short:   "Add an endpoint and print its secret, once",
		Example: "  sluice webhook add shop https://shop.example/hook --event conversion.approved,conversion.reversed",
		Args:    cobra.ExactArgs(2),
	}
	f.define(cmd)
	cmd.Flags().BoolVar(&disabled, "disabled", false, "send nothing yet")
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			made, err := c.CreateWebhook(ctx, api.WebhookInput{ID: args[0], URL: args[1], Events: f.events, Program: f.program, Disabled: disabled})
			if err != nil {
				return err
			}
			return p.printSecret(made, format.value)
		})
	}
	return cmd
}

func (p *program) printSecret(w api.NewWebhook, format string) error {
	if format == "json" {
		return printJSON(p.out, w)
	}
	p.printf("%s\n", w.Secret)
	p.notef("keep it now, where messages to %s are verified: it is not shown again", w.URL)
	return nil
}

func newWebhookUpdate(p *program) *cobra.Command {
	var f webhookFields
	var url string
	var disable, enable bool
	cmd := &cobra.Command{
		Use:   "update ID",
		Short: "Change an endpoint",
		Long:  `Change what is given of an endpoint. An empty --event or --program means all. Its secret stays.`,
		Example: `  sluice webhook update shop --url https://shop.example/hook2
  sluice webhook update shop --enable`,
		Args: cobra.ExactArgs(1),
	}
	f.define(cmd)
	cmd.Flags().StringVar(&url, "url", "", "`URL` that events are sent to")
	cmd.Flags().BoolVar(&disable, "disable", false, "send nothing any more; what happens meanwhile is not kept for it")
	cmd.Flags().BoolVar(&enable, "enable", false, "send again")
	cmd.MarkFlagsMutuallyExclusive("disable", "enable")
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		given := func(flag string) bool { return cmd.Flags().Changed(flag) }
		if !given("url") && !given("event") && !given("program") && !disable && !enable {
			return errors.New("nothing to change; give --url, --event, --program, --enable or --disable")
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			w, err := c.Webhook(ctx, args[0])
			if err != nil {
				return err
			}
			in := api.WebhookInput{ID: w.ID, URL: w.URL, Events: w.Events, Program: w.Program, Disabled: (w.Disabled || disable) && !enable}
			if given("url") {
				in.URL = url
			}
			if given("event") {
				in.Events = f.events
			}
			if given("program") {
				in.Program = f.program
			}
			if w, err = c.UpdateWebhook(ctx, in, w.Version); err != nil {
				return err
			}
			return p.printWebhooks([]api.Webhook{w}, format.value)
		})
	}
	return cmd
}

func newWebhookRm(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rm ID…",
		Short: "Remove endpoints",
		Long:  `Remove endpoints. What waits for them becomes dead letters.`,
		Args:  cobra.MinimumNArgs(1),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			for _, id := range args {
				if err := c.DeleteWebhook(ctx, id, 0); err != nil {
					return err
				}
				p.printf("removed %s\n", id)
			}
			return nil
		})
	}
	return cmd
}

// keepHoursMax is what the server takes.
const keepHoursMax = 720

func newWebhookRotate(p *program) *cobra.Command {
	var keep int
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Give an endpoint a new secret and print it, once",
		Long: `Give an endpoint a new secret and print it, once. Until the hours are over, messages
carry two signatures, so that the receiver can change over in between. With 0 the old
one ends at once, as it should when it has leaked.`,
		Example: `  sluice webhook rotate shop
  sluice webhook rotate shop --keep-hours 0`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().IntVar(&keep, "keep-hours", 24, "for `n` hours, up to 720, the old secret signs too")
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if keep < 0 || keep > keepHoursMax {
			return fmt.Errorf("--keep-hours %d: give 0 to %d", keep, keepHoursMax)
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			w, err := c.RotateWebhook(ctx, args[0], keep)
			if err != nil {
				return err
			}
			if w.OldSecretUntil != nil {
				p.notef("the old secret signs too until %s", w.OldSecretUntil.UTC().Format(time.RFC3339))
			}
			return p.printSecret(w, format.value)
		})
	}
	return cmd
}

func newWebhookDead(p *program) *cobra.Command {
	var limit int
	var cursor string
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "List what could not be delivered",
		Long:  `List webhooks and partners' postbacks that could not be delivered, the last event first.`,
		Args:  cobra.NoArgs,
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "at most `n` messages, up to 1000")
	cmd.Flags().StringVar(&cursor, "after", "", "those after the message with this `id`, the last one of a list before")
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if limit < 1 || limit > 1000 {
			return fmt.Errorf("--limit %d: give 1 to 1000", limit)
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			page, err := c.DeadLetters(ctx, cursor, limit)
			if err != nil {
				return err
			}
			return p.printDead(page, format.value)
		})
	}
	return cmd
}

func (p *program) printDead(page api.DeadLetterList, format string) (err error) {
	header := []string{"id", "target", "event", "attempts", "error"}
	switch format {
	case "json":
		err = printJSON(p.out, page)
	case "csv":
		var rows [][]string
		for _, l := range page.Items {
			rows = append(rows, []string{l.ID, l.Target, l.Event, strconv.Itoa(l.Attempts), plain(l.Error)})
		}
		err = printCSV(p.out, header, rows)
	default:
		t := newTable("id", "target", "event", ">attempts", "error")
		for _, l := range page.Items {
			t.add(l.ID, l.Target, l.Event, strconv.Itoa(l.Attempts), shorten(l.Error, 60))
		}
		err = t.print(p.out)
	}
	if err == nil && page.Next != "" {
		p.notef("there are more; see them with --after %s", page.Next)
	}
	return err
}

func newWebhookReplay(p *program) *cobra.Command {
	var endpoint string
	cmd := &cobra.Command{
		Use:   "replay MESSAGE…",
		Short: "Send dead letters again",
		Long: `Send dead letters again, as if they had never been tried: those named, or with
--endpoint all of an endpoint. Enable an endpoint that is disabled first.`,
		Example: `  sluice webhook replay msg_2c9n4v8k1m7q0t5s3a6d8f1g
  sluice webhook replay --endpoint shop`,
		Args: cobra.ArbitraryArgs,
	}
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "`id` of the endpoint whose dead letters are sent again, all of them")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if (endpoint == "") == (len(args) == 0) {
			return errors.New("name either messages, as \"sluice webhook dead\" lists them, or an --endpoint")
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			if endpoint != "" {
				n, err := c.ReplayWebhook(ctx, endpoint)
				if err != nil {
					return err
				}
				p.printf("%s replayed\n", plural(int64(n), "message"))
				return nil
			}
			for _, id := range args {
				if err := c.ReplayDeadLetter(ctx, id); err != nil {
					return err
				}
				p.printf("replayed %s\n", id)
			}
			return nil
		})
	}
	return cmd
}
