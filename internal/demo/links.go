package demo

import (
	"net/url"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Click URLs as the networks build them, around a merchant's page.

func awin(merchant, page string) string {
	return "https://www.awin1.com/cread.php?awinmid=" + merchant + "&awinaffid=401245&ued=" + url.QueryEscape(page)
}

func impact(host, campaign, page string) string {
	return "https://" + host + ".pxf.io/c/1290044/" + campaign + "?u=" + url.QueryEscape(page)
}

func cj(ad, page string) string {
	return "https://www.anrdoezrs.net/click-100412876-" + ad + "?url=" + url.QueryEscape(page)
}

func rakuten(merchant, page string) string {
	return "https://click.linksynergy.com/deeplink?id=Kq3vX9ab1cE&mid=" + merchant + "&murl=" + url.QueryEscape(page)
}

func partnerize(camref, page string) string {
	return "https://prf.hn/click/camref:" + camref + "/destination:" + url.QueryEscape(page)
}

func tradedoubler(program, page string) string {
	return "https://clk.tradedoubler.com/click?p=" + program + "&a=3301877&url=" + url.QueryEscape(page)
}

func webgains(page string) string {
	return "https://track.webgains.com/click.html?wgcampaignid=1442219&wgprogramid=285003&wgtarget=" + url.QueryEscape(page)
}

// link is the plain case: one destination.
func link(site, slug, program, page, target string, tags ...string) affiliate.Link {
	return affiliate.Link{Site: site, Slug: slug, Program: program, Page: page, Tags: tags,
		Destinations: []affiliate.Destination{{URL: target, Weight: 1}}}
}

// with changes a link in passing.
func with(l affiliate.Link, change func(l *affiliate.Link)) affiliate.Link {
	change(&l)
	return l
}

// variants replaces the destination by a test between several.
func variants(l affiliate.Link, ds ...affiliate.Destination) affiliate.Link {
	l.Destinations = ds
	return l
}

func to(id string, weight int, target string) affiliate.Destination {
	return affiliate.Destination{ID: id, URL: target, Weight: weight}
}

func rule(id, target string, when ...affiliate.Condition) affiliate.Rule {
	return affiliate.Rule{ID: id, When: when, Destinations: []affiliate.Destination{{URL: target, Weight: 1}}}
}

func day(today time.Time, days int) *time.Time {
	t := today.AddDate(0, 0, days)
	return &t
}

func links(today time.Time, shift int) []affiliate.Link {
	return append(kitchenLinks(today, shift), travelLinks(today)...)
}

func kitchenLinks(today time.Time, shift int) []affiliate.Link {
	copper := "https://copperandclay.example"
	german := affiliate.Condition{On: affiliate.OnCountry, In: []string{"DE", "AT", "CH"}}
	return []affiliate.Link{
		with(variants(link(kitchen, "gooseneck-kettle", "copper-and-clay", "/reviews/gooseneck-kettles", "", "kettles", "coffee"),
			to("product", 50+shift, awin("17283", copper+"/kettles/gooseneck-900")),
			to("category", 50-shift, awin("17283", copper+"/kettles"))),
			func(l *affiliate.Link) {
				l.Rules = []affiliate.Rule{rule("german-shop", awin("17283", "https://de.copperandclay.example/wasserkessel/schwanenhals"), german)}
				l.DeepLink = true
				l.Note = "Bestseller. Test since summer: product page against category page."
			}),
		link(kitchen, "cast-iron-pan", "copper-and-clay", "/reviews/cast-iron", awin("17283", copper+"/pans/cast-iron-26"), "pans"),
		link(kitchen, "clay-baker", "copper-and-clay", "/recipes/no-knead-bread", awin("17283", copper+"/bakers/clay-loaf"), "bread"),
		variants(link(kitchen, "burr-grinder", "north-brew", "/reviews/coffee-grinders", "", "coffee"),
			to("steel", 70, impact("northbrew", "884210/11873", "https://northbrew.example/grinders/steel-40")),
			to("ceramic", 30, impact("northbrew", "884210/11873", "https://northbrew.example/grinders/ceramic-38"))),
		link(kitchen, "pour-over-set", "north-brew", "/guides/pour-over", impact("northbrew", "884210/11873", "https://northbrew.example/sets/pour-over"), "coffee"),
		link(kitchen, "coffee-scale", "north-brew", "/guides/pour-over", impact("northbrew", "884210/11873", "https://northbrew.example/scales/mini"), "coffee"),
		link(kitchen, "chef-knife", "hone-knives", "/reviews/chef-knives", cj("15422210", "https://honeknives.example/chef/210"), "knives"),
		link(kitchen, "bread-knife", "hone-knives", "/recipes/no-knead-bread", cj("15422210", "https://honeknives.example/bread/240"), "knives", "bread"),
		link(kitchen, "whetstone", "hone-knives", "/guides/sharpening", cj("15422210", "https://honeknives.example/stones/1000-6000"), "knives"),
		link(kitchen, "linen-apron", "linen-house", "/about/what-we-use", rakuten("44012", "https://linenhouse.example/aprons/natural"), "textiles"),
		with(link(kitchen, "pantry-box", "pantry-box", "/newsletter", impact("pantrybox", "1203377/14002", "https://pantrybox.example/start"), "subscription"),
			func(l *affiliate.Link) {
				l.Rules = []affiliate.Rule{
					rule("app", impact("pantrybox", "1203377/14002", "https://pantrybox.example/app"), affiliate.Condition{On: affiliate.OnDevice, In: []string{"phone"}}),
				}
				l.Query = affiliate.QueryPolicy{Mode: affiliate.QueryOnly, Names: []string{"utm_campaign"}}
			}),
		with(link(kitchen, "sunday-roast-deal", "copper-and-clay", "/deals", awin("17283", copper+"/deals"), "deals"),
			func(l *affiliate.Link) {
				l.Rules = []affiliate.Rule{rule("weekend", awin("17283", copper+"/deals/weekend"),
					affiliate.Condition{On: affiliate.OnTime, Zone: "America/New_York", Days: []string{"sat", "sun"}, From: "08:00", To: "22:00"})}
			}),
		with(link(kitchen, "summer-deal", "copper-and-clay", "/deals", awin("17283", copper+"/deals/summer"), "deals", "season"),
			func(l *affiliate.Link) {
				l.StartsAt, l.EndsAt = day(today, -120), day(today, -30)
				l.Fallback = "https://saltandkettle.example/deals"
			}),
		with(link(kitchen, "holiday-gift-guide", "linen-house", "/guides/gifts", rakuten("44012", "https://linenhouse.example/gifts"), "deals", "season"),
			func(l *affiliate.Link) { l.StartsAt, l.EndsAt = day(today, -10), day(today, 35) }),
		with(link(kitchen, "knife-course", "kettle-club", "/courses", "https://courses.saltandkettle.example/knife-skills", "courses"),
			func(l *affiliate.Link) { l.DeepLink = true }),
		with(link(kitchen, "bread-course", "kettle-club", "/courses", "https://courses.saltandkettle.example/sourdough?from={site}&by={partner}", "courses", "bread"),
			func(l *affiliate.Link) { l.Partner = "tomsbread" }),
	}
}

func travelLinks(today time.Time) []affiliate.Link {
	trail := "https://trailandpack.example"
	lens := "https://lensloft.example"
	return []affiliate.Link{
		variants(link(travel, "carry-on-backpack", "trail-pack", "/packing/one-bag", "", "packing"),
			to("40l", 60, partnerize("1101l8Xq2", trail+"/packs/carry-40")),
			to("45l", 40, partnerize("1101l8Xq2", trail+"/packs/carry-45"))),
		link(travel, "rain-shell", "trail-pack", "/packing/layers", partnerize("1101l8Xq2", trail+"/shells/light"), "packing"),
		link(travel, "trail-shoes", "trail-pack", "/packing/layers", partnerize("1101l8Xq2", trail+"/shoes/trail-lite"), "packing"),
		link(travel, "packing-cubes", "trail-pack", "/packing/one-bag", partnerize("1101l8Xq2", trail+"/cubes/set-4"), "packing"),
		link(travel, "travel-tripod", "lens-loft", "/gear/camera-bag", awin("20871", lens+"/tripods/travel"), "camera"),
		link(travel, "35mm-lens", "lens-loft", "/gear/camera-bag", awin("20871", lens+"/rent/35mm"), "camera"),
		with(link(travel, "camera-rental", "lens-loft", "/gear/rent-or-buy", awin("20871", lens+"/rent"), "camera"),
			func(l *affiliate.Link) {
				l.Rules = []affiliate.Rule{
					rule("london", awin("20871", "https://london.lensloft.example/rent"), affiliate.Condition{On: affiliate.OnCountry, In: []string{"GB", "IE"}}),
					rule("berlin", awin("20871", "https://berlin.lensloft.example/leihen"), affiliate.Condition{On: affiliate.OnCountry, In: []string{"DE", "AT"}}),
				}
			}),
		link(travel, "cabin-norway", "slow-stays", "/stories/lofoten", tradedoubler("312455", "https://slowstays.example/norway/lofoten-cabin"), "stays"),
		link(travel, "farm-tuscany", "slow-stays", "/stories/tuscany", tradedoubler("312455", "https://slowstays.example/italy/tuscan-farm"), "stays"),
		with(link(travel, "island-house", "slow-stays", "/stories/islands", tradedoubler("312455", "https://slowstays.example/greece/island-house"), "stays", "season"),
			func(l *affiliate.Link) {
				l.Status = affiliate.Paused
				l.Fallback = "https://farandslow.example/stories/islands"
				l.Note = "Closed for the winter."
			}),
		link(travel, "rail-pass", "rail-pass", "/guides/by-train", webgains("https://railpass.example/passes"), "trains"),
		with(link(travel, "night-train", "rail-pass", "/guides/by-train", webgains("https://railpass.example/night"), "trains"),
			func(l *affiliate.Link) {
				l.Rules = []affiliate.Rule{rule("come-back", webgains("https://railpass.example/night/offer"),
					affiliate.Condition{On: affiliate.OnVisitor, In: []string{"returning"}})}
			}),
		with(link(travel, "photo-presets", "", "/shop/presets", "https://shop.farandslow.example/presets?src={referrer_host}", "own"),
			func(l *affiliate.Link) {
				l.Query = affiliate.QueryPolicy{Mode: affiliate.QueryPass}
			}),
		with(link(travel, "old-backpack", "trail-pack", "/packing/one-bag-2024", partnerize("1101l8Xq2", trail+"/packs/carry-38"), "packing"),
			func(l *affiliate.Link) {
				l.Status = affiliate.Archived
				l.Fallback = "https://farandslow.example/packing/one-bag"
			}),
	}
}
