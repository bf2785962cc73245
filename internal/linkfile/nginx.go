package linkfile

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// nginxMapPattern recognises the beginning of a file that has a map in it.
var nginxMapPattern = regexp.MustCompile(`(?m)^\s*map\s+\S+\s+\$\w+\s*\{`)

// nginxReader reads the maps of an nginx configuration. Inside a map it follows
// nginx's own tokens; what stands around the maps is passed over.
type nginxReader struct {
	in       *bufio.Reader
	line     int64 // of the byte read last
	site     string
	prefix   string
	inMap    bool
	source   string // the map's first parameter
	opened   int64  // line on which the map at hand begins
	skipped  bool   // the map at hand does not map names to places
	defaults []Default
	notes    []string

	text  []byte // the entry at hand as it stands in the file
	words []string
	first int64 // line of its first word
}

func newNginxReader(in *bufio.Reader, o Options) *nginxReader {
	return &nginxReader{in: in, line: 1, site: o.Site, prefix: o.prefix()}
}

func (r *nginxReader) frame() (head, tail string) { return "map $uri $target {", "}" }

func (r *nginxReader) next() (int64, string, affiliate.Link, error) {
	for {
		if !r.inMap {
			if err := r.findMap(); err != nil {
				return r.line, "", affiliate.Link{}, err
			}
		}
		end, err := r.entry()
		raw := strings.TrimSpace(string(r.text))
		if err != nil {
			switch bad := affiliate.CodeOf(err) == affiliate.Invalid; {
			case bad && r.skipped:
				continue
			case bad:
				return r.first, raw, affiliate.Link{}, err
			}
			return r.line, raw, affiliate.Link{}, err
		}
		if end {
			r.inMap = false
			continue
		}
		if r.skipped {
			continue
		}
		link, ok, err := r.meaning()
		if err != nil || ok {
			return r.first, raw, link, err
		}
	}
}

// findMap reads up to the next "map SOURCE $VARIABLE {". Quotes have no meaning
// here: what surrounds the maps may be any text.
func (r *nginxReader) findMap() error {
	var last [3]string
	var word []byte
	end := func() {
		if len(word) > 0 {
			last = [3]string{last[1], last[2], string(word)}
			word = word[:0]
		}
	}
	for {
		c, err := r.byte()
		if err != nil {
			return err
		}
		switch {
		case c == '#' && len(word) == 0:
			if err := r.comment(); err != nil {
				return err
			}
		case isSpace(c):
			end()
		case c == ';' || c == '}':
			word, last = word[:0], [3]string{}
		case c == '{' && !(len(word) > 0 && word[len(word)-1] == '$'):
			end()
			if last[0] == "map" && len(last[2]) > 1 && last[2][0] == '$' {
				r.begin(last[1])
				return nil
			}
			last = [3]string{}
		case len(word) < 256:
			word = append(word, c)
		}
	}
}

func (r *nginxReader) begin(source string) {
	r.inMap, r.opened, r.source = true, r.line, strings.Trim(source, `"'`)
	if r.skipped = !mapsNames(r.source); r.skipped {
		r.notes = append(r.notes, fmt.Sprintf("line %d: the map over %s does not map names of links; it is passed over", r.line, r.source))
	}
}

// builtin are the beginnings of nginx's own variables that hold no name of a
// link.
var builtin = strings.Fields("args binary_remote_addr body_bytes_sent bytes_sent connection content_ cookie_ document_root fastcgi_ " +
	"geoip gzip_ host hostname http http2 http3 http_ https is_args limit_ memcached_ modern_browser msec msie nginx_version pid pipe proxy_ " +
	"query_string quic realip_ realpath_root remote_ request_body request_completion request_filename request_id request_length request_method " +
	"request_time scheme secure_link sent_ server_ session_ slice_range spdy ssl_ status tcpinfo_ time_ uid_ upstream_")

// mapsNames says whether the variable may hold the name of a link: the path, a
// capture, an argument, or a variable of the configuration's own.
func mapsNames(source string) bool {
	name := strings.Trim(strings.TrimPrefix(source, "$"), "{}")
	if name == "" || !strings.HasPrefix(source, "$") {
		return strings.Contains(source, "uri")
	}
	for _, b := range builtin {
		if name == b || strings.HasSuffix(b, "_") && strings.HasPrefix(name, b) {
			return false
		}
	}
	return !strings.HasPrefix(name, "geoip")
}

// entry reads one entry of a map into words; end says that the map is over.
func (r *nginxReader) entry() (end bool, err error) {
	r.text, r.words, r.first = r.text[:0], r.words[:0], 0
	for {
		c, err := r.entryByte()
		if err != nil {
			return false, err
		}
		switch {
		case isSpace(c):
			if len(r.words) == 0 {
				r.text = r.text[:0]
			}
			continue
		case c == '#':
			if err := r.comment(); err != nil {
				return false, r.entryEnd(err)
			}
			r.text = r.text[:len(r.text)-1]
			continue
		case c == ';' && len(r.words) == 0:
			r.mark()
			return false, badf("there is a ; without an entry before it")
		case c == ';':
			return false, nil
		case c == '}' && len(r.words) == 0:
			return true, nil
		case c == '}':
			r.inMap = false
			return false, badf("the entry does not end with a ;")
		case c == '{':
			r.mark()
			return false, r.resync("a { may not stand here")
		}
		r.mark()
		switch done, err := r.word(c); {
		case err != nil:
			return false, err
		case done:
			return false, nil
		}
	}
}

func (r *nginxReader) mark() {
	if r.first == 0 {
		r.first = r.line
	}
}

// word reads the word that begins with c; done says that a ; ended the entry
// with it.
func (r *nginxReader) word(c byte) (done bool, err error) {
	var word []byte
	quote := byte(0)
	if c == '"' || c == '\'' {
		quote = c
	} else if c == '\\' {
		if word, err = r.escaped(word); err != nil {
			return false, err
		}
	} else {
		word = append(word, c)
	}
	variable := c == '$'
	for {
		c, err := r.entryByte()
		if err != nil {
			return false, err
		}
		switch {
		case c == '\\':
			if word, err = r.escaped(word); err != nil {
				return false, err
			}
			variable = false
			continue
		case quote != 0 && c == quote:
			r.words = append(r.words, string(word))
			return r.afterQuote()
		case quote == 0 && c == '{' && variable: // ${name}
		case quote == 0 && (c == ';' || isSpace(c)):
			r.words = append(r.words, string(word))
			return c == ';', nil
		case quote == 0 && c == '{':
			return false, r.resync("a { must stand in quotes")
		}
		variable = c == '$' || variable && c == '{'
		word = append(word, c)
	}
}

// escaped reads what follows a backslash, as nginx does: quotes, backslash, tab
// and line ends lose it, anything else keeps it.
func (r *nginxReader) escaped(word []byte) ([]byte, error) {
	c, err := r.entryByte()
	switch c {
	case '"', '\'', '\\':
		return append(word, c), err
	case 't':
		return append(word, '\t'), err
	case 'r':
		return append(word, '\r'), err
	case 'n':
		return append(word, '\n'), err
	}
	return append(word, '\\', c), err
}

func (r *nginxReader) afterQuote() (done bool, err error) {
	c, err := r.entryByte()
	switch {
	case err != nil:
		return false, err
	case c == ';':
		return true, nil
	case isSpace(c):
		return false, nil
	}
	return false, r.resync(fmt.Sprintf("there is %q directly after a closing quote", c))
}

// resync passes over the rest of a bad entry.
func (r *nginxReader) resync(why string) error {
	for {
		switch c, err := r.entryByte(); {
		case err != nil:
			return err
		case c == ';':
			return badf("%s", why)
		}
	}
}

// meaning turns the words of an entry into a link. ok is false for what is
// neither a link nor wrong.
func (r *nginxReader) meaning() (link affiliate.Link, ok bool, err error) {
	key := r.words[0]
	switch {
	case len(r.words) == 1 && (key == "hostnames" || key == "volatile"):
		return link, false, nil
	case key == "include":
		return link, false, badf("include is not followed; import the included file itself")
	case len(r.words) != 2:
		return link, false, badf("the entry has %d words where a key and a URL are expected; is a ; missing?", len(r.words))
	case !utf8.ValidString(key + r.words[1]):
		return link, false, errNotUTF8
	}
	target := r.words[1]
	if v := variableIn(target); v != "" {
		return link, false, badf("the value uses the nginx variable %s, which has no meaning here; use a macro such as {query.NAME} if it is what you want", v)
	}
	if key == "default" {
		if target != "" {
			r.defaults = append(r.defaults, Default{Line: r.first, URL: target})
		}
		return link, false, nil
	}
	if strings.HasPrefix(key, "~") {
		return link, false, badf("the key %q is a regular expression; write one entry for each name", key)
	}
	slug, err := r.slug(strings.TrimPrefix(key, `\`))
	if err != nil {
		return link, false, err
	}
	return affiliate.Link{Site: r.site, Slug: slug, Destinations: []affiliate.Destination{{URL: target, Weight: 1}}}, true, nil
}

// slug takes the site's prefix off a key. A key that is no path is a slug
// already: the map's variable was cut from the path.
func (r *nginxReader) slug(key string) (string, error) {
	name := key
	if strings.HasPrefix(key, "/") || strings.Contains(r.source, "uri") {
		var ok bool
		if name, ok = strings.CutPrefix(key, r.prefix); !ok {
			return "", badf("the key %q does not begin with the site's prefix %s", key, r.prefix)
		}
	}
	if strings.Contains(r.source, "request_uri") {
		if strings.ContainsAny(name, "?#") {
			return "", badf("the key %q has a query; a link is found by its path alone", key)
		}
		decoded, err := url.PathUnescape(name)
		if err != nil {
			return "", badf("the key %q has a broken percent-encoding", key)
		}
		name = decoded
	}
	if name == "" {
		return "", badf("the key %q names no link", key)
	}
	return name, nil
}

// variableIn returns the first nginx variable in a value, or "". nginx has no
// way to write a plain $.
func variableIn(s string) string {
	i := strings.IndexByte(s, '$')
	if i < 0 {
		return ""
	}
	end := i + 1
	for end < len(s) && (s[end] == '{' || s[end] == '}' || s[end] == '_' || s[end]|0x20 >= 'a' && s[end]|0x20 <= 'z' || s[end] >= '0' && s[end] <= '9') {
		end++
	}
	return s[i:end]
}

// comment passes over the rest of a line.
func (r *nginxReader) comment() error {
	for {
		if c, err := r.byte(); err != nil || c == '\n' {
			return err
		}
	}
}

func (r *nginxReader) byte() (byte, error) {
	c, err := r.in.ReadByte()
	if err == nil {
		if c == '\n' {
			r.line++
		}
		return c, nil
	}
	if err == io.EOF {
		return 0, err
	}
	return 0, readError(r.line, err)
}

// entryByte reads a byte of an entry and keeps it.
func (r *nginxReader) entryByte() (byte, error) {
	c, err := r.in.ReadByte()
	if err != nil {
		if err != io.EOF {
			err = readError(r.line, err)
		}
		return 0, r.entryEnd(err)
	}
	if len(r.text) >= LineBytesMax {
		return 0, fmt.Errorf("the entry on line %d is longer than %d bytes: a quote or a ; is probably missing there; correct it and try again", r.first, LineBytesMax)
	}
	r.text = append(r.text, c)
	if c == '\n' {
		r.line++
	}
	return c, nil
}

// entryEnd says that the file ended inside a map.
func (r *nginxReader) entryEnd(err error) error {
	if err != io.EOF {
		return err
	}
	line, why := r.opened, "the map that begins there has no closing }"
	if r.first != 0 {
		line, why = r.first, "the entry there has no closing ; and the map of line "+strconv.FormatInt(r.opened, 10)+" no closing }"
	}
	return truncated(line, why)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// nginxWriter writes one map. Keys and values are always quoted and what could
// end the quotes is escaped, so that nothing in a link becomes configuration.
type nginxWriter struct {
	out    *bufio.Writer
	prefix string
	last   string // the default entry
	begun  bool
	site   string
}

func newNginxWriter(out *bufio.Writer, o Options) (*nginxWriter, error) {
	w := &nginxWriter{out: out, prefix: o.prefix(), site: o.Site}
	if o.Default != "" {
		value, err := quoteNginx(o.Default)
		if err != nil {
			return nil, fmt.Errorf("the default %q: %w", o.Default, err)
		}
		w.last = "    default " + value + ";\n"
	}
	return w, nil
}

func (w *nginxWriter) begin() error {
	if w.begun {
		return nil
	}
	w.begun = true
	_, err := w.out.WriteString("# Answer with: location " + w.prefix + " { return 302 $sluice_target; }\n" +
		"# Many links need a larger map_hash_max_size and map_hash_bucket_size.\nmap $uri $sluice_target {\n")
	return err
}

func (w *nginxWriter) write(l *affiliate.Link) error {
	if why := beyondNginx(l); why != "" {
		return badf("an nginx map cannot express the link %q: %s", l.Slug, why)
	}
	key, err := quoteNginx(w.prefix + l.Slug)
	if err != nil {
		return badf("an nginx map cannot express the name %q: %s", l.Slug, err)
	}
	value, err := quoteNginx(l.Destinations[0].URL)
	if err != nil {
		return badf("an nginx map cannot express the URL of %q: %s", l.Slug, err)
	}
	if err := w.begin(); err != nil {
		return err
	}
	_, err = w.out.WriteString("    " + key + " " + value + ";\n")
	return err
}

func (w *nginxWriter) close() error {
	if err := w.begin(); err != nil {
		return err
	}
	if _, err := w.out.WriteString(w.last + "}\n"); err != nil {
		return err
	}
	return w.out.Flush()
}

// beyondNginx says what about the link a map has no words for.
func beyondNginx(l *affiliate.Link) string {
	switch {
	case len(l.Destinations) != 1:
		return fmt.Sprintf("it has %d destinations", len(l.Destinations))
	case len(l.Rules) > 0:
		return "it has rules"
	case l.Status != affiliate.Active && l.Status != "":
		return "it is " + string(l.Status)
	case l.StartsAt != nil || l.EndsAt != nil:
		return "it has a schedule"
	case l.Cap != nil:
		return "it has a cap of clicks"
	case l.Code != 0 && l.Code != 302:
		return fmt.Sprintf("it answers %d and a map has one code for all", l.Code)
	case !l.Query.IsZero():
		return "it hands on query parameters"
	case l.DeepLink:
		return "it takes deep links"
	case l.BlockBots:
		return "it blocks bots"
	case strings.ContainsAny(l.Destinations[0].URL, "{}"):
		return "its URL has macros"
	}
	return ""
}

func quoteNginx(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("it is not UTF-8")
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '$':
			return "", fmt.Errorf("nginx has no way to write a plain $; use %%24")
		case c < ' ' || c == 0x7f:
			return "", fmt.Errorf("it contains the control character %#02x", c)
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}
