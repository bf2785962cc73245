package api

import (
	"context"
	"net/http"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
)

// Status describes the running server. Parts that a server does not have are
// absent.
type Status struct {
	Version       string           `json:"version" doc:"Version of the program." example:"0.1.0"`
	Role          string           `json:"role,omitempty" doc:"Which parts this process runs." example:"all"`
	StartedAt     time.Time        `json:"started_at" doc:"When the server started."`
	UptimeSeconds int64            `json:"uptime_seconds" doc:"How long it has been running."`
	DataDir       string           `json:"data_dir,omitempty" doc:"The data folder." example:"/var/lib/sluice"`
	Links         int64            `json:"links" doc:"Links in the routing table."`
	TableSeq      int64            `json:"table_seq" doc:"Number of the newest change that redirects follow."`
	CatalogSeq    int64            `json:"catalog_seq" doc:"Number of the newest change. Redirects follow within moments."`
	Journal       *JournalStatus   `json:"journal,omitempty" doc:"The journal of clicks."`
	Pipeline      *PipelineStatus  `json:"pipeline,omitempty" doc:"What carries clicks from the journal, or the broker, to the reports."`
	Shipper       *PipelineStatus  `json:"shipper,omitempty" doc:"What carries clicks from this machine's journal to the broker, where there is one."`
	Nodes         []NodeStatus     `json:"nodes,omitempty" doc:"The processes of this installation, where there are several."`
	Ingest        *IngestStatus    `json:"ingest,omitempty" doc:"Clicks that were made elsewhere, since the start."`
	Analytics     *analytics.Stats `json:"analytics,omitempty" doc:"What the reports are made from."`
	Geo           []GeoSource      `json:"geo" doc:"Where countries and networks are known from."`
	Disk          *DiskStatus      `json:"disk,omitempty" doc:"The disk that the data folder is on."`
	Alarms        []Alarm          `json:"alarms" doc:"What needs somebody now, most urgent first; empty when all is well. The same as in /healthz and /metrics."`
	Warnings      []Warning        `json:"warnings" doc:"What else an operator should know, most urgent first; empty when all is well."`
}

// JournalStatus describes the journal of clicks.
type JournalStatus struct {
	Segments int64 `json:"segments" doc:"Files."`
	Bytes    int64 `json:"bytes" doc:"Size on disk."`
	Dropped  int64 `json:"dropped" doc:"Clicks that could not be kept since the start. Anything but 0 is an alarm."`
}

// PipelineStatus says how far the reports are behind.
type PipelineStatus struct {
	Records int64   `json:"records" doc:"Clicks that are stored and have not arrived yet."`
	Bytes   int64   `json:"bytes" doc:"Their size."`
	Seconds float64 `json:"seconds" doc:"Age of the oldest of them."`
}

// NodeStatus is a process as it describes itself to the others.
type NodeStatus struct {
	Name        string  `json:"name" doc:"What it is called." example:"redirect-3-QX4T"`
	Number      int     `json:"number" doc:"Its node number, which is in the click ids that it makes."`
	Role        string  `json:"role" doc:"Which parts it runs." example:"redirect"`
	Version     string  `json:"version" doc:"Version of the program."`
	Address     string  `json:"address" doc:"Its admin address."`
	TableSeq    int64   `json:"table_seq" doc:"Number of the newest change that it follows."`
	Waiting     int64   `json:"waiting" doc:"Clicks that wait there to be sent on or stored."`
	SkewSeconds float64 `json:"skew_seconds" doc:"How far its clock is ahead of the distribution's."`
	Alarms      int     `json:"alarms" doc:"How many alarms are raised there."`
}

// IngestStatus counts clicks that were made elsewhere.
type IngestStatus struct {
	Taken      int64          `json:"taken" doc:"Clicks that were stored in the journal."`
	Duplicates int64          `json:"duplicates" doc:"Clicks that came again, and count once."`
	Refused    int64          `json:"refused" doc:"Lines of logs that made no sense."`
	Lost       int64          `json:"lost" doc:"Clicks that edge workers say they have given up."`
	Requests   int64          `json:"requests" doc:"Batches that were sent, taken or not."`
	Unsigned   int64          `json:"unsigned" doc:"Batches without a good signature."`
	Busy       int64          `json:"busy" doc:"Batches that were turned away because too many came at the same time."`
	Unstored   int64          `json:"unstored" doc:"Batches that were turned away because the journal could not take them."`
	Keys       []IngestSender `json:"keys" doc:"Who has sent."`
}

// IngestSender is a key that was used.
type IngestSender struct {
	Key         string    `json:"key" doc:"Site and number of the key." example:"blog.2"`
	Clicks      int64     `json:"clicks" doc:"Clicks that came with it."`
	Last        time.Time `json:"last" doc:"When a batch last came."`
	SkewSeconds float64   `json:"skew_seconds" doc:"How far the sender's clock was ahead of this machine's then." example:"-0.4"`
	Newest      time.Time `json:"newest,omitzero" doc:"Time of the newest click of the last batch."`
}

// GeoSource is a file or header that knows countries or networks.
type GeoSource struct {
	Name  string     `json:"name" doc:"What it is." example:"built in"`
	Kind  string     `json:"kind,omitempty" doc:"What it knows." example:"country"`
	Path  string     `json:"path,omitempty" doc:"The file."`
	Built *time.Time `json:"built,omitempty" doc:"When its data was made."`
}

// DiskStatus describes the data folder's disk.
type DiskStatus struct {
	FreeBytes  int64 `json:"free_bytes" doc:"Free space."`
	TotalBytes int64 `json:"total_bytes" doc:"Size."`
}

// Alarm is something that is wrong now. It goes away by itself when it is over.
type Alarm struct {
	Name   string    `json:"name" doc:"Which alarm; the label in /metrics." example:"journal_space"`
	What   string    `json:"what" doc:"What is wrong." example:"the journal of clicks has no space"`
	Since  time.Time `json:"since" doc:"When it was noticed."`
	Count  int64     `json:"count" doc:"How many clicks were lost since then, or wait, or how many certificates it is about, by the alarm; 0 where nothing is counted."`
	Remedy string    `json:"remedy" doc:"What to do." example:"make room on the disk; recording goes on by itself"`
}

// Warning is something that an operator should know.
type Warning struct {
	What   string `json:"what" doc:"What is wrong." example:"the disk is almost full: 2.1 GB free"`
	Where  string `json:"where,omitempty" doc:"Where." example:"/var/lib/sluice"`
	Remedy string `json:"remedy,omitempty" doc:"What to do." example:"free some space, or move the data folder"`
}

func (s *server) registerStatus() {
	handle(s, operation{
		method: http.MethodGet, path: "/status", id: "getStatus", tag: "Status", access: read,
		summary: "Show the server's state", description: "Version, sizes, how far the reports are behind, and what is wrong.",
	}, s.status)
}

func (s *server) status(ctx context.Context, _ *struct{}) (*struct{ Body Status }, error) {
	var out struct{ Body Status }
	if s.Status != nil {
		out.Body = s.Status(ctx)
	}
	b := &out.Body
	if b.Version == "" {
		b.Version = s.Version
	}
	if b.StartedAt.IsZero() {
		b.StartedAt = s.started
	}
	if b.UptimeSeconds == 0 {
		b.UptimeSeconds = int64(s.Now().Sub(b.StartedAt).Seconds())
	}
	if b.Geo == nil {
		b.Geo = []GeoSource{}
	}
	if b.Alarms == nil {
		b.Alarms = []Alarm{}
	}
	if b.Warnings == nil {
		b.Warnings = []Warning{}
	}
	return &out, nil
}
