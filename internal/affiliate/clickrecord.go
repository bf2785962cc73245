package affiliate

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
	"sync"
)

// clickVersion is the version of the record's layout, its first byte. Readers
// accept every version up to their own; fields are only ever added at the end.
const clickVersion = 2

// shape is the third part of a record: what stands in it at all.
type shape uint32

const (
	hasVisitor shape = 1 << iota
	hasIPv4
	hasIPv6
	hasCode // other than 302
	hasWhy
	hasReasons
	sameHost // the host is that of the referrer
	samePage // the page is the path of the referrer
	hasSubs
	hasText                          // and thirteen more: a bit for each of texts
	hasFetch = hasText << textFields // other than usualFetch
)

const (
	shapeBytes  = 3
	headBytes   = 1 + 15 + 1 + shapeBytes // version, id, outcome and verdict, shape
	usualCode   = 302
	usualFetch  = 0x522 // a document, to navigate to, from another site
	verdictBits = 4
)

// textFields is the number of texts.
const textFields = 14

// texts are the record's text fields in their order on disk, version 2: the
// referrer before what may refer to it.
func (c *Click) texts() [textFields]*string {
	return [textFields]*string{&c.Agent, &c.Referrer, &c.Language, &c.URL, &c.Slug, &c.Site, &c.Host, &c.Page,
		&c.Variant, &c.Program, &c.Partner, &c.Rule, &c.Country, &c.Query}
}

// The texts that others depend on, by their place in texts.
const (
	agentText, referrerText, languageText = 0, 1, 2
	urlText, slugText                     = 3, 4
	hostText, pageText                    = 6, 7
)

// phrasesOf is the table of a text, by its place in texts.
func phrasesOf(text int) *phrases {
	switch text {
	case agentText:
		return agentPhrases
	case languageText:
		return languagePhrases
	}
	return linkPhrases
}

// AppendRecord appends the click's record to b and returns it. The layout is
// described in docs/formats/click.md. It allocates only to grow b.
func (c *Click) AppendRecord(b []byte) []byte { return c.appendRecord(b, nil) }

func (c *Click) appendRecord(b []byte, w *RecordWriter) []byte {
	texts := c.texts()
	id, s := c.ID.raw(), c.shape(&texts)
	b = append(b, clickVersion)
	b = append(b, id[:]...)
	b = append(b, byte(c.Outcome)|byte(c.Verdict)<<verdictBits, byte(s), byte(s>>8), byte(s>>16))
	if s&hasVisitor != 0 {
		visitor := c.Visitor.raw()
		b = append(b, visitor[:]...)
	}
	if s&hasCode != 0 {
		b = binary.AppendUvarint(b, uint64(c.Code))
	}
	if s&hasWhy != 0 {
		b = binary.AppendUvarint(b, uint64(c.Why))
	}
	if s&hasReasons != 0 {
		b = binary.AppendUvarint(b, uint64(c.Reasons))
	}
	b = binary.AppendUvarint(b, uint64(c.Signals))
	if s&hasFetch != 0 {
		b = binary.AppendUvarint(b, uint64(c.Fetch))
	}
	b = binary.AppendUvarint(b, uint64(c.Link))
	switch {
	case s&hasIPv4 != 0:
		a := c.IP.As4()
		b = append(b, a[:]...)
	case s&hasIPv6 != 0:
		a := c.IP.As16()
		b = append(b, a[:]...)
	}
	own := c.ownID()
	for left := uint32(s/hasText) & (1<<textFields - 1); left != 0; left &= left - 1 {
		i := bits.TrailingZeros32(left)
		switch {
		case w != nil && i == urlText && len(w.packedURL) > 0:
			b = append(append(b, w.packedURL...), codeEnd)
		case i == slugText && isPlain(*texts[i]):
			b = append(append(b, *texts[i]...), codeEnd)
		case w != nil && memorable&(1<<i) != 0:
			b = w.appendText(b, i, *texts[i], own)
		default:
			b = phrasesOf(i).appendText(b, *texts[i], own)
		}
	}
	if s&hasSubs != 0 {
		b = appendSubs(b, &c.Subs, own)
	}
	return b
}

// ownID is the click's id as it may stand in its texts, "" when it has none.
func (c *Click) ownID() string {
	if c.ID.IsZero() {
		return ""
	}
	return view(c.ID[:])
}

// shape finds out what a record has to say.
func (c *Click) shape(texts *[textFields]*string) (s shape) {
	if !c.Visitor.IsZero() {
		s |= hasVisitor
	}
	switch ip := c.IP; {
	case ip.Is4(), ip.Is4In6():
		s |= hasIPv4
	case ip.Is6():
		s |= hasIPv6
	}
	if c.Code != usualCode {
		s |= hasCode
	}
	if c.Why != 0 {
		s |= hasWhy
	}
	if c.Reasons != 0 {
		s |= hasReasons
	}
	if c.Fetch != usualFetch {
		s |= hasFetch
	}
	for i, text := range texts {
		if *text != "" {
			s |= hasText << i
		}
	}
	if c.Referrer != "" {
		s = c.refer(s)
	}
	for i := range c.Subs {
		if c.Subs[i] != "" {
			s |= hasSubs
		}
	}
	return s
}

// refer leaves out the host and the page where they are the referrer's. It looks at
// referrers that are URLs only.
func (c *Click) refer(s shape) shape {
	end := authorityEnd(c.Referrer)
	if end == 0 {
		return s
	}
	host, rest := c.Referrer[:end], c.Referrer[end:]
	if n := len(host) - len(c.Host); c.Host != "" && n >= 3 && host[n:] == c.Host && host[n-3:n] == "://" {
		s = s&^(hasText<<hostText) | sameHost
	}
	if c.Page == "/" || c.Page != "" && strings.HasPrefix(rest, c.Page) {
		if c.Page == referrerPage(rest) {
			s = s&^(hasText<<pageText) | samePage
		}
	}
	return s
}

// referrerHost cuts a referrer: the host is what stands between the first "://" and the next
// "/", "?" or "#". Both are empty when there is no "://".
func referrerHost(referrer string) (host, rest string) {
	i := strings.Index(referrer, "://")
	if i < 0 {
		return "", ""
	}
	end := nextOf(referrer, i+3)
	return referrer[i+3 : end], referrer[end:]
}

// referrerPage cuts what follows the host before the first "?" or "#"; where nothing stands
// there it is "/".
func referrerPage(rest string) string {
	if i := strings.IndexByte(rest, '#'); i >= 0 {
		rest = rest[:i]
	}
	if i := strings.IndexByte(rest, '?'); i >= 0 {
		rest = rest[:i]
	}
	if rest == "" {
		return "/"
	}
	return rest
}

// appendSubs writes a bit for each slot in use and then the values.
func appendSubs(b []byte, subs *[SubSlots]string, id string) []byte {
	used := uint64(0)
	for i := range subs {
		if subs[i] != "" {
			used |= 1 << i
		}
	}
	b = binary.AppendUvarint(b, used)
	for i := range subs {
		if subs[i] != "" {
			b = linkPhrases.appendText(b, subs[i], id)
		}
	}
	return b
}

// DecodeRecord reads a record that AppendRecord wrote, of this version or an
// older one. The click's strings are copies. What follows the last field is ignored:
// a later program may have added to the end. An error says where the record stops
// making sense; the click then holds nothing of use.
func (c *Click) DecodeRecord(b []byte) error {
	version := byte(0)
	if len(b) > 0 {
		version = b[0]
	}
	*c = Click{}
	r := recordReader{at: 1}
	switch version {
	case 1:
		r.text = string(b)
		c.decodeV1(&r)
	case 2:
		r.text = view(b)
		c.decodeV2(&r)
	default:
		return fmt.Errorf("the click record has version %d; this program reads up to %d", version, clickVersion)
	}
	if r.bad || int(c.Outcome) >= len(outcomeNames) || int(c.Verdict) >= len(verdictNames) {
		return fmt.Errorf("the click record makes no sense after %d of %d bytes", r.at, len(b))
	}
	return nil
}

// decodeV2 reads version 2 behind its first byte. r.text is the caller's memory.
func (c *Click) decodeV2(r *recordReader) {
	if len(r.text) < headBytes {
		r.bad = true
		return
	}
	encodeID(c.ID[:], r.take(15))
	mixed := r.byte()
	c.Outcome, c.Verdict = Outcome(mixed&(1<<verdictBits-1)), Verdict(mixed>>verdictBits)
	s := shape(r.byte()) | shape(r.byte())<<8 | shape(r.byte())<<16
	if s&hasVisitor != 0 {
		encodeID(c.Visitor[:], r.take(10))
	}
	c.Code = usualCode
	if s&hasCode != 0 {
		c.Code = int(r.uvarint())
	}
	if s&hasWhy != 0 {
		c.Why = Why(r.uvarint())
	}
	if s&hasReasons != 0 {
		c.Reasons = Reasons(r.uvarint())
	}
	c.Signals = Signals(r.uvarint())
	c.Fetch = usualFetch
	if s&hasFetch != 0 {
		c.Fetch = Fetch(r.uvarint())
	}
	c.Link = int64(r.uvarint())
	switch {
	case s&hasIPv4 != 0:
		c.IP = r.address(4)
	case s&hasIPv6 != 0:
		c.IP = r.address(16)
	}
	if r.bad {
		return
	}
	c.decodeTexts(r, s)
	if s&(sameHost|samePage) == 0 {
		return
	}
	host, rest := referrerHost(c.Referrer)
	if s&sameHost != 0 {
		c.Host = host
	}
	if s&samePage != 0 {
		c.Page = referrerPage(rest)
	}
}

// unpacked lends decodeTexts the memory to unpack texts in.
var unpacked = sync.Pool{New: func() any { return &textReader{out: make([]byte, 2048)} }}

// unpackedMax is the largest memory that is kept.
const unpackedMax = 64 << 10

// decodeTexts reads the texts and the sub-IDs, all into one string.
func (c *Click) decodeTexts(r *recordReader, s shape) {
	u := unpacked.Get().(*textReader)
	u.packed, u.at, u.id, u.n, u.bad = r.text, r.at, c.ownID(), 0, false
	var fields [textFields + SubSlots]*string
	var ends [textFields + SubSlots]int
	n, texts := 0, c.texts()
	for left := uint32(s/hasText) & (1<<textFields - 1); left != 0; left &= left - 1 {
		i := bits.TrailingZeros32(left)
		u.read(phrasesOf(i))
		fields[n], ends[n] = texts[i], u.n
		n++
	}
	if s&hasSubs != 0 {
		r.at = u.at
		used := r.uvarint()
		u.at = r.at
		for i := range c.Subs {
			if used&(1<<i) != 0 {
				u.read(linkPhrases)
				fields[n], ends[n] = &c.Subs[i], u.n
				n++
			}
		}
	}
	r.at, r.bad = u.at, r.bad || u.bad
	if !r.bad {
		text, from := string(u.out[:u.n]), 0
		for i := range n {
			*fields[i], from = text[from:ends[i]], ends[i]
		}
	}
	if u.packed, u.id = "", ""; len(u.out) <= unpackedMax {
		unpacked.Put(u)
	}
}

// recordReader walks a record; after the first overrun everything reads as zero.
type recordReader struct {
	text string
	at   int
	bad  bool
}

func (r *recordReader) byte() byte {
	if s := r.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (r *recordReader) take(n uint64) string {
	if r.bad || n > uint64(len(r.text)-r.at) {
		r.bad = true
		return ""
	}
	s := r.text[r.at : r.at+int(n)]
	r.at += int(n)
	return s
}

// address reads an address of 4 or 16 bytes.
func (r *recordReader) address(n uint64) netip.Addr {
	ip, ok := netip.AddrFromSlice([]byte(r.take(n)))
	if !ok {
		r.bad = true
	}
	return ip
}

func (r *recordReader) uvarint() (n uint64) {
	for shift := uint(0); shift < 64; shift += 7 {
		c := r.byte()
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	r.bad = true
	return 0
}
