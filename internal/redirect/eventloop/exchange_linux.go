package eventloop

import (
	"golang.org/x/sys/unix"

	"github.com/sluicehq/sluice/internal/redirect"
)

// exchange is what one visitor has sent in a round, and the answers to it.
type exchange struct {
	visitor  *visitor
	in       []byte            // not answered yet
	request  *redirect.Request // the next to answer, nil for none
	bytes    int               // of it
	lasts    bool              // the connection goes on behind it
	from, to int               // the answers, in the loop's out
	then     step
}

// receive takes what a visitor has sent and returns how much of b it has used.
func (l *loop) receive(v *visitor, b []byte) int {
	if v.lingering {
		if n, errno := receive(v.fd, b); n <= 0 && errno != unix.EAGAIN && errno != unix.EINTR {
			l.end(v)
		}
		return 0
	}
	if len(v.in) > 0 {
		return l.receiveMore(v)
	}
	n, errno := receive(v.fd, b)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return 0
	case errno != 0:
		l.abort(v)
		return 0
	case n == 0:
		l.end(v)
		return 0
	}
	l.exchanges = append(l.exchanges, exchange{visitor: v, in: b[:n]})
	return n
}

// receiveMore takes the next part of a head that came in parts.
func (l *loop) receiveMore(v *visitor) int {
	head := len(v.in)
	if cap(v.in)-head < 1024 {
		// More than a head may have shows that it has more.
		bigger := make([]byte, head, max(head+1024, min(max(2*cap(v.in), 4096), l.server.options.HeaderBytes+1024)))
		copy(bigger, v.in)
		l.unfinished += cap(bigger) - cap(v.in)
		v.in = bigger
	}
	n, errno := receive(v.fd, v.in[head:cap(v.in)])
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return 0
	case errno != 0 || n == 0:
		l.abort(v)
		return 0
	}
	v.in = v.in[:head+n]
	l.exchanges = append(l.exchanges, exchange{visitor: v, in: v.in})
	return 0
}

// exchange answers everybody of the round, then sends.
func (l *loop) exchange() {
	if len(l.exchanges) == 0 {
		return
	}
	l.out = l.out[:0]
	for len(l.requests) < len(l.exchanges) {
		l.requests = append(l.requests, redirect.Request{})
	}
	whole := 0
	for i := range l.exchanges {
		if x := &l.exchanges[i]; l.read(x, &l.requests[whole]) {
			whole++
		}
	}
	l.redirector.Expect(l.requests[:whole], l.answer)
	for i := range l.exchanges {
		l.answerAll(&l.exchanges[i])
	}
	l.redirector.Keep(l.answer)
	for i := range l.exchanges {
		l.finish(&l.exchanges[i])
	}
	clear(l.exchanges)
	l.exchanges = l.exchanges[:0]
	l.makeRoom()
}

// read takes the next request of an exchange apart. Where there is no whole one, it says
// what follows.
func (l *loop) read(x *exchange, q *redirect.Request) bool {
	v := x.visitor
	x.request = nil
	if v.unannounced {
		if x.in, x.then = v.announce(x.in); v.unannounced || x.then != goOn {
			return false
		}
	}
	if len(x.in) == 0 {
		return false
	}
	q.Peer, q.TLS, q.Time = v.peer, v.secure, l.now
	n, lasts, o := parse(x.in, q, l.server.names)
	switch {
	case o == whole && !l.server.options.isOther(q.Path):
		x.request, x.bytes, x.lasts = q, n, lasts
	case o != partial || len(x.in) > l.server.options.HeaderBytes:
		x.then = handOver
	}
	return x.request != nil
}

// answerAll answers every whole request of a visitor.
func (l *loop) answerAll(x *exchange) {
	x.from = len(l.out)
	for q := x.request; x.request != nil && len(l.out)-x.from < answersBytesMax; {
		l.redirector.Answer(q, l.answer)
		lasts := x.lasts && !l.leaves
		l.out = l.answer.AppendHTTP(l.out, l.date, q.Head, lasts)
		x.in = x.in[x.bytes:]
		if !lasts {
			x.then = endIt
			break
		}
		l.read(x, q)
	}
	x.to = len(l.out)
}

// finish sends the answers and does what follows them.
func (l *loop) finish(x *exchange) {
	v, out := x.visitor, l.out[x.from:x.to]
	if x.then == breakOff {
		l.abort(v)
		return
	}
	if len(out) > 0 {
		n, errno := send(v.fd, out)
		if errno != 0 && errno != unix.EAGAIN && errno != unix.EINTR {
			l.abort(v)
			return
		}
		if n = max(n, 0); errno != 0 {
			n = 0
		}
		if n < len(out) {
			l.postpone(v, out[n:], x)
			return
		}
	}
	switch x.then {
	case endIt:
		l.last(v, len(x.in) > 0)
	case handOver:
		l.giveAway(v, x.in)
	default:
		l.keep(v, x, len(out) > 0)
	}
}

// keep waits for what comes next.
func (l *loop) keep(v *visitor, x *exchange, answered bool) {
	if len(x.in) == 0 {
		if v.in != nil {
			l.hold(v, nil)
		}
		l.wait(v, &l.idle)
		return
	}
	l.hold(v, x.in)
	if x.to-x.from >= answersBytesMax {
		v.unanswered = true
		l.again = append(l.again, v)
	}
	if answered || v.list != &l.heads { // a head has its time from its first byte
		l.wait(v, &l.heads)
	}
}

// last ends a connection whose last answer was sent.
func (l *loop) last(v *visitor, more bool) {
	if more {
		l.linger(v)
	} else {
		l.end(v)
	}
}

// giveAway leaves the connection to net/http.
func (l *loop) giveAway(v *visitor, rest []byte) {
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, v.fd, nil)
	l.server.handOver(v.fd, v, rest)
	l.forget(v)
}

// postpone keeps answers that the connection does not take now. Nothing more is
// read from a client until it has taken them.
func (l *loop) postpone(v *visitor, rest []byte, x *exchange) {
	if x.then == handOver {
		// It has flooded us with requests, reads no answers, and now comes with
		// something else.
		l.abort(v)
		return
	}
	v.out = append([]byte(nil), rest...)
	v.ending = x.then == endIt
	l.hold(v, x.in)
	l.interest(v, unix.EPOLLOUT)
	l.wait(v, &l.busy)
}

// flush sends what was postponed.
func (l *loop) flush(v *visitor) {
	n, errno := send(v.fd, v.out)
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return
	}
	if errno != 0 {
		l.abort(v)
		return
	}
	if v.out = v.out[n:]; len(v.out) > 0 {
		l.wait(v, &l.busy) // it takes some
		return
	}
	v.out = nil
	if v.ending {
		l.last(v, len(v.in) > 0)
		return
	}
	l.interest(v, unix.EPOLLIN)
	if len(v.in) > 0 {
		v.unanswered = true
		l.again = append(l.again, v)
		l.wait(v, &l.heads)
		return
	}
	l.wait(v, &l.idle)
}

func (l *loop) interest(v *visitor, events uint32) {
	err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, v.fd, &unix.EpollEvent{Events: events, Fd: int32(v.fd)})
	if err != nil && l.visitors[v.fd] == v {
		l.abort(v)
	}
}
