package eventloop

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/sluicehq/sluice/internal/redirect"
)

// handoff is the listener through which net/http gets its connections.
type handoff struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// handoffMax is how many connections may wait for net/http. It accepts at once,
// so more than a few mean that the process has no time left.
const handoffMax = 1024

func newHandoff() *handoff {
	return &handoff{conns: make(chan net.Conn, handoffMax), closed: make(chan struct{})}
}

func (h *handoff) give(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	default:
		return false
	}
}

func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handoff) Close() error   { h.once.Do(func() { close(h.closed) }); return nil }
func (h *handoff) Addr() net.Addr { return &net.TCPAddr{} }

// resumed is a connection whose first bytes were read already.
type resumed struct {
	net.Conn
	first  []byte
	peer   netip.AddrPort // who the visitor is, if a proxy told
	secure bool           // the visitor reached that proxy over TLS
	once   sync.Once
	ended  func()
}

// handOver gives a connection to net/http, with the bytes that it has not seen. The
// descriptor is net/http's from then on, or closed.
func (s *Server) handOver(fd int, v *visitor, rest []byte) {
	file := os.NewFile(uintptr(fd), "visitor")
	conn, err := net.FileConn(file)
	_ = file.Close() // net has its own copy
	if err != nil {
		s.counters.open.Add(-1)
		return
	}
	s.counters.others.Add(1)
	r := &resumed{Conn: conn, first: append([]byte(nil), rest...), secure: v.secure, ended: func() {
		s.counters.others.Add(-1)
		s.counters.open.Add(-1)
	}}
	if v.proxied {
		r.peer = netip.AddrPortFrom(v.peer, v.port)
	}
	if s.counters.others.Load() > int64(s.options.OtherConnections) || !s.handoff.give(r) {
		s.counters.rejected.Add(1)
		_ = r.Close()
		return
	}
	s.counters.handed.Add(1)
}

func (r *resumed) Read(p []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(p, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}

// RemoteAddr is the visitor's address.
func (r *resumed) RemoteAddr() net.Addr {
	if r.peer.IsValid() {
		return net.TCPAddrFromAddrPort(r.peer)
	}
	return r.Conn.RemoteAddr()
}

func (r *resumed) Close() error {
	r.once.Do(r.ended)
	return r.Conn.Close()
}

// connContext tells the redirect what only the connection knows.
func connContext(ctx context.Context, c net.Conn) context.Context {
	if r, ok := c.(*resumed); ok && r.secure {
		return redirect.WithSecureVisitor(ctx)
	}
	return ctx
}
