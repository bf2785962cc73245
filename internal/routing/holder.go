package routing

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Holder publishes the current table and keeps it on disk. Current may be called
// by anybody at any time; changes are applied one after the other.
type Holder struct {
	current atomic.Pointer[Table]
	options Options

	mu      sync.Mutex // guards what follows and the order of changes
	log     *changeLog
	merging bool
	closed  bool
	merged  sync.WaitGroup
}

// Options of a Holder.
type Options struct {
	// Dir keeps the table between starts. It is created when missing.
	Dir string
	// OverlayMax is how many changed links are kept beside the base before a new
	// base is written in the background; 50,000 when zero.
	OverlayMax int
	Logger     *slog.Logger
}

const (
	baseName       = "table"
	defaultOverlay = 50_000
)

// Open loads the saved table, or starts with an empty one. A saved table that is
// damaged is set aside under another name, never deleted, and reported in the
// log; the caller notices Seq 0 and fills the table from the catalog.
func Open(o Options) (*Holder, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OverlayMax == 0 {
		o.OverlayMax = defaultOverlay
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("the folder for the routing table cannot be made: %w", err)
	}
	h := &Holder{options: o}
	t := &Table{world: newWorld(), base: emptyBase}
	b, w, err := openBase(h.path())
	switch {
	case err == nil:
		t = &Table{seq: b.header.seq, world: w, base: b, links: int(b.header.links)}
	case !errors.Is(err, fs.ErrNotExist):
		h.setAside(err)
	}
	h.current.Store(t)
	if err := h.openLog(); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *Holder) path() string { return filepath.Join(h.options.Dir, baseName) }

func (h *Holder) setAside(reason error) {
	aside := h.path() + ".damaged"
	if err := os.Rename(h.path(), aside); err != nil {
		aside = h.path()
	}
	h.options.Logger.Error("the saved routing table was set aside; it will be rebuilt from the catalog",
		"file", aside, "reason", reason)
}

// openLog replays the changes since the base was written.
func (h *Holder) openLog() (err error) {
	inBase := h.Current().seq
	h.log, err = openChangeLog(h.path()+".changes", func(changes []Change) error {
		if lastSeq(changes) <= inBase {
			return nil
		}
		next, err := h.Current().with(changes)
		if err != nil {
			return err
		}
		h.current.Store(next)
		return nil
	}, h.options.Logger)
	return err
}

// Current returns the table that holds now.
func (h *Holder) Current() *Table { return h.current.Load() }

// Apply makes the changes visible, all at once, and records them on disk. Changes
// whose number the table has already passed are skipped, so sending them twice is
// harmless. With an error, nothing has changed.
func (h *Holder) Apply(changes []Change) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.Current()
	fresh := make([]Change, 0, len(changes))
	for _, c := range changes {
		if c.Seq > t.seq {
			fresh = append(fresh, c)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	next, err := t.with(fresh)
	if err != nil {
		return err
	}
	// The table must not promise on disk what it does not serve, nor the reverse;
	// but visitors come first: a full disk does not stop a change from being live.
	if err := h.log.append(fresh); err != nil {
		h.options.Logger.Error("a change of links is live but not saved; after a restart it is read from the catalog again",
			"file", h.log.path, "reason", err)
	}
	h.current.Store(next)
	if next.changed > h.options.OverlayMax && !h.merging && !h.closed {
		h.merging = true
		h.merged.Add(1)
		go h.merge()
	}
	return nil
}

// merge writes base and overlay into a new base. Changes go on meanwhile; those
// that came after the merge began are applied to the new base at the end.
func (h *Holder) merge() {
	defer h.merged.Done()
	from := h.Current()
	b, err := from.write(h.path())
	h.mu.Lock()
	defer h.mu.Unlock()
	h.merging = false
	if err != nil {
		h.options.Logger.Error("the routing table could not be saved; it will be tried again at the next change",
			"file", h.path(), "reason", err)
		return
	}
	h.adopt(b, from)
}

// adopt puts the current table on a new base that holds everything up to from.
func (h *Holder) adopt(b *base, from *Table) {
	now := h.Current()
	e := shards[[]byte]{}.edit()
	now.overlay.each(func(n name, record []byte) {
		hash := hashName(n.site, n.slug)
		if old, ok := from.overlay.get(hash, n.site, n.slug); !ok || !same(old, record) {
			e.set(hash, n.site, n.slug, record)
		}
	})
	h.current.Store(&Table{seq: now.seq, world: now.world, base: b, overlay: e.done(), changed: e.added, links: now.links})
	if err := h.log.dropUpTo(b.header.seq); err != nil {
		h.options.Logger.Error("the log of link changes could not be shortened", "file", h.log.path, "reason", err)
	}
}

// same says that two overlay values are one and the same record.
func same(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// write saves the table as a base under path and opens it.
func (t *Table) write(path string) (*base, error) {
	bw, err := newBaseWriter(path)
	if err != nil {
		return nil, err
	}
	err = t.each(bw.add)
	if err != nil {
		bw.discard()
		return nil, err
	}
	return bw.finish(t.seq, t.world)
}

// each calls fn with every record of the table.
func (t *Table) each(fn func(record []byte) error) (err error) {
	err = t.base.each(func(record []byte) error {
		site, slug, _ := recordName(record)
		if _, changed := t.overlay.get(hashName(site, slug), site, slug); changed {
			return nil
		}
		return fn(record)
	})
	t.overlay.each(func(_ name, record []byte) {
		if record != nil && err == nil {
			err = fn(record)
		}
	})
	return err
}

// Save writes the current table as a base now and waits for it.
func (h *Holder) Save() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.merging {
		return nil
	}
	t := h.Current()
	if t.changed == 0 && t.base.header.seq == t.seq {
		return nil
	}
	b, err := t.write(h.path())
	if err != nil {
		return err
	}
	h.adopt(b, t)
	return nil
}

// Saved says up to which change the table is on disk.
func (h *Holder) Saved() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(h.Current().base.header.seq, h.log.seq)
}

// Close waits for a merge under way and closes the log. The current table stays
// usable.
func (h *Holder) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.merged.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.close()
}

// Rebuild fills a new table from a complete account of all links, and replaces the
// current one when it is complete. Until then visitors are served from the old.
type Rebuild struct {
	h     *Holder
	world *world
	bw    *baseWriter
}

// Rebuild begins a new table.
func (h *Holder) Rebuild() (*Rebuild, error) {
	bw, err := newBaseWriter(h.path())
	if err != nil {
		return nil, err
	}
	return &Rebuild{h: h, world: newWorld(), bw: bw}, nil
}

// Site, Program and Partner must come before the links that name them.
func (r *Rebuild) Site(s affiliate.Site)       { r.world.putSite(s) }
func (r *Rebuild) Program(p affiliate.Program) { r.world.putProgram(p) }
func (r *Rebuild) Partner(p affiliate.Partner) { r.world.putPartner(p) }

// Link adds a link. No two links may have the same site and slug.
func (r *Rebuild) Link(l *affiliate.Link) error {
	record, err := r.world.compile(l)
	if err != nil {
		return err
	}
	return r.bw.add(record)
}

// Discard gives up.
func (r *Rebuild) Discard() { r.bw.discard() }

// Publish replaces the current table by the new one, which holds everything up to
// the change seq.
func (r *Rebuild) Publish(seq int64) error {
	r.h.mu.Lock()
	defer r.h.mu.Unlock()
	b, err := r.bw.finish(seq, r.world)
	if err != nil {
		return err
	}
	r.h.current.Store(&Table{seq: seq, world: r.world, base: b, links: int(b.header.links)})
	return r.h.log.dropUpTo(seq)
}
