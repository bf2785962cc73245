package api

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

const tagReports = "Reports"

// Report is the answer to a question about clicks.
type Report struct {
	Since  time.Time        `json:"since" doc:"Beginning of the range."`
	Until  time.Time        `json:"until" doc:"End of the range; not part of it."`
	Zone   string           `json:"zone" doc:"Time zone that days and hours are cut in." example:"Europe/Berlin"`
	By     []string         `json:"by" doc:"The dimensions of the rows."`
	Rows   []map[string]any `json:"rows" doc:"One object for each combination: the dimensions by name, link_id beside link, and the metrics clicks and uniques; with all also total, bots and prefetches."`
	Totals map[string]int64 `json:"totals" doc:"The metrics over all matching clicks, not only the rows shown."`
	More   bool             `json:"more" doc:"Whether there are more rows than the limit."`
}

// ClickFilter chooses clicks by address parameters.
type ClickFilter struct {
	Since string   `query:"since" default:"7d" doc:"Beginning: a date (cut in the zone), an instant (RFC 3339), or an age such as 24h, 7d, 4w, 3mo." example:"7d"`
	Until string   `query:"until" doc:"End: as since; a date is part of the range. Default: now." example:"2026-11-30"`
	Is    []string `query:"is,explode" maxItems:"50" doc:"Only clicks whose dimension has the value: DIMENSION:VALUE. Several of one dimension: any of them. Also written is.DIMENSION=VALUE,VALUE." example:"[\"country:DE\"]"`

	named []string // is.DIMENSION=VALUE,VALUE
}

// Resolve collects the parameters whose names are not known beforehand.
func (f *ClickFilter) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	for name, values := range r.URL.Query() {
		dimension, ok := strings.CutPrefix(name, "is.")
		if !ok {
			continue
		}
		for _, list := range values {
			for value := range strings.SplitSeq(list, ",") {
				f.named = append(f.named, dimension+":"+value)
			}
		}
	}
	slices.Sort(f.named)
	return nil
}

// dimensions are the names of what reports can be broken down by.
var dimensions = func() (names []string) {
	for _, d := range analytics.Dimensions() {
		names = append(names, string(d))
	}
	return names
}()

func (s *server) registerReports() {
	handle(s, operation{
		method: http.MethodGet, path: "/reports/clicks", id: "reportClicks", tag: tagReports, access: read,
		summary:     "Count clicks",
		description: "Valid clicks and unique visitors, by up to four of the dimensions " + strings.Join(dimensions, ", ") + ". With format=csv the rows come as a table for spreadsheets.",
		adjust: func(op *huma.Operation) {
			op.Extensions[filterExtension] = true
			op.Responses = map[string]*huma.Response{"200": {Description: "The report.", Content: map[string]*huma.MediaType{
				"application/json": {Schema: s.schemaOf(Report{})},
				"text/csv":         {Schema: &huma.Schema{Type: huma.TypeString}},
			}}}
		},
	}, s.reportClicks)
	handle(s, operation{
		method: http.MethodGet, path: "/clicks/export", id: "exportClicks", tag: tagReports, access: read,
		summary:     "Download clicks",
		description: "Every click of the range with all that is known of it, valid or not, oldest first. The answer streams; one that is cut short fails as a transfer.",
		adjust: func(op *huma.Operation) {
			op.Extensions[filterExtension] = true
			op.Responses = map[string]*huma.Response{"200": {Description: "The clicks.", Content: map[string]*huma.MediaType{
				"text/csv":                       {Schema: &huma.Schema{Type: huma.TypeString}},
				"application/vnd.apache.parquet": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
			}}}
		},
	}, s.exportClicks)
}

func (s *server) reportClicks(ctx context.Context, in *struct {
	ClickFilter
	By     []string `query:"by,explode" maxItems:"4" doc:"Dimensions of the rows, at most 4; repeated, or separated by commas. None: one row of totals." example:"[\"day\",\"link\"]"`
	Zone   string   `query:"zone" default:"UTC" doc:"Time zone that days and hours are cut in." example:"Europe/Berlin"`
	Order  string   `query:"order" doc:"A metric or dimension, with - in front for descending. Default: time ascending, else most clicks first." example:"-clicks"`
	Limit  int      `query:"limit" minimum:"1" maximum:"100000" default:"1000" doc:"How many rows at most."`
	All    bool     `query:"all" example:"true" doc:"Add what does not count: the metrics total, bots and prefetches."`
	Format string   `query:"format" enum:"json,csv" default:"json" doc:"Form of the answer."`
}) (*huma.StreamResponse, error) {
	filter, faults := in.filter(s.Now(), in.Zone)
	q := analytics.Query{Filter: filter, Zone: in.Zone, Order: in.Order, Limit: in.Limit, All: in.All}
	by := splitCommas(in.By)
	if len(by) > analytics.DimensionsMax {
		faults = append(faults, affiliate.Fault{Field: "by", Message: fmt.Sprintf("%d dimensions; at most %d", len(by), analytics.DimensionsMax)})
	}
	for i, name := range by {
		if !slices.Contains(dimensions, name) {
			faults = append(faults, affiliate.Fault{Field: fmt.Sprintf("by[%d]", i), Message: notDimension(name)})
		}
		q.By = append(q.By, analytics.Dimension(name))
	}
	if len(faults) > 0 {
		return nil, &affiliate.Error{Code: affiliate.Invalid, Message: "the request is not valid", Faults: faults}
	}
	report, err := s.Analytics.Report(ctx, q)
	if err != nil {
		return nil, err
	}
	if in.Format == "csv" {
		return csvReport(report, q.Metrics()), nil
	}
	return s.jsonAnswer(reportOf(report)), nil
}

func splitCommas(lists []string) (values []string) {
	for _, list := range lists {
		for value := range strings.SplitSeq(list, ",") {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

func reportOf(r *analytics.Report) Report {
	out := Report(*r)
	if out.By == nil {
		out.By = []string{}
	}
	if out.Rows == nil {
		out.Rows = []map[string]any{}
	}
	return out
}

// filter reads the parameters and collects what is wrong with them.
func (f *ClickFilter) filter(now time.Time, zone string) (analytics.Filter, []affiliate.Fault) {
	since, until, faults := timeRange(f.Since, f.Until, zone, now)
	if until.IsZero() {
		until = now
	}
	out := analytics.Filter{Since: since, Until: until, Is: map[analytics.Dimension][]string{}}
	for i, condition := range slices.Concat(f.Is, f.named) {
		field := fmt.Sprintf("is[%d]", i)
		name, value, ok := strings.Cut(condition, ":")
		if i >= len(f.Is) {
			field = "is." + name
		}
		switch {
		case !ok:
			faults = append(faults, affiliate.Fault{Field: field, Message: strconv.Quote(condition) + " has no value; write it as country:DE"})
		case analytics.Dimension(name).IsTime():
			faults = append(faults, affiliate.Fault{Field: field, Message: "a time cannot be filtered by value; use since and until"})
		case !slices.Contains(dimensions, name):
			faults = append(faults, affiliate.Fault{Field: field, Message: notDimension(name)})
		default:
			out.Is[analytics.Dimension(name)] = append(out.Is[analytics.Dimension(name)], value)
		}
	}
	return out, faults
}

func notDimension(name string) string {
	return strconv.Quote(name) + " is not one of " + strings.Join(dimensions, ", ")
}

func (s *server) exportClicks(ctx context.Context, in *struct {
	ClickFilter
	Zone   string `query:"zone" default:"UTC" doc:"Time zone that dates are cut in." example:"Europe/Berlin"`
	Format string `query:"format" enum:"csv,parquet" default:"csv" doc:"Form of the answer."`
}) (*huma.StreamResponse, error) {
	filter, faults := in.filter(s.Now(), in.Zone)
	if len(faults) > 0 {
		return nil, &affiliate.Error{Code: affiliate.Invalid, Message: "the request is not valid", Faults: faults}
	}
	contentType := map[string]string{"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}[in.Format]
	return s.download(contentType, "clicks."+in.Format, func(w http.ResponseWriter) error {
		return s.Analytics.Export(ctx, filter, analytics.ExportFormat(in.Format), w)
	}), nil
}

// csvReport writes the rows as a table.
func csvReport(r *analytics.Report, metrics []string) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "text/csv; charset=utf-8")
		ctx.SetHeader("Content-Disposition", `attachment; filename="clicks.csv"`)
		w := csv.NewWriter(ctx.BodyWriter())
		columns := reportColumns(r, metrics)
		_ = w.Write(columns) // the error stays with w
		cells := make([]string, len(columns))
		for _, row := range r.Rows {
			for i, c := range columns {
				cells[i] = cell(row[c])
			}
			_ = w.Write(cells)
		}
		w.Flush()
		if w.Error() != nil {
			panic(http.ErrAbortHandler)
		}
	}}
}

// reportColumns are the dimensions in the order asked for, and the metrics.
func reportColumns(r *analytics.Report, metrics []string) []string {
	columns := []string{}
	for _, d := range r.By {
		if d == string(analytics.ByLink) {
			columns = append(columns, analytics.LinkID)
		}
		columns = append(columns, d)
	}
	return append(columns, metrics...)
}

// cell is a value as a spreadsheet may see it. Visitors choose some of the texts
// (referrer, sub-IDs): none of them may begin a formula.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		if v != "" && strings.ContainsRune("=+-@\t\r", rune(v[0])) {
			return "'" + v
		}
		return v
	}
	return fmt.Sprint(v)
}
