package affiliate

import (
	"bytes"
	"encoding/binary"
)

// again is the first byte of a record, before its own, that says that the same may have
// been sent before. No version of the record's layout has this number.
const again = 0xfe

// AppendAgain appends a record marked as one that may have been sent before.
func AppendAgain(b, record []byte) []byte { return append(append(b, again), record...) }

// CutAgain takes the mark off, and says whether there was one.
func CutAgain(record []byte) ([]byte, bool) { return bytes.CutPrefix(record, []byte{again}) }

// RecordKey is a number that all records of a visitor share, so that one reader meets all
// visits of somebody; of a click without a visitor it is the click's own. It says nothing of what
// cannot be read. The number depends on the record alone and is the same on every machine.
func RecordKey(record []byte) uint64 {
	if len(record) >= headBytes+10 && record[0] == clickVersion && shape(record[17])&hasVisitor != 0 {
		return mix(binary.LittleEndian.Uint64(record[headBytes+2:]))
	}
	if len(record) >= 16 {
		return mix(binary.LittleEndian.Uint64(record[8:]))
	}
	return 0
}

// mix spreads the bits of a number; it is the end of MurmurHash3 (A. Appleby, public
// domain).
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
