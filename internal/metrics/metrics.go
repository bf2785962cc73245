// Package metrics says in Prometheus' text format what a process counts.
//
// The names, and the values that a label can have, are fixed here: no word of a
// visitor can become a label, and the number of series is bounded by the number of
// journal lanes, certificates, alarms and sites' keys that there are. A reading is taken when
// somebody asks; between readings nothing is done.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Reading is all counts and states at one moment. Counts are since the start of the
// process.
type Reading struct {
	Version, Role string

	Visits  Visits
	Doors   []Door
	Lanes   []Lane
	Table   Table
	Office  *Office  // nil where none runs
	Intake  *Intake  // nil where none runs
	Shipper *Shipper // nil where clicks go to no broker
	Links   *Links   // nil where no other nodes are
	Disk    *Disk    // nil when it is not known
	Certs   []Certificate
	Alarms  []Alarm // every alarm that there can be
}

// Visits counts visitors by what became of them.
type Visits struct {
	Redirected, Missing, Refused int64
	Bots                         int64 // of them all, by the verdict
	Lost                         int64 // redirected or not, but not recorded
}

// Door is one listener for visitors.
type Door struct {
	Name                                string // "plain" or "tls"
	Open, HandedOn, Rejected            int64
	Accepted, Evicted, Expired, Aborted int64
}

// Lane is the journal of one writer.
type Lane struct {
	Name                                             string
	Segments, Bytes, UnsyncedBytes                   int64
	Records                                          uint64
	DroppedFull, DroppedTooLarge, DroppedFailed      uint64
	DroppedClosed, SyncErrors, Damages, Rolls, Waits uint64
	SetAsideFiles, SetAsideBytes                     int64
	LongestWait                                      time.Duration
	LastSync                                         time.Time
}

// Table is the routing table.
type Table struct{ Links, Seq, SavedSeq int64 }

// Office is the control plane and the pipeline.
type Office struct {
	Open                         bool
	CatalogSeq                   int64
	Stored, SetAside, Retries    int64
	Duplicates                   int64
	WaitingRecords, WaitingBytes int64
	LagSeconds                   float64
	Expired                      int64 // removed by the broker unread
	Sources                      int   // read by this process
}

// Shipper is what sends this node's clicks to the broker.
type Shipper struct {
	Sent, Marked, Retries        int64
	WaitingRecords, WaitingBytes int64
	LagSeconds                   float64
}

// Links is what carries links between nodes.
type Links struct {
	Head      int64 // change that was distributed last
	Steps     int64 // sent or applied
	Snapshots int64 // stored or taken
	Nodes     int   // that are there, this one included
	Skew      time.Duration
}

// Intake is where clicks come in that were made elsewhere.
type Intake struct {
	Taken, RefusedLines, Lost          int64
	Requests, Unsigned, Busy, Unstored int64
	Senders                            []Sender
}

// Sender is a key of a site that signed a batch.
type Sender struct {
	Site, Key    string
	Clicks       int64
	Skew         time.Duration // of its clock, ahead of ours
	Last, Newest time.Time     // batch; click of that
}

// Disk is the one that holds the data folder.
type Disk struct{ Free, Size int64 }

// Certificate is one of those that visitors are shown.
type Certificate struct {
	Name    string
	Expires time.Time
}

// Alarm is something that can be wrong.
type Alarm struct {
	Name   string
	Raised bool
}

// Handler answers with what read returns, and with the state of the Go runtime and
// of the process.
func Handler(read func() Reading) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector(read))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: inFlightMax})
}

// inFlightMax is how many may be answered at the same time; the others are told to
// come again.
const inFlightMax = 4
