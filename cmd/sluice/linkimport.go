package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/api/client"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/linkfile"
)

// linkImport is one run of the verb.
type linkImport struct {
	p       *program
	options client.ImportOptions
	file    string
	badFile string
	asJSON  bool

	bad      []catalog.BadLine // for --json
	badText  *os.File          // their text, until the whole is known
	badLines *bufio.Writer
}

func newLinkImport(p *program) *cobra.Command {
	i := &linkImport{p: p}
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Import a file of links",
		Long: `Import links from CSV with at least the columns slug and url, JSON lines (one link
document each) or the maps of an nginx configuration, compressed with gzip or
not. The format is told by the file's name or its content.

Every bad line is listed with its number and the reason, and one bad line means
that nothing is changed. With --skip-bad the others are imported and the bad
lines written to FILE.bad, which can be corrected and imported again.

A link that exists is a bad line, unless --update: then what the file has no
column for stays as it is.`,
		Example: `  sluice link import links.csv
  sluice link import /etc/nginx/conf.d/go.map --site blog --dry-run
  zcat old.csv.gz | sluice link import - --update --skip-bad --bad-file old.bad`,
		Args: cobra.ExactArgs(1),
	}
	formats := &choice{allowed: append([]string{"auto"}, linkfile.Formats()...), value: "auto"}
	cmd.Flags().Var(formats, "format", "format of the file")
	cmd.Flags().StringVar(&i.options.Site, "site", "", "`id` of the site of links whose line names none; may be left out when there is only one")
	cmd.Flags().BoolVar(&i.options.SkipBad, "skip-bad", false, "import the good lines of a file that has bad ones")
	cmd.Flags().StringVar(&i.badFile, "bad-file", "", "`file` for the bad lines (default FILE.bad)")
	cmd.Flags().BoolVar(&i.options.Update, "update", false, "change links that exist")
	cmd.Flags().BoolVar(&i.options.DryRun, "dry-run", false, "check everything and change nothing")
	cmd.Flags().BoolVar(&i.asJSON, "json", false, "print the result as one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		i.file = args[0]
		format := linkfile.FormatOf(i.file)
		if formats.value != "auto" {
			format = linkfile.Format(formats.value)
		}
		i.options.Format = string(format)
		return p.withConnection(cmd, true, i.run)
	}
	return cmd
}

func (i *linkImport) run(ctx context.Context, c *connection) (err error) {
	file, size, err := i.p.openInput(i.file)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	sending := i.p.newProgress("sending "+filepath.Base(i.file), size, true)
	reading := &progress{}
	i.options.Progress = func(read int64) {
		if reading.p == nil {
			sending.end()
			reading = i.p.newProgress("importing links", -1, false)
		}
		reading.at(read)
	}
	i.options.Bad = func(b catalog.BadLine) error {
		sending.end()
		reading.end()
		return i.keepBad(b)
	}
	defer func() { err = errors.Join(err, i.dropBad()) }()
	report, err := c.ImportLinks(ctx, sending.reader(file), i.options)
	sending.end()
	reading.end()
	if err != nil {
		return err
	}
	return i.finish(report)
}

// keepBad lists a bad line and keeps its text for the file.
func (i *linkImport) keepBad(b catalog.BadLine) error {
	if i.asJSON {
		if len(i.bad) < catalog.BadLinesMax {
			i.bad = append(i.bad, b)
		}
	} else {
		i.p.printf("line %d: %s\n", b.Line, b.Reason)
	}
	if !i.options.SkipBad || i.options.DryRun {
		return nil
	}
	if i.badText == nil {
		f, err := os.CreateTemp(filepath.Dir(i.badPath()), ".sluice-bad-*")
		if err != nil {
			return fmt.Errorf("cannot keep the bad lines: %w; name a file for them with --bad-file", err)
		}
		i.badText, i.badLines = f, bufio.NewWriter(f)
	}
	_, err := i.badLines.WriteString(b.Text + "\n")
	return err
}

func (i *linkImport) badPath() string {
	switch {
	case i.badFile != "":
		return i.badFile
	case i.file == "-":
		return "import.bad"
	}
	return i.file + ".bad"
}

func (i *linkImport) dropBad() error {
	if i.badText == nil {
		return nil
	}
	return errors.Join(i.badText.Close(), os.Remove(i.badText.Name()))
}

// writeBad makes a file of the bad lines that can be imported once corrected.
func (i *linkImport) writeBad(r *api.ImportReport) error {
	if err := i.badLines.Flush(); err != nil {
		return err
	}
	if _, err := i.badText.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return i.p.intoFile(i.badPath(), func(w io.Writer) error {
		if r.Head != "" {
			if _, err := io.WriteString(w, r.Head+"\n"); err != nil {
				return err
			}
		}
		if _, err := io.Copy(w, i.badText); err != nil {
			return err
		}
		if r.Tail == "" {
			return nil
		}
		_, err := io.WriteString(w, r.Tail+"\n")
		return err
	})
}

func (i *linkImport) finish(r *api.ImportReport) error {
	wrote := ""
	if i.badText != nil && r.Applied {
		if err := i.writeBad(r); err != nil {
			return err
		}
		wrote = i.badPath()
	}
	for _, note := range r.Notes {
		i.p.notef("note: %s", note)
	}
	if i.asJSON {
		if err := printJSON(i.p.out, struct {
			*api.ImportReport
			BadLines []catalog.BadLine `json:"bad_lines,omitempty"`
			BadFile  string            `json:"bad_file,omitempty"`
		}{r, i.bad, wrote}); err != nil {
			return err
		}
	} else {
		i.say(r, wrote)
	}
	if r.Bad > 0 && !i.options.SkipBad {
		return problems{}
	}
	return nil
}

func (i *linkImport) say(r *api.ImportReport, wrote string) {
	counts := fmt.Sprintf("%s added, %s changed, %s unchanged", plural(r.Created, "link"), grouped(r.Updated), grouped(r.Unchanged))
	switch {
	case r.Applied:
		i.p.printf("%s\n", counts)
	case i.options.DryRun && (r.Bad == 0 || i.options.SkipBad):
		i.p.printf("nothing was changed (--dry-run); it would be: %s\n", counts)
	default:
		i.p.printf("nothing was changed: %s of %s; correct them, or import the others with --skip-bad\n", plural(r.Bad, "bad line"), grouped(r.Read))
	}
	if wrote != "" {
		i.p.printf("%s written to %s; correct and import them again\n", plural(r.Bad, "bad line"), wrote)
	}
}

func newLinkExport(p *program) *cobra.Command {
	var site, out string
	var skip bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write all links to a file",
		Long: `Write links as CSV or JSON lines, as "sluice link import" reads them, or as an
nginx map. A map cannot express rules, variants or schedules: such links are
listed and nothing is written, unless --skip leaves them out.`,
		Example: `  sluice link export > links.csv
  sluice link export --format nginx --site blog --skip --out go.map`,
		Args: cobra.NoArgs,
	}
	format := formatFlag(cmd, linkfile.Formats()...)
	cmd.Flags().StringVar(&site, "site", "", "only links of the site with this `id`")
	cmd.Flags().StringVar(&out, "out", "", "write to a `file`")
	cmd.Flags().BoolVar(&skip, "skip", false, "leave out links that the format cannot express")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			skipped := 0
			err := p.intoFile(out, func(w io.Writer) (err error) {
				if out != "" {
					g := p.newProgress("writing links", -1, true)
					defer g.end()
					w = g.writer(w)
				}
				skipped, err = c.ExportLinks(ctx, format.value, site, skip, w)
				return err
			})
			if err == nil && skipped > 0 {
				p.notef("%s left out, which %s cannot express", plural(int64(skipped), "link"), format.value)
			}
			return err
		})
	}
	return cmd
}
