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
)

// Holder publishes the current table and keeps it on disk. Current may be called
// by anybody at any time; changes are applied one after the other.
type Holder struct {
	current atomic.Pointer[Table]
	options Options

	mu      sync.Mutex // guards what follows and the order of changes
	log     *changeLog
	merging *merge // under way; nil for none
	closed  bool
}

// Options of a Holder.
type Options struct {
	// Dir keeps the table between starts. It is created when missing.
	Dir string
	// OverlayMax is how many changed links are kept beside the base before a new
	// base is written in the background; 50,000 when zero.
	OverlayMax int
	// Pause is called between the steps of writing a base, each of about a
	// millisecond. It should sleep as long: a goroutine that merely yields keeps
	// its processor from looking after what waits at another. It is runtime.Gosched
	// when nil.
	Pause  func()
	Logger *slog.Logger
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
	h.log, err = openChangeLog(h.path()+".changes", h.Current().seq, h.replayed, h.options.Logger)
	return err
}

// replayed applies changes that are in the log already.
func (h *Holder) replayed(changes []Change) error {
	next, err := h.Current().with(h.Current().fresh(changes))
	if err != nil {
		return err
	}
	h.current.Store(next)
	return nil
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
		go h.run(h.beginMerge())
	}
	return nil
}

// Saved says up to which change the table is on disk.
func (h *Holder) Saved() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(h.Current().base.header.seq, h.log.seq)
}

// Close closes the log. The current table stays usable; changes are refused. A merge
// under way is given up, for the log has what it would have saved, or is waited for
// when the log has not.
func (h *Holder) Close() error {
	h.mu.Lock()
	if h.merging != nil && h.log.broken == nil {
		h.merging.pace.abandon()
	}
	h.mu.Unlock()
	h.lockIdle()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	return h.log.close()
}
