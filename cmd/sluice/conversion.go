package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/api/client"
)

func newConversion(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "conversion",
		Short: "Look at orders, explain them and decide about them",
		Long: `Look at orders and at what they earn. A conversion is one order of one program, as
all reports about it say together. Its state follows from those reports, from the
clock, and from what people decide here; whatever changes is posted to the ledger.`,
	}
	cmd.AddCommand(newConversionAddress(p), newConversionList(p), newConversionShow(p), newConversionExplain(p), newConversionReport(p), newConversionApprove(p),
		newConversionReverse(p), newConversionHold(p), newConversionRelease(p), newConversionImport(p), newConversionRejected(p))
	return cmd
}

func newConversionList(p *program) *cobra.Command {
	var f client.ConversionFilter
	var limit int
	var all bool
	state := &choice{allowed: []string{"unmatched", "pending", "approved", "paid", "reversed"}}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List conversions, the newest order first",
		Example: `  sluice conversion list --program acme --state pending
  sluice conversion list --program acme --partner mia --since 30d --all --format csv
  sluice conversion list --click 0dd5q0h3c00000000000000f`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&f.Program, "program", "", "only those of the program with this `id`")
	cmd.Flags().StringVar(&f.Partner, "partner", "", "only those of the partner with this `code`; needs --program")
	cmd.Flags().Var(state, "state", "only those in this state")
	cmd.Flags().StringVar(&f.Click, "click", "", "only those of the click with this `id`")
	cmd.Flags().StringVar(&f.Since, "since", "", "ordered from `when` on: a date, an instant, or an age such as 30d")
	cmd.Flags().StringVar(&f.Until, "until", "", "ordered until `when`")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most `n` conversions")
	cmd.Flags().BoolVar(&all, "all", false, "every conversion, however many there are")
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case limit < 1:
			return fmt.Errorf("--limit %d: give at least 1, or --all", limit)
		case f.Partner != "" && f.Program == "":
			return errors.New("--partner: a partner belongs to a program; give --program too")
		}
		f.State = state.value
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			list, err := collectConversions(ctx, c, f, limit, all)
			if err != nil {
				return couldNotRun(err)
			}
			return p.printConversions(list, format.value)
		})
	}
	return cmd
}

// collectConversions follows the pages up to the limit.
func collectConversions(ctx context.Context, c *connection, f client.ConversionFilter, limit int, all bool) (api.ConversionList, error) {
	out := api.ConversionList{Items: []api.Conversion{}}
	for {
		f.Limit = pageSize
		if !all {
			f.Limit = min(pageSize, limit-len(out.Items))
		}
		page, err := c.Conversions(ctx, f)
		if err != nil {
			return out, err
		}
		out.Items, out.Next = append(out.Items, page.Items...), page.Next
		if page.Next == "" || !all && len(out.Items) >= limit {
			return out, nil
		}
		f.Cursor = page.Next
	}
}

func (p *program) printConversions(list api.ConversionList, format string) error {
	switch format {
	case "json":
		return printJSON(p.out, list)
	case "csv":
		var rows [][]string
		for _, c := range list.Items {
			rows = append(rows, []string{c.ID, c.At.UTC().Format(time.RFC3339), c.Program, plain(c.Tx), plain(c.Event), c.State, bare(c.Order), bare(c.Earned), c.Order.Currency,
				c.Partner, c.ClickID, linkName(c.Link), plain(c.Coupon)})
		}
		return printCSV(p.out, []string{"id", "at", "program", "tx", "event", "state", "order", "earned", "currency", "partner", "click_id", "link", "coupon"}, rows)
	}
	t := newTable("id", "ordered (UTC)", "program", "order", "state", ">amount", ">earned", "partner")
	for _, c := range list.Items {
		state := c.State
		if c.Flagged {
			state += ", held"
		}
		t.add(c.ID, c.At.UTC().Format("2006-01-02 15:04"), shorten(c.Program, 16), shorten(c.Tx, 20), state, c.Order.Text, c.Earned.Text, shorten(c.Partner, 16))
	}
	if err := t.print(p.out); err != nil {
		return err
	}
	if list.Next != "" {
		p.notef("there are more; see them with --all or --limit")
	}
	return nil
}

// bare is an amount without its currency.
func bare(a api.Amount) string { return strings.TrimSuffix(a.Text, " "+a.Currency) }

// plain is a stranger's text as a spreadsheet may see it: never a formula.
func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func linkName(id int64) string {
	if id == 0 {
		return ""
	}
	return "#" + strconv.FormatInt(id, 10)
}

func newConversionShow(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show a conversion as it stands",
		Example: "  sluice conversion show q2m4c1vt0e6k8h3n5p7r9s1u",
		Args:    cobra.ExactArgs(1),
	}
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			x, err := c.ExplainConversion(ctx, args[0])
			if err != nil {
				return err
			}
			if format.value == "json" {
				return printJSON(p.out, x.Conversion)
			}
			return showConversion(p.out, &x.Conversion)
		})
	}
	return cmd
}

func newConversionExplain(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain ID",
		Short: "Say why a conversion is what it is",
		Long: `Derive a conversion again from what is stored and say every rule that was applied,
with the reports as they came, the visitor's clicks, what people decided, and each
entry of the ledger with what the account has after it.`,
		Example: "  sluice conversion explain q2m4c1vt0e6k8h3n5p7r9s1u",
		Args:    cobra.ExactArgs(1),
	}
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			x, err := c.ExplainConversion(ctx, args[0])
			if err != nil {
				return err
			}
			if format.value == "json" {
				return printJSON(p.out, x)
			}
			return explainConversion(p.out, &x)
		})
	}
	return cmd
}

func newConversionReport(p *program) *cobra.Command {
	var in api.ReportInput
	var at, key string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Report an order, or what became of one",
		Long: `Report an order, or what became of one, as a postback would. All reports with one
--tx say together what the conversion is. A report that says nothing new changes
nothing. With --key the same command can be run again when no answer came: it
counts once, in every mode of duplicates.`,
		Example: `  sluice conversion report --program acme --tx A-1001 --amount 49.90 --click 0dd5q0h3c00000000000000f
  sluice conversion report --program acme --tx A-1001 --status reversed --reason item_returned --amount 20.00`,
		Args: cobra.NoArgs,
	}
	fs := cmd.Flags()
	status := &choice{allowed: []string{"pending", "approved", "paid", "reversed"}}
	customer := &choice{allowed: []string{"new", "returning"}}
	fs.StringVar(&in.Program, "program", "", "`id` of the program")
	fs.StringVar(&in.Tx, "tx", "", "`number` of the order at the merchant or network (default: the click id)")
	fs.StringVar(&in.Event, "event", "", "`what` happened, where the program has several")
	fs.Var(status, "status", "what is said of the order (default pending)")
	fs.StringVar(&in.Amount, "amount", "", "`amount` of the order, such as 49.90; of a reversal, how much is taken back")
	fs.StringVar(&in.Payout, "payout", "", "commission, as the sender says: an `amount`")
	fs.StringVar(&in.Currency, "currency", "", "ISO 4217 `code` of the amounts (default: the program's)")
	fs.StringVar(&in.ClickID, "click", "", "`id` of the click that led to it")
	fs.StringVar(&in.Coupon, "coupon", "", "`code` that the customer used")
	fs.StringVar(&in.Category, "category", "", "`category` of the goods")
	fs.Var(customer, "customer", "whether the merchant knew the customer")
	fs.StringVar(&in.CustomerID, "customer-id", "", "`hash` that names the customer; never an e-mail address")
	fs.StringVar(&in.Reason, "reason", "", "`why` it is reversed, such as item_returned or fraud")
	fs.StringVar(&at, "at", "", "`time` at which it happened (default now)")
	fs.StringVar(&key, "key", "", "`text` that is new for each report, so that it can be sent again")
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if in.Program == "" || in.Tx == "" && in.ClickID == "" {
			return errors.New("give the --program, and the order's number as --tx or at least the --click")
		}
		in.Status, in.Customer = status.value, customer.value
		if at != "" {
			t, err := parseTime(at)
			if err != nil {
				return fmt.Errorf("--at: %w", err)
			}
			in.At = &t
		}
		return p.withConnection(cmd, false, func(ctx context.Context, c *connection) error {
			r, err := c.ReportConversion(ctx, in, key)
			if err != nil {
				return err
			}
			if format.value == "json" {
				return printJSON(p.out, r)
			}
			what := "stored"
			if r.Duplicate {
				what = "known already, nothing changed"
			}
			p.printf("%s: the conversion %s is %s\n", what, r.Conversion, r.State)
			return nil
		})
	}
	return cmd
}
