package geo

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// builtIn holds country.mmdb and asn.mmdb, each with a .json beside it that
// says where it came from, as far as scripts/fetch-geo.sh has put them there.
// The all: prefix lets an empty folder compile, with only its .keep in it.
//
//go:embed all:data
var builtIn embed.FS

// origin is the note that scripts/fetch-geo.sh leaves beside a file.
type origin struct {
	Name    string `json:"name"`
	Licence string `json:"licence"`
}

// Each kind's remedy when nothing was built in.
var absentNotes = map[string]string{
	KindCountry: "no country data is built in: countries stay unknown. Run scripts/fetch-geo.sh and build again, or name a country database (MMDB)",
	KindASN:     "no network data is built in: network owners stay unknown. Run scripts/fetch-geo.sh and build again, or name an ASN database (MMDB), for example GeoLite2-ASN",
}

func openBuiltIn(kind string) (*table, Source, error) {
	return openFrom(builtIn, kind)
}

// openFrom reads the built-in layout from a file system.
func openFrom(files fs.FS, kind string) (*table, Source, error) {
	bytes, err := readInPlace(files, "data/"+kind+".mmdb")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Source{Kind: kind, Note: absentNotes[kind]}, nil
	}
	if err != nil {
		return nil, Source{}, fmt.Errorf("geo: built-in %s data: %w", kind, err)
	}
	t, err := load(kind, "the built-in "+kind+" data", bytes)
	if err != nil {
		return nil, Source{}, fmt.Errorf("%w; run scripts/fetch-geo.sh and build again", err)
	}
	var from origin
	note, err := fs.ReadFile(files, "data/"+kind+".json")
	if err == nil {
		err = json.Unmarshal(note, &from)
	}
	s := t.source(kind, from.Name)
	s.Licence = from.Licence
	if err != nil {
		s.Name = "built in"
		s.Note = fmt.Sprintf("the origin and licence of the built-in %s data are not recorded (%v): run scripts/fetch-geo.sh and build again", kind, err)
	}
	return t, s, nil
}
