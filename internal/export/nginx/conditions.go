package nginx

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/routing"
)

// isTimed says that a condition is decided when the export is made.
func isTimed(c *affiliate.Condition) bool {
	return c.On == affiliate.OnTime || c.On == affiliate.OnDate
}

// holdsNow decides a condition that looks at the time only, and notes until when the answer
// is the same.
func (w *writer) holdsNow(c *affiliate.Condition) (bool, error) {
	key := conditionKey(c)
	if known, ok := w.timed[key]; ok {
		return known, nil
	}
	holds, err := routing.Holds(c, &affiliate.Visit{Time: w.at.UnixMilli()})
	if err != nil {
		return false, err
	}
	if c.On == affiliate.OnDate {
		w.changesAt(c.After)
		w.changesAt(c.Before)
	} else if t := w.clockChange(c, holds); !t.IsZero() {
		w.report.HoldsUntil(t)
	}
	w.timed[key] = holds
	return holds, nil
}

// changesAt brings the end of the export forward to an instant that is to come.
func (w *writer) changesAt(t *time.Time) {
	if t != nil && t.After(w.at) {
		w.report.HoldsUntil(*t)
	}
}

// clockChange is when a window of time next opens or closes. Windows begin and end with whole
// minutes, and within eight days each does both, if it ever does.
func (w *writer) clockChange(c *affiliate.Condition, holds bool) time.Time {
	const minutes = 8 * 24 * 60
	t := w.at.Truncate(time.Minute)
	for range minutes {
		t = t.Add(time.Minute)
		if now, err := routing.Holds(c, &affiliate.Visit{Time: t.UnixMilli()}); err != nil || now != holds {
			return t
		}
	}
	return time.Time{}
}

func conditionKey(c *affiliate.Condition) string {
	b, _ := json.Marshal(c) // it came from JSON
	return string(b)
}

// condition returns the variable that is 1 when a condition holds and 0 when it does not.
// Links with the same condition share it.
func (w *writer) condition(c *affiliate.Condition) string {
	key := conditionKey(c)
	if name, ok := w.conditions[key]; ok {
		return name
	}
	name := w.variable("c")
	w.conditions[key] = name
	values, yes, no := c.In, "1", "0"
	if len(c.NotIn) > 0 {
		values, yes, no = c.NotIn, "0", "1"
	}
	m := newMap(conditionSource(c), name, no)
	switch c.On {
	case affiliate.OnLanguage:
		m.expressions("~*", "^(?:", values, ")(?:-|$)", literally, yes)
	case affiliate.OnReferrer:
		var hosts []string
		for _, v := range values {
			if v == affiliate.NoReferrer {
				m.key("", yes)
			} else {
				hosts = append(hosts, v)
			}
		}
		m.expressions("~*", `^(?:.*\.)?(?:`, hosts, ")$", literally, yes)
	case affiliate.OnQuery:
		m.queryValues(c.Name, values, yes)
	case affiliate.OnVisitor:
		for _, v := range values {
			m.key(map[string]string{"returning": "1", "new": ""}[v], yes)
		}
	default:
		for _, v := range values {
			m.key(v, yes)
		}
	}
	w.define(m)
	return name
}

// conditionSource is what a condition looks at.
func conditionSource(c *affiliate.Condition) string {
	switch c.On {
	case affiliate.OnCountry:
		return "$sluice_country"
	case affiliate.OnDevice:
		return "$sluice_device"
	case affiliate.OnLanguage:
		return "$sluice_language"
	case affiliate.OnReferrer:
		return "$sluice_referrer_host"
	case affiliate.OnVisitor:
		return "$sluice_returning"
	}
	return "$args"
}

// firstParam is an expression for all that stands in a query up to the first parameter of a name,
// and the name.
func firstParam(name string) string {
	n := literally(name)
	return "^(?:(?!" + n + "(?:[=&]|$))[^&]*&)*+" + n
}

// queryValues matches the first parameter of a name by its decoded value.
func (m *mapping) queryValues(name string, values []string, answer string) {
	head := firstParam(name)
	for _, v := range values {
		switch v {
		case affiliate.AnyValue:
			m.expression("~", head+"(?:[=&]|$)", answer)
		case "":
			m.expression("~", head+"=?(?:&|$)", answer)
		default:
			m.expression("~", head+"="+sent(v)+"(?:&|$)", answer)
		}
	}
}

// rules returns a variable whose value is the id of the first rule that holds, "" for none. Links
// whose rules ask the same share it. Conditions of time have been decided.
func (w *writer) rules(rules []plannedRule) (string, error) {
	var source []string
	index := map[string]int{}
	for i := range rules {
		for _, c := range rules[i].when {
			name := w.condition(c)
			if _, ok := index[name]; !ok {
				index[name] = len(source)
				source = append(source, name)
			}
		}
	}
	if len(source) > conditionsMax {
		return "", fmt.Errorf("its rules look at %d things; a map looks at %d", len(source), conditionsMax)
	}
	var key strings.Builder
	for _, name := range source {
		key.WriteString("${" + name + "}")
	}
	m := newMap(`"`+key.String()+`"`, "", "")
	for i := range rules {
		bits := []byte(strings.Repeat(".", len(source)))
		for _, c := range rules[i].when {
			bits[index[w.condition(c)]] = '1'
		}
		m.expression("~", "^"+string(bits), rules[i].id)
		fmt.Fprintf(&key, " %s=%s", bits, rules[i].id)
	}
	if name, ok := w.ruleSets[key.String()]; ok {
		return name, nil
	}
	name := w.variable("r")
	m.name = name
	w.define(m)
	w.ruleSets[key.String()] = name
	return name, nil
}

// conditionsMax keeps the source of a map of rules within one word.
const conditionsMax = 160
