package geo

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"
)

// table is one file, ready to answer. Many networks share a record, and many
// records differ only in fields that we do not read, so each record of the file
// is reduced to its place in a short list of distinct answers.
type table struct {
	reader  *maxminddb.Reader
	schema  schema
	answers []Location
	byData  map[uintptr]uint32 // offset of a record in the file -> index in answers
	records int                // networks with an answer
	onlyV4  bool
}

// find answers for one address. The search of the tree is the library's; the
// record itself was decoded when the file was opened.
func (t *table) find(ip netip.Addr) Location {
	ip = ip.Unmap()
	if !public(ip) || (t.onlyV4 && ip.Is6()) {
		return Location{}
	}
	hit := t.reader.Lookup(ip)
	if !hit.Found() {
		return Location{}
	}
	at, ok := t.byData[hit.Offset()]
	if !ok {
		return Location{}
	}
	return t.answers[at]
}

// load checks a file and reads every record once: a file that is damaged
// anywhere is refused here, so that no visitor meets the damage later.
func load(kind, name string, bytes []byte) (*table, error) {
	reader, err := maxminddb.OpenBytes(bytes)
	if err != nil {
		return nil, fmt.Errorf("geo: %s is not a MaxMind DB, or only part of one (%d bytes, %w): download it again and unpack it (.tar.gz, .gz) to its .mmdb file", name, len(bytes), err)
	}
	t := &table{reader: reader, byData: make(map[uintptr]uint32), onlyV4: reader.Metadata.IPVersion == 4}
	t.schema, err = detect(reader, kind)
	if err == nil {
		err = t.schema.fits(kind)
	}
	if err == nil {
		err = t.readAll()
	}
	if err != nil {
		var wrong *wrongKindError
		if errors.As(err, &wrong) {
			return nil, fmt.Errorf("geo: %s (%q) %w", name, reader.Metadata.DatabaseType, err)
		}
		return nil, fmt.Errorf("geo: %s is a MaxMind DB but is damaged (%w): download it again", name, err)
	}
	return t, nil
}

// readAll walks the tree and fills the answers. A tree of n nodes has n+1
// leaves; a damaged one may point back into itself and would never end.
func (t *table) readAll() error {
	known := make(map[Location]uint32)
	leavesMax := 4 * (t.reader.Metadata.NodeCount + 1)
	leaves := uint(0)
	for network := range t.reader.Networks(maxminddb.IncludeNetworksWithoutData()) {
		if leaves++; leaves > leavesMax {
			return errors.New("its search tree loops")
		}
		if err := network.Err(); err != nil {
			return err
		}
		if !network.Found() {
			continue
		}
		if err := t.readRecord(network, known); err != nil {
			return fmt.Errorf("at %v: %w", network.Prefix(), err)
		}
	}
	return nil
}

// readRecord decodes the record of a network unless an earlier network had the
// same one.
func (t *table) readRecord(network maxminddb.Result, known map[Location]uint32) error {
	offset := network.Offset()
	at, ok := t.byData[offset]
	if !ok {
		answer, err := t.schema.read(network)
		if err != nil {
			return err
		}
		if at, ok = known[answer]; !ok {
			at = uint32(len(t.answers))
			t.answers = append(t.answers, answer)
			known[answer] = at
		}
		t.byData[offset] = at
	}
	if t.answers[at] != (Location{}) {
		t.records++
	}
	return nil
}
