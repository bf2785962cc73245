// Package edge writes links for those who serve them near their visitors, from a key-value
// store: Cloudflare Workers, Lambda@Edge and CloudFront Functions. One document holds all that
// is known of a link before a visit, templates cut into parts, so that the code at the edge is
// small. docs/formats/edge.md describes the documents.
package edge

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/routing"
)

// Version of the documents' format, in each as "v".
const Version = 1

// SitesKey is the key of the document of all sites.
const SitesKey = "s"

// LinkKey is the key of a link's document.
func LinkKey(site, slug string) string { return "l/" + site + "/" + slug }

// ProgramKey is the key of a program's document.
func ProgramKey(id string) string { return "g/" + id }

// PartnerKey is the key of a partner's document.
func PartnerKey(program, code string) string { return "p/" + program + "/" + code }

type sitesDocument struct {
	V     int            `json:"v"`
	Sites []siteDocument `json:"sites"`
}

type siteDocument struct {
	ID      string   `json:"id"`
	Hosts   []string `json:"hosts,omitempty"`
	Prefix  string   `json:"prefix"`
	Default string   `json:"default,omitempty"`
}

type programDocument struct {
	V            int      `json:"v"`
	ID           string   `json:"id"`
	Status       string   `json:"s,omitempty"`
	PartnerParam string   `json:"pp,omitempty"`
	DeepHosts    []string `json:"dl,omitempty"`
}

type partnerDocument struct {
	V      int    `json:"v"`
	Status string `json:"s,omitempty"`
}

type linkDocument struct {
	V            int              `json:"v"`
	ID           int64            `json:"i"`
	Status       string           `json:"s,omitempty"`
	Code         int              `json:"c,omitempty"`
	Program      string           `json:"g,omitempty"`
	Partner      string           `json:"p,omitempty"`
	Page         string           `json:"pg,omitempty"`
	From         *int64           `json:"from,omitempty"`
	To           *int64           `json:"to,omitempty"`
	Query        any              `json:"q,omitempty"` // "pass" or the names
	DeepLink     int              `json:"dl,omitempty"`
	BlockBots    int              `json:"bb,omitempty"`
	Fallback     any              `json:"f,omitempty"`
	Destinations []targetDocument `json:"d"`
	Rules        []ruleDocument   `json:"r,omitempty"`
}

type targetDocument struct {
	ID     string `json:"i"`
	Weight int    `json:"w"`
	Down   int    `json:"dn,omitempty"`
	URL    any    `json:"u"`
	Deep   any    `json:"du,omitempty"`
	Page   []any  `json:"ps,omitempty"` // the parameter and the parts of its value
}

type ruleDocument struct {
	ID           string              `json:"i"`
	When         []conditionDocument `json:"w,omitempty"`
	Destinations []targetDocument    `json:"d"`
}

type conditionDocument struct {
	On     string   `json:"on"`
	Name   string   `json:"name,omitempty"`
	In     []string `json:"in,omitempty"`
	NotIn  []string `json:"not_in,omitempty"`
	Zone   string   `json:"zone,omitempty"`
	Days   []string `json:"days,omitempty"`
	From   *int     `json:"from,omitempty"` // minutes of the day
	To     *int     `json:"to,omitempty"`
	After  *int64   `json:"after,omitempty"` // Unix milliseconds
	Before *int64   `json:"before,omitempty"`
}

// handingDocument is a template with a place for what is handed on.
type handingDocument struct {
	Head      []any          `json:"h,omitempty"`
	Tail      []any          `json:"t,omitempty"`
	HandOn    routing.HandOn `json:"o"`
	PageParam string         `json:"pp,omitempty"`
}

// Sites is the document of all sites.
func Sites(sites []affiliate.Site) []byte {
	d := sitesDocument{V: Version, Sites: []siteDocument{}}
	for _, s := range sites {
		d.Sites = append(d.Sites, siteDocument{s.ID, s.Hosts, s.Prefix, s.DefaultURL})
	}
	return encode(d)
}

// Program is a program's document.
func Program(p *affiliate.Program) []byte {
	d := programDocument{V: Version, ID: p.ID, Status: status(p.Status), PartnerParam: p.PartnerParam}
	if p.DeepLink != nil {
		d.DeepHosts = p.DeepLink.Hosts
	}
	return encode(d)
}

// Partner is a partner's document.
func Partner(p *affiliate.Partner) []byte {
	return encode(partnerDocument{V: Version, Status: status(p.Status)})
}

// Link is a link's document. An error says why no redirect can be made of the link.
func Link(l *affiliate.Link, program *affiliate.Program) ([]byte, error) {
	plan, err := routing.NewPlan(l, program)
	if err != nil {
		return nil, err
	}
	d := linkDocument{V: Version, ID: l.ID, Status: status(l.Serving()), Program: l.Program, Partner: l.Partner, Page: l.Page,
		DeepLink: bit(l.DeepLink), BlockBots: bit(l.BlockBots), Destinations: targets(plan.Destinations)}
	if l.Code != 302 {
		d.Code = l.Code
	}
	if l.StartsAt != nil {
		ms := l.StartsAt.UnixMilli()
		d.From = &ms
	}
	if l.EndsAt != nil {
		ms := l.EndsAt.UnixMilli()
		d.To = &ms
	}
	switch l.Query.Mode {
	case affiliate.QueryPass:
		d.Query = "pass"
	case affiliate.QueryOnly:
		d.Query = l.Query.Names
	}
	if plan.Fallback != nil {
		d.Fallback = template(plan.Fallback)
	}
	for i := range plan.Rules {
		r, err := rule(&plan.Rules[i])
		if err != nil {
			return nil, err
		}
		d.Rules = append(d.Rules, r)
	}
	return encode(d), nil
}

func rule(r *routing.PlannedRule) (ruleDocument, error) {
	d := ruleDocument{ID: r.ID, Destinations: targets(r.Destinations)}
	for i := range r.When {
		c, err := condition(&r.When[i])
		if err != nil {
			return d, fmt.Errorf("rule %q: %w", r.ID, err)
		}
		d.When = append(d.When, c)
	}
	return d, nil
}

func condition(c *affiliate.Condition) (conditionDocument, error) {
	d := conditionDocument{On: c.On, Name: c.Name, In: c.In, NotIn: c.NotIn, Zone: c.Zone, Days: c.Days}
	for _, clock := range []struct {
		text string
		to   **int
	}{{c.From, &d.From}, {c.To, &d.To}} {
		if clock.text == "" {
			continue
		}
		minutes, ok := affiliate.ParseClock(clock.text)
		if !ok {
			return d, fmt.Errorf("%q is not a time of the day", clock.text)
		}
		*clock.to = &minutes
	}
	if c.After != nil {
		ms := c.After.UnixMilli()
		d.After = &ms
	}
	if c.Before != nil {
		ms := c.Before.UnixMilli()
		d.Before = &ms
	}
	return d, nil
}

func targets(planned []routing.Target) []targetDocument {
	list := make([]targetDocument, len(planned))
	for i := range planned {
		t := &planned[i]
		list[i] = targetDocument{ID: t.ID, Weight: t.Weight, Down: bit(t.Down), URL: template(&t.Plain)}
		switch {
		case t.Deep != nil:
			list[i].Deep = template(t.Deep)
		case t.Page.Param != "":
			list[i].Page = []any{t.Page.Param, parts(t.Page.Value)}
		}
	}
	return list
}

// template is text when it is nothing else.
func template(t *routing.Template) any {
	if t.HandOn != routing.HandOnNone {
		return handingDocument{parts(t.Head), parts(t.Tail), t.HandOn, t.PageParam}
	}
	if len(t.Head) == 1 && t.Head[0].Macro == affiliate.MacroNone {
		return t.Head[0].Literal
	}
	return parts(t.Head)
}

// macroNames are the macros as documents spell them.
var macroNames = map[affiliate.Macro]string{
	affiliate.MacroClickID: "click_id", affiliate.MacroSub: "sub", affiliate.MacroLink: "link", affiliate.MacroSite: "site",
	affiliate.MacroProgram: "program", affiliate.MacroPartner: "partner", affiliate.MacroVariant: "variant",
	affiliate.MacroCountry: "country", affiliate.MacroDevice: "device", affiliate.MacroReferrerHost: "referrer_host",
	affiliate.MacroTime: "ts", affiliate.MacroQuery: "query", affiliate.MacroDeepLink: "page",
}

func parts(list []affiliate.Part) []any {
	out := make([]any, len(list))
	for i, p := range list {
		arg := p.Arg
		if p.Macro == affiliate.MacroSub {
			arg = "sub" + arg
		}
		switch {
		case p.Macro == affiliate.MacroNone:
			out[i] = p.Literal
		case p.Raw:
			out[i] = []any{macroNames[p.Macro], arg, 1}
		case arg != "":
			out[i] = []any{macroNames[p.Macro], arg}
		default:
			out[i] = []any{macroNames[p.Macro]}
		}
	}
	return out
}

// status is empty for what is active.
func status(s affiliate.Status) string {
	if s == affiliate.Paused || s == affiliate.Archived {
		return string(s)
	}
	return ""
}

func bit(on bool) int {
	if on {
		return 1
	}
	return 0
}

// encode is for documents that are made of text and numbers: they always encode.
func encode(d any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // what is not HTML need not be longer
	if err := e.Encode(d); err != nil {
		panic("BUG: a document of the edge does not encode: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}
