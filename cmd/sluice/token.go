package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/config"
)

func newToken(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Manage the tokens of programs and other machines",
		Long:  `Tokens let programs use the API, and this command line use a server elsewhere (SLUICE_URL, SLUICE_TOKEN).`,
	}
	cmd.AddCommand(newTokenAdd(p), newTokenList(p), newTokenRm(p))
	return cmd
}

func newTokenAdd(p *program) *cobra.Command {
	var user, expires string
	cmd := &cobra.Command{
		Use:     "add NAME",
		Short:   "Make a token and print its secret, once",
		Example: `  sluice token add "nightly export" --scope read --expires 90d`,
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&user, "user", firstUser, "`name` of the user in whose name it acts")
	scopes := &choice{value: "write", allowed: []string{"read", "write"}}
	cmd.Flags().Var(scopes, "scope", "what it allows; write includes read")
	cmd.Flags().StringVar(&expires, "expires", "", "how `long` it is good, such as 90d (default: until it is removed)")
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var until *time.Time
		if expires != "" {
			var d config.Duration
			if err := d.UnmarshalText([]byte(expires)); err != nil {
				return fmt.Errorf("--expires: %w", err)
			}
			t := p.now().Add(d.Std()).UTC()
			until = &t
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			token, err := forUser(ctx, c, user, func() (api.NewToken, error) {
				return c.CreateToken(ctx, user, args[0], []string{scopes.value}, until)
			})
			if err != nil {
				return err
			}
			if format.value == "json" {
				return printJSON(p.out, token)
			}
			p.printf("%s\n", token.Secret)
			p.notef("keep it now: it is not shown again. End it with: sluice token rm %s", token.ID)
			return nil
		})
	}
	return cmd
}

func newTokenList(p *program) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List tokens, without their secrets", Args: cobra.NoArgs}
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			tokens, err := c.Tokens(ctx)
			if err != nil {
				return err
			}
			return p.printTokens(tokens, format.value)
		})
	}
	return cmd
}

func (p *program) printTokens(tokens []api.Token, format string) error {
	if format == "json" {
		if tokens == nil {
			tokens = []api.Token{}
		}
		return printJSON(p.out, map[string]any{"items": tokens})
	}
	header := []string{"id", "name", "user", "scopes", "begins", "created", "expires", "used"}
	var rows [][]string
	for _, t := range tokens {
		var scopes []string
		for _, s := range t.Scopes {
			scopes = append(scopes, string(s))
		}
		rows = append(rows, []string{t.ID, t.Name, t.User, strings.Join(scopes, " "), t.Prefix + "…", t.CreatedAt.Format(time.DateOnly), dayOf(t.ExpiresAt, "never"), dayOf(t.UsedAt, "never")})
	}
	if format == "csv" {
		return printCSV(p.out, header, rows)
	}
	table := newTable(header...)
	for _, r := range rows {
		table.add(r...)
	}
	return table.print(p.out)
}

func dayOf(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return t.Format(time.DateOnly)
}

func newTokenRm(p *program) *cobra.Command {
	cmd := &cobra.Command{Use: "rm ID…", Short: "End tokens", Args: cobra.MinimumNArgs(1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			for _, id := range args {
				if err := c.DeleteToken(ctx, id); err != nil {
					return fmt.Errorf("token %s: %w", id, err)
				}
				p.printf("ended %s\n", id)
			}
			return nil
		})
	}
	return cmd
}
