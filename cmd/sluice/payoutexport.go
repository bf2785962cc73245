package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api/client"
)

func newPayoutExport(p *program) *cobra.Command {
	var f client.PayoutFile
	var out string
	cmd := &cobra.Command{
		Use:   "export PROGRAM",
		Short: "Write approved payouts as a file for the bank or PayPal",
		Long: `Write the approved payouts of a program as CSV, as PayPal's payment file, or as a SEPA
credit transfer (pain.001). A file is written whole or not at all; every payout at
fault is named. Exporting changes nothing: when the bank has taken the file, say so
with "sluice payout sent ID…".

The same payouts give a SEPA file the same message id, so that a bank refuses to pay
them twice.`,
		Example: `  sluice payout export acme > payouts.csv
  sluice payout export acme --format paypal --decimal-mark comma --out paypal.csv
  sluice payout export acme --format sepa --debtor-name "Acme GmbH" --debtor-iban NL91ABNA0417164300 --execute 2026-11-30 --out acme.xml`,
		Args: cobra.ExactArgs(1),
	}
	format := formatFlag(cmd, "csv", "paypal", "sepa")
	mark := &choice{value: "point", allowed: []string{"point", "comma"}}
	version := &choice{value: "pain.001.001.09", allowed: []string{"pain.001.001.09", "pain.001.001.03"}}
	fs := cmd.Flags()
	fs.StringVar(&f.DebtorName, "debtor-name", "", "for sepa: `name` of your account's holder")
	fs.StringVar(&f.DebtorIBAN, "debtor-iban", "", "for sepa: `IBAN` of your account")
	fs.StringVar(&f.DebtorBIC, "debtor-bic", "", "for sepa: `BIC` of your bank; may be left out")
	fs.StringVar(&f.Execute, "execute", "", "for sepa: the `day` on which your account is debited (default today)")
	fs.Var(version, "version", "for sepa: what your bank takes")
	fs.Var(mark, "decimal-mark", "for paypal: what is usual in your account's country")
	fs.StringVar(&out, "out", "", "write to a `file`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f.Program, f.Format, f.DecimalMark, f.Version = args[0], format.value, mark.value, version.value
		if f.Format == "sepa" && (f.DebtorName == "" || f.DebtorIBAN == "") {
			return errors.New("a SEPA file says who pays; give --debtor-name and --debtor-iban")
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			skipped := 0
			err := p.intoFile(out, func(w io.Writer) (err error) {
				skipped, err = c.ExportPayouts(ctx, f, w)
				return err
			})
			if err == nil && skipped > 0 {
				p.notef("%s", payoutHint(skipped, f.Format))
			}
			return err
		})
	}
	return cmd
}
