package client

import (
	"context"
	"net/http"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
)

// Sites returns all sites by id.
func (c *Client) Sites(ctx context.Context) ([]api.Site, error) {
	return askList[api.Site](ctx, c, call{method: http.MethodGet, path: "/sites"})
}

// Site returns a site.
func (c *Client) Site(ctx context.Context, id string) (api.Site, error) {
	return ask[api.Site](ctx, c, call{method: http.MethodGet, path: "/sites/" + escape(id)})
}

// CreateSite adds a site.
func (c *Client) CreateSite(ctx context.Context, site affiliate.Site) (api.Site, error) {
	return ask[api.Site](ctx, c, call{method: http.MethodPost, path: "/sites", body: site})
}

// UpdateSite replaces the site of the same id; version is the one that was read,
// 0 for any.
func (c *Client) UpdateSite(ctx context.Context, site affiliate.Site, version int64) (api.Site, error) {
	return ask[api.Site](ctx, c, call{method: http.MethodPut, path: "/sites/" + escape(site.ID), body: site, header: ifVersion(version)})
}

// DeleteSite removes a site; version is the one that was read, 0 for any.
func (c *Client) DeleteSite(ctx context.Context, id string, version int64) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/sites/" + escape(id), header: ifVersion(version)}, nil)
}

// Programs returns all programs by id.
func (c *Client) Programs(ctx context.Context) ([]api.Program, error) {
	return askList[api.Program](ctx, c, call{method: http.MethodGet, path: "/programs"})
}

// Program returns a program.
func (c *Client) Program(ctx context.Context, id string) (api.Program, error) {
	return ask[api.Program](ctx, c, call{method: http.MethodGet, path: "/programs/" + escape(id)})
}

// CreateProgram adds a program.
func (c *Client) CreateProgram(ctx context.Context, program affiliate.Program) (api.Program, error) {
	return ask[api.Program](ctx, c, call{method: http.MethodPost, path: "/programs", body: program})
}

// UpdateProgram replaces the program of the same id; version is the one that was
// read, 0 for any.
func (c *Client) UpdateProgram(ctx context.Context, program affiliate.Program, version int64) (api.Program, error) {
	return ask[api.Program](ctx, c, call{method: http.MethodPut, path: "/programs/" + escape(program.ID), body: program, header: ifVersion(version)})
}

// DeleteProgram removes a program; version is the one that was read, 0 for any.
func (c *Client) DeleteProgram(ctx context.Context, id string, version int64) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/programs/" + escape(id), header: ifVersion(version)}, nil)
}

// Partners returns the partners of a program by code; "" means of all programs.
func (c *Client) Partners(ctx context.Context, program string) ([]api.Partner, error) {
	return askList[api.Partner](ctx, c, call{method: http.MethodGet, path: "/partners", query: values("program", program)})
}

// Partner returns a partner of a program.
func (c *Client) Partner(ctx context.Context, program, code string) (api.Partner, error) {
	return ask[api.Partner](ctx, c, call{method: http.MethodGet, path: partnerPath(program, code)})
}

// CreatePartner adds a partner to a program.
func (c *Client) CreatePartner(ctx context.Context, partner affiliate.Partner) (api.Partner, error) {
	return ask[api.Partner](ctx, c, call{method: http.MethodPost, path: "/partners", body: partner})
}

// UpdatePartner replaces the partner of the same program and code; version is the
// one that was read, 0 for any.
func (c *Client) UpdatePartner(ctx context.Context, partner affiliate.Partner, version int64) (api.Partner, error) {
	return ask[api.Partner](ctx, c, call{method: http.MethodPut, path: partnerPath(partner.Program, partner.Code), body: partner, header: ifVersion(version)})
}

// DeletePartner removes a partner; version is the one that was read, 0 for any.
func (c *Client) DeletePartner(ctx context.Context, program, code string, version int64) error {
	return c.do(ctx, call{method: http.MethodDelete, path: partnerPath(program, code), header: ifVersion(version)}, nil)
}

func partnerPath(program, code string) string {
	return "/partners/" + escape(program) + "/" + escape(code)
}

// Changes returns recorded changes after the one of that number, oldest first.
func (c *Client) Changes(ctx context.Context, after int64, limit int) (api.ChangeList, error) {
	return ask[api.ChangeList](ctx, c, call{method: http.MethodGet, path: "/changes",
		query: values("after", number(int(after)), "limit", number(limit))})
}

// Status describes the running server.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return ask[api.Status](ctx, c, call{method: http.MethodGet, path: "/status"})
}

// RepublishLinks makes the store's links those of all nodes.
func (c *Client) RepublishLinks(ctx context.Context) error {
	return c.do(ctx, call{method: http.MethodPost, path: "/cluster/republish"}, nil)
}

// RotateCookieKeys begins to sign visitors' cookies with a new key.
func (c *Client) RotateCookieKeys(ctx context.Context) error {
	return c.do(ctx, call{method: http.MethodPost, path: "/cluster/cookie-keys"}, nil)
}

// Me says who the client is to the server.
func (c *Client) Me(ctx context.Context) (api.Me, error) {
	return ask[api.Me](ctx, c, call{method: http.MethodGet, path: "/me"})
}

// Users returns all users by name.
func (c *Client) Users(ctx context.Context) ([]api.User, error) {
	return askList[api.User](ctx, c, call{method: http.MethodGet, path: "/users"})
}

// CreateUser adds a user.
func (c *Client) CreateUser(ctx context.Context, in api.UserInput) (api.User, error) {
	return ask[api.User](ctx, c, call{method: http.MethodPost, path: "/users", body: in})
}

// DeleteUser removes a user with all sessions and tokens.
func (c *Client) DeleteUser(ctx context.Context, name string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/users/" + escape(name)}, nil)
}

// LoginCode makes a one-time login code for a user.
func (c *Client) LoginCode(ctx context.Context, user string) (string, error) {
	var out api.LoginCode
	err := c.do(ctx, call{method: http.MethodPost, path: "/users/" + escape(user) + "/login-code"}, &out)
	return out.Code, err
}

// Tokens returns the tokens that the client may see, newest first.
func (c *Client) Tokens(ctx context.Context) ([]api.Token, error) {
	return askList[api.Token](ctx, c, call{method: http.MethodGet, path: "/tokens"})
}

// CreateToken makes a token; its secret is in the answer and nowhere else.
func (c *Client) CreateToken(ctx context.Context, user, name string, scopes []string, expires *time.Time) (api.NewToken, error) {
	return ask[api.NewToken](ctx, c, call{method: http.MethodPost, path: "/tokens",
		body: api.TokenInput{User: user, Name: name, Scopes: scopes, ExpiresAt: expires}})
}

// DeleteToken ends a token.
func (c *Client) DeleteToken(ctx context.Context, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/tokens/" + escape(id)}, nil)
}
