package nginx

import (
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/routing"
)

// answered is what is known of an answer when the export is made.
type answered struct {
	link    *affiliate.Link
	variant string
	closed  bool   // the link leads nowhere now, and only its fallback is left
	partner string // the link's own, "" for none
}

// clickMark stands where a click id goes. No URL can contain it, and it keeps an entry that
// has nothing else of the visit plain text: for a million links that is half of nginx's memory.
const clickMark = "<c>"

// url writes a template as a value, and returns the variable that names what was handed on, ""
// for nothing.
func (w *writer) url(t *routing.Template, a *answered) (v value, handedOn string) {
	place := inPath
	v = w.parts(nil, t.Head, a, &place)
	if t.HandOn == routing.HandOnNone {
		return joined(v), ""
	}
	name := w.handOn(t, a)
	if name != "" {
		v = v.withVar(name)
	}
	return joined(w.parts(v, t.Tail, a, &place)), name
}

// position is where in a URL a macro stands.
type position byte

const (
	inPath position = iota
	inQuery
	inFragment
)

func (p *position) pass(text string) {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '#':
			*p = inFragment
		case text[i] == '?' && *p == inPath:
			*p = inQuery
		}
	}
}

func (w *writer) parts(v value, parts []affiliate.Part, a *answered, place *position) value {
	for i := range parts {
		p := &parts[i]
		switch p.Macro {
		case affiliate.MacroNone:
			place.pass(p.Literal)
			v = v.with(p.Literal)
		case affiliate.MacroClickID:
			v = v.withVar("sluice_cid")
		case affiliate.MacroSub:
			v = v.withVar(w.param("sub"+p.Arg, p.Raw, *place, true))
		case affiliate.MacroQuery:
			v = v.withVar(w.param(p.Arg, p.Raw, *place, false))
		case affiliate.MacroLink:
			v = v.with(escaped(a.link.Slug, p.Raw))
		case affiliate.MacroSite:
			v = v.with(escaped(a.link.Site, p.Raw))
		case affiliate.MacroProgram:
			v = v.with(escaped(a.link.Program, p.Raw))
		case affiliate.MacroVariant:
			v = v.with(escaped(a.variant, p.Raw))
		case affiliate.MacroPartner:
			if a.closed || a.link.Program == "" {
				v = v.with(escaped(a.partner, p.Raw))
			} else {
				v = v.withVar("sluice_partner")
			}
		case affiliate.MacroCountry:
			v = v.withVar("sluice_country")
		case affiliate.MacroDevice:
			v = v.withVar("sluice_device")
		case affiliate.MacroReferrerHost:
			v = v.withVar("sluice_referrer_name")
		case affiliate.MacroDeepLink:
			v = v.withVar(w.page(w.programs[a.link.Program].DeepLink))
		case affiliate.MacroTime:
			v = v.withVar("sluice_ts")
		}
	}
	return v
}

// joined makes one piece of text pieces that follow each other, and marks the click id where that leaves text only.
func joined(v value) value {
	ids, others := 0, 0
	for _, p := range v {
		switch {
		case p.variable == "sluice_cid":
			ids++
		case p.variable != "" || strings.IndexByte(p.text, '$') >= 0:
			others++
		}
	}
	var out value
	for _, p := range v {
		if p.variable == "sluice_cid" && ids == 1 && others == 0 {
			p = piece{text: clickMark}
		}
		if n := len(out); n > 0 && p.variable == "" && out[n-1].variable == "" {
			out[n-1].text += p.text
			continue
		}
		out = append(out, p)
	}
	return out
}

// escaped is a value in a URL, as routing writes it.
func escaped(s string, raw bool) string {
	const upperHex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if strings.IndexByte(unreserved, c) >= 0 || raw && strings.IndexByte(":/?[]@!$&'()*+,;=", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	return b.String()
}

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// Expressions for a byte of a parameter's value as it was sent, where sending it on is the
// same as decoding and encoding it again: unreserved, or an escape that must be one, in capitals.
const (
	sameByte    = `(?:[A-Za-z0-9._~-]|%(?:[01][0-9A-F]|2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-DF]|[89A-F][0-9A-F]))`
	sameRawByte = `(?:[A-Za-z0-9._~:/?@!$'()*,;=\[\]-]|%(?:[01][0-9A-F]|2[0235]|3[CE]|5[CE]|60|7[B-DF]|[89A-F][0-9A-F]))`
	// looseByte also has what a form may leave as it is and every escape: the same value in other words.
	looseByte = `(?:[A-Za-z0-9._~:/?@!'()*,;=+-]|%[0-9A-Fa-f]{2})`
)

// valueFits looks ahead for a value that, as it was sent, is no longer than routing lets any be.
const valueFits = "(?=[^&]{0,256}(?:&|$))"

// param returns the variable with a parameter of the visit for a URL, nothing where it cannot be
// put there safely. A sub-ID is nothing for bots.
func (w *writer) param(name string, raw bool, place position, isSub bool) string {
	loose := place == inQuery && !raw
	key := name
	if raw {
		key += " raw"
	}
	if loose {
		key += " loose"
	}
	if known, ok := w.params[key]; ok {
		return subVariable(w, key, known, isSub)
	}
	variable := w.variable("p")
	w.params[key] = variable
	m := newMap("$args", variable, "")
	bytes := []string{sameByte}
	if raw {
		bytes = []string{sameRawByte}
	}
	if loose {
		bytes = append(bytes, looseByte)
	}
	for _, b := range bytes {
		m.line(pattern(nil, "~", firstParam(name)+"="+valueFits+"(?<sluice_value>"+b+"*+)(?:&|$)"), []byte("$sluice_value"))
	}
	w.define(m)
	return subVariable(w, key, variable, isSub)
}

// subVariable hides a parameter from bots.
func subVariable(w *writer, key, variable string, isSub bool) string {
	if !isSub {
		return variable
	}
	key += " sub"
	if known, ok := w.params[key]; ok {
		return known
	}
	name := w.variable("p")
	w.params[key] = name
	m := newMap("$sluice_bot", name, "")
	m.fallback = "$" + variable
	m.key("1", "")
	w.define(m)
	return name
}
