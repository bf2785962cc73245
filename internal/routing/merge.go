package routing

import (
	"errors"
	"os"
)

// merge is a new base in the making: what the table was when it began, without
// what has changed since. It holds no lock while it reads, writes and waits for the
// disk; the lock is for its last moments, when names change.
type merge struct {
	from  *Table
	log   int64 // where in the log the changes begin that it will not hold
	pace  *pace
	ended chan struct{}
}

// beginMerge is called with the lock held and no merge under way.
func (h *Holder) beginMerge() *merge {
	m := &merge{from: h.Current(), log: h.log.size, pace: newPace(h.options.Pause), ended: make(chan struct{})}
	h.merging = m
	h.current.Store(m.from.freeze())
	return m
}

// run writes a table's base and overlay into a new base, while changes go on.
func (h *Holder) run(m *merge) {
	bw, err := m.from.write(h.path(), m.pace)
	var next *successor
	if err == nil {
		next = h.prepareLog(m)
	}
	h.mu.Lock()
	err = h.finish(m, bw, next, err)
	h.mu.Unlock()
	switch {
	case err == nil:
		m.from.base.letGo()
	case !errors.Is(err, errAbandoned):
		h.options.Logger.Error("the routing table could not be saved; it will be tried again at the next change",
			"file", h.path(), "reason", err)
	}
}

// prepareLog copies what the log has taken since the merge began. Nil means that the
// log cannot be shortened, which costs nothing but time at the next start.
func (h *Holder) prepareLog(m *merge) *successor {
	end := func() (*os.File, int64) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.log.f, h.log.size
	}
	next, err := h.log.succeed(m.from.seq, m.log)
	// The second round copies what came during the first, so that little is left.
	for round := 0; round < 2 && err == nil; round++ {
		err = next.catchUp(end())
	}
	if err == nil {
		return next
	}
	if next != nil {
		next.discard()
	}
	if h.Current().base == m.from.base { // else a rebuilt table has a new log already
		h.logNotShortened(err)
	}
	return nil
}

func (h *Holder) logNotShortened(err error) {
	h.options.Logger.Error("the log of link changes could not be shortened", "file", h.log.path, "reason", err)
}

// finish ends a merge, with the lock held: with a written base, or with the reason why
// there is none.
func (h *Holder) finish(m *merge, bw *baseWriter, next *successor, err error) error {
	close(m.ended)
	h.merging = nil
	if next != nil {
		defer next.discard() // of no effect when it has become the log
	}
	if h.Current().base != m.from.base {
		if bw != nil {
			bw.discard() // a rebuilt table has come; the old one must not replace it
		}
		return errAbandoned
	}
	var b *base
	if err == nil {
		b, err = bw.install()
	}
	if err != nil {
		h.current.Store(h.Current().thaw())
		return err
	}
	now := h.Current().rebase(b)
	h.current.Store(now)
	if next == nil {
		return nil
	}
	if err := h.log.become(next); err != nil {
		h.logNotShortened(err)
	} else if now.seq == b.header.seq {
		h.log.broken = nil
	}
	return nil
}

// write saves the table as a base beside path, sealed but without its name.
func (t *Table) write(path string, p *pace) (*baseWriter, error) {
	bw, err := newBaseWriter(path, p)
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
		if _, changed := t.changedTo(hashName(site, slug), site, slug); changed {
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
	m := h.beginMerge()
	m.pace.hurry()
	bw, err := t.write(h.path(), m.pace)
	var next *successor
	if err == nil {
		if next, err = h.log.succeed(t.seq, h.log.size); err != nil {
			h.logNotShortened(err)
			err = nil
		}
	}
	return h.finish(m, bw, next, err)
}

// lockIdle takes the lock at a moment when no merge is under way, and hurries one
// that is.
func (h *Holder) lockIdle() {
	h.mu.Lock()
	for h.merging != nil {
		m := h.merging
		m.pace.hurry()
		h.mu.Unlock()
		<-m.ended
		h.mu.Lock()
	}
}
