package queuetest

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Link is the way from one reader or producer to the broker. It can be cut, or swallow
// everything, and be mended.
type Link struct {
	mu    sync.Mutex
	state linkState
	conns map[*linkConn]bool
}

type linkState int

const (
	whole linkState = iota
	cut
	silent
)

// Dial opens a connection over the link.
func (l *Link) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	state := l.state
	l.mu.Unlock()
	switch state {
	case cut:
		return nil, errors.New("the link is cut")
	case silent:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &linkConn{Conn: conn, link: l, closed: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		l.conns = map[*linkConn]bool{}
	}
	l.conns[c] = true
	return c, nil
}

// Cut closes all connections and refuses others.
func (l *Link) Cut() { l.become(cut) }

// Silence keeps the connections, but nothing goes through them, and no other is made.
func (l *Link) Silence() { l.become(silent) }

// Mend lets connections be made again. The old ones are closed.
func (l *Link) Mend() { l.become(whole) }

func (l *Link) become(s linkState) {
	l.mu.Lock()
	l.state = s
	var close []*linkConn
	if s != silent {
		for c := range l.conns {
			close = append(close, c)
		}
	}
	l.mu.Unlock()
	for _, c := range close {
		_ = c.Close() // it may be closed already
	}
}

func (l *Link) isSilent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state == silent
}

type linkConn struct {
	net.Conn
	link   *Link
	once   sync.Once
	closed chan struct{}

	deadline atomic.Int64 // for reading, as Unix time in nanoseconds
}

// Read throws away what comes over a silent link, the end included, until the deadline.
func (c *linkConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if !c.link.isSilent() || errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if err == nil {
			continue
		}
		select {
		case <-c.closed:
			return 0, net.ErrClosed
		case <-time.After(time.Until(time.Unix(0, c.deadline.Load()))):
			return 0, os.ErrDeadlineExceeded
		}
	}
}

func (c *linkConn) SetReadDeadline(t time.Time) error {
	c.deadline.Store(t.UnixNano())
	return c.Conn.SetReadDeadline(t)
}

func (c *linkConn) SetDeadline(t time.Time) error {
	c.deadline.Store(t.UnixNano())
	return c.Conn.SetDeadline(t)
}

func (c *linkConn) Write(p []byte) (int, error) {
	if c.link.isSilent() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *linkConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.link.mu.Lock()
		delete(c.link.conns, c)
		c.link.mu.Unlock()
	})
	return c.Conn.Close()
}
