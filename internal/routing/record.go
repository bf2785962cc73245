package routing

import (
	"encoding/binary"
	"unsafe"
)

// A record is one link, compiled:
//
//	| length uvarint | site 2 | slug | flags uvarint | id uvarint | parts as the flags say … |
//
// Strings are a uvarint length and the bytes. The parts, in order: program (uvarint
// index), partner, page, starts (8) and ends (8) in Unix milliseconds, names of
// handed-on parameters (count, strings), fallback template, destinations, rules.

// flags of a record. They are part of the file format.
const (
	isPaused = 1 << iota
	isArchived
	hasSchedule
	hasRules
	hasFallback
	hasProgram
	hasPartner
	hasPage
	passesQuery
	passesNames
	takesDeepLink
	blocksBots
	codeShift = iota // two bits: index into affiliate.RedirectCodes
)

// writer appends the primitives that records are made of.
type writer struct{ b []byte }

func (w *writer) byte(c byte)      { w.b = append(w.b, c) }
func (w *writer) uvarint(n uint64) { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) int64(n int64)    { w.b = binary.LittleEndian.AppendUint64(w.b, uint64(n)) }
func (w *writer) string(s string) {
	w.uvarint(uint64(len(s)))
	w.b = append(w.b, s...)
}

// block appends what fn writes, with its length in front.
func (w *writer) block(fn func(*writer)) {
	var inner writer
	fn(&inner)
	w.uvarint(uint64(len(inner.b)))
	w.b = append(w.b, inner.b...)
}

// reader walks a record that writer made. Records come from our own compiler and
// are covered by the file's checksum, so reading past the end is a bug and panics.
type reader struct{ b []byte }

func (r *reader) byte() byte {
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	if c := r.b[0]; c < 0x80 {
		r.b = r.b[1:]
		return uint64(c)
	}
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		panic("BUG: a number in a compiled link is cut off")
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) int64() int64 {
	n := int64(binary.LittleEndian.Uint64(r.b))
	r.b = r.b[8:]
	return n
}

func (r *reader) take() []byte {
	n := r.uvarint()
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// string returns the next string without copying: it lives as long as the table.
func (r *reader) string() string { return view(r.take()) }

func (r *reader) skip() { r.take() }

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// recordName returns the name that a record begins with, and what follows it.
func recordName(record []byte) (site uint16, slug string, rest reader) {
	r := reader{record}
	site = binary.LittleEndian.Uint16(r.b)
	r.b = r.b[2:]
	slug = r.string()
	return site, slug, r
}

func recordFlags(record []byte) uint64 {
	_, _, r := recordName(record)
	return r.uvarint()
}
