package app

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/distribution"
	"github.com/sluicehq/sluice/internal/store"
)

// keysAhead is how long before its first use a new cookie key is with all nodes, those included
// that reach the distribution only now and then, unless Options say otherwise.
const keysAhead = time.Minute

// secretKey derives a key for a use from cluster.secret.
func secretKey(secret, use string) []byte {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "sluice "+use, 32)
	if err != nil {
		panic("BUG: " + err.Error()) // only a wrong length fails
	}
	return key
}

// sealedKeys is how keys stand in the store and in the distribution: readable by whoever has
// cluster.secret.
type sealedKeys struct {
	Revision int64  `json:"revision"`
	Sealed   []byte `json:"sealed"` // AES-256-GCM: nonce, text of the file
}

// keySeal opens and seals keys of nodes that share a secret. It seals with the first and opens
// with any.
type keySeal []cipher.AEAD

func newKeySeal(secrets ...string) (s keySeal) {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		block, err := aes.NewCipher(secretKey(secret, "keys"))
		if err != nil {
			panic("BUG: " + err.Error()) // only a wrong length fails
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		s = append(s, aead)
	}
	return s
}

func (s keySeal) seal(purpose string, revision int64, f keyFile) sealedKeys {
	nonce := make([]byte, s[0].NonceSize())
	_, _ = rand.Read(nonce) // never fails: the runtime stops the program instead
	return sealedKeys{revision, s[0].Seal(nonce, nonce, f.text(), keysContext(purpose, revision))}
}

func (s keySeal) open(purpose string, k sealedKeys) (keyFile, error) {
	for _, aead := range s {
		if size := aead.NonceSize(); len(k.Sealed) > size {
			text, err := aead.Open(nil, k.Sealed[:size], k.Sealed[size:], keysContext(purpose, k.Revision))
			if err == nil {
				return parseKeys(text)
			}
		}
	}
	return nil, affiliate.Errorf(affiliate.Unsigned, "the %s keys that nodes share are sealed with another secret; give all nodes the same cluster.secret", purpose)
}

func keysContext(purpose string, revision int64) []byte {
	return fmt.Appendf(nil, "%s\n%d", purpose, revision)
}

func keysDocument(purpose string) string { return "keys." + purpose }

// shareKeys makes the keys of this node those that are in the store, or puts its own there
// when there are none yet.
func (a *App) shareKeys(ctx context.Context, s store.Store) error {
	if a.seal == nil {
		return nil
	}
	for _, purpose := range keyPurposes {
		own, err := a.keys.file(purpose)
		if err != nil {
			return err
		}
		shared, err := a.sharedKeys(ctx, s, purpose, func(there *sealedKeys) (*sealedKeys, error) {
			if there == nil {
				first := a.seal.seal(purpose, 1, own)
				return &first, nil
			}
			if _, err := a.seal[:1].open(purpose, *there); err == nil {
				return nil, nil
			}
			f, err := a.seal.open(purpose, *there)
			if err != nil {
				return nil, err
			}
			anew := a.seal.seal(purpose, there.Revision+1, f) // the secret is being changed
			return &anew, nil
		})
		if err != nil {
			return err
		}
		if err := a.takeKeys(purpose, shared); err != nil {
			return err
		}
	}
	return nil
}

// sharedKeys reads what is in the store, lets change replace it, and returns what is there
// then.
func (a *App) sharedKeys(ctx context.Context, s store.Store, purpose string, change func(there *sealedKeys) (*sealedKeys, error)) (now sealedKeys, err error) {
	err = s.Update(ctx, func(w store.Writer) error {
		var there *sealedKeys
		doc, err := w.Documents().Get(store.Setting, keysDocument(purpose))
		if err == nil {
			if err := json.Unmarshal(doc.Body, &now); err != nil {
				return fmt.Errorf("the %s keys in the store cannot be read: %w", purpose, err)
			}
			there = &now
		} else if affiliate.CodeOf(err) != affiliate.NotFound {
			return err
		}
		next, err := change(there)
		if err != nil || next == nil {
			return err
		}
		body, err := json.Marshal(next)
		if err != nil {
			return err
		}
		now = *next
		return w.Documents().Put(store.Setting, store.Document{Key: keysDocument(purpose), Body: body})
	})
	return now, err
}

func (a *App) takeKeys(purpose string, k sealedKeys) error {
	f, err := a.seal.open(purpose, k)
	if err != nil {
		return err
	}
	if err := a.keys.replace(purpose, f); err != nil {
		return err
	}
	a.watchKeys()
	a.keysShared.Store(true)
	return nil
}

// rotateCookieKeys begins to sign cookies with a new key, on all nodes. Cookies that the old
// ones have signed stay good for as long as cookies last.
func (a *App) rotateCookieKeys(ctx context.Context) error {
	now := a.options.Now()
	if a.seal == nil {
		f, err := a.keys.file(cookieKeys)
		if err != nil {
			return err
		}
		err = a.keys.replace(cookieKeys, f.rotated(now, now))
		a.watchKeys()
		return err
	}
	o := a.office.get()
	if o == nil {
		return affiliate.Errorf(affiliate.Unavailable, "the back office is not open")
	}
	next, err := a.sharedKeys(ctx, o.store, cookieKeys, func(there *sealedKeys) (*sealedKeys, error) {
		if there == nil {
			return nil, affiliate.Errorf(affiliate.NotFound, "there are no shared cookie keys yet; try again in a moment")
		}
		f, err := a.seal.open(cookieKeys, *there)
		if err != nil {
			return nil, err
		}
		next := a.seal.seal(cookieKeys, there.Revision+1, f.rotated(now, now.Add(cmp.Or(a.options.keysAhead, keysAhead))))
		return &next, nil
	})
	if err != nil {
		return err
	}
	return a.takeKeys(cookieKeys, next)
}

// sendKeys puts the cookie keys of the store where nodes without a store find them.
func (a *App) sendKeys(ctx context.Context, s store.Store, to distribution.Values) error {
	var shared sealedKeys
	err := s.View(ctx, func(r store.Reader) error {
		doc, err := r.Documents().Get(store.Setting, keysDocument(cookieKeys))
		if err != nil {
			return err
		}
		return json.Unmarshal(doc.Body, &shared)
	})
	if err != nil {
		return err
	}
	if err := a.takeKeys(cookieKeys, shared); err != nil { // another control node may have rotated them
		return err
	}
	value, err := json.Marshal(shared)
	if err != nil {
		return err
	}
	return to.PutValue(ctx, keysDocument(cookieKeys), shared.Revision, value)
}

// fetchKeys takes the cookie keys that a control node has sent.
func (a *App) fetchKeys(ctx context.Context, from distribution.Values) error {
	revision, value, err := from.Value(ctx, keysDocument(cookieKeys))
	if err != nil {
		return err
	}
	var shared sealedKeys
	if err := json.Unmarshal(value, &shared); err != nil || shared.Revision != revision {
		return affiliate.Errorf(affiliate.Invalid, "the cookie keys that nodes share cannot be read")
	}
	return a.takeKeys(cookieKeys, shared)
}

// watchKeys lets a new key be used when its time has come.
func (a *App) watchKeys() {
	if ring, err := a.keys.ring(cookieKeys); err == nil {
		a.plane.useKeys(ring)
	}
}
