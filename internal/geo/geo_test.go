package geo

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// maxMindCountry imitates GeoLite2-Country, down to a record without a country.
func maxMindCountry() []byte {
	nested := func(code string) map[string]any {
		return map[string]any{
			"continent": map[string]any{"code": "EU"},
			"country":   map[string]any{"iso_code": code, "names": map[string]any{"en": "The Name of the Country, In Full"}},
		}
	}
	return writeMMDB("GeoLite2-Country", map[string]map[string]any{
		"2.125.160.0/24":  nested("GB"),
		"81.2.69.0/24":    nested("gb"),
		"89.160.20.0/24":  nested("SE"),
		"67.43.156.0/24":  {"continent": map[string]any{"code": "AS"}},
		"192.168.0.0/16":  nested("AU"),
		"2001:218::/32":   nested("JP"),
		"2001:db8::/32":   nested("DE"),
		"175.16.199.0/24": nested("ZZ"),
	})
}

func maxMindASN() []byte {
	return writeMMDB("GeoLite2-ASN", map[string]map[string]any{
		"1.128.0.0/11":  {"autonomous_system_number": uint32(1221), "autonomous_system_organization": "Telstra Pty Ltd"},
		"89.160.0.0/17": {"autonomous_system_number": uint32(29518), "autonomous_system_organization": "Bredband2 AB"},
		"2a02::/16":     {"autonomous_system_number": uint32(4200000000)},
	})
}

func open(t *testing.T, o Options) *DB {
	t.Helper()
	d, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func write(t *testing.T, name string, bytes []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOperatorsFilesInMaxMindsSchema(t *testing.T) {
	d := open(t, Options{
		CountryFile: write(t, "country.mmdb", maxMindCountry()),
		ASNFile:     write(t, "asn.mmdb", maxMindASN()),
	})
	for _, c := range []struct {
		ip   string
		want Location
	}{
		{"2.125.160.216", Location{Country: "GB"}},
		{"81.2.69.142", Location{Country: "GB"}},
		{"::ffff:81.2.69.142", Location{Country: "GB"}},
		{"89.160.20.128", Location{"SE", 29518, "Bredband2 AB"}},
		{"1.128.0.1", Location{"", 1221, "Telstra Pty Ltd"}},
		{"67.43.156.1", Location{}},
		{"175.16.199.1", Location{}},
		{"2001:218::1", Location{Country: "JP"}},
		{"2a02::1", Location{ASN: 4200000000}},
		{"9.9.9.9", Location{}},
		{"192.168.1.1", Location{}}, // in the file, but nobody's
		{"2001:db8::1", Location{}},
	} {
		if got := d.Locate(netip.MustParseAddr(c.ip)); got != c.want {
			t.Errorf("Locate(%s) = %+v, want %+v", c.ip, got, c.want)
		}
		if got := d.Country(netip.MustParseAddr(c.ip)); got != c.want.Country {
			t.Errorf("Country(%s) = %q, want %q", c.ip, got, c.want.Country)
		}
	}
	if got := d.Locate(netip.Addr{}); got != (Location{}) {
		t.Errorf("Locate of no address = %+v", got)
	}
	country, asn := d.Sources()[0], d.Sources()[1]
	if country.Type != "GeoLite2-Country" || country.Records != 6 || !country.Built.Equal(time.Unix(1_790_000_000, 0)) {
		t.Errorf("country source = %+v", country)
	}
	if asn.Kind != KindASN || asn.Records != 3 || filepath.Base(asn.Name) != "asn.mmdb" {
		t.Errorf("network source = %+v", asn)
	}
}

func TestOtherPublishersSchemas(t *testing.T) {
	for name, record := range map[string]map[string]any{
		"ip-location-db": {"country_code": "SE"},
		"IPinfo Lite":    {"country": "Sweden", "country_code": "SE", "asn": "AS29518", "as_name": "Bredband2 AB"},
		"IPinfo country": {"country": "SE", "asn": "AS29518", "name": "Bredband2 AB"},
		"GeoIP2-Enterprise": {
			"country": map[string]any{"iso_code": "SE"},
			"traits":  map[string]any{"autonomous_system_number": uint32(29518), "autonomous_system_organization": "Bredband2 AB"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := writeMMDB(name, map[string]map[string]any{"89.160.20.0/24": record})
			country, err := load(KindCountry, name, file)
			if err != nil {
				t.Fatal(err)
			}
			want := Location{Country: "SE"}
			if name != "ip-location-db" {
				want.ASN, want.Org = 29518, "Bredband2 AB"
			}
			if got := country.find(netip.MustParseAddr("89.160.20.1")); got != want {
				t.Errorf("found %+v, want %+v", got, want)
			}
		})
	}
}

// One file may answer both questions; it is then used for both, before what is
// built in, when no network file is named.
func TestOneFileForBoth(t *testing.T) {
	d := open(t, Options{CountryFile: write(t, "both.mmdb", writeMMDB("Both", map[string]map[string]any{
		"89.160.20.0/24": {"country_code": "SE", "asn": "AS29518", "as_name": "Bredband2 AB"},
	}))})
	want := Location{"SE", 29518, "Bredband2 AB"}
	if got := d.Locate(netip.MustParseAddr("89.160.20.1")); got != want {
		t.Errorf("Locate = %+v, want %+v", got, want)
	}
	if asn := d.Sources()[1]; asn.Kind != KindASN || asn.Records != 1 {
		t.Errorf("network source = %+v", asn)
	}
}

func TestBadFilesSayWhatToDo(t *testing.T) {
	country, asn := maxMindCountry(), maxMindASN()
	for _, c := range []struct {
		name string
		open Options
		want []string
	}{
		{"missing", Options{CountryFile: "/nonexistent/country.mmdb"}, []string{"cannot read the country file", "/nonexistent/country.mmdb", "built-in"}},
		{"empty", Options{CountryFile: write(t, "empty.mmdb", nil)}, []string{"empty.mmdb is not a MaxMind DB", "0 bytes", "download it again"}},
		{"not a database", Options{CountryFile: write(t, "page.mmdb", []byte("<html>license key required</html>"))}, []string{"page.mmdb is not a MaxMind DB"}},
		{"cut short", Options{ASNFile: write(t, "cut.mmdb", asn[:len(asn)/2])}, []string{"cut.mmdb is not a MaxMind DB", "download it again"}},
		{"hole in the tree", Options{CountryFile: write(t, "hole.mmdb", overwrite(country, 100, 300, 0xff))}, []string{"hole.mmdb", "damaged", "download it again"}},
		{"tree that loops", Options{CountryFile: write(t, "loop.mmdb", overwrite(country, 0, 300, 0))}, []string{"loop.mmdb", "damaged"}},
		{"networks as countries", Options{CountryFile: write(t, "asn.mmdb", asn)}, []string{"asn.mmdb", "GeoLite2-ASN", "holds no country codes", "ASN file"}},
		{"countries as networks", Options{ASNFile: write(t, "country.mmdb", country)}, []string{"country.mmdb", "GeoLite2-Country", "holds no autonomous system numbers"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(c.open)
			if err == nil {
				t.Fatal("opened")
			}
			for _, part := range append(c.want, "geo: ") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error says %q, but not %q", err, part)
				}
			}
		})
	}
}

func overwrite(bytes []byte, from, to int, with byte) []byte {
	out := append([]byte(nil), bytes...)
	for i := from; i < to; i++ {
		out[i] = with
	}
	return out
}

// Whatever a damaged file says, opening it ends, and once it opened no look-up
// panics.
func TestDamagedFilesNeverPanic(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	sound, opened := maxMindCountry(), 0
	for range 500 {
		bytes := append([]byte(nil), sound...)
		for range 1 + random.IntN(4) {
			bytes[random.IntN(len(bytes))] ^= 1 << random.IntN(8)
		}
		table, err := load(KindCountry, "damaged.mmdb", bytes)
		if err != nil {
			continue
		}
		opened++
		for range 100 {
			var address [16]byte
			for i := range address {
				address[i] = byte(random.Uint32())
			}
			table.find(netip.AddrFrom16(address))
			table.find(netip.AddrFrom4([4]byte(address[:4])))
		}
	}
	if opened == 0 || opened == 500 {
		t.Errorf("%d of 500 damaged files opened: the damage is not what this test means", opened)
	}
}

func TestPublic(t *testing.T) {
	for ip, want := range map[string]bool{
		"8.8.8.8": true, "0.1.2.3": false, "10.255.0.1": false, "11.0.0.1": true, "100.63.255.255": true, "100.64.0.0": false,
		"100.127.255.255": false, "100.128.0.0": true, "127.0.0.1": false, "169.253.1.1": true, "169.254.169.254": false,
		"172.15.255.255": true, "172.16.0.0": false, "172.31.255.255": false, "172.32.0.0": true, "192.0.0.8": false,
		"192.0.1.0": true, "192.0.2.1": false, "192.0.3.1": true, "192.167.1.1": true, "192.168.0.0": false, "192.169.0.0": true,
		"198.17.255.255": true, "198.18.0.0": false, "198.19.255.255": false, "198.20.0.0": true, "198.51.100.7": false,
		"203.0.113.7": false, "203.0.112.1": true, "223.255.255.255": true, "224.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "ff02::1": false,
		"2001:db8::1": false, "2001:db9::1": true, "2606:4700::1": true, "4000::1": false,
	} {
		if got := public(netip.MustParseAddr(ip)); got != want {
			t.Errorf("public(%s) = %v", ip, got)
		}
	}
}

func TestAbsentBuiltInDataAnswersUnknownAndSaysSo(t *testing.T) {
	for _, kind := range []string{KindCountry, KindASN} {
		table, source, err := openFrom(fstest.MapFS{"data/.keep": {}}, kind)
		if table != nil || err != nil {
			t.Errorf("%s: %v, %v", kind, table, err)
		}
		if source.Kind != kind || source.Name != "" || !strings.Contains(source.Note, "unknown") {
			t.Errorf("%s: %+v", kind, source)
		}
	}
	d := &DB{}
	d.tables.Store(&tables{})
	if got := d.Locate(netip.MustParseAddr("8.8.8.8")); got != (Location{}) {
		t.Errorf("an empty DB found %+v", got)
	}
}

func TestBuiltInDataCarriesItsLicence(t *testing.T) {
	files := fstest.MapFS{
		"data/country.mmdb": {Data: maxMindCountry()},
		"data/country.json": {Data: []byte(`{"name":"some-package 1.2.3","licence":"CC0-1.0"}`)},
	}
	_, source, err := openFrom(files, KindCountry)
	if err != nil || source.Name != "some-package 1.2.3" || source.Licence != "CC0-1.0" || source.Note != "" {
		t.Errorf("source = %+v, %v", source, err)
	}
	delete(files, "data/country.json")
	if _, source, err = openFrom(files, KindCountry); err != nil || !strings.Contains(source.Note, "licence") {
		t.Errorf("without its note: %+v, %v", source, err)
	}
}

func TestCloseAnswersUnknown(t *testing.T) {
	d := open(t, Options{CountryFile: write(t, "country.mmdb", maxMindCountry())})
	ip := netip.MustParseAddr("89.160.20.128")
	if got := d.Country(ip); got != "SE" {
		t.Fatalf("before Close: %q", got)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := d.Country(ip); got != "" {
		t.Errorf("after Close: %q", got)
	}
}
