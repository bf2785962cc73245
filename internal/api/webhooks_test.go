package api

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/webhook"
)

func (w *world) desk() *webhook.Desk {
	return webhook.NewDesk(webhook.DeskOptions{Store: w.store, Random: rand.Reader, Now: w.clock.Now, Logger: slog.New(slog.NewTextHandler(w.log, nil))})
}

// give puts n messages for a target aside, as if they had failed.
func (w *world) give(target, kind, body string, n int) {
	w.Helper()
	w.must(w.store.Update(w.Context(), func(s store.Writer) error {
		for i := range n {
			id := fmt.Sprintf("msg_%s_%d", strings.ReplaceAll(target, "/", "_"), i)
			if err := s.Books().Enqueue([]store.Message{{ID: id, Kind: kind, Target: target, Body: []byte(body)}}); err != nil {
				return err
			}
			if err := s.Books().Dead(id, "it answered 500 Internal Server Error"); err != nil {
				return err
			}
		}
		return nil
	}))
}

// due counts the messages that would be sent now.
func (w *world) due() (n int) {
	w.Helper()
	w.must(w.store.View(w.Context(), func(r store.Reader) error {
		all, err := r.Books().DueMessages(w.clock.Now(), 100)
		n = len(all)
		return err
	}))
	return n
}

// stored returns an endpoint as the courier reads it.
func (w *world) stored(id string) (e webhook.Endpoint) {
	w.Helper()
	w.must(w.store.View(w.Context(), func(r store.Reader) error {
		d, err := r.Documents().Get(store.Endpoint, "webhook/"+id)
		if err != nil {
			return err
		}
		return json.Unmarshal(d.Body, &e)
	}))
	return e
}

// From a new endpoint over two secrets to none, with the secrets seen when they are made and
// nowhere else.
func TestLifeOfAWebhook(t *testing.T) {
	w := newWorld(t).keepBooks()
	as := w.token("admin", account.Write)
	var made, turned, leaked NewWebhook
	a := w.do(as, "POST", "/webhooks", WebhookInput{ID: " Shop ", URL: "https://shop.example/hook", Events: []string{"payout.sent"}, Program: "acme"}).want(201, &made)
	if made.ID != "shop" || made.Version != 1 || !strings.HasPrefix(made.Secret, "whsec_") || a.Header().Get("Location") != "/api/v1/webhooks/shop" ||
		a.Header().Get("ETag") != `"1"` || a.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("made %+v, %v", made, a.Header())
	}
	w.do(as, "POST", "/webhooks", WebhookInput{ID: "shop", URL: "https://shop.example/other"}).problem(409, "conflict")

	var shown Webhook
	w.do(as, "PUT", "/webhooks/shop", WebhookInput{URL: "https://shop.example/hook2", Disabled: true}, "If-Match", `"1"`).want(200, &shown)
	if shown.Version != 2 || shown.URL != "https://shop.example/hook2" || !shown.Disabled || shown.Events != nil || shown.Program != "" {
		t.Errorf("changed %+v", shown)
	}
	w.do(as, "PUT", "/webhooks/shop", WebhookInput{URL: "https://shop.example/lost"}, "If-Match", `"1"`).problem(412, "stale")
	w.do(as, "PUT", "/webhooks/shop", WebhookInput{ID: "other", URL: "https://shop.example/hook2"}).problem(422, "invalid")
	shown = Webhook{}
	w.do(as, "PUT", "/webhooks/shop", WebhookInput{URL: "https://shop.example/hook2"}).want(200, &shown)
	if e := w.stored("shop"); e.Secret != made.Secret || e.URL != shown.URL || shown.Disabled {
		t.Errorf("stored %+v: the secret should stay", e)
	}

	w.do(as, "POST", "/webhooks/shop/rotate", WebhookRotation{}).want(200, &turned)
	if e := w.stored("shop"); turned.Secret == made.Secret || e.Secret != turned.Secret || e.OldSecret != made.Secret || !e.OldUntil.Equal(w.clock.Now().Add(24*time.Hour)) ||
		turned.OldSecretUntil == nil || turned.Version != 4 {
		t.Errorf("turned %+v, stored %+v", turned, e)
	}
	now := 0
	a = w.do(as, "POST", "/webhooks/shop/rotate", WebhookRotation{KeepHours: &now}).want(200, &leaked)
	if e := w.stored("shop"); e.OldSecret != "" || leaked.OldSecretUntil != nil || strings.Contains(a.Body.String(), turned.Secret) {
		t.Errorf("a secret that has leaked is kept: %+v, %s", e, a.Body)
	}
	w.do(as, "POST", "/webhooks/shop/rotate", `{"keep_hours": 721}`).problem(422, "invalid")
	w.do(as, "POST", "/webhooks/shop/rotate", nil).want(200, &turned)

	seen := w.log.String()
	for _, path := range []string{"/webhooks", "/webhooks/shop", "/webhooks/dead", "/changes"} {
		seen += w.do(as, "GET", path, nil).want(200, nil).Body.String()
	}
	for _, secret := range []string{made.Secret, turned.Secret, leaked.Secret} {
		if strings.Contains(seen, strings.TrimPrefix(secret, "whsec_")) {
			t.Errorf("a secret is shown:\n%s", seen)
		}
	}
	if !strings.Contains(seen, "author=admin") || strings.Contains(w.log.String(), "hook2") {
		t.Errorf("the log does not say who, or tells the URL:\n%s", w.log)
	}

	w.do(as, "DELETE", "/webhooks/shop", nil, "If-Match", `"1"`).problem(412, "stale")
	w.do(as, "DELETE", "/webhooks/shop", nil).want(204, nil)
	for _, c := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"POST", "/replay"}} {
		w.do(as, c[0], "/webhooks/shop"+c[1], nil).problem(404, "not_found")
	}
	w.do(as, "PUT", "/webhooks/shop", WebhookInput{URL: "https://shop.example/hook"}).problem(404, "not_found")
	w.do(as, "POST", "/webhooks/shop/rotate", `{}`).problem(404, "not_found")
}

func TestWebhooksThatAreRefused(t *testing.T) {
	w := newWorld(t).keepBooks()
	for field, in := range map[string]WebhookInput{
		"id":             {ID: "dead", URL: "https://shop.example/hook"},
		"url":            {ID: "shop", URL: "http://169.254.169.254/latest"},
		"body.events[0]": {ID: "shop", URL: "https://shop.example/hook", Events: []string{"order.eaten"}},
		"program":        {ID: "shop", URL: "https://shop.example/hook", Program: "nope"},
	} {
		p := w.do(socket, "POST", "/webhooks", in).problem(422, "invalid")
		if len(p.Errors) != 1 || strings.TrimPrefix(p.Errors[0].Field, "body.") != strings.TrimPrefix(field, "body.") {
			t.Errorf("%s: %+v", field, p.Errors)
		}
	}
	for i := range webhook.EndpointsMax {
		w.do(socket, "POST", "/webhooks", WebhookInput{ID: fmt.Sprintf("e%d", i), URL: "https://shop.example/hook"}).want(201, nil)
	}
	w.do(socket, "POST", "/webhooks", WebhookInput{ID: "more", URL: "https://shop.example/hook"}).problem(409, "conflict")
}

func TestDeadLetters(t *testing.T) {
	w := newWorld(t).keepBooks()
	as := w.token("admin", account.Write)
	w.do(as, "POST", "/webhooks", WebhookInput{ID: "shop", URL: "https://shop.example/hook"}).want(201, nil)
	w.give("webhook/shop", webhook.KindWebhook, `{"type": "payout.sent"}`, 3)
	w.give("postback/acme/anna", webhook.KindPostback, `{"event": "conversion.created"}`, 1)
	w.give("webhook/gone", webhook.KindWebhook, "not readable", 1)

	var first, rest DeadLetterList
	w.do(w.token("admin", account.Read), "GET", "/webhooks/dead?limit=3", nil).want(200, &first)
	w.do(as, "GET", "/webhooks/dead?limit=3&cursor="+first.Next, nil).want(200, &rest)
	var got []string
	for _, l := range slices.Concat(first.Items, rest.Items) {
		got = append(got, fmt.Sprint(l.Target, " ", l.Event, " ", l.Attempts))
	}
	want := "webhook/gone  1, postback/acme/anna conversion.created 1, webhook/shop payout.sent 1, webhook/shop payout.sent 1, webhook/shop payout.sent 1"
	if strings.Join(got, ", ") != want || rest.Next != "" || first.Items[0].Error == "" {
		t.Errorf("dead letters %q", got)
	}
	w.do(as, "GET", "/webhooks/dead?cursor=absent", nil).problem(422, "invalid")

	var n Replayed
	w.do(as, "POST", "/webhooks/dead/"+first.Items[1].ID+"/replay", nil).want(200, &n)
	if n.Replayed != 1 || w.due() != 1 {
		t.Errorf("replayed %d, %d are due", n.Replayed, w.due())
	}
	w.do(as, "POST", "/webhooks/dead/"+first.Items[1].ID+"/replay", nil).problem(404, "not_found")

	w.do(as, "PUT", "/webhooks/shop", WebhookInput{URL: "https://shop.example/hook", Disabled: true}).want(200, nil)
	w.do(as, "POST", "/webhooks/shop/replay", nil).problem(409, "conflict")
	w.do(as, "PUT", "/webhooks/shop", WebhookInput{URL: "https://shop.example/hook"}).want(200, nil)
	w.do(as, "POST", "/webhooks/shop/replay", nil).want(200, &n)
	w.do(as, "GET", "/webhooks/dead", nil).want(200, &rest)
	if n.Replayed != 3 || w.due() != 4 || len(rest.Items) != 1 {
		t.Errorf("replayed %d, %d are due, dead %+v", n.Replayed, w.due(), rest)
	}
}

func TestPartnerPostbacks(t *testing.T) {
	w := newWorld(t).keepBooks()
	as := w.token("admin", account.Write)
	const path = "/partner-postbacks/acme/anna"
	in := PartnerPostbackInput{URL: "https://tracker.example/p?c={click_id}", Events: []string{"conversion.approved"}}
	w.do(as, "GET", path, nil).problem(404, "not_found")
	w.do(as, "PUT", path, in, "If-Match", `"1"`).problem(412, "stale")
	var b PartnerPostback
	w.do(as, "PUT", path, in).want(200, &b)
	if b.Program != "acme" || b.Partner != "anna" || b.URL != in.URL || b.Version != 1 || len(b.Events) != 1 {
		t.Errorf("made %+v", b)
	}
	in.Disabled = true
	if a := w.do(as, "PUT", path, in, "If-Match", `"1"`).want(200, &b); !b.Disabled || a.Header().Get("ETag") != `"2"` {
		t.Errorf("changed %+v", b)
	}
	w.do(as, "GET", path, nil).want(200, &b)
	for field, in := range map[string]PartnerPostbackInput{
		"url":       {URL: "https://tracker.example/{secret}"},
		"events[0]": {URL: "https://tracker.example/", Events: []string{"payout.sent"}},
	} {
		if p := w.do(as, "PUT", path, in).problem(422, "invalid"); len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%s: %+v", field, p.Errors)
		}
	}
	var all PartnerPostbackList
	w.do(as, "GET", "/partner-postbacks?program=acme", nil).want(200, &all)
	if len(all.Items) != 1 || all.Items[0].Partner != "anna" {
		t.Errorf("listed %+v", all.Items)
	}
	w.do(as, "GET", "/partner-postbacks?program=nope", nil).problem(404, "not_found")
	w.do(as, "PUT", "/partner-postbacks/acme/nobody", in).problem(422, "invalid")
	w.do(as, "DELETE", path, nil, "If-Match", `"1"`).problem(412, "stale")
	w.do(as, "DELETE", path, nil).want(204, nil)
	w.do(as, "DELETE", path, nil).problem(404, "not_found")
}

// Without a desk every operation of webhooks says so.
func TestWithoutWebhooks(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Webhooks = nil })
	n := 0
	for _, r := range routes(t) {
		if r.Tags[0] != tagWebhooks {
			continue
		}
		query := ""
		if r.ID == "listPartnerPostbacks" {
			query = "?program=acme"
		}
		var body any
		if r.RequestBody != nil {
			body = map[string]any{}
		}
		if r.ID == "createWebhook" || r.ID == "updateWebhook" || r.ID == "setPartnerPostback" {
			body = map[string]any{"url": "https://shop.example/hook"}
		}
		p := w.do(socket, r.method, strings.NewReplacer("{id}", "x", "{program}", "acme", "{partner}", "anna").Replace(r.path)+query, body).problem(http.StatusServiceUnavailable, "unavailable")
		if !strings.Contains(p.Detail, "webhooks") {
			t.Errorf("%s: %q does not say why", r.ID, p.Detail)
		}
		n++
	}
	if n != 13 {
		t.Errorf("%d operations", n)
	}
}
