package load

import (
	"bytes"
	"fmt"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// conn is one connection of a browser.
type conn struct {
	index   int32
	fd      int
	state   int
	to      *target
	waiting bool          // in the ring of those that can take a request
	sent    int           // requests since it was made
	open    ring[request] // not answered yet, oldest first
	in      []byte        // of answers, not yet read
	out     []byte        // of requests, not yet taken by the kernel
	cookie  []byte        // NAME=VALUE that came last
}

const (
	down = iota
	connecting
	up
)

// request is one that has no answer yet.
type request struct {
	due  int64 // when it should have been sent
	link int
}

// connectMissing begins to make the connections that are not there.
func (c *Client) connectMissing(now int64) error {
	c.retryAt = now + retryInterval
	for i := range c.conns {
		if c.conns[i].state == down {
			if err := c.connect(&c.conns[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Client) connect(k *conn) error {
	fd, err := unix.Socket(c.here.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("a socket: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("a socket: %w", err)
	}
	if err := unix.Connect(fd, c.here.address); err != nil && err != unix.EINPROGRESS {
		c.result.NotConnected++
		return unix.Close(fd)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: k.index}
	if err := unix.EpollCtl(c.poll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("epoll: %w", err)
	}
	k.fd, k.state, k.to, k.sent = fd, connecting, c.here, 0
	if k.in == nil {
		k.in = make([]byte, 0, answerBytesMax)
	}
	k.in, k.out, k.cookie = k.in[:0], k.out[:0], k.cookie[:0]
	c.missing--
	return nil
}

// happened deals with what epoll says of a connection.
func (c *Client) happened(k *conn, events uint32) error {
	if k.state == connecting {
		code, err := unix.GetsockoptInt(k.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil || code != 0 || events&unix.EPOLLHUP != 0 {
			c.result.NotConnected++
			c.drop(k)
			return nil
		}
		if events&unix.EPOLLOUT == 0 {
			return nil
		}
		k.state = up
		c.up++
		c.result.Connected++
	}
	if k.state == up && len(k.out) > 0 && events&unix.EPOLLOUT != 0 {
		rest := k.out
		k.out = k.out[:0]
		c.write(k, rest)
	}
	if k.state == up && events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.read(k, events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0)
	}
	if k.state == up && k.open.n == 0 && c.spent(k) {
		c.drop(k)
		return c.connect(k)
	}
	return nil
}

// spent says that a connection takes no more requests.
func (c *Client) spent(k *conn) bool {
	return k.to != c.here || c.options.Renew > 0 && k.sent >= c.options.Renew
}

func (c *Client) canSend(k *conn) bool {
	return k.state == up && k.open.n < len(k.open.slots) && !c.spent(k)
}

// drop closes a connection; what it carried is broken off.
func (c *Client) drop(k *conn) {
	_ = unix.Close(k.fd)
	if k.state == up {
		c.up--
	}
	c.result.Broken += int64(k.open.n)
	c.inflight -= k.open.n
	k.state, k.open.n = down, 0
	c.missing++
}

// read takes what has arrived. Edges are all that epoll tells: a connection that
// has ended is read to its end.
func (c *Client) read(k *conn, toTheEnd bool) {
	for k.state == up {
		room := k.in[len(k.in):cap(k.in)]
		n, errno := recv(k.fd, room)
		switch {
		case errno == unix.EAGAIN:
			return
		case errno == unix.EINTR:
			continue
		case errno != 0 || n == 0:
			c.drop(k)
			return
		}
		k.in = k.in[:len(k.in)+n]
		c.answers(k)
		if n < len(room) && !toTheEnd {
			return
		}
	}
}

// answers reads the whole answers of what has arrived.
func (c *Client) answers(k *conn) {
	now, rest := c.now(), k.in
	var a answer
	for len(rest) > 0 {
		whole, err := a.read(rest)
		if err == nil && k.open.n == 0 {
			err = fmt.Errorf("an answer that nobody asked for: %.60q", rest)
		}
		if err == nil && !whole && len(rest) == answerBytesMax {
			err = fmt.Errorf("an answer without end: %.60q", rest)
		}
		if err != nil {
			c.wrong(k, err)
			return
		}
		if !whole {
			break
		}
		rest = rest[a.size:]
		r := k.open.take()
		c.inflight--
		c.judge(k, &a, r, now)
		if a.last {
			c.drop(k)
			return
		}
	}
	k.in = k.in[:copy(k.in, rest)]
}

// wrong ends a connection over which something came that is no answer.
func (c *Client) wrong(k *conn, err error) {
	c.fault("%s", err)
	c.result.Wrong++
	if k.open.n > 0 {
		k.open.take()
		c.inflight--
	} else {
		c.result.Sent++ // so that the sum stays what it is said to be
	}
	c.drop(k)
}

func (c *Client) fault(format string, args ...any) {
	if c.result.FirstFault == "" {
		c.result.FirstFault = fmt.Sprintf(format, args...)
	}
}

// judge counts an answer.
func (c *Client) judge(k *conn, a *answer, r request, now int64) {
	if a.status != 302 {
		c.result.Refused++
		c.fault("%d for %s", a.status, Slug(r.link))
		return
	}
	c.head = appendHead(c.head[:0], r.link)
	id, right := bytes.CutPrefix(a.location, c.head)
	if right && c.ids != nil {
		right = c.remember(id)
	}
	if !right {
		c.result.Wrong++
		c.fault("%s leads to %q", Slug(r.link), a.location)
		return
	}
	c.result.Answered++
	record(c.wait, now-r.due)
	if c.options.Returning > 0 && len(a.cookie) > 0 {
		k.cookie = append(k.cookie[:0], a.cookie...)
	}
}

// remember writes down the click's id, with which the rest of a Location begins.
func (c *Client) remember(rest []byte) bool {
	if len(rest) < idBytes || len(rest) > idBytes && rest[idBytes] != '&' {
		return false
	}
	_, _ = c.ids.Write(rest[:idBytes]) // an error stays and comes up at the end
	_ = c.ids.WriteByte('\n')
	return true
}

// appendRequest makes the next request of a connection, due at the given time.
func (c *Client) appendRequest(b []byte, k *conn, due int64) []byte {
	link := c.random.IntN(c.options.Links)
	b = AppendSlug(append(b, "GET /go/"...), link)
	b = append(b, " HTTP/1.1\r\n"...)
	if c.options.Forwarded {
		address := c.random.Uint32()
		b = append(b, "X-Forwarded-For: "...)
		b = strconv.AppendInt(b, int64(11+address>>24%112), 10) // 11 to 122, where no network is private
		for shift := 16; shift >= 0; shift -= 8 {
			b = strconv.AppendInt(append(b, '.'), int64(address>>shift&255), 10)
		}
		b = append(b, "\r\n"...)
	}
	b = append(b, c.browsers[c.random.IntN(browsers)]...)
	if len(k.cookie) > 0 && c.random.Float64() < c.options.Returning {
		b = append(append(b, "; "...), k.cookie...)
	}
	k.open.put(request{due, link})
	k.sent++
	c.inflight++
	c.result.Sent++
	return append(b, headEnd...)
}

// write hands requests to the kernel, what it does not take now when it says so.
func (c *Client) write(k *conn, b []byte) {
	if len(k.out) > 0 {
		k.out = append(k.out, b...)
		return
	}
	for len(b) > 0 {
		n, errno := send(k.fd, b)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			k.out = append(k.out[:0], b...)
			return
		case errno != 0:
			c.drop(k)
			return
		}
		b = b[n:]
	}
}

// The calls of the loop never block, so the Go scheduler need not know of them.

func recv(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	return taken(n, errno)
}

func send(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return taken(n, errno)
}

func taken(n uintptr, errno unix.Errno) (int, unix.Errno) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// epoll waits so many nanoseconds for events.
func (c *Client) epoll(timeout int64) (n int, err error) {
	c.timeout = unix.NsecToTimespec(timeout)
	events, count, wait := uintptr(unsafe.Pointer(unsafe.SliceData(c.events))), uintptr(len(c.events)), uintptr(unsafe.Pointer(&c.timeout))
	var got uintptr
	var errno unix.Errno
	if timeout > 0 {
		got, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(c.poll), events, count, wait, 0, 0)
	} else {
		got, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(c.poll), events, count, wait, 0, 0)
	}
	if n, errno = taken(got, errno); errno == unix.EINTR {
		return 0, nil
	} else if errno != 0 {
		return 0, errno
	}
	return n, nil
}
