package affiliate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// checkCondition reports what is wrong with one condition by itself.
func checkCondition(fs *faults, at string, c *Condition) {
	checkStray(fs, at, c)
	switch c.On {
	case OnTime:
		checkClock(fs, at, c)
		return
	case OnDate:
		checkDates(fs, at, c)
		return
	case OnQuery:
		paramFault(fs, at+".name", c.Name)
	case OnCountry, OnDevice, OnLanguage, OnReferrer, OnVisitor:
	default:
		fs.add(at+".on", "%q is not one of country, device, language, referrer, query, time, date, visitor", c.On)
		return
	}
	if len(c.In) == 0 && len(c.NotIn) == 0 {
		fs.add(at, "it can never match: give values in in or not_in")
	}
	if len(c.In) > 0 && len(c.NotIn) > 0 {
		fs.add(at, "give in or not_in, not both")
	}
	if len(c.In)+len(c.NotIn) > ValuesMax {
		fs.add(at, "%d values; at most %d", len(c.In)+len(c.NotIn), ValuesMax)
	}
	for i, s := range c.In {
		if f := valueFault(c.On, s); f != "" {
			fs.add(index(at+".in", i), "%s", f)
		}
	}
	for i, s := range c.NotIn {
		if f := valueFault(c.On, s); f != "" {
			fs.add(index(at+".not_in", i), "%s", f)
		}
	}
}

// checkStray refuses fields that the condition does not read: who wrote them
// believes that they narrow it.
func checkStray(fs *faults, at string, c *Condition) {
	clock := c.Zone != "" || len(c.Days) > 0 || c.From != "" || c.To != ""
	values := len(c.In)+len(c.NotIn) > 0
	for _, field := range []struct {
		set  bool
		on   string
		name string
	}{
		{clock && c.On != OnTime, OnTime, "zone, days, from and to"},
		{(c.After != nil || c.Before != nil) && c.On != OnDate, OnDate, "after and before"},
		{c.Name != "" && c.On != OnQuery, OnQuery, "name"},
	} {
		if field.set {
			fs.add(at, "%s: only a condition on %s reads it; give that a condition of its own", field.name, field.on)
		}
	}
	if values && (c.On == OnTime || c.On == OnDate) {
		fs.add(at, "in and not_in: a condition on %s does not read them", c.On)
	}
}

// valueFault says what is wrong with one value of a condition on the given fact.
func valueFault(on, s string) string {
	if len(s) > 255 {
		return "the value is longer than 255 bytes"
	}
	switch on {
	case OnCountry:
		if len(s) != 2 || !isUpper(s[0]) || !isUpper(s[1]) {
			return fmt.Sprintf("%q is not an ISO 3166-1 alpha-2 country code such as DE", s)
		}
	case OnDevice:
		if _, ok := ParseDevice(s); !ok {
			return fmt.Sprintf("%q is not one of %s", s, strings.Join(DeviceNames(), ", "))
		}
	case OnLanguage:
		if !isLanguage(s) {
			return fmt.Sprintf("%q is not a language such as en or pt-br", s)
		}
	case OnReferrer:
		if s != NoReferrer {
			return hostFault(s)
		}
	case OnVisitor:
		if s != "new" && s != "returning" {
			return fmt.Sprintf("%q is not one of new, returning", s)
		}
	}
	return ""
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

func isLanguage(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if len(part) < 1 || len(part) > 8 || i == 0 && len(part) < 2 {
			return false
		}
		for j := 0; j < len(part); j++ {
			if !isAlnum(part[j]) {
				return false
			}
		}
	}
	return true
}

func checkClock(fs *faults, at string, c *Condition) {
	if c.Zone == "" {
		fs.add(at+".zone", "name the time zone, such as Europe/Berlin or UTC")
	} else if _, err := time.LoadLocation(c.Zone); err != nil || c.Zone == "Local" {
		fs.add(at+".zone", "%q is not a time zone; use a name such as Europe/Berlin", c.Zone)
	}
	for i, d := range c.Days {
		if !slices.Contains(Days, d) {
			fs.add(index(at+".days", i), "%q is not one of %s", d, strings.Join(Days, ", "))
		}
	}
	from, fromOK := ParseClock(c.From)
	to, toOK := ParseClock(c.To)
	if c.From != "" && (!fromOK || from == 24*60) {
		fs.add(at+".from", "%q is not a time of day such as 09:00", c.From)
	}
	if c.To != "" && !toOK {
		fs.add(at+".to", "%q is not a time of day such as 17:30 or 24:00", c.To)
	}
	if fromOK && toOK && from == to && to != 0 {
		fs.add(at, "it can never match: it ends when it begins (%s)", c.From)
	}
	if toOK && to == 0 && from == 0 {
		fs.add(at+".to", "it can never match: nothing is before 00:00; write 24:00 for the end of the day")
	}
	if len(c.Days) == 0 && c.From == "" && c.To == "" {
		fs.add(at, "give days, from or to")
	}
}

// ParseClock reads "HH:MM", 00:00 to 24:00, as minutes after midnight.
func ParseClock(s string) (minutes int, ok bool) {
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	for _, i := range []int{0, 1, 3, 4} {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	h, m := int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
	if m > 59 || h > 24 || h == 24 && m > 0 {
		return 0, false
	}
	return h*60 + m, true
}

func checkDates(fs *faults, at string, c *Condition) {
	if c.After == nil && c.Before == nil {
		fs.add(at, "give after, before or both")
	}
	if c.After != nil && c.Before != nil && !c.Before.After(*c.After) {
		fs.add(at, "it can never match: before (%s) is not later than after (%s)",
			c.Before.Format(time.RFC3339), c.After.Format(time.RFC3339))
	}
}

// contradiction says why conditions can never hold together, or "". It knows the
// facts that have one value per visit.
func contradiction(when []Condition) string {
	type choice struct {
		allowed []string
		limited bool // to allowed
		present bool // a query parameter must be there
		denied  []string
	}
	choices := map[string]*choice{}
	var after, before *time.Time
	for i := range when {
		c := &when[i]
		switch c.On {
		case OnCountry, OnDevice, OnVisitor, OnQuery:
			key := c.On + " " + c.Name
			ch := choices[key]
			if ch == nil {
				ch = &choice{}
				choices[key] = ch
			}
			ch.denied = append(ch.denied, c.NotIn...)
			ch.present = ch.present || len(c.In) > 0
			if len(c.In) > 0 && !slices.Contains(c.In, AnyValue) {
				if ch.limited {
					ch.allowed = slices.DeleteFunc(ch.allowed, func(s string) bool { return !slices.Contains(c.In, s) })
				} else {
					ch.allowed, ch.limited = slices.Clone(c.In), true
				}
			}
		case OnDate:
			if c.After != nil && (after == nil || c.After.After(*after)) {
				after = c.After
			}
			if c.Before != nil && (before == nil || c.Before.Before(*before)) {
				before = c.Before
			}
		}
	}
	for key, ch := range choices {
		left := slices.DeleteFunc(slices.Clone(ch.allowed), func(s string) bool { return slices.Contains(ch.denied, s) })
		everything := map[string]int{"visitor ": 2, "device ": len(DeviceNames())}
		if ch.limited && len(left) == 0 || !ch.limited && len(ch.denied) > 0 && everything[key] > 0 && distinct(ch.denied) == everything[key] {
			return "no " + strings.TrimSpace(key) + " meets all its conditions"
		}
		if ch.present && slices.Contains(ch.denied, AnyValue) {
			return "the parameter " + strings.TrimPrefix(key, "query ") + " would have to be there and not there"
		}
	}
	if after != nil && before != nil && !before.After(*after) {
		return "its dates do not overlap"
	}
	return ""
}

// covers says that every visit that meets the later conditions meets the earlier
// ones too: each of the earlier follows from one of the later.
func covers(earlier, later []Condition) bool {
	for i := range earlier {
		if !slices.ContainsFunc(later, func(c Condition) bool { return follows(&earlier[i], &c) }) {
			return false
		}
	}
	return true
}

// follows says that the wide condition holds whenever the narrow one does.
func follows(wide, narrow *Condition) bool {
	if wide.On != narrow.On || wide.Name != narrow.Name {
		return false
	}
	switch wide.On {
	case OnTime:
		return wide.Zone == narrow.Zone && wide.From == narrow.From && wide.To == narrow.To &&
			(len(wide.Days) == 0 || len(narrow.Days) > 0 && containsAll(wide.Days, narrow.Days))
	case OnDate:
		return (wide.After == nil || narrow.After != nil && !narrow.After.Before(*wide.After)) &&
			(wide.Before == nil || narrow.Before != nil && !narrow.Before.After(*wide.Before))
	}
	if len(wide.In) > 0 && len(narrow.In) > 0 {
		return wide.On == OnQuery && slices.Contains(wide.In, AnyValue) || containsAll(wide.In, narrow.In)
	}
	return len(wide.NotIn) > 0 && len(narrow.NotIn) > 0 && containsAll(narrow.NotIn, wide.NotIn)
}

func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

func distinct(s []string) int {
	s = slices.Clone(s)
	slices.Sort(s)
	return len(slices.Compact(s))
}
