package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
)

// SessionCookie is the name of the browser's credential.
const SessionCookie = "sluice_session"

// LocalActor is who changes are recorded for that come over the unix socket.
const LocalActor = "local"

// access is who may call an operation. What is changed by it is checked again,
// by the catalog, against who the caller is.
type access string

const (
	public   access = "public"   // anybody
	read     access = "read"     // any credential
	write    access = "write"    // a session, a token of the scope write, or the socket
	operator access = "operator" // as write, and the user is an operator
	session  access = "session"  // somebody who logged in with a browser

	operatorRead access = "operator_read" // any credential of an operator, or the socket
)

func (a access) security() []map[string][]string {
	switch a {
	case public:
		return []map[string][]string{{}}
	case session:
		return []map[string][]string{{"session": {}}}
	}
	return []map[string][]string{{"bearer": {}}, {"session": {}}}
}

// caller is who a request comes from, and how we know.
type caller struct {
	account.Identity
	via    string // "session", "token", "socket"; "" for nobody
	secret string // of the session
}

func (c *caller) actor() catalog.Actor {
	return catalog.Actor{Name: c.User.Name, Operator: c.User.Operator}
}

type (
	callerKey   struct{}
	operatorKey struct{}
)

// AsOperator marks every request to the handler as an operator's that needs no
// credential. It is for the listener on the unix socket alone, where the file's
// permission is the right to administer.
func AsOperator(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), operatorKey{}, true)))
	})
}

// callerOf returns who calls an operation; admit has put it there.
func callerOf(ctx context.Context) *caller {
	c, ok := ctx.Value(callerKey{}).(*caller)
	if !ok {
		panic("BUG: an operation ran without admit")
	}
	return c
}

// admit lets through who may call the operation.
func (s *server) admit(a access) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		inner := context.WithValue(r.Context(), operationKey{}, ctx.Operation().OperationID)
		c, err := s.identify(inner, r)
		if err == nil {
			err = c.may(a)
		}
		if err == nil {
			err = checkOrigin(a, c, r)
		}
		if err != nil {
			writeProblem(w, s.problemOf(inner, err))
			return
		}
		next(huma.WithContext(ctx, context.WithValue(inner, callerKey{}, c)))
	}
}

// identify finds the caller. A credential that is there and wrong is an error,
// except that a browser's stale cookie makes it nobody: it must be able to log in.
func (s *server) identify(ctx context.Context, r *http.Request) (*caller, error) {
	if ctx.Value(operatorKey{}) != nil {
		user := account.User{Name: LocalActor, Operator: true}
		return &caller{Identity: account.Identity{User: user, Scopes: []account.Scope{account.Write}}, via: "socket"}, nil
	}
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, secret, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return nil, affiliate.Errorf(affiliate.Unsigned, "the Authorization header must be: Bearer TOKEN")
		}
		identity, err := s.Accounts.Authenticate(ctx, strings.TrimSpace(secret))
		if err != nil {
			return nil, err
		}
		return &caller{Identity: identity, via: "token"}, nil
	}
	cookie, err := r.Cookie(SessionCookie)
	if err != nil || cookie.Value == "" {
		return &caller{}, nil
	}
	identity, err := s.Accounts.Session(ctx, cookie.Value)
	if affiliate.CodeOf(err) == affiliate.Unsigned {
		return &caller{}, nil
	}
	if err != nil {
		return nil, err
	}
	return &caller{Identity: identity, via: "session", secret: cookie.Value}, nil
}

// may says whether the caller has the access, or why not.
func (c *caller) may(a access) error {
	switch {
	case a == public:
		return nil
	case c.via == "":
		return affiliate.Errorf(affiliate.Unsigned, "log in, or send an API token as: Authorization: Bearer sluice_…")
	case a == session && c.via != "session":
		return affiliate.Errorf(affiliate.Forbidden, "this is for somebody who has logged in with a browser")
	case (a == write || a == operator) && !c.May(account.Write):
		return affiliate.Errorf(affiliate.Forbidden, "the token may only read; use one with the scope write")
	case (a == operator || a == operatorRead) && !c.User.Operator:
		return affiliate.Errorf(affiliate.Forbidden, "only operators may do this")
	}
	return nil
}

var crossOrigin = http.NewCrossOriginProtection()

// checkOrigin refuses what another web site makes a browser send. A caller with
// a token is no browser that sends credentials by itself.
func checkOrigin(a access, c *caller, r *http.Request) error {
	if c.via == "token" || c.via == "socket" || c.via == "" && a != public {
		return nil
	}
	if err := crossOrigin.Check(r); err != nil {
		return affiliate.Errorf(affiliate.Forbidden, "the request comes from another web site; changes are accepted only from the dashboard's own address")
	}
	return nil
}
