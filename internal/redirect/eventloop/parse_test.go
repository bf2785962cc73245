package eventloop

import (
	"bufio"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/redirect"
)

const browserRequest = "GET /go/the-thing?sub1=a HTTP/1.1\r\nHost: links.example:8080\r\nConnection: keep-alive\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"142\"\r\nsec-ch-ua-mobile: ?0\r\nUpgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\nSec-Fetch-Site: cross-site\r\n" +
	"Sec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\nReferer: https://blog.example/reviews/kettles\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: de-DE,de;q=0.9,en;q=0.8\r\nCookie: a=b; sluice=AQG_63tA6HYWhElp\r\n\r\n"

// cases are requests of real life and of hostile clients, and what the parser
// makes of them. Each is also a seed of the fuzzer.
var cases = []struct {
	name string
	in   string
	want outcome
}{
	{"a browser", browserRequest, whole},
	{"the least", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", whole},
	{"HEAD", "HEAD /go/a HTTP/1.1\r\nhost: a\r\n\r\n", whole},
	{"two in a row", "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n", whole},
	{"escapes", "GET /go/%C3%BCber?x=%zz HTTP/1.1\r\nHost: a\r\n\r\n", whole},
	{"latin-1 in a value", "GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: caf\xe9\r\n\r\n", whole},
	{"close", "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", whole},
	{"an empty value", "GET /a HTTP/1.1\r\nHost: a\r\nX-Nothing:\r\n\r\n", whole},

	{"nothing", "", partial},
	{"a letter", "G", partial},
	{"half a line", "GET /go/the", partial},
	{"half a header", "GET /a HTTP/1.1\r\nHost: a\r\nUser-Ag", partial},
	{"no end", "GET /a HTTP/1.1\r\nHost: a\r\n", partial},

	{"POST", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", foreign},
	{"TLS", "\x16\x03\x01\x02\x00\x01", foreign},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", foreign},
	{"HTTP/1.0", "GET /a HTTP/1.0\r\nHost: a\r\n\r\n", foreign},
	{"HTTP/0.9", "GET /a\r\n", foreign},
	{"absolute form", "GET http://a/go/x HTTP/1.1\r\nHost: a\r\n\r\n", foreign},
	{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", foreign},
	{"lower-case method", "get /a HTTP/1.1\r\nHost: a\r\n\r\n", foreign},
	{"two blanks", "GET  /a HTTP/1.1\r\nHost: a\r\n\r\n", foreign},
	{"blank in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", foreign},
	{"tab in the target", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", foreign},
	{"NUL in the target", "GET /a\x00b HTTP/1.1\r\nHost: a\r\n\r\n", foreign},
	{"broken escape in the path", "GET /a%z HTTP/1.1\r\nHost: a\r\n\r\n", foreign},
	{"escape cut off", "GET /a% HTTP/1.1\r\nHost: a\r\n\r\n", foreign},
	{"escape cut off by the query", "GET /a%4?b HTTP/1.1\r\nHost: a\r\n\r\n", foreign},
	{"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", foreign},
	{"bytes above ASCII in the target", "GET /\xc3\xbc HTTP/1.1\r\nHost: a\r\n\r\n", foreign},
	{"line feeds alone", "GET /a HTTP/1.1\nHost: a\n\n", foreign},
	{"a line feed alone", "GET /a HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", foreign},
	{"no host", "GET /a HTTP/1.1\r\nX: y\r\n\r\n", foreign},
	{"no headers", "GET /a HTTP/1.1\r\n\r\n", foreign},
	{"two hosts", "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", foreign},
	{"empty host", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", foreign},
	{"odd host", "GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n", foreign},
	{"blank before the colon", "GET /a HTTP/1.1\r\nHost : a\r\n\r\n", foreign},
	{"folded line", "GET /a HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", foreign},
	{"no colon", "GET /a HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", foreign},
	{"no name", "GET /a HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", foreign},
	{"CR in a value", "GET /a HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", foreign},
	{"NUL in a value", "GET /a HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", foreign},
	{"a body", "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", foreign},
	{"a chunked body", "GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", foreign},
	{"smuggling", "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", foreign},
	{"upgrade", "GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", foreign},
	{"expectation", "GET /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", foreign},
	{"two user agents", "GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nUser-Agent: y\r\n\r\n", foreign},
	{"two cookies", "GET /a HTTP/1.1\r\nHost: a\r\nCookie: x=1\r\nCookie: y=2\r\n\r\n", foreign},
	{"empty line first", "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", foreign},
}

var plainNames, countryNames = newNames(""), newNames("x-country")

func TestParse(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var q redirect.Request
			if n, _, got := parse([]byte(c.in), &q, plainNames); got != c.want || got == whole && (n == 0 || n > len(c.in)) {
				t.Errorf("outcome %d after %d bytes, want %d", got, n, c.want)
			}
		})
	}
}

func TestEveryPrefixOfAPlainRequestIsPartial(t *testing.T) {
	var q redirect.Request
	for n := range len(browserRequest) {
		if _, _, o := parse([]byte(browserRequest[:n]), &q, plainNames); o != partial {
			t.Fatalf("%q: outcome %d", browserRequest[:n], o)
		}
	}
}

// reference is what net/http makes of bytes on a connection: the requests that it
// hands to a handler, as the redirect reads them.
func reference(t testing.TB, in []byte) (requests []redirect.Request) {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan struct{})
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests = append(requests, redirect.RequestFrom(r, "X-Country"))
			w.WriteHeader(http.StatusNoContent)
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				close(done)
			}
		},
		ReadTimeout: time.Second,
	}
	listener := &oneConn{conn: server, closed: make(chan struct{})}
	go func() { _ = s.Serve(listener) }()
	go func() {
		_ = client.SetDeadline(time.Now().Add(2 * time.Second))
		_, _ = client.Write(in)
		// Nothing follows: what is half a request now stays one.
		_ = client.Close()
	}()
	go func() { _, _ = bufio.NewReader(client).WriteTo(discard{}) }()
	<-done
	_ = s.Close()
	return requests
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// oneConn is a listener with one connection.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// agree checks that net/http accepts the first request that the parser calls
// whole, and reads it alike.
func agree(t testing.TB, in []byte) {
	t.Helper()
	var q redirect.Request
	n, _, o := parse(in, &q, countryNames)
	if o != whole {
		return
	}
	theirs := reference(t, in[:n])
	if len(theirs) != 1 {
		t.Fatalf("the parser takes what net/http refuses: %q", in[:n])
	}
	theirs[0].Peer = q.Peer
	if theirs[0] != q {
		t.Fatalf("read differently: %q\n ours   %+v\n theirs %+v", in[:n], q, theirs[0])
	}
}

func TestAgreesWithNetHTTP(t *testing.T) {
	for _, c := range cases {
		agree(t, []byte(c.in))
	}
	for _, in := range malformed(t) {
		agree(t, in)
	}
}

func FuzzAgreesWithNetHTTP(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.in))
	}
	for _, in := range malformed(f) {
		f.Add(in)
	}
	f.Add([]byte("GET /a HTTP/1.1\r\nHost: [::1]:80\r\nX-Country: DE\r\nForwarded: for=1\r\nX-Forwarded-For: 1.2.3.4\r\nDNT: 1\r\nSec-GPC: 1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 4096 {
			agree(t, in)
		}
	})
}

func TestParseAllocatesNothing(t *testing.T) {
	in := []byte(browserRequest)
	var q redirect.Request
	if n := testing.AllocsPerRun(100, func() { parse(in, &q, countryNames) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParse(b *testing.B) {
	in := []byte(browserRequest)
	var q redirect.Request
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, o := parse(in, &q, plainNames); o != whole {
			b.Fatal(o)
		}
	}
}
