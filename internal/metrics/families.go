package metrics

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// collector turns a reading into Prometheus' metrics.
type collector func() Reading

// family is all series of one name.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(r *Reading, emit func(value float64, labels ...string))
}

func counter(name, help string, read func(*Reading, func(float64, ...string)), labels ...string) family {
	return family{prometheus.NewDesc("sluice_"+name, help, labels, nil), prometheus.CounterValue, read}
}

func gauge(name, help string, read func(*Reading, func(float64, ...string)), labels ...string) family {
	return family{prometheus.NewDesc("sluice_"+name, help, labels, nil), prometheus.GaugeValue, read}
}

// Describe names every family.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range families {
		ch <- f.desc
	}
}

// Collect takes one reading for all of them.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	r := c()
	for _, f := range families {
		f.read(&r, func(value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(f.desc, f.kind, value, labels...)
		})
	}
}

// families is the list of docs/operations.md.
var families = concat(process, visits, doors, lanes, table, office, shipper, links, intake, surroundings)

func concat(groups ...[]family) (all []family) {
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

var process = []family{
	gauge("build_info", "Which program this is; always 1.", func(r *Reading, emit func(float64, ...string)) {
		emit(1, r.Version, runtime.Version(), r.Role)
	}, "version", "go_version", "role"),
	gauge("alarm", "1 while the alarm is raised, 0 while all is well.", func(r *Reading, emit func(float64, ...string)) {
		for _, a := range r.Alarms {
			emit(truth(a.Raised), a.Name)
		}
	}, "alarm"),
}

var visits = []family{
	counter("clicks_total", "Visits answered, by what the visitor got.", func(r *Reading, emit func(float64, ...string)) {
		emit(float64(r.Visits.Redirected), "redirected")
		emit(float64(r.Visits.Missing), "missing")
		emit(float64(r.Visits.Refused), "refused")
	}, "outcome"),
	counter("clicks_bot_total", "Visits answered whose verdict is bot.", one(func(r *Reading) float64 { return float64(r.Visits.Bots) })),
	counter("clicks_lost_total", "Visits answered that could not be recorded. More than 0 means that reports miss clicks.",
		one(func(r *Reading) float64 { return float64(r.Visits.Lost) })),
}

var doors = []family{
	gauge("connections", "Connections of visitors that are open.", perDoor(func(d *Door) float64 { return float64(d.Open) }), "listener"),
	counter("connections_handed_on_total", "Connections that the event loops handed to net/http.", perDoor(func(d *Door) float64 { return float64(d.HandedOn) }), "listener"),
	counter("connections_accepted_total", "Connections that visitors have opened.", perDoor(func(d *Door) float64 { return float64(d.Accepted) }), "listener"),
	counter("connections_evicted_total", "Idle or slow connections that were ended to make room.", perDoor(func(d *Door) float64 { return float64(d.Evicted) }), "listener"),
	counter("connections_expired_total", "Connections that were ended because they kept the server waiting.", perDoor(func(d *Door) float64 { return float64(d.Expired) }), "listener"),
	counter("connections_aborted_total", "Connections that their visitors broke off.", perDoor(func(d *Door) float64 { return float64(d.Aborted) }), "listener"),
	counter("connections_rejected_total", "Connections that were closed at once because too many were open.", perDoor(func(d *Door) float64 { return float64(d.Rejected) }), "listener"),
}

var lanes = []family{
	gauge("journal_segments", "Files of the journal.", perLane(func(l *Lane) float64 { return float64(l.Segments) }), "lane"),
	gauge("journal_size_bytes", "Space that the journal takes.", perLane(func(l *Lane) float64 { return float64(l.Bytes) }), "lane"),
	gauge("journal_unsynced_bytes", "What the loss of power could take now, at least.", perLane(func(l *Lane) float64 { return float64(l.UnsyncedBytes) }), "lane"),
	counter("journal_records_total", "Records kept.", perLane(func(l *Lane) float64 { return float64(l.Records) }), "lane"),
	counter("journal_dropped_records_total", "Records that the journal could not keep, by the reason.", dropped, "lane", "reason"),
	counter("journal_sync_failures_total", "Syncs that failed: a loss of power could have taken clicks.", perLane(func(l *Lane) float64 { return float64(l.SyncErrors) }), "lane"),
	gauge("journal_last_sync_timestamp_seconds", "When the journal was last synced.", perLane(func(l *Lane) float64 { return seconds(l.LastSync) }), "lane"),
	counter("journal_damages_total", "Places that could not be read.", perLane(func(l *Lane) float64 { return float64(l.Damages) }), "lane"),
	gauge("journal_set_aside_files", "Damaged files that were set aside.", perLane(func(l *Lane) float64 { return float64(l.SetAsideFiles) }), "lane"),
	gauge("journal_set_aside_bytes", "Size of the damaged files that were set aside.", perLane(func(l *Lane) float64 { return float64(l.SetAsideBytes) }), "lane"),
	counter("journal_rolls_total", "Moves to a next file.", perLane(func(l *Lane) float64 { return float64(l.Rolls) }), "lane"),
	counter("journal_waits_total", "Times that a click waited for a next file.", perLane(func(l *Lane) float64 { return float64(l.Waits) }), "lane"),
	gauge("journal_longest_wait_seconds", "The longest of these waits.", perLane(func(l *Lane) float64 { return l.LongestWait.Seconds() }), "lane"),
}

var table = []family{
	gauge("table_links", "Links that are served.", one(func(r *Reading) float64 { return float64(r.Table.Links) })),
	gauge("table_change", "Number of the newest change that redirects follow.", one(func(r *Reading) float64 { return float64(r.Table.Seq) })),
	gauge("table_saved_change", "Number of the newest change that is in the table's base file; later ones are in its change log.",
		one(func(r *Reading) float64 { return float64(r.Table.SavedSeq) })),
}

var office = []family{
	gauge("office_open", "1 while links can be managed and reports asked for, 0 while only redirects are served.", officeOnly(func(o *Office) float64 { return truth(o.Open) })),
	gauge("catalog_change", "Number of the newest change of links. Redirects follow within moments.", openOffice(func(o *Office) float64 { return float64(o.CatalogSeq) })),
	counter("pipeline_clicks_total", "Clicks brought into the reports.", openOffice(func(o *Office) float64 { return float64(o.Stored) })),
	counter("pipeline_set_aside_total", "Records that could not be read and were set aside.", openOffice(func(o *Office) float64 { return float64(o.SetAside) })),
	counter("pipeline_retries_total", "Attempts to store clicks that failed and were made again.", openOffice(func(o *Office) float64 { return float64(o.Retries) })),
	gauge("pipeline_waiting_clicks", "Clicks that are on disk and not yet in the reports.", openOffice(func(o *Office) float64 { return float64(o.WaitingRecords) })),
	gauge("pipeline_waiting_bytes", "Size of these clicks.", openOffice(func(o *Office) float64 { return float64(o.WaitingBytes) })),
	counter("pipeline_expired_total", "Clicks that the broker has removed before they were read. More than 0 means that reports miss clicks.", openOffice(func(o *Office) float64 { return float64(o.Expired) })),
	gauge("pipeline_sources", "Sources of clicks that this process reads.", openOffice(func(o *Office) float64 { return float64(o.Sources) })),
	gauge("pipeline_lag_seconds", "Age of the newest reported click while others wait; 0 when nothing waits.", openOffice(func(o *Office) float64 { return o.LagSeconds })),
}

var shipper = []family{
	counter("shipper_clicks_total", "Clicks sent to the broker.", shipping(func(s *Shipper) float64 { return float64(s.Sent) })),
	counter("shipper_marked_total", "Of these, clicks that may have been sent before.", shipping(func(s *Shipper) float64 { return float64(s.Marked) })),
	counter("shipper_retries_total", "Attempts to send that failed and were made again.", shipping(func(s *Shipper) float64 { return float64(s.Retries) })),
	gauge("shipper_waiting_clicks", "Clicks that are on disk and not yet with the broker.", shipping(func(s *Shipper) float64 { return float64(s.WaitingRecords) })),
	gauge("shipper_waiting_bytes", "Size of these clicks.", shipping(func(s *Shipper) float64 { return float64(s.WaitingBytes) })),
	gauge("shipper_lag_seconds", "Age of the newest click that was sent while others wait; 0 when nothing waits.", shipping(func(s *Shipper) float64 { return s.LagSeconds })),
}

func shipping(value func(*Shipper) float64) func(*Reading, func(float64, ...string)) {
	return func(r *Reading, emit func(float64, ...string)) {
		if r.Shipper != nil {
			emit(value(r.Shipper))
		}
	}
}

var links = []family{
	gauge("links_head_change", "Number of the newest change that is distributed to nodes.", between(func(l *Links) float64 { return float64(l.Head) })),
	counter("links_steps_total", "Steps of the distributed change log that this node has sent or applied.", between(func(l *Links) float64 { return float64(l.Steps) })),
	counter("links_snapshots_total", "Whole tables that this node has stored for others or taken.", between(func(l *Links) float64 { return float64(l.Snapshots) })),
	gauge("nodes", "Processes of this installation that are there.", between(func(l *Links) float64 { return float64(l.Nodes) })),
	gauge("clock_skew_seconds", "How far this machine's clock is ahead of that of the distribution.", between(func(l *Links) float64 { return l.Skew.Seconds() })),
}

func between(value func(*Links) float64) func(*Reading, func(float64, ...string)) {
	return func(r *Reading, emit func(float64, ...string)) {
		if r.Links != nil {
			emit(value(r.Links))
		}
	}
}

var intake = []family{
	counter("ingest_clicks_total", "Clicks that were made elsewhere and are in the journal; what comes again is among them.", taking(func(i *Intake) float64 { return float64(i.Taken) })),
	counter("ingest_duplicates_total", "Clicks that came again, and count once.", openOffice(func(o *Office) float64 { return float64(o.Duplicates) })),
	counter("ingest_refused_lines_total", "Lines of logs that made no sense.", taking(func(i *Intake) float64 { return float64(i.RefusedLines) })),
	counter("ingest_lost_total", "Clicks that edge workers say they have given up.", taking(func(i *Intake) float64 { return float64(i.Lost) })),
	counter("ingest_requests_total", "Batches that were sent, taken or not.", taking(func(i *Intake) float64 { return float64(i.Requests) })),
	counter("ingest_turned_away_total", "Batches that were turned away, by the reason: no good signature, too many at the same time, no room in the journal.",
		func(r *Reading, emit func(float64, ...string)) {
			if i := r.Intake; i != nil {
				emit(float64(i.Unsigned), "unsigned")
				emit(float64(i.Busy), "busy")
				emit(float64(i.Unstored), "unstored")
			}
		}, "reason"),
	counter("ingest_sender_clicks_total", "Clicks by the site's key that signed them.", perSender(func(s *Sender) float64 { return float64(s.Clicks) }), "site", "key"),
	gauge("ingest_clock_skew_seconds", "How far the sender's clock was ahead of ours at its last batch.", perSender(func(s *Sender) float64 { return s.Skew.Seconds() }), "site", "key"),
	gauge("ingest_last_batch_timestamp_seconds", "When the key last signed a batch.", perSender(func(s *Sender) float64 { return seconds(s.Last) }), "site", "key"),
	gauge("ingest_newest_click_timestamp_seconds", "Time of the newest click of that batch.", perSender(func(s *Sender) float64 { return seconds(s.Newest) }), "site", "key"),
}

func taking(value func(*Intake) float64) func(*Reading, func(float64, ...string)) {
	return func(r *Reading, emit func(float64, ...string)) {
		if r.Intake != nil {
			emit(value(r.Intake))
		}
	}
}

func perSender(value func(*Sender) float64) func(*Reading, func(float64, ...string)) {
	return func(r *Reading, emit func(float64, ...string)) {
		if r.Intake != nil {
			for i := range r.Intake.Senders {
				s := &r.Intake.Senders[i]
				emit(value(s), s.Site, s.Key)
			}
		}
	}
}

var surroundings = []family{
	gauge("disk_free_bytes", "Free space for the data folder.", onDisk(func(d *Disk) float64 { return float64(d.Free) })),
	gauge("disk_size_bytes", "Size of the disk that the data folder is on.", onDisk(func(d *Disk) float64 { return float64(d.Size) })),
	gauge("certificate_expiry_timestamp_seconds", "When a certificate ends, by the first of its names; 0 while there is none.", func(r *Reading, emit func(float64, ...string)) {
		said := map[string]bool{}
		for _, c := range r.Certs {
			if !said[c.Name] { // two of one name differ in their keys' kind
				said[c.Name] = true
				emit(seconds(c.Expires), c.Name)
			}
		}
	}, "name"),
}

func one(value func(*Reading) float64) func(*Reading, func(float64, ...string)) {
	return func(r *Reading, emit func(float64, ...string)) { emit(value(r)) }
}

func perDoor(value func(*Door) float64) func(*Reading, func(float64, ...string)) {
	return func(r *Reading, emit func(float64, ...string)) {
		for i := range r.Doors {
			emit(value(&r.Doors[i]), r.Doors[i].Name)
		}
	}
}

func perLane(value func(*Lane) float64) func(*Reading, func(float64, ...string)) {
	return func(r *Reading, emit func(float64, ...string)) {
		for i := range r.Lanes {
			emit(value(&r.Lanes[i]), r.Lanes[i].Name)
		}
	}
}

func dropped(r *Reading, emit func(float64, ...string)) {
	for i := range r.Lanes {
		l := &r.Lanes[i]
		emit(float64(l.DroppedFull), l.Name, "full")
		emit(float64(l.DroppedTooLarge), l.Name, "too_large")
		emit(float64(l.DroppedFailed), l.Name, "failed")
		emit(float64(l.DroppedClosed), l.Name, "closed")
	}
}

func officeOnly(value func(*Office) float64) func(*Reading, func(float64, ...string)) {
	return func(r *Reading, emit func(float64, ...string)) {
		if r.Office != nil {
			emit(value(r.Office))
		}
	}
}

// openOffice leaves its series out while the office is closed: a 0 would say that
// nothing waits.
func openOffice(value func(*Office) float64) func(*Reading, func(float64, ...string)) {
	return func(r *Reading, emit func(float64, ...string)) {
		if r.Office != nil && r.Office.Open {
			emit(value(r.Office))
		}
	}
}

func onDisk(value func(*Disk) float64) func(*Reading, func(float64, ...string)) {
	return func(r *Reading, emit func(float64, ...string)) {
		if r.Disk != nil {
			emit(value(r.Disk))
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

var _ prometheus.Collector = collector(nil)
