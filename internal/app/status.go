package app

import (
	"context"
	"fmt"
	"net"

	"github.com/sluicehq/sluice/internal/api"
)

// diskFreeMin is the free space below which an operator is warned.
const diskFreeMin = 1 << 30

// lagSecondsMax is how old the newest reported click may be, while others wait,
// before an operator is warned.
const lagSecondsMax = 30

// status describes the process for the API.
func (a *App) status(ctx context.Context) api.Status {
	table := a.plane.tables.Current()
	s := statusReport{api.Status{
		Version: a.options.Version, Role: string(a.config.Role), StartedAt: a.started, UptimeSeconds: int64(a.options.Now().Sub(a.started).Seconds()),
		DataDir: a.folder.path, Links: int64(table.Links()), TableSeq: table.Seq(),
	}}
	s.Alarms = a.alarms()
	a.journalStatus(&s)
	for _, source := range a.plane.places.Sources() {
		built := source.Built
		g := api.GeoSource{Name: source.Name, Kind: source.Kind}
		if !built.IsZero() {
			g.Built = &built
		}
		s.Geo = append(s.Geo, g)
		if source.Note != "" {
			s.warn("no data about the "+source.Kind+" of addresses", "", source.Note)
		}
	}
	a.diskStatus(&s)
	a.officeStatus(ctx, &s)
	a.clusterStatus(&s)
	a.intakeStatus(&s)
	return s.Status
}

// statusReport collects warnings.
type statusReport struct{ api.Status }

func (s *statusReport) warn(what, where, remedy string) {
	s.Warnings = append(s.Warnings, api.Warning{What: what, Where: where, Remedy: remedy})
}

// journalStatus sums the lanes up.
func (a *App) journalStatus(s *statusReport) {
	s.Journal = &api.JournalStatus{}
	for _, l := range a.lanes() {
		j := l.stats
		s.Journal.Segments += int64(j.Segments)
		s.Journal.Bytes += j.Bytes
		if !l.keptElsewhere {
			s.Journal.Dropped += int64(j.Dropped)
		}
		if j.Damages > 0 || j.SetAsideFiles > 0 {
			path := a.folder.at("journal", l.name)
			s.warn("part of the journal could not be read", path, "run: sluice journal verify "+path)
		}
	}
	if n := s.Journal.Dropped; n > 0 {
		s.warn(fmt.Sprintf("%d clicks could not be recorded since the start", n), a.folder.at("journal"), "visitors were redirected; the log says why and when")
	}
}

func (a *App) diskStatus(s *statusReport) {
	free, size, ok := a.disk()
	if !ok {
		return
	}
	s.Disk = &api.DiskStatus{FreeBytes: free, TotalBytes: size}
	if free < diskFreeMin && free >= diskFreeAlarm {
		s.warn(fmt.Sprintf("the disk has %d MiB left", s.Disk.FreeBytes>>20), a.folder.path, "free some space; when it is full, clicks cannot be recorded")
	}
}

func (a *App) officeStatus(ctx context.Context, s *statusReport) {
	if o := a.office.get(); o != nil {
		if seq, err := o.catalog.LastSeq(ctx); err == nil {
			s.CatalogSeq = seq
		}
		if w := o.caps.Warning(); w != "" {
			s.warn(w, "", "visitors are served meanwhile, and what is too much is counted: sluice link show LINK; see docs/caps.md")
		}
	}
	if r := a.reports.get(); r != nil {
		if stats, err := r.analytics.Stats(ctx); err == nil {
			s.Analytics = &stats
		}
	}
	p, ok := a.collected()
	if !ok {
		return
	}
	s.Pipeline = &api.PipelineStatus{Records: p.Lag.Records, Bytes: p.Lag.Bytes, Seconds: p.LagSeconds}
	if p.Trouble == "" && p.LagSeconds > lagSecondsMax { // else it is an alarm
		s.warn(fmt.Sprintf("reports are %.0f s behind", p.LagSeconds), "", "they catch up by themselves; if this lasts, the machine is too slow for its clicks")
	}
	if p.SetAside > 0 {
		s.warn(fmt.Sprintf("%d click records could not be read and were set aside", p.SetAside), a.folder.at("set-aside"), "keep the file and report it")
	}
}

// listening notes the address that visitors really reach, which may differ from
// the configured one in its port.
func (p *dataPlane) listening(address string) { p.bound.Store(&address) }

// address is where visitors reach this process from this machine.
func (p *dataPlane) address(configured string) string {
	if bound := p.bound.Load(); bound != nil {
		configured = *bound
	}
	return dialable(configured)
}

// dialable turns an address to listen on into one to connect to.
func dialable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
