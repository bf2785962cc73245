package journal

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"syscall"
)

// cursor walks the records of one segment by reading its file. It never trusts a
// byte that a checksum does not vouch for. The page cache shows it the same bytes that
// the writer's map holds.
type cursor struct {
	file     io.ReaderAt
	offset   int64  // where the next record is expected
	floor    uint64 // the next record's sequence must be larger
	anchored bool   // floor is the sequence of the record just before, so losses can be counted
	bounded  bool   // that record, or the place where it would be, is in this segment

	buf   []byte // bytes of the file from start on
	start int64
	disk  bool // the disk failed to read something in buf; zeros stand for it
}

// readBytes is how much the cursor asks of the file at a time.
const readBytes = 256 << 10

// frame is a record as it lies in the segment.
type frame struct {
	payload  []byte // in the cursor's buffer, valid until it moves
	sequence uint64
	offset   int64
	end      int64 // padding included
	soiled   int64 // bytes of padding, if they are not zero
}

// verdict is what peek found.
type verdict uint8

const (
	isRecord verdict = iota
	isEmpty          // nothing begins here: the length word is zero, or the limit is near
	isBad            // something begins here and is not a record
)

// window returns up to n bytes at an offset; fewer when the limit or the file's end is near.
func (c *cursor) window(offset int64, n int, limit int64) ([]byte, error) {
	n = int(min(int64(n), limit-offset))
	if n <= 0 {
		return nil, nil
	}
	from := offset - c.start
	if from < 0 || from+int64(n) > int64(len(c.buf)) {
		if err := c.fill(offset, n, limit); err != nil {
			return nil, err
		}
		from = 0
		n = min(n, len(c.buf))
	}
	return c.buf[from : from+int64(n)], nil
}

func (c *cursor) fill(offset int64, n int, limit int64) error {
	want := int(min(int64(max(n, readBytes)), limit-offset))
	c.buf = slices.Grow(c.buf[:0], want)[:want]
	c.start, c.disk = offset, false
	got, err := c.file.ReadAt(c.buf, offset)
	if errors.Is(err, syscall.EIO) {
		got, err = c.fillAroundFaults(offset)
	}
	c.buf = c.buf[:got]
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// fillAroundFaults reads page by page and leaves zeros where the disk fails, so that a
// bad sector costs its own records and no others.
func (c *cursor) fillAroundFaults(offset int64) (int, error) {
	c.disk = true
	for at := 0; at < len(c.buf); {
		pos := offset + int64(at)
		page := c.buf[at:min(at+pageBytes-int(pos%pageBytes), len(c.buf))]
		n, err := c.file.ReadAt(page, pos)
		if errors.Is(err, syscall.EIO) {
			clear(page)
		} else if err != nil {
			return at + n, err
		}
		at += len(page)
	}
	return len(c.buf), nil
}

// anchor tells the cursor the sequence of the record just before its place.
func (c *cursor) anchor(sequence uint64) {
	c.floor, c.anchored, c.bounded = sequence, true, true
}

// forget drops what was read, so that the next look sees the file as it is now.
func (c *cursor) forget() { c.buf = c.buf[:0] }

// peek looks at what begins at an offset. Bytes at or after the limit do not exist for
// it. A record's sequence must lie above floor and at most at ceiling.
func (c *cursor) peek(offset, limit int64, floor, ceiling uint64) (frame, verdict, fault, error) {
	head, err := c.window(offset, frameBytes, limit)
	if err != nil || len(head) < 4 {
		return frame{}, isEmpty, faultHole, err
	}
	length := binary.LittleEndian.Uint32(head)
	if length == 0 {
		if c.disk {
			return frame{}, isBad, faultDisk, nil
		}
		return frame{}, isEmpty, faultHole, nil
	}
	end := offset + int64(length)
	if length < frameBytes || length > frameBytes+MaxPayloadBytes {
		return frame{}, isBad, faultLength, nil
	}
	if end > limit || len(head) < frameBytes {
		return frame{}, isBad, faultEnd, nil
	}
	want := binary.LittleEndian.Uint32(head[4:])
	sequence := binary.LittleEndian.Uint64(head[8:])
	sequenceFits := sequence > floor && sequence <= ceiling
	if !sequenceFits && ceiling != math.MaxUint64 {
		return frame{}, isBad, faultSequence, nil // searching: spare the checksum
	}
	padded := (end + alignment - 1) &^ (alignment - 1)
	b, err := c.window(offset, int(padded-offset), limit)
	switch {
	case err != nil:
		return frame{}, isBad, faultNone, err
	case len(b) < int(length):
		return frame{}, isBad, faultEnd, nil
	case checksum(length, b[8:length]) != want:
		if c.disk {
			return frame{}, isBad, faultDisk, nil
		}
		return frame{}, isBad, faultChecksum, nil
	case !sequenceFits:
		return frame{}, isBad, faultSequence, nil
	}
	f := frame{payload: b[frameBytes:length:length], sequence: sequence, offset: offset, end: padded}
	if padding := b[length:]; !allZero(padding) {
		f.soiled = int64(len(padding))
	}
	return f, isRecord, faultNone, nil
}

// next looks at the record that the cursor stands before.
func (c *cursor) next(limit int64) (frame, verdict, fault, error) {
	return c.peek(c.offset, limit, c.floor, math.MaxUint64)
}

// find searches for the first whole record that begins after the cursor's place, where
// there is none, and before end. First where the length there says the next one begins: that step can not be misled by
// a payload that looks like a record. Then at every aligned place. Within a segment
// sequences grow by one per record, which bounds what can be believed.
func (c *cursor) find(end, limit int64) (frame, bool, error) {
	head, err := c.window(c.offset, 4, limit)
	if err != nil {
		return frame{}, false, err
	}
	if len(head) == 4 {
		if length := int64(binary.LittleEndian.Uint32(head)); length >= frameBytes {
			behind := (c.offset + length + alignment - 1) &^ (alignment - 1)
			f, v, _, err := c.peek(behind, limit, c.floor, c.ceiling(behind))
			if err != nil || v == isRecord {
				return f, v == isRecord, err
			}
		}
	}
	for at := c.offset + alignment; at < end; at += alignment {
		f, v, _, err := c.peek(at, limit, c.floor, c.ceiling(at))
		if err != nil || v == isRecord {
			return f, v == isRecord, err
		}
	}
	return frame{}, false, nil
}

// ceiling is the largest sequence that a record at an offset can have, if every byte
// since the cursor's place was full of the shortest records.
func (c *cursor) ceiling(offset int64) uint64 {
	if !c.bounded {
		return math.MaxUint64
	}
	return c.floor + 1 + uint64(offset-c.offset)/frameBytes
}

// dataEnd returns the offset behind the last byte in [from, limit) that is not zero, or from.
func (c *cursor) dataEnd(from, limit int64) (int64, error) {
	end := from
	for at := from; at < limit; {
		b, err := c.window(at, readBytes, limit)
		if err != nil {
			return end, err
		}
		if len(b) == 0 {
			break
		}
		for i := len(b) - 1; i >= 0; i-- {
			if b[i] != 0 {
				end = at + int64(i) + 1
				break
			}
		}
		at += int64(len(b))
	}
	return end, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
