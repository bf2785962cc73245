package main

import (
	"context"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/config"
)

// firstUser administers a new installation.
const firstUser = "admin"

func newLogin(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login [USER]",
		Short: "Make a one-time login address for the dashboard",
		Long: `Print a fresh address that lets a user into the dashboard once, within a day.
It is the way back in for somebody who has lost the password. Without a name it
is for the first administrator, "admin".`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().String("admin", config.Default().Admin, "`address` of the dashboard, as given to serve")
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		user := firstUser
		if len(args) == 1 {
			user = args[0]
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			code, err := forUser(ctx, c, user, func() (string, error) { return c.LoginCode(ctx, user) })
			if err != nil {
				return err
			}
			base, err := p.adminAddress(cmd)
			if err != nil {
				return err
			}
			address := base + "/login?code=" + url.QueryEscape(code)
			if format.value == "json" {
				return printJSON(p.out, map[string]string{"user": user, "code": code, "address": address})
			}
			p.printf("%s\n", address)
			if c.app != nil {
				p.notef("no server is running; start it with \"sluice serve\" and open the address then")
			}
			return nil
		})
	}
	return cmd
}

// forUser calls fn, which needs the user, and makes the first administrator where
// there is nobody yet.
func forUser[T any](ctx context.Context, c *connection, user string, fn func() (T, error)) (T, error) {
	out, err := fn()
	if affiliate.CodeOf(err) != affiliate.NotFound || user != firstUser {
		return out, err
	}
	users, listErr := c.Users(ctx)
	if listErr != nil || len(users) > 0 {
		return out, err
	}
	if _, err := c.CreateUser(ctx, api.UserInput{Name: firstUser, Operator: true}); err != nil {
		return out, err
	}
	return fn()
}

// adminAddress is where a browser finds the dashboard.
func (p *program) adminAddress(cmd *cobra.Command) (string, error) {
	if address := p.getenv("SLUICE_URL"); address != "" {
		return strings.TrimSuffix(address, "/"), nil
	}
	cfg, err := p.settings(cmd, "admin")
	if err != nil {
		return "", err
	}
	return "http://" + dialable(cfg.Admin), nil
}

// dialable turns an address to listen on into one to connect to.
func dialable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
