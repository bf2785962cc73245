package analytics

import (
	"slices"
	"strconv"
	"strings"
	"time"

	// Zones must not depend on the machine's time zone database.
	_ "time/tzdata"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// The metrics of a report.
const (
	Clicks     = "clicks"     // rows that are Valid
	Uniques    = "uniques"    // rows that are Valid and Unique
	Total      = "total"      // all rows
	Bots       = "bots"       // rows with the verdict bot
	Prefetches = "prefetches" // rows fetched ahead of need or with HEAD
)

// ValuesMax is how many values of a dimension a filter may name.
const ValuesMax = 1000

// LinkID is the key under which rows of a report by link carry the link's id.
const LinkID = "link_id"

var dimensions = []Dimension{
	ByHour, ByDay, ByWeek, ByMonth, ByLink, BySite, ByProgram, ByPartner, ByVariant, ByRule, ByCountry, ByNetwork,
	ByDevice, ByBrowser, ByOS, ByReferrer, ByPage, ByVerdict, ByBot, ByOutcome,
	"sub1", "sub2", "sub3", "sub4", "sub5", "sub6", "sub7", "sub8", "sub9", "sub10",
}

// Dimensions lists every dimension.
func Dimensions() []Dimension { return slices.Clone(dimensions) }

// IsTime says whether the dimension cuts time.
func (d Dimension) IsTime() bool {
	return d == ByHour || d == ByDay || d == ByWeek || d == ByMonth
}

// Metrics lists the metrics that the query's rows carry.
func (q *Query) Metrics() []string {
	if q.All {
		return []string{Clicks, Uniques, Total, Bots, Prefetches}
	}
	return []string{Clicks, Uniques}
}

// Sort is one key of a report's order.
type Sort struct {
	By         string // a metric or dimension
	Descending bool
}

// Normal returns the query with its defaults filled in, its zone, and its whole
// order: what was asked for, and then what makes the order of equal rows the same
// every time. An error says which values are allowed. Engines call it first.
func (q Query) Normal() (Query, *time.Location, []Sort, error) {
	if err := q.check(); err != nil {
		return q, nil, nil, err
	}
	if err := q.Check(); err != nil {
		return q, nil, nil, err
	}
	if q.Limit == 0 {
		q.Limit = RowsDefault
	}
	if q.Zone == "" {
		q.Zone = "UTC"
	}
	zone, err := time.LoadLocation(q.Zone)
	if err != nil || q.Zone == "Local" {
		return q, nil, nil, affiliate.Errorf(affiliate.Invalid, "%q is not a time zone; name one as the IANA does, such as \"Europe/Berlin\" or \"UTC\"", q.Zone)
	}
	order, err := q.order()
	return q, zone, order, err
}

func (q *Query) check() error {
	if len(q.By) > DimensionsMax {
		return affiliate.Errorf(affiliate.TooLarge, "a report has at most %d dimensions, not %d", DimensionsMax, len(q.By))
	}
	for i, d := range q.By {
		if !slices.Contains(dimensions, d) {
			return unknownDimension(d)
		}
		if slices.Contains(q.By[:i], d) {
			return affiliate.Errorf(affiliate.Invalid, "the dimension %q is named twice", d)
		}
	}
	if q.Limit < 0 || q.Limit > RowsMax {
		return affiliate.Errorf(affiliate.TooLarge, "a report's limit is between 1 and %d rows, not %d; an export has no limit", RowsMax, q.Limit)
	}
	return nil
}

// Check says what is wrong with the filter.
func (f *Filter) Check() error {
	if !f.Since.IsZero() && !f.Until.IsZero() && f.Until.Before(f.Since) {
		return affiliate.Errorf(affiliate.Invalid, "the range ends (%s) before it starts (%s)",
			f.Until.Format(time.RFC3339), f.Since.Format(time.RFC3339))
	}
	for d, values := range f.Is {
		if !slices.Contains(dimensions, d) {
			return unknownDimension(d)
		}
		if d.IsTime() {
			return affiliate.Errorf(affiliate.Invalid, "clicks are chosen by time with since and until, not by %q", d)
		}
		if len(values) > ValuesMax {
			return affiliate.Errorf(affiliate.TooLarge, "a filter takes at most %d values of %s, not %d", ValuesMax, d, len(values))
		}
		if err := checkNames(d, values); err != nil {
			return err
		}
	}
	return nil
}

// Check says what is wrong with the format.
func (f ExportFormat) Check() error {
	if f != CSV && f != Parquet {
		return affiliate.Errorf(affiliate.Invalid, "there is no export format %q; there are: csv, parquet", f)
	}
	return nil
}

// checkNames refuses values of a closed dimension that are not in it.
func checkNames(d Dimension, values []string) error {
	var valid func(string) bool
	switch d {
	case ByDevice:
		valid = func(s string) bool { _, ok := affiliate.ParseDevice(s); return ok || s == "" }
	case ByVerdict:
		valid = func(s string) bool { return slices.Contains(affiliate.VerdictNames(), s) }
	case ByOutcome:
		valid = func(s string) bool { _, ok := affiliate.ParseOutcome(s); return ok }
	default:
		return nil
	}
	for _, v := range values {
		if !valid(v) {
			return affiliate.Errorf(affiliate.Invalid, "%q is not a %s; there are: %s", v, d, strings.Join(Names(d), ", "))
		}
	}
	return nil
}

// Names lists the values of a closed dimension, device, verdict or outcome; the
// index is the number that a Row carries.
func Names(d Dimension) []string {
	var names []string
	switch d {
	case ByDevice:
		names = append([]string{""}, affiliate.DeviceNames()...)
	case ByVerdict:
		names = affiliate.VerdictNames()
	case ByOutcome:
		for o := affiliate.Missing; o <= affiliate.Blocked; o++ {
			names = append(names, o.String())
		}
	}
	return names
}

func unknownDimension(d Dimension) error {
	names := make([]string, len(dimensions))
	for i := range dimensions {
		names[i] = string(dimensions[i])
	}
	return affiliate.Errorf(affiliate.Invalid, "there is no dimension %q; there are: %s", d, strings.Join(names, ", "))
}

// order is the asked order, then times, then clicks, then the dimensions.
func (q *Query) order() ([]Sort, error) {
	keys := q.Metrics()
	for _, d := range q.By {
		keys = append(keys, string(d))
	}
	var order []Sort
	add := func(by string, descending bool) {
		if !slices.ContainsFunc(order, func(s Sort) bool { return s.By == by }) {
			order = append(order, Sort{By: by, Descending: descending})
		}
	}
	if q.Order != "" {
		by, descending := strings.CutPrefix(q.Order, "-")
		if !slices.Contains(keys, by) {
			return nil, affiliate.Errorf(affiliate.Invalid, "the report cannot be ordered by %q; it has: %s", by, strings.Join(keys, ", "))
		}
		add(by, descending)
	}
	for _, d := range q.By {
		if d.IsTime() {
			add(string(d), false)
		}
	}
	add(Clicks, true)
	if q.All {
		add(Total, true)
	}
	for _, d := range q.By {
		add(string(d), false)
	}
	return order, nil
}

// Offset is a span of time in which a zone keeps the same distance to UTC.
type Offset struct {
	Until   time.Time // the zero time for the last one
	Seconds int       // east of UTC
}

// Offsets lists the zone's distances to UTC between two instants, in order.
// Engines shift time by them rather than ask their own time zone database, so
// that every engine cuts days alike and as quickly as integers divide.
func Offsets(zone *time.Location, since, until time.Time) []Offset {
	var offsets []Offset
	for at := since.In(zone); ; {
		_, seconds := at.Zone()
		_, end := at.ZoneBounds()
		if end.IsZero() || !end.Before(until) {
			return append(offsets, Offset{Seconds: seconds})
		}
		offsets = append(offsets, Offset{Until: end.UTC(), Seconds: seconds})
		at = end
	}
}

// ParseLink reads a link of a filter: its id when it is written as "#17".
func ParseLink(s string) (id int64, isID bool, err error) {
	digits, isID := strings.CutPrefix(s, "#")
	if !isID {
		return 0, false, nil
	}
	id, err = strconv.ParseInt(digits, 10, 64)
	if err != nil || id < 0 {
		return 0, true, affiliate.Errorf(affiliate.Invalid, "%q is not a link's id; write \"#\" and a number, or the short name alone", s)
	}
	return id, true, nil
}

// ParseLinks tells the ids among the links of a filter from the short names.
func ParseLinks(values []string) (ids []int64, slugs []string, err error) {
	for _, v := range values {
		id, isID, err := ParseLink(v)
		switch {
		case err != nil:
			return nil, nil, err
		case isID:
			ids = append(ids, id)
		default:
			slugs = append(slugs, v)
		}
	}
	return ids, slugs, nil
}
