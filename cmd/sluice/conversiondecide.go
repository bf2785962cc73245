package main

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
)

func newConversionApprove(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approve ID…",
		Short: "Approve conversions at once",
		Long: `Approve conversions at once, whatever their hold. It takes back an earlier reversal
by a person; a reversal in part stays.`,
		Example: `  sluice conversion approve q2m4c1vt0e6k8h3n5p7r9s1u --note "confirmed by phone"`,
		Args:    cobra.MinimumNArgs(1),
	}
	return p.deciding(cmd, &api.DecisionInput{Do: "approve"})
}

func newConversionHold(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hold ID…",
		Short: "Keep conversions from being approved",
		Long: `Hold conversions: until "sluice conversion release" neither the clock nor a report
approves them. One that is approved already stays so; reverse it instead.`,
		Example: `  sluice conversion hold q2m4c1vt0e6k8h3n5p7r9s1u --note "same address as the partner"`,
		Args:    cobra.MinimumNArgs(1),
	}
	return p.deciding(cmd, &api.DecisionInput{Do: "hold"})
}

func newConversionRelease(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "release ID…",
		Short:   "End the hold of conversions",
		Long:    `End a hold. What should have been approved in between is approved now.`,
		Example: "  sluice conversion release q2m4c1vt0e6k8h3n5p7r9s1u",
		Args:    cobra.MinimumNArgs(1),
	}
	return p.deciding(cmd, &api.DecisionInput{Do: "release"})
}

func newConversionReverse(p *program) *cobra.Command {
	in := &api.DecisionInput{Do: "reverse"}
	cmd := &cobra.Command{
		Use:   "reverse ID…",
		Short: "Take orders back, in full or in part",
		Long: `Take orders back. With --amount so much is taken off the order, and the commission is
computed again on what is left; several reversals add up. What was paid out
already is taken from what the partner earns next.`,
		Example: `  sluice conversion reverse q2m4c1vt0e6k8h3n5p7r9s1u --reason item_returned --amount 20.00
  sluice conversion reverse q2m4c1vt0e6k8h3n5p7r9s1u --reason fraud --note "stolen card"`,
		Args: cobra.MinimumNArgs(1),
	}
	cmd.Flags().StringVar(&in.Amount, "amount", "", "how much of the order: an `amount` in the program's currency (default all)")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "`why`: rejected, item_returned, fraud, out_of_stock, other, …")
	return p.deciding(cmd, in)
}

// deciding completes a verb that decides the same about each conversion named.
func (p *program) deciding(cmd *cobra.Command, in *api.DecisionInput) *cobra.Command {
	cmd.Flags().StringVar(&in.Note, "note", "", "`text` for whoever looks at it later")
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if in.Amount != "" && len(args) > 1 {
			return errors.New("--amount is for one order; name one conversion")
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			var after []api.Conversion
			for _, id := range args {
				key := rand.Text()
				conversion, err := untilAnswered(ctx, func() (api.Conversion, error) { return c.DecideConversion(ctx, id, *in, key) })
				if err != nil {
					return errors.Join(p.printDecided(in.Do, after, format.value), err)
				}
				after = append(after, conversion)
			}
			return p.printDecided(in.Do, after, format.value)
		})
	}
	return cmd
}

func (p *program) printDecided(do string, after []api.Conversion, format string) error {
	if format == "json" {
		return printJSON(p.out, api.ConversionList{Items: append([]api.Conversion{}, after...)})
	}
	for _, c := range after {
		state := c.State
		if c.Flagged {
			state += ", held"
		}
		p.printf("%s: %s is %s; order %s, earned %s\n", do, c.ID, state, c.Order.Text, c.Earned.Text)
	}
	return nil
}
