package journal

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Position is a place between two records: everything before it has been seen.
// The zero value is the very beginning, whatever the oldest segment is. Positions
// order as the records do and stay valid across restarts, so a consumer stores
// one beside what it made of the records.
type Position struct {
	Segment uint64 // number of the segment, counted from 1
	Offset  int64  // bytes from the start of the segment's file
}

// Compare returns -1, 0 or 1 as p lies before, at or after q.
func (p Position) Compare(q Position) int {
	if c := cmp.Compare(p.Segment, q.Segment); c != 0 {
		return c
	}
	return cmp.Compare(p.Offset, q.Offset)
}

// Before reports whether p lies before q.
func (p Position) Before(q Position) bool { return p.Compare(q) < 0 }

// IsZero reports whether p is the very beginning.
func (p Position) IsZero() bool { return p == Position{} }

// String returns the text form, segment and offset in decimal: "12:4096".
func (p Position) String() string { return string(p.appendText(nil)) }

// MarshalText returns the text form.
func (p Position) MarshalText() ([]byte, error) { return p.appendText(nil), nil }

// UnmarshalText reads the text form.
func (p *Position) UnmarshalText(text []byte) error {
	q, err := ParsePosition(string(text))
	if err != nil {
		return err
	}
	*p = q
	return nil
}

func (p Position) appendText(b []byte) []byte {
	b = strconv.AppendUint(b, p.Segment, 10)
	b = append(b, ':')
	return strconv.AppendInt(b, p.Offset, 10)
}

// ParsePosition reads the text form of a position, such as "12:4096".
func ParsePosition(text string) (Position, error) {
	segment, offset, found := strings.Cut(text, ":")
	if !found {
		return Position{}, fmt.Errorf("journal position %q: want segment:offset, such as 12:4096", text)
	}
	s, err := strconv.ParseUint(segment, 10, 64)
	if err != nil {
		return Position{}, fmt.Errorf("journal position %q: the segment is not a number", text)
	}
	o, err := strconv.ParseInt(offset, 10, 64)
	if err != nil || o < 0 {
		return Position{}, fmt.Errorf("journal position %q: the offset is not a number of bytes", text)
	}
	return Position{Segment: s, Offset: o}, nil
}

// pack puts a position into one word, so that writer and readers exchange it in
// one atomic step. It is why segments stay below 4 GiB and 2^32 in number.
func (p Position) pack() uint64 { return p.Segment<<32 | uint64(p.Offset) }

func unpack(word uint64) Position {
	return Position{Segment: word >> 32, Offset: int64(word & 0xffffffff)}
}
