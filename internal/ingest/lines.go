package ingest

import (
	"bytes"
	"context"
	"errors"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Limits of a piece of a log.
const (
	LogBytesMax  = 4 << 20
	lineBytesMax = 128 << 10
	refusalsMax  = 1000 // that are told one by one
)

// Format is how a log's lines are written.
type Format string

// The formats.
const (
	JSONLines Format = "clicks"   // a Click as JSON on each line
	Combined  Format = "combined" // nginx's and Apache's
)

// LineRefusal is a line that was not taken.
type LineRefusal struct {
	Line int // from 1
	Why  string
}

// Receipt is what came of a piece of a log.
type Receipt struct {
	Taken, Refused int
	// NotLinks are lines of the combined format that are of no link: pages, pictures. They are
	// not among the refused.
	NotLinks int
	Refusals []LineRefusal // the first refusalsMax
}

// TakeLog takes the lines of a log, each for itself, and returns when those that make sense
// are on the disk. host is that of lines that name none. An error says why none was taken.
// Lines that are sent again are taken again, and count once.
func (i *Intake) TakeLog(_ context.Context, format Format, host string, log []byte) (Receipt, error) {
	var receipt Receipt
	if len(log) > LogBytesMax {
		return receipt, affiliate.Errorf(affiliate.TooLarge, "a piece of a log has at most %d bytes; send it in parts that end with a line", LogBytesMax)
	}
	read := readers[format]
	if read == nil {
		return receipt, affiliate.Errorf(affiliate.Invalid, "there is no format %q of logs; there are clicks and combined", clip(string(format)))
	}
	if !i.enter() {
		return receipt, affiliate.Errorf(affiliate.Unavailable, "too many clicks are being taken in at this moment; try again in a moment")
	}
	defer i.leave()
	v := i.converters.Get().(*converter)
	defer i.converters.Put(v)
	v.begin("")
	v.bare = format == Combined
	for n := 1; len(log) > 0; n++ {
		var line []byte
		if end := bytes.IndexByte(log, '\n'); end >= 0 {
			line, log = log[:end], log[end+1:]
		} else {
			line, log = log, nil
		}
		if line = bytes.TrimRight(line, " \t\r"); len(line) == 0 {
			continue
		}
		v.host = host
		switch err := v.line(read, line); {
		case err == nil:
		case errors.Is(err, ErrNotLink):
			receipt.NotLinks++
		default:
			if receipt.Refused++; receipt.Refused <= refusalsMax {
				receipt.Refusals = append(receipt.Refusals, LineRefusal{n, err.Error()})
			}
		}
	}
	i.refused.Add(int64(receipt.Refused))
	receipt.Taken = len(v.ends)
	return receipt, i.store(v)
}

// readers read a line by its format into v.in; one that has to unescape does so into v.scan.own.
var readers = map[Format]func(v *converter, line []byte) error{
	JSONLines: (*converter).readJSON,
	Combined:  func(v *converter, line []byte) error { return ParseCombined(line, v.host, &v.in) },
}

func (v *converter) readJSON(line []byte) error {
	v.scan.b, v.scan.at, v.scan.deep = line, 0, 0
	if err := v.scan.click(&v.in); err != nil {
		return err
	}
	if v.scan.skipSpace(); v.scan.at < len(line) {
		return v.scan.fault("nothing may follow the click, and there is %s", v.scan.next())
	}
	return nil
}

// line converts one line.
func (v *converter) line(read func(*converter, []byte) error, line []byte) error {
	if len(line) > lineBytesMax {
		return errors.New("the line is too long to be a click")
	}
	if err := read(v, line); err != nil {
		return err
	}
	if v.in.Host == "" {
		v.in.Host = v.host
	}
	return v.convert()
}
