package routing

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	_ "time/tzdata" // a machine without a zone database decides the same

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Kinds of compiled conditions. They are part of the file format.
const (
	condCountry byte = iota + 1
	condDevice
	condLanguage
	condReferrer
	condQuery
	condTime
	condDate
	condVisitor
)

const (
	visitorNew       = 1
	visitorReturning = 2
	minutesPerDay    = 24 * 60
)

// writeCondition compiles one condition.
func writeCondition(w *writer, c *affiliate.Condition) error {
	switch c.On {
	case affiliate.OnCountry:
		w.byte(condCountry)
		writeValues(w, c)
	case affiliate.OnLanguage:
		w.byte(condLanguage)
		writeValues(w, c)
	case affiliate.OnReferrer:
		w.byte(condReferrer)
		writeValues(w, c)
	case affiliate.OnQuery:
		w.byte(condQuery)
		w.string(c.Name)
		writeValues(w, c)
	case affiliate.OnDevice:
		w.byte(condDevice)
		w.byte(valueMask(c, func(s string) byte {
			d, _ := affiliate.ParseDevice(s)
			return 1 << d
		}))
	case affiliate.OnVisitor:
		w.byte(condVisitor)
		w.byte(valueMask(c, func(s string) byte {
			if s == "new" {
				return visitorNew
			}
			return visitorReturning
		}))
	case affiliate.OnTime:
		return writeClock(w, c)
	case affiliate.OnDate:
		w.byte(condDate)
		w.int64(millis(c.After, math.MinInt64))
		w.int64(millis(c.Before, math.MaxInt64))
	default:
		return fmt.Errorf("a condition looks at %q, which is not known", c.On)
	}
	return nil
}

// writeValues writes | 0 for in, 1 for not_in | count | values |.
func writeValues(w *writer, c *affiliate.Condition) {
	values, negated := c.In, byte(0)
	if len(c.NotIn) > 0 {
		values, negated = c.NotIn, 1
	}
	w.byte(negated)
	w.uvarint(uint64(len(values)))
	for _, s := range values {
		w.string(s)
	}
}

// valueMask folds in and not_in of a small set into the set of accepted values.
func valueMask(c *affiliate.Condition, bit func(string) byte) (mask byte) {
	if len(c.NotIn) > 0 {
		for _, s := range c.NotIn {
			mask |= bit(s)
		}
		return ^mask
	}
	for _, s := range c.In {
		mask |= bit(s)
	}
	return mask
}

func writeClock(w *writer, c *affiliate.Condition) error {
	if _, err := zone(c.Zone); err != nil {
		return fmt.Errorf("a condition names the time zone %q: %w", c.Zone, err)
	}
	days := byte(0)
	for _, d := range c.Days {
		for i, name := range affiliate.Days {
			if d == name {
				days |= 1 << i
			}
		}
	}
	if len(c.Days) == 0 {
		days = 0x7f
	}
	from, _ := affiliate.ParseClock(c.From)
	to, ok := affiliate.ParseClock(c.To)
	if !ok {
		to = minutesPerDay
	}
	w.byte(condTime)
	w.string(c.Zone)
	w.byte(days)
	w.uvarint(uint64(from))
	w.uvarint(uint64(to))
	return nil
}

// holds tells whether a compiled condition holds for the visit.
func holds(condition []byte, v *affiliate.Visit) bool {
	r := reader{condition}
	switch kind := r.byte(); kind {
	case condCountry:
		return anyValue(&r, v.CountryCode(), equal)
	case condLanguage:
		return anyValue(&r, preferredLanguage(v.Language), languageMatches)
	case condReferrer:
		return anyValue(&r, affiliate.URLHost(v.Referrer), referrerMatches)
	case condQuery:
		value, present := affiliate.QueryValue(v.Query, r.string())
		if !present {
			return r.byte() == 1
		}
		return anyValue(&r, value, queryMatches)
	case condDevice:
		return r.byte()&(1<<v.DeviceClass()) != 0
	case condVisitor:
		is := byte(visitorNew)
		if v.Returning {
			is = visitorReturning
		}
		return r.byte()&is != 0
	case condTime:
		return clockHolds(&r, v.Time)
	case condDate:
		return r.int64() <= v.Time && v.Time < r.int64()
	default:
		panic(fmt.Sprintf("BUG: a compiled condition has kind %d", kind))
	}
}

// anyValue reads | negated | count | values | and compares each with the fact.
func anyValue(r *reader, fact string, matches func(fact, value string) bool) bool {
	negated := r.byte() == 1
	for n := r.uvarint(); n > 0; n-- {
		if matches(fact, r.string()) {
			return !negated
		}
	}
	return negated
}

func equal(fact, value string) bool { return fact == value }

func queryMatches(fact, value string) bool { return value == affiliate.AnyValue || fact == value }

// referrerMatches covers the host itself and everything below it.
func referrerMatches(host, value string) bool {
	if value == affiliate.NoReferrer {
		return host == ""
	}
	return host == value || strings.HasSuffix(host, value) && len(host) > len(value) && host[len(host)-len(value)-1] == '.'
}

// languageMatches: "en" covers "en" and every "en-…", without regard to case.
func languageMatches(tag, value string) bool {
	return len(tag) >= len(value) && affiliate.EqualFold(tag[:len(value)], value) &&
		(len(tag) == len(value) || tag[len(value)] == '-')
}

// preferredLanguage returns the tag of an Accept-Language header with the highest
// weight; of equals the first. "*" and weight 0 do not count.
func preferredLanguage(header string) (best string) {
	bestQ := 0
	for header != "" {
		var item string
		item, header, _ = strings.Cut(header, ",")
		tag, parameters, _ := strings.Cut(item, ";")
		tag = strings.Trim(tag, " \t")
		if q := quality(parameters); q > bestQ && tag != "" && tag != "*" {
			best, bestQ = tag, q
		}
	}
	return best
}

// quality reads "q=0.8" in thousandths, at most 1000. What is not digits with at
// most one point counts as 1000; digits after the third decimal do not count.
func quality(parameters string) int {
	s := strings.Trim(parameters, " \t")
	if len(s) < 3 || s[0]|0x20 != 'q' || s[1] != '=' {
		return 1000
	}
	whole, decimals, _ := strings.Cut(s[2:], ".")
	q := 0
	for i := 0; i < len(whole); i++ {
		if whole[i] < '0' || whole[i] > '9' {
			return 1000
		}
		q = min(q*10+int(whole[i]-'0')*1000, 1000)
	}
	scale := 1000
	for i := 0; i < len(decimals); i++ {
		if decimals[i] < '0' || decimals[i] > '9' {
			return 1000
		}
		scale /= 10
		q += int(decimals[i]-'0') * scale
	}
	return min(q, 1000)
}

// clockHolds: a window over midnight belongs to the day on which it begins.
func clockHolds(r *reader, ms int64) bool {
	loc, err := zone(r.string())
	if err != nil {
		return false // the zone was known when the link was compiled; without it nothing is promised
	}
	days, from, to := r.byte(), int(r.uvarint()), int(r.uvarint())
	local := time.UnixMilli(ms).In(loc)
	day, minute := local.Weekday(), local.Hour()*60+local.Minute()
	switch {
	case from < to:
		if minute < from || minute >= to {
			return false
		}
	case minute < to:
		day = (day + 6) % 7
	case minute < from:
		return false
	}
	return days&(1<<day) != 0
}

// zones keeps the time zones that were asked for. Links name few of them, and
// reading one from the zone database is too slow for a request.
var zones atomic.Pointer[map[string]*time.Location]

// knownZones lists the zones in use, so that a saved table can load them at start
// and not in a request.
func knownZones() []string {
	if known := zones.Load(); known != nil {
		return slices.Sorted(maps.Keys(*known))
	}
	return nil
}

func zone(name string) (*time.Location, error) {
	known := zones.Load()
	if known != nil {
		if loc, ok := (*known)[name]; ok {
			return loc, nil
		}
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	next := map[string]*time.Location{}
	if known != nil {
		next = maps.Clone(*known)
	}
	next[strings.Clone(name)] = loc
	zones.CompareAndSwap(known, &next)
	return loc, nil
}
