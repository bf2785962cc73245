package routing

import (
	"runtime"
	"strings"
)

// Ahead fetches links that are about to be asked for. A look-up goes to two places of
// the table at random and has to wait for the memory at each; the places of several
// visits arrive together. It is a hint: what it fetches in vain costs nothing but the
// effort. It belongs to one goroutine.
type Ahead struct {
	table  *Table
	host   string // the last one that was added
	site   uint16
	prefix string
	known  bool // the host has a site
	places []uint64
}

// Start begins with a table. What was added before is forgotten.
func (a *Ahead) Start(t *Table) {
	*a = Ahead{table: t, places: a.places[:0]}
}

// Add names a visit: its host and path as sent. Unusual spellings are left to Resolve.
func (a *Ahead) Add(host, path string) {
	if a.table.base.mask == 0 {
		return
	}
	if host != a.host {
		a.find(host)
	}
	if slug, ok := strings.CutPrefix(path, a.prefix); ok && a.known {
		a.places = append(a.places, hashName(a.site, slug)&a.table.base.mask)
	}
}

func (a *Ahead) find(host string) {
	w := a.table.world
	i, ok := w.hosts[host]
	if !ok {
		i, ok = w.anyHost, w.anyHost >= 0
	}
	if a.host, a.known = host, ok; ok {
		a.site, a.prefix = uint16(i), w.sites[i].Prefix
	}
}

// Fetch reads where the links are and then, as far as that goes without looking
// closer, the links. The loops do nothing else, so that the processor is at many
// places at a time.
func (a *Ahead) Fetch() {
	b, places := a.table.base, a.places
	for i := range places {
		places[i] = b.slot(places[i]) & slotOffsetMask
	}
	const line = 64 // bytes; a slot without a link leads to the header, and behind each link there is more than a line
	for i, offset := range places {
		places[i] = uint64(b.file[offset]) + uint64(b.file[offset+line])
	}
	runtime.KeepAlive(a.table) // the file is mapped memory that goes with the table
}
