package account

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// sessionRenewal is how much of a session's life must be gone before its use is
// written down: a visit must not cost a write to the disk each time.
const sessionRenewal = time.Hour

// sessionRecord is what is stored of a session, a code or a token alike, under the
// hash of its secret.
type sessionRecord struct {
	User    string    `json:"user"`
	Hash    string    `json:"hash"` // again, to be compared in constant time
	Expires time.Time `json:"expires"`
}

// secretAlphabet is lower-case base 32 without padding: easy to copy by hand.
var secretAlphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newSecret makes a random secret of n bytes behind a prefix that tells people,
// and scanners for leaked secrets, what it is.
func (a *Accounts) newSecret(prefix string, n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(a.random, b); err != nil {
		return "", fmt.Errorf("no random numbers for a secret: %w", err)
	}
	return prefix + secretAlphabet.EncodeToString(b), nil
}

// The secrets: 256 random bits each, but 160 for a code, which people type.
const (
	sessionPrefix = "sluice_session_"
	tokenPrefix   = "sluice_"
	sessionBytes  = 32
	tokenBytes    = 32
	codeBytes     = 20
	tokenShown    = len(tokenPrefix) + 6
)

// hashOf is how a random secret is stored. It needs no salt: nobody can list 2^160
// secrets.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// refused is the one answer to every wrong credential.
func refused() error {
	return affiliate.Errorf(affiliate.Unsigned, "the credentials are not valid, or not any more; log in again")
}

// open looks up what a secret opens and checks that it still does.
func (a *Accounts) open(d store.DocumentReader, kind store.Kind, secret string) (key string, s sessionRecord, err error) {
	key = hashOf(secret)
	if err := read(d, kind, key, &s); err != nil {
		return "", s, unsigned(err)
	}
	if subtle.ConstantTimeCompare([]byte(s.Hash), []byte(key)) != 1 || !s.Expires.IsZero() && !a.now().Before(s.Expires) {
		return "", s, refused()
	}
	return key, s, nil
}

// unsigned hides that something is not there.
func unsigned(err error) error {
	if affiliate.CodeOf(err) == affiliate.NotFound {
		return refused()
	}
	return err
}

// LoginWithPassword opens a session, or Unsigned.
func (a *Accounts) LoginWithPassword(ctx context.Context, name, password string) (Session, error) {
	u, err := a.user(ctx, name)
	if err != nil && affiliate.CodeOf(err) != affiliate.NotFound {
		return Session{}, err
	}
	if len(password) > PasswordMax {
		password = password[:PasswordMax+1] // cannot match; must not cost more either
	}
	ok, err := a.passwordMatches(ctx, u.Password, password)
	if err != nil {
		return Session{}, err
	}
	if !ok {
		a.logger.Info("a login was refused", "user", name)
		return Session{}, refused()
	}
	var session Session
	err = a.store.Update(ctx, func(w store.Writer) (err error) {
		// The password may have changed while it was being hashed.
		var now userRecord
		if err := read(w.Documents(), store.User, name, &now); err != nil {
			return unsigned(err)
		}
		if now.Password != u.Password {
			return refused()
		}
		session, err = a.login(w.Documents(), now.User)
		return err
	})
	return session, err
}

// login opens a session for a user who has proved to be one.
func (a *Accounts) login(d store.Documents, user User) (Session, error) {
	secret, err := a.newSecret(sessionPrefix, sessionBytes)
	if err != nil {
		return Session{}, err
	}
	now := a.instant()
	if _, err := d.Sweep(now); err != nil {
		return Session{}, err
	}
	key := hashOf(secret)
	s := sessionRecord{User: user.Name, Hash: key, Expires: now.Add(SessionLifetime)}
	if err := put(d, store.Session, key, s, s.Expires); err != nil {
		return Session{}, err
	}
	a.logger.Info("a user has logged in", "user", user.Name)
	return Session{Secret: secret, ExpiresAt: s.Expires, User: user}, nil
}

// IssueCode makes a one-time login code for a user. Earlier codes of the user end.
func (a *Accounts) IssueCode(ctx context.Context, name string) (code string, err error) {
	if code, err = a.newSecret("", codeBytes); err != nil {
		return "", err
	}
	err = a.store.Update(ctx, func(w store.Writer) error {
		d := w.Documents()
		if _, err := d.Get(store.User, name); err != nil {
			return err
		}
		if err := forget(d, name, store.Code); err != nil {
			return err
		}
		key := hashOf(code)
		s := sessionRecord{User: name, Hash: key, Expires: a.instant().Add(CodeLifetime)}
		return put(d, store.Code, key, s, s.Expires)
	})
	if err != nil {
		return "", err
	}
	return code, nil
}

// LoginWithCode opens a session and uses the code up, or Unsigned. The code may
// have spaces around it and be in upper case.
func (a *Accounts) LoginWithCode(ctx context.Context, code string) (session Session, err error) {
	code = strings.ToLower(strings.TrimSpace(code))
	err = a.store.Update(ctx, func(w store.Writer) error {
		d := w.Documents()
		key, s, err := a.open(d, store.Code, code)
		if err != nil {
			return err
		}
		if err := d.Delete(store.Code, key); err != nil {
			return err
		}
		var u userRecord
		if err := read(d, store.User, s.User, &u); err != nil {
			return unsigned(err)
		}
		session, err = a.login(d, u.User)
		return err
	})
	return session, err
}

// Session returns who a session's secret belongs to and keeps it alive, or Unsigned.
func (a *Accounts) Session(ctx context.Context, secret string) (Identity, error) {
	var s sessionRecord
	var u userRecord
	var key string
	err := a.store.View(ctx, func(r store.Reader) (err error) {
		if key, s, err = a.open(r.Documents(), store.Session, secret); err != nil {
			return err
		}
		return unsigned(read(r.Documents(), store.User, s.User, &u))
	})
	if err != nil {
		return Identity{}, err
	}
	if next := a.instant().Add(SessionLifetime); next.Sub(s.Expires) >= sessionRenewal {
		if err := a.note(ctx, func(ctx context.Context) error { return a.renew(ctx, key, next) }); err != nil {
			return Identity{}, err
		}
	}
	return Identity{User: u.User, Scopes: []Scope{Read, Write}}, nil
}

// noteWait is how long a request waits to write down that a credential was used.
// During a large import nothing can be written; the next use will note it.
const noteWait = 100 * time.Millisecond

// note writes something down that is not worth waiting for.
func (a *Accounts) note(ctx context.Context, write func(context.Context) error) error {
	short, cancel := context.WithTimeout(ctx, noteWait)
	defer cancel()
	err := write(short)
	if affiliate.CodeOf(err) == affiliate.Unsigned || ctx.Err() != nil {
		return err // it was ended meanwhile, or nobody waits for the answer
	}
	if err != nil && short.Err() == nil {
		a.logger.Warn("the use of a credential could not be written down", "error", err)
	}
	return nil
}

// renew moves the end of a session, unless it was ended meanwhile.
func (a *Accounts) renew(ctx context.Context, key string, expires time.Time) error {
	return a.store.Update(ctx, func(w store.Writer) error {
		var s sessionRecord
		if err := read(w.Documents(), store.Session, key, &s); err != nil {
			return unsigned(err)
		}
		s.Expires = expires
		return put(w.Documents(), store.Session, key, s, expires)
	})
}

// Logout ends a session; one that is over already is no error.
func (a *Accounts) Logout(ctx context.Context, secret string) error {
	err := a.store.Update(ctx, func(w store.Writer) error {
		return w.Documents().Delete(store.Session, hashOf(secret))
	})
	if affiliate.CodeOf(err) == affiliate.NotFound {
		return nil
	}
	return err
}
