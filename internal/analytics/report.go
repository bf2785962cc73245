package analytics

import "time"

// NewReport returns the report of a query, which is Normal, before anything is counted:
// no rows, and 0 for each metric.
func NewReport(q *Query) *Report {
	r := &Report{Zone: q.Zone, By: []string{}, Rows: []map[string]any{}, Totals: map[string]int64{}}
	for _, d := range q.By {
		r.By = append(r.By, string(d))
	}
	for _, m := range q.Metrics() {
		r.Totals[m] = 0
	}
	return r
}

// Cover sets the time that the report is about. Where the query leaves an end open,
// bounds is asked for the first and the last matching click, zero times when there are
// none: the report begins with the first, and ends now, or after a last one that is ahead
// of the clock. Without clicks it begins where it ends.
func (r *Report) Cover(q *Query, now func() time.Time, bounds func() (first, last time.Time, err error)) error {
	r.Since, r.Until = q.Since, q.Until
	if !q.Since.IsZero() && !q.Until.IsZero() {
		return nil
	}
	first, last, err := bounds()
	if err != nil {
		return err
	}
	if q.Until.IsZero() {
		r.Until = now().UTC()
		if end := last.Add(time.Millisecond); end.After(r.Until) { // times are kept in milliseconds
			r.Until = end
		}
	}
	if q.Since.IsZero() {
		if r.Since = first; first.IsZero() {
			r.Since = r.Until
		}
	}
	return nil
}

// Cut leaves limit rows and says whether there were more. Engines ask for one more than
// the limit to know it.
func (r *Report) Cut(limit int) {
	if len(r.Rows) > limit {
		r.Rows, r.More = r.Rows[:limit], true
	}
}
