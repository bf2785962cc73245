package app

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/metrics"
)

// metricsHandler answers whoever reaches the admin address, as the exporters do
// that operators know, unless metrics.token asks for more.
func (a *App) metricsHandler() http.Handler {
	h := metrics.Handler(a.reading)
	token := a.config.Metrics.Token
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token != "" && !api.ByOperator(r) && !bears(r, token) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "send metrics.token as: Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func bears(r *http.Request, token string) bool {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare([]byte(secret), []byte(token)) == 1
}

// reading gathers what every part counts by itself.
func (a *App) reading() metrics.Reading {
	visits, table := a.plane.redirector.Stats(), a.plane.tables.Current()
	r := metrics.Reading{
		Version: a.options.Version, Role: string(a.config.Role),
		Visits: metrics.Visits{Redirected: visits.Redirected, Missing: visits.Missing,
			Refused: max(visits.Visits-visits.Redirected-visits.Missing, 0), Bots: visits.Bots, Lost: a.lostClicks()},
		Doors: a.doorReadings(),
		Table: metrics.Table{Links: int64(table.Links()), Seq: table.Seq(), SavedSeq: a.plane.tables.Saved()},
	}
	for _, l := range a.lanes() {
		r.Lanes = append(r.Lanes, a.laneReading(&l))
	}
	if a.hasOffice() || a.collects() {
		r.Office, r.Intake = a.officeReading(), a.intakeReading()
	}
	if s, ok := a.shipped(); ok {
		r.Shipper = &metrics.Shipper{Sent: s.Sent, Marked: s.Marked, Retries: s.Retries,
			WaitingRecords: s.Lag.Records, WaitingBytes: s.Lag.Bytes, LagSeconds: s.LagSeconds}
	}
	r.Links = a.linksReading()
	if free, size, ok := a.disk(); ok {
		r.Disk = &metrics.Disk{Free: free, Size: size}
	}
	for _, s := range a.certificates() {
		r.Certs = append(r.Certs, metrics.Certificate{Name: s.Name, Expires: s.Expires})
	}
	raised := map[string]bool{}
	for _, alarm := range a.alarms() {
		raised[alarm.Name] = true
	}
	for _, name := range alarmNames {
		r.Alarms = append(r.Alarms, metrics.Alarm{Name: name, Raised: raised[name]})
	}
	return r
}

func (a *App) doorReadings() (doors []metrics.Door) {
	if s := a.ops.loops.Load(); s != nil {
		n := s.Stats()
		doors = append(doors, metrics.Door{Name: "plain", Open: n.Open, HandedOn: n.HandedOn, Rejected: n.Rejected,
			Accepted: n.Accepted, Evicted: n.Evicted, Expired: n.Expired, Aborted: n.Aborted})
	}
	if d := a.ops.secure.Load(); d != nil {
		doors = append(doors, metrics.Door{Name: "tls", Open: d.listener.open.Load(), Rejected: d.listener.rejected.Load()})
	}
	return doors
}

func (a *App) laneReading(l *laneStats) metrics.Lane {
	s := &l.stats
	unsynced := s.UnsyncedBytes
	if unsynced < 0 { // more than a segment
		unsynced = int64(a.config.Journal.SegmentBytes)
	}
	return metrics.Lane{
		Name: l.name, Segments: int64(s.Segments), Bytes: s.Bytes, UnsyncedBytes: unsynced, Records: s.Appended,
		DroppedFull: s.DroppedFull, DroppedTooLarge: s.DroppedTooLarge, DroppedFailed: s.DroppedFailed, DroppedClosed: s.DroppedClosed,
		SyncErrors: s.SyncErrors, Damages: s.Damages, Rolls: s.Rolls, Waits: s.Waits,
		SetAsideFiles: int64(s.SetAsideFiles), SetAsideBytes: s.SetAsideBytes, LongestWait: s.LongestWait, LastSync: s.LastSync,
	}
}

// catalogPatience bounds how long a reading waits for the store.
const catalogPatience = time.Second

func (a *App) officeReading() *metrics.Office {
	m := &metrics.Office{Open: a.office.get() != nil || a.reports.get() != nil}
	if o := a.office.get(); o != nil {
		ctx, cancel := context.WithTimeout(context.Background(), catalogPatience)
		defer cancel()
		if seq, err := o.catalog.LastSeq(ctx); err == nil {
			a.ops.catalogSeq.Store(seq)
		}
	}
	m.CatalogSeq = a.ops.catalogSeq.Load()
	if s, ok := a.collected(); ok {
		m.Stored, m.SetAside, m.Duplicates, m.Retries = s.Stored, s.SetAside, s.Duplicates, s.Retries
		m.Expired, m.Sources = s.Lost, s.Sources
		m.WaitingRecords, m.WaitingBytes, m.LagSeconds = s.Lag.Records, s.Lag.Bytes, s.LagSeconds
	}
	return m
}

func (a *App) linksReading() *metrics.Links {
	n := a.neighbours.get()
	if n == nil {
		return nil
	}
	m := &metrics.Links{}
	if n.follower != nil {
		s := n.follower.Stats()
		m.Head, m.Steps, m.Snapshots = s.Head, s.Applied, s.Installed
	} else if sender := n.sender.Load(); sender != nil {
		s := sender.Stats()
		m.Head, m.Steps, m.Snapshots = s.Head, s.Sent, s.Snapshots
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	m.Nodes, m.Skew = len(n.nodes), n.skew
	return m
}
