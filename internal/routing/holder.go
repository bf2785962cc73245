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
	merging chan struct{} // closed when the merge under way ends; nil for none
	closed  bool
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
	h.removeUnfinished()
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

// removeUnfinished removes what a process that died was writing; nothing was ever
// read from it.
func (h *Holder) removeUnfinished() {
	for _, pattern := range []string{".new-*", ".changes.new-*"} {
		unfinished, _ := filepath.Glob(h.path() + pattern)
		for _, path := range unfinished {
			_ = os.Remove(path)
		}
	}
}

func (h *Holder) setAside(reason error) {
	aside := asideName(h.path())
	if err := os.Rename(h.path(), aside); err != nil {
		aside = h.path()
	}
	h.options.Logger.Error("the saved routing table was set aside; it will be rebuilt from the catalog",
		"file", aside, "reason", reason)
}

// openLog replays the changes since the base was written.
func (h *Holder) openLog() (err error) {
	h.log, err = openChangeLog(h.path()+".changes", h.Current().seq, func(changes []Change) error {
		next, err := h.Current().with(h.Current().fresh(changes))
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

// fresh are the changes that the table does not contain yet.
func (t *Table) fresh(changes []Change) []Change {
	var fresh []Change
	for _, c := range changes {
		if c.Seq > t.seq {
			fresh = append(fresh, c)
		}
	}
	return fresh
}

var errClosed = errors.New("the routing table is closed")

// Apply makes the changes visible, all at once, and records them on disk. Changes
// whose number the table has already passed are skipped, so sending them twice is
// harmless. With an error, nothing has changed.
func (h *Holder) Apply(changes []Change) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed
	}
	t := h.Current()
	fresh := t.fresh(changes)
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
	if h.merging == nil && (next.changed > h.options.OverlayMax || h.log.broken != nil) {
		h.merging = make(chan struct{})
		go h.merge(next)
	}
	return nil
}

// merge writes a table's base and overlay into a new base. Changes go on meanwhile;
// those that came after the merge began stay in the overlay.
func (h *Holder) merge(from *Table) {
	bw, err := from.write(h.path())
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.merging)
	h.merging = nil
	if err == nil && h.Current().base != from.base {
		bw.discard() // a rebuilt table has come; the old one must not replace it
		return
	}
	if err == nil {
		err = h.install(bw, from)
	}
	if err != nil {
		h.options.Logger.Error("the routing table could not be saved; it will be tried again at the next change",
			"file", h.path(), "reason", err)
	}
}

// install makes a written base the current one. The caller holds the lock.
func (h *Holder) install(bw *baseWriter, from *Table) error {
	b, err := bw.install()
	if err != nil {
		return err
	}
	h.adopt(b, from)
	return nil
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
	if err := h.log.restart(b.header.seq, now.seq != b.header.seq); err != nil {
		h.options.Logger.Error("the log of link changes could not be shortened", "file", h.log.path, "reason", err)
	} else if now.seq == b.header.seq {
		h.log.broken = nil
	}
}

// same says that two overlay values are one and the same record.
func same(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// write saves the table as a base beside path, sealed but without its name.
func (t *Table) write(path string) (*baseWriter, error) {
	bw, err := newBaseWriter(path)
	if err != nil {
		return nil, err
	}
	if err = t.each(bw.add); err == nil {
		err = bw.seal(t.seq, t.world)
	}
	if err != nil {
		bw.discard()
		return nil, err
	}
	return bw, nil
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

// Save writes the current table as a base now and waits for it. Changes wait too.
func (h *Holder) Save() error {
	h.lockIdle()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed
	}
	t := h.Current()
	if t.changed == 0 && t.base.header.seq == t.seq {
		return nil
	}
	bw, err := t.write(h.path())
	if err != nil {
		return err
	}
	return h.install(bw, t)
}

// lockIdle takes the lock at a moment when no merge is under way.
func (h *Holder) lockIdle() {
	h.mu.Lock()
	for h.merging != nil {
		ended := h.merging
		h.mu.Unlock()
		<-ended
		h.mu.Lock()
	}
}

// Saved says up to which change the table is on disk.
func (h *Holder) Saved() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(h.Current().base.header.seq, h.log.seq)
}

// Close waits for a merge under way and closes the log. The current table stays
// usable; changes are refused.
func (h *Holder) Close() error {
	h.lockIdle()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
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
// the change seq and nothing else: whatever was applied beyond it since the account
// was taken must be applied again, and what is on disk is what is served.
func (r *Rebuild) Publish(seq int64) error {
	if err := r.bw.seal(seq, r.world); err != nil {
		r.bw.discard()
		return err
	}
	h := r.h
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		r.bw.discard()
		return errClosed
	}
	// The log goes first: with the old base it is a hole that Open notices, while
	// an old log on the new base could bring back what the rebuild left out.
	if err := h.log.restart(seq, false); err != nil {
		r.bw.discard()
		return err
	}
	b, err := r.bw.install()
	if err != nil {
		h.log.broken = err
		return err
	}
	h.log.broken = nil
	h.current.Store(&Table{seq: seq, world: r.world, base: b, links: int(b.header.links)})
	return nil
}
