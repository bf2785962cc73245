// Package linkfile reads and writes links as files: CSV for spreadsheets, JSON
// lines for programs, and the nginx map files that many redirects begin as.
//
// A reader goes through a file of any size in constant memory and tells apart
// three things: a link, a line that is bad while the rest of the file is fine
// (an *affiliate.Error with the code Invalid), and a file that cannot be
// trusted any further, such as one that ends in the middle of a line. It checks
// the syntax only; whether a slug or a URL may be used is the catalog's word.
//
// What a writer writes, the reader of the same format reads back as the same
// link. A link that the format cannot express is refused by Write, with the
// reason, and never written in part.
//
// CSV has a header with at least slug and url; the other columns, in any order
// and all optional, are those of ColumnNames. Tags are separated by semicolons.
// Times without a zone are UTC. query is drop, pass or only:NAME;NAME. A link
// with several destinations has the first in url, weight and variant (its
// name), and the others in variants as "NAME WEIGHT URL | NAME WEIGHT URL"; name
// and weight may be left out. Spreadsheets may use url2, weight2, url3, …
// instead. rules is the JSON list of the link document. Separators are commas,
// semicolons or tabs, and the header of a ThirstyAffiliates export is understood.
//
// JSON lines hold one link document each, as the API has it.
//
// Of an nginx configuration the maps over the path are read: keys lose the
// site's prefix, defaults are told by Reader.Defaults, and entries that a
// managed link cannot stand for are bad lines.
package linkfile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Format of a link file.
type Format string

// The formats. Auto lets NewReader look at the content.
const (
	Auto  Format = ""
	CSV   Format = "csv"
	JSONL Format = "jsonl"
	Nginx Format = "nginx"
)

// Formats lists the formats by name.
func Formats() []string { return []string{string(CSV), string(JSONL), string(Nginx)} }

// ParseFormat reads a format's name; "" and "auto" are Auto.
func ParseFormat(s string) (Format, error) {
	switch s {
	case "", "auto":
		return Auto, nil
	case string(CSV), string(JSONL), string(Nginx):
		return Format(s), nil
	case "ndjson":
		return JSONL, nil
	}
	return Auto, affiliate.Errorf(affiliate.Invalid, "%q is not a format of link files; use %s", s, strings.Join(Formats(), ", "))
}

// FormatOf guesses the format from a file's name, Auto when it says nothing. A
// name ending in .gz is looked at without it.
func FormatOf(name string) Format {
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	switch path.Ext(name) {
	case ".csv", ".tsv":
		return CSV
	case ".jsonl", ".ndjson":
		return JSONL
	case ".conf", ".map", ".nginx":
		return Nginx
	}
	return Auto
}

// LineBytesMax is the length limit of one record, in bytes.
const LineBytesMax = 1 << 20

// Options of a reader or writer.
type Options struct {
	// Site of the links whose line names none. The nginx format has no sites:
	// all its links get this one.
	Site string
	// Prefix is what stands before the slug in the keys of an nginx map; "/go/"
	// when empty.
	Prefix string
	// Default is written as an nginx map's default; empty: none.
	Default string
	// BytesMax limits how much is read, after decompression; 0: no limit.
	BytesMax int64
}

func (o Options) prefix() string {
	if o.Prefix == "" {
		return affiliate.DefaultPrefix
	}
	return o.Prefix
}

// Default is what an nginx map answers for names it does not have.
type Default struct {
	Line int64
	URL  string
}

// ErrTruncated is in the chain of the error that says that a file ends in the
// middle of something.
var ErrTruncated = errors.New("the file is cut off")

// Reader reads links from a file. It belongs to one goroutine.
type Reader struct {
	format Format
	source source
}

// source is one format's way of reading.
type source interface {
	next() (line int64, raw string, link affiliate.Link, err error)
	frame() (head, tail string)
}

// NewReader prepares to read a file, which may be compressed with gzip. It reads
// as far as a CSV file's header, and refuses one that it cannot work with by an
// *affiliate.Error with the code Invalid.
func NewReader(format Format, r io.Reader, o Options) (*Reader, error) {
	in, err := plain(r, o.BytesMax)
	if err != nil {
		return nil, err
	}
	head, _ := in.Peek(4096)
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return nil, affiliate.Errorf(affiliate.Invalid, "the file is UTF-16; save it as UTF-8, which Excel calls \"CSV UTF-8\"")
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		if _, err := in.Discard(3); err != nil {
			return nil, readError(1, err)
		}
		head = head[3:]
	}
	if format == Auto {
		format = sniff(head)
	}
	switch format {
	case CSV:
		s, err := newCSVReader(in, o)
		return &Reader{format: CSV, source: s}, err
	case JSONL:
		return &Reader{format: JSONL, source: newJSONReader(in, o)}, nil
	case Nginx:
		return &Reader{format: Nginx, source: newNginxReader(in, o)}, nil
	}
	return nil, affiliate.Errorf(affiliate.Invalid, "%q is not a format of link files; use %s", format, strings.Join(Formats(), ", "))
}

// sniff guesses the format from the first bytes of a file.
func sniff(head []byte) Format {
	text := bytes.TrimLeft(head, " \t\r\n")
	if bytes.HasPrefix(text, []byte("{")) {
		return JSONL
	}
	if nginxMapPattern.Match(head) {
		return Nginx
	}
	return CSV
}

// Next returns the next link, the line that it starts on and its text as it
// stands in the file. The error is nil; an *affiliate.Error with the code
// Invalid when this record is bad and the next may be good; io.EOF at the end;
// or anything else when the file cannot be read on.
func (r *Reader) Next() (line int64, raw string, link affiliate.Link, err error) {
	return r.source.next()
}

// Format that is being read; never Auto.
func (r *Reader) Format() Format { return r.format }

// Frame returns what must stand before and after raw records, each on a line of
// its own, to make a file that can be corrected and read again.
func (r *Reader) Frame() (head, tail string) { return r.source.frame() }

// Defaults returns the defaults of the nginx maps read so far. They are not
// links: they say where the site sends unknown names.
func (r *Reader) Defaults() []Default {
	if n, ok := r.source.(*nginxReader); ok {
		return n.defaults
	}
	return nil
}

// Notes returns what was left aside so far and is worth a word to the user, such
// as a column that has no meaning here.
func (r *Reader) Notes() []string {
	switch s := r.source.(type) {
	case *csvReader:
		return s.notes
	case *nginxReader:
		return s.notes
	}
	return nil
}

// Columns returns the names of the CSV columns that the file has, nil for the
// other formats. Whoever updates existing links from the file leaves alone what
// it does not have.
func (r *Reader) Columns() []string {
	if s, ok := r.source.(*csvReader); ok {
		return s.names()
	}
	return nil
}

// plain undoes compression and bounds what is read.
func plain(r io.Reader, bytesMax int64) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	magic, err := in.Peek(2)
	if err != nil && err != io.EOF {
		return nil, readError(1, err)
	}
	if string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, readError(1, err)
		}
		in = bufio.NewReaderSize(z, 64<<10)
	}
	if bytesMax > 0 {
		in = bufio.NewReaderSize(&bounded{r: in, left: bytesMax, max: bytesMax}, 64<<10)
	}
	return in, nil
}

// bounded fails instead of reading more than a limit.
type bounded struct {
	r         io.Reader
	left, max int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, affiliate.Errorf(affiliate.TooLarge, "the file is larger than %d bytes; split it, or raise limits.import_bytes", b.max)
	}
	return n, err
}

// readError says where reading failed. A cut-off gzip file is a cut-off file.
func readError(line int64, err error) error {
	if affiliate.CodeOf(err) != "" {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return truncated(line, "the compressed data is incomplete")
	}
	return fmt.Errorf("cannot read the file after line %d: %w", line, err)
}

func truncated(line int64, why string) error {
	return fmt.Errorf("the file ends in the middle of line %d: %s; fetch or export it again: %w", line, why, ErrTruncated)
}

func badf(format string, args ...any) error {
	return affiliate.Errorf(affiliate.Invalid, format, args...)
}

// Writer writes links to a file. It belongs to one goroutine.
type Writer struct {
	sink sink
}

// sink is one format's way of writing.
type sink interface {
	write(l *affiliate.Link) error
	close() error
}

// NewWriter prepares to write a file.
func NewWriter(format Format, w io.Writer, o Options) (*Writer, error) {
	out := bufio.NewWriterSize(w, 64<<10)
	switch format {
	case CSV:
		return &Writer{newCSVWriter(out)}, nil
	case JSONL:
		return &Writer{newJSONWriter(out)}, nil
	case Nginx:
		s, err := newNginxWriter(out, o)
		return &Writer{s}, err
	}
	return nil, affiliate.Errorf(affiliate.Invalid, "%q is not a format of link files; use %s", format, strings.Join(Formats(), ", "))
}

// Write adds a link. An *affiliate.Error with the code Invalid says that the
// format cannot express this link; nothing of it was written and the next may
// be fine. Any other error means that the file could not be written.
func (w *Writer) Write(l *affiliate.Link) error { return w.sink.write(l) }

// Close writes what the format needs at the end. It does not close the
// io.Writer.
func (w *Writer) Close() error { return w.sink.close() }
