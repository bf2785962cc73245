package settlement

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// clickCount are the clicks of some values, on links of one program.
type clickCount struct {
	values  []string
	link    int64
	program string
	clicks  int64
}

// countClicks asks by program too, since a program's currency is that of its clicks. Totals are
// counted where the rows do not add up to them.
func countClicks(ctx context.Context, counter ClickCounter, q *EarningsQuery) (rows, totals []clickCount, err error) {
	filter := analytics.Filter{Since: q.Since, Until: q.Until, Is: map[analytics.Dimension][]string{}}
	for d, values := range q.Is {
		filter.Is[analytics.Dimension(d)] = values
	}
	ask := func(by []string) (counts []clickCount, err error) {
		query := analytics.Query{Filter: filter, Zone: q.Zone, Limit: analytics.RowsMax}
		for _, d := range by {
			query.By = append(query.By, analytics.Dimension(d))
		}
		if !slices.Contains(by, "program") {
			query.By = append(query.By, analytics.ByProgram)
		}
		report, err := counter.Report(ctx, query)
		if err != nil {
			return nil, err
		}
		if report.More {
			return nil, affiliate.Errorf(affiliate.TooLarge, "the clicks have more than %d different values of %s; choose a shorter range or filter them", analytics.RowsMax, strings.Join(by, " and "))
		}
		for _, row := range report.Rows {
			c := clickCount{values: make([]string, len(by)), program: text(row["program"]), clicks: whole(row[analytics.Clicks]), link: whole(row[analytics.LinkID])}
			for i, d := range by {
				c.values[i] = text(row[d])
			}
			if c.clicks > 0 {
				counts = append(counts, c)
			}
		}
		return counts, nil
	}
	if rows, err = ask(q.By); err != nil || !slices.Contains(q.By, "partner") {
		return rows, nil, err
	}
	totals, err = ask(nil)
	return rows, totals, err
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func whole(v any) int64 {
	n, _ := strconv.ParseInt(text(v), 10, 64) // what is no number is not there
	return n
}
