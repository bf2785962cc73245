package load

import (
	"bytes"
	"fmt"
	"strconv"
)

// answer is one HTTP/1.1 answer. Its slices point into the bytes that it was read
// from.
type answer struct {
	status   int
	location []byte
	cookie   []byte // NAME=VALUE that was set
	last     bool   // the server closes the connection after it
	size     int    // of head and body
}

// answerBytesMax is the longest answer that a redirect may have.
const answerBytesMax = 8 << 10

var (
	headEnd         = []byte("\r\n\r\n")
	protocol        = []byte("HTTP/1.1 ")
	locationName    = []byte("location:")
	cookieName      = []byte("set-cookie:")
	lengthName      = []byte("content-length:")
	connectionName  = []byte("connection:")
	connectionClose = []byte("close")
)

// read takes the answer at the beginning of b; whole is false while there is more
// to come.
func (a *answer) read(b []byte) (whole bool, err error) {
	*a = answer{}
	end := bytes.Index(b, headEnd)
	if end < 0 {
		return false, nil
	}
	if end < len(protocol)+3 || !bytes.HasPrefix(b, protocol) {
		return false, fmt.Errorf("not an answer: %.60q", b)
	}
	if a.status, err = strconv.Atoi(string(b[len(protocol) : len(protocol)+3])); err != nil {
		return false, fmt.Errorf("not an answer: %.60q", b)
	}
	length := 0
	for head := b[:end+2]; len(head) > 0; {
		line := head[:bytes.IndexByte(head, '\n')+1]
		head = head[len(line):]
		switch line[0] {
		case 'L', 'l':
			if value, ok := header(line, locationName); ok {
				a.location = value
			}
		case 'S', 's':
			if value, ok := header(line, cookieName); ok {
				a.cookie, _, _ = bytes.Cut(value, []byte(";"))
			}
		case 'C', 'c':
			if value, ok := header(line, lengthName); ok {
				if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
					return false, fmt.Errorf("a length of %q", value)
				}
			} else if value, ok := header(line, connectionName); ok {
				a.last = bytes.EqualFold(value, connectionClose)
			}
		}
	}
	a.size = end + len(headEnd) + length
	if a.size > answerBytesMax {
		return false, fmt.Errorf("an answer of %d bytes", a.size)
	}
	return a.size <= len(b), nil
}

// header returns the value of a header line if it has that name.
func header(line, name []byte) (value []byte, ok bool) {
	if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], name) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name):]), true
}
