package nginx

import (
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/routing"
)

// pageByte is an expression for a byte of a page that has been percent-encoded as a macro's value is:
// it can be put into a URL as it was sent. What no page may contain is not in it; see
// affiliate.DeepLink.AllowsDeepLink.
const pageByte = `(?:[A-Za-z0-9._~-]|%(?:2[1346-9A-CF]|3[ABDF]|40|5[BD])|%25[0-9A-Fa-f]{2})`

// deepens says that a visit may choose the page of a target in a way that nginx can follow: through
// a parameter, into which it goes as it was sent. Where the page itself is the address it would
// have to be decoded, which nginx cannot do.
func (w *writer) deepens(l *affiliate.Link, t *routing.Target) bool {
	p := w.programs[l.Program]
	return t.Deep != nil && p != nil && p.DeepLink != nil
}

// page returns the variable with the page that a visit chooses, encoded; "" when none may be had.
// Programs with the same hosts share it.
func (w *writer) page(d *affiliate.DeepLink) string {
	key := strings.Join(d.Hosts, " ")
	if name, ok := w.pages[key]; ok {
		return name
	}
	name := w.variable("d")
	w.pages[key] = name
	m := newMap("$args", name, "")
	for _, h := range d.Hosts {
		host, plain := strings.CutPrefix(h, "http://")
		scheme := "https"
		if plain {
			scheme = "https?"
		}
		below := ""
		if rest, ok := strings.CutPrefix(host, "*."); ok {
			host, below = rest, `[A-Za-z0-9._-]+\.`
		}
		authority := strings.ReplaceAll(literally(host), ":", "(?-i:%3A)")
		m.line(pattern(nil, "~", firstParam("url")+"=(?=[^&]{0,8192}(?:&|$))(?<sluice_page_sent>(?i:"+scheme+")%3A%2F%2F(?i:"+below+authority+")(?:%(?:2F|3F|23)"+pageByte+"*+)?)(?:&|$)"), []byte("$sluice_page_sent"))
	}
	w.define(m)
	return name
}

// deepShare returns the variable that tells whether a visit has chosen a page: "d", else "p".
func (w *writer) deepShare(d *affiliate.DeepLink) string {
	page := w.page(d)
	key := page + " share"
	if name, ok := w.pages[key]; ok {
		return name
	}
	name := w.variable("e")
	w.pages[key] = name
	m := newMap("$"+page, name, "d")
	m.key("", "p")
	w.define(m)
	return name
}

// leaf writes what a destination leads to, in two entries where a visit may choose the page.
func (w *writer) leaf(plan *routing.Plan, site *site, own string, c choice, i int, key, share, why string) {
	at := key
	if share != "" {
		at += "|" + share
	}
	if plain := w.targetAnswer(plan, site, own, c, i, why); plain.outcome != "redirect" || !w.deepens(plan.Link, &c.targets[i]) {
		w.entry(at, w.record(plan.Link, own, plain))
		return
	}
	w.entry(at, value{}.with("#"+share).withVar(w.deepShare(w.programs[plan.Link.Program].DeepLink)))
	for _, deep := range []bool{false, true} {
		a := w.targetAnswer(plan, site, own, c, i, why)
		letter := "p"
		if deep {
			letter = "d"
			var handedOn string
			a.url, handedOn = w.url(c.targets[i].Deep, &answered{link: plan.Link, variant: a.variant, partner: credited(own)})
			a.why = value{}.with(ruleWhy(c.rule) + why + "deep_link,")
			if handedOn != "" {
				a.why = a.why.withVar(handedOn + "_why")
			}
		}
		w.entry(key+"|"+share+letter, w.record(plan.Link, own, a))
	}
}
