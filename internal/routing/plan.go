package routing

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Plan is a link with everything worked in that is known before a visit: the network's
// sub-ID and page parameters are in the templates, and these are cut into parts. Every
// target is made from it, so that none of them has to know a network: the compiled
// table, and what is exported. What it does not repeat is read from Link.
type Plan struct {
	Link         *affiliate.Link
	Fallback     *Template // nil for none
	Destinations []Target
	Rules        []PlannedRule
}

// PlannedRule is a rule and where it leads.
type PlannedRule struct {
	*affiliate.Rule
	Destinations []Target
}

// Target is a destination and the URLs that it stands for.
type Target struct {
	affiliate.Destination
	Plain Template
	// Deep is for a visit that chooses the merchant's page, which stands where it has
	// MacroDeepLink. Where it is nil the page itself becomes the URL, and Page what is
	// added to it. Both are for links that take deep links.
	Deep *Template
	Page PageSubID
}

// PageSubID is the parameter that a chosen page gets as a sub-ID, in place of any of that
// name which the visitor put there; Param is "" for none.
type PageSubID struct {
	Param string
	Value []affiliate.Part
}

// Template is a URL in parts: Head, then parameters of the visit that are handed on, then
// Tail, which begins with a fragment or a parameter that must stay last.
type Template struct {
	Head, Tail []affiliate.Part
	HandOn     HandOn
	// PageParam is the parameter through which a page is chosen: never handed on by
	// affiliate.QueryPass, in any case of its letters.
	PageParam string
}

// HandOn says how parameters are handed on.
type HandOn byte

// The ways.
const (
	HandOnNone   HandOn = iota
	HandOnEnd           // each with its separator in front
	HandOnBefore        // each with "&" behind, because a parameter follows
)

// NewPlan works a valid link and its program, nil for none, into a plan. An error says why no
// redirect can be made of the link: the catalog validates links, and this keeps a fault there
// from going further.
func NewPlan(l *affiliate.Link, program *affiliate.Program) (*Plan, error) {
	if err := servable(l); err != nil {
		return nil, err
	}
	p := planner{link: l, program: program}
	plan := &Plan{Link: l, Destinations: p.targets(l.Destinations)}
	if l.Fallback != "" {
		fallback := p.template(l.Fallback, l.Fallback)
		plan.Fallback = &fallback
	}
	for i := range l.Rules {
		r := &l.Rules[i]
		plan.Rules = append(plan.Rules, PlannedRule{r, p.targets(r.Destinations)})
	}
	return plan, p.err
}

// planner makes one plan; the first error sticks.
type planner struct {
	link    *affiliate.Link
	program *affiliate.Program
	err     error
}

func (p *planner) targets(ds []affiliate.Destination) []Target {
	targets := make([]Target, len(ds))
	for i, d := range ds {
		targets[i] = p.target(d)
	}
	return targets
}

func (p *planner) target(d affiliate.Destination) Target {
	url := affiliate.WithSubID(d.URL, p.link, p.program)
	t := Target{Destination: d, Plain: p.template(url, d.URL)}
	if !p.link.DeepLink {
		return t
	}
	if deep := affiliate.WithDeepLink(url, p.program); deep != "" {
		template := p.template(deep, d.URL)
		t.Deep = &template
		return t
	}
	sub := affiliate.PageSubID(p.link, p.program, d.URL)
	t.Page = PageSubID{sub.Param, p.parts(sub.Value)}
	return t
}

// template cuts a URL into its parts. The destination is the template as the operator wrote it:
// its host tells the network.
func (p *planner) template(s, destination string) Template {
	if p.link.Query.Mode == affiliate.QueryDrop || p.link.Query.Mode == "" {
		return Template{Head: p.parts(s)}
	}
	at, way := handOnPlace(s, affiliate.LastParams(p.program, destination))
	return Template{Head: p.parts(s[:at]), Tail: p.parts(s[at:]), HandOn: way, PageParam: affiliate.DeepLinkParam(p.program, destination)}
}

func (p *planner) parts(s string) []affiliate.Part {
	parts, err := affiliate.CompileTemplate(s)
	if err != nil && p.err == nil {
		p.err = err
	}
	return parts
}

// handOnPlace says where parameters are handed on: before the first parameter that
// must stay last, else at the end, before a fragment.
func handOnPlace(s string, last []string) (at int, way HandOn) {
	end := len(s)
	if i := strings.IndexByte(s, '#'); i >= 0 {
		end = i
	}
	if q := strings.IndexByte(s[:end], '?'); q >= 0 {
		for at := q + 1; at < end; {
			pair, _, _ := strings.Cut(s[at:end], "&")
			if name, _, _ := strings.Cut(pair, "="); slices.Contains(last, name) {
				return at, HandOnBefore
			}
			at += len(pair) + 1
		}
	}
	return end, HandOnEnd
}

// servable refuses what a redirect could not be made of.
func servable(l *affiliate.Link) error {
	if len(l.Slug) > affiliate.SlugBytesMax {
		return fmt.Errorf("its name is longer than %d bytes", affiliate.SlugBytesMax)
	}
	if err := shareable(l.Destinations); err != nil {
		return err
	}
	for i := range l.Rules {
		if err := shareable(l.Rules[i].Destinations); err != nil {
			return fmt.Errorf("rule %q: %w", l.Rules[i].ID, err)
		}
	}
	return nil
}

func shareable(ds []affiliate.Destination) error {
	total := 0
	for _, d := range ds {
		if d.Weight < 0 {
			return fmt.Errorf("the destination %q has a negative weight", d.ID)
		}
		total += d.Weight
	}
	switch {
	case len(ds) == 0:
		return errors.New("it has no destination")
	case len(ds) > 1 && total == 0:
		return errors.New("the weights of its destinations sum to zero")
	case total > math.MaxInt32:
		return errors.New("the weights of its destinations are too large")
	}
	return nil
}
