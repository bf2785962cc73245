package routing

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
)

// peeksMax is how often a table is read that does not fit its log: the two are
// replaced one after the other.
const peeksMax = 200

// errBehind is why a log refuses changes whose file lacks some that are served.
var errBehind = errors.New("the saved table is behind the one that is served")

// Peek loads the table that another process keeps in the folder, and changes nothing
// there. The holder serves it and refuses changes, until Own.
func Peek(o Options) (*Holder, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OverlayMax == 0 {
		o.OverlayMax = defaultOverlay
	}
	h := &Holder{options: o, closed: true}
	for i := 1; ; i++ {
		err := h.peek()
		if err == nil || i == peeksMax || !errors.Is(err, errOtherBase) {
			return h, err
		}
		if o.Pause != nil {
			o.Pause()
		}
	}
}

func (h *Holder) peek() error {
	t := &Table{world: newWorld(), base: emptyBase}
	b, w, err := openBase(h.path())
	switch {
	case err == nil:
		t = &Table{seq: b.header.seq, world: w, base: b, links: int(b.header.links)}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	h.current.Store(t)
	h.log = &changeLog{path: h.path() + ".changes", seq: t.seq}
	f, err := os.Open(h.log.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the log of link changes cannot be opened: %w", err)
	}
	defer func() { _ = f.Close() }()
	reading := &changeLog{path: h.log.path, f: f, seq: t.seq}
	err = reading.replay(t.seq, h.replayed)
	h.log.seq = reading.seq
	if err != nil && !errors.Is(err, errOtherBase) {
		h.options.Logger.Warn("the log of link changes cannot be read to its end; what follows is served when this process owns it",
			"file", h.log.path, "offset", reading.size, "reason", err)
		return nil
	}
	return err
}

// Own makes this process the only one that writes the folder, once the other has
// gone. What that has saved meanwhile is served from then on.
func (h *Holder) Own() error {
	saved, err := Open(h.options)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log, h.closed = saved.log, false
	if theirs := saved.Current(); theirs.seq >= h.Current().seq {
		h.current.Store(theirs)
	} else {
		h.log.broken = errBehind // so that the next change writes all of it
	}
	return nil
}
