package nginx

import (
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/routing"
)

// plannedRule is a rule of which only what a visit shows is left to be asked.
type plannedRule struct {
	id      string
	when    []*affiliate.Condition
	targets []routing.Target
}

// answer is one answer of a link. In the map it is one text; server.go takes it apart.
type answer struct {
	variant, rule, outcome string
	code                   int
	flags                  string // "b": bots get 403; "c": the link is closed
	why                    value  // names, each with a comma behind
	url                    value
}

// link writes the entries of a link: one when the answer is the same for everybody. It begins
// with "=" when it is the answer. Otherwise it is a key of the same map:
//
//	site /go/x     ?LINK|PROGRAM|PARTNER|RULE      the rule that holds, by conditions
//	?LINK|RULE     #SHARE                          of several destinations, by weights
//	?LINK|RULE|n   #~SHARE                         when that destination is down
//	?LINK|RULE|~n  #~nPAGE                         d when the visit chooses the page, else p
func (w *writer) link(plan *routing.Plan, site *site, own string) error {
	l := plan.Link
	if why := w.closed(l); why != "" {
		w.simple(l, site, own, w.fallBack(plan, site, own, why, "c"))
		return nil
	}
	rules, always, err := w.dueRules(plan)
	if err != nil {
		return err
	}
	first := choice{"", plan.Destinations}
	if always != nil {
		first = choice{always.id, always.targets}
	}
	choices := []choice{first}
	chosen := value{}.with(first.rule)
	if len(rules) > 0 {
		variable, err := w.rules(rules)
		if err != nil {
			return err
		}
		chosen = value{}.withVar(variable)
		if always != nil {
			// A rule without conditions comes last; its id stands for no other having held.
			chosen = value{}.withVar(w.orElse(variable, always.id))
		}
		for _, r := range rules {
			choices = append(choices, choice{r.id, r.targets})
		}
	} else if len(first.targets) == 1 && !w.deepens(l, &first.targets[0]) && !usesPartner(&first.targets[0].Plain) && !usesPartner(plan.Fallback) {
		w.simple(l, site, own, w.targetAnswer(plan, site, own, first, 0, ""))
		return nil
	}
	head := value{}.with("?" + strconv.FormatInt(l.ID, 10) + "|" + l.Program + "|" + own + "|")
	w.named(l, site, append(head, chosen...))
	for _, c := range choices {
		w.choice(plan, site, own, c)
	}
	return nil
}

// choice is a rule, or none, and its destinations.
type choice struct {
	rule    string
	targets []routing.Target
}

// orElse is a variable for a rule that holds when no other does.
func (w *writer) orElse(rules, id string) string {
	key := rules + " else " + id
	if name, ok := w.ruleSets[key]; ok {
		return name
	}
	name := w.variable("r")
	w.ruleSets[key] = name
	m := newMap("$"+rules, name, "")
	m.fallback = "$" + rules
	m.key("", id)
	w.define(m)
	return name
}

// closed says why a link leads nowhere now, or "", and notes when that changes.
func (w *writer) closed(l *affiliate.Link) string {
	p := w.programs[l.Program]
	switch l.Serving() {
	case affiliate.Archived:
		return "archived,"
	case affiliate.Paused:
		return "paused,"
	}
	w.changesAt(l.StartsAt)
	w.changesAt(l.EndsAt)
	switch {
	case l.StartsAt != nil && w.at.UnixMilli() < l.StartsAt.UnixMilli():
		return "not_started,"
	case l.EndsAt != nil && w.at.UnixMilli() >= l.EndsAt.UnixMilli():
		return "ended,"
	case p != nil && (p.Status == affiliate.Paused || p.Status == affiliate.Archived):
		return "program_closed,"
	}
	return ""
}

// dueRules leaves out rules that cannot hold now, and conditions that do. always is a rule that
// has none left; those behind it are never asked.
func (w *writer) dueRules(plan *routing.Plan) (rules []plannedRule, always *plannedRule, err error) {
	for i := range plan.Rules {
		r := plannedRule{id: plan.Rules[i].ID, targets: plan.Rules[i].Destinations}
		holds := true
		for j := range plan.Rules[i].When {
			c := &plan.Rules[i].When[j]
			if !isTimed(c) {
				r.when = append(r.when, c)
				continue
			}
			now, err := w.holdsNow(c)
			if err != nil {
				return nil, nil, err
			}
			holds = holds && now
		}
		switch {
		case !holds:
		case len(r.when) == 0:
			return rules, &r, nil
		default:
			rules = append(rules, r)
		}
	}
	return rules, nil, nil
}

// choice writes what a rule, or none, leads to.
func (w *writer) choice(plan *routing.Plan, site *site, own string, c choice) {
	key := "?" + strconv.FormatInt(plan.Link.ID, 10) + "|" + c.rule
	if len(c.targets) == 1 {
		w.leaf(plan, site, own, c, 0, key, "", "")
		return
	}
	up := 0
	for i := range c.targets {
		if !c.targets[i].Down {
			up += c.targets[i].Weight
		}
	}
	if up == 0 && plan.Fallback != nil {
		a := w.fallBack(plan, site, own, "shared,all_down,"+ruleWhy(c.rule), openFlags(plan.Link))
		a.rule = c.rule
		w.entry(key, w.record(plan.Link, own, a))
		return
	}
	w.shareOut(plan, c, key, "", false)
	replaced := false
	for i := range c.targets {
		down := c.targets[i].Down && up > 0
		if c.targets[i].Weight == 0 {
			continue
		}
		if down {
			w.shareOut(plan, c, key+"|"+strconv.Itoa(i), key, true)
			replaced = true
			continue
		}
		why := "shared,"
		if up == 0 {
			why += "all_down,"
		}
		w.leaf(plan, site, own, c, i, key, strconv.Itoa(i), why)
	}
	for i := range c.targets {
		if replaced && !c.targets[i].Down && c.targets[i].Weight > 0 {
			w.leaf(plan, site, own, c, i, key, "~"+strconv.Itoa(i), "shared,destination_down,")
		}
	}
}

// shareOut writes an entry that leaves the choice to the visitor's hash.
func (w *writer) shareOut(plan *routing.Plan, c choice, key, first string, second bool) {
	name, lost := w.split(c.targets, second)
	w.entry(key, value{}.with("#").withVar(name))
	if first == "" {
		w.short(plan.Link, c.rule, weights, "nginx hashes visitors otherwise than Sluice: the shares are the same, to a hundredth of a percent, and who gets which is not")
		for _, id := range lost {
			w.short(plan.Link, c.rule, weights, "the share of destination "+id+" is too small for nginx; nobody gets it")
		}
	}
}

// targetAnswer is the answer of one destination. One that is down alone is left to the fallback,
// if there is one.
func (w *writer) targetAnswer(plan *routing.Plan, site *site, own string, c choice, i int, why string) answer {
	t := &c.targets[i]
	if len(c.targets) == 1 && t.Down {
		why = "all_down,"
		if plan.Fallback != nil {
			a := w.fallBack(plan, site, own, why+ruleWhy(c.rule), openFlags(plan.Link))
			a.rule = c.rule
			return a
		}
	}
	a := answer{variant: t.ID, rule: c.rule, outcome: "redirect", code: plan.Link.Code, flags: openFlags(plan.Link), why: value{}.with(ruleWhy(c.rule) + why)}
	var handedOn string
	a.url, handedOn = w.url(&t.Plain, &answered{link: plan.Link, variant: t.ID, partner: credited(own)})
	if handedOn != "" {
		a.why = a.why.withVar(handedOn + "_why")
	}
	return a
}

func ruleWhy(rule string) string {
	if rule == "" {
		return ""
	}
	return "rule,"
}

func openFlags(l *affiliate.Link) string {
	if l.BlockBots {
		return "b"
	}
	return ""
}

// fallBack is the link's fallback, or the site's default.
func (w *writer) fallBack(plan *routing.Plan, site *site, own, why, flags string) answer {
	a := answer{flags: flags, why: value{}.with(why), outcome: "fallback", code: 302}
	if plan.Fallback == nil {
		a.outcome, a.code, a.url = site.missing()
		return a
	}
	var handedOn string
	a.url, handedOn = w.url(plan.Fallback, &answered{link: plan.Link, closed: flags == "c", partner: credited(own)})
	if handedOn != "" {
		a.why = a.why.withVar(handedOn + "_why")
	}
	return a
}

// inactive stands for a link's own partner who is not credited.
const inactive = "!"

func credited(own string) string { return strings.TrimSuffix(own, inactive) }

// usesPartner says that a URL can be written only when the visit's partner is known.
func usesPartner(t *routing.Template) bool {
	if t == nil {
		return false
	}
	for _, parts := range [][]affiliate.Part{t.Head, t.Tail} {
		for _, p := range parts {
			if p.Macro == affiliate.MacroPartner {
				return true
			}
		}
	}
	return false
}

// record writes an answer as the map has it: fields with "|" between, none of which can
// contain one, and the URL.
func (w *writer) record(l *affiliate.Link, own string, a answer) value {
	head := "=" + strconv.FormatInt(l.ID, 10) + "|" + l.Slug + "|" + l.Program + "|" + own + "|" + a.variant + "|" + a.rule + "|" + page(l.Page) + "|" +
		a.outcome + "|" + strconv.Itoa(a.code) + "|" + a.flags + "|"
	v := append(value{}.with(head), a.why...).with("|")
	return w.fit(joinTexts(append(v, a.url...)))
}

// page is a link's page without what would end the field.
func page(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '|' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// joinTexts makes one piece of text pieces that follow each other.
func joinTexts(v value) value {
	var out value
	for _, p := range v {
		if n := len(out); n > 0 && p.variable == "" && out[n-1].variable == "" {
			out[n-1].text += p.text
			continue
		}
		out = append(out, p)
	}
	return out
}
