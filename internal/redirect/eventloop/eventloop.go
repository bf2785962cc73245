// Package eventloop serves visits from one event loop for each core. The common
// request, a plain GET or HEAD, is parsed, answered and recorded on the loop
// without a goroutine, a lock or an allocation of its own. Everything else is
// handed with its connection and all its bytes to net/http, which decides with the
// same code.
//
// What a client can hold is bounded: its connections by number and by idle time,
// a request's head by size and by time, what it does not read by bytes.
package eventloop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"

	"github.com/sluicehq/sluice/internal/redirect"
)

// Options of a Server. Redirector and Record must be set.
type Options struct {
	Redirector *redirect.Redirector
	Record     redirect.Record // where visits are recorded
	// CountryHeader in which a trusted proxy names the visitor's country.
	CountryHeader string
	Loops         int           // event loops; one for each core when zero
	HeaderBytes   int           // of one request's head; 16 KiB when zero
	HeaderTimeout time.Duration // for a request's head to arrive; 10 s when zero
	IdleTimeout   time.Duration // of a connection between requests; 2 min when zero
	Connections   int           // at the same time; 50,000 when zero
	Logger        *slog.Logger
}

func (o *Options) setDefaults() {
	if o.HeaderBytes == 0 {
		o.HeaderBytes = 16 << 10
	}
	if o.HeaderTimeout == 0 {
		o.HeaderTimeout = 10 * time.Second
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = 2 * time.Minute
	}
	if o.Connections == 0 {
		o.Connections = 50_000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// unreadMax is how many bytes of answers a client may leave unread.
const unreadMax = 256 << 10

// Server answers visitors on one address.
type Server struct {
	gnet.BuiltinEventEngine
	options  Options
	country  string // the header's name in lower case
	engine   gnet.Engine
	booted   chan struct{}
	address  net.Addr
	stopped  chan error
	others   *http.Server
	handoff  *handoff
	open     sync.Map // *visitor → struct{}: for the sweeper; touched when connections come and go
	count    atomic.Int64
	date     atomic.Pointer[[]byte]
	scratch  sync.Pool
	handed   atomic.Int64
	rejected atomic.Int64
}

// visitor is a connection.
type visitor struct {
	conn    gnet.Conn
	peer    netip.Addr
	waiting atomic.Int64 // Unix seconds since when the client owes us bytes
	head    atomic.Bool  // part of a request is here
}

// scratch is what answering takes. Loops take one and give it back.
type scratch struct {
	request redirect.Request
	answer  *redirect.Answer
	out     []byte
}

// Listen starts to serve on a TCP address.
func Listen(address string, o Options) (*Server, error) {
	o.setDefaults()
	s := &Server{options: o, country: strings.ToLower(o.CountryHeader), booted: make(chan struct{}), stopped: make(chan error, 1), handoff: newHandoff()}
	s.scratch.New = func() any { return &scratch{answer: o.Redirector.NewAnswer(o.Record)} }
	s.tellTime(time.Now())
	s.others = &http.Server{
		Handler: o.Redirector.Handler(o.CountryHeader, o.Record), ReadHeaderTimeout: o.HeaderTimeout, WriteTimeout: 10 * time.Second,
		IdleTimeout: o.IdleTimeout, MaxHeaderBytes: o.HeaderBytes,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	// The address is probed first: the event loop's own listeners share a port
	// with whoever asks for that too, and would hide that another program has it.
	probe, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s.address = probe.Addr()
	if err := probe.Close(); err != nil {
		return nil, err
	}
	go func() {
		s.stopped <- gnet.Run(s, "tcp://"+s.address.String(), gnet.WithOptions(gnet.Options{
			Multicore: o.Loops == 0, NumEventLoop: o.Loops, ReusePort: true, Ticker: true, TCPNoDelay: gnet.TCPNoDelay,
			ReadBufferCap: 16 << 10, LogLevel: logging.ErrorLevel, Logger: quiet{o.Logger},
		}))
	}()
	select {
	case <-s.booted:
	case err := <-s.stopped:
		return nil, err
	}
	go func() { _ = s.others.Serve(s.handoff) }()
	return s, nil
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.address }

// Wait returns when the server has stopped, with the reason if it was not asked to.
func (s *Server) Wait() error {
	err := <-s.stopped
	s.stopped <- err
	return err
}

// Shutdown stops accepting and ends the connections. Answers that were decided
// are sent.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.engine.Stop(ctx)
	return errors.Join(err, s.others.Shutdown(ctx))
}

// Stats counts connections.
type Stats struct {
	Open     int64 // now
	HandedOn int64 // to net/http, since the start
	Rejected int64 // because there were too many, since the start
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	return Stats{Open: s.count.Load(), HandedOn: s.handed.Load(), Rejected: s.rejected.Load()}
}

// OnBoot is called by the engine when it listens.
func (s *Server) OnBoot(engine gnet.Engine) gnet.Action {
	s.engine = engine
	close(s.booted)
	return gnet.None
}

// OnOpen is called for each new connection.
func (s *Server) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	if s.count.Add(1) > int64(s.options.Connections) {
		s.rejected.Add(1)
		return nil, gnet.Close
	}
	v := &visitor{conn: c}
	if at, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		v.peer = at.AddrPort().Addr().WithZone("")
	}
	v.waiting.Store(time.Now().Unix())
	c.SetContext(v)
	s.open.Store(v, struct{}{})
	return nil, gnet.None
}

// OnClose is called when a connection has ended.
func (s *Server) OnClose(c gnet.Conn, _ error) gnet.Action {
	s.count.Add(-1)
	if v, ok := c.Context().(*visitor); ok {
		s.open.Delete(v)
	}
	return gnet.None
}

// OnTraffic answers every whole request that has arrived.
func (s *Server) OnTraffic(c gnet.Conn) gnet.Action {
	in, err := c.Peek(-1)
	if err != nil {
		return gnet.Close
	}
	v := c.Context().(*visitor)
	sc := s.scratch.Get().(*scratch)
	defer s.scratch.Put(sc)
	sc.out = sc.out[:0]
	used, action := 0, gnet.None
	for used < len(in) && action == gnet.None {
		sc.request.Peer = v.peer
		n, keepAlive, o := parse(in[used:], &sc.request, s.country)
		if o == partial && len(in)-used <= s.options.HeaderBytes {
			break
		}
		if o != whole {
			action = s.handOver(c, sc, in[used:])
			used = len(in)
			break
		}
		s.options.Redirector.Answer(&sc.request, sc.answer)
		sc.out = sc.answer.AppendHTTP(sc.out, *s.date.Load(), sc.request.Head, keepAlive)
		used += n
		if !keepAlive {
			action = gnet.Close
		}
	}
	v.await(used < len(in))
	if used > 0 { // to the engine, discarding nothing means everything
		if _, err := c.Discard(used); err != nil {
			return gnet.Close
		}
	}
	if len(sc.out) > 0 {
		if _, err := c.Write(sc.out); err != nil {
			return gnet.Close
		}
	}
	if c.OutboundBuffered() > unreadMax {
		return gnet.Close
	}
	return action
}

// await notes since when the client owes bytes. A request that comes in pieces has
// its time from the first piece.
func (v *visitor) await(head bool) {
	if was := v.head.Swap(head); !was || !head {
		v.waiting.Store(time.Now().Unix())
	}
}

// handOver gives the connection to net/http, with the bytes that it has not seen.
// Answers to earlier requests of the pipeline go first.
func (s *Server) handOver(c gnet.Conn, sc *scratch, rest []byte) gnet.Action {
	if len(sc.out) > 0 {
		if _, err := c.Write(sc.out); err != nil {
			return gnet.Close
		}
		sc.out = sc.out[:0]
	}
	fd, err := c.Dup()
	if err != nil {
		return gnet.Close
	}
	file := os.NewFile(uintptr(fd), "visitor")
	conn, err := net.FileConn(file)
	_ = file.Close() // net has its own copy
	if err != nil {
		return gnet.Close
	}
	if !s.handoff.give(&resumed{Conn: conn, first: append([]byte(nil), rest...)}) {
		_ = conn.Close()
		return gnet.Close
	}
	s.handed.Add(1)
	return gnet.Close
}

// OnTick ends the connections of clients who keep us waiting, and tells the time.
func (s *Server) OnTick() (time.Duration, gnet.Action) {
	now := time.Now()
	s.tellTime(now)
	s.open.Range(func(key, _ any) bool {
		v := key.(*visitor)
		limit := s.options.IdleTimeout
		if v.head.Load() {
			limit = s.options.HeaderTimeout
		}
		if now.Unix()-v.waiting.Load() > int64(limit/time.Second) {
			_ = v.conn.CloseWithCallback(nil) // it may just have ended by itself
		}
		return true
	})
	return time.Second, gnet.None
}

func (s *Server) tellTime(now time.Time) {
	b := []byte(now.UTC().Format(http.TimeFormat))
	s.date.Store(&b)
}

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
	first []byte
}

func (r *resumed) Read(p []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(p, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}

// quiet passes the engine's errors to the program's log.
type quiet struct{ *slog.Logger }

func (q quiet) Debugf(format string, args ...any) { q.Debug(fmt.Sprintf(format, args...)) }
func (q quiet) Infof(format string, args ...any)  { q.Debug(fmt.Sprintf(format, args...)) }
func (q quiet) Warnf(format string, args ...any)  { q.Debug(fmt.Sprintf(format, args...)) }
func (q quiet) Errorf(format string, args ...any) { q.Debug(fmt.Sprintf(format, args...)) }
func (q quiet) Fatalf(format string, args ...any) { q.Error(fmt.Sprintf(format, args...)) }

var _ gnet.EventHandler = (*Server)(nil)
