// Package account knows who may use the control plane: users with passwords,
// one-time login codes, browser sessions and API tokens.
//
// Secrets are shown once, when they are made, and kept only as hashes: passwords
// as argon2id, everything else, being random, as SHA-256. Losing the store gives nobody
// a way in. Every secret that does not open the door gives the same error with the code
// Unsigned, whatever is wrong with it.
package account

import (
	"crypto/rand"
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
	// PasswordMemoryKiB is the memory that hashing a password takes, and so what
	// guessing one costs; 64 MiB by default. Passwords set before keep theirs.
	PasswordMemoryKiB uint32
}

// Accounts is the register of users. It is safe for concurrent use.
type Accounts struct {
	store  store.Store
	now    func() time.Time
	random io.Reader
	logger *slog.Logger
	// hashing holds the tokens of those who may hash a password now. Each takes
	// memoryKiB; strangers who guess must not take all of the machine's.
	hashing   chan struct{}
	memoryKiB uint32
}

// hashingMax is how many passwords are hashed at a time; the others wait.
const hashingMax = 2

// Open returns the register in a store, which stays the caller's to close.
func Open(options Options) *Accounts {
	a := &Accounts{store: options.Store, now: options.Now, random: options.Random, logger: options.Logger,
		hashing: make(chan struct{}, hashingMax), memoryKiB: options.PasswordMemoryKiB}
	if a.memoryKiB == 0 {
		a.memoryKiB = argonMemoryKiB
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.random == nil {
		a.random = rand.Reader
	}
	if a.logger == nil {
		a.logger = slog.New(slog.DiscardHandler)
	}
	return a
}

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
