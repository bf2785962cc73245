package routing

import (
	"maps"
	"slices"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// world is what links refer to: sites, programs and partners. There are few of
// them beside the links, so they are ordinary Go values. Compiled links name them
// by index; an index is never given to another thing while records may hold it.
// A world never changes; its mutators work on a clone.
type world struct {
	sites    []affiliate.Site // ID "" marks a site that is gone
	programs []program        // ID "" marks a program that is gone

	hosts   map[string]int
	anyHost int // site that answers for every other host, or -1
}

// program is a program with its partners.
type program struct {
	affiliate.Program
	partners map[string]affiliate.Status // by code
}

// worldFile is the world's form on disk.
type worldFile struct {
	Sites    []affiliate.Site    `json:"sites"`
	Programs []affiliate.Program `json:"programs"`
	Partners []affiliate.Partner `json:"partners"`
}

func newWorld() *world { return &world{hosts: map[string]int{}, anyHost: -1} }

// siteFor returns the index of the site that answers for a Host header.
func (w *world) siteFor(host string) (int, bool) {
	if i, ok := w.hosts[host]; ok {
		return i, true
	}
	if i, ok := w.hosts[affiliate.CanonicalHost(host)]; ok {
		return i, true
	}
	return w.anyHost, w.anyHost >= 0
}

func (w *world) siteIndex(id string) int {
	return slices.IndexFunc(w.sites, func(s affiliate.Site) bool { return s.ID == id })
}

func (w *world) programIndex(id string) int {
	return slices.IndexFunc(w.programs, func(p program) bool { return p.ID == id })
}

// program returns the program of a link document, nil when there is none.
func (w *world) program(id string) *affiliate.Program {
	if id == "" {
		return nil
	}
	if i := w.programIndex(id); i >= 0 {
		return &w.programs[i].Program
	}
	return nil
}

// clone copies what mutators change; partner maps are copied when one changes.
func (w *world) clone() *world {
	c := *w
	c.sites = slices.Clone(w.sites)
	c.programs = slices.Clone(w.programs)
	return &c
}

func (w *world) putSite(s affiliate.Site) {
	if i := w.siteIndex(s.ID); i >= 0 {
		w.sites[i] = s
	} else {
		w.sites = append(w.sites, s)
	}
	w.indexHosts()
}

func (w *world) dropSite(id string) {
	if i := w.siteIndex(id); i >= 0 {
		w.sites[i] = affiliate.Site{}
	}
	w.indexHosts()
}

func (w *world) indexHosts() {
	w.hosts, w.anyHost = map[string]int{}, -1
	for i := range w.sites {
		if w.sites[i].ID == "" {
			continue
		}
		if len(w.sites[i].Hosts) == 0 {
			w.anyHost = i
		}
		for _, h := range w.sites[i].Hosts {
			w.hosts[h] = i
		}
	}
}

func (w *world) putProgram(p affiliate.Program) {
	if i := w.programIndex(p.ID); i >= 0 {
		w.programs[i].Program = p
		return
	}
	w.programs = append(w.programs, program{Program: p, partners: map[string]affiliate.Status{}})
}

func (w *world) dropProgram(id string) {
	if i := w.programIndex(id); i >= 0 {
		w.programs[i] = program{}
	}
}

func (w *world) putPartner(p affiliate.Partner) {
	if i := w.programIndex(p.Program); i >= 0 {
		w.programs[i].partners = maps.Clone(w.programs[i].partners)
		w.programs[i].partners[p.Code] = p.Status
	}
}

func (w *world) dropPartner(programID, code string) {
	if i := w.programIndex(programID); i >= 0 {
		w.programs[i].partners = maps.Clone(w.programs[i].partners)
		delete(w.programs[i].partners, code)
	}
}

// file returns the world as it is saved. Things that are gone keep their place.
func (w *world) file() worldFile {
	f := worldFile{Sites: w.sites}
	for i := range w.programs {
		p := &w.programs[i]
		f.Programs = append(f.Programs, p.Program)
		for _, code := range slices.Sorted(maps.Keys(p.partners)) {
			f.Partners = append(f.Partners, affiliate.Partner{Program: p.ID, Code: code, Status: p.partners[code]})
		}
	}
	return f
}

func (f worldFile) world() *world {
	w := newWorld()
	w.sites = f.Sites
	for _, p := range f.Programs {
		w.programs = append(w.programs, program{Program: p, partners: map[string]affiliate.Status{}})
	}
	for _, p := range f.Partners {
		if i := w.programIndex(p.Program); i >= 0 {
			w.programs[i].partners[p.Code] = p.Status
		}
	}
	w.indexHosts()
	return w
}
