package eventloop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Server answers visitors on one address.
type Server struct {
	options  Options
	names    *names // of the headers that matter
	address  net.Addr
	loops    []*loop
	running  sync.WaitGroup
	failed   chan error // the first reason why a loop has ended
	others   *http.Server
	handoff  *handoff
	counters counters
}

// counters are touched when connections come and go, not by plain requests.
type counters struct {
	open, others                                 atomic.Int64
	accepted, handed, rejected, evicted, expired atomic.Int64
	aborted                                      atomic.Int64
}

// Listen starts to serve on a TCP address.
func Listen(address string, o Options) (_ *Server, err error) {
	o.setDefaults()
	s := &Server{options: o, names: newNames(strings.ToLower(o.CountryHeader)), failed: make(chan error, 1), handoff: newHandoff()}
	s.limitConnections()
	sockets, err := listenSockets(address, o.Loops, o.Inherited)
	if err != nil {
		return nil, err
	}
	s.address = sockets.address
	for i := range o.Loops {
		l, err := newLoop(s, i, sockets.of(i, o.Loops))
		if err != nil {
			s.closeLoops()
			sockets.close()
			return nil, err
		}
		s.loops = append(s.loops, l)
	}
	s.others = &http.Server{
		Handler: o.Others, ReadHeaderTimeout: o.HeaderTimeout, ReadTimeout: o.HeaderTimeout, WriteTimeout: o.WriteTimeout,
		IdleTimeout: o.IdleTimeout, MaxHeaderBytes: o.HeaderBytes, ConnContext: connContext,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	for _, l := range s.loops {
		s.running.Go(func() {
			if err := l.run(); err != nil {
				select {
				case s.failed <- fmt.Errorf("event loop %d ended: %w", l.number, err):
				default:
				}
			}
		})
	}
	go func() { _ = s.others.Serve(s.handoff) }()
	return s, nil
}

func (s *Server) closeLoops() {
	for _, l := range s.loops {
		l.closeAll()
	}
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.address }

// Wait returns when the server has stopped, with the reason if it was not asked to.
func (s *Server) Wait() error {
	stopped := make(chan struct{})
	go func() {
		s.running.Wait()
		close(stopped)
	}()
	select {
	case err := <-s.failed:
		return err
	case <-stopped:
		return nil
	}
}

// Listeners returns copies of the listening sockets, for the process that is to
// replace this one. The caller closes them.
func (s *Server) Listeners() ([]*os.File, error) {
	var files []*os.File
	for _, l := range s.loops {
		more, err := l.listenerFiles()
		files = append(files, more...)
		if err != nil {
			for _, f := range files {
				_ = f.Close()
			}
			return nil, err
		}
	}
	return files, nil
}

// Leave stops accepting, because another process does that now, and lets every
// connection end by itself: after its next answer, or when it has been idle for too
// long. It returns when none is left, or with the context's error when that ends;
// Shutdown must follow.
func (s *Server) Leave(ctx context.Context) error {
	for _, l := range s.loops {
		l.tell(leaving)
	}
	s.others.SetKeepAlivesEnabled(false) // ends the idle ones; their clients know that they may be ended
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for s.counters.open.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d connections are still open: %w", s.counters.open.Load(), ctx.Err())
		}
	}
	return nil
}

// Shutdown stops accepting, answers what has arrived and ends the connections.
func (s *Server) Shutdown(ctx context.Context) error {
	for _, l := range s.loops {
		l.tell(stopping)
	}
	stopped := make(chan struct{})
	go func() {
		s.running.Wait()
		close(stopped)
	}()
	var err error
	select {
	case <-stopped:
	case <-ctx.Done():
		err = fmt.Errorf("an event loop does not stop: %w", ctx.Err())
	}
	return errors.Join(err, s.others.Shutdown(ctx))
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	n := &s.counters
	return Stats{Open: n.open.Load(), Others: n.others.Load(), Accepted: n.accepted.Load(), HandedOn: n.handed.Load(),
		Rejected: n.rejected.Load(), Evicted: n.evicted.Load(), Expired: n.expired.Load(), Aborted: n.aborted.Load()}
}
