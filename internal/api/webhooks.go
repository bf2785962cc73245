package api

import (
	"context"
	"net/http"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/webhook"
)

const tagWebhooks = "Webhooks"

// Webhooks is what the API needs to say who is told of events; webhook.Desk says what each
// method promises.
type Webhooks interface {
	List(ctx context.Context) ([]webhook.Endpoint, error)
	Endpoint(ctx context.Context, id string) (webhook.Endpoint, error)
	Create(ctx context.Context, author string, e webhook.Endpoint) (webhook.Endpoint, error)
	Update(ctx context.Context, author string, e webhook.Endpoint, version int64) (webhook.Endpoint, error)
	Delete(ctx context.Context, author, id string, version int64) error
	Rotate(ctx context.Context, author, id string, keep time.Duration) (webhook.Endpoint, error)

	Dead(ctx context.Context, before string, limit int) ([]webhook.Letter, error)
	Replay(ctx context.Context, author, id string) (replayed int, err error)
	ReplayLetter(ctx context.Context, author, id string) error

	Postbacks(ctx context.Context, program string) ([]webhook.PartnerPostback, error)
	Postback(ctx context.Context, program, partner string) (webhook.PartnerPostback, error)
	SetPostback(ctx context.Context, author string, b webhook.PartnerPostback, version int64) (webhook.PartnerPostback, error)
	DeletePostback(ctx context.Context, author, program, partner string, version int64) error
}

var _ Webhooks = (*webhook.Desk)(nil)

// hooks returns the desk of webhooks, or says that there is none.
func (s *server) hooks() (Webhooks, error) {
	if s.Webhooks == nil {
		return nil, affiliate.Errorf(affiliate.Unavailable, "nothing is sent by this server: it runs without webhooks; ask the server that keeps the books")
	}
	return s.Webhooks, nil
}

// Webhook is an endpoint of the operator's own that events are sent to, without its secret.
// docs/webhooks.md is for whoever runs it.
type Webhook struct {
	ID             string     `json:"id"`
	URL            string     `json:"url"`
	Events         []string   `json:"events,omitempty"`
	Program        string     `json:"program,omitempty"`
	Disabled       bool       `json:"disabled,omitempty"`
	DisabledWhy    string     `json:"disabled_why,omitempty"`
	OldSecretUntil *time.Time `json:"old_secret_until,omitempty"`
	Version        int64      `json:"version"`
}

func (s *server) webhookOf(e webhook.Endpoint) Webhook {
	out := Webhook{ID: e.ID, URL: e.URL, Events: namesOf(e.Events), Program: e.Program, Disabled: e.Disabled, DisabledWhy: e.DisabledWhy, Version: e.Version}
	if e.OldUntil.After(s.Now()) {
		out.OldSecretUntil = &e.OldUntil
	}
	return out
}

// WebhookInput is what may be written of an endpoint.
type WebhookInput struct {
	ID       string   `json:"id,omitempty" maxLength:"64"`
	URL      string   `json:"url" maxLength:"2048"`
	Events   []string `json:"events,omitempty" maxItems:"20"`
	Program  string   `json:"program,omitempty" maxLength:"64"`
	Disabled bool     `json:"disabled,omitempty"`
}

func (in *WebhookInput) endpoint() webhook.Endpoint {
	return webhook.Endpoint{ID: in.ID, URL: in.URL, Events: typesOf(in.Events), Program: in.Program, Disabled: in.Disabled}
}

// NewWebhook is an endpoint with its new secret.
type NewWebhook struct {
	Webhook
	Secret string `json:"secret"`
}

func namesOf(types []webhook.Type) (names []string) {
	for _, t := range types {
		names = append(names, string(t))
	}
	return names
}

func typesOf(names []string) (types []webhook.Type) {
	for _, n := range names {
		types = append(types, webhook.Type(n))
	}
	return types
}

type webhookAnswer struct {
	ETag string `header:"ETag" doc:"Version, for If-Match."`
	Body Webhook
}

type newWebhookAnswer struct {
	Location     string `header:"Location" doc:"Address of the endpoint."`
	ETag         string `header:"ETag" doc:"Version, for If-Match."`
	CacheControl string `header:"Cache-Control" doc:"No-store: it holds a secret."`
	Body         NewWebhook
}

func (s *server) newWebhookOf(e webhook.Endpoint) *newWebhookAnswer {
	return &newWebhookAnswer{Location: prefix + "/webhooks/" + e.ID, ETag: etag(e.Version), CacheControl: "no-store", Body: NewWebhook{s.webhookOf(e), e.Secret}}
}

// WebhookPath names an endpoint in an address.
type WebhookPath struct {
	ID string `path:"id" maxLength:"64" doc:"Id of the endpoint." example:"shop"`
}

func (s *server) registerWebhooks() {
	handle(s, operation{
		method: http.MethodGet, path: "/webhooks", id: "listWebhooks", tag: tagWebhooks, access: operatorRead,
		summary: "List the endpoints that webhooks are sent to", description: "Without their secrets.",
	}, s.listWebhooks)
	handle(s, operation{
		method: http.MethodPost, path: "/webhooks", id: "createWebhook", tag: tagWebhooks, access: operator, status: http.StatusCreated,
		summary: "Add an endpoint", description: "The answer holds the secret; it cannot be read again.", errors: []int{http.StatusConflict},
		adjust: exampleBody(map[string]any{"id": "shop", "url": "https://shop.example/hook"}),
	}, s.createWebhook)
	handle(s, operation{
		method: http.MethodGet, path: "/webhooks/{id}", id: "getWebhook", tag: tagWebhooks, access: operatorRead,
		summary: "Show an endpoint, without its secret",
	}, s.getWebhook)
	handle(s, operation{
		method: http.MethodPut, path: "/webhooks/{id}", id: "updateWebhook", tag: tagWebhooks, access: operator,
		summary: "Replace an endpoint", description: "Its secret stays.", errors: []int{http.StatusPreconditionFailed},
		adjust: exampleBody(map[string]any{"url": "https://shop.example/hook", "events": []string{"payout.sent"}}),
	}, s.updateWebhook)
	handle(s, operation{
		method: http.MethodDelete, path: "/webhooks/{id}", id: "deleteWebhook", tag: tagWebhooks, access: operator, status: http.StatusNoContent,
		summary: "Remove an endpoint", description: "What waits for it becomes dead letters.", errors: []int{http.StatusPreconditionFailed},
	}, s.deleteWebhook)
	handle(s, operation{
		method: http.MethodPost, path: "/webhooks/{id}/rotate", id: "rotateWebhook", tag: tagWebhooks, access: operator,
		summary: "Give an endpoint a new secret", description: "The answer holds it; it cannot be read again. The one before signs too for a while.",
		adjust: exampleBody(map[string]any{"keep_hours": 24}),
	}, s.rotateWebhook)
	s.registerDeadLetters()
	s.registerPartnerPostbacks()
}

func (s *server) listWebhooks(ctx context.Context, _ *struct{}) (*struct {
	Body struct {
		Items []Webhook `json:"items"`
	} `nameHint:"WebhookList"`
}, error) {
	desk, err := s.hooks()
	if err != nil {
		return nil, err
	}
	all, err := desk.List(ctx)
	if err != nil {
		return nil, err
	}
	out := new(struct {
		Body struct {
			Items []Webhook `json:"items"`
		} `nameHint:"WebhookList"`
	})
	out.Body.Items = []Webhook{}
	for _, e := range all {
		out.Body.Items = append(out.Body.Items, s.webhookOf(e))
	}
	return out, nil
}

func (s *server) createWebhook(ctx context.Context, in *struct{ Body WebhookInput }) (*newWebhookAnswer, error) {
	desk, err := s.hooks()
	if err != nil {
		return nil, err
	}
	e, err := desk.Create(ctx, callerOf(ctx).User.Name, in.Body.endpoint())
	if err != nil {
		return nil, err
	}
	return s.newWebhookOf(e), nil
}

func (s *server) getWebhook(ctx context.Context, in *WebhookPath) (*webhookAnswer, error) {
	desk, err := s.hooks()
	if err != nil {
		return nil, err
	}
	e, err := desk.Endpoint(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &webhookAnswer{ETag: etag(e.Version), Body: s.webhookOf(e)}, nil
}

func (s *server) updateWebhook(ctx context.Context, in *struct {
	WebhookPath
	Precondition
	Body WebhookInput
}) (*webhookAnswer, error) {
	desk, err := s.hooks()
	if err != nil {
		return nil, err
	}
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	if err := sameName("id", &in.Body.ID, in.ID); err != nil {
		return nil, err
	}
	e, err := desk.Update(ctx, callerOf(ctx).User.Name, in.Body.endpoint(), version)
	if err != nil {
		return nil, err
	}
	return &webhookAnswer{ETag: etag(e.Version), Body: s.webhookOf(e)}, nil
}

func (s *server) deleteWebhook(ctx context.Context, in *struct {
	WebhookPath
	Precondition
}) (*struct{}, error) {
	desk, err := s.hooks()
	if err != nil {
		return nil, err
	}
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return nil, desk.Delete(ctx, callerOf(ctx).User.Name, in.ID, version)
}

// WebhookRotation says what becomes of the secret before.
type WebhookRotation struct {
	KeepHours *int `json:"keep_hours,omitempty" minimum:"0" maximum:"720" doc:"For how many hours the secret before signs too; 24 by default. 0: no more, for one that has leaked." example:"24"`
}

// keepHoursDefault is how long receivers have to change over.
const keepHoursDefault = 24

func (s *server) rotateWebhook(ctx context.Context, in *struct {
	WebhookPath
	Body *WebhookRotation // what is not sent is the default
}) (*newWebhookAnswer, error) {
	desk, err := s.hooks()
	if err != nil {
		return nil, err
	}
	hours := keepHoursDefault
	if in.Body != nil && in.Body.KeepHours != nil {
		hours = *in.Body.KeepHours
	}
	e, err := desk.Rotate(ctx, callerOf(ctx).User.Name, in.ID, time.Duration(hours)*time.Hour)
	if err != nil {
		return nil, err
	}
	return s.newWebhookOf(e), nil
}
