package geo

import (
	"hash/maphash"
	"math"
)

// unknown is the place of the answer that knows nothing.
const unknown uint32 = 0

// answers is a list of distinct locations. A hundred thousand network owners
// take 12 bytes each and their names one string, in which the garbage collector
// finds no pointers to follow.
type answers struct {
	list      []answer
	countries []string // the countries that occur; the first is ""
	names     string   // the names of all owners, end to end
}

type answer struct {
	asn        uint32
	nameStart  uint32 // in names
	nameLength uint16
	country    uint16 // in countries
}

func (a *answers) location(at uint32) Location {
	found := a.list[at]
	return Location{
		Country: a.countries[found.country],
		ASN:     found.asn,
		Org:     a.names[found.nameStart:][:found.nameLength],
	}
}

// collector fills an answers. What it needs to recognise what it had before is
// dropped with it.
type collector struct {
	answers   answers
	names     []byte
	byCountry map[string]uint16
	byName    map[uint64]span // by hash of the name
	byAnswer  map[answer]uint32
	seed      maphash.Seed
}

// span is a place in the names.
type span struct {
	start  uint32
	length uint16
}

func newCollector() *collector {
	return &collector{
		answers:   answers{list: []answer{{}}, countries: []string{""}},
		byCountry: map[string]uint16{"": 0},
		byName:    map[uint64]span{},
		byAnswer:  map[answer]uint32{{}: unknown},
		seed:      maphash.MakeSeed(),
	}
}

// add returns the place of a location in the list.
func (c *collector) add(l Location) uint32 {
	name := c.name(l.Org)
	wanted := answer{asn: l.ASN, nameStart: name.start, nameLength: name.length, country: c.country(l.Country)}
	at, ok := c.byAnswer[wanted]
	if !ok {
		at = uint32(len(c.answers.list))
		c.answers.list = append(c.answers.list, wanted)
		c.byAnswer[wanted] = at
	}
	return at
}

// country keeps a code of two letters, of which there cannot be more than 676.
func (c *collector) country(code string) uint16 {
	at, ok := c.byCountry[code]
	if !ok {
		at = uint16(len(c.answers.countries))
		c.answers.countries = append(c.answers.countries, code)
		c.byCountry[code] = at
	}
	return at
}

// name keeps a name once. Two names of one hash cost a second copy, no more. The
// limits are far beyond any real file: a name is cut, and after 4 GiB of names
// the rest stay without.
func (c *collector) name(name string) span {
	name = name[:min(len(name), math.MaxUint16)]
	if name == "" || len(c.names)+len(name) > math.MaxUint32 {
		return span{}
	}
	hash := maphash.String(c.seed, name)
	if had, ok := c.byName[hash]; ok && string(c.names[had.start:][:had.length]) == name {
		return had
	}
	kept := span{uint32(len(c.names)), uint16(len(name))}
	c.names = append(c.names, name...)
	c.byName[hash] = kept
	return kept
}

func (c *collector) finish() answers {
	a := c.answers
	a.list = append(make([]answer, 0, len(a.list)), a.list...)
	a.names = string(c.names)
	return a
}
