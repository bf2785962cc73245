package geo

import (
	"strconv"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
)

// schema says under which keys a file keeps its answers; nil where it has none.
// Publishers share the container format but not the names inside.
type schema struct {
	country, asn, org []any
}

// The spellings in use, most specific first: GeoIP2 and GeoLite2 nest the
// country, ip-location-db and IPinfo keep it flat, GeoIP2 Enterprise keeps the
// network under traits.
var (
	countryPaths = [][]any{{"country", "iso_code"}, {"country_code"}, {"country"}}
	asnPaths     = [][]any{{"autonomous_system_number"}, {"traits", "autonomous_system_number"}, {"asn"}}
	orgPaths     = [][]any{{"autonomous_system_organization"}, {"traits", "autonomous_system_organization"}, {"as_name"}, {"name"}}
)

// detectRecordsMax bounds the search for a first record that has the key we
// want: some files open with networks of which little is known.
const detectRecordsMax = 10_000

// wrongKindError says that a sound file holds no answer to the question asked.
type wrongKindError struct{ kind string }

func (e *wrongKindError) Error() string {
	if e.kind == KindCountry {
		return "holds no country codes: give a country or city database as the country file; a database of networks (ASN) belongs in the ASN file"
	}
	return "holds no autonomous system numbers: give an ASN database as the ASN file; a country or city database belongs in the country file"
}

func (s schema) fits(kind string) error {
	if (kind == KindCountry && s.country == nil) || (kind == KindASN && s.asn == nil) {
		return &wrongKindError{kind}
	}
	return nil
}

// alsoRecordsMax is how many records are enough to see whether a file answers
// the other question too.
const alsoRecordsMax = 100

// detect looks at the first records until the question of this kind has found
// its keys, and a little further for the other one.
func detect(reader *maxminddb.Reader, kind string) (schema, error) {
	var s schema
	seen := 0
	for network := range reader.Networks() {
		if err := network.Err(); err != nil {
			return s, err
		}
		s.country = firstPath(s.country, countryPaths, func(p []any) bool { return readCountry(network, p) != "" })
		s.asn = firstPath(s.asn, asnPaths, func(p []any) bool { return readASN(network, p) != 0 })
		s.org = firstPath(s.org, orgPaths, func(p []any) bool { return readText(network, p) != "" })
		seen++
		if seen == detectRecordsMax || (seen >= alsoRecordsMax && s.fits(kind) == nil) {
			break
		}
	}
	if s.asn == nil {
		s.org = nil
	}
	return s, nil
}

// firstPath keeps a path that was found before, or tries the candidates.
func firstPath(found []any, candidates [][]any, holds func([]any) bool) []any {
	if found != nil {
		return found
	}
	for _, path := range candidates {
		if holds(path) {
			return path
		}
	}
	return nil
}

// read decodes what we want of one record. A key that this record lacks is an
// unknown; a record that cannot be walked is an error.
func (s schema) read(network maxminddb.Result) (Location, error) {
	var whole skip
	if err := network.Decode(&whole); err != nil {
		return Location{}, err
	}
	var l Location
	if s.country != nil {
		l.Country = readCountry(network, s.country)
	}
	if s.asn != nil {
		l.ASN = readASN(network, s.asn)
		l.Org = readText(network, s.org)
	}
	return l, nil
}

// readCountry returns an upper-case two-letter code or "". ZZ and XX are how
// some publishers write "unknown".
func readCountry(network maxminddb.Result, path []any) string {
	code := strings.ToUpper(readText(network, path))
	if len(code) != 2 || !letter(code[0]) || !letter(code[1]) || code == "ZZ" || code == "XX" {
		return ""
	}
	return code
}

func letter(b byte) bool { return b >= 'A' && b <= 'Z' }

// readASN accepts a number, or a text such as "AS15169".
func readASN(network maxminddb.Result, path []any) uint32 {
	var number uint32
	if network.DecodePath(&number, path...) == nil && number != 0 {
		return number
	}
	text := strings.TrimPrefix(strings.ToUpper(readText(network, path)), "AS")
	parsed, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(parsed)
}

// readText returns "" for a missing key and for a value of another type.
func readText(network maxminddb.Result, path []any) string {
	if path == nil {
		return ""
	}
	var text string
	if network.DecodePath(&text, path...) != nil {
		return ""
	}
	return strings.Clone(text)
}
