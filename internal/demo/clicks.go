package demo

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/useragent"
)

// Days is the span that Clicks is tuned for.
const Days = 92

const (
	perHour      = 60.0  // visitors' clicks in an hour of the middle of the range
	viralClicks  = 17000 // of the one post that everybody saw
	viralAt      = 0.63  // when, as a share of the range
	botShare     = 0.07
	prefetches   = 0.02
	doubleClicks = 0.012
	uniqueWindow = 24 * time.Hour
)

// hours is the rhythm of a day on the visitors' own clock.
var hours = [24]float64{.35, .2, .12, .1, .12, .25, .5, .8, 1, 1.1, 1.15, 1.2, 1.25, 1.15, 1.05, 1.05, 1.15, 1.35, 1.6, 1.8, 1.85, 1.6, 1.15, .7}

// weekdays from Sunday: people cook at the weekend and plan trips after it.
var weekdays = map[string][7]float64{
	kitchen: {1.3, .92, .88, .9, .92, .95, 1.25},
	travel:  {1.2, 1.15, 1.02, .98, .92, .85, .88},
}

// clocks are how far the middle of the visitors is from UTC.
var clocks = map[string]time.Duration{kitchen: -4 * time.Hour, travel: time.Hour}

// Clicks calls fn for every click of the sites of c in [from, to), oldest first:
// about 150,000 for Days. The rows are as the pipeline would have made them, and
// share nothing with later ones. It stops at fn's first error and returns it.
func Clicks(c Contents, seed uint64, from, to time.Time, fn func(analytics.Row) error) error {
	s := newSimulation(c, seed, from, to)
	for hour := from.UTC().Truncate(time.Hour); hour.Before(to); hour = hour.Add(time.Hour) {
		rows := s.hour(hour)
		slices.SortStableFunc(rows, func(a, b analytics.Row) int { return a.Time().Compare(b.Time()) })
		for i := range rows {
			r := &rows[i]
			if at := r.Time(); at.Before(from) || !at.Before(to) {
				continue
			}
			r.Unique = r.Valid() && s.first(r)
			if err := fn(*r); err != nil {
				return err
			}
		}
	}
	return nil
}

// simulation is the state of the world while clicks are made up.
type simulation struct {
	random   *rand.Rand
	from, to time.Time
	contents Contents
	links    map[string][]weighted[*affiliate.Link] // by site
	programs map[string]*affiliate.Program
	partners map[string][]string
	agents   *useragent.Parser
	known    map[string][]*person // by site, who may come back
	lastSeen map[visit]time.Time  // unique clicks of the last day
	swept    time.Time
	parts    map[string][]affiliate.Part
}

type visit struct {
	visitor affiliate.VisitorID
	link    int64
}

// person is a visitor who may come back.
type person struct {
	id       affiliate.VisitorID
	country  country
	provider provider
	ip       netip.Addr
	agent    string
}

func newSimulation(c Contents, seed uint64, from, to time.Time) *simulation {
	s := &simulation{
		random: rand.New(rand.NewPCG(seed, 0x5a17)), from: from, to: to, contents: c,
		links: map[string][]weighted[*affiliate.Link]{}, programs: map[string]*affiliate.Program{}, partners: map[string][]string{},
		agents: useragent.NewParser(useragent.Options{}), known: map[string][]*person{},
		lastSeen: map[visit]time.Time{}, parts: map[string][]affiliate.Part{},
	}
	for i := range c.Programs {
		s.programs[c.Programs[i].ID] = &c.Programs[i]
	}
	for _, p := range c.Partners {
		if p.Status == affiliate.Active {
			s.partners[p.Program] = append(s.partners[p.Program], p.Code)
		}
	}
	for i := range c.Links {
		l := &c.Links[i]
		rank := float64(len(s.links[l.Site]) + 1) // the first of a site are its favourites
		weight := 1 / math.Pow(rank, 0.8)
		if l.Status != affiliate.Active {
			weight /= 8
		}
		s.links[l.Site] = append(s.links[l.Site], weighted[*affiliate.Link]{weight, l})
	}
	return s
}

// hour makes up the clicks of one hour, in no order.
func (s *simulation) hour(start time.Time) []analytics.Row {
	var rows []analytics.Row
	for _, site := range s.contents.Sites {
		if len(s.links[site.ID]) == 0 {
			continue
		}
		local := start.Add(clocks[site.ID])
		mean := perHour / 2 * hours[local.Hour()] * weekdays[site.ID][local.Weekday()] * s.growth(start) / 1.01
		for range s.poisson(mean * (1 - botShare)) {
			rows = s.person(rows, &site, start, origins[site.ID], pick(s.random, s.links[site.ID]))
		}
		for range s.poisson(mean * botShare * 1.1) {
			rows = append(rows, s.bot(&site, start))
		}
		if site.ID == travel {
			for range s.poisson(s.spike(start)) {
				rows = s.person(rows, &site, start, viral, s.links[travel][0].value)
			}
		}
	}
	return rows
}

// growth of the business over the range.
func (s *simulation) growth(at time.Time) float64 {
	return 0.72 + 0.66*s.progress(at)
}

func (s *simulation) progress(at time.Time) float64 {
	return float64(at.Sub(s.from)) / float64(s.to.Sub(s.from))
}

// spike is the viral post: up within three hours, half as much every seven.
func (s *simulation) spike(at time.Time) float64 {
	const rise, half = 3.0, 7.0
	began := s.from.Add(time.Duration(viralAt * float64(s.to.Sub(s.from)))).Truncate(24 * time.Hour).Add(15 * time.Hour)
	age := at.Sub(began).Hours()
	peak := viralClicks / (rise/2 + half/math.Ln2) * min(1, s.to.Sub(s.from).Hours()/(24*Days))
	switch {
	case age < 0 || age > 5*24:
		return 0
	case age < rise:
		return peak * (age + 0.5) / rise
	}
	return peak * math.Exp2(-(age-rise)/half)
}

// poisson draws a number of events with the given mean.
func (s *simulation) poisson(mean float64) int {
	if mean > 40 {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*s.random.NormFloat64())))
	}
	n, p, limit := 0, s.random.Float64(), math.Exp(-mean)
	for p > limit {
		n++
		p *= s.random.Float64()
	}
	return n
}

// visitor is an old acquaintance or somebody new.
func (s *simulation) visitor(site string) (p *person, returning bool) {
	known := s.known[site]
	if len(known) > 200 && s.random.Float64() < 0.21 {
		return known[s.random.IntN(len(known))], true
	}
	from := pick(s.random, countries[site])
	p = &person{
		id: affiliate.NewVisitorID(uint16(s.random.Uint32()), s.random.Uint64()), country: from,
		provider: from.providers[s.random.IntN(len(from.providers))], ip: s.address(), agent: pick(s.random, browsers[site]),
	}
	if len(known) < 4000 {
		s.known[site] = append(known, p)
	} else {
		known[s.random.IntN(len(known))] = p
	}
	return p, false
}

// address is one of those that are reserved for documentation, shortened as they
// are stored.
func (s *simulation) address() netip.Addr {
	nets := [3][4]byte{{192, 0, 2, 0}, {198, 51, 100, 0}, {203, 0, 113, 0}}
	return netip.AddrFrom4(nets[s.random.IntN(len(nets))])
}

func (s *simulation) click(hour time.Time, site *affiliate.Site) analytics.Row {
	var r analytics.Row
	r.ID = affiliate.NewClickID(hour.UnixMilli()+s.random.Int64N(3_600_000), 0, s.random.Uint64())
	r.Site, r.Host, r.Code = site.ID, hosts[site.ID], 302
	return r
}

// person adds the click of somebody, and now and then the second of a double
// click.
func (s *simulation) person(rows []analytics.Row, site *affiliate.Site, hour time.Time, from []weighted[origin], l *affiliate.Link) []analytics.Row {
	p, returning := s.visitor(site.ID)
	r := s.click(hour, site)
	r.Visitor, r.Agent, r.Language, r.Country, r.IP = p.id, p.agent, p.country.language, p.country.code, p.ip
	r.ASN, r.Network = p.provider.asn, p.provider.name
	r.Signals = affiliate.SignalSecure
	if returning {
		r.Signals |= affiliate.SignalReturning
	}
	if s.random.Float64() < 0.03 {
		r.Signals |= affiliate.SignalPrivacyGlobal
	}
	if s.random.Float64() < prefetches {
		r.Signals |= affiliate.SignalPrefetch
	}
	r.Fetch = affiliate.NewFetch("document", "navigate", "cross-site")
	s.arrive(&r, l, pick(s.random, from))
	s.describe(&r)
	s.decide(&r, l, site)
	rows = append(rows, r)
	if at := r.Time(); s.random.Float64() < doubleClicks && at.Sub(hour) < time.Hour-5*time.Second {
		again := r
		again.ID = affiliate.NewClickID(at.UnixMilli()+400+s.random.Int64N(3000), 0, s.random.Uint64())
		again.Duplicate = true
		s.decide(&again, l, site)
		rows = append(rows, again)
	}
	return rows
}

// arrive says which page the click came from and what its query held.
func (s *simulation) arrive(r *analytics.Row, l *affiliate.Link, from origin) {
	r.Page = l.Page
	switch {
	case from.none:
	case from.referrer != "":
		r.Referrer = from.referrer
	default:
		r.Referrer = "https://" + r.Host + l.Page
		r.Fetch = affiliate.NewFetch("document", "navigate", "same-origin")
	}
	if r.Subs[0] = from.sub; from.sub != "" {
		r.Query = "sub1=" + from.sub
	}
	if codes := s.partners[l.Program]; len(codes) > 0 && s.random.Float64() < 0.45 {
		r.Partner = codes[min(s.random.IntN(len(codes)), s.random.IntN(len(codes)))] // the first bring most
		r.Why |= affiliate.WhyPartner
		if r.Query != "" {
			r.Query += "&"
		}
		r.Query += "ref=" + r.Partner
	}
}

func (s *simulation) bot(site *affiliate.Site, hour time.Time) analytics.Row {
	b := pick(s.random, bots)
	r := s.click(hour, site)
	r.Visitor = affiliate.NewVisitorID(uint16(s.random.Uint32()), s.random.Uint64())
	r.Agent, r.Country, r.ASN, r.Network, r.IP = b.agent, b.country, b.provider.asn, b.provider.name, s.address()
	r.Signals = affiliate.SignalSecure
	r.Verdict, r.Reasons = affiliate.VerdictBot, affiliate.ReasonDeclaredBot
	r.Why = affiliate.WhyDecoy
	l := s.links[site.ID][s.random.IntN(len(s.links[site.ID]))].value
	r.Page = l.Page
	s.describe(&r)
	s.decide(&r, l, site)
	return r
}

// describe fills in what the pipeline finds out.
func (s *simulation) describe(r *analytics.Row) {
	a := s.agents.Parse(r.Agent)
	r.Browser, r.BrowserVersion, r.OS, r.Device, r.BotName, r.BotClass = a.Browser, a.BrowserVersion, a.OS, a.Device, a.Bot, a.BotClass
	r.ReferrerHost = affiliate.URLHost(r.Referrer)
}

// first says whether it is the visitor's first click on the link within a day.
func (s *simulation) first(r *analytics.Row) bool {
	now := r.Time()
	if now.Sub(s.swept) > uniqueWindow {
		for v, at := range s.lastSeen {
			if now.Sub(at) >= uniqueWindow {
				delete(s.lastSeen, v)
			}
		}
		s.swept = now
	}
	v := visit{r.Visitor, r.Link}
	if at, ok := s.lastSeen[v]; ok && now.Sub(at) < uniqueWindow {
		return false
	}
	s.lastSeen[v] = now
	return true
}
