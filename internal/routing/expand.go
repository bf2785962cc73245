package routing

import (
	"bytes"
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

// expand writes a template's URL.
func (r *resolution) expand(template []byte) {
	d := r.decision
	for t := (reader{template}); len(t.b) > 0; {
		switch op := t.byte(); op {
		case opLiteral:
			d.URL = append(d.URL, t.take()...)
		case opQuery:
			r.handOn()
		default:
			name := ""
			if m := affiliate.Macro(op&^opRaw - opMacro); m == affiliate.MacroSub || m == affiliate.MacroQuery {
				name = t.string()
			}
			r.macro(affiliate.Macro(op&^opRaw-opMacro), name, op&opRaw != 0)
		}
	}
}

// expandPage makes the chosen page the URL, with the sub-ID in place of any that
// the visitor put there.
func (r *resolution) expandPage(param string, value []byte) {
	d := r.decision
	head, fragment, _ := strings.Cut(r.page, "#")
	path, query, _ := strings.Cut(head, "?")
	d.URL = append(d.URL, path...)
	separator := byte('?')
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if name, _, _ := strings.Cut(pair, "="); pair == "" || param != "" && strings.EqualFold(name, param) {
			continue
		}
		d.URL = append(append(d.URL, separator), pair...)
		separator = '&'
	}
	if param != "" && r.visit.Action == affiliate.Pass {
		d.URL = append(append(append(d.URL, separator), param...), '=')
		r.expand(value)
	}
	if r.flags&(passesQuery|passesNames) != 0 {
		r.handOn()
	}
	if fragment != "" {
		d.URL = append(append(d.URL, '#'), fragment...)
	}
}

// macro appends one value. A decoy gets nothing that tells visits apart.
func (r *resolution) macro(m affiliate.Macro, name string, raw bool) {
	d, v := r.decision, r.visit
	decoy := v.Action != affiliate.Pass
	switch m {
	case affiliate.MacroClickID:
		if !decoy {
			d.URL = append(d.URL, v.ClickID...)
		}
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

// appendEscaped percent-encodes all but unreserved characters; raw also lets
// those pass that have a meaning in URLs.
func appendEscaped(b []byte, s string, raw bool) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case isUnreserved(c), raw && strings.IndexByte(":/?#[]@!$&'()*+,;=", c) >= 0:
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

// handOn appends the visit's parameters that the link's policy lets through, in
// their order, up to handedOnBytesMax. The URL's own parameters win.
func (r *resolution) handOn() {
	d := r.decision
	if r.visit.Action != affiliate.Pass || r.visit.Query == "" {
		return
	}
	own := len(d.URL)
	questionMark := bytes.IndexByte(d.URL, '?')
	for query := r.visit.Query; query != ""; {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, hasValue := strings.Cut(pair, "=")
		if !r.mayHandOn(name) || ownParam(d.URL[:own], questionMark, name) {
			continue
		}
		if len(d.URL)-own+1+len(name)+1+3*len(value) > handedOnBytesMax {
			break
		}
		d.URL = append(d.URL, separatorAfter(d.URL))
		d.URL = append(d.URL, name...)
		if hasValue {
			d.URL = appendAsSent(append(d.URL, '='), value)
		}
		d.Why |= affiliate.WhyQueryPassed
	}
}

// mayHandOn applies the link's policy to a parameter's name. Names that need
// decoding are never handed on: they could hide one that the operator set.
func (r *resolution) mayHandOn(name string) bool {
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
	if slot, ok := strings.CutPrefix(name, "sub"); ok {
		if n, err := strconv.Atoi(slot); err == nil && 1 <= n && n <= affiliate.SubSlots {
			return false
		}
	}
	return name != deepLinkParam && (r.program == nil || name != r.program.PartnerParam)
}

// ownParam says that the URL has a parameter of that name, in any case.
func ownParam(url []byte, questionMark int, name string) bool {
	if questionMark < 0 {
		return false
	}
	for query := view(url[questionMark+1:]); query != ""; {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if key, _, _ := strings.Cut(pair, "="); strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}

func separatorAfter(url []byte) byte {
	if bytes.IndexByte(url, '?') < 0 {
		return '?'
	}
	return '&'
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
