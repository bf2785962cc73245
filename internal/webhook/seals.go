package webhook

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"sync"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// sealedPrefix begins a secret as it is stored: behind it in base64 a nonce of 12 bytes
// and the secret encrypted by AES-256-GCM, with the endpoint's key as additional data.
const sealedPrefix = "sealed1:"

func isSealed(secret string) bool { return strings.HasPrefix(secret, sealedPrefix) }

// Seals encrypt the secrets of endpoints for the store, so that nobody who reads the database
// or a backup of it can sign. The first key encrypts, every key decrypts. They remember which
// secrets they could not decrypt. A nil one stores secrets as they are.
type Seals struct {
	file    string // of the keys, for people
	ciphers []cipher.AEAD
	why     error // set when there is no key

	mu     sync.Mutex
	closed map[string]bool // endpoints whose secret cannot be decrypted
}

// NewSeals derives the keys of a ring that was read from a file. With an error in place of a ring
// it encrypts and decrypts nothing, and says why.
func NewSeals(file string, ring affiliate.Keyring, why error) *Seals {
	s := &Seals{file: file, why: why, closed: map[string]bool{}}
	for _, key := range ring {
		derived, err := hkdf.Key(sha256.New, key.Secret, nil, "sluice webhook secrets", 32)
		if err != nil {
			panic("BUG: " + err.Error()) // only a wrong length fails
		}
		block, err := aes.NewCipher(derived)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		s.ciphers = append(s.ciphers, aead)
	}
	return s
}

// seal encrypts a secret of the endpoint with that key, or is Unavailable.
func (s *Seals) seal(endpoint, secret string) (string, error) {
	if s == nil || secret == "" || isSealed(secret) {
		return secret, nil
	}
	if len(s.ciphers) == 0 {
		return "", affiliate.Errorf(affiliate.Unavailable, "the key in %s cannot be used, so no secret can be stored: %v; restore the file and restart", s.file, s.why)
	}
	aead := s.ciphers[0]
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return sealedPrefix + base64.StdEncoding.EncodeToString(aead.Seal(nonce, nonce, []byte(secret), []byte(endpoint))), nil
}

// open decrypts a secret; one that is not encrypted stays as it is.
func (s *Seals) open(endpoint, stored string) (string, error) {
	text, ok := strings.CutPrefix(stored, sealedPrefix)
	if !ok {
		return stored, nil
	}
	if s != nil {
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			for _, aead := range s.ciphers {
				if len(b) < aead.NonceSize() {
					break
				}
				if secret, err := aead.Open(nil, b[:aead.NonceSize()], b[aead.NonceSize():], []byte(endpoint)); err == nil {
					return string(secret), nil
				}
			}
		}
	}
	return "", s.unopened(endpoint)
}

// unopened says what is wrong, and what follows from it.
func (s *Seals) unopened(endpoint string) error {
	if s == nil {
		return affiliate.Errorf(affiliate.Unavailable, "the secret of %s is encrypted, and no key was given", endpoint)
	}
	why := "no key in it fits"
	if s.why != nil {
		why = s.why.Error()
	}
	return affiliate.Errorf(affiliate.Unavailable, "the secret of %s cannot be decrypted with %s: %s; its deliveries wait, and nothing is lost", endpoint, s.file, why)
}

// openAll decrypts the secrets and remembers whether it could.
func (s *Seals) openAll(endpoint string, stored []string) (secrets []string, err error) {
	for _, one := range stored {
		var secret string
		if secret, err = s.open(endpoint, one); err != nil {
			break
		}
		secrets = append(secrets, secret)
	}
	s.remember(endpoint, err != nil)
	return secrets, err
}

func (s *Seals) remember(endpoint string, closed bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if closed {
		s.closed[endpoint] = true
	} else {
		delete(s.closed, endpoint)
	}
}

// Closed are the ids of the endpoints whose deliveries wait for a key.
func (s *Seals) Closed() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.closed {
		ids = append(ids, strings.TrimPrefix(key, "webhook/"))
	}
	slices.Sort(ids)
	return ids
}

// SealStored encrypts the secrets that an earlier version has stored as they are, and looks
// which of the others can be decrypted; Closed has those that cannot. Without a key nothing
// is changed. It returns how many endpoints it has changed.
func SealStored(ctx context.Context, db store.Store, s *Seals) (changed int, err error) {
	err = db.Update(ctx, func(w store.Writer) error {
		all, err := load[Endpoint](w.Documents(), "webhook/")
		if err != nil {
			return err
		}
		for i := range all {
			e := &all[i]
			if _, err := s.openAll(e.Key(), []string{e.Secret}); err != nil || len(s.ciphers) == 0 {
				continue
			}
			before := *e
			if e.Secret, err = s.seal(e.Key(), e.Secret); err != nil {
				return err
			}
			if e.OldSecret, err = s.seal(e.Key(), e.OldSecret); err != nil {
				return err
			}
			if e.Secret == before.Secret && e.OldSecret == before.OldSecret {
				continue
			}
			if err := put(w, e.Key(), e); err != nil {
				return err
			}
			changed++
		}
		return nil
	})
	return changed, err
}
