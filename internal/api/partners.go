package api

import (
	"context"
	"net/http"

	"github.com/sluicehq/sluice/internal/affiliate"
)

const tagPartners = "Partners"

// Partner is somebody who sends visitors to a program that we pay.
type Partner struct {
	affiliate.Partner
}

// PartnerInput is what may be written of a partner.
type PartnerInput struct {
	affiliate.Partner
}

type partnerAnswer struct {
	ETag string `header:"ETag" doc:"Version, for If-Match."`
	Body Partner
}

type partnerCreated struct {
	Location string `header:"Location" doc:"Address of the new partner."`
	ETag     string `header:"ETag" doc:"Version, for If-Match."`
	Body     Partner
}

type partnersAnswer struct {
	Body struct {
		Items []Partner `json:"items"`
	} `nameHint:"PartnerList"`
}

// PartnerPath names a partner in an address.
type PartnerPath struct {
	Program string `path:"program" doc:"Id of the program." example:"acme"`
	Code    string `path:"code" doc:"Code of the partner." example:"mia"`
}

func (s *server) registerPartners() {
	handle(s, operation{
		method: http.MethodGet, path: "/partners", id: "listPartners", tag: tagPartners, access: read,
		summary: "List partners",
	}, s.listPartners)
	handle(s, operation{
		method: http.MethodPost, path: "/partners", id: "createPartner", tag: tagPartners, access: operator, status: http.StatusCreated,
		summary: "Add a partner to a program", errors: []int{http.StatusConflict, http.StatusNotFound},
	}, s.createPartner)
	handle(s, operation{
		method: http.MethodGet, path: "/partners/{program}/{code}", id: "getPartner", tag: tagPartners, access: read,
		summary: "Show a partner",
	}, s.getPartner)
	handle(s, operation{
		method: http.MethodPut, path: "/partners/{program}/{code}", id: "updatePartner", tag: tagPartners, access: operator,
		summary: "Replace a partner", errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
	}, s.updatePartner)
	handle(s, operation{
		method: http.MethodDelete, path: "/partners/{program}/{code}", id: "deletePartner", tag: tagPartners, access: operator, status: http.StatusNoContent,
		summary: "Remove a partner", description: "No link may name it as its own.",
		errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
	}, s.deletePartner)
}

func (s *server) listPartners(ctx context.Context, in *struct {
	Program string `query:"program" doc:"Only the partners of this program." example:"acme"`
}) (*partnersAnswer, error) {
	partners, err := s.Catalog.Partners(ctx, in.Program)
	if err != nil {
		return nil, err
	}
	out := &partnersAnswer{}
	out.Body.Items = make([]Partner, len(partners))
	for i, p := range partners {
		out.Body.Items[i] = Partner{shown(ctx, p)}
	}
	return out, nil
}

func (s *server) createPartner(ctx context.Context, in *struct{ Body PartnerInput }) (*partnerCreated, error) {
	p, err := s.Catalog.CreatePartner(ctx, callerOf(ctx).actor(), in.Body.Partner)
	if err != nil {
		return nil, err
	}
	return &partnerCreated{Location: prefix + "/partners/" + p.Program + "/" + p.Code, ETag: etag(p.Version), Body: Partner{p}}, nil
}

func (s *server) getPartner(ctx context.Context, in *PartnerPath) (*partnerAnswer, error) {
	p, err := s.Catalog.Partner(ctx, in.Program, in.Code)
	if err != nil {
		return nil, err
	}
	return partnerOf(shown(ctx, p)), nil
}

func (s *server) updatePartner(ctx context.Context, in *struct {
	PartnerPath
	Precondition
	Body PartnerInput
}) (*partnerAnswer, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	p := in.Body.Partner
	if err := sameName("program", &p.Program, in.Program); err != nil {
		return nil, err
	}
	if err := sameName("code", &p.Code, in.Code); err != nil {
		return nil, err
	}
	if p, err = s.Catalog.UpdatePartner(ctx, callerOf(ctx).actor(), p, version); err != nil {
		return nil, err
	}
	return partnerOf(p), nil
}

func (s *server) deletePartner(ctx context.Context, in *struct {
	PartnerPath
	Precondition
}) (*struct{}, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return nil, s.Catalog.DeletePartner(ctx, callerOf(ctx).actor(), in.Program, in.Code, version)
}

// shown is a partner as the caller may see it: bank accounts are for operators, who alone
// change partners.
func shown(ctx context.Context, p affiliate.Partner) affiliate.Partner {
	if !callerOf(ctx).User.Operator {
		p.Method = nil
	}
	return p
}

func partnerOf(p affiliate.Partner) *partnerAnswer {
	return &partnerAnswer{ETag: etag(p.Version), Body: Partner{p}}
}
