package client

import (
	"context"
	"net/http"

	"github.com/sluicehq/sluice/internal/api"
)

// Webhooks returns the endpoints by id, without their secrets.
func (c *Client) Webhooks(ctx context.Context) ([]api.Webhook, error) {
	return askList[api.Webhook](ctx, c, call{method: http.MethodGet, path: "/webhooks"})
}

// Webhook returns an endpoint, without its secret.
func (c *Client) Webhook(ctx context.Context, id string) (api.Webhook, error) {
	return ask[api.Webhook](ctx, c, call{method: http.MethodGet, path: "/webhooks/" + escape(id)})
}

// CreateWebhook adds an endpoint; its secret is in the answer and nowhere else.
func (c *Client) CreateWebhook(ctx context.Context, in api.WebhookInput) (api.NewWebhook, error) {
	return ask[api.NewWebhook](ctx, c, call{method: http.MethodPost, path: "/webhooks", body: in})
}

// UpdateWebhook replaces the endpoint of the same id; version is the one that was read, 0
// for any.
func (c *Client) UpdateWebhook(ctx context.Context, in api.WebhookInput, version int64) (api.Webhook, error) {
	return ask[api.Webhook](ctx, c, call{method: http.MethodPut, path: "/webhooks/" + escape(in.ID), body: in, header: ifVersion(version)})
}

// DeleteWebhook removes an endpoint; version is the one that was read, 0 for any.
func (c *Client) DeleteWebhook(ctx context.Context, id string, version int64) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/webhooks/" + escape(id), header: ifVersion(version)}, nil)
}

// RotateWebhook gives an endpoint a new secret, which is in the answer and nowhere else. The
// one before signs too for so many hours.
func (c *Client) RotateWebhook(ctx context.Context, id string, keepHours int) (api.NewWebhook, error) {
	return ask[api.NewWebhook](ctx, c, call{method: http.MethodPost, path: "/webhooks/" + escape(id) + "/rotate", body: api.WebhookRotation{KeepHours: &keepHours}})
}

// DeadLetters returns a page of what could not be delivered, the last event first; cursor is
// the Next of the page before, "" for the first.
func (c *Client) DeadLetters(ctx context.Context, cursor string, limit int) (api.DeadLetterList, error) {
	return ask[api.DeadLetterList](ctx, c, call{method: http.MethodGet, path: "/webhooks/dead", query: values("cursor", cursor, "limit", number(limit))})
}

// ReplayDeadLetter makes a dead letter due again.
func (c *Client) ReplayDeadLetter(ctx context.Context, id string) error {
	return c.do(ctx, call{method: http.MethodPost, path: "/webhooks/dead/" + escape(id) + "/replay"}, nil)
}

// ReplayWebhook makes all dead letters of an endpoint due again, and says how many.
func (c *Client) ReplayWebhook(ctx context.Context, id string) (int, error) {
	out, err := ask[api.Replayed](ctx, c, call{method: http.MethodPost, path: "/webhooks/" + escape(id) + "/replay"})
	return out.Replayed, err
}

// PartnerPostbacks returns those of all partners of a program.
func (c *Client) PartnerPostbacks(ctx context.Context, program string) ([]api.PartnerPostback, error) {
	return askList[api.PartnerPostback](ctx, c, call{method: http.MethodGet, path: "/partner-postbacks", query: values("program", program)})
}

// PartnerPostback returns the postback of a partner.
func (c *Client) PartnerPostback(ctx context.Context, program, partner string) (api.PartnerPostback, error) {
	return ask[api.PartnerPostback](ctx, c, call{method: http.MethodGet, path: postbackPath(program, partner)})
}

// SetPartnerPostback creates or replaces the postback of a partner; version is the one that
// was read, 0 for any.
func (c *Client) SetPartnerPostback(ctx context.Context, program, partner string, in api.PartnerPostbackInput, version int64) (api.PartnerPostback, error) {
	return ask[api.PartnerPostback](ctx, c, call{method: http.MethodPut, path: postbackPath(program, partner), body: in, header: ifVersion(version)})
}

// DeletePartnerPostback removes the postback of a partner; version is the one that was read,
// 0 for any.
func (c *Client) DeletePartnerPostback(ctx context.Context, program, partner string, version int64) error {
	return c.do(ctx, call{method: http.MethodDelete, path: postbackPath(program, partner), header: ifVersion(version)}, nil)
}

func postbackPath(program, partner string) string {
	return "/partner-postbacks/" + escape(program) + "/" + escape(partner)
}
