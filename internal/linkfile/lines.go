package linkfile

import (
	"bufio"
	"io"
)

// lineReader reads lines of bounded length.
type lineReader struct {
	in     *bufio.Reader
	number int64  // of the line read last
	long   []byte // holds a line that did not fit in's buffer
}

// next returns the next line with its line end, valid until the next call. ended
// is false for a last line without one. A line over LineBytesMax is passed over:
// tooLong is true and the line is what there is of it up to the limit.
func (r *lineReader) next() (line []byte, ended, tooLong bool, err error) {
	r.long = r.long[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		if err == nil && len(r.long) == 0 {
			r.number++
			return part, true, false, nil
		}
		if room := LineBytesMax - len(r.long); len(part) > room {
			part, tooLong = part[:room], true
		}
		r.long = append(r.long, part...)
		switch {
		case err == nil:
			r.number++
			return r.long, true, tooLong, nil
		case err == io.EOF && len(r.long) == 0:
			return nil, false, false, io.EOF
		case err == io.EOF:
			r.number++
			return r.long, false, tooLong, nil
		case err != bufio.ErrBufferFull:
			return nil, false, false, readError(r.number+1, err)
		}
	}
}

// trimEnd cuts the line end.
func trimEnd(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}
