package main

import (
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/webhook"
)

func TestAWebhooksLife(t *testing.T) {
	b := keepBooks(t)
	made := b.sluice(exitFine, "webhook", "add", "shop", "https://shop.example/hook", "--event", "payout.sent,conversion.approved")
	secret := strings.TrimSpace(made.out)
	contains(t, made.err, "it is not shown again")
	if !strings.HasPrefix(secret, "whsec_") || strings.Contains(secret, "\n") {
		t.Fatalf("printed %q: want the secret alone", made.out)
	}
	contains(t, b.sluice(exitProblems, "webhook", "add", "shop", "https://shop.example/hook").err, "already")
	contains(t, b.sluice(exitFine, "webhook", "update", "shop", "--program", "acme", "--disable").out, "conversion.approved payout.sent", "acme", "disabled")
	contains(t, b.sluice(exitFine, "webhook", "update", "shop", "--event", "", "--url", "https://shop.example/hook2").out, "hook2", "all", "acme", "disabled")
	turned := b.sluice(exitFine, "webhook", "rotate", "shop")
	contains(t, turned.err, "the old secret signs too until 2026-11-21T12:00")
	list := b.sluice(exitFine, "webhook", "list").out + b.sluice(exitFine, "webhook", "list", "--format", "csv").out + b.sluice(exitFine, "webhook", "list", "--format", "json").out
	contains(t, list, "ID ", "shop", "id,url,events,program,disabled,disabled_why,old_secret_until", `"old_secret_until": "2026-11-21T12:00`)
	for _, s := range []string{secret, strings.TrimSpace(turned.out)} {
		if s == "" || strings.Contains(list, s) {
			t.Errorf("the list shows the secret %q:\n%s", s, list)
		}
	}
	var fresh api.NewWebhook
	b.sluice(exitFine, "webhook", "rotate", "shop", "--keep-hours", "0", "--format", "json").json(t, &fresh)
	if fresh.Secret == "" || fresh.OldSecretUntil != nil {
		t.Errorf("turned at once: %+v", fresh)
	}

	for _, id := range []string{"msg_1", "msg_2", "msg_3"} {
		b.must(b.store.Update(t.Context(), func(w store.Writer) error {
			m := store.Message{ID: id, Kind: webhook.KindWebhook, Target: "webhook/shop", Body: []byte(`{"type": "payout.sent"}`)}
			if err := w.Books().Enqueue([]store.Message{m}); err != nil {
				return err
			}
			return w.Books().Dead(id, "=it answered 500")
		}))
	}
	page := b.sluice(exitFine, "webhook", "dead", "--limit", "2")
	contains(t, page.out, "msg_3", "msg_2", "webhook/shop", "payout.sent", "it answered 500")
	contains(t, page.err, "--after msg_2")
	contains(t, b.sluice(exitFine, "webhook", "dead", "--after", "msg_2", "--format", "csv").out, "msg_1,webhook/shop,payout.sent,1,'=it answered 500")
	contains(t, b.sluice(exitFine, "webhook", "replay", "msg_2").out, "replayed msg_2")
	contains(t, b.sluice(exitProblems, "webhook", "replay", "msg_2").err, "there is no dead letter")
	contains(t, b.sluice(exitProblems, "webhook", "replay", "--endpoint", "shop").err, "enable it")
	contains(t, b.sluice(exitFine, "webhook", "update", "shop", "--enable").out, " on")
	contains(t, b.sluice(exitFine, "webhook", "replay", "--endpoint", "shop").out, "2 messages replayed")

	contains(t, b.sluice(exitFine, "webhook", "rm", "shop").out, "removed shop")
	contains(t, b.sluice(exitProblems, "webhook", "rm", "shop").err, "there is no endpoint")
	for args, want := range map[string]string{
		"webhook replay":                         "name either messages",
		"webhook replay msg_1 --endpoint shop":   "name either messages",
		"webhook update shop":                    "nothing to change",
		"webhook update shop --enable --disable": "none of the others can be",
		"webhook rotate shop --keep-hours 721":   "give 0 to 720",
		"webhook dead --limit 0":                 "give 1 to 1000",
	} {
		contains(t, b.sluice(exitFailed, strings.Fields(args)...).err, want)
	}
}
