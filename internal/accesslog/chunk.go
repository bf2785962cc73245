package accesslog

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// Chunk is some lines of a log.
type Chunk struct {
	File  string
	Bytes []byte // whole lines, each with its newline, at most ChunkBytesMax
	Lines int    // in Bytes
	// Refused are lines that are not handed on, in their order.
	Refused []Refusal

	first int64 // number of the first line, refused or not
	log   *log
	after position
	whole bool      // nothing follows, ever
	seen  time.Time // when the file was last written
	again []resume
}

// Refusal is a line that was not handed on.
type Refusal struct {
	Line int64 // from 1
	Why  string
	Text []byte // how it begins
}

// resume is from where a log is read again after a start.
type resume struct {
	log *log
	at  position
}

// Line returns where in its file a line of Bytes is; both count from 1.
func (c *Chunk) Line(n int) int64 {
	line := c.first + int64(n) - 1
	for _, r := range c.Refused {
		if r.Line <= line {
			line++
		}
	}
	return line
}

// From returns the lines of Bytes from the one with this number on, counted from 1; none when there
// are fewer.
func (c *Chunk) From(n int) []byte { return after(c.Bytes, n-1) }

// after returns what follows so many lines.
func after(b []byte, lines int) []byte {
	for ; lines > 0 && len(b) > 0; lines-- {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return nil
		}
		b = b[end+1:]
	}
	return b
}

// Texts calls fn with each of some lines of Bytes, which ascend and count from 1, without their newlines.
func (c *Chunk) Texts(numbers []int, fn func(i int, text []byte)) {
	rest, at := c.Bytes, 1
	for i, n := range numbers {
		rest, at = after(rest, n-at), n
		text, _, _ := bytes.Cut(rest, []byte{'\n'})
		fn(i, text)
	}
}

// numberBytesMax is room for "#n " in front of a line.
const numberBytesMax = 24

// fill takes lines off the block. last says that nothing will follow the block, so that a last
// line without its newline is whole. It returns nil when there is nothing to take.
func (r *Reader) fill(l *log, block []byte, last bool) *Chunk {
	before, first := l.at, l.at.Lines+1
	c := &Chunk{File: l.Path, first: first, log: l}
	for len(block) > 0 {
		end := bytes.IndexByte(block, '\n')
		taken := end + 1
		if end < 0 {
			if len(block) <= LineBytesMax && !l.at.InLong && !last {
				break
			}
			end, taken = len(block), len(block)
		}
		whole := taken > end || last
		switch {
		case l.at.InLong: // it was refused when it began
		case end > LineBytesMax:
			c.Refused = append(c.Refused, Refusal{Line: l.at.Lines + 1, Text: clip(block[:end]),
				Why: fmt.Sprintf("the line is longer than %d bytes", LineBytesMax)})
		default:
			if len(c.Bytes)+end+numberBytesMax > ChunkBytesMax {
				return r.finish(c)
			}
			c.take(r.number(l, block[:end]), block[:end])
		}
		l.at.Offset += int64(taken)
		if l.at.InLong = !whole; whole {
			l.at.Lines++
		}
		l.source.taken(taken)
		block = block[taken:]
	}
	if l.at == before {
		return nil
	}
	return r.finish(c)
}

func (c *Chunk) take(number int, line []byte) {
	if c.Bytes == nil {
		c.Bytes = make([]byte, 0, max(cap(c.log.source.buffer), len(line)+1))
	}
	if number > 0 {
		c.Bytes = append(strconv.AppendInt(append(c.Bytes, '#'), int64(number), 10), ' ')
	}
	c.Bytes = append(append(c.Bytes, line...), '\n')
	c.Lines++
}

// chunk is one without lines, for a position by itself.
func (r *Reader) chunk(l *log) *Chunk {
	return r.finish(&Chunk{File: l.Path, first: l.at.Lines + 1, log: l})
}

// finish notes what holds when the chunk is done with.
func (r *Reader) finish(c *Chunk) *Chunk {
	l := c.log
	c.after, c.whole, c.seen = l.at, l.Whole, l.modTime
	c.again = []resume{{l, l.at}}
	if r.options.Second != nil {
		c.again = l.family.resumes(l)
	}
	return c
}

const textBytesMax = 1 << 10

func clip(b []byte) []byte { return bytes.Clone(b[:min(len(b), textBytesMax)]) }
