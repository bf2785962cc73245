package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/api/client"
	"github.com/sluicehq/sluice/internal/config"
)

// The outcomes of a check.
const (
	checkOK   = "ok"
	checkWarn = "warn"
	checkFail = "fail"
)

// finding is the outcome of one check.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

// doctor is one examination.
type doctor struct {
	p        *program
	config   config.Config
	running  bool
	status   *api.Status // of the running server
	findings []finding
}

func newDoctor(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with this installation, and how to mend it",
		Long: `Examine the configuration, the data folder, the ports, the disk, the store, the
journal and the running server, and say of each whether it is well and what to
do if not. Nothing is changed. Exits with 1 when something is wrong.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().String("listen", config.Default().Listen, "`address` that visitors reach, as given to serve")
	cmd.Flags().String("admin", config.Default().Admin, "`address` of the dashboard, as given to serve")
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := p.settings(cmd, "listen", "admin")
		d := &doctor{p: p, config: cfg}
		if err != nil {
			d.add("configuration", checkFail, err.Error(), "correct what it names; \"sluice serve --help\" tells where settings come from")
		} else {
			d.add("configuration", checkOK, configurationFile(p), "")
			d.examine(cmd.Context())
		}
		return d.report(format.value)
	}
	return cmd
}

func configurationFile(p *program) string {
	for _, name := range []string{p.configFile, p.getenv("SLUICE_CONFIG")} {
		if name != "" {
			return name
		}
	}
	return "no file; defaults and environment"
}

func (d *doctor) add(check, status, detail, remedy string) {
	d.findings = append(d.findings, finding{check, status, detail, remedy})
}

// examine runs the checks; those after a missing folder would only repeat that.
func (d *doctor) examine(ctx context.Context) {
	if !d.folder() {
		d.ports(ctx)
		d.tls()
		d.geo()
		return
	}
	d.server(ctx)
	d.ports(ctx)
	d.tls()
	d.disk()
	d.store(ctx)
	d.table()
	d.journal(ctx)
	d.lag()
	d.geo()
	d.keys()
	d.clock()
	d.setAside()
	d.intake()
	d.engines(ctx)
	d.nodes()
	d.alarms()
	d.warnings()
}

// intake tells who has sent clicks since the server began.
func (d *doctor) intake() {
	if d.status == nil || d.status.Ingest == nil {
		return
	}
	for _, k := range d.status.Ingest.Keys {
		d.add("clicks from elsewhere", checkOK, fmt.Sprintf("key %s: %s, the last at %s, clock %+.1f s", k.Key, plural(k.Clicks, "click"),
			k.Last.UTC().Format("2006-01-02 15:04:05 UTC"), k.SkewSeconds), "")
	}
}

// server asks the running server, if there is one, what it thinks of itself.
func (d *doctor) server(ctx context.Context) {
	alive, err := socketAlive(ctx, d.config.Data)
	holder, held := lockHolder(d.config.Data)
	switch {
	case err != nil:
		d.add("server", checkWarn, err.Error(), "")
	case alive:
		d.running = true
		c := client.New(connectOptions(d.config.Data))
		status, err := c.Status(ctx)
		if err != nil {
			d.add("server", checkFail, "it runs, but its API does not answer: "+err.Error(), "look at its log; restart it if it stays so")
			return
		}
		d.status = &status
		d.add("server", checkOK, fmt.Sprintf("running, version %s, %s", status.Version, plural(status.Links, "link")), "")
	case held:
		d.add("server", checkFail, fmt.Sprintf("process %s holds the data folder but does not answer on %s", holder, socketName), "wait if it is starting or stopping; otherwise stop that process and start the server again")
	default:
		d.add("server", checkWarn, "not running", "start it with: sluice serve --data "+d.config.Data)
	}
}

// alarms are what the running server cannot mend by itself; /healthz and /metrics
// show the same.
func (d *doctor) alarms() {
	if d.status == nil {
		return
	}
	for _, a := range d.status.Alarms {
		text := fmt.Sprintf("%s, since %s", a.What, a.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
		if a.Count > 0 {
			text += fmt.Sprintf(" (%d)", a.Count)
		}
		d.add("alarm "+a.Name, checkFail, text, a.Remedy)
	}
}

// warnings are what the server itself has to say.
func (d *doctor) warnings() {
	if d.status == nil {
		return
	}
	for _, w := range d.status.Warnings {
		text := w.What
		if w.Where != "" {
			text += " (" + w.Where + ")"
		}
		d.add("server says", checkWarn, text, w.Remedy)
	}
}

func (d *doctor) report(format string) error {
	worst := checkOK
	for _, f := range d.findings {
		if f.Status == checkFail || f.Status == checkWarn && worst == checkOK {
			worst = f.Status
		}
	}
	if format == "json" {
		if err := printJSON(d.p.out, map[string]any{"status": worst, "checks": d.findings}); err != nil {
			return err
		}
	} else {
		d.say()
	}
	if worst == checkFail {
		return problems{}
	}
	return nil
}

func (d *doctor) say() {
	width := 0
	for _, f := range d.findings {
		width = max(width, len(f.Check))
	}
	for _, f := range d.findings {
		indent := strings.Repeat(" ", width+8)
		d.p.printf("%-4s  %-*s  %s\n", f.Status, width, f.Check, strings.ReplaceAll(f.Detail, "\n", "\n"+indent))
		if f.Remedy != "" {
			d.p.printf("%s→ %s\n", indent, f.Remedy)
		}
	}
}
