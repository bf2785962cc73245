package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/routing"
	"github.com/sluicehq/sluice/test/load"
)

// saveTable gives a data folder a routing table of so many links, as an import
// would have left it, in a hundredth of the time: without the catalog. That is
// enough for a server that only answers visitors.
func saveTable(data string, links int, rules []affiliate.Rule) (err error) {
	tables, err := routing.Open(routing.Options{Dir: filepath.Join(data, "table")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tables.Close()) }()
	r, err := tables.Rebuild()
	if err != nil {
		return err
	}
	site := affiliate.Site{ID: "main"}
	site.Normalize()
	r.Site(site)
	for n := range links {
		if err := r.Link(portfolioLink(n, rules)); err != nil {
			r.Discard()
			return fmt.Errorf("link %d: %w", n, err)
		}
	}
	return r.Publish(time.Now().UnixMilli())
}

// portfolioLink is a link of the portfolio. The destination of its rules begins as
// its own does, so that visitors can tell that it is right.
func portfolioLink(n int, rules []affiliate.Rule) *affiliate.Link {
	l := &affiliate.Link{ID: int64(n + 1), Site: "main", Slug: load.Slug(n), Destinations: []affiliate.Destination{{URL: load.Target(n)}}}
	for i, r := range rules {
		r.Destinations = []affiliate.Destination{{URL: fmt.Sprintf("%s&edition=%d", load.Target(n), i)}}
		l.Rules = append(l.Rules, r)
	}
	l.Normalize()
	return l
}

// countryAndDevice are rules as publishers write them: a store for each region, and
// an app's page for phones.
func countryAndDevice() []affiliate.Rule {
	return []affiliate.Rule{
		{When: []affiliate.Condition{{On: affiliate.OnCountry, In: []string{"DE", "AT", "CH"}}, {On: affiliate.OnDevice, In: []string{"phone", "tablet"}}}},
		{When: []affiliate.Condition{{On: affiliate.OnCountry, In: []string{"GB", "IE"}}}},
		{When: []affiliate.Condition{{On: affiliate.OnDevice, In: []string{"phone", "tablet"}}, {On: affiliate.OnCountry, NotIn: []string{"US"}}}},
	}
}
