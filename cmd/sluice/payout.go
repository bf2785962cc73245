package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
)

func newPayout(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "payout",
		Short: "Pay partners",
		Long: `Pay partners. A payout is one transfer to one partner in one currency:

  preview   who would be paid now, and why others wait
  run       draft a payout for everybody who does not wait
  approve   let drafts be sent
  export    write approved ones as a file for the bank or PayPal
  sent      say that they were transferred
  undo      take one back, also one that was sent and came back

What partners are owed says "sluice balance"; statement says how it came to be, and bonus
and adjust change it by hand.`,
	}
	cmd.AddCommand(newPayoutPreview(p), newPayoutRun(p), newPayoutList(p), newPayoutApprove(p), newPayoutSent(p), newPayoutUndo(p), newPayoutExport(p),
		newPayoutStatement(p), newPayoutBonus(p), newPayoutAdjust(p))
	return cmd
}

func newPayoutPreview(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "preview PROGRAM",
		Short:   "Say who would be paid now, and why others wait",
		Example: "  sluice payout preview acme",
		Args:    cobra.ExactArgs(1),
	}
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			lines, err := c.PreviewPayouts(ctx, args[0])
			if err != nil {
				return err
			}
			return p.printPreview(args[0], lines, format.value)
		})
	}
	return cmd
}

func (p *program) printPreview(programID string, lines []api.PayoutLine, format string) error {
	switch format {
	case "json":
		return printJSON(p.out, map[string]any{"items": append([]api.PayoutLine{}, lines...)})
	case "csv":
		var rows [][]string
		for _, l := range lines {
			rows = append(rows, []string{l.Partner, bare(l.Amount), l.Amount.Currency, l.Waits})
		}
		return printCSV(p.out, []string{"partner", "amount", "currency", "waits"}, rows)
	}
	t := newTable("partner", ">owed", "result")
	ready := int64(0)
	for _, l := range lines {
		result := "is paid"
		if l.Waits == "" {
			ready++
		} else {
			result = "waits: " + l.Why
		}
		t.add(holder(l.Partner), l.Amount.Text, result)
	}
	if err := t.print(p.out); err != nil {
		return err
	}
	if ready > 0 {
		p.notef("%s would be drafted; do so with: sluice payout run %s", plural(ready, "payout"), programID)
	}
	return nil
}

func newPayoutRun(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run PROGRAM",
		Short: "Draft a payout for everybody who does not wait",
		Long: `Draft a payout for every partner of a program whose balance does not wait. A draft
sets its money aside, so running twice pays nobody twice. Nothing is sent.`,
		Example: "  sluice payout run acme",
		Args:    cobra.ExactArgs(1),
	}
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			drafts, err := c.RunPayouts(ctx, args[0])
			if err != nil {
				return err
			}
			if len(drafts) == 0 {
				p.notef("nobody is paid now; see why with: sluice payout preview %s", args[0])
			} else {
				p.notef("%s drafted; look at them and then: sluice payout approve ID…", plural(int64(len(drafts)), "payout"))
			}
			return p.printPayouts(drafts, format.value)
		})
	}
	return cmd
}

func newPayoutList(p *program) *cobra.Command {
	state := &choice{allowed: []string{"draft", "approved", "sent", "undone"}}
	cmd := &cobra.Command{
		Use:     "list PROGRAM",
		Short:   "List the payouts of a program",
		Example: "  sluice payout list acme --state approved",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().Var(state, "state", "only those in this state")
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			payouts, err := c.Payouts(ctx, args[0], state.value)
			if err != nil {
				return err
			}
			return p.printPayouts(payouts, format.value)
		})
	}
	return cmd
}

func (p *program) printPayouts(payouts []api.Payout, format string) error {
	switch format {
	case "json":
		return printJSON(p.out, api.PayoutList{Items: append([]api.Payout{}, payouts...)})
	case "csv":
		var rows [][]string
		for _, o := range payouts {
			rows = append(rows, []string{o.ID, o.Program, o.Partner, bare(o.Amount), o.Amount.Currency, o.Method, o.State, o.Reference,
				o.Created.UTC().Format(time.RFC3339), momentText(o.Approved), momentText(o.Sent), momentText(o.Undone), plain(o.Author), plain(o.Approver)})
		}
		return printCSV(p.out, []string{"id", "program", "partner", "amount", "currency", "method", "state", "reference", "created", "approved", "sent", "undone", "author", "approver"}, rows)
	}
	t := newTable("id", "partner", ">amount", "by", "state", "drafted (UTC)", "author", "approver")
	for _, o := range payouts {
		t.add(o.ID, holder(o.Partner), o.Amount.Text, o.Method, o.State, o.Created.UTC().Format("2006-01-02 15:04"), shorten(o.Author, 16), shorten(o.Approver, 16))
	}
	return t.print(p.out)
}

func momentText(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func newPayoutApprove(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approve ID…",
		Short: "Let drafts be sent",
		Long: `Let drafts be sent. Where the program asks for a second person, that is somebody else
than who drafted them: work over SLUICE_URL with a token of your own, since everybody
on the server's machine is the same person, "local".`,
		Example: "  sluice payout approve acme:mia:EUR:3",
		Args:    cobra.MinimumNArgs(1),
	}
	return p.movingPayouts(cmd, func(ctx context.Context, c *connection, id string) (api.Payout, error) {
		return c.ApprovePayout(ctx, id)
	})
}

func newPayoutSent(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "sent ID…",
		Short:   "Say that approved payouts were transferred",
		Example: "  sluice payout sent acme:mia:EUR:3 acme:ben:EUR:1",
		Args:    cobra.MinimumNArgs(1),
	}
	return p.movingPayouts(cmd, func(ctx context.Context, c *connection, id string) (api.Payout, error) { return c.SendPayout(ctx, id) })
}

func newPayoutUndo(p *program) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   "undo ID…",
		Short: "Take payouts back",
		Long: `Take payouts back, for good: what they paid is owed again, and the next run drafts it
anew. One that was sent is taken back when its money has come back.`,
		Example: `  sluice payout undo acme:mia:EUR:3 --note "the account is closed"`,
		Args:    cobra.MinimumNArgs(1),
	}
	cmd.Flags().StringVar(&note, "note", "", "`why`, for whoever looks at it later; it must be given")
	p.movingPayouts(cmd, func(ctx context.Context, c *connection, id string) (api.Payout, error) {
		return c.UndoPayout(ctx, id, note)
	})
	move := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if note == "" {
			return errors.New("say why with --note")
		}
		return move(cmd, args)
	}
	return cmd
}

// movingPayouts completes a verb that moves each payout named one step on.
func (p *program) movingPayouts(cmd *cobra.Command, move func(ctx context.Context, c *connection, id string) (api.Payout, error)) *cobra.Command {
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			var moved []api.Payout
			for _, id := range args {
				payout, err := move(ctx, c, id)
				if err != nil {
					if len(moved) > 0 {
						err = errors.Join(p.printPayouts(moved, format.value), err)
					}
					return err
				}
				moved = append(moved, payout)
			}
			return p.printPayouts(moved, format.value)
		})
	}
	return cmd
}

// payoutHint words which payouts a file leaves out.
func payoutHint(skipped int, format string) string {
	return fmt.Sprintf("%s left out, whose partners are not paid by %s; see all with --format csv", plural(int64(skipped), "approved payout"), format)
}
