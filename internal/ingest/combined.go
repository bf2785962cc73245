package ingest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// ErrNotLink says that a line is of something else than a visit of a link: a page, a picture,
// a form that was sent. There is nothing wrong with it.
var ErrNotLink = errors.New("not a link")

// combinedNode is the node of clicks whose ids are made of lines in the combined format.
const combinedNode = 0xfffe

// stampBytes is the length of 02/Jan/2006:15:04:05 -0700.
const stampBytes = 26

// ParseCombined reads a line of nginx's and Apache's combined format,
//
//	ADDRESS - USER [02/Jan/2006:15:04:05 -0700] "GET /path?query HTTP/1.1" STATUS BYTES "REFERRER" "AGENT"
//
// also with a host or HOST:PORT in front, as Apache's vhost_combined has it, and with more
// behind. host is that of lines that name none. It returns ErrNotLink for what is no GET or
// HEAD that was answered with a redirect. The click's texts may be parts of line.
//
// The format has no id, so one is made of the line: its time to the second, and 56 bits of the
// SHA-256 of host, line feed and line. Equal lines of one second would be one click. So that
// they are several, whoever reads the file writes "#1 " in front of the second of them, "#2 "
// in front of the third; that number, with its #, goes into the hash behind another line feed.
// However often a line comes, with its number it is the same click.
func ParseCombined(line []byte, host string, c *Click) error {
	*c = Click{Host: host}
	line = bytes.TrimRight(line, " \t\r\n")
	number, line, err := cutNumber(line)
	if err != nil {
		return err
	}
	at := stampAt(line)
	if at < 0 {
		return faultf("time", "there is no time such as [02/Jan/2006:15:04:05 -0700]; is this the combined format?")
	}
	seconds, ok := parseStamp(line[at+1 : at+1+stampBytes])
	if !ok {
		return faultf("time", "%q is no time such as 02/Jan/2006:15:04:05 -0700", line[at+1:at+1+stampBytes])
	}
	if err := c.combinedClient(view(line[:at])); err != nil {
		return err
	}
	rest := line[at+stampBytes+2:]
	request, rest, ok := cutQuoted(rest)
	if !ok {
		return faultf("request", "behind the time the request is wanted, in quotes")
	}
	if c.Code, rest, err = cutStatus(rest); err != nil {
		return err
	}
	if !redirects(c.Code) {
		return ErrNotLink
	}
	if err := c.combinedRequest(request); err != nil {
		return err
	}
	referrer, rest, ok := cutQuoted(rest)
	if !ok {
		return faultf("referrer", "behind the bytes the referrer is wanted, in quotes; is this the common format? The combined one is read")
	}
	agent, _, ok := cutQuoted(rest)
	if !ok {
		return faultf("agent", "behind the referrer the agent is wanted, in quotes")
	}
	c.Referrer, c.Agent = headerOf(referrer), headerOf(agent)
	if c.Host == "" {
		return faultf("host", "the line names none; say which host the log is of")
	}
	c.ID = combinedID(seconds, c.Host, line, number)
	return nil
}

// CombinedSecond is the Unix second of a line in the combined format.
func CombinedSecond(line []byte) (second int64, ok bool) {
	at := stampAt(line)
	if at < 0 {
		return 0, false
	}
	return parseStamp(line[at+1 : at+1+stampBytes])
}

// CombinedHost is the host that a line in the combined format names; "" when it names none.
func CombinedHost(line []byte) string {
	var c Click
	if at := stampAt(line); at < 0 || c.combinedClient(view(line[:at])) != nil {
		return ""
	}
	return strings.Clone(c.Host)
}

// combinedID makes the id of a line.
func combinedID(seconds int64, host string, line, number []byte) string {
	h := sha256.New()
	h.Write([]byte(host))
	h.Write([]byte{'\n'})
	h.Write(line)
	if len(number) > 0 {
		h.Write([]byte{'\n'})
		h.Write(number)
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	id := affiliate.NewClickID(seconds*1000, combinedNode, binary.BigEndian.Uint64(sum[:8])>>8)
	return string(id[:])
}

// cutNumber takes "#3 " off the front. The number stays as written, with its "#".
func cutNumber(line []byte) (number, rest []byte, err error) {
	if len(line) == 0 || line[0] != '#' {
		return nil, line, nil
	}
	number, rest, found := bytes.Cut(line, []byte{' '})
	n, bad := strconv.ParseUint(view(number[1:]), 10, 32)
	if !found || bad != nil || n == 0 || number[1] == '0' || number[1] == '+' {
		return nil, nil, faultf("number", "%q is not how equal lines are numbered: #1, #2, …", clip(string(number)))
	}
	return number, rest, nil
}

// stampAt finds the bracket before the time; a user may have brackets in the name.
func stampAt(line []byte) int {
	for from := 0; ; {
		at := bytes.IndexByte(line[from:], '[')
		if at < 0 || from+at+stampBytes+2 > len(line) {
			return -1
		}
		if at += from; line[at+stampBytes+1] == ']' && line[at+3] == '/' && line[at+7] == '/' {
			return at
		}
		from = at + 1
	}
}

// parseStamp reads 02/Jan/2006:15:04:05 -0700.
func parseStamp(b []byte) (unix int64, ok bool) {
	day, ok1 := digits(b[0:2])
	year, ok2 := digits(b[7:11])
	hour, ok3 := digits(b[12:14])
	minute, ok4 := digits(b[15:17])
	second, ok5 := digits(b[18:20])
	east, ok6 := digits(b[22:24])
	eastMinute, ok7 := digits(b[24:26])
	month := strings.Index("JanFebMarAprMayJunJulAugSepOctNovDec", view(b[3:6]))
	ok = ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7 && month >= 0 && month%3 == 0 &&
		b[2] == '/' && b[6] == '/' && b[11] == ':' && b[14] == ':' && b[17] == ':' && b[20] == ' ' && (b[21] == '+' || b[21] == '-') &&
		1 <= day && day <= 31 && hour < 24 && minute < 60 && second <= 60 && east < 24 && eastMinute < 60 && year >= 1970
	if !ok {
		return 0, false
	}
	offset := int64(east*3600 + eastMinute*60)
	if b[21] == '-' {
		offset = -offset
	}
	unix = time.Date(year, time.Month(month/3+1), day, hour, minute, second, 0, time.UTC).Unix() - offset
	return unix, unix >= 0
}

func digits(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// combinedClient reads what stands before the time: a host perhaps, the address, and names
// that nobody asks for.
func (c *Click) combinedClient(s string) error {
	first, rest, _ := strings.Cut(s, " ")
	second, _, _ := strings.Cut(rest, " ")
	if isAddress(second) {
		host := first
		if at := strings.LastIndexByte(host, ':'); at >= 0 && !strings.HasSuffix(host, "]") {
			host = host[:at]
		}
		if host == "" {
			return faultf("host", "%q in front of the address is none", clip(first))
		}
		c.Host, c.IP = host, second
		return nil
	}
	if !isAddress(first) {
		return faultf("ip", "%q is not an address", clip(first))
	}
	c.IP = first
	return nil
}

func isAddress(s string) bool {
	if s == "" || s == "-" {
		return false
	}
	_, err := netip.ParseAddr(s)
	return err == nil || strings.HasPrefix(s, "unix:")
}

// cutQuoted takes a text in quotes, with a space before it perhaps; escapes stay.
func cutQuoted(b []byte) (text, rest []byte, ok bool) {
	b = bytes.TrimLeft(b, " ")
	if len(b) == 0 || b[0] != '"' {
		return nil, b, false
	}
	for at := 1; at < len(b); at++ {
		end := bytes.IndexByte(b[at:], '"')
		if end < 0 {
			return nil, b, false
		}
		at += end
		slashes := 0
		for b[at-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return b[1:at], b[at+1:], true
		}
	}
	return nil, b, false
}

// cutStatus takes the status and the bytes of the answer.
func cutStatus(b []byte) (status int, rest []byte, err error) {
	text, rest, _ := bytes.Cut(bytes.TrimLeft(b, " "), []byte{' '})
	status, ok := digits(text)
	if string(text) == "-" {
		ok, text = true, []byte("000") // as nginx says it: nothing was answered
	}
	if !ok || len(text) != 3 {
		return 0, nil, faultf("code", "%q is no status of HTTP", clip(string(text)))
	}
	size, rest, _ := bytes.Cut(rest, []byte{' '})
	if _, ok := digits(size); (!ok || len(size) == 0) && string(size) != "-" {
		return 0, nil, faultf("bytes", "%q is no number of bytes", clip(string(size)))
	}
	return status, rest, nil
}

// redirects says whether a status sends visitors on. 300 and 304 do not.
func redirects(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// combinedRequest reads the request's first line.
func (c *Click) combinedRequest(raw []byte) error {
	method, rest, _ := strings.Cut(unescape(raw), " ")
	if method != "GET" && method != "HEAD" {
		return ErrNotLink
	}
	at := strings.LastIndexByte(rest, ' ')
	if at < 0 || !strings.HasPrefix(rest[at+1:], "HTTP/") {
		return faultf("request", "%q ends without a protocol such as HTTP/1.1", clip(rest))
	}
	target := rest[:at]
	for _, scheme := range [...]string{"http", "https"} {
		if after, found := strings.CutPrefix(target, scheme+"://"); found {
			c.Scheme = scheme
			if slash := strings.IndexByte(after, '/'); slash >= 0 {
				target = after[slash:]
			}
		}
	}
	if target == "" || target[0] != '/' {
		return faultf("request", "%q is no path", clip(target))
	}
	c.Method, c.Proto = method, rest[at+1:]
	c.Path, c.Query, _ = strings.Cut(target, "?")
	return nil
}

func headerOf(raw []byte) string {
	if string(raw) == "-" {
		return ""
	}
	return unescape(raw)
}

// unescape reads nginx's \xXX and Apache's \", \\, \t and the like. Anything else behind a
// backslash stands for itself, with it.
func unescape(raw []byte) string {
	at := bytes.IndexByte(raw, '\\')
	if at < 0 {
		return view(raw)
	}
	out := append(make([]byte, 0, len(raw)), raw[:at]...)
	for ; at < len(raw); at++ {
		if raw[at] != '\\' || at+1 == len(raw) {
			out = append(out, raw[at])
			continue
		}
		if at+3 < len(raw) && raw[at+1] == 'x' {
			if n, err := strconv.ParseUint(string(raw[at+2:at+4]), 16, 8); err == nil {
				out = append(out, byte(n))
				at += 3
				continue
			}
		}
		if i := strings.IndexByte(`"\tnrvfb`, raw[at+1]); i >= 0 {
			out = append(out, "\"\\\t\n\r\v\f\b"[i])
			at++
			continue
		}
		out = append(out, '\\')
	}
	return view(out)
}
