package app

import (
	"net"
	"sync"
	"sync/atomic"
)

// countedListener closes connections at once that are too many. Letting them wait
// would tell a flood that it works.
type countedListener struct {
	net.Listener
	max            int64
	open, rejected atomic.Int64
}

// Accept waits for a connection that there is room for.
func (l *countedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.max {
			return &countedConn{Conn: c, listener: l}, nil
		}
		l.open.Add(-1)
		l.rejected.Add(1)
		_ = c.Close() // it was never used
	}
}

type countedConn struct {
	net.Conn
	listener *countedListener
	once     sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.listener.open.Add(-1) })
	return c.Conn.Close()
}
