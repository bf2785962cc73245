package geo

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// Joined ranges say of every IPv4 address what the file's tree says.
func TestRangesAgreeWithTheTree(t *testing.T) {
	d, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	tables := d.tables.Load()
	for kind, table := range map[string]*table{KindCountry: tables.country, KindASN: tables.asn} {
		if table == nil {
			t.Fatalf("no %s data is built in: run scripts/fetch-geo.sh", kind)
		}
		check := func(n uint32) {
			t.Helper()
			var b [4]byte
			binary.BigEndian.PutUint32(b[:], n)
			ip := netip.AddrFrom4(b)
			if !public(ip) {
				return
			}
			if got, want := table.find(ip), table.findInTree(ip); got != want {
				t.Fatalf("%s: %s is %+v, in the tree %+v", kind, ip, got, want)
			}
		}
		random := rand.New(rand.NewPCG(1, 2))
		for range 200_000 {
			check(random.Uint32())
		}
		for i, start := range table.v4.starts { // and around every border
			if i%7 == 0 {
				check(start - 1)
				check(start)
				check(start + 1)
			}
		}
		t.Logf("%s: %d ranges", kind, len(table.v4.starts))
	}
}

func TestRangesOfSmallFiles(t *testing.T) {
	for _, c := range []struct {
		name  string
		spans []span4
		want  map[string]uint32
	}{
		{"nothing", nil, map[string]uint32{"0.0.0.0": 0, "255.255.255.255": 0}},
		{"everything", addSpan(nil, netip.MustParsePrefix("0.0.0.0/0"), 3), map[string]uint32{"0.0.0.0": 3, "255.255.255.255": 3}},
		{"one address", addSpan(nil, netip.MustParsePrefix("9.9.9.9/32"), 3), map[string]uint32{"9.9.9.8": 0, "9.9.9.9": 3, "9.9.9.10": 0}},
		{"the last", addSpan(nil, netip.MustParsePrefix("255.255.255.255/32"), 3), map[string]uint32{"255.255.255.254": 0, "255.255.255.255": 3}},
		{"neighbours", addSpan(addSpan(nil, netip.MustParsePrefix("::8.8.8.0/121"), 3), netip.MustParsePrefix("8.8.8.128/25"), 3),
			map[string]uint32{"8.8.7.255": 0, "8.8.8.0": 3, "8.8.8.127": 3, "8.8.8.128": 3, "8.8.8.255": 3, "8.8.9.0": 0}},
		{"of IPv6", addSpan(nil, netip.MustParsePrefix("2001:db8::/32"), 3), map[string]uint32{"1.2.3.4": 0}},
	} {
		r := newRanges(c.spans)
		for ip, want := range c.want {
			if got := r.find(netip.MustParseAddr(ip)); got != want {
				t.Errorf("%s: %s is %d, want %d", c.name, ip, got, want)
			}
		}
	}
}
