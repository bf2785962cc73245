package affiliate

import (
	"strconv"
	"strings"
	"time"
)

// Link is one managed name and everything that decides where it leads. The JSON
// form is the link document that every target (the server, the edge worker,
// nginx) is built from.
type Link struct {
	// ID is given by the catalog, once, and never reused. It seeds the choice of
	// variants, so renaming a link moves nobody.
	ID     int64  `json:"id"`
	Site   string `json:"site"`
	Slug   string `json:"slug"`
	Status Status `json:"status"`
	// StartsAt and EndsAt bound the time in which the link leads to its
	// destinations, [StartsAt, EndsAt). Outside, its fallback answers.
	StartsAt *time.Time `json:"starts_at,omitempty"`
	EndsAt   *time.Time `json:"ends_at,omitempty"`
	// Cap limits how many clicks are sent to the destinations; once it is reached the
	// fallback answers until the period ends. Nil: no limit.
	Cap *ClickCap `json:"cap,omitempty"`
	// CapReached is there while the cap closes the link; see Serving. Only the catalog
	// writes it.
	CapReached *CapReached `json:"cap_reached,omitempty"`
	// Destinations share the visitors by weight. The same visitor always gets
	// the same one.
	Destinations []Destination `json:"destinations"`
	// Rules are tried in order; the first whose conditions all hold replaces
	// the destinations.
	Rules []Rule `json:"rules,omitempty"`
	// Fallback answers when the link or its program is paused or archived, when
	// the link is outside its schedule or its cap is reached, and when every destination is down.
	// Empty: the site's default, or for the last case the destination all the same.
	Fallback string `json:"fallback,omitempty"`
	// Code of the redirect: 302 (default), 307, 301 or 308.
	Code int `json:"code,omitempty"`
	// Program that pays for the link's visitors. Empty: none.
	Program string `json:"program,omitempty"`
	// Partner that is credited when the visit names none, or one who is not active.
	// While the program knows this one as paused or archived, nobody is.
	Partner string `json:"partner,omitempty"`
	// Query says which parameters of the visit are handed on.
	Query QueryPolicy `json:"query,omitzero"`
	// DeepLink lets ?url= choose a page on the program's allowed hosts.
	DeepLink bool `json:"deep_link,omitempty"`
	// SubID overrides the program's.
	SubID *SubID `json:"sub_id,omitempty"`
	// BlockBots answers declared bots with 403 instead of the plain merchant URL.
	BlockBots bool     `json:"block_bots,omitempty"`
	Tags      []string `json:"tags,omitempty"`
	// Page of the content where the link stands, such as "/reviews/kettles".
	Page string `json:"page,omitempty"`
	Note string `json:"note,omitempty"`

	Version   int64     `json:"version,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// Destination is one place a link may lead to, also called variant when a link
// has several.
type Destination struct {
	// ID names the variant in clicks and reports: "a", "b", … unless chosen.
	ID     string `json:"id,omitempty"`
	URL    string `json:"url"`
	Weight int    `json:"weight"`
	// Down takes the destination out while its health check fails; its visitors
	// are shared by the others, everyone else stays where they were.
	Down bool `json:"down,omitempty"`
}

// Rule sends the visits that meet all its conditions elsewhere.
type Rule struct {
	ID           string        `json:"id,omitempty"`
	When         []Condition   `json:"when"`
	Destinations []Destination `json:"destinations"`
}

// Condition is one test of a visit. On says what is looked at; which of the
// other fields apply depends on it:
//
//	country   In/NotIn: ISO 3166-1 alpha-2 codes
//	device    In/NotIn: phone, tablet, desktop, tv, bot, other
//	language  In/NotIn: "en" (and every en-…) or "pt-br"; the visitor's most preferred language counts
//	referrer  In/NotIn: hosts; "shop.example" covers its subdomains; "(none)" is a visit without referrer
//	query     Name and In/NotIn: values; "*" is any value
//	time      Zone, Days, From, To: "09:00" to "17:00"; over midnight belongs to the day it began on
//	date      After and/or Before: instants, [After, Before)
//	visitor   In/NotIn: new, returning
type Condition struct {
	On     string     `json:"on"`
	Name   string     `json:"name,omitempty"`
	In     []string   `json:"in,omitempty"`
	NotIn  []string   `json:"not_in,omitempty"`
	Zone   string     `json:"zone,omitempty"`
	Days   []string   `json:"days,omitempty"`
	From   string     `json:"from,omitempty"`
	To     string     `json:"to,omitempty"`
	After  *time.Time `json:"after,omitempty"`
	Before *time.Time `json:"before,omitempty"`
}

// What a condition can look at.
const (
	OnCountry  = "country"
	OnDevice   = "device"
	OnLanguage = "language"
	OnReferrer = "referrer"
	OnQuery    = "query"
	OnTime     = "time"
	OnDate     = "date"
	OnVisitor  = "visitor"
)

// NoReferrer is the value of a referrer condition that means: none was sent.
const NoReferrer = "(none)"

// AnyValue is the value of a query condition that means: present, whatever it is.
const AnyValue = "*"

// QueryPolicy says which query parameters of a visit are added to the
// destination. A parameter that the destination has already always keeps the
// operator's value, and those that Sluice reads itself (the partner's, url,
// sub1 … sub10) or that choose the network's page are never handed on by Pass.
type QueryPolicy struct {
	Mode  QueryMode `json:"mode,omitempty"`
	Names []string  `json:"names,omitempty"` // for QueryOnly
}

// QueryMode is drop (default), pass, or only.
type QueryMode string

// The modes.
const (
	QueryDrop QueryMode = "drop"
	QueryPass QueryMode = "pass"
	QueryOnly QueryMode = "only"
)

// IsZero says that nothing differs from the default.
func (q QueryPolicy) IsZero() bool { return (q.Mode == "" || q.Mode == QueryDrop) && len(q.Names) == 0 }

// Days of the week as conditions spell them, Sunday first like time.Weekday.
var Days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// RedirectCodes that a link may answer with.
var RedirectCodes = []int{302, 307, 301, 308}

// Normalize brings the link to its canonical form: slug, spellings, defaults and
// the names of variants and rules. It changes nothing that Validate would refuse.
func (l *Link) Normalize() {
	if slug, ok := CanonicalSlug(strings.TrimSpace(l.Slug)); ok {
		l.Slug = slug
	}
	if l.Status == "" {
		l.Status = Active
	}
	if l.Code == 0 {
		l.Code = 302
	}
	if l.Query.Mode == "" {
		l.Query.Mode = QueryDrop
	}
	l.Program = strings.ToLower(strings.TrimSpace(l.Program))
	l.Partner = strings.ToLower(strings.TrimSpace(l.Partner))
	l.Fallback = NormalizeURL(l.Fallback)
	l.Tags = normalizeTags(l.Tags)
	if l.Cap != nil {
		l.Cap.normalize()
	}
	normalizeDestinations(l.Destinations)
	for i := range l.Rules {
		r := &l.Rules[i]
		if r.ID == "" {
			r.ID = "rule" + strconv.Itoa(i+1)
		}
		normalizeDestinations(r.Destinations)
		for j := range r.When {
			r.When[j].normalize()
		}
	}
}

func normalizeDestinations(ds []Destination) {
	for i := range ds {
		ds[i].URL = NormalizeURL(ds[i].URL)
		if ds[i].ID == "" {
			ds[i].ID = variantName(i)
		}
	}
	if len(ds) == 1 && ds[0].Weight == 0 {
		ds[0].Weight = 1
	}
}

// variantName is a, b, … z, then v27, v28, …
func variantName(i int) string {
	if i < 26 {
		return string(rune('a' + i))
	}
	return "v" + strconv.Itoa(i+1)
}

func normalizeTags(tags []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, t := range tags {
		t = strings.ToLower(strings.TrimSpace(t))
		if t != "" && !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	return out
}

func (c *Condition) normalize() {
	fold := strings.ToLower
	switch c.On {
	case OnQuery:
		fold = func(s string) string { return s }
	case OnCountry:
		fold = strings.ToUpper
	}
	for i := range c.In {
		c.In[i] = fold(strings.TrimSpace(c.In[i]))
	}
	for i := range c.NotIn {
		c.NotIn[i] = fold(strings.TrimSpace(c.NotIn[i]))
	}
	for i := range c.Days {
		c.Days[i] = strings.ToLower(c.Days[i])
	}
}
