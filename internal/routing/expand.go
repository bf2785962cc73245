package routing

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Limits of what a visitor's input can add to a URL, in bytes.
const (
	valueBytesMax    = 256  // one macro's decoded value
	handedOnBytesMax = 4096 // all handed-on parameters
)

// expandTarget writes the URL of the chosen destination.
func (r *resolution) expandTarget() {
	templates := r.chosen.templates
	plain := templates.take()
	if r.page == "" {
		r.expand(plain)
		return
	}
	deep := templates.take()
	if len(deep) > 0 {
		r.expand(deep)
		return
	}
	param := templates.string()
	r.expandPage(param, templates.take())
}

// expand writes a template's URL, and hands on parameters of the visit when all of
// the URL's own are there to be compared with.
func (r *resolution) expand(template []byte) {
	d := r.decision
	handOnAt, before, pageParam := -1, false, ""
	for t := (reader{template}); len(t.b) > 0; {
		switch op := t.byte(); op {
		case opPacked:
			r.packed(&t)
		case opMacro + byte(affiliate.MacroClickID):
			r.clickID()
		case opLiteral:
			r.mixed = true
			d.URL = append(d.URL, t.take()...)
		case opHandOn, opHandOnBefore:
			handOnAt, before, pageParam = len(d.URL), op == opHandOnBefore, t.string()
		default:
			name := ""
			if m := affiliate.Macro(op&^opRaw - opMacro); m == affiliate.MacroSub || m == affiliate.MacroQuery {
				name = t.string()
			}
			r.mixed = true
			r.macro(affiliate.Macro(op&^opRaw-opMacro), name, op&opRaw != 0)
		}
	}
	if handOnAt >= 0 {
		r.handOn(handOnAt, before, pageParam)
	}
	if r.mixed {
		d.PackedURL = d.PackedURL[:0]
	}
}

// packed writes literal text.
func (r *resolution) packed(t *reader) {
	d := r.decision
	url, codes, rest, ok := affiliate.UnpackLink(d.URL, t.b)
	if !ok {
		panic("BUG: the text of a compiled link makes no sense")
	}
	d.URL, t.b = url, rest
	if !r.mixed {
		d.PackedURL = append(d.PackedURL, codes...)
	}
}

// clickID writes the click's id. A decoy gets none.
func (r *resolution) clickID() {
	if d := r.decision; r.visit.Action == affiliate.Pass {
		d.URL = append(d.URL, r.visit.ClickID...)
		d.PackedURL = affiliate.AppendPackedID(d.PackedURL)
	}
}

// expandPage makes the chosen page the URL, with the sub-ID in place of any that
// the visitor put there.
func (r *resolution) expandPage(param string, value []byte) {
	d := r.decision
	r.mixed = true
	head, _, _ := strings.Cut(r.page, "#")
	fragment := r.page[len(head):]
	path, query, _ := strings.Cut(head, "?")
	d.URL = append(d.URL, path...)
	separator := byte('?')
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, _, _ := strings.Cut(pair, "=")
		if pair == "" || param != "" && affiliate.EqualFold(affiliate.UnescapeQuery(name), param) {
			continue
		}
		d.URL = append(append(d.URL, separator), pair...)
		separator = '&'
	}
	if param != "" && r.visit.Action == affiliate.Pass {
		d.URL = append(append(append(d.URL, separator), param...), '=')
		r.expand(value)
	}
	end := len(d.URL)
	d.URL = append(d.URL, fragment...)
	if r.flags&(passesQuery|passesNames) != 0 {
		r.handOn(end, false, "")
	}
}

// macro appends one value. A decoy gets no click id and no sub-IDs.
func (r *resolution) macro(m affiliate.Macro, name string, raw bool) {
	d, v := r.decision, r.visit
	decoy := v.Action != affiliate.Pass
	switch m {
	case affiliate.MacroClickID:
		r.clickID()
	case affiliate.MacroSub:
		if !decoy {
			r.visitorValue(name, raw)
		}
	case affiliate.MacroQuery:
		r.visitorValue(name, raw)
	case affiliate.MacroDeepLink:
		d.URL = appendEscaped(d.URL, r.page, false)
	case affiliate.MacroLink:
		d.URL = appendEscaped(d.URL, d.Slug, raw)
	case affiliate.MacroSite:
		d.URL = appendEscaped(d.URL, d.Site, raw)
	case affiliate.MacroProgram:
		d.URL = appendEscaped(d.URL, d.Program, raw)
	case affiliate.MacroPartner:
		d.URL = appendEscaped(d.URL, d.Partner, raw)
	case affiliate.MacroVariant:
		d.URL = appendEscaped(d.URL, d.Variant, raw)
	case affiliate.MacroCountry:
		d.URL = appendEscaped(d.URL, v.CountryCode(), raw)
	case affiliate.MacroDevice:
		d.URL = append(d.URL, v.DeviceClass().String()...)
	case affiliate.MacroReferrerHost:
		d.URL = appendEscaped(d.URL, cut(affiliate.URLHost(v.Referrer)), raw)
	case affiliate.MacroTime:
		d.URL = strconv.AppendInt(d.URL, v.Time/1000, 10)
	}
}

func (r *resolution) visitorValue(name string, raw bool) {
	value, _ := affiliate.QueryValue(r.visit.Query, name)
	r.decision.URL = appendEscaped(r.decision.URL, cut(value), raw)
}

// cut shortens a visitor's value to valueBytesMax, before a character that would
// be split.
func cut(s string) string {
	if len(s) <= valueBytesMax {
		return s
	}
	n := valueBytesMax
	for n > valueBytesMax-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

const upperHex = "0123456789ABCDEF"

// appendEscaped percent-encodes all but unreserved characters; raw also lets those
// pass that have a meaning in URLs, except "#", which would cut off what the
// operator wrote behind it.
func appendEscaped(b []byte, s string, raw bool) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case isUnreserved(c), raw && strings.IndexByte(":/?[]@!$&'()*+,;=", c) >= 0:
			b = append(b, c)
		default:
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// handOn adds the visit's parameters that the link's policy lets through at the given
// place of the URL, in their order, up to handedOnBytesMax. The URL's own win.
func (r *resolution) handOn(at int, before bool, pageParam string) {
	d := r.decision
	if r.visit.Action != affiliate.Pass || r.visit.Query == "" {
		return
	}
	end := len(d.URL)
	own := ownQuery(d.URL)
	for query := r.visit.Query; query != ""; {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, hasValue := strings.Cut(pair, "=")
		if !r.mayHandOn(name, pageParam) || hasParam(view(d.URL[own.from:own.to]), name) {
			continue
		}
		if len(d.URL)-end+1+len(name)+1+3*len(value) > handedOnBytesMax {
			break
		}
		if !before && own.separator != 0 {
			d.URL = append(d.URL, own.separator)
		}
		own.separator = '&'
		d.URL = append(d.URL, name...)
		if hasValue {
			d.URL = appendAsSent(append(d.URL, '='), value)
		}
		if before {
			d.URL = append(d.URL, '&')
		}
		d.Why |= affiliate.WhyQueryPassed
		r.mixed = true
	}
	moveTail(d.URL, at, end)
}

// moveTail brings what was appended after end to the place at.
func moveTail(url []byte, at, end int) {
	if at < end && end < len(url) {
		slices.Reverse(url[at:end])
		slices.Reverse(url[end:])
		slices.Reverse(url[at:])
	}
}

// span is the query of a URL, and what separates a further parameter from it; 0 for
// nothing.
type span struct {
	from, to  int
	separator byte
}

func ownQuery(url []byte) span {
	to := len(url)
	if i := bytes.IndexByte(url, '#'); i >= 0 {
		to = i
	}
	i := bytes.IndexByte(url[:to], '?')
	switch {
	case i < 0:
		return span{to, to, '?'}
	case url[to-1] == '?' || url[to-1] == '&':
		return span{i + 1, to, 0}
	}
	return span{i + 1, to, '&'}
}

// mayHandOn applies the link's policy to a parameter's name. Names that need
// decoding are never handed on: they could hide one that the operator set.
func (r *resolution) mayHandOn(name, pageParam string) bool {
	if name == "" {
		return false
	}
	for i := 0; i < len(name); i++ {
		if !isUnreserved(name[i]) && name[i] != '[' && name[i] != ']' {
			return false
		}
	}
	if r.flags&passesNames != 0 {
		for names := r.names; len(names.b) > 0; {
			if names.string() == name {
				return true
			}
		}
		return false
	}
	return !isSubSlot(name) && name != deepLinkParam && !affiliate.EqualFold(name, pageParam) &&
		(r.program == nil || name != r.program.PartnerParam)
}

// isSubSlot says that the name is one of sub1 to sub10.
func isSubSlot(name string) bool {
	slot, ok := strings.CutPrefix(name, "sub")
	return ok && (len(slot) == 1 && '1' <= slot[0] && slot[0] <= '9' || slot == "10")
}

// hasParam says that a query has a parameter of that name, in any case.
func hasParam(query, name string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if key, _, _ := strings.Cut(pair, "="); affiliate.EqualFold(key, name) {
			return true
		}
	}
	return false
}

// appendAsSent appends an encoded value, encoding only what no URL may contain.
func appendAsSent(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}#", c) >= 0 {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}
