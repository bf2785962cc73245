package postback

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// The bounds of a CSV file.
const (
	CSVRowsMax  = 100_000
	CSVBytesMax = 64 << 20
)

// CSVColumns are the columns that a file may have, in any order, beside the aliases of
// parameters; txid or click_id must be there.
func CSVColumns() []string {
	var columns []string
	for _, aliases := range names {
		if !requestOnly[aliases[0]] {
			columns = append(columns, aliases[0])
		}
	}
	return columns
}

// requestOnly are the parameters that make no sense in a file.
var requestOnly = map[string]bool{"ts": true, "nonce": true, "sig": true, "return": true, "via": true}

// Row is one line of a file. Its Report is set when the error beside it is nil.
type Row struct {
	Line     int // from 1, the header's included
	Report   affiliate.Report
	Warnings []string
}

// ReadCSV reads reports from a file as they were uploaded by somebody who may say
// anything about the program: commas, semicolons or tabs between, UTF-8, with a header. A bad
// line comes with its number and a *Refusal and does not end the file; a bad header
// (HeaderUnknown), too much of it (FileTooLarge) and a fault of r do. It holds one line at a time.
func ReadCSV(r io.Reader, inbox Inbox, now time.Time) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		file := newCSVFile(r)
		header, line, err := file.next()
		if err == io.EOF {
			err = refuse(HeaderUnknown, "", "the file is empty; it starts with a header of %s", expected())
		}
		var columns []string
		if err == nil {
			columns, err = readHeader(header)
		}
		if err != nil {
			yield(Row{Line: max(line, 1)}, err)
			return
		}
		for rows := 0; ; rows++ {
			cells, line, err := file.next()
			row := Row{Line: line}
			switch {
			case err == io.EOF:
				return
			case rows == CSVRowsMax:
				file.over = true
				err = refuse(FileTooLarge, "", "the file has more than %d lines; the lines before this one are read, split the rest", CSVRowsMax)
			case err == nil:
				row.Report, row.Warnings, err = readRow(columns, cells, terms{inbox: inbox, source: affiliate.ByCSV, now: now, trusted: true})
			}
			if !yield(row, err) || file.over {
				return
			}
		}
	}
}

func expected() string {
	return strings.Join(CSVColumns(), ", ") + ", of which txid or click_id must be there"
}

func readHeader(cells []string) ([]string, error) {
	columns, identified := make([]string, len(cells)), false
	seen := map[string]bool{}
	for i, cell := range cells {
		name := strings.ToLower(strings.TrimSpace(cell))
		parameter, ok := nameOf[name]
		if !ok || requestOnly[parameter] {
			return nil, refuse(HeaderUnknown, name, "%q is not a column; the header names %s", clip(cell), expected())
		}
		if seen[name] {
			return nil, refuse(HeaderUnknown, name, "the column %q comes twice", name)
		}
		seen[name] = true
		columns[i] = name
		identified = identified || parameter == "txid" || parameter == "click_id"
	}
	if !identified {
		return nil, refuse(HeaderUnknown, "txid", "neither txid nor click_id is a column; the header names %s", expected())
	}
	return columns, nil
}

// readRow reads a line by the rules of a request.
func readRow(columns, cells []string, t terms) (affiliate.Report, []string, error) {
	if len(cells) != len(columns) {
		return affiliate.Report{}, nil, refuse(RowMalformed, "", "the line has %d fields and the header %d; put quotes around a field with a separator in it", len(cells), len(columns))
	}
	var p parameters
	for i, cell := range cells {
		if r := p.add(columns[i], cell); r != nil {
			return affiliate.Report{}, nil, r
		}
	}
	f, refusal := p.fields()
	if refusal != nil {
		return affiliate.Report{}, nil, refusal
	}
	report, refusal := f.report(t)
	if refusal != nil {
		return affiliate.Report{}, nil, refusal
	}
	return report, f.warnings, nil
}

// csvFile reads lines that are bounded, one by one and in all.
type csvFile struct {
	bounds *boundedReader
	lines  *csv.Reader
	last   int  // line that was read
	over   bool // nothing more can be read
}

func newCSVFile(r io.Reader) *csvFile {
	bounds := &boundedReader{r: r, file: CSVBytesMax}
	buffered := bufio.NewReaderSize(bounds, csvBuffer)
	bounds.line = BodyBytesMax
	lines := csv.NewReader(buffered)
	lines.Comma = separator(buffered)
	lines.FieldsPerRecord, lines.ReuseRecord = -1, true
	return &csvFile{bounds: bounds, lines: lines}
}

const csvBuffer = 8 << 10

// separator passes over a byte order mark and finds what stands between the columns most often.
func separator(in *bufio.Reader) rune {
	if mark, _ := in.Peek(3); string(mark) == "\ufeff" {
		in.Discard(3) // was just seen
	}
	start, _ := in.Peek(csvBuffer / 2) // at the end of a short file there is less, and an error that comes again
	header, _, _ := strings.Cut(string(start), "\n")
	best := ","
	for _, other := range []string{";", "\t"} {
		if strings.Count(header, other) > strings.Count(header, best) {
			best = other
		}
	}
	return rune(best[0])
}

// next is a line, where it begins, and io.EOF at the end.
func (f *csvFile) next() (cells []string, line int, err error) {
	f.bounds.line = BodyBytesMax + csvBuffer // what is buffered belongs to the next line
	cells, err = f.lines.Read()
	var quotes *csv.ParseError
	switch {
	case err == io.EOF:
		return nil, 0, io.EOF
	case errors.As(err, &quotes):
		f.last = quotes.Line
		return nil, quotes.StartLine, refuse(RowMalformed, "", "the quotes do not match (%s); a quote inside a quoted field is written twice", quotes.Err)
	case err != nil:
		f.over = true
		return nil, f.last + 1, fault(err)
	}
	line, _ = f.lines.FieldPos(0)
	f.last, _ = f.lines.FieldPos(len(cells) - 1)
	for _, cell := range cells {
		if !utf8.ValidString(cell) {
			return nil, line, refuse(EncodingMalformed, "", "the line is not UTF-8 text; save the file as UTF-8, which Excel calls \"CSV UTF-8\"")
		}
	}
	return cells, line, nil
}

func fault(err error) error {
	switch {
	case errors.Is(err, errLineTooLong):
		return refuse(FileTooLarge, "", "a line is longer than %d bytes, or a quote is never closed; nothing behind it is read", BodyBytesMax)
	case errors.Is(err, errFileTooLong):
		return refuse(FileTooLarge, "", "the file is larger than %d MiB; the lines before this one are read, split the rest", CSVBytesMax>>20)
	}
	return fmt.Errorf("read the file: %w", err)
}

var (
	errLineTooLong = errors.New("the line is too long")
	errFileTooLong = errors.New("the file is too long")
)

// boundedReader fails when a line or the file takes more than it may.
type boundedReader struct {
	r          io.Reader
	line, file int
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.line <= 0 {
		return 0, errLineTooLong
	}
	if b.file <= 0 {
		if n, err := b.r.Read(p[:1]); n == 0 {
			return 0, err
		}
		return 0, errFileTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.line, b.file)])
	b.line -= n
	b.file -= n
	return n, err
}
