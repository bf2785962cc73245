package eventloop

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// visitor is a connection, as its loop knows it. One that is idle holds nothing else.
type visitor struct {
	fd          int
	peer        netip.Addr
	port        uint16
	proxied     bool // peer was told by a proxy
	secure      bool // and that it reached the proxy over TLS
	unannounced bool // the proxy has yet to say who it is
	ending      bool // once out is taken
	lingering   bool // only waited for: what it still sends is thrown away
	unanswered  bool // in has whole requests whose turn is the next round

	in  []byte // a head that has arrived in part, or requests that are not answered yet
	out []byte // answers that the client has not taken yet

	list       *waitList
	since      int64 // second at which the wait began
	prev, next *visitor
}

// waitList holds connections by since when they keep us waiting, the longest first.
type waitList struct {
	first, last *visitor
	limit       int64 // seconds
}

// wait puts the visitor at the end of a list.
func (l *loop) wait(v *visitor, list *waitList) {
	if v.list == list && v.since == l.second {
		return
	}
	v.unlist()
	v.list, v.since, v.prev = list, l.second, list.last
	if list.last == nil {
		list.first = v
	} else {
		list.last.next = v
	}
	list.last = v
}

func (v *visitor) unlist() {
	list := v.list
	if list == nil {
		return
	}
	if v.prev == nil {
		list.first = v.next
	} else {
		v.prev.next = v.next
	}
	if v.next == nil {
		list.last = v.prev
	} else {
		v.next.prev = v.prev
	}
	v.list, v.prev, v.next = nil, nil, nil
}

// forget takes the visitor out of the loop; its descriptor stays open.
func (l *loop) forget(v *visitor) {
	v.unlist()
	l.hold(v, nil)
	l.visitors[v.fd] = nil
}

// end closes the connection.
func (l *loop) end(v *visitor) {
	l.forget(v)
	_ = unix.Close(v.fd)
	l.server.counters.open.Add(-1)
}

// abort ends a connection that the client has broken.
func (l *loop) abort(v *visitor) {
	l.server.counters.aborted.Add(1)
	l.end(v)
}

// linger ends a connection on which the client may still be sending: closing it at
// once would make the kernel take back the answer.
func (l *loop) linger(v *visitor) {
	if err := unix.Shutdown(v.fd, unix.SHUT_WR); err != nil {
		l.end(v)
		return
	}
	v.lingering = true
	l.hold(v, nil)
	l.wait(v, &l.busy)
}

// hold keeps bytes that are not answered yet, in a buffer that the visitor has or
// gets. b may be a part of it.
func (l *loop) hold(v *visitor, b []byte) {
	l.unfinished -= cap(v.in)
	switch {
	case len(b) == 0:
		v.in = nil
	default:
		v.in = append(v.in[:0], b...)
	}
	l.unfinished += cap(v.in)
}

// makeRoom ends those whose heads have been longest on their way when all of them
// together take more memory than they may.
func (l *loop) makeRoom() {
	for l.unfinished > l.server.options.UnfinishedBytes/l.server.options.Loops && l.heads.first != nil {
		l.server.counters.evicted.Add(1)
		l.end(l.heads.first)
	}
}
