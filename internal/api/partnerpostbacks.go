package api

import (
	"context"
	"net/http"

	"github.com/sluicehq/sluice/internal/webhook"
)

// PartnerPostback is the URL by which a partner is told of its orders.
type PartnerPostback struct {
	Program     string   `json:"program"`
	Partner     string   `json:"partner"`
	URL         string   `json:"url"`
	Events      []string `json:"events,omitempty"`
	Disabled    bool     `json:"disabled,omitempty"`
	DisabledWhy string   `json:"disabled_why,omitempty"`
	Version     int64    `json:"version"`
}

// PartnerPostbackInput is what may be written of a partner's postback.
type PartnerPostbackInput struct {
	URL      string   `json:"url" maxLength:"2048"`
	Events   []string `json:"events,omitempty" maxItems:"20"`
	Disabled bool     `json:"disabled,omitempty"`
}

// PartnerPostbackList is those of a program.
type PartnerPostbackList struct {
	Items []PartnerPostback `json:"items"`
}

type partnerPostbackAnswer struct {
	ETag string `header:"ETag" doc:"Version, for If-Match."`
	Body PartnerPostback
}

func partnerPostbackOf(b webhook.PartnerPostback) *partnerPostbackAnswer {
	return &partnerPostbackAnswer{ETag: etag(b.Version), Body: PartnerPostback{
		Program: b.Program, Partner: b.Partner, URL: b.URL, Events: namesOf(b.Events), Disabled: b.Disabled, DisabledWhy: b.DisabledWhy, Version: b.Version}}
}

// PartnerPostbackPath names the postback of a partner in an address.
type PartnerPostbackPath struct {
	Program string `path:"program" maxLength:"64" doc:"Id of the program." example:"acme"`
	Partner string `path:"partner" maxLength:"64" doc:"Code of the partner." example:"mia"`
}

func (s *server) registerPartnerPostbacks() {
	handle(s, operation{
		method: http.MethodGet, path: "/partner-postbacks", id: "listPartnerPostbacks", tag: tagWebhooks, access: operatorRead,
		summary: "List the postbacks of a program's partners", errors: []int{http.StatusNotFound},
	}, s.listPartnerPostbacks)
	handle(s, operation{
		method: http.MethodGet, path: "/partner-postbacks/{program}/{partner}", id: "getPartnerPostback", tag: tagWebhooks, access: operatorRead,
		summary: "Show the postback of a partner",
	}, s.getPartnerPostback)
	handle(s, operation{
		method: http.MethodPut, path: "/partner-postbacks/{program}/{partner}", id: "setPartnerPostback", tag: tagWebhooks, access: operator,
		summary: "Set the postback of a partner", description: "It is created, or replaces the one before.", errors: []int{http.StatusPreconditionFailed},
		adjust: exampleBody(map[string]any{"url": "https://tracker.example/postback?cid={click_id}&payout={commission}"}),
	}, s.setPartnerPostback)
	handle(s, operation{
		method: http.MethodDelete, path: "/partner-postbacks/{program}/{partner}", id: "deletePartnerPostback", tag: tagWebhooks, access: operator, status: http.StatusNoContent,
		summary: "Remove the postback of a partner", errors: []int{http.StatusPreconditionFailed},
	}, s.deletePartnerPostback)
}

func (s *server) listPartnerPostbacks(ctx context.Context, in *ProgramQuery) (*struct{ Body PartnerPostbackList }, error) {
	desk, err := s.hooks()
	if err != nil {
		return nil, err
	}
	if _, err := s.Catalog.Program(ctx, in.Program); err != nil {
		return nil, err
	}
	all, err := desk.Postbacks(ctx, in.Program)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body PartnerPostbackList }{PartnerPostbackList{Items: []PartnerPostback{}}}
	for _, b := range all {
		out.Body.Items = append(out.Body.Items, partnerPostbackOf(b).Body)
	}
	return out, nil
}

func (s *server) getPartnerPostback(ctx context.Context, in *PartnerPostbackPath) (*partnerPostbackAnswer, error) {
	desk, err := s.hooks()
	if err != nil {
		return nil, err
	}
	b, err := desk.Postback(ctx, in.Program, in.Partner)
	if err != nil {
		return nil, err
	}
	return partnerPostbackOf(b), nil
}

func (s *server) setPartnerPostback(ctx context.Context, in *struct {
	PartnerPostbackPath
	Precondition
	Body PartnerPostbackInput
}) (*partnerPostbackAnswer, error) {
	desk, err := s.hooks()
	if err != nil {
		return nil, err
	}
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	b := webhook.PartnerPostback{Program: in.Program, Partner: in.Partner, URL: in.Body.URL, Events: typesOf(in.Body.Events), Disabled: in.Body.Disabled}
	if b, err = desk.SetPostback(ctx, callerOf(ctx).User.Name, b, version); err != nil {
		return nil, err
	}
	return partnerPostbackOf(b), nil
}

func (s *server) deletePartnerPostback(ctx context.Context, in *struct {
	PartnerPostbackPath
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
	return nil, desk.DeletePostback(ctx, callerOf(ctx).User.Name, in.Program, in.Partner, version)
}
