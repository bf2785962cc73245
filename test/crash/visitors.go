// Package crash proves by violence that no click is lost and none counted twice:
// the real program is killed under load, and what its visitors were told is
// compared with what its reports say.
package crash

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// visitors click at a steady rate from several connections, whatever happens to
// the server, and remember every click id that reached them in a complete answer.
type visitors struct {
	target  atomic.Pointer[string] // host:port of the server now
	rate    int                    // clicks a second, all together
	lanes   int
	path    func(n int) string
	answers sync.WaitGroup

	mu       sync.Mutex
	ids      map[string]int // click id → how often it was given
	sent     atomic.Int64
	answered atomic.Int64
}

func newVisitors(rate, lanes int, path func(n int) string) *visitors {
	return &visitors{rate: rate, lanes: lanes, path: path, ids: map[string]int{}}
}

// follow tells the visitors where the server is now.
func (v *visitors) follow(address string) { v.target.Store(&address) }

// start begins clicking, until the context ends.
func (v *visitors) start(ctx context.Context) {
	for lane := range v.lanes {
		v.answers.Go(func() { v.click(ctx, lane) })
	}
}

// click is one lane. Clicks are due at fixed times; those that were due while the
// server was away are not made up for.
func (v *visitors) click(ctx context.Context, lane int) {
	interval := time.Second * time.Duration(v.lanes) / time.Duration(v.rate)
	var c *connection
	defer func() { c.close() }()
	due := time.Now()
	var got []string
	for n := lane; ctx.Err() == nil; n += v.lanes {
		due = due.Add(interval)
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		} else if wait < -time.Second {
			due = time.Now()
		}
		if c == nil {
			if c = dial(*v.target.Load()); c == nil {
				time.Sleep(2 * time.Millisecond)
				continue
			}
		}
		v.sent.Add(1)
		id, err := c.get(v.path(n))
		if err != nil {
			c.close()
			c = nil
			continue
		}
		v.answered.Add(1)
		if got = append(got, id); len(got) == 1000 {
			v.remember(got)
			got = got[:0]
		}
	}
	v.remember(got)
}

func (v *visitors) remember(ids []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range ids {
		v.ids[id]++
	}
}

// connection is a keep-alive connection of a browser.
type connection struct {
	net.Conn
	r *bufio.Reader
}

func dial(address string) *connection {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return nil
	}
	return &connection{c, bufio.NewReaderSize(c, 4096)}
}

func (c *connection) close() {
	if c != nil {
		_ = c.Conn.Close()
	}
}

const request = "GET %s HTTP/1.1\r\nHost: links.example\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html\r\nAccept-Language: en\r\nReferer: https://blog.example/review\r\n\r\n"

var (
	location = []byte("Location: ")
	clickRef = []byte("sid=")
)

// get follows a link and returns the click id in the Location of a whole 302.
func (c *connection) get(path string) (id string, err error) {
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, request, path); err != nil {
		return "", err
	}
	status, err := c.r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 302 ")) {
		return "", fmt.Errorf("answered %q", status)
	}
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		if url, ok := bytes.CutPrefix(line, location); ok {
			_, value, _ := bytes.Cut(url, clickRef)
			id = string(value)
		}
	}
	if len(id) != 24 {
		return "", fmt.Errorf("no click id, but %q", id)
	}
	return id, nil
}
