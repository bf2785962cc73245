package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/api/client"
)

// badReportsMax is how many bad lines are kept for --json.
const badReportsMax = 1000

func newConversionImport(p *program) *cobra.Command {
	var o client.ConversionImport
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Import a file of reports",
		Long: `Import reports from CSV with a header: txid or click_id, amount, currency, status,
coupon, at and others, as docs/postbacks.md lists them. Commas, semicolons or tabs
stand between.

Every bad line is listed with its number and the reason, and the others are taken.
Import the corrected file whole: what is known already counts once. A column that
is not known stops the file before its first line.`,
		Example: `  sluice conversion import november.csv --program acme
  zcat old.csv.gz | sluice conversion import - --program acme`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&o.Program, "program", "", "`id` of the program of the orders")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.Program == "" {
			return errors.New("say whose orders these are with --program")
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error { return p.importReports(ctx, c, args[0], o, asJSON) })
	}
	return cmd
}

func (p *program) importReports(ctx context.Context, c *connection, name string, o client.ConversionImport, asJSON bool) error {
	file, size, err := p.openInput(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	sending := p.newProgress("sending "+filepath.Base(name), size, true)
	taking := &progress{}
	o.Progress = func(read int64) {
		if taking.p == nil {
			sending.end()
			taking = p.newProgress("taking in", -1, false)
		}
		taking.at(read)
	}
	var bad []api.BadReport
	o.Bad = func(b api.BadReport) error {
		sending.end()
		taking.end()
		if asJSON && len(bad) < badReportsMax {
			bad = append(bad, b)
		} else if !asJSON {
			p.printf("line %d: %s\n", b.Line, b.Message)
		}
		return nil
	}
	report, err := c.ImportConversions(ctx, sending.reader(file), o)
	sending.end()
	taking.end()
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(p.out, struct {
			*api.ConversionImportReport
			BadLines []api.BadReport `json:"bad_lines,omitempty"`
		}{report, bad})
	} else {
		for _, note := range report.Notes {
			p.notef("note: %s", note)
		}
		p.printf("%s stored, %s known already", plural(report.Taken, "report"), grouped(report.Duplicates))
		if report.Bad > 0 {
			p.printf("; %s not taken: correct them and import the file again", plural(report.Bad, "bad line"))
		}
		p.printf("\n")
	}
	if err == nil && report.Bad > 0 {
		return problems{}
	}
	return err
}

func newConversionRejected(p *program) *cobra.Command {
	var f client.RejectionFilter
	cmd := &cobra.Command{
		Use:   "rejected",
		Short: "List reports that were refused, the last first",
		Long: `List what merchants and networks sent and what was not taken in, with the reason. The
sender got the same reason; docs/postbacks.md says what to do about each.`,
		Example: `  sluice conversion rejected --program acme
  sluice conversion rejected --reason signature_wrong --limit 5 --format json`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&f.Program, "program", "", "only those of the program with this `id`")
	cmd.Flags().StringVar(&f.Reason, "reason", "", "only those refused for this `reason`, such as amount_malformed")
	cmd.Flags().IntVar(&f.Limit, "limit", 50, "at most `n`, up to 1000")
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.Limit < 1 || f.Limit > 1000 {
			return fmt.Errorf("--limit %d: give 1 to 1000", f.Limit)
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			list, err := c.Rejections(ctx, f)
			if err != nil {
				return couldNotRun(err)
			}
			return p.printRejections(list, format.value)
		})
	}
	return cmd
}

func (p *program) printRejections(list api.RejectionList, format string) error {
	switch format {
	case "json":
		return printJSON(p.out, list)
	case "csv":
		var rows [][]string
		for _, r := range list.Items {
			rows = append(rows, []string{r.ID, r.At.UTC().Format(time.RFC3339), r.Program, r.Source, r.Reason, plain(r.Message), r.Remote, plain(r.Raw)})
		}
		return printCSV(p.out, []string{"id", "at", "program", "source", "reason", "message", "remote", "raw"}, rows)
	}
	t := newTable("came (UTC)", "program", "by", "reason", "what is wrong")
	for _, r := range list.Items {
		t.add(stamp(r.At), shorten(r.Program, 16), r.Source, r.Reason, shorten(strings.Join(strings.Fields(r.Message), " "), 60))
	}
	if err := t.print(p.out); err != nil {
		return err
	}
	if list.Next != "" {
		p.notef("there are more; see them with --limit")
	}
	return nil
}
