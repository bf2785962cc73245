// Package geo tells the country and the network owner of an address.
//
// It answers from MaxMind DB files that are held in memory and walked once when
// they are opened, so that a look-up makes no system call, takes no lock,
// allocates nothing and cannot meet a damaged record. A file that is
// replaced or truncated on disk later changes nothing: open a new DB for it.
//
// The answer to "who is this?" is as good as the file. An address that the file
// does not know, and every address that is not routed on the public internet,
// is unknown: an empty country and network 0. Nothing here is an error to a
// caller who has a visitor waiting.
package geo

import (
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"time"
)

// Options names the files to answer from. An empty name means the file that was
// built into the program; where none was built in, that half stays unknown and
// Sources says so. A country file that knows networks too answers for both when
// no other is named.
type Options struct {
	CountryFile string // a country or city database
	ASNFile     string // a database of autonomous systems
}

// Location is what is known of an address.
type Location struct {
	Country string // ISO 3166-1 alpha-2, upper case; "" when unknown
	ASN     uint32 // number of the autonomous system; 0 when unknown
	Org     string // the name its operator registered; "" when unknown
}

// The two kinds of question, as Source.Kind spells them.
const (
	KindCountry = "country"
	KindASN     = "asn"
)

// Source describes one file behind the answers, for people who ask whether the
// data is there, how old it is and what its licence asks of them.
type Source struct {
	Kind    string    // KindCountry or KindASN
	Name    string    // path, or package and version of a built-in file; "" when absent
	Type    string    // what the file calls itself
	Built   time.Time // when its publisher built it, UTC
	Licence string    // terms of a built-in file; "" for a file of the operator's
	Records int       // networks with an answer
	Note    string    // what is missing and how to mend it; "" when all is well
}

// DB answers for addresses. It may be used by any number of goroutines.
type DB struct{ tables atomic.Pointer[tables] }

// tables is everything that look-ups read, swapped as one.
type tables struct {
	country *table // nil when absent
	asn     *table // nil when absent; the country table where the operator's file knows both
	sources []Source
}

// Open reads the files. It fails only for a file that was named: absent
// built-in data is a DB that answers unknown.
func Open(o Options) (*DB, error) {
	country, countrySource, err := openKind(KindCountry, o.CountryFile)
	if err != nil {
		return nil, err
	}
	asn, asnSource := country, countrySource
	asnSource.Kind = KindASN
	// The operator's own file goes before ours, for both questions if it can.
	both := o.CountryFile != "" && country.schema.asn != nil
	if o.ASNFile != "" || !both {
		if asn, asnSource, err = openKind(KindASN, o.ASNFile); err != nil {
			return nil, err
		}
	}
	d := &DB{}
	d.tables.Store(&tables{country: country, asn: asn, sources: []Source{countrySource, asnSource}})
	return d, nil
}

// Country returns the country of an address, or "". It is called for each
// redirect that has a country rule.
func (d *DB) Country(ip netip.Addr) string {
	t := d.tables.Load().country
	if t == nil {
		return ""
	}
	return t.find(ip).Country
}

// Locate returns everything that is known of an address.
func (d *DB) Locate(ip netip.Addr) Location {
	t := d.tables.Load()
	var found Location
	if t.country != nil {
		found.Country = t.country.find(ip).Country
	}
	if t.asn != nil {
		owner := t.asn.find(ip)
		found.ASN, found.Org = owner.ASN, owner.Org
	}
	return found
}

// Sources lists what the answers rest on: always the country first, then the
// network owner, present or not.
func (d *DB) Sources() []Source {
	return append([]Source(nil), d.tables.Load().sources...)
}

// Close lets the memory go. Look-ups that are under way finish; later ones
// answer unknown.
func (d *DB) Close() error {
	d.tables.Store(&tables{})
	return nil
}

// openKind opens the operator's file or the built-in one for one kind of
// question. A nil table with a nil error means that there is none.
func openKind(kind, path string) (*table, Source, error) {
	if path == "" {
		return openBuiltIn(kind)
	}
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, Source{}, fmt.Errorf("geo: cannot read the %s file: %w: name a readable MMDB file, or none to use the built-in data", kind, err)
	}
	t, err := load(kind, path, bytes)
	if err != nil {
		return nil, Source{}, err
	}
	return t, t.source(kind, path), nil
}

func (t *table) source(kind, name string) Source {
	meta := t.reader.Metadata
	return Source{Kind: kind, Name: name, Type: meta.DatabaseType, Built: meta.BuildTime().UTC(), Records: t.records}
}
