package affiliate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ClickCap limits how many clicks a link sends to its destinations. Clicks are counted as the
// reports count them, so a cap is kept closely and not to the click: docs/caps.md says how closely.
type ClickCap struct {
	// Clicks of one period, 1 to CapClicksMax. With the last of them the link is closed.
	Clicks int64 `json:"clicks"`
	// Per is the period; when it ends, the count begins anew.
	Per CapPeriod `json:"per"`
	// Zone is where days and months begin, and hours in zones that are not whole hours
	// from UTC; an IANA name, "" for UTC.
	Zone string `json:"zone,omitempty"`
}

// CapPeriod is hour, day, month or total.
type CapPeriod string

// The periods. A total never ends.
const (
	CapPerHour  CapPeriod = "hour"
	CapPerDay   CapPeriod = "day"
	CapPerMonth CapPeriod = "month"
	CapTotal    CapPeriod = "total"
)

// CapPeriods lists the periods.
var CapPeriods = []CapPeriod{CapPerHour, CapPerDay, CapPerMonth, CapTotal}

// CapClicksMax is the largest cap.
const CapClicksMax = 1_000_000_000_000

// CapReached says that a link is closed because its cap was reached. It is written by
// the control plane alone.
type CapReached struct {
	// At is when it was noticed.
	At time.Time `json:"at"`
	// Until is when the period ends and the link opens again; nil: not by itself.
	Until *time.Time `json:"until,omitempty"`
	// Clicks of the period that were known then.
	Clicks int64 `json:"clicks"`
}

// Serving is the status by which a link is served: its own, or paused while its cap is
// reached. Whatever turns a link into redirects asks for this and not for Status.
func (l *Link) Serving() Status {
	if l.CapReached != nil && l.Status != Archived {
		return Paused
	}
	return l.Status
}

// Period returns the period that an instant is in, [since, until). The beginning and the end of
// a total are the zero time. A zone that this machine does not know counts as UTC.
func (c *ClickCap) Period(at time.Time) (since, until time.Time) {
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		zone = time.UTC
	}
	local := at.In(zone)
	year, month, day := local.Date()
	switch c.Per {
	case CapPerHour:
		since = local.Add(-time.Duration(local.Minute())*time.Minute - time.Duration(local.Second())*time.Second - time.Duration(local.Nanosecond()))
		return since.UTC(), since.Add(time.Hour).UTC()
	case CapPerDay:
		return startOfDay(year, month, day, zone), startOfDay(year, month, day+1, zone)
	case CapPerMonth:
		return startOfDay(year, month, 1, zone), startOfDay(year, month+1, 1, zone)
	}
	return time.Time{}, time.Time{}
}

// startOfDay is midnight, or where clocks are put forward at midnight the first instant after it.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	start := time.Date(year, month, day, 0, 0, 0, 0, zone)
	if start.Hour() > 12 { // the evening before: time.Date may take either side of the gap
		_, start = start.ZoneBounds()
	}
	return start.UTC()
}

// ParseClickCap reads "1000/day" or "1000/day@Europe/Berlin".
func ParseClickCap(s string) (*ClickCap, error) {
	limit, zone, _ := strings.Cut(strings.TrimSpace(s), "@")
	clicks, per, found := strings.Cut(limit, "/")
	n, err := strconv.ParseInt(strings.TrimSpace(clicks), 10, 64)
	c := &ClickCap{Clicks: n, Per: CapPeriod(per), Zone: zone}
	c.normalize()
	if !found || err != nil || !slices.Contains(CapPeriods, c.Per) {
		return nil, Errorf(Invalid, "%q is not a cap; write CLICKS/PERIOD or CLICKS/PERIOD@ZONE, such as 1000/day or 20000/month@Europe/Berlin; the periods are hour, day, month and total", clip(s, 80))
	}
	return c, nil
}

func (c *ClickCap) String() string {
	s := fmt.Sprintf("%d/%s", c.Clicks, c.Per)
	if c.Zone != "" {
		s += "@" + c.Zone
	}
	return s
}

func (c *ClickCap) normalize() {
	c.Per = CapPeriod(strings.ToLower(strings.TrimSpace(string(c.Per))))
	if c.Zone = strings.TrimSpace(c.Zone); strings.EqualFold(c.Zone, "UTC") {
		c.Zone = ""
	}
}

func (v *linkCheck) clickCap() {
	c := v.link.Cap
	if c == nil {
		return
	}
	if c.Clicks < 1 || c.Clicks > CapClicksMax {
		v.faults.add("cap.clicks", "%d is not between 1 and %d; to stop a link altogether, pause it", c.Clicks, int64(CapClicksMax))
	}
	if !slices.Contains(CapPeriods, c.Per) {
		v.faults.add("cap.per", "%q is not one of hour, day, month, total", clip(string(c.Per), 80))
	}
	if _, err := time.LoadLocation(c.Zone); err != nil || c.Zone == "Local" {
		v.faults.add("cap.zone", "%q is not a time zone; use a name such as Europe/Berlin", clip(c.Zone, 80))
	}
}
