package duckdb

import (
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// column is one column of a table: its name, its type, how rows fill its vector
// of a chunk, and how a row's value goes into the hash of several.
type column struct {
	name string
	kind mapping.Type
	fill func(vector unsafe.Pointer, rows []*Row, strings *arena)
	mix  func(h hash, r *Row) hash
}

// number is a column of a fixed width; T is the type as DuckDB lays it out.
func number[T uint8 | uint16 | uint32 | uint64 | int64](name string, kind mapping.Type, get func(*Row) T) column {
	return column{
		name: name,
		kind: kind,
		fill: func(vector unsafe.Pointer, rows []*Row, _ *arena) {
			values := unsafe.Slice((*T)(vector), len(rows))
			for i, r := range rows {
				values[i] = get(r)
			}
		},
		mix: func(h hash, r *Row) hash { return h.number(int64(get(r))) },
	}
}

// flag is a yes-or-no column.
func flag(name string, get func(*Row) bool) column {
	c := number(name, mapping.TypeBoolean, func(r *Row) (n uint8) {
		if get(r) {
			n = 1
		}
		return n
	})
	return c
}

// text is a column of strings.
func text(name string, get func(*Row) string) column {
	return column{
		name: name,
		kind: mapping.TypeVarchar,
		fill: func(vector unsafe.Pointer, rows []*Row, strings *arena) {
			values := unsafe.Slice((*[stringSize]byte)(vector), len(rows))
			for i, r := range rows {
				strings.put(&values[i], clean(get(r)))
			}
		},
		mix: func(h hash, r *Row) hash { return h.text(get(r)) },
	}
}

// clean makes a string fit to be stored: DuckDB holds UTF-8 only.
func clean(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// chunk carries rows into a table without a call into C for each value: it
// writes DuckDB's vectors in place. Through the driver's own appender a row of
// this table costs several times as much.
type chunk struct {
	data    mapping.DataChunk
	types   []mapping.LogicalType
	columns []column
	strings *arena
}

// newChunk makes a chunk; the arena may serve others too, since nothing is left
// in it when appendTo has returned.
func newChunk(columns []column, strings *arena) *chunk {
	c := &chunk{columns: columns, strings: strings}
	for _, col := range columns {
		c.types = append(c.types, mapping.CreateLogicalType(col.kind))
	}
	c.data = mapping.CreateDataChunk(c.types)
	return c
}

func (c *chunk) close() {
	mapping.DestroyDataChunk(&c.data)
	for i := range c.types {
		mapping.DestroyLogicalType(&c.types[i])
	}
}

// appendTo hands rows, a chunk full at most, to the appender, which copies them.
func (c *chunk) appendTo(a mapping.Appender, rows []*Row) error {
	mapping.DataChunkReset(c.data)
	c.strings.reset()
	for i := range c.columns {
		vector := mapping.VectorGetData(mapping.DataChunkGetVector(c.data, mapping.IdxT(i)))
		c.columns[i].fill(vector, rows, c.strings)
	}
	mapping.DataChunkSetSize(c.data, mapping.IdxT(len(rows)))
	state := mapping.AppendDataChunk(a, c.data)
	runtime.KeepAlive(c)
	if state == mapping.StateError {
		return errors.New(mapping.AppenderError(a))
	}
	return nil
}

// A string of DuckDB's takes 16 bytes in its vector:
//
//	| length 4 | text, up to 12 bytes, then zeros |
//	| length 4 | the first 4 bytes | pointer 8    |
const (
	stringSize   = 16
	stringInline = 12
)

// arena holds the bytes that the strings of one chunk point to. Its blocks are
// pinned, so that C memory may point to them.
type arena struct {
	blocks []block
	at     int // the block being filled
	used   int // of that block
}

type block struct {
	bytes []byte
	pin   *runtime.Pinner
}

// blockBytes holds the strings of a usual chunk; blocksKept of them stay for the
// next one.
const (
	blockBytes = 1 << 19
	blocksKept = 2
)

func (a *arena) put(to *[stringSize]byte, s string) {
	binary.NativeEndian.PutUint32(to[:4], uint32(len(s)))
	if len(s) <= stringInline {
		clear(to[4+copy(to[4:], s):])
		return
	}
	copy(to[4:8], s)
	*(*unsafe.Pointer)(unsafe.Pointer(&to[8])) = a.keep(s)
}

func (a *arena) keep(s string) unsafe.Pointer {
	for a.at < len(a.blocks) && len(a.blocks[a.at].bytes)-a.used < len(s) {
		a.at, a.used = a.at+1, 0
	}
	if a.at == len(a.blocks) {
		b := block{bytes: make([]byte, max(blockBytes, len(s))), pin: new(runtime.Pinner)}
		b.pin.Pin(&b.bytes[0])
		a.blocks = append(a.blocks, b)
	}
	p := unsafe.Pointer(&a.blocks[a.at].bytes[a.used])
	a.used += copy(a.blocks[a.at].bytes[a.used:], s)
	return p
}

func (a *arena) reset() {
	a.release(blocksKept)
	a.at, a.used = 0, 0
}

// release gives all but the first blocks back.
func (a *arena) release(keep int) {
	for i := keep; i < len(a.blocks); i++ {
		a.blocks[i].pin.Unpin()
	}
	a.blocks = a.blocks[:min(keep, len(a.blocks))]
}

const base32 = "0123456789abcdefghjkmnpqrstvwxyz"

var base32Value = func() (v [256]uint8) {
	for i := range base32 {
		v[base32[i]] = uint8(i)
	}
	return v
}()

// decode reads up to twelve characters of an id as a number; an empty id, all
// zero bytes, is 0.
func decode(id []byte) (n uint64) {
	for _, c := range id {
		n = n<<5 | uint64(base32Value[c])
	}
	return n
}

// encode is the inverse of decode.
func encode(id []byte, n uint64) {
	for i := len(id) - 1; i >= 0; i-- {
		id[i] = base32[n&31]
		n >>= 5
	}
}
