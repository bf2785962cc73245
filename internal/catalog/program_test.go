package catalog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
)

func TestSites(t *testing.T) {
	o, ctx := open(t), t.Context()
	_, err := o.CreateSite(ctx, writer, affiliate.Site{ID: "blog"})
	wantCode(t, err, affiliate.Forbidden)
	_, err = o.CreateSite(ctx, operator, affiliate.Site{ID: "blog"})
	wantCode(t, err, affiliate.Conflict, `"main" has no hosts`)
	blog, err := o.CreateSite(ctx, operator, affiliate.Site{ID: "blog", Hosts: []string{"Blog.Example:443", "blog.example", "www.blog.example"}})
	if err != nil || strings.Join(blog.Hosts, " ") != "blog.example www.blog.example" {
		t.Fatalf("got %+v, %v", blog, err)
	}
	_, err = o.CreateSite(ctx, operator, affiliate.Site{ID: "shop", Hosts: []string{"www.blog.example"}})
	wantCode(t, err, affiliate.Conflict, `belongs to the site "blog"`)
	_, err = o.CreateSite(ctx, operator, affiliate.Site{ID: "blog", Hosts: []string{"other.example"}})
	wantCode(t, err, affiliate.Conflict, "exists already")
	_, _, err = o.CreateLink(ctx, operator, newLink("which"))
	wantCode(t, err, affiliate.Invalid, "name one of the sites: blog, main")

	link := o.link("pan", func(l *affiliate.Link) { l.Site = "blog" })
	wantCode(t, o.DeleteSite(ctx, operator, "blog", 0), affiliate.Conflict, "1 links (blog/pan)")
	blog.DefaultURL = "https://blog.example/"
	if blog, err = o.UpdateSite(ctx, operator, blog, 1); err != nil || blog.Version != 2 {
		t.Fatalf("got %+v, %v", blog, err)
	}
	_, err = o.UpdateSite(ctx, operator, blog, 1)
	wantCode(t, err, affiliate.Stale)

	link.Site = "main" // moves
	if link, _, err = o.UpdateLink(ctx, operator, link, 0); err != nil || link.Site != "main" {
		t.Fatalf("got %+v, %v", link, err)
	}
	if err := o.DeleteSite(ctx, operator, "blog", 2); err != nil {
		t.Fatal(err)
	}
	if err := o.DeleteLink(ctx, operator, link.ID, 0); err != nil {
		t.Fatal(err)
	}
	wantCode(t, o.DeleteSite(ctx, operator, "main", 0), affiliate.Conflict, "the last one")
	wantLines(t, o.heard(), "create site blog", "create link 1", "update site blog", "update link 1", "delete site blog", "delete link 1")
}

func TestSiteMustNotBreakItsLinks(t *testing.T) {
	o, ctx := open(t), t.Context()
	o.link("kettle")
	o.link("api/docs", func(l *affiliate.Link) { l.Destinations[0].URL = "https://docs.example/" })
	_, err := o.UpdateSite(ctx, operator, affiliate.Site{ID: "main", Prefix: "/"}, 0)
	wantCode(t, err, affiliate.Conflict, "1 of its links", "main/api/docs", "reserved")
	// With the host, what led to the shop would lead back to the site itself.
	o.link("mug", func(l *affiliate.Link) { l.Destinations[0].URL = "https://shop.example/out/mug" })
	_, err = o.UpdateSite(ctx, operator, affiliate.Site{ID: "main", Prefix: "/out/", Hosts: []string{"shop.example"}}, 0)
	wantCode(t, err, affiliate.Conflict, "1 of its links", "main/mug")
	if _, err = o.UpdateSite(ctx, operator, affiliate.Site{ID: "main", Prefix: "/out/", Hosts: []string{"blog.example"}}, 0); err != nil {
		t.Fatal(err)
	}
}

func TestProgramsAndPartners(t *testing.T) {
	o, ctx := open(t), t.Context()
	shop := o.program("shop")
	_, err := o.CreateProgram(ctx, writer, affiliate.Program{ID: "x"})
	wantCode(t, err, affiliate.Forbidden)
	_, err = o.CreateProgram(ctx, operator, affiliate.Program{ID: "Shop"})
	wantCode(t, err, affiliate.Conflict)
	_, err = o.CreatePartner(ctx, operator, affiliate.Partner{Program: "nope", Code: "eve"})
	wantCode(t, err, affiliate.Invalid, "create it first")
	eve, err := o.CreatePartner(ctx, operator, affiliate.Partner{Program: "shop", Code: "Eve", Name: "Eve"})
	if err != nil || eve.Code != "eve" || eve.Version != 1 {
		t.Fatalf("got %+v, %v", eve, err)
	}
	_, err = o.CreatePartner(ctx, operator, affiliate.Partner{Program: "shop", Code: "eve"})
	wantCode(t, err, affiliate.Conflict)
	eve.Status = affiliate.Paused
	if eve, err = o.UpdatePartner(ctx, operator, eve, 1); err != nil || eve.Version != 2 {
		t.Fatalf("got %+v, %v", eve, err)
	}
	_, err = o.UpdatePartner(ctx, operator, eve, 1)
	wantCode(t, err, affiliate.Stale)

	link := o.link("kettle", ofProgram("shop"), func(l *affiliate.Link) { l.Partner = "eve" })
	wantCode(t, o.DeletePartner(ctx, operator, "shop", "eve", 0), affiliate.Conflict, "main/kettle")
	wantCode(t, o.DeleteProgram(ctx, operator, "shop", 0), affiliate.Conflict, "main/kettle")
	link.Program, link.Partner = "", ""
	if _, _, err := o.UpdateLink(ctx, operator, link, 0); err != nil {
		t.Fatal(err)
	}
	wantCode(t, o.DeleteProgram(ctx, operator, "shop", 0), affiliate.Conflict, "1 partners")
	if err := o.DeletePartner(ctx, operator, "shop", "eve", 2); err != nil {
		t.Fatal(err)
	}
	if err := o.DeleteProgram(ctx, operator, "shop", shop.Version); err != nil {
		t.Fatal(err)
	}
	wantLines(t, o.heard(), "create program shop", "create partner shop/eve", "update partner shop/eve", "create link 1", "update link 1",
		"delete partner shop/eve", "delete program shop")
}

func TestProgramChangeRecompilesItsLinks(t *testing.T) {
	o, ctx := open(t), t.Context()
	shop := o.program("shop")
	o.program("other")
	o.link("a", ofProgram("shop"))
	o.link("b", ofProgram("other"))
	o.link("c", ofProgram("shop"))
	o.heard()

	shop.Name = "The Shop"
	var err error
	if shop, err = o.UpdateProgram(ctx, operator, shop, 0); err != nil {
		t.Fatal(err)
	}
	wantLines(t, o.heard(), "update program shop")

	shop.SubID = &affiliate.SubID{Param: "clickref"}
	if shop, err = o.UpdateProgram(ctx, operator, shop, 0); err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	notice := o.published[1]
	o.mu.Unlock()
	seq, err := o.LastSeq(ctx)
	var l affiliate.Link
	if err := errors.Join(err, json.Unmarshal(notice.After, &l)); err != nil || l.Slug != "a" || l.Version != 1 || notice.Seq != seq || notice.Before != nil {
		t.Errorf("the notice is %+v, %v", notice, err)
	}
	wantLines(t, o.heard(), "update program shop", "recompile link 1", "recompile link 3")
	if history, err := o.History(ctx, catalog.KindLink, "1", 0, 10); err != nil || len(history) != 1 {
		t.Errorf("a recompile was recorded: %+v, %v", history, err)
	}
	shop.Policy = &affiliate.Policy{Redirect: affiliate.Denied}
	_, err = o.UpdateProgram(ctx, operator, shop, 0)
	wantCode(t, err, affiliate.Conflict, "2 of its links", "main/a: ", "main/c: ")
	wantLines(t, o.heard())
}

func TestFaultsOfManyLinksAreCut(t *testing.T) {
	o, ctx := open(t), t.Context()
	shop := o.program("shop")
	for i := range 13 {
		o.link(fmt.Sprintf("link-%d", i), ofProgram("shop"))
	}
	shop.Policy = &affiliate.Policy{Redirect: affiliate.Denied}
	_, err := o.UpdateProgram(ctx, operator, shop, 0)
	wantCode(t, err, affiliate.Conflict, "13 of its links", "the first 10")
	var e *affiliate.Error
	if !errors.As(err, &e) || len(e.Faults) != 10 {
		t.Errorf("%d faults", len(e.Faults))
	}
}

func TestSettlementKeepsThePast(t *testing.T) {
	o, ctx := open(t), t.Context()
	rate := func(percent affiliate.Percentage) []affiliate.Rate { return []affiliate.Rate{{Percent: percent}} }
	shop := o.program("shop", func(p *affiliate.Program) {
		p.Side = affiliate.Pays
		p.Settlement = &affiliate.Settlement{Currency: "eur", Terms: []affiliate.CommissionTerms{{Rates: rate(50_000)}}}
	})
	if shop.Settlement.Currency != "EUR" || shop.Settlement.Attribution.WindowDays != 30 {
		t.Fatalf("got %+v", shop.Settlement)
	}
	o.link("kettle", ofProgram("shop"))
	o.heard()

	given := *shop.Settlement
	given.Terms = append([]affiliate.CommissionTerms{{From: start.Add(time.Hour), Rates: rate(75_000)}}, shop.Settlement.Terms...)
	next := shop
	next.Settlement = &given
	next, err := o.UpdateProgram(ctx, operator, next, shop.Version)
	if err != nil || len(next.Settlement.Terms) != 2 || next.Settlement.Terms[1].Rates[0].Percent != 75_000 || next.Version != 2 {
		t.Fatalf("got %+v, %v", next.Settlement, err)
	}
	if !given.Terms[1].From.IsZero() {
		t.Error("what the caller gave is sorted")
	}
	wantLines(t, o.heard(), "update program shop") // and no link is published again

	o.pass(time.Hour + time.Second) // now they hold
	for _, c := range []struct {
		says   string
		change func(*affiliate.Settlement)
	}{
		{"settlement.terms[1]: the terms from 2026-05-01T13:00:00Z are in force", func(s *affiliate.Settlement) { s.Terms[1].Rates = rate(10_000) }},
		{"are missing", func(s *affiliate.Settlement) { s.Terms = s.Terms[:1] }},
		{"for the past", func(s *affiliate.Settlement) {
			s.Terms = append(s.Terms, affiliate.CommissionTerms{From: start.Add(time.Minute)})
		}},
		{"settlement.currency", func(s *affiliate.Settlement) { s.Currency = "USD" }},
		{"settlement.minimum_payout", func(s *affiliate.Settlement) { s.MinimumPayout = -1 }},
	} {
		changed, err := o.Program(ctx, "shop") // a copy of its own
		if err != nil {
			t.Fatal(err)
		}
		c.change(changed.Settlement)
		_, err = o.UpdateProgram(ctx, operator, changed, 0)
		wantCode(t, err, affiliate.Invalid, c.says)
	}
	next.Settlement = nil
	_, err = o.UpdateProgram(ctx, operator, next, 0)
	wantCode(t, err, affiliate.Invalid, "settlement: it cannot be removed")
	if kept, err := o.Program(ctx, "shop"); err != nil || kept.Version != 2 || len(kept.Settlement.Terms) != 2 {
		t.Errorf("got %+v, %v", kept, err)
	}
	wantLines(t, o.heard())
}

func TestPartnersTermsAndCoupons(t *testing.T) {
	o, ctx := open(t), t.Context()
	o.program("shop")
	o.program("other")
	mia, err := o.CreatePartner(ctx, operator, affiliate.Partner{Program: "shop", Code: "mia", Coupons: []string{"mia10"}})
	if err != nil || mia.Coupons[0] != "MIA10" {
		t.Fatalf("got %+v, %v", mia, err)
	}
	_, err = o.CreatePartner(ctx, operator, affiliate.Partner{Program: "shop", Code: "eve", Coupons: []string{"eve", "Mia10"}})
	wantCode(t, err, affiliate.Conflict, `"MIA10" is the partner "mia"'s`)
	if _, err = o.CreatePartner(ctx, operator, affiliate.Partner{Program: "other", Code: "eve", Coupons: []string{"mia10"}}); err != nil {
		t.Fatal(err) // another shop
	}
	eve, err := o.CreatePartner(ctx, operator, affiliate.Partner{Program: "shop", Code: "eve"})
	if err != nil {
		t.Fatal(err)
	}
	eve.Coupons = []string{"MIA10"}
	_, err = o.UpdatePartner(ctx, operator, eve, 0)
	wantCode(t, err, affiliate.Conflict, "MIA10")
	mia.Coupons = append(mia.Coupons, "mia20")
	if mia, err = o.UpdatePartner(ctx, operator, mia, 0); err != nil || len(mia.Coupons) != 2 {
		t.Fatalf("got %+v, %v", mia, err)
	}

	mia.Terms = []affiliate.CommissionTerms{{From: start.Add(-time.Hour)}}
	_, err = o.UpdatePartner(ctx, operator, mia, 0)
	wantCode(t, err, affiliate.Invalid, "terms[0].from", "for the past")
	mia.Terms[0].From = start
	if mia, err = o.UpdatePartner(ctx, operator, mia, 0); err != nil {
		t.Fatal(err)
	}
	o.pass(time.Second)
	mia.Terms = nil
	_, err = o.UpdatePartner(ctx, operator, mia, 0)
	wantCode(t, err, affiliate.Invalid, "terms", "missing")
}

func TestKeysOfASiteStay(t *testing.T) {
	o, ctx := open(t), t.Context()
	site, err := o.Site(ctx, "main")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := site.IngestKeys().Rotate()
	if err != nil {
		t.Fatal(err)
	}
	site.Keys = &keys
	if site, err = o.UpdateSite(ctx, operator, site, site.Version); err != nil {
		t.Fatal(err)
	}
	site.Keys, site.Name = nil, "Main" // as who knows nothing of keys writes it
	if site, err = o.UpdateSite(ctx, operator, site, 0); err != nil || site.Keys == nil || site.Keys.Current != 2 {
		t.Errorf("keys after a change of the name: %+v, %v", site.Keys, err)
	}
	site.Keys = &affiliate.SiteKeys{Current: 1}
	if _, err = o.UpdateSite(ctx, operator, site, 0); affiliate.CodeOf(err) != affiliate.Invalid {
		t.Errorf("keys that go back: %v", err)
	}
}
