package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newConversionAddress(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "address PROGRAM",
		Short: "Say where a merchant reports orders, and with which secret",
		Long: `Say where a merchant's server reports orders, with the secret that signs the reports,
and what goes into its pages. docs/postbacks.md has every parameter. To make all of it
worthless, raise token_version in the program's settlement.`,
		Example: "  sluice conversion address acme",
		Args:    cobra.ExactArgs(1),
	}
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			a, err := c.PostbackAddress(ctx, args[0])
			if err != nil {
				return err
			}
			if format.value == "json" {
				return printJSON(p.out, a)
			}
			signed := "must be signed with the secret"
			if !a.Signed {
				signed = "may be signed; the token is enough"
			}
			_, err = fmt.Fprintf(p.out, `postback  %s?click_id=…&txid=…&amount=…&currency=…
          reports %s
secret    %s
pixel     %s?txid=…&amount=…&currency=…
script    <script src="%s" data-token="%s"></script>
`, a.Postback, signed, a.Secret, a.Pixel, a.Script, a.Page)
			return err
		})
	}
	return cmd
}
