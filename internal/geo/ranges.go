package geo

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// ranges answers for IPv4 addresses faster than the file's tree, in which an
// address takes some twenty steps to places all over the memory: the networks one
// after the other, joined where neighbours have the same answer, and for each first
// half of an address the place where to begin.
type ranges struct {
	starts []uint32 // first addresses, ascending; a range ends before the next
	at     []uint32 // for each of starts, its place in the answers
	first  []uint32 // for each /16, the range that holds its first address
}

// span4 is one IPv4 network with its answer.
type span4 struct {
	start, end uint32 // both within
	at         uint32
}

// addSpan notes a network, if it is one of IPv4 addresses.
func addSpan(spans []span4, p netip.Prefix, at uint32) []span4 {
	ip, bits := p.Addr(), p.Bits()
	if ip.Is6() {
		b := ip.As16()
		for _, c := range b[:12] {
			if c != 0 {
				return spans // of another kind; those of IPv4 are the tree's ::/96
			}
		}
		if bits < 96 {
			return spans
		}
		ip, bits = netip.AddrFrom4([4]byte(b[12:])), bits-96
	}
	start := number4(ip)
	return append(spans, span4{start, start | uint32(1<<(32-bits)-1), at})
}

func number4(ip netip.Addr) uint32 {
	b := ip.As4()
	return binary.BigEndian.Uint32(b[:])
}

// newRanges joins the networks. What lies between them has the answer unknown.
func newRanges(spans []span4) *ranges {
	slices.SortFunc(spans, func(a, b span4) int { return cmp.Compare(a.start, b.start) })
	r := &ranges{}
	add := func(start, at uint32) {
		if n := len(r.at); n == 0 || r.at[n-1] != at {
			r.starts, r.at = append(r.starts, start), append(r.at, at)
		}
	}
	next := uint64(0) // the first address without an answer yet
	for _, s := range spans {
		if uint64(s.start) > next {
			add(uint32(next), unknown)
		}
		add(s.start, s.at)
		next = uint64(s.end) + 1
	}
	if next <= 1<<32-1 {
		add(uint32(next), unknown)
	}
	r.starts, r.at = slices.Clip(r.starts), slices.Clip(r.at)
	r.first = make([]uint32, 1<<16+1)
	i := 0
	for high := range 1 << 16 {
		for i+1 < len(r.starts) && r.starts[i+1] <= uint32(high)<<16 {
			i++
		}
		r.first[high] = uint32(i)
	}
	r.first[1<<16] = uint32(len(r.starts) - 1)
	return r
}

// find returns the place of an address's answer.
func (r *ranges) find(ip netip.Addr) uint32 {
	n := number4(ip)
	low, high := r.first[n>>16], r.first[n>>16+1]+1
	for high-low > 1 { // starts[low] <= n < starts[high]
		if middle := (low + high) / 2; r.starts[middle] <= n {
			low = middle
		} else {
			high = middle
		}
	}
	return r.at[low]
}
