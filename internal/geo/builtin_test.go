package geo

import (
	"bytes"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// builtInDB opens the built-in data. Where it has to be there, its absence fails
// the test; elsewhere the test is skipped with the reason.
func builtInDB(t testing.TB) *DB {
	t.Helper()
	d, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range d.Sources() {
		if source.Name != "" {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("the %s data is not built in: run scripts/fetch-geo.sh before the tests", source.Kind)
		}
		t.Skipf("needs the built-in %s data: run scripts/fetch-geo.sh", source.Kind)
	}
	return d
}

// Addresses of organisations that have held them for decades, in the country
// where they stand.
func TestBuiltInCountries(t *testing.T) {
	d := builtInDB(t)
	for ip, want := range map[string]string{
		"8.8.8.8":              "US",
		"2001:4860:4860::8888": "US",
		"::ffff:8.8.8.8":       "US",
		"134.147.64.1":         "DE", // Ruhr University Bochum
		"85.214.132.117":       "DE",
		"212.227.15.9":         "DE",
		"133.11.0.1":           "JP", // University of Tokyo
		"202.12.27.33":         "JP", // M root server, WIDE
		"130.60.1.1":           "CH", // University of Zurich
		"131.111.150.25":       "GB", // University of Cambridge
		"140.77.1.1":           "FR", // ENS Lyon
		"193.0.6.139":          "NL", // RIPE NCC
		"200.160.2.3":          "BR", // NIC.br
		"168.126.63.1":         "KR", // Korea Telecom
		"41.203.64.1":          "NG",
		"2a00:1450::1":         "IE",
		"192.168.1.1":          "", // the file says AU
		"10.0.0.1":             "",
		"127.0.0.1":            "",
		"::1":                  "",
		"fe80::1":              "",
		"203.0.113.9":          "",
	} {
		if got := d.Country(netip.MustParseAddr(ip)); got != want {
			t.Errorf("Country(%s) = %q, want %q", ip, got, want)
		}
	}
	if source := d.Sources()[0]; source.Records < 500_000 || source.Licence == "" || source.Built.Year() < 2026 {
		t.Errorf("source = %+v", source)
	}
}

// Networks that have kept their number for decades, and addresses that are
// nobody's.
func TestBuiltInNetworkOwners(t *testing.T) {
	d := builtInDB(t)
	for ip, want := range map[string]struct {
		asn uint32
		org string // part of the name
	}{
		"8.8.8.8":              {15169, "Google"},
		"::ffff:8.8.8.8":       {15169, "Google"},
		"2001:4860:4860::8888": {15169, "Google"},
		"1.1.1.1":              {13335, "Cloudflare"},
		"2606:4700:4700::1111": {13335, "Cloudflare"},
		"193.0.6.139":          {3333, "R"}, // RIPE NCC
		"192.168.1.1":          {},
		"203.0.113.9":          {},
		"::1":                  {},
	} {
		got := d.Locate(netip.MustParseAddr(ip))
		if got.ASN != want.asn || !strings.Contains(got.Org, want.org) || (want.asn == 0 && got.Org != "") {
			t.Errorf("network of %s = %d %q, want %d and a name with %q", ip, got.ASN, got.Org, want.asn, want.org)
		}
	}
	source := d.Sources()[1]
	if source.Records < 500_000 || source.Built.Year() < 2026 {
		t.Errorf("source = %+v", source)
	}
	for _, credit := range []string{"CC BY 4.0", "https://db-ip.com", "routeviews.org", "nro.net"} {
		if !strings.Contains(source.Licence, credit) {
			t.Errorf("the licence line %q does not name %s", source.Licence, credit)
		}
	}
}

// The publishers ask that their notices go where the data goes.
func TestBuiltInDataCarriesItsNotices(t *testing.T) {
	builtInDB(t)
	for kind, holder := range map[string]string{KindCountry: "nro.net", KindASN: "DB-IP.com"} {
		notice, err := builtIn.ReadFile("data/" + kind + ".NOTICE")
		if err != nil || !strings.Contains(string(notice), holder) {
			t.Errorf("the notice of the %s data does not name %s: %q, %v", kind, holder, notice, err)
		}
	}
}

// Should a version of Go keep embedded files in another way, all still works but
// each file takes its size in heap: this test is how we hear of it.
func TestBuiltInDataIsReadInPlace(t *testing.T) {
	builtInDB(t)
	first, err := readInPlace(builtIn, "data/country.mmdb")
	if err != nil {
		t.Fatal(err)
	}
	second, err := readInPlace(builtIn, "data/country.mmdb")
	if err != nil {
		t.Fatal(err)
	}
	if &first[0] != &second[0] {
		t.Error("two readings of an embedded file are two copies: look at embeddedText")
	}
	copied, err := builtIn.ReadFile("data/country.mmdb")
	if err != nil || !bytes.Equal(first, copied) {
		t.Errorf("reading in place gave other bytes than a copy (%v)", err)
	}
}

func TestCountryAllocatesNothing(t *testing.T) {
	d := builtInDB(t)
	ips := randomAddresses(1000)
	if allocs := testing.AllocsPerRun(10, func() {
		for _, ip := range ips {
			d.Country(ip)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations in 1000 look-ups", allocs)
	}
}

// randomAddresses spreads over both families, as visitors never do: the worst
// case for the cache.
func randomAddresses(n int) []netip.Addr {
	var ips []netip.Addr
	for x := uint64(1); len(ips) < n; {
		x = x*6364136223846793005 + 1442695040888963407
		if x>>63 == 0 {
			ips = append(ips, netip.AddrFrom4([4]byte{byte(x >> 24), byte(x >> 32), byte(x >> 40), byte(x >> 48)}))
		} else {
			ips = append(ips, netip.AddrFrom16([16]byte{0x2a, byte(x>>52) & 15, byte(x >> 40), byte(x >> 32), byte(x >> 24), 15: 1}))
		}
	}
	return ips
}

// A redirect may spend 0.3 µs here: up to 32 (IPv4) or 48 (IPv6) steps down a
// tree of 8 MB, most of them in cache, then 8 steps through the list of records.
func BenchmarkCountry(b *testing.B) {
	d := builtInDB(b)
	for name, ips := range map[string][]netip.Addr{
		"spread over 64k addresses": randomAddresses(1 << 16),
		"one address":               {netip.MustParseAddr("134.147.64.1")},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d.Country(ips[i&(len(ips)-1)])
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	builtInDB(b)
	for b.Loop() {
		if _, err := Open(Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
