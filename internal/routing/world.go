package routing

import (
	"cmp"
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

	siteAt    map[string]int // index of a site by id
	programAt map[string]int

	hosts   map[string]int
	anyHost int // site that answers for every other host, or -1
}

// program is a program with its partners.
type program struct {
	affiliate.Program
	partners shards[affiliate.Status] // by code, the site being 0
}

// partner returns the status of a partner of the program.
func (p *program) partner(code string) (affiliate.Status, bool) {
	return p.partners.get(hashName(0, code), 0, code)
}

// setPartner replaces the map of partners by one in which the code has the status;
// "" removes it.
func (p *program) setPartner(code string, status affiliate.Status) {
	e := p.partners.edit()
	if status == "" {
		e.remove(hashName(0, code), 0, code)
	} else {
		e.set(hashName(0, code), 0, code, status)
	}
	p.partners = e.done()
}

// worldFile is the world's form on disk.
type worldFile struct {
	Sites    []affiliate.Site    `json:"sites"`
	Programs []affiliate.Program `json:"programs"`
	Partners []affiliate.Partner `json:"partners"`
	Zones    []string            `json:"zones,omitempty"` // that conditions name
}

func newWorld() *world { return &world{anyHost: -1} }

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
	return indexIn(w.siteAt, id)
}

func (w *world) programIndex(id string) int {
	return indexIn(w.programAt, id)
}

func indexIn(at map[string]int, id string) int {
	if i, ok := at[id]; ok {
		return i
	}
	return -1
}

// withIndex returns a copy of the index in which the id has a place, or none when
// i is negative. The index it is given belongs to an older world.
func withIndex(at map[string]int, id string, i int) map[string]int {
	next := make(map[string]int, len(at)+1)
	maps.Copy(next, at)
	if i < 0 {
		delete(next, id)
	} else {
		next[id] = i
	}
	return next
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

// clone copies what mutators change in place; maps they replace.
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
		w.siteAt = withIndex(w.siteAt, s.ID, len(w.sites)-1)
	}
	w.indexHosts()
}

func (w *world) dropSite(id string) {
	if i := w.siteIndex(id); i >= 0 {
		w.sites[i] = affiliate.Site{}
		w.siteAt = withIndex(w.siteAt, id, -1)
	}
	w.indexHosts()
}

// indexHosts finds out who answers for which host. The catalog lets no two sites
// claim the same; if they do, the older one has it.
func (w *world) indexHosts() {
	w.hosts, w.anyHost = map[string]int{}, -1
	for i := range w.sites {
		if w.sites[i].ID == "" {
			continue
		}
		if len(w.sites[i].Hosts) == 0 && w.anyHost < 0 {
			w.anyHost = i
		}
		for _, h := range w.sites[i].Hosts {
			if _, taken := w.hosts[h]; !taken {
				w.hosts[h] = i
			}
		}
	}
}

func (w *world) putProgram(p affiliate.Program) {
	if i := w.programIndex(p.ID); i >= 0 {
		w.programs[i].Program = p
		return
	}
	w.programs = append(w.programs, program{Program: p})
	w.programAt = withIndex(w.programAt, p.ID, len(w.programs)-1)
}

func (w *world) dropProgram(id string) {
	if i := w.programIndex(id); i >= 0 {
		w.programs[i] = program{}
		w.programAt = withIndex(w.programAt, id, -1)
	}
}

func (w *world) putPartner(p affiliate.Partner) {
	if i := w.programIndex(p.Program); i >= 0 {
		if p.Status == "" {
			p.Status = affiliate.Active
		}
		w.programs[i].setPartner(p.Code, p.Status)
	}
}

func (w *world) dropPartner(programID, code string) {
	if i := w.programIndex(programID); i >= 0 {
		w.programs[i].setPartner(code, "")
	}
}

// file returns the world as it is saved. Things that are gone keep their place.
func (w *world) file() worldFile {
	f := worldFile{Sites: w.sites, Zones: knownZones()}
	for i := range w.programs {
		p := &w.programs[i]
		f.Programs = append(f.Programs, p.Program)
		p.partners.each(func(n name, status affiliate.Status) {
			f.Partners = append(f.Partners, affiliate.Partner{Program: p.ID, Code: n.slug, Status: status})
		})
	}
	slices.SortFunc(f.Partners, func(a, b affiliate.Partner) int {
		return cmp.Or(cmp.Compare(a.Program, b.Program), cmp.Compare(a.Code, b.Code))
	})
	return f
}

func (f worldFile) world() *world {
	w := newWorld()
	w.sites, w.siteAt, w.programAt = f.Sites, map[string]int{}, map[string]int{}
	for i := range f.Sites {
		w.siteAt[f.Sites[i].ID] = i
	}
	for i := range f.Programs {
		w.programs = append(w.programs, program{Program: f.Programs[i]})
		w.programAt[f.Programs[i].ID] = i
	}
	delete(w.siteAt, "")
	delete(w.programAt, "")
	for _, p := range f.Partners {
		w.putPartner(p)
	}
	for _, name := range f.Zones {
		_, _ = zone(name) // one that this machine lacks matches nothing, as clockHolds says
	}
	w.indexHosts()
	return w
}
