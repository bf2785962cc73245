package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/api/client"
)

func newReportEarnings(p *program) *cobra.Command {
	var q client.EarningsQuery
	var is []string
	var asJSON, asCSV bool
	var out string
	cmd := &cobra.Command{
		Use:   "earnings",
		Short: "Say what clicks earn",
		Long: `Put clicks beside the orders that came of them and what those earn, by up to two of:

  month day, link page, program partner variant, sub1

An order counts at the time of its click, so that each row is about the same clicks;
--by month shows cohorts that ripen. Each currency has a row of its own, unless
--currency converts them by the stored rates.`,
		Example: `  sluice report earnings --by month --since 2026-01-01
  sluice report earnings --by link,month --is program=acme --order -epc
  sluice report earnings --by partner --currency EUR --csv --out partners.csv`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringSliceVar(&q.By, "by", nil, "`dimensions` to break down by")
	cmd.Flags().StringVar(&q.Since, "since", "90d", "clicks from `when` on")
	cmd.Flags().StringVar(&q.Until, "until", "", "clicks until `when` (default now)")
	cmd.Flags().StringVar(&q.Zone, "zone", "", "time `zone` that days and months are cut in, such as Europe/Berlin (default UTC)")
	cmd.Flags().StringArrayVar(&is, "is", nil, "only what has `DIMENSION=VALUE`; several of one dimension mean any of them")
	cmd.Flags().StringVar(&q.Currency, "currency", "", "convert into this `currency`")
	cmd.Flags().StringVar(&q.Order, "order", "", "`metric` or dimension to order by, with - in front for descending")
	cmd.Flags().IntVar(&q.Limit, "limit", 0, "at most `n` rows (default 1000)")
	cmd.Flags().StringVar(&out, "out", "", "write to a `file`")
	format := formatFlag(cmd, "table", "json", "csv")
	shortFormats(cmd, &asJSON, &asCSV)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, s := range is {
			name, value, ok := strings.Cut(s, "=")
			if !ok {
				return fmt.Errorf("--is %s: write it as DIMENSION=VALUE, such as --is program=acme", s)
			}
			q.Is = append(q.Is, strings.TrimSpace(name)+":"+value)
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			return couldNotRun(p.intoFile(out, func(w io.Writer) error { return p.earnings(ctx, c, q, chosen(format, asJSON, asCSV), w) }))
		})
	}
	return cmd
}

// shortFormats are --json and --csv for --format json and --format csv.
func shortFormats(cmd *cobra.Command, asJSON, asCSV *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "the same as --format json")
	cmd.Flags().BoolVar(asCSV, "csv", false, "the same as --format csv")
	cmd.MarkFlagsMutuallyExclusive("json", "csv", "format")
}

func chosen(format *choice, asJSON, asCSV bool) string {
	switch {
	case asJSON:
		return "json"
	case asCSV:
		return "csv"
	}
	return format.value
}

func (p *program) earnings(ctx context.Context, c *connection, q client.EarningsQuery, format string, w io.Writer) error {
	if format == "csv" {
		return c.EarningsCSV(ctx, q, w)
	}
	r, err := c.Earnings(ctx, q)
	if err != nil {
		return err
	}
	if format == "json" {
		return printJSON(w, r)
	}
	header := append([]string{}, r.By...)
	t := newTable(append(header, ">clicks", ">orders", ">cr", ">ar", ">reversed", ">net", ">settled", ">epc", ">decided")...)
	for _, row := range r.Rows {
		e, err := earningsIn(row)
		if err != nil {
			return err
		}
		var cells []string
		for _, d := range r.By {
			cells = append(cells, shorten(orNone(row[d]), 40))
		}
		t.add(append(cells, earningsCells(&e)...)...)
	}
	if len(r.By) > 0 || len(r.Rows) == 0 {
		for i := range r.Totals {
			cells := make([]string, len(r.By))
			if len(cells) > 0 {
				cells[0] = "all"
			}
			t.add(append(cells, earningsCells(&r.Totals[i])...)...)
		}
	}
	if err := t.print(w); err != nil {
		return err
	}
	const minute = "2006-01-02 15:04"
	p.notef("clicks of %s to %s UTC, days in %s, and the orders that came of them so far", r.Since.UTC().Format(minute), r.Until.UTC().Format(minute), r.Zone)
	if r.More {
		p.notef("there are more rows; see them with --limit")
	}
	return nil
}

// earningsIn reads the metrics of a row.
func earningsIn(row map[string]any) (e api.Earnings, err error) {
	b, err := json.Marshal(row)
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal(b, &e)
}

func earningsCells(e *api.Earnings) []string {
	epc := "–"
	if e.EPC != nil {
		epc = strings.TrimSpace(*e.EPC + " " + e.Currency)
	}
	return []string{grouped(e.Clicks), grouped(e.Conversions), share(e.CR), share(e.AR), share(e.ReversalRate), e.Net.Text, e.Settled.Text, epc, share(e.Maturity)}
}

// share is a ratio in percent.
func share(ratio *float64) string {
	if ratio == nil {
		return "–"
	}
	return fmt.Sprintf("%.2f %%", *ratio*100)
}

func newReportDiscrepancies(p *program) *cobra.Command {
	var program, since string
	var limit int
	var asJSON, asCSV bool
	cmd := &cobra.Command{
		Use:   "discrepancies",
		Short: "List what does not add up",
		Long: `List orders that are nobody's for more than a day or wait for a person, reports that
contradict each other, the terms or the books, ledger entries that are not the sum of
the shares, and refused reports by reason; the latest first.`,
		Example: `  sluice report discrepancies
  sluice report discrepancies --program acme --since 30d --csv`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&program, "program", "", "only those of the program with this `id`")
	cmd.Flags().StringVar(&since, "since", "90d", "of orders from `when` on")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most `n`, up to 1000")
	format := formatFlag(cmd, "table", "json", "csv")
	shortFormats(cmd, &asJSON, &asCSV)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			list, err := c.Discrepancies(ctx, program, since, limit)
			if err != nil {
				return couldNotRun(err)
			}
			return p.printDiscrepancies(list, chosen(format, asJSON, asCSV))
		})
	}
	return cmd
}

func (p *program) printDiscrepancies(list api.DiscrepancyList, format string) error {
	const when = "2006-01-02T15:04:05Z07:00"
	switch format {
	case "json":
		return printJSON(p.out, list)
	case "csv":
		var rows [][]string
		for _, d := range list.Items {
			amount, currency := "", ""
			if d.Amount != nil {
				amount, currency = bare(*d.Amount), d.Amount.Currency
			}
			rows = append(rows, []string{d.At.UTC().Format(when), d.Kind, plain(d.Program), plain(d.Subject), amount, currency, plain(d.Message)})
		}
		return printCSV(p.out, []string{"at", "kind", "program", "subject", "amount", "currency", "message"}, rows)
	}
	t := newTable("at (UTC)", "kind", "program", "subject", "what")
	for _, d := range list.Items {
		t.add(d.At.UTC().Format("2006-01-02 15:04"), d.Kind, shorten(orNone(d.Program), 16), shorten(d.Subject, 24), shorten(d.Message, 100))
	}
	if err := t.print(p.out); err != nil {
		return err
	}
	if list.More {
		p.notef("there are more; see them with --limit, --program or a later --since")
	}
	return nil
}
