package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/settlement"
)

func newRates(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rates",
		Short: "Keep the exchange rates that reports are converted by",
		Long: `Keep exchange rates. A report in another currency than its program's is converted by
the latest rate of its day or the seven days before; without one it is refused. What
was converted stays as it is.`,
	}
	cmd.AddCommand(newRatesImport(p), newRatesList(p))
	return cmd
}

// ratesBatch is how many rates are sent at a time: what fits well into one request.
const ratesBatch = 5000

func newRatesImport(p *program) *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Import the reference rates of the European Central Bank",
		Long: `Import the euro reference rates of the European Central Bank: eurofxref.csv of the day,
or eurofxref-hist.csv with all days since 1999, as its zip files hold them. Each rate
serves both directions. Importing again replaces the same days.`,
		Example: `  sluice rates import eurofxref.csv
  unzip -p eurofxref-hist.zip | sluice rates import - --since 2026-01-01`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&since, "since", "", "only rates from this `day` on")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if since != "" {
			if _, err := time.Parse(time.DateOnly, since); err != nil {
				return fmt.Errorf("--since: %q is not a day; write it like 2026-01-01", since)
			}
		}
		rates, err := p.readRates(args[0], since)
		if err != nil {
			return err
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error { return p.storeRates(ctx, c, rates) })
	}
	return cmd
}

// readRates reads a file whole before anything is stored.
func (p *program) readRates(name, since string) (rates []api.ExchangeRate, err error) {
	file, _, err := p.openInput(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	read, unknown, err := settlement.ReadECB(file)
	if err != nil {
		return nil, err
	}
	if len(unknown) > 0 {
		p.notef("note: left out are currencies that are no longer used: %s", strings.Join(unknown, ", "))
	}
	for _, r := range read {
		if r.Date >= since {
			rates = append(rates, api.ExchangeRate{From: string(r.From), To: string(r.To), Date: r.Date, Rate: rateText(r.Ratio), Source: r.Source})
		}
	}
	if len(rates) == 0 {
		return nil, affiliate.Errorf(affiliate.Invalid, "%s has no rates to import; check the file and --since", name)
	}
	return rates, nil
}

// rateText writes what was read from a decimal as one again.
func rateText(r affiliate.Ratio) string {
	digits := 0
	for d := r.Denominator; d > 1; d /= 10 {
		digits++
	}
	text := strconv.FormatInt(r.Numerator, 10)
	if digits == 0 {
		return text
	}
	text = strings.Repeat("0", max(0, digits+1-len(text))) + text
	return text[:len(text)-digits] + "." + text[len(text)-digits:]
}

func (p *program) storeRates(ctx context.Context, c *connection, rates []api.ExchangeRate) error {
	storing := p.newProgress("storing rates", int64(len(rates)), false)
	defer storing.end()
	stored := 0
	for len(rates) > 0 {
		batch := rates[:min(ratesBatch, len(rates))]
		n, err := c.PutRates(ctx, batch)
		if err != nil {
			if stored > 0 {
				err = fmt.Errorf("after %d rates: %w", stored, err)
			}
			return err
		}
		stored += n
		storing.at(int64(stored))
		rates = rates[len(batch):]
	}
	storing.end()
	p.printf("%s stored\n", plural(int64(stored), "rate"))
	return nil
}

func newRatesList(p *program) *cobra.Command {
	var from, to string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List exchange rates",
		Long:  `List the latest rate of one currency to each other or, with --to, the days of two.`,
		Example: `  sluice rates list
  sluice rates list --from USD --to EUR --limit 30`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&from, "from", "EUR", "the `currency` of which one unit is meant")
	cmd.Flags().StringVar(&to, "to", "", "the `currency` that it is expressed in")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most `n` rates, up to 10000")
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if limit < 1 || limit > 10_000 {
			return fmt.Errorf("--limit %d: give 1 to 10000", limit)
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			rates, err := c.Rates(ctx, from, to, limit)
			if err != nil {
				return couldNotRun(err)
			}
			return p.printRates(rates, format.value)
		})
	}
	return cmd
}

func (p *program) printRates(rates []api.ExchangeRate, format string) error {
	switch format {
	case "json":
		return printJSON(p.out, api.RateList{Items: append([]api.ExchangeRate{}, rates...)})
	case "csv":
		var rows [][]string
		for _, r := range rates {
			rows = append(rows, []string{r.From, r.To, r.Date, r.Rate, plain(r.Source)})
		}
		return printCSV(p.out, []string{"from", "to", "date", "rate", "source"}, rows)
	}
	t := newTable("one", "is", "", "of", "source")
	for _, r := range rates {
		t.add(r.From, r.Rate, r.To, r.Date, r.Source)
	}
	if err := t.print(p.out); err != nil {
		return err
	}
	if len(rates) == 0 {
		p.notef("there are none; import them with: sluice rates import FILE")
	}
	return nil
}
