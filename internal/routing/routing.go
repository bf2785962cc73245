// Package routing decides where a visit leads. A Table holds every site, program
// and link in compiled form and never changes; Resolve is a pure function of the
// table and the visit. A Holder publishes tables: readers take one pointer and see
// one consistent state, writers put the next table beside it.
//
// Links live in two layers. The base is one block of bytes without a single
// pointer, usually a memory-mapped file: an open-addressing index into records
// packed one after the other. The overlay is a small persistent map of what has
// changed since; a change copies one shard of it, however many links there are.
// When the overlay has grown, a new base is written in the background, in small
// steps; what changes meanwhile goes into a second overlay on top.
//
// Everything is also on disk: the base, and a log of the changes since. A process
// that finds its folder serves at once, with no other part of Sluice alive.
package routing

import (
	"math/bits"
	"runtime"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Table is all that decisions are made from. It never changes.
type Table struct {
	seq     int64
	world   *world
	base    *base
	overlay shards[[]byte] // compiled record, or nil for a link that is gone
	changed int            // entries in overlay
	frozen  shards[[]byte] // what the overlay held when the merge under way began
	links   int
}

// Seq is the number of the last change that the table contains.
func (t *Table) Seq() int64 { return t.seq }

// Links is how many links the table holds.
func (t *Table) Links() int { return t.links }

// Sites lists the table's sites.
func (t *Table) Sites() []affiliate.Site {
	var sites []affiliate.Site
	for i := range t.world.sites {
		if t.world.sites[i].ID != "" {
			sites = append(sites, t.world.sites[i])
		}
	}
	return sites
}

// SiteOf says which site answers for a host, as a visitor asks for it.
func (t *Table) SiteOf(host string) (id string, ok bool) {
	i, ok := t.world.siteFor(host)
	if !ok {
		return "", false
	}
	return t.world.sites[i].ID, true
}

// LinkAt is the id of the link that a host and path, as sent, name; 0 for none.
func (t *Table) LinkAt(host, path string) int64 {
	site, ok := t.world.siteFor(host)
	if !ok {
		return 0
	}
	name, below := affiliate.NameInPath(path, t.world.sites[site].Prefix)
	if !below {
		return 0
	}
	record, _, _ := t.find(uint16(site), name)
	if record == nil {
		return 0
	}
	_, _, rest := recordName(record)
	rest.uvarint() // flags
	id := int64(rest.uvarint())
	runtime.KeepAlive(t) // the record is mapped memory that goes with the table
	return id
}

// Resolve decides where the visit leads and writes it to d, whose buffers it
// reuses. It performs no I/O and allocates nothing for a canonical name and
// parameters that need no decoding, when v and d are kept from request to request.
// Nothing in d points into the table.
func (t *Table) Resolve(v *affiliate.Visit, d *affiliate.Decision) {
	d.Reset()
	siteIndex, ok := t.world.siteFor(v.Host)
	if !ok {
		d.Outcome, d.Code, d.Why = affiliate.Missing, 404, affiliate.WhyUnknownHost
		return
	}
	site := &t.world.sites[siteIndex]
	d.Site = site.ID
	name, below := affiliate.NameInPath(v.Path, site.Prefix)
	if !below {
		d.Outcome, d.Code, d.Why = affiliate.Missing, 404, affiliate.WhyUnknownName
		return
	}
	record, slug, partner := t.find(uint16(siteIndex), name)
	d.Slug = slug
	if record == nil {
		d.Why = affiliate.WhyUnknownName
		answerDefault(site, d)
		return
	}
	r := resolution{table: t, site: site, visit: v, decision: d, partner: partner}
	r.follow(record)
	runtime.KeepAlive(t) // the record is mapped memory that goes with the table
}

// answerDefault is what a visitor gets who cannot be sent to a destination.
func answerDefault(site *affiliate.Site, d *affiliate.Decision) {
	if site.DefaultURL != "" {
		d.Outcome, d.Code = affiliate.Defaulted, 302
		d.URL = append(d.URL, site.DefaultURL...)
		return
	}
	d.Outcome, d.Code = affiliate.Missing, 404
}

// find returns the record of a name as it was asked for, and its canonical slug. A
// name of several segments that is no link's is tried without the last one:
// "the-thing/anna" is the link "the-thing", visited through the partner "anna",
// when that link belongs to a program.
func (t *Table) find(site uint16, name string) (record []byte, slug, partner string) {
	slug, canonical := affiliate.CanonicalSlug(name)
	if !canonical {
		return nil, "", ""
	}
	if record = t.lookup(site, slug); record != nil {
		return record, slug, ""
	}
	i := strings.LastIndexByte(slug, '/')
	if i < 0 {
		return nil, slug, ""
	}
	// Cut at the segment, the shorter name may end in what no slug ends in.
	short, canonical := affiliate.CanonicalSlug(slug[:i])
	if !canonical {
		return nil, slug, ""
	}
	if record = t.lookup(site, short); record == nil || recordFlags(record)&hasProgram == 0 {
		return nil, slug, ""
	}
	return record, short, slug[i+1:]
}

// lookup returns the compiled record of a canonical slug, or nil.
func (t *Table) lookup(site uint16, slug string) []byte {
	h := hashName(site, slug)
	if record, ok := t.changedTo(h, site, slug); ok {
		return record
	}
	return t.base.find(h, site, slug)
}

// changedTo returns what a link has become since the base was written; ok is false
// for a link that has not changed.
func (t *Table) changedTo(hash uint64, site uint16, slug string) (record []byte, ok bool) {
	if t.changed > 0 {
		if record, ok = t.overlay.get(hash, site, slug); ok {
			return record, true
		}
	}
	return t.frozen.get(hash, site, slug)
}

// freeze returns the table with an empty overlay on top of the one it has: what a
// merge writes is told from what comes after it.
func (t *Table) freeze() *Table {
	next := *t
	next.frozen, next.overlay, next.changed = t.overlay, shards[[]byte]{}, 0
	return &next
}

// thaw undoes freeze when the merge has failed.
func (t *Table) thaw() *Table {
	e := t.frozen.edit()
	changed := 0
	t.frozen.each(func(name, []byte) { changed++ })
	t.overlay.each(func(n name, record []byte) { e.set(hashName(n.site, n.slug), n.site, n.slug, record) })
	next := *t
	next.frozen, next.overlay, next.changed = shards[[]byte]{}, e.done(), changed+e.added
	return &next
}

// rebase returns the table on a base that holds what was frozen.
func (t *Table) rebase(b *base) *Table {
	next := *t
	next.base, next.frozen = b, shards[[]byte]{}
	return &next
}

// hashName is the hash of a name in index and overlay. It is part of the base's
// file format: changing it means a new format version.
func hashName(site uint16, slug string) uint64 {
	const k0, k1 = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93
	h := uint64(site)*k1 ^ uint64(len(slug))*k0
	for len(slug) >= 8 {
		h = mix(h^load64(slug), k1)
		slug = slug[8:]
	}
	var tail uint64
	for i := 0; i < len(slug); i++ {
		tail |= uint64(slug[i]) << (8 * i)
	}
	return mix(h^tail, k0)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b)
	return hi ^ lo
}

func load64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
