package routing

import "github.com/sluicehq/sluice/internal/affiliate"

// Rebuild fills a new table from a complete account of all links, and replaces the
// current one when it is complete. Until then visitors are served from the old.
type Rebuild struct {
	h     *Holder
	world *world
	bw    *baseWriter
}

// Rebuild begins a new table.
func (h *Holder) Rebuild() (*Rebuild, error) {
	bw, err := newBaseWriter(h.path(), newPace(h.options.Pause))
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
	old, err := h.replace(r, seq)
	if err == nil {
		old.letGo()
	}
	return err
}

// replace puts a sealed base in the place of the current one, which it returns.
func (h *Holder) replace(r *Rebuild, seq int64) (old *base, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		r.bw.discard()
		return nil, errClosed
	}
	// The log goes first: with the old base it is a hole that Open notices, while
	// an old log on the new base could bring back what the rebuild left out.
	if err := h.log.restart(seq); err != nil {
		r.bw.discard()
		return nil, err
	}
	b, err := r.bw.install()
	if err != nil {
		h.log.broken = err
		return nil, err
	}
	if h.merging != nil {
		h.merging.pace.abandon()
	}
	h.log.broken = nil
	old = h.Current().base
	h.current.Store(&Table{seq: seq, world: r.world, base: b, links: int(b.header.links)})
	return old, nil
}
