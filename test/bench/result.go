package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// result is what a run leaves for machines.
type result struct {
	Started time.Time    `json:"started"`
	Short   bool         `json:"short"` // numbers too small to be held against what was asked
	Rounds  int          `json:"rounds"`
	Size    size         `json:"size"`
	Machine machine      `json:"machine"`
	Parts   []partResult `json:"parts"`
	Figures []figure     `json:"figures"`
}

// figure is one thing that was measured, some of them asked for by the
// requirements.
type figure struct {
	Name    string    `json:"name"`
	Unit    string    `json:"unit"`
	Asked   string    `json:"asked,omitempty"` // "" for information
	Median  float64   `json:"median"`
	Least   float64   `json:"least"`
	Most    float64   `json:"most"`
	P99     float64   `json:"p99,omitempty"` // of 100 samples or more
	Samples []float64 `json:"samples"`
	Notes   []string  `json:"notes,omitempty"` // one for each round
}

// figures in the order in which they were first met.
type figures struct{ all []*figure }

// of returns the figure of a name.
func (f *figures) of(name, unit, asked string) *figure {
	for _, have := range f.all {
		if have.Name == name {
			return have
		}
	}
	f.all = append(f.all, &figure{Name: name, Unit: unit, Asked: asked})
	return f.all[len(f.all)-1]
}

func (f *figure) add(samples ...float64) { f.Samples = append(f.Samples, samples...) }

func (f *figure) note(format string, args ...any) {
	f.Notes = append(f.Notes, fmt.Sprintf(format, args...))
}

func (f *figures) summed() []figure {
	var out []figure
	for _, f := range f.all {
		f.Median, f.Least, f.Most = quantile(f.Samples, 0.5), quantile(f.Samples, 0), quantile(f.Samples, 1)
		if len(f.Samples) >= 100 {
			f.P99 = quantile(f.Samples, 0.99)
		}
		out = append(out, *f)
	}
	return out
}

// quantile is the sample below which a share q of the others lies; 0 without samples.
func quantile(samples []float64, q float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low == len(sorted)-1 {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// text is the table.
func (r *result) text() string {
	var b strings.Builder
	if r.Short {
		b.WriteString("SHORT RUN: smaller numbers than those that were asked for; see bench.json\n")
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "figure\tasked\tmedian\trange\tsamples\tunit")
	for _, f := range r.Figures {
		spread := number(f.Least) + " – " + number(f.Most)
		if len(f.Samples) == 1 {
			spread = ""
		}
		if f.P99 > 0 {
			spread += ", p99 " + number(f.P99)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", f.Name, f.Asked, number(f.Median), spread, len(f.Samples), f.Unit)
	}
	_ = w.Flush() // a Builder takes everything
	b.WriteString("\n")
	for _, f := range r.Figures {
		for _, note := range f.Notes {
			fmt.Fprintf(&b, "%s: %s\n", f.Name, note)
		}
	}
	for _, p := range r.Parts {
		fmt.Fprintf(&b, "%s, round %d: %s\n", p.Name, p.Round, p.text())
	}
	return b.String()
}

// number writes about three digits.
func number(v float64) string {
	switch {
	case v >= 1000:
		return grouped(int64(v + 0.5))
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (r *result) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return err
	}
	fmt.Printf("\nevery sample: %s\n", path)
	return nil
}
