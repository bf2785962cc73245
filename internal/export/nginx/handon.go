package nginx

import (
	"fmt"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/routing"
)

const (
	// handedOnDropsMax is how many parameters of one visit can be kept from being handed on: one map for each.
	handedOnDropsMax = 8
	// handedOnBytesMax is the longest query of which parameters are handed on. Whatever it
	// holds, routing's own limit of 4096 is not reached.
	handedOnBytesMax = 1365
)

// valueAsSent is an expression for a value that routing hands on as it was sent.
const valueAsSent = `(?:[^&\x00-\x20\x7f-\xff"<>\\^` + "`" + `{|}#]*)`

// handOn returns the variable with the parameters of the visit that a template hands on, with
// their separator; "" when nginx cannot tell them.
func (w *writer) handOn(t *routing.Template, a *answered) string {
	l := a.link
	own, separator := ownQuery(t)
	param := w.acceptable(l, t.PageParam, own)
	format := separator + "$sluice_handed"
	if t.HandOn == routing.HandOnBefore {
		format = "$sluice_handed&"
	}
	if len(param) > wordBytesMax/3 {
		w.short(l, "", "query", "its list of parameters is too long for nginx; none is handed on")
		return ""
	}
	key := format + param
	if known, ok := w.handOns[key]; ok {
		return known
	}
	name := w.variable("h")
	w.handOns[key] = name
	source := "$args"
	for i := range handedOnDropsMax {
		// What is acceptable from the start stays, and the first parameter behind it that is not goes.
		m := newMap(source, fmt.Sprintf("%s_%d", name, i), "")
		w.variables++
		if i == 0 {
			m.expression("~", fmt.Sprintf("^.{%d}", handedOnBytesMax+1), "")
		}
		m.line(pattern(nil, "~", "^(?<sluice_kept>(?:"+param+"&)*+)(?:(?<sluice_last>"+param+")$|[^&]*&?(?<sluice_rest>.*)$)"),
			[]byte(`"$sluice_kept$sluice_last$sluice_rest"`))
		w.define(m)
		source = "$" + m.name
	}
	m := newMap(`"$sluice_bot|`+source+`"`, name, "")
	m.line(pattern(nil, "~", `^\|(?<sluice_handed>`+param+"(?:&"+param+")*)&?$"), []byte(`"`+format+`"`))
	w.define(m)
	why := newMap("$"+name, name+"_why", "query_passed,")
	w.variables++
	why.key("", "")
	w.define(why)
	return name
}

// acceptable is an expression for a parameter that a link hands on, without its "&".
func (w *writer) acceptable(l *affiliate.Link, pageParam string, own []string) string {
	var b strings.Builder
	if l.Query.Mode == affiliate.QueryOnly {
		b.WriteString("(?=(?:" + alternatives(l.Query.Names) + ")(?:[=&]|$))")
	} else {
		names := []string{"url"}
		if p := w.programs[l.Program]; p != nil {
			names = append(names, p.PartnerParam)
		}
		b.WriteString("(?!(?:sub[1-9]|sub10|" + alternatives(names) + ")(?:[=&]|$))")
		if pageParam != "" {
			own = append(own, pageParam)
		}
	}
	if len(own) > 0 {
		b.WriteString("(?!(?i:" + alternatives(own) + ")(?:[=&]|$))")
	}
	b.WriteString(`[A-Za-z0-9._~\[\]-]++(?:=` + valueAsSent + ")?(?=&|$)")
	return "(?:" + b.String() + ")"
}

func alternatives(names []string) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(literally(n))
	}
	return b.String()
}

// ownQuery lists the parameters that a template has itself, and what separates a further one
// from them. What macros become holds neither "&" nor "?".
func ownQuery(t *routing.Template) (names []string, separator string) {
	u := sample(t.Head) + sample(t.Tail)
	u, _, _ = strings.Cut(u, "#")
	_, query, has := strings.Cut(u, "?")
	if !has {
		return nil, "?"
	}
	for _, pair := range strings.Split(query, "&") {
		if name, _, _ := strings.Cut(pair, "="); name != "" {
			names = append(names, name)
		}
	}
	if strings.HasSuffix(u, "?") || strings.HasSuffix(u, "&") {
		return names, ""
	}
	return names, "&"
}

func sample(parts []affiliate.Part) string {
	var b strings.Builder
	for _, p := range parts {
		if p.Macro == affiliate.MacroNone {
			b.WriteString(p.Literal)
		} else {
			b.WriteString("x")
		}
	}
	return b.String()
}
