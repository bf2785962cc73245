package app

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// What keys are for. Each has a file in the data folder.
const (
	cookieKeys   = "cookie"   // sign visitors' cookies
	postbackKeys = "postback" // make the tokens and secrets of merchants
	ingestKeys   = "ingest"   // make the keys of edge workers
	webhookKeys  = "webhook"  // encrypt the secrets of endpoints
)

// keyPurposes are all of them.
var keyPurposes = []string{cookieKeys, postbackKeys, ingestKeys, webhookKeys}

// keyNumberMax is the highest number of a key; after it numbers begin again.
const keyNumberMax = 255

// datedKey is a key and when it begins to be used. Before that it is accepted, so that every
// node knows it by the time when the first one uses it.
type datedKey struct {
	affiliate.Key
	from time.Time // zero: always
}

// keyFile is what a file has: a line for each key, the newest first, with its number, its
// bytes in hex (32 at least), and the time from which it is used, if there is one.
type keyFile []datedKey

func parseKeys(text []byte) (file keyFile, err error) {
	n := 0
	for line := range strings.Lines(string(bytes.TrimSpace(text))) {
		n++
		words := strings.Fields(line)
		if len(words) < 2 || len(words) > 3 {
			return nil, fmt.Errorf("line %d: not a number and a key", n)
		}
		var k datedKey
		if _, err := fmt.Sscanf(words[0], "%d", &k.Number); err != nil {
			return nil, fmt.Errorf("line %d: not a number and a key", n)
		}
		if k.Secret, err = hex.DecodeString(words[1]); err != nil || len(k.Secret) < 32 {
			return nil, fmt.Errorf("line %d: a key has at least 32 bytes in hex", n)
		}
		if len(words) == 3 {
			if k.from, err = time.Parse(time.RFC3339, words[2]); err != nil {
				return nil, fmt.Errorf("line %d: %q is not a time such as 2026-11-20T13:00:00Z", n, words[2])
			}
		}
		file = append(file, k)
	}
	if len(file) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return file, nil
}

func (f keyFile) text() []byte {
	var b []byte
	for _, k := range f {
		b = fmt.Appendf(b, "%d %s", k.Number, hex.EncodeToString(k.Secret))
		if !k.from.IsZero() {
			b = append(b, ' ')
			b = k.from.UTC().AppendFormat(b, time.RFC3339Nano)
		}
		b = append(b, '\n')
	}
	return b
}

// ring is the file at a moment: the newest key whose time has come is first.
func (f keyFile) ring(now time.Time) (ring affiliate.Keyring) {
	var early affiliate.Keyring
	for _, k := range f {
		if k.from.After(now) {
			early = append(early, k.Key)
		} else {
			ring = append(ring, k.Key)
		}
	}
	return append(ring, early...)
}

// rotated is the file with a new key in front. Keys that were replaced longer ago than cookies
// last are left out.
func (f keyFile) rotated(now, from time.Time) keyFile {
	k := datedKey{Key: newKey(int(f[0].Number)%keyNumberMax + 1), from: from}
	next := keyFile{k}
	for i, old := range f {
		replaced := from
		if i > 0 {
			replaced = f[i-1].from
		}
		if i == 0 || now.Sub(replaced) < affiliate.TokenLifetime {
			next = append(next, old)
		}
	}
	return next
}

func newKey(number int) affiliate.Key {
	k := affiliate.Key{Number: byte(number), Secret: make([]byte, 32)}
	_, _ = rand.Read(k.Secret) // never fails: the runtime stops the program instead
	return k
}

// keys are those of this process. What is in the data folder is the copy that survives
// restarts; with several nodes the store has the original (see share).
type keys struct {
	folder *folder
	now    func() time.Time

	mu    sync.Mutex
	files map[string]keyFile
}

func newKeys(f *folder, now func() time.Time) *keys {
	return &keys{folder: f, now: now, files: map[string]keyFile{}}
}

// ring returns the keys of a purpose as they are now, and makes the first one.
func (k *keys) ring(purpose string) (affiliate.Keyring, error) {
	f, err := k.file(purpose)
	if err != nil {
		return nil, err
	}
	return f.ring(k.now()), nil
}

// secret is the key that everything of a purpose is derived from; the purpose's file must have
// been read.
func (k *keys) secret(purpose string) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.files[purpose].ring(k.now())[0].Secret
}

func (k *keys) file(purpose string) (keyFile, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.files[purpose]; f != nil {
		return f, nil
	}
	path := k.path(purpose)
	text, err := os.ReadFile(path)
	var f keyFile
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f = keyFile{{Key: newKey(1)}}
		err = k.write(purpose, f)
	case err != nil:
		err = fmt.Errorf("the %s keys cannot be read: %w", purpose, err)
	default:
		if f, err = parseKeys(text); err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}
	if err != nil {
		return nil, err
	}
	k.files[purpose] = f
	return f, nil
}

func (k *keys) path(purpose string) string { return k.folder.at("keys", purpose) }

func (k *keys) write(purpose string, f keyFile) error {
	path := k.path(purpose)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return k.folder.unwritable(err)
	}
	return k.folder.write(path, f.text(), 0o600)
}

// replace takes over a file, on disk first.
func (k *keys) replace(purpose string, f keyFile) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if bytes.Equal(k.files[purpose].text(), f.text()) {
		return nil
	}
	if err := k.write(purpose, f); err != nil {
		return err
	}
	k.files[purpose] = f
	return nil
}
