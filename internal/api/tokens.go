package api

import (
	"context"
	"net/http"
	"time"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
)

const tagTokens = "Tokens"

// Token is an API token without its secret.
type Token struct {
	account.Token
}

// TokenInput makes a token.
type TokenInput struct {
	Name      string     `json:"name" doc:"What the token is for." example:"nightly export"`
	Scopes    []string   `json:"scopes,omitempty" enum:"read,write" doc:"What the token allows; write includes read. Default: read." example:"[\"read\"]"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When it ends. Empty: when it is deleted."`
	User      string     `json:"user,omitempty" doc:"Whose token it is; operators only. Default: the caller's."`
}

// NewToken is a token with its secret.
type NewToken struct {
	account.Token
	Secret string `json:"secret" doc:"The token's value. It is shown only here." example:"sluice_7cbf2k…"`
}

type tokensAnswer struct {
	Body struct {
		Items []Token `json:"items"`
	} `nameHint:"TokenList"`
}

func (s *server) registerTokens() {
	handle(s, operation{
		method: http.MethodGet, path: "/tokens", id: "listTokens", tag: tagTokens, access: write,
		summary: "List tokens", description: "One's own, newest first; operators see everybody's.",
	}, s.listTokens)
	handle(s, operation{
		method: http.MethodPost, path: "/tokens", id: "createToken", tag: tagTokens, access: write, status: http.StatusCreated,
		summary: "Make a token", description: "The answer holds the secret; it cannot be read again.",
		errors: []int{http.StatusNotFound},
	}, s.createToken)
	handle(s, operation{
		method: http.MethodDelete, path: "/tokens/{id}", id: "deleteToken", tag: tagTokens, access: write, status: http.StatusNoContent,
		summary: "End a token", description: "One's own; operators may end everybody's.",
	}, s.deleteToken)
}

// tokensOf returns the tokens that the caller may see.
func (s *server) tokensOf(ctx context.Context) ([]account.Token, error) {
	c := callerOf(ctx)
	if c.User.Operator {
		return s.Accounts.Tokens(ctx, "")
	}
	return s.Accounts.Tokens(ctx, c.User.Name)
}

func (s *server) listTokens(ctx context.Context, _ *struct{}) (*tokensAnswer, error) {
	tokens, err := s.tokensOf(ctx)
	if err != nil {
		return nil, err
	}
	out := &tokensAnswer{}
	out.Body.Items = make([]Token, len(tokens))
	for i, t := range tokens {
		out.Body.Items[i] = Token{t}
	}
	return out, nil
}

func (s *server) createToken(ctx context.Context, in *struct{ Body TokenInput }) (*struct{ Body NewToken }, error) {
	user, err := tokenUser(callerOf(ctx), in.Body.User)
	if err != nil {
		return nil, err
	}
	if at := in.Body.ExpiresAt; at != nil && !at.After(s.Now()) {
		return nil, &affiliate.Error{Code: affiliate.Invalid, Message: "the token is not valid",
			Faults: []affiliate.Fault{{Field: "expires_at", Message: "it lies in the past"}}}
	}
	scopes := []account.Scope{}
	for _, scope := range in.Body.Scopes {
		scopes = append(scopes, account.Scope(scope))
	}
	if len(scopes) == 0 {
		scopes = []account.Scope{account.Read}
	}
	secret, token, err := s.Accounts.CreateToken(ctx, user, in.Body.Name, scopes, in.Body.ExpiresAt)
	if err != nil {
		return nil, err
	}
	return &struct{ Body NewToken }{NewToken{Token: token, Secret: secret}}, nil
}

// tokenUser says whose the new token is.
func tokenUser(c *caller, asked string) (string, error) {
	if asked == "" && c.via == "socket" {
		return "", &affiliate.Error{Code: affiliate.Invalid, Message: "the token is not valid",
			Faults: []affiliate.Fault{{Field: "user", Message: "name the user whose token it is"}}}
	}
	if asked == "" || asked == c.User.Name {
		return c.User.Name, nil
	}
	if !c.User.Operator {
		return "", affiliate.Errorf(affiliate.Forbidden, "only operators may make tokens for others")
	}
	return asked, nil
}

func (s *server) deleteToken(ctx context.Context, in *struct {
	ID string `path:"id" doc:"Id of the token."`
}) (*struct{}, error) {
	tokens, err := s.tokensOf(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tokens {
		if t.ID == in.ID {
			return nil, s.Accounts.DeleteToken(ctx, in.ID)
		}
	}
	return nil, affiliate.Errorf(affiliate.NotFound, "there is no token %q", in.ID)
}
