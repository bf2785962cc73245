package demo_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/demo"
)

var now = time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC)

func TestPortfolioObeysTheRules(t *testing.T) {
	for seed := range uint64(10) {
		c := demo.Portfolio(seed, now)
		if len(c.Sites) != 2 || len(c.Links) != 30 {
			t.Fatalf("%d sites, %d links", len(c.Sites), len(c.Links))
		}
		sites, programs := map[string]affiliate.Site{}, map[string]*affiliate.Program{}
		networks := map[string]bool{}
		for i := range c.Sites {
			if err := c.Sites[i].Validate(); err != nil {
				t.Error(err)
			}
			sites[c.Sites[i].ID] = c.Sites[i]
		}
		for i := range c.Programs {
			if err := c.Programs[i].Validate(); err != nil {
				t.Error(err)
			}
			programs[c.Programs[i].ID] = &c.Programs[i]
			networks[c.Programs[i].Network] = true
		}
		for i := range c.Partners {
			if err := c.Partners[i].Validate(); err != nil {
				t.Error(err)
			}
			if programs[c.Partners[i].Program] == nil {
				t.Errorf("the partner %s is of no program", c.Partners[i].Code)
			}
		}
		slugs := map[string]bool{}
		for i := range c.Links {
			l := &c.Links[i]
			warnings, err := l.Validate(affiliate.Surroundings{Site: sites[l.Site], Program: programs[l.Program], Operator: true})
			if err != nil || len(warnings) > 0 {
				t.Errorf("%v %v", err, warnings)
			}
			if key := l.Site + "/" + l.Slug; slugs[key] {
				t.Errorf("%s is there twice", key)
			} else {
				slugs[key] = true
			}
			checkHosts(t, l, programs[l.Program])
		}
		for _, n := range []string{"awin", "impact", "cj", "partnerize", ""} {
			if !networks[n] {
				t.Errorf("no program is on the network %q", n)
			}
		}
	}
}

// checkHosts keeps merchants on reserved domains and everything else on hosts
// that are a network's.
func checkHosts(t *testing.T, l *affiliate.Link, program *affiliate.Program) {
	t.Helper()
	urls := []string{}
	for _, d := range l.Destinations {
		urls = append(urls, d.URL)
	}
	for _, r := range l.Rules {
		urls = append(urls, r.Destinations[0].URL)
	}
	if l.Fallback != "" {
		urls = append(urls, l.Fallback)
	}
	for _, u := range urls {
		host := affiliate.URLHost(u)
		onNetwork := program != nil && program.Network != "" && slices.ContainsFunc(affiliate.PresetNamed(program.Network).Hosts,
			func(pattern string) bool { return affiliate.HostMatches(pattern, host) })
		if !strings.HasSuffix(host, ".example") && !onNetwork {
			t.Errorf("%s: %s is neither on a reserved domain nor its network's", l.Slug, u)
		}
	}
}

func clicks(t *testing.T, seed uint64, from, to time.Time) []analytics.Row {
	t.Helper()
	var rows []analytics.Row
	if err := demo.Clicks(demo.Portfolio(seed, now), seed, from, to, func(r analytics.Row) error {
		rows = append(rows, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestClicksAreBelievable(t *testing.T) {
	from := now.AddDate(0, 0, -demo.Days)
	rows := clicks(t, demo.Seed, from, now)
	if n := len(rows); n < 135_000 || n > 165_000 {
		t.Errorf("%d clicks; want about 150,000", n)
	}
	counts := map[string]int{}
	days := map[string]int{}
	values := map[string]map[string]bool{"country": {}, "device": {}, "browser": {}, "referrer": {}, "page": {}, "link": {}, "variant": {}, "rule": {}, "outcome": {}, "partner": {}}
	type pair struct {
		visitor affiliate.VisitorID
		link    int64
	}
	unique := map[pair]time.Time{}
	last := from
	for i := range rows {
		r := &rows[i]
		at := r.Time()
		if at.Before(last) || !at.Before(now) {
			t.Fatalf("click %d at %s after %s", i, at, last)
		}
		last = at
		counts["all"]++
		count(counts, "valid", r.Valid())
		count(counts, "unique", r.Unique)
		count(counts, "bot", r.Verdict == affiliate.VerdictBot)
		count(counts, "prefetch", r.Signals&affiliate.SignalPrefetch != 0)
		count(counts, "duplicate", r.Duplicate)
		count(counts, "returning", r.Signals&affiliate.SignalReturning != 0)
		if (r.Verdict == affiliate.VerdictBot) != (r.Device == affiliate.Bot) {
			t.Fatalf("verdict %s on the device %s: %s", r.Verdict, r.Device, r.Agent)
		}
		if r.Valid() {
			days[at.Format(time.DateOnly)]++
			key := pair{r.Visitor, r.Link}
			before, seen := unique[key]
			if first := !seen || at.Sub(before) >= 24*time.Hour; first != r.Unique {
				t.Fatalf("click %d: unique is %v", i, r.Unique)
			} else if first {
				unique[key] = at
			}
		} else if r.Unique {
			t.Fatalf("click %d is unique and not valid", i)
		}
		for name, v := range map[string]string{"country": r.Country, "device": r.Device.String(), "browser": r.Browser, "referrer": r.ReferrerHost,
			"page": r.Page, "link": r.Slug, "variant": r.Variant, "rule": r.Rule, "outcome": r.Outcome.String(), "partner": r.Partner} {
			values[name][v] = true
		}
		checkRow(t, r)
	}
	for name, bounds := range map[string][2]float64{"bot": {.03, .12}, "prefetch": {.005, .04}, "unique": {.6, .95}, "returning": {.1, .35}, "duplicate": {.002, .03}} {
		if share := float64(counts[name]) / float64(counts["all"]); share < bounds[0] || share > bounds[1] {
			t.Errorf("%s: %.3f of the clicks; want %v", name, share, bounds)
		}
	}
	for name, least := range map[string]int{"country": 10, "device": 5, "browser": 7, "referrer": 7, "page": 15, "link": 30, "variant": 6, "rule": 6, "outcome": 3, "partner": 5} {
		if len(values[name]) < least {
			t.Errorf("%d values of %s; want %d", len(values[name]), name, least)
		}
	}
	checkDays(t, days, from)
	t.Logf("%v", counts)
}

func count(counts map[string]int, name string, yes bool) {
	if yes {
		counts[name]++
	}
}

// checkRow looks for what the redirect would never have written.
func checkRow(t *testing.T, r *analytics.Row) {
	t.Helper()
	switch {
	case strings.ContainsAny(r.URL, "{}"), r.URL == "" && r.Outcome != affiliate.Missing:
		t.Fatalf("%s leads to %q", r.Slug, r.URL)
	case r.Link == 0 || r.Site == "" || r.Country == "" || r.Network == "":
		t.Fatalf("the row lacks something: %+v", r)
	}
	paid := r.Outcome == affiliate.Redirected && r.Program != ""
	if carries := strings.Contains(r.URL, r.ID.String()); carries != (paid && r.Verdict == affiliate.VerdictOK) {
		t.Fatalf("%s, verdict %s: the click id is in the URL: %v: %s", r.Slug, r.Verdict, carries, r.URL)
	}
}

// checkDays looks for growth and for the one viral day.
func checkDays(t *testing.T, days map[string]int, from time.Time) {
	t.Helper()
	sum := func(first, n int) (total int) {
		for i := range n {
			total += days[from.AddDate(0, 0, first+i).Format(time.DateOnly)]
		}
		return total
	}
	if early, late := sum(1, 21), sum(demo.Days-22, 21); float64(late) < 1.3*float64(early) {
		t.Errorf("no growth: %d clicks in the first three weeks, %d in the last", early, late)
	}
	most, when := 0, ""
	for day, n := range days {
		if n > most {
			most, when = n, day
		}
	}
	if usual := sum(1, demo.Days-2) / (demo.Days - 2); most < 4*usual {
		t.Errorf("the busiest day, %s, has %d clicks; a usual one %d", when, most, usual)
	}
}

func TestSameSeedSameClicks(t *testing.T) {
	from := now.AddDate(0, 0, -3)
	a, b, other := clicks(t, 7, from, now), clicks(t, 7, from, now), clicks(t, 8, from, now)
	if diff := cmp.Diff(a, b, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if len(a) == len(other) && a[0].ID == other[0].ID {
		t.Error("another seed gives the same clicks")
	}
}

func TestClicksStopAtAnError(t *testing.T) {
	enough := errors.New("enough")
	n := 0
	err := demo.Clicks(demo.Portfolio(1, now), 1, now.AddDate(0, 0, -1), now, func(analytics.Row) error {
		n++
		return enough
	})
	if n != 1 || !errors.Is(err, enough) {
		t.Errorf("%d calls, %v", n, err)
	}
}
