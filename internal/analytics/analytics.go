// Package analytics is the contract of the engines that keep enriched clicks and
// answer reports about them.
//
// An engine stores a batch and the position that the batch leads to in one step,
// so a click is counted exactly once in effect: after a crash the collector asks
// for the position and goes on from there. Engines own no rule about what a click
// is worth; a row arrives with its verdict and is only counted.
package analytics

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Engine keeps clicks. Its methods may be called at the same time from several
// goroutines; Append by one at a time for each source.
type Engine interface {
	// Append stores the batch's rows and its position, both or neither. It
	// returns ErrPosition, and stores nothing, when the engine's position for
	// the source is not batch.From: another collector was here. It does not
	// retain the batch.
	Append(ctx context.Context, batch Batch) error

	// Position returns where the source stands, "" when nothing of it was
	// stored yet.
	Position(ctx context.Context, source string) (string, error)

	// Report counts clicks. Rows come ordered by the query's Order.
	Report(ctx context.Context, q Query) (*Report, error)

	// Export writes the matching clicks while they are read: memory does not
	// grow with their number. CSV comes oldest first; Parquet, whose readers
	// sort for themselves, may come in the order in which clicks were stored.
	Export(ctx context.Context, f Filter, format ExportFormat, w io.Writer) error

	// Uniques calls fn for every unique click since the instant, in any order.
	// The collector rebuilds its memory of recent visitors from it.
	Uniques(ctx context.Context, since time.Time, fn func(visitor affiliate.VisitorID, link int64, at time.Time)) error

	// Clicks returns the clicks with these ids, ClicksMax at most, each once and
	// in any order. Ids that are not there, or not there yet, are left out; so is
	// the zero id.
	Clicks(ctx context.Context, ids []affiliate.ClickID) ([]Touch, error)

	// Known returns which of the ids there are clicks of, each once and in any
	// order; KnownMax may be asked for at a time. Those that are not there, or not
	// there yet, are left out; so is the zero id. The collector asks about clicks
	// that were made elsewhere, which may come again after months.
	Known(ctx context.Context, ids []affiliate.ClickID) ([]affiliate.ClickID, error)

	// UniquesOf calls fn, in any order, for every unique click that one of the
	// visitors, KnownMax at most, made in [since, until]. Clicks without a visitor
	// are nobody's.
	UniquesOf(ctx context.Context, visitors []affiliate.VisitorID, since, until time.Time, fn func(visitor affiliate.VisitorID, link int64, at time.Time)) error

	// Touches returns the valid clicks of visitors, VisitorsMax at most, on links
	// of the program (by its id at the click), newest first: for each visitor the
	// newest TouchesMax. Both ends of [since, until] count; a zero time leaves its
	// end open. Clicks without a visitor are nobody's touches.
	Touches(ctx context.Context, program string, visitors []affiliate.VisitorID, since, until time.Time) ([]Touch, error)

	// Stats describes what is kept.
	Stats(ctx context.Context) (Stats, error)

	// Close flushes and releases the engine.
	Close() error
}

// ErrPosition says that a batch does not continue where its source stands.
var ErrPosition = errors.New("analytics: the batch does not start where its source stands")

// Batch is what Append stores: rows that stood between two positions of a source,
// such as the journal of one node.
type Batch struct {
	Source string // "NODE/LANE"
	From   string // "" at the very beginning
	To     string
	Rows   []Row
}

// Row is a click with what was found out about it after the redirect.
type Row struct {
	affiliate.Click

	ASN            uint32
	Network        string // owner of the address, by its ASN
	Browser        string
	BrowserVersion string // major
	OS             string
	Device         affiliate.Device
	BotName        string
	BotClass       string // search, preview, monitor, tool, ai, seo, other
	ReferrerHost   string
	Unique         bool // first valid click of the visitor on the link within 24 h
	Duplicate      bool // the same visitor and link within seconds: not a valid click
}

// Valid says whether the row counts as a click in reports.
func (r *Row) Valid() bool { return r.Counts() && !r.Duplicate }

// Dimension is something that reports can be broken down by.
type Dimension string

// The dimensions. Time dimensions are cut in the query's zone.
const (
	ByHour     Dimension = "hour"  // "2026-11-20T13:00"
	ByDay      Dimension = "day"   // "2026-11-20"
	ByWeek     Dimension = "week"  // the Monday, "2026-11-16"
	ByMonth    Dimension = "month" // "2026-11"
	ByLink     Dimension = "link"  // slug; rows also carry "link_id"
	BySite     Dimension = "site"
	ByProgram  Dimension = "program"
	ByPartner  Dimension = "partner"
	ByVariant  Dimension = "variant"
	ByRule     Dimension = "rule"
	ByCountry  Dimension = "country"
	ByNetwork  Dimension = "network" // owner of the address
	ByDevice   Dimension = "device"
	ByBrowser  Dimension = "browser"
	ByOS       Dimension = "os"
	ByReferrer Dimension = "referrer" // host
	ByPage     Dimension = "page"
	ByVerdict  Dimension = "verdict"
	ByBot      Dimension = "bot"
	ByOutcome  Dimension = "outcome"
	BySub1     Dimension = "sub1" // … sub10
)

// Filter chooses clicks. Zero values choose all.
type Filter struct {
	Since, Until time.Time // [Since, Until)
	// Is keeps the rows whose dimension has one of the values. Links may be
	// given by slug or by id ("#17"). Time dimensions are not allowed here.
	Is map[Dimension][]string
}

// Query asks for a report.
type Query struct {
	Filter
	By    []Dimension // at most DimensionsMax
	Zone  string      // IANA name; "UTC" when empty
	Order string      // a metric or dimension, "-" in front for descending; default: time dimensions ascending, else -clicks
	Limit int         // rows, RowsMax at most; default RowsDefault
	// All adds what does not count: the metrics total, bots, prefetches.
	All bool
}

// Limits of a report.
const (
	DimensionsMax = 4
	RowsDefault   = 1000
	RowsMax       = 100_000
)

// Report is the answer to a query.
type Report struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	Zone  string    `json:"zone"`
	By    []string  `json:"by"`
	// Rows hold the dimensions by name and the metrics clicks and uniques, and
	// with Query.All also total, bots and prefetches.
	Rows []map[string]any `json:"rows"`
	// Totals are the metrics over all matching clicks, not only the rows shown.
	Totals map[string]int64 `json:"totals"`
	// More says that there were more rows than the limit.
	More bool `json:"more"`
}

// ExportFormat is csv or parquet.
type ExportFormat string

// The formats.
const (
	CSV     ExportFormat = "csv"
	Parquet ExportFormat = "parquet"
)

// Stats describes what an engine keeps.
type Stats struct {
	Engine string    `json:"engine"`
	Clicks int64     `json:"clicks"`
	First  time.Time `json:"first,omitzero"`
	Last   time.Time `json:"last,omitzero"`
	Bytes  int64     `json:"bytes"` // on disk
}
