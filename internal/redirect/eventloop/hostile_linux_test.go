package eventloop

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// connectRaw opens connections that cost the test nothing but a descriptor.
func connectRaw(t *testing.T, to net.Addr, n int) (fds []int) {
	t.Helper()
	t.Cleanup(func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	})
	at := to.(*net.TCPAddr).AddrPort()
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatalf("after %d connections: %v", len(fds), err)
		}
		fds = append(fds, fd)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}); err != nil {
			t.Fatalf("after %d connections: %v", len(fds), err)
		}
	}
	return fds
}

// held is the memory that this process has in use.
func held() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 4000 {
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s did not happen", what)
}

// idleBytesMax is what docs/performance.md promises for a connection, the kernel's
// part apart.
const idleBytesMax = 512

// A crowd that connects and says nothing costs little, and keeps nobody out.
func TestTwentyThousandIdleConnections(t *testing.T) {
	crowd := 20_000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if room := int(min(limit.Cur, 1<<20)) - 700; crowd > room {
		crowd = room // what this machine allows a process
	}
	s, records := serve(t, nil)
	before := held()
	// The other ends are descriptors, too: two processes have them.
	for i := range 2 {
		connectElsewhere(t, s.Addr().String(), (crowd+i)/2)
	}
	wait(t, "accepting the crowd", func() bool { return s.Stats().Open == int64(crowd) })
	grown := int(held() - before)
	t.Logf("%d bytes of memory for each of %d idle connections", grown/crowd, crowd)
	if grown > crowd*idleBytesMax {
		t.Errorf("%d idle connections take %d MiB", crowd, grown>>20)
	}
	for range 50 {
		if got := answers(t, talk(t, s, plain)); len(got) != 1 || got[0].StatusCode != 302 {
			t.Fatalf("an honest visitor got %v", got)
		}
	}
	if got := s.Stats(); got.Evicted != 0 || got.Rejected != 0 || records.Load() != 50 {
		t.Errorf("%+v, %d records", got, records.Load())
	}
}

// crowdVariable makes this test program connect, as often as it says, and wait.
const crowdVariable = "EVENTLOOP_TEST_CROWD"

func TestMain(m *testing.M) {
	if s := os.Getenv(crowdVariable); s != "" {
		var address string
		var n int
		if _, err := fmt.Sscanf(s, "%d %s", &n, &address); err != nil {
			panic(err)
		}
		to, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			panic(err)
		}
		connectRaw(&testing.T{}, to, n)
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test has ended
		return
	}
	os.Exit(m.Run())
}

// connectElsewhere opens idle connections from another process.
func connectElsewhere(t *testing.T, address string, n int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", crowdVariable, n, address))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
}

// Heads that never end are held up to a limit, all together; then the oldest go.
func TestSlowSendersTogetherAreBounded(t *testing.T) {
	const senders, budget = 400, 1 << 20
	s, _ := serve(t, func(o *Options) { o.UnfinishedBytes, o.Loops = budget, 1 })
	head := "GET /go/a HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("a", 8<<10)
	for _, fd := range connectRaw(t, s.Addr(), senders) {
		if _, err := unix.Write(fd, []byte(head)); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, "ending the oldest", func() bool { return s.Stats().Evicted > senders/2 })
	if got := answers(t, talk(t, s, plain)); len(got) != 1 || got[0].StatusCode != 302 {
		t.Errorf("an honest visitor got %v", got)
	}
	if left := s.Stats().Open * int64(len(head)); left > budget {
		t.Errorf("%d bytes are held, allowed are %d", left, budget)
	}
}

// A head that goes on for ever is refused when it has reached its limit.
func TestEndlessHeaders(t *testing.T) {
	s, records := serve(t, nil)
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		_, _ = io.WriteString(c, "GET /go/a HTTP/1.1\r\nHost: x\r\n")
		for {
			if _, err := io.WriteString(c, "X-More: and more\r\n"); err != nil {
				return
			}
		}
	}()
	b, _ := io.ReadAll(c)
	if !strings.HasPrefix(string(b), "HTTP/1.1 431 ") && len(b) > 0 || records.Load() != 0 {
		t.Errorf("answered %.80q and recorded %d", b, records.Load())
	}
	wait(t, "the end of the connection", func() bool { return s.Stats().Open == 0 })
}

// A client may close its side once it has asked; one that does so in the middle of a
// request has nothing coming.
func TestHalfClosed(t *testing.T) {
	s, records := serve(t, nil)
	if got := answers(t, talk(t, s, plain+plain)); len(got) != 2 {
		t.Errorf("%d answers after the client closed its side", len(got))
	}
	if got := talk(t, s, plain+plain[:30]); len(answers(t, got)) != 1 {
		t.Errorf("half a request behind a whole one: %q", got)
	}
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, plain[:30])
	_ = c.(*net.TCPConn).SetLinger(0) // RST
	_ = c.Close()
	wait(t, "forgetting them", func() bool { return s.Stats().Open == 0 })
	if records.Load() != 3 {
		t.Errorf("%d records", records.Load())
	}
}

// What comes behind the last request of a connection is read and thrown away: closing
// at once would make the kernel reset the connection, and some clients would not see
// the answer.
func TestMoreAfterTheLastRequest(t *testing.T) {
	s, _ := serve(t, nil)
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	last := strings.Replace(plain, "Accept: */*", "Connection: close", 1)
	if _, err := io.WriteString(c, last+strings.Repeat(plain, 500)); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("the connection did not end in good order: %v", err)
	}
	if got := answers(t, string(b)); len(got) != 1 || got[0].StatusCode != 302 || !got[0].Close {
		t.Errorf("%v", got)
	}
}

// A client that reads slowly gets all of it.
func TestSlowReader(t *testing.T) {
	s, records := serve(t, nil)
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	const asked = 400
	go func() { _, _ = io.WriteString(c, strings.Repeat(plain, asked)); _ = c.(*net.TCPConn).CloseWrite() }()
	time.Sleep(200 * time.Millisecond)
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := answers(t, string(b)); len(got) != asked || records.Load() != asked {
		t.Errorf("%d answers and %d records for %d requests", len(got), records.Load(), asked)
	}
}

// Requests for net/http are bounded in number: each takes a goroutine.
func TestOtherConnectionsAreBounded(t *testing.T) {
	s, _ := serve(t, func(o *Options) { o.OtherConnections = 10 })
	for _, fd := range connectRaw(t, s.Addr(), 50) {
		if _, err := unix.Write(fd, []byte("POST /go/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, "refusing most", func() bool { return s.Stats().Rejected == 40 })
	if got := s.Stats().Others; got > 10 {
		t.Errorf("%d are with net/http", got)
	}
}

func TestAnnouncedVisitors(t *testing.T) {
	const browser = "GET /go/a HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 (X11; Linux) Firefox/140.0\r\nAccept: */*\r\n"
	version2 := func(command byte, address string, tlvs ...byte) string {
		b := []byte("\r\n\r\n\x00\r\nQUIT\n")
		b = append(b, 0x20|command, 0x11, 0, byte(12+len(tlvs)))
		from := netip.MustParseAddr(address).As4()
		b = append(append(b, from[:]...), 127, 0, 0, 1, 0x30, 0x39, 0, 80)
		return string(append(b, tlvs...))
	}
	ssl := append([]byte{0x20, 0, 15, 1, 0, 0, 0, 0, 0x21, 0, 7}, "TLSv1.3"...) // PP2_TYPE_SSL: the client used it, and which
	for _, c := range []struct {
		name, announcement, peer string
		secure                   bool
		refused                  bool
	}{
		{name: "version 1", announcement: "PROXY TCP4 203.0.113.9 127.0.0.1 12345 80\r\n", peer: "203.0.113.9"},
		{name: "version 1, 6", announcement: "PROXY TCP6 2001:db8::9 ::1 12345 80\r\n", peer: "2001:db8::9"},
		{name: "unknown", announcement: "PROXY UNKNOWN\r\n", peer: "127.0.0.1"},
		{name: "version 2", announcement: version2(1, "203.0.113.9"), peer: "203.0.113.9"},
		{name: "version 2 over TLS", announcement: version2(1, "203.0.113.9", ssl...), peer: "203.0.113.9", secure: true},
		{name: "the proxy itself", announcement: version2(0, "203.0.113.9"), peer: "127.0.0.1"},
		{name: "none", refused: true},
		{name: "nonsense", announcement: "PROXY TCP4 elsewhere\r\n", refused: true},
		{name: "too long", announcement: "PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n", refused: true},
		{name: "version 2, too long", announcement: "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff", refused: true},
	} {
		for _, by := range []string{"the loop", "net/http", "the loop, in pieces"} {
			t.Run(c.name+" by "+by, func(t *testing.T) {
				s, seen := serveSeen(t, func(o *Options) { o.Announcing = loopback })
				in := c.announcement + browser
				if by == "net/http" {
					in += "TE: trailers\r\n"
				}
				pieces := []string{in + "\r\n"}
				if by == "the loop, in pieces" && c.announcement != "" {
					pieces = []string{in[:3], in[3 : len(c.announcement)-1], in[len(c.announcement)-1:], "\r\n"}
				}
				got := talk(t, s, pieces...)
				if c.refused {
					if got != "" || s.Stats().Aborted != 1 {
						t.Errorf("answered %q, %+v", got, s.Stats())
					}
					return
				}
				if res := answers(t, got); len(res) != 1 || res[0].StatusCode != 302 {
					t.Fatalf("answered %q", got)
				}
				if v := seen(); v.IP.String() != c.peer || v.secure() != c.secure {
					t.Errorf("the visitor is %s, over TLS: %v", v.IP, v.secure())
				}
			})
		}
	}
	t.Run("a stranger", func(t *testing.T) {
		s, _ := serve(t, nil)
		if got := talk(t, s, "PROXY TCP4 203.0.113.9 127.0.0.1 1 80\r\n"+plain); !strings.HasPrefix(got, "HTTP/1.1 400") {
			t.Errorf("answered %q", got)
		}
	})
}

// A second server takes over the listening sockets while clients ask; the first
// leaves.
func TestSuccession(t *testing.T) {
	first, records := serve(t, nil)
	more := new(atomic.Int64)
	succession(t, first, func() {
		files, err := first.Listeners()
		if err != nil {
			t.Fatal(err)
		}
		var second *Server
		second, more = serve(t, func(o *Options) { o.Inherited, o.Loops = files, 3 })
		if second.Addr().String() != first.Addr().String() {
			t.Fatalf("the second listens on %s", second.Addr())
		}
	})
	if records.Load() == 0 || more.Load() == 0 {
		t.Errorf("%d visits by the first, %d by the second", records.Load(), more.Load())
	}
}
