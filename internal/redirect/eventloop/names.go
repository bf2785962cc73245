package eventloop

import (
	"encoding/binary"
	"math/bits"
)

// field is a header that matters to a parser.
type field uint8

const (
	unknownField field = iota
	ignoredField       // common, and nothing to us
	foreignField       // its requests are for net/http
	hostField
	connectionField
	cookieField
	forwardedForField
	forwardedField
	userAgentField
	referrerField
	languageField
	acceptField
	doNotTrackField
	privacyGlobalField
	secPurposeField
	purposeField
	xPurposeField
	xMozField
	fetchDestField
	fetchModeField
	fetchSiteField
	fetchUserField
	hintsField
	hintMobileField
	forwardedProtoField
	countryField
)

// fieldNames are the names in lower case. The ignored ones are here because looking
// a name up is cheaper than checking its characters.
var fieldNames = map[string]field{
	"accept-encoding": ignoredField, "upgrade-insecure-requests": ignoredField, "sec-ch-ua-platform": ignoredField,
	"cache-control": ignoredField, "pragma": ignoredField, "priority": ignoredField, "origin": ignoredField,
	"via": ignoredField, "x-real-ip": ignoredField, "x-request-id": ignoredField, "x-forwarded-host": ignoredField,

	"te": foreignField, "trailer": foreignField, "expect": foreignField, "upgrade": foreignField,
	"content-length": foreignField, "http2-settings": foreignField, "transfer-encoding": foreignField,

	"host": hostField, "connection": connectionField, "cookie": cookieField,
	"x-forwarded-for": forwardedForField, "forwarded": forwardedField, "x-forwarded-proto": forwardedProtoField,
	"user-agent": userAgentField, "referer": referrerField, "accept-language": languageField, "accept": acceptField,
	"dnt": doNotTrackField, "sec-gpc": privacyGlobalField,
	"sec-purpose": secPurposeField, "purpose": purposeField, "x-purpose": xPurposeField, "x-moz": xMozField,
	"sec-fetch-dest": fetchDestField, "sec-fetch-mode": fetchModeField, "sec-fetch-site": fetchSiteField, "sec-fetch-user": fetchUserField,
	"sec-ch-ua": hintsField, "sec-ch-ua-mobile": hintMobileField,
}

// names finds a header by its name, in one step: a hash table without collisions.
type names struct {
	slots      [namesSlots]namesSlot
	multiplier uint64
}

type namesSlot struct {
	first, last uint64 // of the name's letters, eight each; they may overlap
	name        string
	field       field
}

const (
	namesBits  = 8
	namesSlots = 1 << namesBits
)

// newNames makes the table. country is the operator's country header in lower case,
// "" for none. It goes before any other meaning of that name, but for those that
// say how a request is to be read.
func newNames(country string) *names {
	all := make(map[string]field, len(fieldNames)+1)
	if country != "" {
		all[country] = countryField
	}
	for name, f := range fieldNames {
		if _, taken := all[name]; !taken || f == foreignField || f == hostField || f == connectionField {
			all[name] = f
		}
	}
	for multiplier := uint64(0x9e3779b97f4a7c15); ; multiplier += 2 {
		t := &names{multiplier: multiplier}
		if t.fill(all) {
			return t
		}
	}
}

// fill is false when two names want the same slot.
func (t *names) fill(all map[string]field) bool {
	for name, f := range all {
		first, last := ends([]byte(name), len(name))
		slot := &t.slots[t.slotOf(first, last, len(name))]
		if slot.name != "" {
			return false
		}
		*slot = namesSlot{first, last, name, f}
	}
	return true
}

func (t *names) slotOf(first, last uint64, n int) uint64 {
	return ((first ^ bits.RotateLeft64(last, 23)) + uint64(n)) * t.multiplier >> (64 - namesBits)
}

// find says which header the first n bytes of b name, in any case.
func (t *names) find(b []byte, n int) field {
	first, last := ends(b, n)
	slot := &t.slots[t.slotOf(first, last, n)]
	if slot.first != first || slot.last != last || len(slot.name) != n || n > 16 && !is(b[8:n-8], slot.name[8:n-8]) {
		return unknownField
	}
	return slot.field
}

// ends returns the first and the last eight of a name's n letters, or twice all of
// them when they are fewer, in lower case. Setting a bit does that: of the characters
// that a name may have, only letters and two that no known name has are changed.
func ends(b []byte, n int) (first, last uint64) {
	const lower = 0x2020202020202020
	if n >= 8 {
		return binary.LittleEndian.Uint64(b) | lower, binary.LittleEndian.Uint64(b[n-8:n]) | lower
	}
	if len(b) >= 8 {
		first = binary.LittleEndian.Uint64(b) & (1<<(8*n) - 1)
	} else {
		for i := range n {
			first |= uint64(b[i]) << (8 * i)
		}
	}
	return first | lower, first | lower
}

// is compares letters with those of a name in lower case, of the same number.
func is(b []byte, lower string) bool {
	for i, c := range b {
		if c|0x20 != lower[i] {
			return false
		}
	}
	return true
}
