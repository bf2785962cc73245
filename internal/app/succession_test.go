package app

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/config"
)

// clients ask without a pause, until told to stop: half of them over one
// connection as long as it lasts, half over a new one each time. Every one of their
// requests must be answered.
type clients struct {
	t        *testing.T
	address  string
	answered atomic.Int64
	changed  atomic.Int64 // connections that the server has ended
	stop     context.CancelFunc
	all      sync.WaitGroup
}

func startClients(t *testing.T, address string, n int) *clients {
	ctx, stop := context.WithCancel(t.Context())
	c := &clients{t: t, address: address, stop: stop}
	for i := range n {
		c.all.Go(func() { c.ask(ctx, i%2 == 0) })
	}
	return c
}

const browserRequest = "GET /go/a HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 (X11; Linux) Firefox/140.0\r\nAccept: */*\r\n\r\n"

func (c *clients) ask(ctx context.Context, stay bool) {
	var conn net.Conn
	var r *bufio.Reader
	for ctx.Err() == nil {
		if conn == nil {
			var err error
			if conn, err = net.Dial("tcp", c.address); err != nil {
				c.t.Error(err)
				return
			}
			r = bufio.NewReader(conn)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, err := io.WriteString(conn, browserRequest)
		if err != nil {
			c.t.Error(err)
			return
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != 302 {
			c.t.Error(res, err)
			return
		}
		c.answered.Add(1)
		if res.Close {
			c.changed.Add(1)
		}
		if res.Close || !stay {
			_ = conn.Close()
			conn = nil
		}
		time.Sleep(time.Millisecond)
	}
	if conn != nil {
		_ = conn.Close()
	}
}

func (c *clients) end() {
	c.stop()
	c.all.Wait()
}

// A process takes over from another under load. No request fails, no click is lost
// or counted twice, and what was changed meanwhile holds.
func TestSuccession(t *testing.T) {
	dir := t.TempDir()
	cfg := settings(dir)
	cfg.LeaveTimeout = config.Duration(5 * time.Second)
	first := startWith(t, cfg, nil)
	first.call("POST", "/api/v1/links", `{"slug":"a","url":"https://shop.example/a"}`, nil)
	c := startClients(t, strings.TrimPrefix(first.links, "http://"), 16)
	time.Sleep(300 * time.Millisecond)

	cfg.Loops = 3
	second := &process{t: t, out: &output{}}
	a, err := Build(t.Context(), cfg, Options{Version: "next", Out: second.out, Succeed: true})
	if err != nil {
		t.Fatal(err)
	}
	second.app = a
	if code := first.call("POST", "/api/v1/links", `{"slug":"late","url":"https://shop.example/late"}`, nil); code != 201 {
		t.Errorf("a link made while a successor starts: %d", code)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	second.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, a.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(second.stop)
	first.ended() // by itself
	if second.links = second.find(`links\s+(http://\S+)/go/`); second.links != first.links {
		t.Errorf("the successor listens on %s", second.links)
	}
	if second.admin = second.find(`dashboard\s+(http://\S+)/`); second.admin != first.admin {
		t.Errorf("the successor's admin is %s", second.admin)
	}
	time.Sleep(200 * time.Millisecond)
	c.end()
	if c.answered.Load() == 0 || c.changed.Load() == 0 {
		t.Errorf("%d answers, %d connections changed over", c.answered.Load(), c.changed.Load())
	}
	t.Logf("%d requests, none failed", c.answered.Load())
	if got := second.click("late"); got != "https://shop.example/late" {
		t.Errorf("what was made last is sent to %q", got)
	}
	second.clicks(float64(c.answered.Load()) + 1)
	if code := second.call("POST", "/api/v1/links", `{"slug":"new","url":"https://shop.example/new"}`, nil); code != 201 {
		t.Errorf("a link made by the successor: %d", code)
	}
	if got := second.click("new"); got != "https://shop.example/new" {
		t.Errorf("a link made by the successor is sent to %q", got)
	}
}

// A successor that dies before it serves changes nothing, and another may follow.
func TestSuccessorThatDoesNotServe(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	p.call("POST", "/api/v1/links", `{"slug":"a","url":"https://shop.example/a"}`, nil)
	for range 2 {
		before, err := askToSucceed(dir)
		if err != nil {
			t.Fatal(err)
		}
		if before.lock == nil || len(before.sockets["visitors"]) == 0 || len(before.sockets["admin"]) != 1 {
			t.Errorf("the offer was %+v", before)
		}
		if _, err := askToSucceed(dir); err == nil || !strings.Contains(err.Error(), "409") {
			t.Errorf("two at once: %v", err)
		}
		if err := errors.Join(before.lock.Close(), before.close()); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool {
			p.app.succession.mu.Lock()
			defer p.app.succession.mu.Unlock()
			return !p.app.succession.asked
		})
	}
	if got := p.click("a"); got != "https://shop.example/a" {
		t.Errorf("sent to %q", got)
	}
	p.clicks(1)
}

// Without a process to succeed, a start is a start.
func TestSuccessionOfNobody(t *testing.T) {
	cfg := settings(t.TempDir())
	for range 2 { // the second time an old socket lies there
		a, err := Build(t.Context(), cfg, Options{Succeed: true})
		if err != nil {
			t.Fatal(err)
		}
		if a.predecessor != nil {
			t.Error("there is somebody")
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
