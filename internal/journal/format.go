package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

// FormatVersion is the version of the segment format that this package writes and
// the only one that it reads. docs/formats/journal.md describes it.
const FormatVersion = 1

// MaxPayloadBytes is the longest payload of one record. Small segments hold less:
// a record never continues in the next segment.
const MaxPayloadBytes = 1 << 20

const (
	headerBytes = 64 // segment header
	frameBytes  = 16 // length, checksum and sequence before each payload
	alignment   = 8  // every record starts at a multiple of this
	pageBytes   = 4096

	segmentSuffix   = ".journal"
	preparingSuffix = ".preparing"
	setAsideFolder  = "set-aside"
	lockFile        = "lock"

	segmentNumberMax = 1<<32 - 1
)

// Offsets of the segment header's fields. The first 16 bytes keep their meaning in
// every version, so that an old reader can name the version it lacks.
const (
	headerMagic      = 0
	headerVersion    = 8
	headerChecksum   = 12 // over 0..11, 16..47 and 60..63
	headerNumber     = 16
	headerPrevious   = 24
	headerCreated    = 32
	headerCapacity   = 40
	headerFirst      = 48 // written when the segment is first used, not when it is prepared
	headerFirstCheck = 56 // over 16..23 and 48..55; zero until then
	headerReserved   = 60
)

const magic = "SLUICEJL"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is what a segment says about itself.
type header struct {
	version  uint32
	number   uint64
	previous uint64 // number of the segment before it when it was created, 0 for none
	created  time.Time
	capacity int64
	first    uint64 // sequence of its first record, 0 while unused
}

// encode returns the bytes of a segment header.
func (h header) encode() []byte {
	b := make([]byte, headerBytes)
	copy(b, magic)
	le := binary.LittleEndian
	le.PutUint32(b[headerVersion:], h.version)
	le.PutUint64(b[headerNumber:], h.number)
	le.PutUint64(b[headerPrevious:], h.previous)
	le.PutUint64(b[headerCreated:], uint64(h.created.UnixNano()))
	le.PutUint64(b[headerCapacity:], uint64(h.capacity))
	le.PutUint32(b[headerChecksum:], sumHeader(b))
	if h.first != 0 {
		putFirst(b, h.first)
	}
	return b
}

// putFirst enters the first sequence into the header in b. The check comes last:
// a process that dies between the two leaves a segment that still counts as unused,
// which it is.
func putFirst(b []byte, first uint64) {
	binary.LittleEndian.PutUint64(b[headerFirst:], first)
	storeWord(b[headerFirstCheck:], sumFirst(b))
}

func sumHeader(b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, b[:headerChecksum])
	sum = crc32.Update(sum, castagnoli, b[headerNumber:headerFirst])
	return crc32.Update(sum, castagnoli, b[headerReserved:headerBytes])
}

func sumFirst(b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, b[headerNumber:headerPrevious])
	return crc32.Update(sum, castagnoli, b[headerFirst:headerFirstCheck])
}

// headerFault says what is wrong with a header; empty means sound.
type headerFault string

const (
	headerSound   headerFault = ""
	headerShort   headerFault = "the file is shorter than a segment header"
	headerTorn    headerFault = "the segment header's checksum does not match"
	headerNoFirst headerFault = "the first sequence in the segment header does not match its checksum"
	headerForeign headerFault = "the segment has another format version"
)

// decodeHeader reads a segment header. Only the fields that the checksums vouch
// for are filled in.
func decodeHeader(b []byte) (header, headerFault) {
	if len(b) < headerBytes {
		return header{}, headerShort
	}
	le := binary.LittleEndian
	if le.Uint32(b[headerChecksum:]) != sumHeader(b) || string(b[:len(magic)]) != magic {
		return header{}, headerTorn
	}
	h := header{
		version:  le.Uint32(b[headerVersion:]),
		number:   le.Uint64(b[headerNumber:]),
		previous: le.Uint64(b[headerPrevious:]),
		created:  time.Unix(0, int64(le.Uint64(b[headerCreated:]))),
		capacity: int64(le.Uint64(b[headerCapacity:])),
	}
	if h.version != FormatVersion {
		return h, headerForeign
	}
	first, check := le.Uint64(b[headerFirst:]), le.Uint32(b[headerFirstCheck:])
	switch {
	case check == 0: // prepared, not used yet
	case check != sumFirst(b):
		return h, headerNoFirst
	default:
		h.first = first
	}
	return h, headerSound
}

// paddedBytes is the room that a record with n bytes of payload takes.
func paddedBytes(n int) int64 {
	return (int64(n) + frameBytes + alignment - 1) &^ (alignment - 1)
}

// checksum covers a record's length word and body, which is its sequence and payload.
// The length comes first although it lies apart from the body, because the checksum
// field is between them; four steps through the table are cheaper than a second call.
func checksum(length uint32, body []byte) uint32 {
	sum := ^uint32(0)
	for range 4 {
		sum = castagnoli[byte(sum)^byte(length)] ^ sum>>8
		length >>= 8
	}
	return crc32.Update(^sum, castagnoli, body)
}

// storeWord writes a little-endian word in one atomic step, after everything that
// was written before it.
func storeWord(b []byte, v uint32) {
	var word [4]byte
	binary.LittleEndian.PutUint32(word[:], v)
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&b[0])), binary.NativeEndian.Uint32(word[:]))
}

// segmentName is the file name of a segment; names sort as their numbers do.
func segmentName(number uint64) string { return fmt.Sprintf("%010d%s", number, segmentSuffix) }

// parseSegmentName returns the number of a segment's file name.
func parseSegmentName(name string) (uint64, bool) {
	digits, found := strings.CutSuffix(name, segmentSuffix)
	if !found || len(digits) != 10 {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, err == nil && number > 0 && number <= segmentNumberMax
}
