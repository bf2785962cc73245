// Package export is the room of those who serve links without Sluice: links in, files out, and
// a report of what the target cannot express. Nothing is dropped in silence: what a file says
// otherwise than routing.Table would answer is a Shortfall.
package export

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Source is everything that answers depend on. Links come one by one, because there may be
// millions of them; an error ends them.
type Source struct {
	Sites    []affiliate.Site
	Programs []affiliate.Program
	Partners []affiliate.Partner
	Links    iter.Seq2[*affiliate.Link, error]
}

// Target is an engine of this room.
type Target interface {
	// Export writes into the folder dir, which exists, what serves the links at the instant
	// at. Files that are there are replaced one by one, each whole. It reads Links once.
	Export(ctx context.Context, from *Source, at time.Time, dir string) (*Report, error)
}

// Shortfall is something that a target answers otherwise than Sluice.
type Shortfall struct {
	Link        int64  `json:"link,omitempty"` // 0 for what concerns no single link
	Site        string `json:"site,omitempty"`
	Slug        string `json:"slug,omitempty"`
	Rule        string `json:"rule,omitempty"` // id of the rule, "" for the link itself
	What        string `json:"what"`           // one of a target's few kinds, such as "weights"
	Consequence string `json:"consequence"`    // what a visitor gets instead
}

func (s Shortfall) String() string {
	where := s.Site
	if s.Slug != "" {
		where += "/" + s.Slug
	}
	if s.Rule != "" {
		where += ", rule " + s.Rule
	}
	if where == "" {
		return fmt.Sprintf("%s: %s", s.What, s.Consequence)
	}
	return fmt.Sprintf("%s: %s: %s", where, s.What, s.Consequence)
}

// listedMax is how many shortfalls a report lists; it counts all.
const listedMax = 1000

// Report is what an export has written and what it could not say.
type Report struct {
	Links      int            `json:"links"`   // that were written
	Refused    int            `json:"refused"` // that were not, each with a shortfall
	Counts     map[string]int `json:"counts"`  // shortfalls by What
	Shortfalls []Shortfall    `json:"shortfalls"`
	// Until is when the files begin to say something else than Sluice would, because a schedule
	// or a window of time begins or ends; zero for never.
	Until time.Time `json:"until,omitzero"`
}

// Add counts a shortfall, and lists it while there is room.
func (r *Report) Add(s Shortfall) {
	if r.Counts == nil {
		r.Counts = map[string]int{}
	}
	r.Counts[s.What]++
	if len(r.Shortfalls) < listedMax {
		r.Shortfalls = append(r.Shortfalls, s)
	}
}

// HoldsUntil brings the end of what the files say forward.
func (r *Report) HoldsUntil(t time.Time) {
	if r.Until.IsZero() || t.Before(r.Until) {
		r.Until = t
	}
}

// WriteTo writes the report for people.
func (r *Report) WriteTo(w io.Writer) (n int64, err error) {
	say := func(format string, args ...any) {
		if err == nil {
			var k int
			k, err = fmt.Fprintf(w, format, args...)
			n += int64(k)
		}
	}
	say("%d %s written", r.Links, links(r.Links))
	if r.Refused > 0 {
		say(", %d refused", r.Refused)
	}
	say("\n")
	if !r.Until.IsZero() {
		say("good until %s: then export again\n", r.Until.UTC().Format(time.RFC3339))
	}
	general := map[string]bool{} // what concerns no single link is told once
	for _, s := range r.Shortfalls {
		general[s.What] = general[s.What] || s.Link == 0 && s.Slug == ""
	}
	type kind struct {
		what string
		n    int
	}
	var kinds []kind
	total := 0
	for what, n := range r.Counts {
		total += n
		if !general[what] {
			kinds = append(kinds, kind{what, n})
		}
	}
	slices.SortFunc(kinds, func(a, b kind) int { return cmp.Or(b.n-a.n, cmp.Compare(a.what, b.what)) })
	for _, k := range kinds {
		say("differs from Sluice: %s (%d)\n", k.what, k.n)
	}
	if len(r.Shortfalls) > 0 {
		say("what is answered otherwise than by Sluice:\n")
	}
	for _, s := range r.Shortfalls {
		say("  %s\n", s)
	}
	if total > len(r.Shortfalls) {
		say("  and %d more\n", total-len(r.Shortfalls))
	}
	return n, err
}

func links(n int) string {
	if n == 1 {
		return "link"
	}
	return "links"
}
