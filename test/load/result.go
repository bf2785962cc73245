package load

import (
	"fmt"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what the visitors met. Every request that was sent is in exactly one
// of Answered, Refused, Wrong, Broken and Unanswered.
type Result struct {
	Seconds    float64 `json:"seconds"` // in which requests were sent
	Sent       int64   `json:"sent"`
	Answered   int64   `json:"answered"`   // a whole 302 that leads where it should
	Refused    int64   `json:"refused"`    // a whole answer that is no 302
	Wrong      int64   `json:"wrong"`      // a 302 elsewhere, or what is no answer
	Broken     int64   `json:"broken"`     // the connection ended first
	Unanswered int64   `json:"unanswered"` // still open when the visitors left

	Missed       int64 `json:"missed"`        // not sent, because there was no connection when they were due
	Connected    int64 `json:"connected"`     // connections that were made
	NotConnected int64 `json:"not_connected"` // attempts that failed

	// Wait is from the moment when a request was due (at a rate) or sent (without
	// one) until its answer was whole; Late is how much later than due it was sent
	// although a connection was free: the visitors' own fault.
	Wait Quantiles `json:"wait_ms"`
	Late Quantiles `json:"late_ms"`

	FirstFault string `json:"first_fault,omitempty"` // of the refused and wrong ones
}

// Quantiles of times, in milliseconds.
type Quantiles struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

func quantiles(h *hdrhistogram.Histogram) Quantiles {
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e6 }
	return Quantiles{at(50), at(99), at(99.9), float64(h.Max()) / 1e6}
}

// PerSecond is how many right answers came in a second.
func (r *Result) PerSecond() float64 { return float64(r.Answered) / r.Seconds }

// Faults says what was not as it should be; "" when every request was answered well.
func (r *Result) Faults() string {
	var faults []string
	for _, f := range []struct {
		n    int64
		what string
	}{{r.Refused, "refused"}, {r.Wrong, "answered wrongly"}, {r.Broken, "broken off"}, {r.Unanswered, "not answered"},
		{r.Missed, "not sent for want of a connection"}, {r.NotConnected, "not connected"}} {
		if f.n > 0 {
			faults = append(faults, fmt.Sprintf("%d %s", f.n, f.what))
		}
	}
	if r.FirstFault != "" {
		faults = append(faults, "the first fault: "+r.FirstFault)
	}
	return strings.Join(faults, ", ")
}

func (r *Result) String() string {
	s := fmt.Sprintf("%d answered in %.2f s, %.0f/s; wait p50 %.3f, p99 %.3f, p99.9 %.3f, at most %.3f ms",
		r.Answered, r.Seconds, r.PerSecond(), r.Wait.P50, r.Wait.P99, r.Wait.P999, r.Wait.Max)
	if r.Late.Max > 0 {
		s += fmt.Sprintf("; sent late by p99.9 %.3f, at most %.3f ms", r.Late.P999, r.Late.Max)
	}
	if faults := r.Faults(); faults != "" {
		s += "; " + faults
	}
	return s
}
