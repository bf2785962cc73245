package ingest

import "sync"

// Journal keeps records; journal.Journal says what its methods promise.
type Journal interface {
	AppendAll(records [][]byte) (kept int, err error)
	Sync() error
}

// syncs lets requests that come at the same time share one sync of the journal.
type syncs struct {
	journal Journal
	mu      sync.Mutex // guards next
	next    *round     // not begun yet
	one     sync.Mutex // held by the round under way
}

type round struct {
	done chan struct{}
	err  error
}

// sync returns when all that was appended before is on the disk. A round that has begun may
// have missed it, so it waits for the next.
func (s *syncs) sync() error {
	s.mu.Lock()
	r, leads := s.next, s.next == nil
	if leads {
		r = &round{done: make(chan struct{})}
		s.next = r
	}
	s.mu.Unlock()
	if leads {
		s.one.Lock()
		s.mu.Lock()
		s.next = nil
		s.mu.Unlock()
		r.err = s.journal.Sync()
		close(r.done)
		s.one.Unlock()
	}
	<-r.done
	return r.err
}
