package affiliate

import "hash/maphash"

// RecordWriter writes records and remembers how it has packed the words that come
// again and again: user agents, languages, referrers and pages. What it writes is what
// Click.AppendRecord writes. It belongs to one goroutine and has all its memory from
// the start. A text is kept when it comes a second time, so strangers with a new one
// each cost a hash and push out nobody.
type RecordWriter struct {
	seed      maphash.Seed
	packedURL []byte // of the record that is being written
	sets      [packedSets]packedSet
}

const (
	packedSets    = 512
	packedWays    = 2
	packedTextMax = 128 // bytes of the longest text that is kept
	packedMax     = 96  // and of its packed form
	packedMin     = 8   // bytes of the shortest that is worth it

	// memorable are the texts that it remembers, by their place in texts.
	memorable = 1<<agentText | 1<<referrerText | 1<<languageText | 1<<hostText | 1<<pageText
)

// packedSet is where texts of one hash are kept.
type packedSet struct {
	ways     [packedWays]packedText
	stranger uint64 // the hash of what it met last and does not keep
	next     uint8  // the way that makes room: not the last one asked for
}

type packedText struct {
	hash          uint64
	field         uint8
	bytes, packed uint8
	text          [packedTextMax]byte
	codes         [packedMax]byte
}

// NewRecordWriter returns a writer that remembers nothing yet.
func NewRecordWriter() *RecordWriter { return &RecordWriter{seed: maphash.MakeSeed()} }

// AppendRecord is Click.AppendRecord. packedURL is the click's URL as Decision has it packed;
// empty when it is not known.
func (w *RecordWriter) AppendRecord(b []byte, c *Click, packedURL []byte) []byte {
	w.packedURL = packedURL
	return c.appendRecord(b, w)
}

// appendText appends a text, field of a click, from memory when it is there.
func (w *RecordWriter) appendText(b []byte, field int, text, id string) []byte {
	if len(text) < packedMin || len(text) > packedTextMax {
		return phrasesOf(field).appendText(b, text, id)
	}
	hash := maphash.String(w.seed, text) + uint64(field)
	s := &w.sets[hash%packedSets]
	for i := range s.ways {
		k := &s.ways[i]
		if k.hash == hash && int(k.field) == field && string(k.text[:k.bytes]) == text {
			s.next = uint8(packedWays - 1 - i)
			return append(b, k.codes[:k.packed]...)
		}
	}
	if s.stranger != hash {
		s.stranger = hash
		return phrasesOf(field).appendText(b, text, id)
	}
	// Without the click id, which means another text in the next record.
	at := len(b)
	b = phrasesOf(field).appendText(b, text, "")
	if len(b)-at <= packedMax {
		k := &s.ways[s.next]
		k.hash, k.field, k.bytes, k.packed = hash, uint8(field), uint8(copy(k.text[:], text)), uint8(copy(k.codes[:], b[at:]))
		s.next = packedWays - 1 - s.next
	}
	return b
}
