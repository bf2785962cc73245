package eventloop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/redirect"
	"github.com/sluicehq/sluice/internal/routing"
)

// serve starts a server with one link, /go/a, and counts what it records.
func serve(t testing.TB, change func(*Options)) (*Server, *atomic.Int64) {
	t.Helper()
	h, err := routing.Open(routing.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	l := &affiliate.Link{ID: 1, Site: "main", Slug: "a", Destinations: []affiliate.Destination{{URL: "https://shop.example/?sid={click_id}"}}}
	l.Normalize()
	if err := h.Apply([]routing.Change{{Seq: 1, Site: &affiliate.Site{ID: "main", Prefix: "/go/"}}, {Seq: 2, Link: l}}); err != nil {
		t.Fatal(err)
	}
	records := new(atomic.Int64)
	record := func(all [][]byte) (int, error) { records.Add(int64(len(all))); return len(all), nil }
	r := redirect.New(redirect.Options{Table: h.Current, Keys: affiliate.Keyring{{Number: 1, Secret: bytes.Repeat([]byte{7}, 32)}}})
	o := Options{Redirector: r, Record: func(int) redirect.Record { return record }, Others: r.Handler("", record)}
	if change != nil {
		change(&o)
	}
	s, err := Listen("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return s, records
}

// talk sends bytes and returns everything that comes back until the connection
// ends or nothing comes for a moment.
func talk(t testing.TB, s *Server, pieces ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for _, p := range pieces {
		if _, err := io.WriteString(c, p); err != nil {
			return ""
		}
		if len(pieces) > 1 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	_ = c.(*net.TCPConn).CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	b, _ := io.ReadAll(c)
	return string(b)
}

const plain = "GET /go/a HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 (X11; Linux) Firefox/140.0\r\nAccept: */*\r\n\r\n"

// answers reads a stream of HTTP answers to GET.
func answers(t testing.TB, stream string) (out []*http.Response) {
	t.Helper()
	r := bufio.NewReader(strings.NewReader(stream))
	for {
		if _, err := r.Peek(1); err != nil {
			return out
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("answer %d cannot be read: %v in %q", len(out), err, stream)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		out = append(out, res)
	}
}

func TestPlainRequestsAreAnsweredOnTheLoop(t *testing.T) {
	s, records := serve(t, nil)
	got := answers(t, talk(t, s, plain+plain+"GET /go/nothing HTTP/1.1\r\nHost: x\r\n\r\n"+plain))
	if len(got) != 4 || got[0].StatusCode != 302 || got[2].StatusCode != 404 || got[3].StatusCode != 302 {
		t.Fatalf("%d answers: %v", len(got), got)
	}
	if id := strings.TrimPrefix(got[0].Header.Get("Location"), "https://shop.example/?sid="); len(id) != 24 {
		t.Errorf("the click id is %q", id)
	}
	if records.Load() != 4 || s.Stats().HandedOn != 0 {
		t.Errorf("%d records, %+v", records.Load(), s.Stats())
	}
}

// Both servers give the same answer but for what differs from visit to visit.
func TestSameAnswersAsNetHTTP(t *testing.T) {
	s, _ := serve(t, nil)
	for _, path := range []string{"/go/a", "/go/nothing", "/", "/go/A/", "/go/%61"} {
		for _, method := range []string{"GET", "HEAD"} {
			fast := talk(t, s, method+" "+path+" HTTP/1.1\r\nHost: x\r\nUser-Agent: Firefox\r\nConnection: close\r\n\r\n")
			slow := talk(t, s, method+" "+path+" HTTP/1.1\r\nHost: x\r\nUser-Agent: Firefox\r\nConnection: close\r\nTE: trailers\r\n\r\n")
			a, b := outline(t, fast, method), outline(t, slow, method)
			if a != b {
				t.Errorf("%s %s:\n on the loop %s\n by net/http %s", method, path, a, b)
			}
		}
	}
	for i := 0; i < 1000 && s.Stats().HandedOn < 10; i++ {
		time.Sleep(time.Millisecond) // net/http may have answered before the loop has counted
	}
	if s.Stats().HandedOn != 10 {
		t.Errorf("the comparison was with %d requests of net/http", s.Stats().HandedOn)
	}
}

// outline is an answer without ids, cookies and time.
func outline(t *testing.T, stream, method string) string {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(stream)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%v in %q", err, stream)
	}
	body, _ := io.ReadAll(res.Body)
	h := res.Header
	location, _, _ := strings.Cut(h.Get("Location"), "sid=")
	cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), "=")
	_, attributes, _ := strings.Cut(h.Get("Set-Cookie"), ";")
	if h.Get("Date") == "" {
		t.Errorf("no date in %q", stream)
	}
	for _, name := range []string{"Location", "Set-Cookie", "Date"} {
		h.Del(name)
	}
	return fmt.Sprint(res.Status, h, location, cookie, attributes, res.ContentLength, string(body))
}

func TestRequestInPieces(t *testing.T) {
	s, _ := serve(t, nil)
	var pieces []string
	for i := 0; i < len(plain); i += 17 {
		pieces = append(pieces, plain[i:min(i+17, len(plain))])
	}
	if got := answers(t, talk(t, s, pieces...)); len(got) != 1 || got[0].StatusCode != 302 {
		t.Errorf("%v", got)
	}
}

// Whatever is not plain is answered by net/http, after what came before it.
func TestForeignRequestsAreHandedOver(t *testing.T) {
	s, _ := serve(t, nil)
	for in, want := range map[string][]int{
		plain + "POST /go/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + plain: {302, 405, 302},
		"GET /go/a HTTP/1.0\r\n\r\n":                                {302},
		"GET /go/a HTTP/1.1\r\n\r\n":                                {400},
		"GET /go/a%zz HTTP/1.1\r\nHost: x\r\n\r\n":                  {400},
		"nonsense\r\n\r\n":                                          {400},
		"GET http://x/go/a HTTP/1.1\r\nHost: x\r\n\r\n":             {302},
		"GET /" + strings.Repeat("a", 40<<10) + " HTTP/1.1\r\n\r\n": {431},
	} {
		var codes []int
		for _, res := range answers(t, talk(t, s, in)) {
			codes = append(codes, res.StatusCode)
		}
		if fmt.Sprint(codes) != fmt.Sprint(want) {
			t.Errorf("%.60q: %v, want %v", in, codes, want)
		}
	}
}

func TestSlowAndIdleClientsAreLetGo(t *testing.T) {
	s, _ := serve(t, func(o *Options) { o.HeaderTimeout, o.IdleTimeout = time.Second, 2*time.Second })
	for name, first := range map[string]string{"silent": "", "half a request": plain[:40], "idle after an answer": plain} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			_, _ = io.WriteString(c, first)
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("still connected: %v", err)
			}
		})
	}
}

// When connections run out, those that are idle make room: a visitor is served.
func TestTheIdleMakeRoom(t *testing.T) {
	s, _ := serve(t, func(o *Options) { o.Connections, o.Loops = 3, 1 })
	var conns []net.Conn
	for range 8 {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		if got := answers(t, talk(t, s, plain)); len(got) != 1 || got[0].StatusCode != 302 {
			t.Fatalf("beside %d idle connections: %v", len(conns), got)
		}
	}
	ended := 0
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); err == io.EOF {
			ended++
		}
		_ = c.Close()
	}
	if got := s.Stats(); ended < 5 || got.Evicted != int64(ended) || got.Rejected != 0 {
		t.Errorf("%d of 8 connections were ended; %+v", ended, got)
	}
}

func TestFloodOfPipelinedRequestsIsBounded(t *testing.T) {
	s, _ := serve(t, func(o *Options) { o.WriteTimeout = time.Second })
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetWriteDeadline(time.Now().Add(20 * time.Second))
	flood := strings.Repeat(plain, 1000)
	for range 2000 { // never reads
		if _, err := io.WriteString(c, flood); err != nil {
			return
		}
	}
	t.Error("a client that reads nothing was answered two million times")
}

// A busy loop may have obeyed, and closed its descriptors, before those who told it
// have told it all.
func TestBusyLoopIsStoppedByMany(t *testing.T) {
	for range 40 {
		s, _ := serve(t, nil)
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for flood := strings.Repeat(plain, 1000); err == nil; {
				_, err = io.WriteString(c, flood)
			}
		}()
		go func() { _, _ = io.Copy(io.Discard, c) }()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if err := s.Shutdown(ctx); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				listeners, err := s.Listeners()
				if err != nil {
					t.Error(err)
				}
				for _, l := range listeners {
					_ = l.Close()
				}
			})
		}
		all.Wait()
		_ = c.Close()
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	s, records := serve(t, nil)
	var all sync.WaitGroup
	var answered atomic.Int64
	for range 32 {
		all.Go(func() {
			c, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			r := bufio.NewReader(c)
			for range 200 {
				if _, err := io.WriteString(c, plain); err != nil {
					t.Error(err)
					return
				}
				res, err := http.ReadResponse(r, nil)
				if err != nil || res.StatusCode != 302 {
					t.Error(res, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	all.Wait()
	if answered.Load() != 6400 || records.Load() != 6400 {
		t.Errorf("%d answers, %d records", answered.Load(), records.Load())
	}
}

var loopback = redirect.Proxies{netip.MustParsePrefix("127.0.0.0/8")}

// recorded is a click that a server has recorded.
type recorded struct{ affiliate.Click }

func (r recorded) secure() bool { return r.Signals&affiliate.SignalSecure != 0 }

// serveSeen starts a server and returns what it records.
func serveSeen(t *testing.T, change func(*Options)) (*Server, func() recorded) {
	t.Helper()
	clicks := make(chan recorded, 16)
	s, _ := serve(t, func(o *Options) {
		keep := func(records [][]byte) (int, error) {
			for _, b := range records {
				var r recorded
				if err := r.DecodeRecord(b); err != nil {
					t.Error(err)
				}
				clicks <- r
			}
			return len(records), nil
		}
		o.Record = func(int) redirect.Record { return keep }
		o.Others = o.Redirector.Handler("", keep)
		change(o)
	})
	return s, func() recorded {
		select {
		case r := <-clicks:
			return r
		case <-time.After(5 * time.Second):
			t.Fatal("nothing was recorded")
			return recorded{}
		}
	}
}

// succession lets clients ask without a pause while a second server begins, and the
// first leaves.
func succession(t *testing.T, first *Server, begin func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var asked, reconnected atomic.Int64
	for range 16 {
		clients.Go(func() {
			var c net.Conn
			var r *bufio.Reader
			for ctx.Err() == nil {
				if c == nil {
					var err error
					if c, err = net.Dial("tcp", first.Addr().String()); err != nil {
						t.Error(err)
						return
					}
					r = bufio.NewReader(c)
				}
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				_, err := io.WriteString(c, plain)
				if err != nil {
					t.Error(err)
					return
				}
				res, err := http.ReadResponse(r, nil)
				if err != nil || res.StatusCode != 302 {
					t.Error(res, err)
					return
				}
				asked.Add(1)
				if res.Close {
					_ = c.Close()
					c = nil
					reconnected.Add(1)
				}
			}
			if c != nil {
				_ = c.Close()
			}
		})
	}
	for asked.Load() < 500 {
		time.Sleep(time.Millisecond)
	}
	begin()
	left, done := context.WithTimeout(t.Context(), 10*time.Second)
	defer done()
	if err := first.Leave(left); err != nil {
		t.Error(err)
	}
	if err := first.Shutdown(left); err != nil {
		t.Error(err)
	}
	time.Sleep(300 * time.Millisecond)
	cancel()
	clients.Wait()
	t.Logf("%d requests, %d times a client had to connect anew", asked.Load(), reconnected.Load())
	if asked.Load() == 0 || reconnected.Load() == 0 {
		t.Error("nobody asked, or nobody changed over")
	}
}

// What lies below a path that belongs to no link goes to net/http, whatever comes
// before and behind it on the connection.
func TestOtherPathsAreHandedOn(t *testing.T) {
	s, records := serve(t, func(o *Options) {
		redirects := o.Others
		o.OtherPaths = []string{"/postback/", "/pixel/"}
		o.Others = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if o.isOther(r.URL.Path) {
				w.WriteHeader(http.StatusTeapot)
				return
			}
			redirects.ServeHTTP(w, r)
		})
	})
	other := strings.Replace(plain, "/go/a", "/postback/abc?x=1", 1)
	got := answers(t, talk(t, s, plain+other+plain))
	if len(got) != 3 || got[0].StatusCode != 302 || got[1].StatusCode != http.StatusTeapot || got[2].StatusCode != 302 || records.Load() != 2 {
		t.Errorf("%d answers, %d records: %v", len(got), records.Load(), got)
	}
	near := strings.Replace(plain, "/go/a", "/postback", 1)
	if got := answers(t, talk(t, s, near)); len(got) != 1 || got[0].StatusCode != 404 {
		t.Errorf("a path that only begins alike: %v", got)
	}
}
