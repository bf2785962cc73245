package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
)

func newBalance(p *program) *cobra.Command {
	var programID, partner, network, at string
	cmd := &cobra.Command{
		Use:   "balance",
		Short: "Say what partners are owed",
		Long: `Say what partners are owed, now or at any moment before. What is owed is approved and
payable; below 0, more was paid out than is left after reversals.`,
		Example: `  sluice balance --program acme
  sluice balance --program acme --partner mia --at 2026-10-31
  sluice balance --network awin --at 30d`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&programID, "program", "", "only those of the program with this `id`")
	cmd.Flags().StringVar(&partner, "partner", "", "only that of the partner with this `code`; needs --program")
	cmd.Flags().StringVar(&network, "network", "", "only those in programs of the network with this `name`, such as awin")
	cmd.Flags().StringVar(&at, "at", "", "`when`: a date (its end), an instant, or an age such as 7d (default now)")
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if partner != "" && programID == "" {
			return errors.New("--partner: a partner belongs to a program; give --program too")
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			all, err := c.Balances(ctx, programID, partner, network, at)
			if err != nil {
				return err
			}
			return p.printBalances(all, format.value)
		})
	}
	return cmd
}

func (p *program) printBalances(all api.BalanceList, format string) error {
	switch format {
	case "json":
		return printJSON(p.out, all)
	case "csv":
		var rows [][]string
		for _, b := range all.Items {
			rows = append(rows, []string{b.Program, b.Partner, bare(b.Pending), bare(b.Owed), bare(b.InPayout), bare(b.PaidOut), b.Owed.Currency})
		}
		return printCSV(p.out, []string{"program", "partner", "pending", "owed", "in_payout", "paid_out", "currency"}, rows)
	}
	t := newTable("program", "partner", ">pending", ">owed", ">in payout", ">paid out")
	for _, b := range all.Items {
		t.add(b.Program, holder(b.Partner), b.Pending.Text, b.Owed.Text, b.InPayout.Text, b.PaidOut.Text)
	}
	if len(all.Items) > 1 {
		for _, b := range all.Totals {
			t.add("all", "", b.Pending.Text, b.Owed.Text, b.InPayout.Text, b.PaidOut.Text)
		}
	}
	return t.print(p.out)
}
