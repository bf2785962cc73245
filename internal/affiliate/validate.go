package affiliate

import (
	"slices"
	"strings"
	"time"
)

// Limits of one link, so that no document can make a redirect slow or a table
// large.
const (
	DestinationsMax = 64
	// WeightsMax bounds the sum of weights that share a choice; see Share.
	WeightsMax    = 1 << 21
	RulesMax      = 64
	ConditionsMax = 16
	ValuesMax     = 512
	WeightMax     = 1_000_000
	TagsMax       = 32
	textBytesMax  = 2048
)

// Surroundings are what a link is checked against.
type Surroundings struct {
	Site    Site
	Program *Program // nil when the link names none, or one that does not exist
	// Operator says that an operator, not a partner, writes the link: raw
	// macros are theirs alone.
	Operator bool
}

// Validate reports every field at fault of a normalised link, and warnings about
// what is allowed but seldom meant.
func (l *Link) Validate(in Surroundings) (warnings []Fault, err error) {
	v := linkCheck{link: l, in: in}
	v.identity()
	v.schedule()
	v.clickCap()
	v.destinations("destinations", l.Destinations)
	v.rules()
	v.fallback()
	v.behaviour()
	v.policy()
	return v.warnings, v.faults.err("the link " + quote(l.Slug) + " is not valid")
}

// linkCheck walks one link.
type linkCheck struct {
	link     *Link
	in       Surroundings
	faults   faults
	warnings faults
}

func (v *linkCheck) identity() {
	l := v.link
	if fault := slugFault(l.Slug); fault != "" {
		v.faults.add("slug", "the name %q cannot be used: %s", clip(l.Slug, 80), fault)
	} else if canonical, ok := CanonicalSlug(l.Slug); !ok || canonical != l.Slug {
		v.faults.add("slug", "the name %q cannot be used: it must end in a letter or a digit", clip(l.Slug, 80))
	} else if v.in.Site.Prefix == "/" {
		if reason := ReservedSlug(l.Slug); reason != "" {
			v.faults.add("slug", "the name %q is reserved on a site without prefix: %s", l.Slug, reason)
		}
	}
	if !l.Status.valid() {
		v.faults.add("status", "%q is not one of active, paused, archived", l.Status)
	}
	if l.Program != "" && v.in.Program == nil {
		v.faults.add("program", "there is no program %q; create it first", l.Program)
	}
	if l.Partner != "" && l.Program == "" {
		v.faults.add("partner", "a partner belongs to a program; name the program too")
	}
	if len(l.Tags) > TagsMax {
		v.faults.add("tags", "%d tags; at most %d", len(l.Tags), TagsMax)
	}
	for i, t := range l.Tags {
		if len(t) > 64 {
			v.faults.add(index("tags", i), "%q is longer than 64 bytes", clip(t, 64))
		}
	}
	if l.Partner != "" {
		handleFault(&v.faults, "partner", l.Partner)
	}
	if len(l.Page) > textBytesMax {
		v.faults.add("page", "it is longer than %d bytes", textBytesMax)
	}
	if len(l.Note) > textBytesMax {
		v.faults.add("note", "it is longer than %d bytes", textBytesMax)
	}
}

func (v *linkCheck) schedule() {
	l := v.link
	if l.StartsAt != nil && l.EndsAt != nil && !l.EndsAt.After(*l.StartsAt) {
		v.faults.add("ends_at", "the link would end (%s) before it starts (%s)",
			l.EndsAt.Format(time.RFC3339), l.StartsAt.Format(time.RFC3339))
	}
}

func (v *linkCheck) destinations(field string, ds []Destination) {
	if len(ds) == 0 {
		v.faults.add(field, "there is no destination; give at least one URL")
		return
	}
	if len(ds) > DestinationsMax {
		v.faults.add(field, "%d destinations; at most %d", len(ds), DestinationsMax)
		return
	}
	total := 0
	seen := map[string]bool{}
	for i, d := range ds {
		at := index(field, i)
		v.target(at+".url", d.URL)
		if d.Weight < 0 || d.Weight > WeightMax {
			v.faults.add(at+".weight", "%d is not between 0 and %d", d.Weight, WeightMax)
		} else {
			total += d.Weight
		}
		var fs faults
		if handleFault(&fs, at+".id", d.ID); len(fs) > 0 {
			v.faults = append(v.faults, fs...)
		}
		if seen[d.ID] {
			v.faults.add(at+".id", "two destinations are called %q", d.ID)
		}
		seen[d.ID] = true
	}
	if total > WeightsMax {
		v.faults.add(field, "the weights sum to %d; at most %d, so divide them all by the same number", total, WeightsMax)
	}
	if total == 0 {
		v.faults.add(field, "the weights sum to zero, so nobody could be sent anywhere; give at least one a weight above 0")
	}
}

// target checks one URL template.
func (v *linkCheck) target(field, template string) {
	if f := urlFault(template); f != "" {
		v.faults.add(field, "%s", f)
		return
	}
	if _, err := ParseTemplate(template); err != nil {
		v.faults.add(field, "%s", err)
		return
	}
	v.rawMacros(field, template)
	if v.leadsBack(template) {
		v.faults.add(field, "%s is one of this site's own links; visitors would go round in a circle", clip(template, 80))
	}
}

// rawMacros refuses {raw:…} in what a partner writes: it lets visitors add
// parameters to the URL.
func (v *linkCheck) rawMacros(field, template string) {
	parts, err := ParseTemplate(template)
	if err == nil && !v.in.Operator && slices.ContainsFunc(parts, func(p Part) bool { return p.Raw }) {
		v.faults.add(field, "{raw:…} is for operators only")
	}
}

// leadsBack says that the URL is a name under the site's own prefix.
func (v *linkCheck) leadsBack(template string) bool {
	if !slices.Contains(v.in.Site.Hosts, URLHost(template)) {
		return false
	}
	path, _, _ := strings.Cut(pathOf(template), "#")
	path, _, _ = strings.Cut(path, "?")
	name, below := NameInPath(path, v.in.Site.Prefix)
	return below && name != ""
}

func (v *linkCheck) rules() {
	l := v.link
	if len(l.Rules) > RulesMax {
		v.faults.add("rules", "%d rules; at most %d", len(l.Rules), RulesMax)
		return
	}
	ids := map[string]bool{}
	for i := range l.Rules {
		r, at := &l.Rules[i], index("rules", i)
		var fs faults
		if handleFault(&fs, at+".id", r.ID); len(fs) > 0 {
			v.faults = append(v.faults, fs...)
		}
		if ids[r.ID] {
			v.faults.add(at+".id", "two rules are called %q", r.ID)
		}
		ids[r.ID] = true
		v.destinations(at+".destinations", r.Destinations)
		if len(r.When) > ConditionsMax {
			v.faults.add(at+".when", "%d conditions; at most %d", len(r.When), ConditionsMax)
			continue
		}
		before := len(v.faults)
		for j := range r.When {
			checkCondition(&v.faults, index(at+".when", j), &r.When[j])
		}
		if len(v.faults) == before {
			v.reachable(at, r, i)
		}
	}
}

// reachable refuses a rule that can never match: because its conditions
// contradict each other, because an earlier rule takes all its visits, or
// because the link is not active then.
func (v *linkCheck) reachable(at string, r *Rule, i int) {
	if len(r.When) == 0 && i < len(v.link.Rules)-1 {
		v.faults.add(at+".when", "the rule matches every visit, so the rules after it can never match; put it last or give it a condition")
	}
	for _, earlier := range v.link.Rules[:i] {
		if len(earlier.When) > 0 && covers(earlier.When, r.When) {
			v.faults.add(at+".when", "it can never match: rule %q before it takes all its visits", earlier.ID)
			break
		}
	}
	if reason := contradiction(r.When); reason != "" {
		v.faults.add(at+".when", "it can never match: %s", reason)
	}
	for _, c := range r.When {
		starts, ends := v.link.StartsAt, v.link.EndsAt
		if c.Before != nil && starts != nil && !c.Before.After(*starts) || c.After != nil && ends != nil && !c.After.Before(*ends) {
			v.faults.add(at+".when", "it can never match: its dates lie outside the link's schedule")
		}
	}
}

func (v *linkCheck) fallback() {
	if v.link.Fallback == "" {
		return
	}
	v.target("fallback", v.link.Fallback)
	if terms := TermsFor(v.in.Program, v.link.Fallback); terms.Redirect == Denied {
		v.hidden("fallback", v.link.Fallback, terms)
	}
}

func (v *linkCheck) behaviour() {
	l := v.link
	if !slices.Contains(RedirectCodes, l.Code) {
		v.faults.add("code", "%d is not one of 302, 307, 301, 308", l.Code)
	}
	if l.Code == 301 || l.Code == 308 {
		v.warnings.add("code", "browsers keep a %d for good: repeat clicks and later changes of the target will not reach you", l.Code)
	}
	switch l.Query.Mode {
	case QueryDrop, QueryPass:
		if len(l.Query.Names) > 0 {
			v.faults.add("query.names", "names are for the mode only")
		}
	case QueryOnly:
		if len(l.Query.Names) == 0 {
			v.faults.add("query.names", "name the parameters to hand on, or use the mode drop")
		}
		if len(l.Query.Names) > 32 {
			v.faults.add("query.names", "%d names; at most 32", len(l.Query.Names))
		}
		for i, n := range l.Query.Names {
			paramFault(&v.faults, index("query.names", i), n)
		}
	default:
		v.faults.add("query.mode", "%q is not one of drop, pass, only", l.Query.Mode)
	}
	if l.DeepLink && (v.in.Program == nil || v.in.Program.DeepLink == nil || len(v.in.Program.DeepLink.Hosts) == 0) {
		v.faults.add("deep_link", "the program must name the hosts that deep links may lead to (deep_link.hosts)")
	}
	l.SubID.validate(&v.faults, "sub_id")
	if l.SubID != nil {
		v.rawMacros("sub_id.value", l.SubID.Value)
	}
}

// policy refuses what the program's terms, or the network's, forbid.
func (v *linkCheck) policy() {
	v.terms("destinations", v.link.Destinations)
	for i := range v.link.Rules {
		v.terms(index("rules", i)+".destinations", v.link.Rules[i].Destinations)
	}
}

func (v *linkCheck) terms(field string, ds []Destination) {
	for i, d := range ds {
		at := index(field, i) + ".url"
		terms := TermsFor(v.in.Program, d.URL)
		if terms.Redirect == Denied {
			v.hidden(at, d.URL, terms)
		}
		if p := PresetFor(d.URL); v.link.DeepLink && p != nil && WithDeepLink(d.URL, v.in.Program) == "" {
			v.faults.add(at, "%s takes no page, so a deep link would leave the network out; name the parameter in deep_link.param of the program", URLHost(d.URL))
		}
		if terms.VisitorSubID != Denied {
			continue
		}
		if sub := EffectiveSubID(v.link, v.in.Program, d.URL); sub.Param != "" && variesByVisitor(sub.Value) || variesByVisitor(d.URL) {
			v.faults.add(at, "%s forbids sub-IDs that differ between visitors: %s. Use a fixed value, or {link}, {site}, {partner}", URLHost(d.URL), terms.Reason)
		}
	}
}

func (v *linkCheck) hidden(field, target string, terms Terms) {
	v.faults.add(field, "%s may not be hidden behind a redirect: %s. Put the link into the page as it is, "+
		"or set policy.redirect of its program to allowed if your agreement says so", URLHost(target), terms.Reason)
}

func variesByVisitor(template string) bool {
	parts, err := ParseTemplate(template)
	return err == nil && slices.ContainsFunc(parts, Part.varies)
}
