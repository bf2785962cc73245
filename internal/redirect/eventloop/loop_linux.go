package eventloop

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluicehq/sluice/internal/redirect"
)

// Sizes of a round.
const (
	eventsMax       = 256
	receiveBytes    = 16 << 10  // taken from one connection at a time
	roundBytes      = 128 << 10 // received before they are answered
	answersBytesMax = 64 << 10  // for one connection, before it must have taken them
	acceptsMax      = 64        // connections taken from one listener in a round
)

// What a loop is told to do.
const (
	serving  int32 = iota
	leaving        // accept no more, end each connection with its next answer
	stopping       // accept no more, answer what is there, end
)

// loop serves its listeners and the connections that were accepted from them. All
// of it belongs to the goroutine in run, but for tell and listenerFiles.
type loop struct {
	server *Server
	number int
	epoll  int
	told   atomic.Int32
	leaves bool

	lending   sync.Mutex // held to close what the others use, and by them
	wakeup    int        // an eventfd: tell has something new
	listeners []int

	redirector *redirect.Redirector
	answer     *redirect.Answer

	events    [eventsMax]unix.EpollEvent
	accepting []int              // listeners with somebody in the queue
	exchanges []exchange         // of this round
	requests  []redirect.Request // the next of each
	again     []*visitor         // who has sent more than was answered
	spare     []*visitor         // takes turns with again
	in        []byte             // what was received in this round
	out       []byte             // the answers of this round

	now     time.Time // of this round
	date    []byte    // the same, as HTTP spells it
	dateOf  int64     // its second
	started time.Time // of a clock that never goes back: the next two count from here
	second  int64
	stopBy  time.Duration // when told to stop

	visitors   []*visitor // by descriptor
	unfinished int        // bytes held for heads that have arrived in part
	idle       waitList   // between requests
	heads      waitList   // in the middle of a head
	busy       waitList   // with answers to take, or only to be waited for
}

func newLoop(s *Server, number int, listeners []int) (_ *loop, err error) {
	l := &loop{server: s, number: number, epoll: -1, wakeup: -1, redirector: s.options.Redirector, started: time.Now(),
		in: make([]byte, roundBytes+receiveBytes), out: make([]byte, 0, roundBytes), exchanges: make([]exchange, 0, eventsMax),
		answer: s.options.Redirector.NewAnswer(s.options.Record(number))}
	l.idle.limit, l.heads.limit, l.busy.limit = seconds(s.options.IdleTimeout), seconds(s.options.HeaderTimeout), seconds(s.options.WriteTimeout)
	defer func() {
		if err != nil {
			l.closeOwn()
		}
	}()
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	if l.wakeup, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	if err := l.watch(l.wakeup, unix.EPOLLIN); err != nil {
		return nil, err
	}
	for _, fd := range listeners {
		if err := l.watch(fd, unix.EPOLLIN); err != nil {
			return nil, err
		}
	}
	l.listeners = listeners // its own from here on
	return l, nil
}

func seconds(d time.Duration) int64 { return max(1, int64(d/time.Second)) }

// tell makes the loop leave or stop. Anybody may call it.
func (l *loop) tell(what int32) {
	for {
		was := l.told.Load()
		if was >= what || l.told.CompareAndSwap(was, what) {
			break
		}
	}
	l.lending.Lock()
	defer l.lending.Unlock()
	if l.wakeup >= 0 { // else it has obeyed already
		_, _ = unix.Write(l.wakeup, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // it looks once a second anyway
	}
}

func (l *loop) watch(fd int, events uint32) error {
	err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	if err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// run serves until the loop is told to stop.
func (l *loop) run() error {
	defer l.closeAll()
	for {
		n, errno := ready(l.epoll, l.events[:])
		if n <= 0 && len(l.again) == 0 {
			if l.told.Load() == stopping {
				return nil // whatever had arrived is answered
			}
			n, errno = await(l.epoll, l.events[:], 1000)
		}
		if n < 0 && errno != unix.EINTR {
			return fmt.Errorf("epoll_wait: %w", errno)
		}
		l.tellTime()
		l.round(l.events[:max(n, 0)])
		if told := l.told.Load(); told != serving && l.obey(told) {
			return nil
		}
	}
}

// stopTime is how long a loop that is to stop answers those who go on sending.
const stopTime = time.Second

// obey does what the loop was told; true means that it must end now.
func (l *loop) obey(told int32) bool {
	if !l.leaves {
		l.leave()
	}
	if told == stopping && l.stopBy == 0 {
		l.stopBy = time.Since(l.started) + stopTime
	}
	return told == stopping && time.Since(l.started) > l.stopBy
}

// tellTime reads the clocks, once a round, and does what is due once a second.
func (l *loop) tellTime() {
	l.now = l.server.options.Now()
	if unix := l.now.Unix(); unix != l.dateOf || l.date == nil {
		l.dateOf, l.date = unix, l.now.UTC().AppendFormat(l.date[:0], http.TimeFormat)
	}
	up := time.Since(l.started)
	if second := int64(up / time.Second); second != l.second {
		l.second = second
		l.expire(&l.idle)
		l.expire(&l.heads)
		l.expire(&l.busy)
	}
}

// round receives from everyone who has sent, answers, and sends. New connections
// come last: they may get the descriptors of those that ended.
func (l *loop) round(events []unix.EpollEvent) {
	l.resume()
	used := 0
	for i := range events {
		e := &events[i]
		v := l.visitorOf(int(e.Fd))
		switch {
		case v == nil:
			l.own(int(e.Fd))
		case len(v.out) > 0:
			l.flush(v)
		case !v.unanswered:
			used += l.receive(v, l.in[used:used+receiveBytes])
		}
		if used > roundBytes {
			l.exchange()
			used = 0
		}
	}
	l.exchange()
	for _, fd := range l.accepting {
		l.accept(fd)
	}
	l.accepting = l.accepting[:0]
}

// resume goes on with those who had sent more than could be answered at once.
func (l *loop) resume() {
	if len(l.again) == 0 {
		return
	}
	again := l.again
	l.again = l.spare[:0]
	for _, v := range again {
		if l.visitors[v.fd] == v && len(v.out) == 0 {
			v.unanswered = false
			l.exchanges = append(l.exchanges, exchange{visitor: v, in: v.in})
		}
	}
	clear(again)
	l.spare = again
	l.exchange()
}

// visitorOf returns the visitor of a descriptor; nil for one of the loop's own, or
// one that has ended in this round.
func (l *loop) visitorOf(fd int) *visitor {
	if fd < len(l.visitors) {
		return l.visitors[fd]
	}
	return nil
}

// own handles an event of the loop's own descriptors.
func (l *loop) own(fd int) {
	if fd == l.wakeup {
		var count [8]byte
		_, _ = unix.Read(fd, count[:]) // what it says is in told
		return
	}
	for _, listener := range l.listeners {
		if fd == listener {
			l.accepting = append(l.accepting, fd)
		}
	}
}

// accept takes the connections that wait at a listener.
func (l *loop) accept(listener int) {
	for range acceptsMax {
		var from unix.RawSockaddrAny
		fd, errno := accept(listener, &from)
		switch errno {
		case 0:
			l.open(fd, peerOf(&from))
		case unix.EAGAIN:
			return
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			if !l.evict() {
				l.server.counters.rejected.Add(1)
				return
			}
		default: // the visitor has gone again
		}
	}
}

// open begins to serve a connection.
func (l *loop) open(fd int, peer netip.AddrPort) {
	n := &l.server.counters
	n.accepted.Add(1)
	if n.open.Add(1) > int64(l.server.options.Connections) && !l.evict() {
		n.rejected.Add(1)
		n.open.Add(-1)
		_ = unix.Close(fd)
		return
	}
	if err := l.watch(fd, unix.EPOLLIN); err != nil {
		n.rejected.Add(1)
		n.open.Add(-1)
		_ = unix.Close(fd)
		return
	}
	for fd >= len(l.visitors) {
		l.visitors = append(l.visitors, nil)
	}
	v := &visitor{fd: fd, peer: peer.Addr().WithZone(""), port: peer.Port()}
	v.unannounced = l.server.options.Announcing.Trusts(v.peer)
	l.visitors[fd] = v
	l.wait(v, &l.idle)
}

// evict ends the connection that has been idle longest, or else the one whose head
// has been longest on its way. It is false when there is none.
func (l *loop) evict() bool {
	v := l.idle.first
	if v == nil {
		v = l.heads.first
	}
	if v == nil {
		return false
	}
	l.server.counters.evicted.Add(1)
	l.end(v)
	return true
}

// expire ends those who have kept us waiting for too long.
func (l *loop) expire(list *waitList) {
	for v := list.first; v != nil && l.second-v.since > list.limit; v = list.first {
		l.server.counters.expired.Add(1)
		l.end(v)
	}
}

// leave stops accepting.
func (l *loop) leave() {
	l.leaves = true
	l.lending.Lock()
	defer l.lending.Unlock()
	for _, fd := range l.listeners {
		_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil) // a copy elsewhere would keep it in
		_ = unix.Close(fd)
	}
	l.listeners = nil
}

// listenerFiles returns copies of the loop's listening sockets.
func (l *loop) listenerFiles() (files []*os.File, err error) {
	l.lending.Lock()
	defer l.lending.Unlock()
	for _, fd := range l.listeners {
		twin, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return files, fmt.Errorf("a listening socket cannot be copied: %w", err)
		}
		files = append(files, os.NewFile(uintptr(twin), "listener"))
	}
	return files, nil
}

// closeAll ends everything.
func (l *loop) closeAll() {
	for _, v := range l.visitors {
		if v != nil {
			l.end(v)
		}
	}
	l.closeOwn()
}

func (l *loop) closeOwn() {
	l.lending.Lock()
	defer l.lending.Unlock()
	for _, fd := range append(l.listeners, l.wakeup, l.epoll) {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	l.listeners, l.wakeup, l.epoll = nil, -1, -1
}

// limitConnections asks the kernel for the descriptors that connections need, and
// makes do with what it grants.
func (s *Server) limitConnections() {
	const others = 512 // files and sockets of the rest of the process
	need := uint64(s.options.Connections + others)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= need {
		return
	}
	// An administrator's process may have more than its limit says.
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: need, Max: max(need, limit.Max)}) == nil {
		return
	}
	if granted := int64(min(limit.Cur, 1<<30)) - others; int64(s.options.Connections) > granted {
		s.options.Logger.Warn("fewer connections at a time than configured: the limit of open files is lower; raise it (ulimit -n, LimitNOFILE=)",
			"configured", s.options.Connections, "now", max(granted, 16))
		s.options.Connections = int(max(granted, 16))
	}
}
