package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/export"
	"github.com/sluicehq/sluice/internal/export/nginx"
)

// exportNginx is one run of the verb.
type exportNginx struct {
	p             *program
	options       nginx.Options
	commands      nginx.Commands
	where         string
	check, reload bool
	asJSON        bool
}

func newExportNginx(p *program) *cobra.Command {
	e := &exportNginx{p: p}
	cmd := &cobra.Command{
		Use:   "nginx FOLDER",
		Short: "Write the links as a configuration of nginx",
		Long: `Write the links as two files that nginx includes: ` + nginx.HTTPFile + ` in http { } and
` + nginx.ServerFile + ` in each server { } that serves links. nginx then answers them without
Sluice and logs visits as JSON, which Sluice takes in again.

What nginx answers otherwise than Sluice is listed. Schedules and times of day are
decided when the files are written; the last line says until when that holds, so
run it from a timer.

With --reload nginx checks the new files and reads them; when it refuses, the
former ones are put back. With --check nothing is written: it exits with 1 when
what is deployed, in the folder or at the address of a site that nginx serves,
leads elsewhere than the links do now, or has outlived its time. Give it the
options that the export was made with.`,
		Example: `  sluice export nginx /etc/nginx/sluice
  sluice export nginx /etc/nginx/sluice --country-header CF-IPCountry --reload
  sluice export nginx /etc/nginx/sluice --country-variable '$geoip2_data_country_code' --reload
  sluice export nginx /etc/nginx/sluice --check
  sluice export nginx https://blog.example --check`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&e.options.CountryHeader, "country-header", "", "request `header` in which a trusted proxy tells the visitor's country")
	cmd.Flags().StringVar(&e.options.CountryVariable, "country-variable", "", "nginx `variable` that holds the visitor's country")
	cmd.Flags().StringVar(&e.options.Log, "log", nginx.DefaultLog, "`file` in which nginx logs visits")
	cmd.Flags().BoolVar(&e.reload, "reload", false, "have nginx check and read the files, and put the former ones back when it refuses")
	cmd.Flags().StringVar(&e.commands.Test, "test-command", nginx.DefaultTest, "shell `command` with which nginx checks its configuration")
	cmd.Flags().StringVar(&e.commands.Reload, "reload-command", nginx.DefaultReload, "shell `command` with which nginx reads it")
	cmd.Flags().BoolVar(&e.check, "check", false, "say whether what is deployed is what would be written now")
	cmd.Flags().BoolVar(&e.asJSON, "json", false, "print the result as one JSON object")
	cmd.MarkFlagsMutuallyExclusive("check", "reload")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e.where = args[0]
		return p.withConnection(cmd, false, e.run)
	}
	return cmd
}

func (e *exportNginx) run(ctx context.Context, c *connection) error {
	target, err := nginx.New(e.options)
	if err != nil {
		return couldNotRun(err)
	}
	from, err := exportSource(ctx, c.Client)
	if err != nil {
		return err
	}
	if e.check {
		state, err := target.Check(ctx, from, e.p.now(), e.where)
		if err != nil {
			return err
		}
		return e.tell(state)
	}
	if err := os.MkdirAll(e.where, 0o755); err != nil {
		return err
	}
	var report *export.Report
	if e.reload {
		report, err = target.Install(ctx, from, e.p.now(), e.where, e.commands)
	} else {
		report, err = target.Export(ctx, from, e.p.now(), e.where)
	}
	if err != nil {
		return err
	}
	if e.asJSON {
		err = printJSON(e.p.out, report)
	} else {
		_, err = report.WriteTo(e.p.out)
	}
	if err == nil && report.Refused > 0 {
		err = problems{}
	}
	return err
}

// tell prints what Check has found.
func (e *exportNginx) tell(s *nginx.State) error {
	switch {
	case e.asJSON:
		if err := printJSON(e.p.out, s); err != nil {
			return err
		}
	case s.Fine():
		e.p.printf("what is deployed is what the links say: %s, exported %s\n", plural(int64(s.Deployed.Links), "link"), s.Deployed.At.Format(time.RFC3339))
	case s.Stale:
		e.p.printf("stale: what is deployed held until %s; export again\n", s.Deployed.Until.Format(time.RFC3339))
	case s.Differs:
		e.p.printf("differs: the links have changed since %s, or the export was made with other options; export again\n", s.Deployed.At.Format(time.RFC3339))
	}
	if s.Fine() {
		return nil
	}
	return problems{}
}
