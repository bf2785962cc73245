package api

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
)

const tagSessions = "Sessions"

// Login is a one-time code, or a user name with its password.
type Login struct {
	Code     string `json:"code,omitempty" maxLength:"200" doc:"One-time login code." example:"k3v9-2m7q-x8ta"`
	User     string `json:"user,omitempty" maxLength:"200" doc:"Name of the user." example:"admin"`
	Password string `json:"password,omitempty" maxLength:"1024" doc:"Password of the user."`
}

// Me is who the caller is.
type Me struct {
	User        string     `json:"user" doc:"Name of the user; \"local\" over the unix socket." example:"admin"`
	Operator    bool       `json:"operator" doc:"Whether sites, programs, partners and users may be changed too."`
	HasPassword bool       `json:"has_password" doc:"Whether the user can log in with a password. If not, suggest to set one."`
	Via         string     `json:"via" enum:"session,token,socket" doc:"How the caller was recognised."`
	Scopes      []string   `json:"scopes" enum:"read,write" doc:"What the credential allows; write includes read."`
	ExpiresAt   *time.Time `json:"expires_at,omitempty" doc:"When the session ends if it is not used until then."`
}

// PasswordChange sets the caller's password.
type PasswordChange struct {
	Current string `json:"current,omitempty" maxLength:"1024" doc:"The password until now; needed when there is one."`
	New     string `json:"new" maxLength:"1024" doc:"The password from now on."`
}

// Request gives an operation the HTTP request that it is answering.
type Request struct {
	r *http.Request
}

// Resolve is called by the framework before the operation.
func (q *Request) Resolve(ctx huma.Context) []error {
	q.r, _ = humago.Unwrap(ctx)
	return nil
}

type meAnswer struct {
	SetCookie string `header:"Set-Cookie" doc:"The session; HttpOnly, SameSite=Strict."`
	Body      Me
}

type cookieAnswer struct {
	SetCookie string `header:"Set-Cookie"`
}

func (s *server) registerSessions() {
	handle(s, operation{
		method: http.MethodPost, path: "/login", id: "login", tag: tagSessions, access: public,
		summary:     "Log in",
		description: "With a one-time code, or with user and password. The answer sets the session cookie. Attempts are limited for each address: 429 says when to try again.",
		errors:      []int{http.StatusUnauthorized, http.StatusTooManyRequests},
	}, s.login)
	handle(s, operation{
		method: http.MethodPost, path: "/logout", id: "logout", tag: tagSessions, access: public, status: http.StatusNoContent,
		summary:     "Log out",
		description: "Ends the session of the cookie, if there is one, and removes the cookie.",
	}, s.logout)
	handle(s, operation{
		method: http.MethodGet, path: "/me", id: "getMe", tag: tagSessions, access: read,
		summary: "Who am I", description: "A session ends when it has not been used for a while; this answer also renews the browser's cookie.",
	}, s.me)
	handle(s, operation{
		method: http.MethodPut, path: "/me/password", id: "setMyPassword", tag: tagSessions, access: session,
		summary:     "Set my password",
		description: "Ends all sessions of the user and answers with a new one.",
		errors:      []int{http.StatusTooManyRequests},
	}, s.setPassword)
}

func (s *server) login(ctx context.Context, in *struct {
	Request
	Body Login
}) (*meAnswer, error) {
	if (in.Body.Code == "") == (in.Body.User == "" && in.Body.Password == "") {
		return nil, affiliate.Errorf(affiliate.Invalid, "send either code, or user and password")
	}
	if err := s.attempt(in.r); err != nil {
		return nil, err
	}
	var fresh account.Session
	var err error
	if in.Body.Code != "" {
		fresh, err = s.Accounts.LoginWithCode(ctx, in.Body.Code)
	} else {
		fresh, err = s.checkPassword(ctx, in.Body.User, in.Body.Password)
	}
	if err != nil {
		return nil, err
	}
	return s.welcome(in.r, fresh), nil
}

// attempt takes one of the address's login attempts.
func (s *server) attempt(r *http.Request) error {
	wait, ok := s.logins.allow(r)
	if ok {
		return nil
	}
	seconds := strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
	return newProblem(http.StatusTooManyRequests, string(affiliate.Unavailable),
		"too many attempts to log in; try again in "+seconds+" s").with("Retry-After", seconds)
}

// checkPassword waits for its turn: checking is slow on purpose.
func (s *server) checkPassword(ctx context.Context, user, password string) (account.Session, error) {
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
	case <-ctx.Done():
		return account.Session{}, ctx.Err()
	}
	return s.Accounts.LoginWithPassword(ctx, user, password)
}

func (s *server) welcome(r *http.Request, fresh account.Session) *meAnswer {
	out := &meAnswer{SetCookie: sessionCookie(r, fresh.Secret, fresh.ExpiresAt).String()}
	out.Body = Me{
		User: fresh.User.Name, Operator: fresh.User.Operator, HasPassword: fresh.User.HasPassword,
		Via: "session", Scopes: []string{string(account.Write)}, ExpiresAt: &fresh.ExpiresAt,
	}
	return out
}

func sessionCookie(r *http.Request, secret string, expires time.Time) *http.Cookie {
	return &http.Cookie{
		Name: SessionCookie, Value: secret, Path: "/", Expires: expires,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	}
}

func (s *server) logout(ctx context.Context, in *struct{ Request }) (*cookieAnswer, error) {
	if c := callerOf(ctx); c.via == "session" {
		if err := s.Accounts.Logout(ctx, c.secret); err != nil {
			return nil, err
		}
	}
	gone := sessionCookie(in.r, "", time.Unix(1, 0))
	gone.MaxAge = -1
	return &cookieAnswer{SetCookie: gone.String()}, nil
}

func (s *server) me(ctx context.Context, in *struct{ Request }) (*meAnswer, error) {
	c := callerOf(ctx)
	out := &meAnswer{Body: Me{
		User: c.User.Name, Operator: c.User.Operator, HasPassword: c.User.HasPassword, Via: c.via, Scopes: []string{},
	}}
	for _, scope := range c.Scopes {
		out.Body.Scopes = append(out.Body.Scopes, string(scope))
	}
	if c.via == "session" {
		ends := s.Now().Add(account.SessionLifetime)
		out.Body.ExpiresAt = &ends
		out.SetCookie = sessionCookie(in.r, c.secret, ends).String()
	}
	return out, nil
}

func (s *server) setPassword(ctx context.Context, in *struct {
	Request
	Body PasswordChange
}) (*meAnswer, error) {
	user := callerOf(ctx).User
	if err := s.attempt(in.r); err != nil {
		return nil, err
	}
	if user.HasPassword {
		if err := s.confirm(ctx, user.Name, in.Body.Current); err != nil {
			return nil, err
		}
	}
	if err := s.Accounts.SetPassword(ctx, user.Name, in.Body.New); err != nil {
		return nil, err
	}
	fresh, err := s.checkPassword(ctx, user.Name, in.Body.New)
	if err != nil {
		return nil, err
	}
	return s.welcome(in.r, fresh), nil
}

// confirm checks the password of somebody who is logged in already.
func (s *server) confirm(ctx context.Context, user, password string) error {
	_, err := s.checkPassword(ctx, user, password)
	if affiliate.CodeOf(err) == affiliate.Unsigned {
		return &affiliate.Error{Code: affiliate.Invalid, Message: "the password was not changed",
			Faults: []affiliate.Fault{{Field: "current", Message: "this is not the password until now"}}}
	}
	return err
}
