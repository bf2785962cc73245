//go:build !linux

package eventloop

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
)

// Server answers visitors on one address.
type Server struct {
	http     *http.Server
	listener net.Listener
	stopped  chan error
}

// Listen starts to serve on a TCP address.
func Listen(address string, o Options) (*Server, error) {
	o.setDefaults()
	if len(o.Inherited) > 0 || len(o.Announcing) > 0 {
		return nil, errors.New("inherited sockets and the PROXY protocol need Linux")
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{listener: l, stopped: make(chan error, 1), http: &http.Server{
		Handler: o.Others, ReadHeaderTimeout: o.HeaderTimeout, ReadTimeout: o.HeaderTimeout, WriteTimeout: o.WriteTimeout,
		IdleTimeout: o.IdleTimeout, MaxHeaderBytes: o.HeaderBytes,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}}
	go func() {
		err := s.http.Serve(l)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		s.stopped <- err
	}()
	return s, nil
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Wait returns when the server has stopped, with the reason if it was not asked to.
func (s *Server) Wait() error {
	err := <-s.stopped
	s.stopped <- err
	return err
}

// Listeners returns nothing: a process cannot be replaced here.
func (s *Server) Listeners() ([]*os.File, error) {
	return nil, errors.New("handing over sockets needs Linux")
}

// Leave stops accepting and lets every connection end by itself.
func (s *Server) Leave(ctx context.Context) error { return s.http.Shutdown(ctx) }

// Shutdown stops accepting and ends the connections.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

// Stats returns the counts, which nobody keeps here.
func (s *Server) Stats() Stats { return Stats{} }
