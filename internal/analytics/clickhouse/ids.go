package clickhouse

import "github.com/sluicehq/sluice/internal/affiliate"

// base32 is the alphabet of click and visitor ids.
const base32 = "0123456789abcdefghjkmnpqrstvwxyz"

var base32Value = func() (values [256]uint8) {
	for i := range values {
		values[i] = 0xff
	}
	for i := range len(base32) {
		values[base32[i]] = uint8(i)
	}
	return values
}()

// decode reads a part of an id as the number that it spells; ok says that it has no
// other letters. The zero id, which is no text at all, has the number 0.
func decode(id []byte) (n uint64, ok bool) {
	var bad uint8
	for _, c := range id {
		v := base32Value[c]
		bad |= v
		n = n<<5 | uint64(v&31)
	}
	if bad == 0xff {
		return 0, false
	}
	return n, true
}

// encode spells a number into an id.
func encode(id []byte, n uint64) {
	for i := len(id) - 1; i >= 0; i-- {
		id[i] = base32[n&31]
		n >>= 5
	}
}

// clickID is a click's id as the tables keep it: 48 bits of milliseconds, 12 bits,
// 60 bits. It takes 18 bytes instead of 24, and the time is a column of its own.
type clickID struct {
	time   uint64
	middle uint16
	low    uint64
}

// numberOf returns the numbers of an id, all 0 for one that is none.
func numberOf(id affiliate.ClickID) clickID {
	high, ok := decode(id[:12])
	low, also := decode(id[12:])
	if !ok || !also {
		return clickID{}
	}
	return clickID{high >> 12, uint16(high & 0xfff), low}
}

// text is the id as the rest of the program has it.
func (n clickID) text() (id affiliate.ClickID) {
	if n != (clickID{}) {
		n.spell(&id)
	}
	return id
}

// spelled is the id in its letters, also of none.
func (n clickID) spelled() string {
	var id affiliate.ClickID
	n.spell(&id)
	return string(id[:])
}

func (n clickID) spell(id *affiliate.ClickID) {
	encode(id[:12], n.time<<12|uint64(n.middle))
	encode(id[12:], n.low)
}

func (n clickID) minute() uint64 { return n.time / msMinute }

// visitorID is a visitor's id as the tables keep it.
type visitorID struct {
	high uint32
	low  uint64
}

func numberOfVisitor(id affiliate.VisitorID) visitorID {
	high, ok := decode(id[:4])
	low, also := decode(id[4:])
	if !ok || !also {
		return visitorID{}
	}
	return visitorID{uint32(high), low}
}

func (n visitorID) text() (id affiliate.VisitorID) {
	if n == (visitorID{}) {
		return id
	}
	encode(id[:4], uint64(n.high))
	encode(id[4:], n.low)
	return id
}
