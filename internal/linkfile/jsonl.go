package linkfile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// jsonReader reads one link document a line.
type jsonReader struct {
	lines lineReader
	site  string
}

func newJSONReader(in *bufio.Reader, o Options) *jsonReader {
	return &jsonReader{lines: lineReader{in: in}, site: o.Site}
}

func (r *jsonReader) frame() (head, tail string) { return "", "" }

func (r *jsonReader) next() (int64, string, affiliate.Link, error) {
	for {
		line, ended, tooLong, err := r.lines.next()
		if err != nil {
			return r.lines.number, "", affiliate.Link{}, err
		}
		if tooLong {
			return r.lines.number, clip(line), affiliate.Link{}, errLong
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		raw := string(line)
		link, err := r.decode(raw)
		if !ended && err != nil && !strings.HasSuffix(raw, "}") {
			err = truncated(r.lines.number, "its document is incomplete")
		}
		return r.lines.number, raw, link, err
	}
}

var errLong = affiliate.Errorf(affiliate.Invalid, "the line is longer than %d bytes", LineBytesMax)

func (r *jsonReader) decode(raw string) (affiliate.Link, error) {
	var link affiliate.Link
	if !utf8.ValidString(raw) {
		return link, errNotUTF8
	}
	if raw[0] != '{' {
		return link, badf("the line is not a JSON object; each line holds one link document such as {\"slug\":\"x\",\"destinations\":[{\"url\":\"https://…\"}]}")
	}
	d := json.NewDecoder(strings.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&link); err != nil {
		return affiliate.Link{}, jsonFault(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return affiliate.Link{}, badf("there is more than one JSON document on the line")
	}
	if link.Site == "" {
		link.Site = r.site
	}
	return link, nil
}

// jsonFault turns what the decoder says into words for the person who has the
// file.
func jsonFault(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return badf("the JSON document is incomplete; each line holds one whole link document")
	case errors.As(err, &wrong):
		return &affiliate.Error{Code: affiliate.Invalid, Faults: []affiliate.Fault{{
			Field: wrong.Field, Message: "a JSON " + wrong.Value + " does not belong here; it should be " + kindWords(wrong.Type.Kind().String())}}}
	}
	return badf("the JSON is not a link document: %s", strings.TrimPrefix(err.Error(), "json: "))
}

func kindWords(kind string) string {
	switch {
	case kind == "slice":
		return "a list"
	case kind == "struct" || kind == "ptr" || kind == "map":
		return "an object"
	case kind == "bool":
		return "true or false"
	case strings.HasPrefix(kind, "int"):
		return "a whole number"
	}
	return "a " + kind
}

// clip shortens the text of a line that is too long to be kept.
func clip(line []byte) string {
	const keep = 200
	if len(line) <= keep {
		return string(line)
	}
	return strings.ToValidUTF8(string(line[:keep]), "") + "…"
}

// jsonWriter writes one link document a line.
type jsonWriter struct {
	out *bufio.Writer
	enc *json.Encoder
}

func newJSONWriter(out *bufio.Writer) *jsonWriter {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return &jsonWriter{out: out, enc: enc}
}

func (w *jsonWriter) write(l *affiliate.Link) error { return w.enc.Encode(l) }
func (w *jsonWriter) close() error                  { return w.out.Flush() }
