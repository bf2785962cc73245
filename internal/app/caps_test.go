package app

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// In a single process a cap closes its link, through a restart, until it is raised; what is
// clicked meanwhile does not count.
func TestACapHolds(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	const shop, fallback = "https://shop.example/a", "https://blog.example/deals"
	if code := p.call("POST", "/api/v1/links", `{"slug":"a","url":"`+shop+`","fallback":"`+fallback+`","cap":{"clicks":2,"per":"total"}}`, nil); code != http.StatusCreated {
		t.Fatalf("making the link: %d", code)
	}
	p.click("a")
	p.click("a")
	p.leads("a", fallback)
	p.stop()
	p = start(t, dir)
	if got := p.click("a"); got != fallback {
		t.Errorf("after a restart it leads to %s", got)
	}
	if code := p.call("PATCH", "/api/v1/links/1", `{"cap":{"clicks":1000000}}`, nil); code != http.StatusOK {
		t.Fatalf("raising the cap: %d", code)
	}
	if got := p.click("a"); got != shop {
		t.Errorf("with a higher cap it leads to %s", got)
	}
}

// Whoever does not hold the lease says nothing of caps; whoever does says that they are not kept.
func TestStatusSaysThatCapsAreNotKept(t *testing.T) {
	p := start(t, t.TempDir())
	p.call("POST", "/api/v1/links", `{"slug":"a","url":"https://shop.example/a","cap":{"clicks":2,"per":"day"}}`, nil)
	o := p.app.office.get()
	waitFor(t, func() bool { // it has looked at the link
		links, _, err := o.catalog.Capped(t.Context(), 0)
		return err == nil && len(links) == 1
	})
	if err := o.reports.analytics.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		for _, w := range p.status().Warnings {
			if strings.Contains(w.What, "caps of clicks cannot be kept") {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the warnings are %+v", p.status().Warnings)
		}
	}
}
