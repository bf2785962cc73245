package analytics

import (
	"context"
	"encoding/binary"
	"time"
)

// Dumper is an Engine that tells all that it keeps, so that another can keep it.
type Dumper interface {
	// Days lists the days, in UTC, that have clicks, in their order.
	Days(ctx context.Context) ([]Day, error)
	// Dump calls fn for the rows with since <= time < until, in the order of their ids, some DumpRows
	// at a time, so that memory does not grow with the time asked for. Of rows with one id those that
	// count come first, and of these the unique ones. The rows are fn's to keep, their slice is not.
	// An error of fn ends the dump and is returned. Rows that come meanwhile may be left out.
	Dump(ctx context.Context, since, until time.Time, fn func(rows []Row) error) error
	// Positions returns where each source stands.
	Positions(ctx context.Context) (map[string]string, error)
}

// DumpRows is how many rows Dump reads at a time; more only where they are of one second.
const DumpRows = 1 << 15

// Day is a day that has clicks.
type Day struct {
	Start time.Time // UTC
	Rows  int64     // about: an engine may count a click twice that it shows once
}

// Counted is how many rows begin at a moment and end before the next one.
type Counted struct {
	At   time.Time
	Rows int64
}

// Spans joins moments, in their order and each of a width, to spans of not more than DumpRows rows, or of one moment.
// Each is called as [since, until).
func Spans(moments []Counted, width time.Duration, fn func(since, until time.Time) error) error {
	for first := 0; first < len(moments); {
		end, rows := first+1, moments[first].Rows
		for end < len(moments) && rows+moments[end].Rows <= DumpRows {
			rows += moments[end].Rows
			end++
		}
		if err := fn(moments[first].At, moments[end-1].At.Add(width)); err != nil {
			return err
		}
		first = end
	}
	return nil
}

// AppendTo writes all that a row says, so that two are written alike only if they are alike.
func (r *Row) AppendTo(b []byte) []byte {
	text := func(texts ...string) {
		for _, s := range texts {
			b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
		}
	}
	number := func(numbers ...uint64) {
		for _, n := range numbers {
			b = binary.AppendUvarint(b, n)
		}
	}
	flag := func(is bool) uint64 {
		if is {
			return 1
		}
		return 0
	}
	b = append(append(b, r.ID[:]...), r.Visitor[:]...)
	number(uint64(r.Outcome), uint64(r.Code), uint64(r.Why), uint64(r.Link), uint64(r.Signals), uint64(r.Fetch), uint64(r.Verdict), uint64(r.Reasons),
		uint64(r.ASN), uint64(r.Device), flag(r.Unique), flag(r.Duplicate))
	text(r.Site, r.Host, r.Slug, r.Program, r.Partner, r.Variant, r.Rule, r.Page, r.URL, r.Agent, r.Referrer, r.Language, r.Country, r.Query,
		r.Network, r.Browser, r.BrowserVersion, r.OS, r.BotName, r.BotClass, r.ReferrerHost)
	if r.IP.IsValid() {
		text(r.IP.Unmap().String())
	} else {
		text("")
	}
	text(r.Subs[:]...)
	return b
}
