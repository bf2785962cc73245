package client_test

import (
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
)

// Every call of webhooks and postbacks.
func TestWebhooks(t *testing.T) {
	c := connectBooks(t)
	ctx := t.Context()
	made, err := c.CreateWebhook(ctx, api.WebhookInput{ID: "shop", URL: "https://shop.example/hook"})
	must(t, err)
	changed, err := c.UpdateWebhook(ctx, api.WebhookInput{ID: "shop", URL: "https://shop.example/hook2"}, made.Version)
	must(t, err)
	if _, err := c.UpdateWebhook(ctx, api.WebhookInput{ID: "shop", URL: "https://shop.example/lost"}, made.Version); affiliate.CodeOf(err) != affiliate.Stale {
		t.Errorf("changed after somebody else: %v", err)
	}
	turned, err := c.RotateWebhook(ctx, "shop", 0)
	must(t, err)
	shown, err := c.Webhook(ctx, "shop")
	must(t, err)
	all, err := c.Webhooks(ctx)
	must(t, err)
	if made.Secret == "" || turned.Secret == made.Secret || shown.URL != changed.URL || len(all) != 1 || turned.OldSecretUntil != nil {
		t.Errorf("made %+v, turned %+v, shown %+v, all %+v", made, turned, shown, all)
	}
	dead, err := c.DeadLetters(ctx, "", 5)
	must(t, err)
	n, err := c.ReplayWebhook(ctx, "shop")
	must(t, err)
	if err := c.ReplayDeadLetter(ctx, "absent"); affiliate.CodeOf(err) != affiliate.NotFound || n != 0 || len(dead.Items) != 0 {
		t.Errorf("dead %+v, replayed %d, %v", dead, n, err)
	}
	must(t, c.DeleteWebhook(ctx, "shop", shown.Version))

	b, err := c.SetPartnerPostback(ctx, "acme", "anna", api.PartnerPostbackInput{URL: "https://tracker.example/?c={click_id}"}, 0)
	must(t, err)
	again, err := c.PartnerPostback(ctx, "acme", "anna")
	must(t, err)
	if again.URL != b.URL || again.Version != 1 {
		t.Errorf("set %+v, read %+v", b, again)
	}
	must(t, c.DeletePartnerPostback(ctx, "acme", "anna", again.Version))
}
