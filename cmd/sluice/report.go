package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/api/client"
)

func newReport(p *program) *cobra.Command {
	var q client.ReportQuery
	var is []string
	var raw bool
	var out string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Count clicks, by whatever you like, and what they earn",
		Long: `Count valid clicks and unique visitors, broken down by up to four dimensions:

  hour day week month, link site page, program partner variant rule,
  country network device browser os, referrer, verdict bot outcome, sub1 … sub10

--since and --until take a date (2026-11-20), an instant (2026-11-20T13:00:00Z)
or an age (24h, 7d, 4w, 3mo). With --raw every single click is written instead,
bots and all, as CSV or Parquet.`,
		Example: `  sluice report --by link
  sluice report --by day,country --since 30d --zone Europe/Berlin --is link=the-thing
  sluice report --by referrer --order -uniques --limit 20 --format json
  sluice report --raw --since 2026-11-01 --format parquet --out november.parquet`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringSliceVar(&q.By, "by", nil, "`dimensions` to break down by")
	cmd.Flags().StringVar(&q.Since, "since", "7d", "`when` to begin")
	cmd.Flags().StringVar(&q.Until, "until", "", "`when` to end (default now)")
	cmd.Flags().StringVar(&q.Zone, "zone", "", "time `zone` that days and hours are cut in, such as Europe/Berlin (default UTC)")
	cmd.Flags().StringArrayVar(&is, "is", nil, "only clicks with `DIMENSION=VALUE`; several of one dimension mean any of them")
	cmd.Flags().StringVar(&q.Order, "order", "", "`metric` or dimension to order by, with - in front for descending")
	cmd.Flags().IntVar(&q.Limit, "limit", 0, "at most `n` rows (default 1000)")
	cmd.Flags().BoolVar(&q.All, "all", false, "also show what does not count: total, bots, prefetches")
	cmd.Flags().BoolVar(&raw, "raw", false, "write every click instead of counts")
	cmd.Flags().StringVar(&out, "out", "", "write to a `file`")
	format := formatFlag(cmd, "table", "json", "csv", "parquet")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, s := range is {
			name, value, ok := strings.Cut(s, "=")
			if !ok {
				return fmt.Errorf("--is %s: write it as DIMENSION=VALUE, such as --is country=DE", s)
			}
			q.Is = append(q.Is, strings.TrimSpace(name)+":"+value)
		}
		if !raw && format.value == "parquet" {
			return errors.New("--format parquet is for --raw; counts come as table, json or csv")
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			if raw {
				return couldNotRun(p.exportClicks(ctx, c, cmd, q.ClickFilter, format, out))
			}
			return couldNotRun(p.intoFile(out, func(w io.Writer) error { return p.report(ctx, c, q, format.value, w) }))
		})
	}
	cmd.AddCommand(newReportEarnings(p), newReportDiscrepancies(p))
	return cmd
}

func (p *program) exportClicks(ctx context.Context, c *connection, cmd *cobra.Command, f client.ClickFilter, format *choice, out string) error {
	if !cmd.Flags().Changed("format") {
		format.value = "csv"
	}
	switch {
	case format.value != "csv" && format.value != "parquet":
		return fmt.Errorf("--raw writes csv or parquet, not %s", format.value)
	case format.value == "parquet" && out == "" && p.outIsTerm:
		return errors.New("parquet is not for a terminal; name a file with --out")
	}
	return p.intoFile(out, func(w io.Writer) error {
		if out != "" {
			g := p.newProgress("writing clicks", -1, true)
			defer g.end()
			w = g.writer(w)
		}
		return c.ExportClicks(ctx, f, format.value, w)
	})
}

func (p *program) report(ctx context.Context, c *connection, q client.ReportQuery, format string, w io.Writer) error {
	if format == "csv" {
		return c.ReportCSV(ctx, q, w)
	}
	r, err := c.Report(ctx, q)
	if err != nil {
		return err
	}
	if format == "json" {
		return printJSON(w, r)
	}
	return p.reportTable(w, &r)
}

// metrics in the order of their columns.
var metrics = []string{"clicks", "uniques", "total", "bots", "prefetches"}

func (p *program) reportTable(w io.Writer, r *api.Report) error {
	header := append([]string{}, r.By...)
	var shown []string
	for _, m := range metrics {
		if _, ok := r.Totals[m]; ok {
			shown = append(shown, m)
			header = append(header, ">"+m)
		}
	}
	t := newTable(header...)
	for _, row := range r.Rows {
		var cells []string
		for _, d := range r.By {
			cells = append(cells, shorten(orNone(row[d]), 60))
		}
		for _, m := range shown {
			cells = append(cells, grouped(integer(row[m])))
		}
		t.add(cells...)
	}
	if len(r.By) > 0 || len(r.Rows) == 0 {
		cells := make([]string, len(r.By))
		if len(cells) > 0 {
			cells[0] = "all"
		}
		for _, m := range shown {
			cells = append(cells, grouped(r.Totals[m]))
		}
		t.add(cells...)
	}
	if err := t.print(w); err != nil {
		return err
	}
	const minute = "2006-01-02 15:04"
	since, until := r.Since, r.Until
	if zone, err := time.LoadLocation(r.Zone); err == nil {
		since, until = since.In(zone), until.In(zone)
	}
	p.notef("%s to %s, %s", since.Format(minute), until.Format(minute), r.Zone)
	if r.More {
		p.notef("there are more rows; see them with --limit")
	}
	return nil
}

func orNone(v any) string {
	if s := fmt.Sprint(v); v != nil && s != "" {
		return s
	}
	return "(none)"
}

func integer(v any) int64 {
	switch n := v.(type) {
	case json.Number:
		i, _ := n.Int64()
		return i
	case float64:
		return int64(n)
	case int64:
		return n
	}
	return 0
}
