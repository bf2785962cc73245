package app

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/redirect/eventloop"
)

// operations is what an operator can see of the process from outside.
type operations struct {
	loops  atomic.Pointer[eventloop.Server]
	secure atomic.Pointer[secureDoor]
	alarms alarms

	catalogSeq atomic.Int64           // as it was read last
	admin      atomic.Pointer[string] // address of that door
}

// The alarms, most urgent first. Their names are labels of a metric and a promise.
const (
	alarmLost        = "clicks_lost"
	alarmSpace       = "journal_space"
	alarmSync        = "journal_sync"
	alarmDisk        = "disk_low"
	alarmReports     = "reports_stopped"
	alarmOffice      = "office_closed"
	alarmCertificate = "certificate"
	alarmSecrets     = "webhook_secrets"
	alarmShipping    = "clicks_not_sent"
	alarmBroker      = "clicks_expired"
	alarmNeighbours  = "links_not_shared"
	alarmEngines     = "engine_unsafe"
)

var alarmNames = []string{alarmLost, alarmSpace, alarmSync, alarmDisk, alarmBroker, alarmReports, alarmShipping, alarmNeighbours, alarmEngines, alarmOffice, alarmCertificate, alarmSecrets}

// lossLasts is how long after the last lost click the alarm stays, so that nobody
// misses a loss that came and went.
const lossLasts = time.Minute

// diskFreeAlarm is the free space below which clicks are soon lost.
const diskFreeAlarm = 256 << 20

// condition is what was found about one alarm just now.
type condition struct {
	name   string
	raised bool
	what   string
	remedy string
	total  int64 // grows; the alarm counts from where it began
	count  int64 // as it is, instead of total
}

// alarms remembers since when each alarm is raised. It is the one source for
// /healthz, the API's status, doctor and /metrics.
type alarms struct {
	mu     sync.Mutex
	raised map[string]*raised

	lost   int64 // clicks lost when last looked
	lostAt time.Time
}

type raised struct {
	since time.Time
	from  int64 // total before it was raised
}

// watchAlarms looks every second, so that an alarm knows when it began though
// nobody asks. It returns how to end that.
func (a *App) watchAlarms() (stop func()) {
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				a.alarms()
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		watching.Wait()
	}
}

// alarms returns those that are raised now.
func (a *App) alarms() []api.Alarm {
	w := &a.ops.alarms
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.raised == nil {
		w.raised = map[string]*raised{}
	}
	now, lost := a.options.Now(), a.lostClicks()
	if lost > w.lost {
		w.lostAt = now
	}
	out := []api.Alarm{}
	for _, c := range a.conditions(now, lost, w.lostAt) {
		before := w.raised[c.name]
		switch {
		case !c.raised && before != nil:
			delete(w.raised, c.name)
			a.options.Logger.Warn("alarm over", "alarm", c.name, "since", before.since)
		case c.raised && before == nil:
			before = &raised{since: now, from: w.lostBefore(&c)}
			w.raised[c.name] = before
			a.options.Logger.Error("alarm", "alarm", c.name, "what", c.what, "remedy", c.remedy)
		}
		if c.raised {
			out = append(out, api.Alarm{Name: c.name, What: c.what, Since: before.since, Count: cmp.Or(c.count, c.total-before.from), Remedy: c.remedy})
		}
	}
	w.lost = lost
	return out
}

// lostBefore is what the count begins from: a loss that raises the alarm belongs to it.
func (w *alarms) lostBefore(c *condition) int64 {
	if c.name == alarmLost || c.name == alarmSpace {
		return min(w.lost, c.total)
	}
	return c.total
}

// conditions looks at everything that can be wrong, in the order of alarmNames.
func (a *App) conditions(now time.Time, lost int64, lostAt time.Time) []condition {
	space, sync := "", ""
	for _, l := range a.lanes() {
		s, y := laneTrouble(&l.stats)
		space, sync = cmp.Or(space, s), cmp.Or(sync, y)
	}
	return []condition{
		{name: alarmLost, raised: !lostAt.IsZero() && now.Sub(lostAt) < lossLasts, total: lost,
			what:   "clicks could not be recorded; visitors were redirected",
			remedy: "the other alarms and the log say why; what is lost stays lost, and this alarm goes a minute after the last loss"},
		{name: alarmSpace, raised: space != "", total: lost,
			what:   "the journal of clicks has no space: " + space,
			remedy: "make room on the disk of " + a.folder.at("journal") + ", or raise journal.max_bytes if that is the limit; recording goes on by itself"},
		{name: alarmSync, raised: sync != "",
			what:   "the journal does not reach the disk, a loss of power could take clicks: " + sync,
			remedy: "look at the disk (dmesg, smartctl); clicks survive the end of this process meanwhile"},
		a.diskCondition(), a.brokerCondition(), a.reportsCondition(), a.shippingCondition(), a.neighboursCondition(), a.enginesCondition(), a.officeCondition(), a.certificateCondition(now), a.sealsCondition(),
	}
}

// laneTrouble says why a lane cannot keep clicks, and why they do not reach the
// disk; "" when all is well.
func laneTrouble(s *journal.Stats) (space, sync string) {
	if s.FolderGone != "" {
		return "its folder was deleted and cannot be made again: " + s.FolderGone, s.SyncError
	}
	return s.Trouble, s.SyncError
}

// lostClicks are those that could not be recorded, and those whose file somebody
// deleted under the process.
func (a *App) lostClicks() int64 {
	lost := a.plane.redirector.Stats().Lost
	for _, l := range a.lanes() {
		lost += int64(l.stats.Deleted)
	}
	return lost
}

// laneStats is one lane of the journal.
type laneStats struct {
	name  string
	stats journal.Stats
	// keptElsewhere says that what is not kept here is no loss: its sender was told to keep it.
	keptElsewhere bool
}

// lanes are the journals of all writers.
func (a *App) lanes() (all []laneStats) {
	for _, l := range a.plane.lanes {
		all = append(all, laneStats{strconv.Itoa(l.number), l.journal.Stats(), a.hasOffice() && l.journal == a.plane.intakeLane()})
	}
	return all
}

func (a *App) diskCondition() condition {
	free, _, ok := a.disk()
	return condition{name: alarmDisk, raised: ok && free < diskFreeAlarm,
		what:   fmt.Sprintf("the disk of the data folder has %d MiB left", free>>20),
		remedy: "make room on the disk of " + a.folder.path + "; when it is full, clicks cannot be recorded"}
}

// disk returns the space for the data folder.
func (a *App) disk() (free, size int64, ok bool) {
	var fs unix.Statfs_t
	if err := unix.Statfs(a.folder.path, &fs); err != nil {
		return 0, 0, false
	}
	return int64(fs.Bavail) * fs.Bsize, int64(fs.Blocks) * fs.Bsize, true
}

func (a *App) reportsCondition() condition {
	c := condition{name: alarmReports, remedy: "look at the disk and at " + a.folder.at("analytics") + "; no click is lost meanwhile, as long as the journal has space"}
	waits := "wait in the journal"
	if a.config.HasBroker() {
		waits, c.remedy = "wait in the broker", "look at the server of the reports; no click is lost meanwhile, as long as the broker keeps them (queue.retention)"
	}
	if s, ok := a.collected(); ok {
		c.raised, c.count = s.Trouble != "", s.Lag.Records
		c.what = "clicks do not reach the reports and " + waits + ": " + s.Trouble
	}
	return c
}

// brokerCondition says what the broker has removed before it was read. It stays until the
// process is started anew: those clicks are in no report.
func (a *App) brokerCondition() condition {
	s, _ := a.collected()
	return condition{name: alarmBroker, raised: s.Lost > 0, count: s.Lost,
		what:   "clicks were removed by the broker before they were read, and are in no report",
		remedy: "raise queue.retention; look in journal/N/shipped of the nodes, which journal.keep can keep: sluice ingest sends them again"}
}

func (a *App) shippingCondition() condition {
	c := condition{name: alarmShipping, what: "clicks do not reach the broker and wait in the journal: " + a.shippingFault(),
		remedy: "do what it says; they are sent by themselves then, and none is lost as long as the journal has space"}
	if !a.ships() {
		return c
	}
	s, _ := a.shipped()
	c.raised, c.count = a.shippingFault() != "", s.Lag.Records
	return c
}

func (a *App) neighboursCondition() condition {
	fault := a.neighboursFault()
	return condition{name: alarmNeighbours, raised: fault != "", what: "links do not travel between nodes, visitors are served from the table as it is: " + fault,
		remedy: "do what it says; it is tried again all the time"}
}

func (a *App) officeCondition() condition {
	c := condition{name: alarmOffice, remedy: "do what it says; it is tried again every half minute at the latest"}
	switch office, reports := a.office.fault(), a.reports.fault(); {
	case office != "":
		c.raised, c.what = true, "links cannot be managed and clicks not reported, visitors are served from the saved table: "+office
	case reports != "":
		c.raised, c.what = true, "clicks are not brought into the reports: "+reports
	}
	return c
}

func (a *App) certificateCondition(now time.Time) condition {
	c := condition{name: alarmCertificate, remedy: "look at the files in tls.certificates, or at what the authority answers; the certificate from before is shown as long as it lasts"}
	var faults []string
	for _, s := range a.certificates() {
		switch {
		case s.Trouble != "":
			faults = append(faults, s.Name+": "+s.Trouble)
		case s.Due(now):
			faults = append(faults, s.Name+" ends on "+s.Expires.UTC().Format(time.DateTime)+" and has not been replaced")
		}
	}
	c.raised, c.count, c.what = len(faults) > 0, int64(len(faults)), strings.Join(faults, "; ")
	return c
}
