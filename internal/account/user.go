package account

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// Limits of a password, in bytes.
const (
	PasswordMin = 10
	PasswordMax = 256
)

// userRecord is what is stored of a user.
type userRecord struct {
	User
	Password string `json:"password,omitempty"` // as hashPassword writes it
}

// Users returns all users by name.
func (a *Accounts) Users(ctx context.Context) (users []User, err error) {
	err = a.store.View(ctx, func(r store.Reader) error {
		docs, err := r.Documents().List(store.User, "")
		for _, doc := range docs {
			var u userRecord
			if err := decode(store.User, doc, &u); err != nil {
				return err
			}
			users = append(users, u.User)
		}
		return err
	})
	return users, err
}

// User returns a user, or NotFound.
func (a *Accounts) User(ctx context.Context, name string) (User, error) {
	u, err := a.user(ctx, name)
	return u.User, err
}

func (a *Accounts) user(ctx context.Context, name string) (u userRecord, err error) {
	err = a.store.View(ctx, func(r store.Reader) error { return read(r.Documents(), store.User, name, &u) })
	return u, err
}

// CreateUser adds a user. An empty password means that only a login code lets
// the user in. Conflict: the name is taken.
func (a *Accounts) CreateUser(ctx context.Context, name, password string, operator bool) (User, error) {
	if err := checkName(name); err != nil {
		return User{}, err
	}
	hash, err := a.newPassword(ctx, password)
	if err != nil {
		return User{}, err
	}
	u := userRecord{User: User{Name: name, Operator: operator, HasPassword: hash != "", CreatedAt: a.instant(), Version: 1}, Password: hash}
	err = a.store.Update(ctx, func(w store.Writer) error {
		_, err := w.Documents().Get(store.User, name)
		if err == nil {
			return affiliate.Errorf(affiliate.Conflict, "there is a user %q already; choose another name", name)
		}
		if affiliate.CodeOf(err) != affiliate.NotFound {
			return err
		}
		return put(w.Documents(), store.User, name, u, time.Time{})
	})
	return u.User, err
}

// SetPassword changes a password and ends the user's sessions.
func (a *Accounts) SetPassword(ctx context.Context, name, password string) error {
	if password == "" {
		return invalid("password", "it is empty")
	}
	hash, err := a.newPassword(ctx, password)
	if err != nil {
		return err
	}
	return a.store.Update(ctx, func(w store.Writer) error {
		var u userRecord
		if err := read(w.Documents(), store.User, name, &u); err != nil {
			return err
		}
		u.Password, u.HasPassword = hash, true
		u.Version++
		if err := put(w.Documents(), store.User, name, u, time.Time{}); err != nil {
			return err
		}
		return forget(w.Documents(), name, store.Session)
	})
}

// SetOperator gives or takes the right to everything; the last operator keeps it
// (Conflict).
func (a *Accounts) SetOperator(ctx context.Context, name string, operator bool) (User, error) {
	var u userRecord
	err := a.store.Update(ctx, func(w store.Writer) error {
		if err := read(w.Documents(), store.User, name, &u); err != nil {
			return err
		}
		if u.Operator == operator {
			return nil
		}
		if !operator {
			if err := othersOperate(w.Documents(), name); err != nil {
				return err
			}
		}
		u.Operator = operator
		u.Version++
		return put(w.Documents(), store.User, name, u, time.Time{})
	})
	return u.User, err
}

// DeleteUser removes a user with all sessions, codes and tokens; the last
// operator stays (Conflict).
func (a *Accounts) DeleteUser(ctx context.Context, name string) error {
	return a.store.Update(ctx, func(w store.Writer) error {
		var u userRecord
		if err := read(w.Documents(), store.User, name, &u); err != nil {
			return err
		}
		if u.Operator {
			if err := othersOperate(w.Documents(), name); err != nil {
				return err
			}
		}
		if err := forget(w.Documents(), name, store.Session, store.Code, store.Token); err != nil {
			return err
		}
		return w.Documents().Delete(store.User, name)
	})
}

// othersOperate refuses to take away the last operator.
func othersOperate(d store.Documents, name string) error {
	docs, err := d.List(store.User, "")
	if err != nil {
		return err
	}
	for _, doc := range docs {
		var u userRecord
		if err := decode(store.User, doc, &u); err != nil {
			return err
		}
		if u.Operator && u.Name != name {
			return nil
		}
	}
	return affiliate.Errorf(affiliate.Conflict, "%q is the last operator; make somebody else one first", name)
}

// forget removes what opens the door in a user's name.
func forget(d store.Documents, user string, kinds ...store.Kind) error {
	for _, kind := range kinds {
		docs, err := d.List(kind, "")
		if err != nil {
			return err
		}
		for _, doc := range docs {
			var owner struct {
				User string `json:"user"`
			}
			if err := decode(kind, doc, &owner); err != nil {
				return err
			}
			if owner.User != user {
				continue
			}
			if err := d.Delete(kind, doc.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkName(name string) error {
	if name == "" || len(name) > 64 || name != strings.TrimSpace(name) || !utf8.ValidString(name) || strings.ContainsAny(name, "/\\\x00\n\r\t") {
		return invalid("name", "a user's name has 1 to 64 bytes, without slashes, tabs and line breaks, and no space around it")
	}
	return nil
}

// instant is now, as precise as it is stored.
func (a *Accounts) instant() time.Time { return a.now().UTC().Truncate(time.Millisecond) }

func invalid(field, message string) error {
	return &affiliate.Error{Code: affiliate.Invalid, Faults: []affiliate.Fault{{Field: field, Message: message}}}
}

func read(d store.DocumentReader, kind store.Kind, key string, v any) error {
	doc, err := d.Get(kind, key)
	if err != nil {
		return err
	}
	return decode(kind, doc, v)
}

func decode(kind store.Kind, doc store.Document, v any) error {
	if err := json.Unmarshal(doc.Body, v); err != nil {
		return fmt.Errorf("the stored document of a %s cannot be read: %w", kind, err)
	}
	return nil
}

func put(d store.Documents, kind store.Kind, key string, v any, expires time.Time) error {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("BUG: a %T cannot be written as JSON: %v", v, err))
	}
	return d.Put(kind, store.Document{Key: key, Body: body, Expires: expires})
}
