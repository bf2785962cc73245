// Package account knows who may use the control plane: users with passwords,
// one-time login codes, browser sessions and API tokens.
//
// Secrets are shown once, when they are made, and kept only as hashes: passwords
// as argon2id, everything else, being random, as SHA-256. Losing the store gives nobody
// a way in. Every secret that does not open the door gives the same error with the code
// Unsigned, whatever is wrong with it.
package account

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/sluicehq/sluice/internal/store"
)

// Lifetimes.
const (
	// SessionLifetime counts from the session's last use, to within an hour.
	SessionLifetime = 30 * 24 * time.Hour
	// CodeLifetime is how long a one-time login code is good.
	CodeLifetime = 24 * time.Hour
	// TokenNameMax bounds the name of a token, in bytes.
	TokenNameMax = 100
)

// Options of Open. Store must be set.
type Options struct {
	Store store.Store
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// Random is where secrets come from; crypto/rand by default.
	Random io.Reader
	// Logger is told of logins; discarded by default.
	Logger *slog.Logger
}

// Accounts is the register of users. It is safe for concurrent use.
type Accounts struct{}

// Open returns the register in a store.
func Open(options Options) *Accounts { return &Accounts{} }

// User is somebody who may log in.
type User struct {
	Name        string    `json:"name"`
	Operator    bool      `json:"operator"`
	HasPassword bool      `json:"has_password"`
	CreatedAt   time.Time `json:"created_at"`
	Version     int64     `json:"version"`
}

// Scope is what a token allows.
type Scope string

// The scopes. Write includes read.
const (
	Read  Scope = "read"
	Write Scope = "write"
)

// Token is an API token without its secret.
type Token struct {
	ID        string     `json:"id"`
	User      string     `json:"user"`
	Name      string     `json:"name"`
	Prefix    string     `json:"prefix"` // start of the secret, to recognise it by
	Scopes    []Scope    `json:"scopes"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	UsedAt    *time.Time `json:"used_at,omitempty"` // to within ten minutes
}

// Identity is who stands behind a credential.
type Identity struct {
	User User
	// Scopes are the token's; those of a session are all.
	Scopes []Scope
	// Token is the id of the token, "" for a session.
	Token string
}

// May says whether the credential allows the scope.
func (i Identity) May(scope Scope) bool {
	for _, s := range i.Scopes {
		if s == scope || s == Write {
			return true
		}
	}
	return false
}

// Session is a fresh login. Secret goes into the browser's cookie.
type Session struct {
	Secret    string
	ExpiresAt time.Time
	User      User
}

var errUnbuilt = errors.New("account: not built yet")

// Users returns all users by name.
func (a *Accounts) Users(ctx context.Context) ([]User, error) { return nil, errUnbuilt }

// User returns a user, or NotFound.
func (a *Accounts) User(ctx context.Context, name string) (User, error) { return User{}, errUnbuilt }

// CreateUser adds a user. An empty password means that only a login code lets
// the user in. Conflict: the name is taken.
func (a *Accounts) CreateUser(ctx context.Context, name, password string, operator bool) (User, error) {
	return User{}, errUnbuilt
}

// SetPassword changes a password and ends the user's sessions.
func (a *Accounts) SetPassword(ctx context.Context, name, password string) error { return errUnbuilt }

// SetOperator gives or takes the right to everything; the last operator keeps it (Conflict).
func (a *Accounts) SetOperator(ctx context.Context, name string, operator bool) (User, error) {
	return User{}, errUnbuilt
}

// DeleteUser removes a user with all sessions, codes and tokens; the last
// operator stays (Conflict).
func (a *Accounts) DeleteUser(ctx context.Context, name string) error { return errUnbuilt }

// IssueCode makes a one-time login code for a user. Earlier codes of the user end.
func (a *Accounts) IssueCode(ctx context.Context, name string) (code string, err error) {
	return "", errUnbuilt
}

// LoginWithPassword opens a session, or Unsigned.
func (a *Accounts) LoginWithPassword(ctx context.Context, name, password string) (Session, error) {
	return Session{}, errUnbuilt
}

// LoginWithCode opens a session and uses the code up, or Unsigned.
func (a *Accounts) LoginWithCode(ctx context.Context, code string) (Session, error) {
	return Session{}, errUnbuilt
}

// Session returns who a session's secret belongs to and keeps it alive, or Unsigned.
func (a *Accounts) Session(ctx context.Context, secret string) (Identity, error) {
	return Identity{}, errUnbuilt
}

// Logout ends a session; one that is over already is no error.
func (a *Accounts) Logout(ctx context.Context, secret string) error { return errUnbuilt }

// Tokens returns the tokens of a user, newest first; "" means of all users.
func (a *Accounts) Tokens(ctx context.Context, user string) ([]Token, error) { return nil, errUnbuilt }

// CreateToken makes an API token. secret is shown to the user now and never
// again. expires may be nil: it lasts until it is deleted.
func (a *Accounts) CreateToken(ctx context.Context, user, name string, scopes []Scope, expires *time.Time) (secret string, token Token, err error) {
	return "", Token{}, errUnbuilt
}

// DeleteToken ends a token, or NotFound.
func (a *Accounts) DeleteToken(ctx context.Context, id string) error { return errUnbuilt }

// Authenticate returns who a token's secret belongs to, or Unsigned.
func (a *Accounts) Authenticate(ctx context.Context, secret string) (Identity, error) {
	return Identity{}, errUnbuilt
}
