package main

import (
	"errors"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/app"
	"github.com/sluicehq/sluice/internal/config"
)

func newServe(p *program) *cobra.Command {
	d := config.Default()
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server until it is told to stop (Ctrl-C). It prints its addresses and,
as long as nobody has a password, a one-time login for the first administrator.

Settings come from the defaults, the file given with --config, the environment
(SLUICE_LISTEN, SLUICE_JOURNAL_SYNC_INTERVAL, …) and these flags, each over the
one before.

With --replace a new version, or a new configuration, takes over from the server
that runs on the data folder. It answers visitors first; then the old one lets its
connections end, brings its clicks into the reports and stops. No request fails.`,
		Example: `  sluice serve
  sluice serve --data /var/lib/sluice --listen :8080 --admin 127.0.0.1:8081
  sluice serve --data /var/lib/sluice --listen :8080 --admin 127.0.0.1:8081 --replace`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().String("listen", d.Listen, "`address` that visitors reach")
	cmd.Flags().String("admin", d.Admin, "`address` of dashboard, API and metrics")
	cmd.Flags().String("role", string(d.Role), "what this process does: all, redirect, control or pipeline")
	replace := cmd.Flags().Bool("replace", false, "take over from the server that has the data folder, without losing a visitor")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		cfg, err := p.settings(cmd, "listen", "admin", "role")
		if err != nil {
			return err
		}
		a, err := app.Build(cmd.Context(), cfg, app.Options{Version: version(), Logger: newLogger(cfg.Log, p.errOut), Out: p.out, Now: p.now, Succeed: *replace})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, a.Close()) }()
		return a.Run(cmd.Context())
	}
	return cmd
}

// newLogger builds the logger that the configuration describes.
func newLogger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // Validate has seen to it
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
