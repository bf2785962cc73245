package affiliate

import (
	"bytes"
	"testing"
)

func TestRecordKey(t *testing.T) {
	record := func(n uint64, visitor VisitorID) []byte {
		c := Click{ID: NewClickID(1_790_000_000_000+int64(n), 3, n), Visitor: visitor, Link: int64(n), Slug: "a"}
		return c.AppendRecord(nil)
	}
	somebody := NewVisitorID(7, 42)
	if RecordKey(record(1, somebody)) != RecordKey(record(2, somebody)) {
		t.Error("two clicks of one visitor have different keys")
	}
	if RecordKey(record(1, VisitorID{})) == RecordKey(record(2, VisitorID{})) {
		t.Error("two clicks of nobody have one key")
	}
	first, second := record(1, VisitorID{}), record(1, VisitorID{})
	if RecordKey(first) != RecordKey(second) {
		t.Error("a click has two keys")
	}
	// Of 12 sources each gets its share.
	for name, of := range map[string]func(n uint64) []byte{
		"visitors": func(n uint64) []byte { return record(1, NewVisitorID(uint16(n), n)) },
		"clicks":   func(n uint64) []byte { return record(n, VisitorID{}) },
	} {
		var counts [12]int
		for n := range uint64(12_000) {
			counts[RecordKey(of(n))%12]++
		}
		for source, count := range counts {
			if count < 800 || count > 1200 {
				t.Errorf("%d of 12,000 %s are source %d's", count, name, source)
			}
		}
	}
	for n := range 40 {
		_ = RecordKey(record(1, somebody)[:n]) // must not fail
	}
}

func TestAgain(t *testing.T) {
	c := Click{ID: NewClickID(1_790_000_000_000, 3, 1)}
	record := c.AppendRecord(nil)
	marked := AppendAgain(nil, record)
	if got, again := CutAgain(marked); !again || !bytes.Equal(got, record) {
		t.Errorf("got %x, %t", got, again)
	}
	if got, again := CutAgain(record); again || !bytes.Equal(got, record) {
		t.Errorf("got %x, %t", got, again)
	}
	// An older reader sets it aside and does not misread it.
	if err := new(Click).DecodeRecord(marked); err == nil {
		t.Error("a marked record was read as one of a version")
	}
}
