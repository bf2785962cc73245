package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// Client is a crowd of visitors. Run it once, in one goroutine; Follow may be
// called meanwhile.
type Client struct {
	options Options
	target  atomic.Pointer[target] // where the server is now
	leave   atomic.Bool            // the context has ended

	// What follows belongs to Run.
	random   *rand.Rand
	browsers [][]byte
	poll     int
	events   []unix.EpollEvent
	timeout  unix.Timespec // of the call of epoll under way
	conns    []conn
	began    time.Time // times are nanoseconds since then
	here     *target   // what new connections are made to
	retryAt  int64     // when to try the missing connections again
	missing  int       // connections that are neither there nor on the way
	up       int       // connections that can carry requests
	inflight int

	due     int64       // requests whose time has come, so far: at a rate
	ready   ring[int32] // connections that can take a request: at a rate
	starved bool        // something was due while no connection could take it

	out    []byte // requests in the making
	head   []byte // of a Location
	ids    *bufio.Writer
	result Result
	wait   *hdrhistogram.Histogram
	late   *hdrhistogram.Histogram
}

type target struct {
	address unix.Sockaddr
	family  int
}

const (
	retryInterval = int64(2 * time.Millisecond)
	// arriving is how long connections are made before the first request is due.
	arriving = int64(time.Second)
	// patience is how long the last answers are waited for.
	patience = int64(2 * time.Second)
	longest  = int64(time.Minute) // of the times that are told apart
	idBytes  = 24
)

// New makes a crowd.
func New(o Options) (*Client, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	c := &Client{options: o, random: rand.New(rand.NewPCG(o.Seed, 17)), conns: make([]conn, o.Connections),
		events: make([]unix.EpollEvent, min(o.Connections, 1024)), missing: o.Connections,
		wait: hdrhistogram.New(1000, longest, 3), late: hdrhistogram.New(1000, longest, 3)}
	c.browsers = makeBrowsers(c.random)
	c.ready = newRing[int32](o.Connections)
	for i := range c.conns {
		c.conns[i].index = int32(i)
		c.conns[i].open = newRing[request](o.Depth)
	}
	if o.Remember != nil {
		c.ids = bufio.NewWriterSize(o.Remember, 64<<10)
	}
	return c, c.Follow(o.Address)
}

// Follow tells the visitors that the server is at another address now. Connections
// to the old one take no new requests.
func (c *Client) Follow(address string) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	if a.Addr().Is4() {
		c.target.Store(&target{&unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, unix.AF_INET})
	} else {
		c.target.Store(&target{&unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}, unix.AF_INET6})
	}
	return nil
}

// Run visits until the duration is over or the context ends, and then waits a
// little for the last answers. The error is of the visitors' own machine; what the
// server does is in the result.
func (c *Client) Run(ctx context.Context) (r Result, err error) {
	// The loop's goroutine is not locked to its thread: the runtime interrupts it
	// every 10 ms, and could not let it go on without waking another thread first.
	defer context.AfterFunc(ctx, func() { c.leave.Store(true) })()
	if c.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return r, fmt.Errorf("epoll: %w", err)
	}
	defer func() {
		c.hangUp()
		err = errors.Join(err, unix.Close(c.poll))
	}()
	if err := c.visit(); err != nil {
		return r, err
	}
	c.result.Unanswered = int64(c.inflight)
	c.result.Wait, c.result.Late = quantiles(c.wait), quantiles(c.late)
	if c.ids != nil {
		err = c.ids.Flush()
	}
	return c.result, err
}

// arrive makes the connections before the first request is due. It does not insist.
func (c *Client) arrive() error {
	c.began = time.Now()
	for c.up < len(c.conns) && c.now() < arriving && !c.leave.Load() {
		if c.here != c.target.Load() {
			c.move()
		}
		if now := c.now(); c.missing > 0 && now >= c.retryAt {
			if err := c.connectMissing(now); err != nil {
				return err
			}
		}
		if err := c.meet(retryInterval, false); err != nil {
			return err
		}
	}
	c.began, c.retryAt = time.Now(), 0
	for i := range c.conns {
		c.employ(&c.conns[i])
	}
	return nil
}

// visit is the loop of everything.
func (c *Client) visit() error {
	if err := c.arrive(); err != nil {
		return err
	}
	until := int64(c.options.Duration)
	ended := int64(0)
	for {
		now := c.now()
		if c.here != c.target.Load() {
			c.move()
		}
		if ended == 0 && (c.leave.Load() || until > 0 && now >= until) {
			ended = max(now, 1)
			c.result.Seconds = time.Duration(ended).Seconds()
		}
		if ended > 0 && (c.inflight == 0 || now > ended+patience) {
			return nil
		}
		if ended == 0 {
			if c.missing > 0 && now >= c.retryAt {
				if err := c.connectMissing(now); err != nil {
					return err
				}
			}
			if c.options.Rate > 0 {
				c.sendDue(now)
			}
		}
		if err := c.meet(c.sleep(now, until), ended == 0); err != nil {
			return err
		}
	}
}

func (c *Client) now() int64 { return int64(time.Since(c.began)) }

// sleep is how long there is nothing to do but to wait for answers.
func (c *Client) sleep(now, until int64) int64 {
	if c.options.Spin {
		return 0
	}
	d := int64(10 * time.Millisecond)
	if until > now {
		d = min(d, until-now)
	}
	if c.missing > 0 {
		d = min(d, max(c.retryAt-now, 0))
	}
	if c.options.Rate > 0 && !c.starved {
		d = min(d, max(c.dueAt(c.due)-now, 0))
	}
	return d
}

// dueAt is when a request of a fixed rate is due.
func (c *Client) dueAt(n int64) int64 {
	rate := int64(c.options.Rate)
	return n/rate*int64(time.Second) + n%rate*int64(time.Second)/rate
}

// sendDue sends what is due while there are connections that can take it. While
// there is no connection at all, what is due is given up: it would all come at
// once when the server is back.
func (c *Client) sendDue(now int64) {
	if c.up == 0 {
		for ; c.dueAt(c.due) <= now; c.due++ {
			c.result.Missed++
		}
		return
	}
	for ; c.dueAt(c.due) <= now; c.due++ {
		k := c.takeReady()
		if k == nil {
			c.starved = true
			return
		}
		due := c.dueAt(c.due)
		if !c.starved {
			record(c.late, now-due)
		}
		c.out = c.appendRequest(c.out[:0], k, due)
		c.write(k, c.out)
		c.makeReady(k)
	}
	c.starved = false
}

// takeReady returns a connection that can take a request, the one that has waited
// longest.
func (c *Client) takeReady() *conn {
	for c.ready.n > 0 {
		k := &c.conns[c.ready.take()]
		k.waiting = false
		if c.canSend(k) {
			return k
		}
	}
	return nil
}

func (c *Client) makeReady(k *conn) {
	if !k.waiting && c.canSend(k) {
		k.waiting = true
		c.ready.put(k.index)
	}
}

// meet waits for events and deals with them; more says that new requests may be
// sent in return.
func (c *Client) meet(timeout int64, more bool) error {
	n, err := c.epoll(timeout)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	for i := range n {
		k := &c.conns[c.events[i].Fd]
		if err := c.happened(k, c.events[i].Events); err != nil {
			return err
		}
		if !more {
			continue
		}
		c.employ(k)
	}
	return nil
}

// employ gives a connection work, now or when it is due.
func (c *Client) employ(k *conn) {
	if c.options.Rate > 0 {
		c.makeReady(k)
	} else {
		c.fill(k)
	}
}

// fill sends as many requests as the connection takes at a time.
func (c *Client) fill(k *conn) {
	if !c.canSend(k) {
		return
	}
	now := c.now()
	c.out = c.out[:0]
	for c.canSend(k) {
		c.out = c.appendRequest(c.out, k, now)
	}
	c.write(k, c.out)
}

// move makes the crowd go to where the server is now.
func (c *Client) move() {
	c.here = c.target.Load()
	c.retryAt = 0
	for i := range c.conns {
		if k := &c.conns[i]; k.state == up && k.open.n == 0 {
			c.drop(k)
		}
	}
}

func (c *Client) hangUp() {
	for i := range c.conns {
		if c.conns[i].state != down {
			_ = unix.Close(c.conns[i].fd)
		}
	}
}

func record(h *hdrhistogram.Histogram, d int64) {
	_ = h.RecordValue(min(max(d, 0), longest)) // within its bounds
}
