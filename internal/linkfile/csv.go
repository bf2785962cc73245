package linkfile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/affiliate"
)

var errNotUTF8 = affiliate.Errorf(affiliate.Invalid, "the line is not UTF-8 text; save the file as UTF-8, which Excel calls \"CSV UTF-8\"")

// csvReader reads RFC 4180 as the world writes it: separated by commas,
// semicolons or tabs, any line end, line breaks inside quotes.
type csvReader struct {
	lines  lineReader
	comma  byte
	header string
	cols   []cell // one per column of the file
	site   string
	notes  []string

	record []byte // the record at hand, line ends included
	fields []field
	cut    bool // the record is the last one and has no line end
}

// field is one cell of a record.
type field struct {
	text   string
	quoted bool
}

// cell gives a column's text to a link.
type cell struct {
	name string
	set  func(l *row, text string) error // nil: the column is not used
}

func newCSVReader(in *bufio.Reader, o Options) (*csvReader, error) {
	r := &csvReader{lines: lineReader{in: in}, site: o.Site, comma: ','}
	for {
		line, err := r.read()
		if err == io.EOF {
			return nil, badf("the file is empty; a CSV file starts with a header that names at least slug and url")
		}
		if err != nil {
			return nil, err
		}
		r.header = string(trimEnd(r.record))
		if comma, ok := strings.CutPrefix(r.header, "sep="); ok && len(comma) == 1 && line == 1 {
			r.comma = comma[0] // Excel's own way of saying it
			continue
		}
		if strings.TrimSpace(r.header) != "" {
			break
		}
	}
	if !utf8.ValidString(r.header) {
		return nil, errNotUTF8
	}
	return r, r.readHeader()
}

// readHeader finds the separator with which the header makes most sense.
func (r *csvReader) readHeader() error {
	best := []byte{r.comma}
	for _, comma := range []byte(",;\t") {
		if strings.Count(r.header, string(comma)) > strings.Count(r.header, string(best[0])) {
			best = []byte{comma, best[0]}
		}
	}
	var err error
	for _, comma := range best {
		r.comma = comma
		if err = r.split(r.header); err != nil {
			continue
		}
		names := make([]string, len(r.fields))
		for i, f := range r.fields {
			names[i] = f.text
		}
		if r.cols, r.notes, err = columnsOf(names); err == nil {
			return nil
		}
	}
	return err
}

func (r *csvReader) names() (names []string) {
	for _, c := range r.cols {
		if c.set != nil {
			names = append(names, c.name)
		}
	}
	return names
}

func (r *csvReader) frame() (head, tail string) { return r.header, "" }

func (r *csvReader) next() (int64, string, affiliate.Link, error) {
	for {
		line, err := r.read()
		if err != nil {
			if affiliate.CodeOf(err) == affiliate.Invalid {
				return line, clip(r.record), affiliate.Link{}, err
			}
			return line, "", affiliate.Link{}, err
		}
		raw := string(trimEnd(r.record))
		if !utf8.ValidString(raw) {
			return line, raw, affiliate.Link{}, errNotUTF8
		}
		if err := r.split(raw); err != nil {
			return line, raw, affiliate.Link{}, err
		}
		if r.blank() {
			continue
		}
		link, err := r.link(line)
		return line, raw, link, err
	}
}

// read collects one record, which goes on over line ends inside quotes, and
// returns the line that it starts on.
func (r *csvReader) read() (int64, error) {
	r.record = r.record[:0]
	start := r.lines.number + 1
	state := atField
	for {
		line, ended, tooLong, err := r.lines.next()
		if err == io.EOF && len(r.record) > 0 {
			return start, truncated(start, "a quote that opens there is never closed")
		}
		if err != nil {
			return start, err
		}
		if len(r.record)+len(line) > LineBytesMax && state == inQuotes {
			return start, fmt.Errorf("the record on line %d is longer than %d bytes: a quote that opens there is probably never closed; correct it and try again", start, LineBytesMax)
		}
		r.record = append(r.record, line...)
		if tooLong {
			return start, errLong
		}
		if state = scan(line, r.comma, state); state != inQuotes {
			r.cut = !ended
			return start, nil
		}
		if !ended {
			return start, truncated(start, "a quote that opens there is never closed")
		}
	}
}

// The places a scan of CSV text can be in.
type place uint8

const (
	atField  place = iota // a field begins
	inField               // in a field without quotes
	inQuotes              // between quotes
	atQuote               // after a quote inside quotes: the end, or one of two
)

// scan follows the quotes through a line.
func scan(line []byte, comma byte, p place) place {
	if p != inQuotes && bytes.IndexByte(line, '"') < 0 {
		return inField
	}
	for _, c := range line {
		switch {
		case c == '"' && (p == atField || p == atQuote):
			p = inQuotes
		case c == '"' && p == inQuotes:
			p = atQuote
		case p == inQuotes:
		case c == comma:
			p = atField
		case p == atField && (c == ' ' || c == '\t'):
		default:
			p = inField
		}
	}
	return p
}

// split cuts a record into its fields.
func (r *csvReader) split(raw string) error {
	r.fields = r.fields[:0]
	for rest, more := raw, true; more; {
		var f field
		var err error
		if f, rest, more, err = cutField(rest, r.comma); err != nil {
			return badf("column %d: %s", len(r.fields)+1, err)
		}
		r.fields = append(r.fields, f)
	}
	return nil
}

// cutField takes the first field off a record.
func cutField(s string, comma byte) (f field, rest string, more bool, err error) {
	text := strings.TrimLeft(s, " \t")
	if comma == '\t' {
		text = strings.TrimLeft(s, " ")
	}
	if !strings.HasPrefix(text, `"`) {
		i := strings.IndexByte(s, comma)
		if i < 0 {
			return field{text: strings.TrimSpace(s)}, "", false, nil
		}
		return field{text: strings.TrimSpace(s[:i])}, s[i+1:], true, nil
	}
	text = text[1:]
	doubled := false
	for at := 0; ; {
		i := strings.IndexByte(text[at:], '"')
		if i < 0 {
			return f, "", false, fmt.Errorf("the quote is not closed")
		}
		at += i
		if strings.HasPrefix(text[at+1:], `"`) {
			doubled = true
			at += 2
			continue
		}
		f = field{text: text[:at], quoted: true}
		if doubled {
			f.text = strings.ReplaceAll(f.text, `""`, `"`)
		}
		rest = text[at+1:]
		break
	}
	after, rest, more := strings.Cut(rest, string(comma))
	if strings.TrimSpace(after) != "" {
		return f, "", false, fmt.Errorf("there is %s after the closing quote; write a quote inside a cell twice", strconv.Quote(clip([]byte(after))))
	}
	return f, rest, more, nil
}

func (r *csvReader) blank() bool {
	return !slices.ContainsFunc(r.fields, func(f field) bool { return f.text != "" })
}

// link builds the link of the record at hand.
func (r *csvReader) link(line int64) (affiliate.Link, error) {
	if n, want := len(r.fields), len(r.cols); n != want {
		if n < want && r.cut {
			return affiliate.Link{}, truncated(line, fmt.Sprintf("it has %d of %d columns", n, want))
		}
		return affiliate.Link{}, badf("the line has %d columns and the header %d; quote cells that contain %q", n, want, r.comma)
	}
	var w row
	var faults []affiliate.Fault
	for i, c := range r.cols {
		text := r.fields[i].text
		if text == "" || c.set == nil {
			continue
		}
		if err := c.set(&w, text); err != nil {
			faults = append(faults, affiliate.Fault{Field: c.name, Message: err.Error()})
		}
	}
	if len(faults) > 0 {
		return affiliate.Link{}, &affiliate.Error{Code: affiliate.Invalid, Faults: faults}
	}
	link := w.finish()
	if link.Site == "" {
		link.Site = r.site
	}
	return link, nil
}

// csvWriter writes every column, so that nothing of a link is lost.
type csvWriter struct {
	out   *bufio.Writer
	begun bool
	line  []byte
}

func newCSVWriter(out *bufio.Writer) *csvWriter { return &csvWriter{out: out} }

func (w *csvWriter) begin() error {
	if w.begun {
		return nil
	}
	w.begun = true
	_, err := w.out.WriteString(strings.Join(ColumnNames(), ",") + "\n")
	return err
}

func (w *csvWriter) write(l *affiliate.Link) error {
	if err := w.begin(); err != nil {
		return err
	}
	line := w.line[:0]
	for i := range columns {
		if i > 0 {
			line = append(line, ',')
		}
		text, err := columns[i].get(l)
		if err != nil {
			return &affiliate.Error{Code: affiliate.Invalid, Message: "CSV cannot express the link " + strconv.Quote(l.Slug),
				Faults: []affiliate.Fault{{Field: columns[i].name, Message: err.Error()}}}
		}
		line = appendCell(line, text)
	}
	w.line = append(line, '\n')
	if len(w.line) > LineBytesMax {
		return badf("the link %q takes more than %d bytes; use the format jsonl", l.Slug, LineBytesMax)
	}
	_, err := w.out.Write(w.line)
	return err
}

func (w *csvWriter) close() error {
	if err := w.begin(); err != nil {
		return err
	}
	return w.out.Flush()
}

// appendCell quotes what would not come back as it is.
func appendCell(b []byte, s string) []byte {
	if s == strings.TrimSpace(s) && !strings.ContainsAny(s, ",;\t\"\r\n") {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}
