package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/ledger"
)

// pageWidth is how wide an explanation is written, in characters.
const pageWidth = 100

// showConversion prints the fields that have something to say.
func showConversion(w io.Writer, c *api.Conversion) error {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-11s %s\n", name, value)
		}
	}
	line("conversion", c.ID)
	line("program", c.Program)
	line("order", strings.TrimSuffix(c.Tx+", "+c.Event, ", "))
	state := c.State
	if c.Flagged {
		state += ", held for a person"
	}
	line("state", state)
	line("ordered", instant(&c.At))
	line("amount", c.Order.Text)
	line("earned", c.Earned.Text)
	for _, s := range c.Shares {
		fmt.Fprintf(&b, "%-11s %s %s by %s\n", "", holder(s.Partner), s.Amount.Text, orElse(s.ClickID, "coupon"))
	}
	if c.ClickID != "" {
		line("click", strings.TrimSpace(c.ClickID+"  "+instant(c.ClickAt)+"  "+linkName(c.Link)))
	}
	line("page", c.Page)
	line("variant", c.Variant)
	line("sub1", c.Sub1)
	line("coupon", c.Coupon)
	line("customer", c.Customer)
	line("next", instant(c.Due))
	line("changed", fmt.Sprintf("%s, revision %d", instant(&c.Updated), c.Revision))
	_, err := io.WriteString(w, b.String())
	return err
}

func holder(partner string) string { return orElse(partner, "we") }

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// explainConversion prints everything that made a conversion what it is.
func explainConversion(w io.Writer, x *api.ConversionExplanation) error {
	if err := showConversion(w, &x.Conversion); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("\nWhy\n")
	for i, step := range x.Steps {
		for _, l := range wrapped(fmt.Sprintf("%2d. ", i+1), step.Text, pageWidth) {
			b.WriteString(l + "\n")
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	for _, part := range []struct {
		title string
		table *table
	}{
		{"Reports", reportTableOf(x.Reports)}, {"Clicks of the visitor", pathTable(x)}, {"Decisions", decisionTable(x.Decisions)}, {"Ledger", ledgerTable(x.Postings)},
	} {
		if len(part.table.rows) == 0 {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s\n", part.title); err != nil {
			return err
		}
		if err := part.table.print(w); err != nil {
			return err
		}
	}
	return nil
}

// wrapped breaks a sentence into lines of a width; those after the first are indented as far
// as what stands before it.
func wrapped(before, text string, width int) (lines []string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(before))
	line := before
	for i, word := range strings.Fields(text) {
		if i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = indent + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// stamp is a time to the second, for columns.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

func amountText(a *api.Amount) string {
	if a == nil {
		return ""
	}
	return a.Text
}

func reportTableOf(reports []api.OrderReport) *table {
	t := newTable("happened (UTC)", "came by", "says", ">amount", "and")
	for _, r := range reports {
		var more []string
		note := func(name, value string) {
			if value != "" {
				more = append(more, strings.TrimSpace(name+" "+value))
			}
		}
		if r.Original != r.Status {
			note("as", r.Original)
		}
		note("", r.Event)
		note("commission", amountText(r.Payout))
		if r.Received != nil && r.Rate != nil {
			note("received", fmt.Sprintf("%s at %s of %s, %s", r.Received.Text, r.Rate.Rate, r.Rate.Date, r.Rate.Source))
		}
		note("click", r.ClickID)
		note("coupon", r.Coupon)
		note("", r.Category)
		note("", r.Customer)
		note("because", r.Reason)
		t.add(stamp(r.At), r.Source, r.Status, amountText(r.Amount), shorten(strings.Join(more, ", "), 60))
	}
	return t
}

// pathTable marks the clicks that earn something.
func pathTable(x *api.ConversionExplanation) *table {
	earned := map[string]string{}
	for _, s := range x.Conversion.Shares {
		earned[s.ClickID] = s.Amount.Text
	}
	t := newTable("clicked (UTC)", "click", "link", "partner", ">earns", "page")
	for _, c := range x.Path {
		t.add(stamp(c.At), c.ClickID, linkName(c.Link), shorten(c.Partner, 20), earned[c.ClickID], shorten(c.Page, 24))
	}
	return t
}

func decisionTable(decisions []api.Decision) *table {
	t := newTable("decided (UTC)", "who", "what", ">amount", "why")
	for _, d := range decisions {
		t.add(stamp(d.At), shorten(d.Author, 20), d.Do, amountText(d.Amount), shorten(strings.TrimPrefix(strings.TrimSuffix(d.Reason+": "+d.Note, ": "), ": "), 50))
	}
	return t
}

// ledgerTable has a row for each entry; the time and the reason of a posting stand in its
// first.
func ledgerTable(postings []api.Posting) *table {
	t := newTable("posted (UTC)", "why", "account", ">amount", ">then has")
	for _, p := range postings {
		at, why := stamp(p.At), p.Why
		if p.Author != "" {
			why += " by " + shorten(p.Author, 16)
		}
		for _, e := range p.Entries {
			t.add(at, why, accountWords(e.Account), e.Amount.Text, e.Sum.Text)
			at, why = "", ""
		}
	}
	return t
}

// accountWords names an account for people.
func accountWords(account string) string {
	kind, _, partner, ok := ledger.Account(account).Parse()
	switch {
	case !ok || kind == ledger.KindFX:
		return account
	case kind == ledger.KindCost:
		return "cost"
	case partner == "":
		return "ours, " + strings.ReplaceAll(string(kind), "_", " ")
	}
	return shorten(partner, 24) + ", " + strings.ReplaceAll(string(kind), "_", " ")
}
