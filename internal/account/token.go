package account

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// tokenUse is how much later than the last one a use must be to be written down.
const tokenUse = 10 * time.Minute

// tokenIDBytes makes the id of a token; it is no secret.
const tokenIDBytes = 10

// tokenRecord is what is stored of a token, under the hash of its secret.
type tokenRecord struct {
	Token
	Hash    string    `json:"hash"`
	Expires time.Time `json:"expires"` // as sessionRecord has it; zero: never
}

// Tokens returns the tokens of a user, newest first; "" means of all users.
// Expired ones stay listed until they are deleted.
func (a *Accounts) Tokens(ctx context.Context, user string) (tokens []Token, err error) {
	err = a.store.View(ctx, func(r store.Reader) error {
		docs, err := r.Documents().List(store.Token, "")
		if err != nil {
			return err
		}
		for _, doc := range docs {
			var t tokenRecord
			if err := decode(store.Token, doc, &t); err != nil {
				return err
			}
			if user == "" || t.User == user {
				tokens = append(tokens, t.Token)
			}
		}
		return nil
	})
	slices.SortFunc(tokens, func(x, y Token) int {
		if c := y.CreatedAt.Compare(x.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(x.ID, y.ID)
	})
	return tokens, err
}

// CreateToken makes an API token. secret is shown to the user now and never
// again. expires may be nil: it lasts until it is deleted.
func (a *Accounts) CreateToken(ctx context.Context, user, name string, scopes []Scope, expires *time.Time) (secret string, token Token, err error) {
	if err := a.checkToken(name, scopes, expires); err != nil {
		return "", Token{}, err
	}
	if secret, err = a.newSecret(tokenPrefix, tokenBytes); err != nil {
		return "", Token{}, err
	}
	id, err := a.newSecret("", tokenIDBytes)
	if err != nil {
		return "", Token{}, err
	}
	t := tokenRecord{Hash: hashOf(secret), Token: Token{ID: id, User: user, Name: name, Prefix: secret[:tokenShown],
		Scopes: slices.Clone(scopes), CreatedAt: a.instant()}}
	if expires != nil {
		t.Expires = expires.UTC()
		t.ExpiresAt = &t.Expires
	}
	err = a.store.Update(ctx, func(w store.Writer) error {
		if _, err := w.Documents().Get(store.User, user); err != nil {
			return err
		}
		return put(w.Documents(), store.Token, t.Hash, t, time.Time{})
	})
	if err != nil {
		return "", Token{}, err
	}
	return secret, t.Token, nil
}

func (a *Accounts) checkToken(name string, scopes []Scope, expires *time.Time) error {
	if name == "" || len(name) > TokenNameMax {
		return invalid("name", "name the token by what uses it, in 1 to 100 bytes")
	}
	if len(scopes) == 0 {
		return invalid("scopes", "name at least one of read, write")
	}
	for _, s := range scopes {
		if s != Read && s != Write {
			return invalid("scopes", string(s)+" is not one of read, write")
		}
	}
	if expires != nil && !expires.After(a.now()) {
		return invalid("expires_at", "it lies in the past")
	}
	return nil
}

// DeleteToken ends a token, or NotFound.
func (a *Accounts) DeleteToken(ctx context.Context, id string) error {
	return a.store.Update(ctx, func(w store.Writer) error {
		docs, err := w.Documents().List(store.Token, "")
		if err != nil {
			return err
		}
		for _, doc := range docs {
			var t tokenRecord
			if err := decode(store.Token, doc, &t); err != nil {
				return err
			}
			if t.ID == id {
				return w.Documents().Delete(store.Token, doc.Key)
			}
		}
		return affiliate.Errorf(affiliate.NotFound, "there is no token %q", id)
	})
}

// Authenticate returns who a token's secret belongs to, or Unsigned.
func (a *Accounts) Authenticate(ctx context.Context, secret string) (Identity, error) {
	var t tokenRecord
	var u userRecord
	err := a.store.View(ctx, func(r store.Reader) error {
		key, s, err := a.open(r.Documents(), store.Token, secret)
		if err != nil {
			return err
		}
		if err := read(r.Documents(), store.Token, key, &t); err != nil {
			return unsigned(err)
		}
		return unsigned(read(r.Documents(), store.User, s.User, &u))
	})
	if err != nil {
		return Identity{}, err
	}
	if now := a.instant(); t.UsedAt == nil || now.Sub(*t.UsedAt) >= tokenUse {
		if err := a.note(ctx, func(ctx context.Context) error { return a.used(ctx, t.Hash, now) }); err != nil {
			return Identity{}, err
		}
	}
	return Identity{User: u.User, Scopes: t.Scopes, Token: t.ID}, nil
}

// used writes down when a token was used, unless it was deleted meanwhile.
func (a *Accounts) used(ctx context.Context, key string, now time.Time) error {
	return a.store.Update(ctx, func(w store.Writer) error {
		var t tokenRecord
		if err := read(w.Documents(), store.Token, key, &t); err != nil {
			return unsigned(err)
		}
		t.UsedAt = &now
		return put(w.Documents(), store.Token, key, t, time.Time{})
	})
}
