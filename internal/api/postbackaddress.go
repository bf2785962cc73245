package api

import (
	"context"
	"net/http"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// PostbackAddress is what a merchant or network needs to report orders.
type PostbackAddress struct {
	Program  string `json:"program" doc:"The program."`
	Postback string `json:"postback" doc:"Where servers send reports. The token in it stays between servers."`
	Secret   string `json:"secret" doc:"Signs them: the key is the bytes of this text. See docs/postbacks.md."`
	Signed   bool   `json:"signed" doc:"Reports must be signed; else the token is enough."`
	Pixel    string `json:"pixel" doc:"Image for the page behind an order."`
	Script   string `json:"script" doc:"Script for the merchant's pages."`
	Page     string `json:"page_token" doc:"The token of the script. It stands in pages for everyone to read."`
}

// Mailbox gives the tokens of a program's reports: of its servers, of its pages, and the
// secret that signs.
type Mailbox interface {
	Tokens(p *affiliate.Program) (server, page string, secret []byte)
}

func (s *server) registerPostbackAddress() {
	handle(s, operation{
		method: http.MethodGet, path: "/programs/{id}/postback", id: "getPostbackAddress", tag: tagConversions, access: operator,
		summary:     "Say where a merchant reports orders",
		description: "With the secret that signs reports. All of it changes when the settlement's token_version is raised.",
	}, s.postbackAddress)
}

func (s *server) postbackAddress(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"64" doc:"The program." example:"acme"`
}) (*postbackAddressAnswer, error) {
	if _, err := s.books(); err != nil {
		return nil, err
	}
	if s.Mailbox == nil {
		return nil, affiliate.Errorf(affiliate.Unavailable, "this server takes no reports in; ask the one that visitors reach")
	}
	p, err := s.settledProgram(ctx, "id", in.ID)
	if err != nil {
		return nil, err
	}
	server, page, secret := s.Mailbox.Tokens(&p)
	base := ""
	if s.PublicURL != nil {
		base = s.PublicURL(affiliate.Site{})
	}
	return &postbackAddressAnswer{Body: PostbackAddress{
		Program: p.ID, Postback: base + "/postback/" + server, Secret: string(secret), Signed: !p.Settlement.StaticToken,
		Pixel: base + "/pixel/" + page + ".gif", Script: base + "/sluice.js", Page: page,
	}}, nil
}

type postbackAddressAnswer struct{ Body PostbackAddress }
