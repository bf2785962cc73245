package edge

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
)

// Workers writes what Cloudflare Workers serve: files for "wrangler kv bulk put", the worker,
// its configuration, and a script that deploys all of it. It is a target of package export.
type Workers struct {
	// SinceLast writes only what differs from what the script has deployed last.
	SinceLast bool
	// IngestURL is where the worker brings its clicks; "" for a place to be filled in.
	IngestURL string
	// Namespace is the id of the KV namespace; "" for a place to be filled in.
	Namespace string
}

const (
	entriesMax   = 10_000 // that Cloudflare takes in one request
	stateFile    = "kv.state"
	newStateFile = "kv.state.new"
	deleteFile   = "kv-delete.json"
	putPattern   = "kv-put-*.json"
	hashChars    = 16
)

// kvEntry is one line of a bulk file. The hash comes back in a listing of the keys, so that what
// is deployed can be compared without reading it.
type kvEntry struct {
	Key      string     `json:"key"`
	Value    string     `json:"value"`
	Metadata kvMetadata `json:"metadata"`
}

type kvMetadata struct {
	Hash string `json:"h"`
}

// hashOf tells documents apart: the first 64 bits of SHA-256, in hex.
func hashOf(document []byte) string {
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:])[:hashChars]
}

// Export writes the folder.
func (w *Workers) Export(ctx context.Context, from *export.Source, _ time.Time, dir string) (*export.Report, error) {
	deployed := map[string]string{}
	if w.SinceLast {
		var err error
		if deployed, err = readState(filepath.Join(dir, stateFile)); err != nil {
			return nil, err
		}
	}
	if err := removeOld(dir); err != nil {
		return nil, err
	}
	files, err := newBulk(dir)
	if err != nil {
		return nil, err
	}
	defer files.end()
	report := &export.Report{}
	err = Documents(ctx, from, report, func(key string, document []byte) error {
		hash := hashOf(document)
		was, known := deployed[key]
		delete(deployed, key)
		return files.add(key, document, hash, !known || was != hash)
	})
	if err != nil {
		return nil, err
	}
	gone := make([]string, 0, len(deployed))
	for key := range deployed {
		gone = append(gone, key)
	}
	slices.Sort(gone)
	if err := files.finish(gone); err != nil {
		return nil, err
	}
	return report, w.writeRest(from, dir)
}

// removeOld takes away the bulk files of an earlier export, whose state has not become the deployed one.
func removeOld(dir string) error {
	old, err := filepath.Glob(filepath.Join(dir, putPattern))
	if err != nil {
		return err
	}
	for _, path := range append(old, filepath.Join(dir, deleteFile), filepath.Join(dir, newStateFile)) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// bulk writes the bulk files and the state that holds when they are deployed.
type bulk struct {
	dir     string
	state   *os.File
	lines   *bufio.Writer
	put     *os.File
	out     *bufio.Writer
	entries int // in the open file
	files   int
}

func newBulk(dir string) (*bulk, error) {
	f, err := os.CreateTemp(dir, ".state-*")
	if err != nil {
		return nil, err
	}
	return &bulk{dir: dir, state: f, lines: bufio.NewWriterSize(f, 1<<16)}, nil
}

// add notes a document, and writes it when it has changed.
func (b *bulk) add(key string, document []byte, hash string, changed bool) error {
	if _, err := fmt.Fprintf(b.lines, "%s %s\n", hash, key); err != nil || !changed {
		return err
	}
	if b.entries == entriesMax {
		if err := b.closePut(); err != nil {
			return err
		}
	}
	separator := ","
	if b.put == nil {
		f, err := os.Create(filepath.Join(b.dir, strings.Replace(putPattern, "*", fmt.Sprintf("%04d", b.files), 1)))
		if err != nil {
			return err
		}
		b.put, b.out, separator = f, bufio.NewWriterSize(f, 1<<18), "["
		b.files++
	}
	entry, err := json.Marshal(kvEntry{key, string(document), kvMetadata{hash}})
	if err != nil {
		return err
	}
	b.entries++
	_, err = b.out.WriteString(separator + "\n" + string(entry))
	return err
}

func (b *bulk) closePut() error {
	if b.put == nil {
		return nil
	}
	_, err := b.out.WriteString("\n]\n")
	err = errors.Join(err, b.out.Flush(), b.put.Close())
	b.put, b.out, b.entries = nil, nil, 0
	return err
}

// finish writes the keys that are gone, and only then the state: without it nothing is deployed.
func (b *bulk) finish(gone []string) error {
	if err := b.closePut(); err != nil {
		return err
	}
	if len(gone) > 0 {
		list, err := json.MarshalIndent(gone, "", " ")
		if err != nil {
			return err
		}
		if err := writeText(filepath.Join(b.dir, deleteFile), 0o644, append(list, '\n')); err != nil {
			return err
		}
	}
	if err := errors.Join(b.lines.Flush(), b.state.Sync()); err != nil {
		return err
	}
	return os.Rename(b.state.Name(), filepath.Join(b.dir, newStateFile))
}

// end closes what is open, and takes away a state that has not come into its place.
func (b *bulk) end() {
	if b.put != nil {
		_ = b.put.Close()
	}
	_ = b.state.Close()
	_ = os.Remove(b.state.Name()) // it has another name when all went well
}

// readState reads what was deployed: the hash of each key. No file is an empty store.
func readState(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	deployed := map[string]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		hash, key, ok := strings.Cut(lines.Text(), " ")
		if !ok || len(hash) != hashChars {
			return nil, affiliate.Errorf(affiliate.Invalid, "%s:%d: not a hash and a key; remove the file to export everything", path, n)
		}
		deployed[key] = hash
	}
	return deployed, lines.Err()
}

// Difference is how a store differs from the links.
type Difference struct {
	Missing   []string // keys that the store lacks
	Different []string
	Surplus   []string // keys of documents that are no link's any more
}

// None says that the store has exactly the links.
func (d *Difference) None() bool { return len(d.Missing)+len(d.Different)+len(d.Surplus) == 0 }

// listingBytesMax bounds a listing of keys.
const listingBytesMax = 1 << 30

// Check compares the links with a listing of the store's keys, as "wrangler kv key list" prints it.
func Check(ctx context.Context, from *export.Source, listing io.Reader) (*Difference, error) {
	var keys []struct {
		Name     string     `json:"name"`
		Metadata kvMetadata `json:"metadata"`
	}
	if err := json.NewDecoder(io.LimitReader(listing, listingBytesMax)).Decode(&keys); err != nil {
		return nil, affiliate.Errorf(affiliate.Invalid, "the listing is not what \"wrangler kv key list\" prints: %v", err)
	}
	stored := make(map[string]string, len(keys))
	for _, k := range keys {
		stored[k.Name] = k.Metadata.Hash
	}
	d := &Difference{}
	err := Documents(ctx, from, &export.Report{}, func(key string, document []byte) error {
		hash, ok := stored[key]
		delete(stored, key)
		switch {
		case !ok:
			d.Missing = append(d.Missing, key)
		case hash != hashOf(document):
			d.Different = append(d.Different, key)
		}
		return nil
	})
	for key := range stored {
		if ours(key) {
			d.Surplus = append(d.Surplus, key)
		}
	}
	slices.Sort(d.Surplus)
	return d, err
}

// ours says that a key is one of a document; others in the same store are somebody else's.
func ours(key string) bool {
	return key == SitesKey || strings.HasPrefix(key, "l/") || strings.HasPrefix(key, "g/") || strings.HasPrefix(key, "p/")
}
