package rabbitmq

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A parcel is one message of a stream: records of one partition, in order. AMQP costs
// by the message, so many short records travel in one.
//
//	| version 1 | length, uvarint | record | length | record | … |
const (
	parcelVersion    = 1
	parcelRecordsMax = 256
	parcelBytesMax   = 64 << 10 // unless a single record is longer
)

var errParcel = errors.New("not a parcel of records")

// addRecord puts a record into a parcel; an empty one is begun.
func addRecord(parcel, record []byte) []byte {
	if len(parcel) == 0 {
		parcel = append(parcel, parcelVersion)
	}
	parcel = binary.AppendUvarint(parcel, uint64(len(record)))
	return append(parcel, record...)
}

// unpack appends the records of a parcel, which point into it.
func unpack(records [][]byte, parcel []byte) ([][]byte, error) {
	if len(parcel) < 2 || parcel[0] != parcelVersion {
		return records, errParcel
	}
	for rest := parcel[1:]; len(rest) > 0; {
		length, n := binary.Uvarint(rest)
		if n <= 0 || length > uint64(len(rest)-n) {
			return records, errParcel
		}
		end := n + int(length)
		records = append(records, rest[n:end:end])
		rest = rest[end:]
	}
	return records, nil
}

// place is where a reader stands: before record number Record of the message at Offset,
// which is 0 unless it has stopped in the middle of a parcel.
type place struct {
	Offset int64
	Record int
}

// parsePlace reads "17" or "17+3"; "" is the beginning.
func parsePlace(position string) (place, error) {
	if position == "" {
		return place{}, nil
	}
	offset, record, within := strings.Cut(position, "+")
	var p place
	var err error
	if p.Offset, err = strconv.ParseInt(offset, 10, 64); err == nil && within {
		p.Record, err = strconv.Atoi(record)
	}
	if err != nil || p.Offset < 0 || p.Record < 0 || within && p.Record == 0 {
		return p, fmt.Errorf("rabbitmq: %q is no position of a stream", position)
	}
	return p, nil
}

func (p place) String() string {
	if p.Record == 0 {
		return strconv.FormatInt(p.Offset, 10)
	}
	return strconv.FormatInt(p.Offset, 10) + "+" + strconv.Itoa(p.Record)
}

// after reports whether p lies behind q.
func (p place) after(q place) bool {
	return p.Offset > q.Offset || p.Offset == q.Offset && p.Record > q.Record
}
