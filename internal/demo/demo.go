// Package demo invents a believable business to look at: two sites, their
// programs and partners, thirty links, and months of clicks on them.
//
// Everything follows from a seed: the same seed gives the same business and the
// same clicks. Nothing is fetched from anywhere, and merchants live on reserved
// example domains.
package demo

import (
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Seed is the one that the command line uses.
const Seed = 20261120

// Contents are what a data folder is filled with, in an order in which it can
// be created. Links have the ids 1, 2, …; whoever stores them elsewhere puts the
// ids they got in their place before asking for Clicks.
type Contents struct {
	Sites    []affiliate.Site
	Programs []affiliate.Program
	Partners []affiliate.Partner
	Links    []affiliate.Link
}

// The sites.
const (
	kitchen = "salt-and-kettle"
	travel  = "far-and-slow"
)

// Portfolio returns the business as it stands at the given time: campaigns of
// the season are scheduled around it.
func Portfolio(seed uint64, now time.Time) Contents {
	c := Contents{Sites: sites(), Programs: programs(), Partners: partners()}
	c.Links = links(now.UTC().Truncate(24*time.Hour), weightShift(seed))
	for i := range c.Sites {
		c.Sites[i].Normalize()
	}
	for i := range c.Programs {
		c.Programs[i].Normalize()
	}
	for i := range c.Partners {
		c.Partners[i].Normalize()
	}
	for i := range c.Links {
		c.Links[i].ID = int64(i + 1)
		c.Links[i].Normalize()
	}
	return c
}

// weightShift moves the split of one test, so that portfolios of different seeds
// differ.
func weightShift(seed uint64) int { return int(seed % 5 * 5) }

// The kitchen names no hosts and so answers for every one: its links can be
// clicked wherever the demonstration runs.
func sites() []affiliate.Site {
	return []affiliate.Site{
		{ID: travel, Name: "Far and Slow", Hosts: []string{hosts[travel], "farandslow.localhost"}, Prefix: "/out/"},
		{ID: kitchen, Name: "Salt & Kettle", DefaultURL: "https://" + hosts[kitchen] + "/"},
	}
}

// hosts that the clicks were made on.
var hosts = map[string]string{kitchen: "saltandkettle.example", travel: "farandslow.example"}

func programs() []affiliate.Program {
	pagesOn := func(h ...string) *affiliate.DeepLink { return &affiliate.DeepLink{Hosts: h} }
	return []affiliate.Program{
		{ID: "copper-and-clay", Name: "Copper & Clay Cookware", Network: "awin", DeepLink: pagesOn("copperandclay.example", "*.copperandclay.example")},
		{ID: "north-brew", Name: "North Brew Coffee Gear", Network: "impact", DeepLink: pagesOn("northbrew.example")},
		{ID: "hone-knives", Name: "Hone Knives", Network: "cj"},
		{ID: "linen-house", Name: "Linen House", Network: "rakuten"},
		{ID: "pantry-box", Name: "Pantry Box Subscriptions", Network: "impact"},
		{ID: "trail-pack", Name: "Trail & Pack Outfitters", Network: "partnerize"},
		{ID: "lens-loft", Name: "Lens Loft Camera Rental", Network: "awin"},
		{ID: "slow-stays", Name: "Slow Stays", Network: "tradedoubler"},
		{ID: "rail-pass", Name: "Continental Rail Pass", Network: "webgains"},
		// Our own shop: here we are the merchant and pay the partners.
		{ID: "kettle-club", Name: "Kettle Club Courses", PartnerParam: "ref", DeepLink: pagesOn("courses.saltandkettle.example"),
			SubID: &affiliate.SubID{Param: "click_id", Value: "{click_id}"}},
	}
}

func partners() []affiliate.Partner {
	return []affiliate.Partner{
		{Program: "kettle-club", Code: "anna", Name: "Anna Bakes"},
		{Program: "kettle-club", Code: "tomsbread", Name: "Tom's Bread Lab"},
		{Program: "kettle-club", Code: "mira", Name: "Mira in the Kitchen"},
		{Program: "kettle-club", Code: "potluck", Name: "Potluck Podcast"},
		{Program: "kettle-club", Code: "oldpartner", Name: "Weeknight Wok", Status: affiliate.Paused},
	}
}
