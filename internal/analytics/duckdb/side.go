package duckdb

import (
	"context"
	"database/sql"
	"fmt"
	"hash/maphash"
	"math/bits"
	"strconv"
	"strings"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// A side table holds values that many clicks share and go together, such as a
// user agent and what was read from it. A click has their number. A value may
// have several numbers, since not all of the past is remembered: whoever counts
// by number adds up what has the same value.
type side struct {
	table   string
	key     string // of the table, and the column of clicks that names it
	columns []column
	sum     func(h hash, r *Row) hash // of all columns, in one go; nil when they are cheap to ask one by one
}

// numbering gives numbers to values within one process: those it remembers, or new
// ones. It keeps hashes instead of values, 16 bytes each; two values of one hash
// would be taken for one with a probability of values²/2⁶⁵.
type numbering struct {
	side  *side
	chunk *chunk
	start hash
	// recent and older are two generations of what was met: when recent is full,
	// older is dropped and recent becomes older.
	recent, older memory
	last          int64    // number given out
	stored        int64    // number in the table
	fresh         []*Row   // the first rows with the numbers after stored
	written       int64    // number handed to DuckDB
	sums          []uint64 // of the rows being numbered
}

// rememberedMax bounds each generation: eight side tables take 33 MB at most.
const rememberedMax = 1 << 16

func newNumbering(s *side, strings *arena) *numbering {
	n := &numbering{side: s, start: hash{seed: maphash.MakeSeed()}}
	key := column{name: s.key, kind: mapping.TypeBigInt, fill: n.fillKey}
	n.chunk = newChunk(append([]column{key}, s.columns...), strings)
	return n
}

// reference is the column of clicks that names values of the side. It sums up all
// rows before it looks one up, so that the processor waits for many places of the
// memory at a time.
func (n *numbering) reference() column {
	return column{name: n.side.key, kind: mapping.TypeBigInt, fill: func(vector unsafe.Pointer, rows []*Row, _ *arena) {
		n.sums = n.sums[:0]
		for _, r := range rows {
			n.sums = append(n.sums, n.sum(r))
		}
		values := unsafe.Slice((*int64)(vector), len(rows))
		for i, sum := range n.sums {
			if values[i] = n.recent.find(sum); values[i] == 0 {
				values[i] = n.number(sum, rows[i])
			}
		}
	}}
}

func (n *numbering) sum(r *Row) uint64 {
	if n.side.sum != nil {
		return n.side.sum(n.start, r).sum
	}
	h := n.start
	for i := range n.side.columns {
		h = n.side.columns[i].mix(h, r)
	}
	return h.sum
}

// number is that of a value which is not among the recent ones.
func (n *numbering) number(sum uint64, r *Row) int64 {
	number := n.older.find(sum)
	if number == 0 {
		n.last++
		number, n.fresh = n.last, append(n.fresh, r)
	}
	n.remember(sum, number)
	return number
}

func (n *numbering) remember(sum uint64, number int64) {
	if n.recent.used >= rememberedMax {
		n.older, n.recent = n.recent, memory{}
	}
	n.recent.put(sum, number)
}

// fillKey is called for one run of fresh after the other.
func (n *numbering) fillKey(vector unsafe.Pointer, rows []*Row, _ *arena) {
	values := unsafe.Slice((*int64)(vector), len(rows))
	for i := range values {
		n.written++
		values[i] = n.written
	}
}

// keep ends a transaction that was stored, undo one that was not.
func (n *numbering) keep() {
	n.stored = n.last
	n.settle()
}

func (n *numbering) undo() {
	n.recent.forget(n.stored)
	n.older.forget(n.stored)
	n.last = n.stored
	n.settle()
}

func (n *numbering) settle() {
	clear(n.fresh)
	n.fresh, n.written = n.fresh[:0], n.stored
}

// load remembers the values that the table got last.
func (n *numbering) load(ctx context.Context, conn *sql.Conn) error {
	s := n.side
	if err := conn.QueryRowContext(ctx, fmt.Sprintf("SELECT coalesce(max(%s), 0) FROM %s", s.key, s.table)).Scan(&n.last); err != nil {
		return err
	}
	n.stored = n.last
	n.settle()
	var names []string
	var number int64
	to := []any{&number}
	for _, c := range s.columns {
		if c.kind == mapping.TypeVarchar {
			names, to = append(names, strconv.Quote(c.name)), append(to, new(string))
		} else {
			names, to = append(names, strconv.Quote(c.name)+"::BIGINT"), append(to, new(int64))
		}
	}
	rows, err := conn.QueryContext(ctx, fmt.Sprintf("SELECT %[1]s, %[2]s FROM %[3]s WHERE %[1]s > %[4]d",
		s.key, strings.Join(names, ", "), s.table, n.last-rememberedMax))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		h := n.start
		for _, value := range to[1:] {
			switch v := value.(type) {
			case *string:
				h = h.text(*v)
			case *int64:
				h = h.number(*v)
			}
		}
		n.remember(h.sum, number)
	}
	return rows.Err()
}

// memory is an open-addressing table of numbers by hash. It grows to twice
// rememberedMax places.
type memory struct {
	places []place
	used   int
}

type place struct {
	sum    uint64
	number int64 // 0 for an empty place
}

// find returns the number, 0 when there is none.
func (m *memory) find(sum uint64) int64 {
	if m.used == 0 {
		return 0
	}
	for i := sum >> 32; ; i++ {
		p := &m.places[i&uint64(len(m.places)-1)]
		if p.sum == sum || p.number == 0 {
			return p.number
		}
	}
}

func (m *memory) put(sum uint64, number int64) {
	if m.used*2 >= len(m.places) {
		m.resize(max(1024, 2*len(m.places)), m.stays)
	}
	for i := sum >> 32; ; i++ {
		p := &m.places[i&uint64(len(m.places)-1)]
		if p.sum == sum || p.number == 0 {
			if p.number == 0 {
				m.used++
			}
			*p = place{sum, number}
			return
		}
	}
}

// forget drops the numbers after the last one that was stored.
func (m *memory) forget(stored int64) {
	m.resize(len(m.places), func(p place) bool { return p.number <= stored })
}

func (m *memory) stays(place) bool { return true }

func (m *memory) resize(size int, stays func(place) bool) {
	old := m.places
	*m = memory{places: make([]place, size)}
	for _, p := range old {
		if p.number != 0 && stays(p) {
			m.put(p.sum, p.number)
		}
	}
}

// hash sums up values in their order. Its seed is the process's own, so that
// nobody can choose values that are taken for others.
type hash struct {
	seed maphash.Seed
	sum  uint64
}

func (h hash) text(s string) hash {
	if s == "" {
		return h.mix(1)
	}
	return h.mix(maphash.String(h.seed, s))
}

func (h hash) number(n int64) hash { return h.mix(uint64(n) * 0xa0761d6478bd642f) }

func (h hash) mix(n uint64) hash {
	h.sum = (bits.RotateLeft64(h.sum, 23) ^ n) * 0x9e3779b97f4a7c15
	return h
}
