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
	recent, older map[uint64]int64
	last          int64    // number given out
	stored        int64    // number in the table
	fresh         []*Row   // the first rows with the numbers after stored
	sums          []uint64 // and their hashes
	written       int64    // number handed to DuckDB
}

// rememberedMax bounds each generation: eight tables take 40 MB in the worst case.
const rememberedMax = 1 << 16

func newNumbering(s *side, strings *arena) *numbering {
	n := &numbering{side: s, start: hash{seed: maphash.MakeSeed()}, recent: map[uint64]int64{}}
	key := column{name: s.key, kind: mapping.TypeBigInt, fill: n.fillKey}
	n.chunk = newChunk(append([]column{key}, s.columns...), strings)
	return n
}

// reference is the column of clicks that names values of the side.
func (n *numbering) reference() column {
	return column{name: n.side.key, kind: mapping.TypeBigInt, fill: func(vector unsafe.Pointer, rows []*Row, _ *arena) {
		values := unsafe.Slice((*int64)(vector), len(rows))
		for i, r := range rows {
			values[i] = n.number(r)
		}
	}}
}

// fillKey is called for one run of fresh after the other.
func (n *numbering) fillKey(vector unsafe.Pointer, rows []*Row, _ *arena) {
	values := unsafe.Slice((*int64)(vector), len(rows))
	for i := range values {
		n.written++
		values[i] = n.written
	}
}

func (n *numbering) number(r *Row) int64 {
	h := n.start
	if n.side.sum != nil {
		h = n.side.sum(h, r)
	} else {
		for i := range n.side.columns {
			h = n.side.columns[i].mix(h, r)
		}
	}
	if number, ok := n.recent[h.sum]; ok {
		return number
	}
	number, ok := n.older[h.sum]
	if !ok {
		n.last++
		number = n.last
		n.fresh, n.sums = append(n.fresh, r), append(n.sums, h.sum)
	}
	n.remember(h.sum, number)
	return number
}

func (n *numbering) remember(sum uint64, number int64) {
	if len(n.recent) >= rememberedMax {
		n.older, n.recent = n.recent, make(map[uint64]int64, rememberedMax)
	}
	n.recent[sum] = number
}

// keep ends a transaction that was stored, undo one that was not.
func (n *numbering) keep() {
	n.stored = n.last
	n.settle()
}

func (n *numbering) undo() {
	for _, sum := range n.sums {
		delete(n.recent, sum)
		delete(n.older, sum)
	}
	n.last = n.stored
	n.settle()
}

func (n *numbering) settle() {
	clear(n.fresh)
	n.fresh, n.sums, n.written = n.fresh[:0], n.sums[:0], n.stored
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
