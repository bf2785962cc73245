package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/api/client"
)

func newPayoutStatement(p *program) *cobra.Command {
	var since, until string
	cmd := &cobra.Command{
		Use:   "statement PROGRAM [PARTNER]",
		Short: "Print what a partner was owed, and all that changed it",
		Long: `Print what a partner was owed at the beginning of a time and at its end, and every entry
that changed it in between. Without a partner it is our own, in a program that earns.`,
		Example: `  sluice payout statement acme mia --since 2026-10-01 --until 2026-10-31
  sluice payout statement acme mia --since 3mo --format csv > mia.csv`,
		Args: cobra.RangeArgs(1, 2),
	}
	cmd.Flags().StringVar(&since, "since", "", "from `when` on: a date, an instant, or an age such as 3mo; it must be given")
	cmd.Flags().StringVar(&until, "until", "", "until `when`; a date is part of it (default now)")
	format := formatFlag(cmd, "table", "csv")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if since == "" {
			return errors.New("say from when on with --since")
		}
		partner := strings.Join(args[1:], "")
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			if format.value == "csv" {
				return c.ExportStatement(ctx, args[0], partner, since, until, p.out)
			}
			var file bytes.Buffer
			if err := c.ExportStatement(ctx, args[0], partner, since, until, &file); err != nil {
				return err
			}
			return p.printStatement(&file)
		})
	}
	return cmd
}

// printStatement lays a statement of CSV out as a table.
func (p *program) printStatement(file *bytes.Buffer) error {
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil || len(rows) == 0 {
		return fmt.Errorf("the server's statement cannot be read; look at it with --format csv: %w", err)
	}
	t := newTable("time", "why", ">amount", ">balance", "currency", "about")
	place := map[string]int{}
	for i, name := range rows[0] {
		place[name] = i
	}
	for _, row := range rows[1:] {
		cell := func(name string) string {
			if i, ok := place[name]; ok && i < len(row) {
				return row[i]
			}
			return ""
		}
		t.add(cell("time"), cell("why"), cell("amount"), cell("balance"), cell("currency"), shorten(cell("conversion"), 40))
	}
	return t.print(p.out)
}

func newPayoutAdjust(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "adjust PROGRAM [PARTNER] --amount AMOUNT --note WHY",
		Short: "Correct what a partner is owed, by hand",
		Long: `Correct what a partner is owed, by hand. It is posted with your name and stays: another
adjustment takes it back. Without a partner it is our own, in a program that earns.`,
		Example: `  sluice payout adjust acme mia --amount -12.50 --reason order_error --note "counted twice in May"`,
		Args:    cobra.RangeArgs(1, 2),
	}
	return p.adjusting(cmd, "manual", "in the program's currency; with - in front it is taken")
}

func newPayoutBonus(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bonus PROGRAM [PARTNER] --amount AMOUNT --note WHY",
		Short: "Give a partner money beside the terms",
		Long: `Give a partner money beside the terms. It is posted with your name to what is owed, and
the next payout pays it.`,
		Example: `  sluice payout bonus acme mia --amount 25.00 --note "spring contest"`,
		Args:    cobra.RangeArgs(1, 2),
	}
	return p.adjusting(cmd, "bonus", "in the program's currency")
}

// adjusting completes a verb that posts an adjustment.
func (p *program) adjusting(cmd *cobra.Command, kind, amount string) *cobra.Command {
	in := api.AdjustmentInput{Kind: kind}
	var key string
	cmd.Flags().StringVar(&in.Amount, "amount", "", "how much: an `amount` "+amount)
	cmd.Flags().StringVar(&in.Reason, "reason", "other", "a `word` for why: terms, order_error, other, …")
	cmd.Flags().StringVar(&in.Note, "note", "", "`why`, for whoever looks at it later; it must be given")
	cmd.Flags().StringVar(&key, "key", "", "a `text` of your own: the same command with the same key posts once (default a new one)")
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case in.Amount == "":
			return errors.New("say how much with --amount")
		case strings.TrimSpace(in.Note) == "":
			return errors.New("say why with --note")
		}
		in.Program, in.Partner = args[0], strings.Join(args[1:], "")
		if key == "" {
			key = rand.Text()
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			posted, err := untilAnswered(ctx, func() (api.Adjustment, error) { return c.Adjust(ctx, in, key) })
			if client.NoAnswer(err) {
				p.notef("it may have been posted; to make sure that it is, once, repeat the command with --key %s", key)
			}
			if err != nil {
				return err
			}
			if format.value == "json" {
				return printJSON(p.out, posted)
			}
			p.printf("%s of %s for %s is posted by %s, as %s\n", posted.Kind, posted.Amount.Text, holder(posted.Partner), posted.Author, posted.ID)
			return nil
		})
	}
	return cmd
}

// answerWaits are the pauses before a call without an answer is sent again.
var answerWaits = []time.Duration{200 * time.Millisecond, time.Second}

// untilAnswered sends a call that carries a key again when its answer was lost.
func untilAnswered[T any](ctx context.Context, call func() (T, error)) (T, error) {
	for _, wait := range answerWaits {
		out, err := call()
		if !client.NoAnswer(err) {
			return out, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return out, err
		}
	}
	return call()
}
