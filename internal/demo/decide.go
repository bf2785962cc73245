package demo

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// decide fills in where the visit led. It knows as much of the routing as the
// portfolio uses.
func (s *simulation) decide(r *analytics.Row, l *affiliate.Link, site *affiliate.Site) {
	r.Link, r.Slug, r.Program = l.ID, l.Slug, l.Program
	if closed := s.closed(r, l); closed != 0 {
		r.Why |= closed
		r.Outcome, r.URL = affiliate.FellBack, l.Fallback
		switch {
		case r.URL != "":
		case site.DefaultURL != "":
			r.Outcome, r.URL = affiliate.Defaulted, site.DefaultURL
		default:
			r.Outcome, r.Code = affiliate.Missing, 404
		}
		return
	}
	if l.Partner != "" && r.Partner == "" {
		r.Partner = l.Partner
		r.Why |= affiliate.WhyPartnerDefault
	}
	ds := l.Destinations
	for i := range l.Rules {
		if rule := &l.Rules[i]; !slices.ContainsFunc(rule.When, func(c affiliate.Condition) bool { return !holds(&c, r) }) {
			ds, r.Rule = rule.Destinations, rule.ID
			r.Why |= affiliate.WhyRule
			break
		}
	}
	d := ds[0]
	if len(ds) > 1 {
		d = share(ds, r)
		r.Why |= affiliate.WhyShared
	}
	r.Outcome, r.Variant = affiliate.Redirected, d.ID
	r.URL = s.expand(d.URL, l, r)
}

// closed says why the link was not open. What is paused or archived now has been
// so for the last third of the time.
func (s *simulation) closed(r *analytics.Row, l *affiliate.Link) affiliate.Why {
	at := r.Time()
	switch {
	case l.StartsAt != nil && at.Before(*l.StartsAt):
		return affiliate.WhyNotStarted
	case l.EndsAt != nil && !at.Before(*l.EndsAt):
		return affiliate.WhyEnded
	case l.Status == affiliate.Archived && s.progress(at) > 0.67:
		return affiliate.WhyArchived
	case l.Status == affiliate.Paused && s.progress(at) > 0.67:
		return affiliate.WhyPaused
	}
	return 0
}

func share(ds []affiliate.Destination, r *analytics.Row) affiliate.Destination {
	total := 0
	for _, d := range ds {
		total += d.Weight
	}
	at := affiliate.Share(affiliate.VisitorBucket(r.Visitor.String(), r.Link, r.Rule, ""), total)
	for _, d := range ds {
		if at < d.Weight {
			return d
		}
		at -= d.Weight
	}
	return ds[0]
}

func holds(c *affiliate.Condition, r *analytics.Row) bool {
	switch c.On {
	case affiliate.OnCountry:
		return slices.Contains(c.In, r.Country)
	case affiliate.OnDevice:
		return slices.Contains(c.In, r.Device.String())
	case affiliate.OnVisitor:
		is := "new"
		if r.Signals&affiliate.SignalReturning != 0 {
			is = "returning"
		}
		return slices.Contains(c.In, is)
	case affiliate.OnTime:
		zone, err := time.LoadLocation(c.Zone)
		if err != nil {
			return false
		}
		local := r.Time().In(zone)
		from, _ := affiliate.ParseClock(c.From)
		to, _ := affiliate.ParseClock(c.To)
		minute := local.Hour()*60 + local.Minute()
		return slices.Contains(c.Days, affiliate.Days[local.Weekday()]) && from <= minute && minute < to
	}
	panic("BUG: the demonstration does not know the condition " + c.On)
}

// expand puts the values into a destination. A decoy carries none of the
// visitor's.
func (s *simulation) expand(destination string, l *affiliate.Link, r *analytics.Row) string {
	if r.Why&affiliate.WhyDecoy == 0 {
		destination = affiliate.WithSubID(destination, l, s.programs[l.Program])
	}
	parts, ok := s.parts[destination]
	if !ok {
		parsed, err := affiliate.ParseTemplate(destination)
		if err != nil {
			panic("BUG: a destination of the demonstration is not a template: " + err.Error())
		}
		parts = parsed
		s.parts[destination] = parts
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Literal)
		switch p.Macro {
		case affiliate.MacroClickID:
			b.WriteString(r.ID.String())
		case affiliate.MacroSite:
			b.WriteString(r.Site)
		case affiliate.MacroPartner:
			b.WriteString(r.Partner)
		case affiliate.MacroLink:
			b.WriteString(strconv.FormatInt(r.Link, 10))
		case affiliate.MacroReferrerHost:
			b.WriteString(url.QueryEscape(r.ReferrerHost))
		}
	}
	return b.String()
}
