package geo

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/oschwald/maxminddb-golang/v2"
)

// table is one file, ready to answer. Many networks share a record, and many
// records differ only in fields that we do not read, so each record of the file
// is reduced to its place in a short list of distinct answers.
type table struct {
	reader  *maxminddb.Reader
	schema  schema
	offsets []uint32 // where each record stands in the file, ascending
	at      []uint32 // for each of offsets, its place in answers
	answers answers
	v4      *ranges // what the tree says of IPv4
	records int     // networks with an answer
	onlyV4  bool
}

// find answers for one address. The search of the tree, for IPv6, is the library's;
// the record itself was decoded when the file was opened.
func (t *table) find(ip netip.Addr) Location {
	ip = ip.Unmap()
	if !public(ip) || (t.onlyV4 && ip.Is6()) {
		return Location{}
	}
	if ip.Is4() {
		return t.answers.location(t.v4.find(ip))
	}
	return t.findInTree(ip)
}

func (t *table) findInTree(ip netip.Addr) Location {
	hit := t.reader.Lookup(ip)
	if !hit.Found() {
		return Location{}
	}
	i, ok := slices.BinarySearch(t.offsets, uint32(hit.Offset()))
	if !ok {
		return Location{}
	}
	return t.answers.location(t.at[i])
}

// load checks a file and reads every record once: a file that is damaged
// anywhere is refused here, so that no visitor meets the damage later.
func load(kind, name string, bytes []byte) (*table, error) {
	reader, err := maxminddb.OpenBytes(bytes)
	if err != nil {
		return nil, fmt.Errorf("geo: %s is not a MaxMind DB, or only part of one (%d bytes, %w): download it again and unpack it (.tar.gz, .gz) to its .mmdb file", name, len(bytes), err)
	}
	t := &table{reader: reader, onlyV4: reader.Metadata.IPVersion == 4}
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
	pageOut(bytes)
	return t, nil
}

// readAll walks the tree and fills the answers. A tree of n nodes has n+1
// leaves; a damaged one may point back into itself and would never end.
func (t *table) readAll() error {
	byOffset := make(map[uint32]uint32)
	collect := newCollector()
	leavesMax := 4 * (t.reader.Metadata.NodeCount + 1)
	leaves := uint(0)
	var spans []span4
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
		at, err := t.readRecord(network, byOffset, collect)
		if err != nil {
			return fmt.Errorf("at %v: %w", network.Prefix(), err)
		}
		spans = addSpan(spans, network.Prefix(), at)
	}
	t.answers = collect.finish()
	t.v4 = newRanges(spans)
	t.keepOffsets(byOffset)
	return nil
}

// readRecord decodes the record of a network unless an earlier network had the
// same one, and returns the place of its answer.
func (t *table) readRecord(network maxminddb.Result, byOffset map[uint32]uint32, collect *collector) (at uint32, err error) {
	offset := uint32(network.Offset()) // the tree's pointers are of 32 bits at most
	at, ok := byOffset[offset]
	if !ok {
		found, err := t.schema.read(network)
		if err != nil {
			return 0, err
		}
		at = collect.add(found)
		byOffset[offset] = at
	}
	if at != unknown {
		t.records++
	}
	return at, nil
}

// keepOffsets turns the map into two slices, a quarter of its size.
func (t *table) keepOffsets(byOffset map[uint32]uint32) {
	t.offsets = make([]uint32, 0, len(byOffset))
	for offset := range byOffset {
		t.offsets = append(t.offsets, offset)
	}
	slices.Sort(t.offsets)
	t.at = make([]uint32, len(t.offsets))
	for i, offset := range t.offsets {
		t.at[i] = byOffset[offset]
	}
}
