package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

const links = 1000

// redirects answers as a right server does, and counts its clicks.
type redirects struct {
	mu      sync.Mutex
	targets map[string]int // slug → link
	ids     IDs
	cookies int
	agents  map[string]bool
	bytes   int // of the longest request head, about
}

func newRedirects() *redirects {
	s := &redirects{targets: map[string]int{}, agents: map[string]bool{}}
	for n := range links {
		s.targets[Slug(n)] = n
	}
	return s
}

func (s *redirects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.targets[strings.TrimPrefix(r.URL.Path, "/go/")]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if strings.Contains(r.Header.Get("Cookie"), "; visitor=") {
		s.cookies++
	}
	s.agents[r.UserAgent()] = true
	for name, values := range r.Header {
		s.bytes += len(name) + len(values[0]) + 4
	}
	id := affiliate.NewClickID(time.Now().UnixMilli(), 1, uint64(len(s.ids)))
	s.ids = append(s.ids, id)
	w.Header().Set("Location", string(AppendTarget(nil, n, id.String())))
	http.SetCookie(w, &http.Cookie{Name: "visitor", Value: id.String(), Path: "/"})
	w.WriteHeader(http.StatusFound)
}

// recorded are the ids of all clicks until now.
func (s *redirects) recorded() IDs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

func visit(t *testing.T, o Options) Result {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("visitors need Linux")
	}
	o.Links = max(o.Links, 1)
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if sum := r.Answered + r.Refused + r.Wrong + r.Broken + r.Unanswered; sum != r.Sent {
		t.Errorf("%d requests were sent, %d are accounted for: %+v", r.Sent, sum, r)
	}
	return r
}

func TestVisitorsRememberEveryClick(t *testing.T) {
	for name, o := range map[string]Options{
		"as fast as answered":     {Connections: 8},
		"pipelined":               {Connections: 2, Depth: 16},
		"at a rate":               {Connections: 8, Rate: 2000},
		"without sleep":           {Connections: 8, Rate: 2000, Spin: true},
		"returning":               {Connections: 4, Returning: 0.5, Rate: 2000},
		"on connections anew":     {Connections: 4, Renew: 3},
		"anew in the pipeline":    {Connections: 4, Renew: 5, Depth: 3},
		"on behalf of many":       {Connections: 4, Forwarded: true, Rate: 2000},
		"one connection only":     {Connections: 1, Rate: 1000},
		"many, and hardly a rate": {Connections: 200, Rate: 100},
	} {
		t.Run(name, func(t *testing.T) {
			server := newRedirects()
			listening := httptest.NewServer(server)
			defer listening.Close()
			var remembered bytes.Buffer
			o.Address, o.Links, o.Duration, o.Remember = listening.Listener.Addr().String(), links, 300*time.Millisecond, &remembered
			r := visit(t, o)
			if r.Answered < 10 || r.Faults() != "" {
				t.Errorf("%s", &r)
			}
			given, err := ReadIDs(&remembered)
			if err != nil {
				t.Fatal(err)
			}
			if int64(len(given)) != r.Answered {
				t.Errorf("%d answers, %d ids", r.Answered, len(given))
			}
			if c := Compare(given, server.recorded()); c.Lost+c.Doubled+c.Reused+c.Extra != 0 {
				t.Errorf("%s", c)
			}
			if got, want := float64(server.cookies)/float64(r.Answered), o.Returning; got < want-0.15 || got > want {
				t.Errorf("%.2f of the requests came with a cookie, want %.2f", got, want)
			}
			// A server that is too slow leaves some for later; nobody comes early.
			if want := int64(float64(o.Rate) * r.Seconds); o.Rate > 0 && r.Sent > want+1 {
				t.Errorf("%d requests in %.3f s, want %d", r.Sent, r.Seconds, want)
			}
			if o.Renew > 0 && r.Connected < r.Sent/int64(o.Renew) {
				t.Errorf("%d connections for %d requests", r.Connected, r.Sent)
			}
			if mean := server.bytes / len(server.ids); mean < 700 || mean > 1100 {
				t.Errorf("a request's headers have %d bytes", mean)
			}
			if o.Rate == 2000 && len(server.agents) < 30 {
				t.Errorf("only %d user agents came", len(server.agents))
			}
		})
	}
}

// script serves each connection with the given bytes for each request, and then
// closes it if they end in "!".
func script(t *testing.T, answers string) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	text, closes := strings.CutSuffix(answers, "!")
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				for r := bufio.NewReader(conn); ; {
					if _, err := http.ReadRequest(r); err != nil {
						return
					}
					if _, err := io.WriteString(conn, text); err != nil || closes {
						return
					}
				}
			})
		}
	})
	return l.Addr().String()
}

func TestVisitorsNoticeWhatIsWrong(t *testing.T) {
	right := "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nlocation: " + string(AppendTarget(nil, 0, "0123456789abcdefghjkmnpq")) + "\r\n"
	const end = "\r\n"
	for name, c := range map[string]struct {
		answer string
		count  func(r *Result) int64 // what alone must not be zero
		fault  string
	}{
		"nothing":              {right + end, func(r *Result) int64 { return r.Answered }, ""},
		"a body":               {strings.Replace(right, "Length: 0", "Length: 5", 1) + end + "hello", func(r *Result) int64 { return r.Answered }, ""},
		"a refusal":            {"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n", func(r *Result) int64 { return r.Refused }, "503 for "},
		"a permanent redirect": {strings.Replace(right, "302", "301", 1) + end, func(r *Result) int64 { return r.Refused }, "301 for "},
		"another place":        {strings.Replace(right, "awin1", "evil", 1) + end, func(r *Result) int64 { return r.Wrong }, "leads to"},
		"no place":             {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", func(r *Result) int64 { return r.Wrong }, "leads to"},
		"a short id":           {strings.Replace(right, "npq", "", 1) + end, func(r *Result) int64 { return r.Wrong }, "leads to"},
		"a long id":            {strings.Replace(right, "npq", "npqr", 1) + end, func(r *Result) int64 { return r.Wrong }, "leads to"},
		"not HTTP":             {"SSH-2.0-x\r\n\r\n", func(r *Result) int64 { return r.Wrong }, "not an answer"},
		"a flood":              {right + "X: " + strings.Repeat("x", 20000), func(r *Result) int64 { return r.Wrong }, "without end"},
		"a huge body":          {strings.Replace(right, "Length: 0", "Length: 50000", 1) + end, func(r *Result) int64 { return r.Wrong }, "an answer of 50"},
		"a head cut off":       {right + "!", func(r *Result) int64 { return r.Broken }, ""},
		"a body cut off":       {strings.Replace(right, "Length: 0", "Length: 5", 1) + end + "hell!", func(r *Result) int64 { return r.Broken }, ""},
		"silence":              {"", func(r *Result) int64 { return r.Unanswered }, ""},
		"a hang-up":            {"!", func(r *Result) int64 { return r.Broken }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var remembered bytes.Buffer
			r := visit(t, Options{Address: script(t, c.answer), Connections: 1, Duration: 100 * time.Millisecond, Remember: &remembered})
			if n := c.count(&r); n == 0 || n != r.Sent {
				t.Errorf("%d of %d: %s", n, r.Sent, &r)
			}
			if got := bytes.Count(remembered.Bytes(), []byte("\n")); int64(got) != r.Answered {
				t.Errorf("%d answers, %d ids", r.Answered, got)
			}
			if !strings.Contains(r.FirstFault, c.fault) || (c.fault == "") != (r.FirstFault == "") {
				t.Errorf("the first fault is %q, want %q", r.FirstFault, c.fault)
			}
		})
	}
}

// An answer more than was asked for is noticed when it comes with the last one.
func TestVisitorsTakeNoAnswerThatNobodyAskedFor(t *testing.T) {
	answer := "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + string(AppendTarget(nil, 0, "x")) + "\r\n\r\n"
	r := visit(t, Options{Address: script(t, answer+answer), Connections: 1, Duration: 100 * time.Millisecond})
	if r.Wrong == 0 || !strings.Contains(r.FirstFault, "nobody asked") {
		t.Errorf("%s", &r)
	}
}

func TestVisitorsFollowTheServer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("visitors need Linux")
	}
	server := newRedirects()
	var asked atomic.Int64 // of the first one
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		time.Sleep(5 * time.Millisecond) // every connection is busy when the visitors are told to go
		server.ServeHTTP(w, r)
	}))
	var remembered bytes.Buffer
	c, err := New(Options{Address: first.Listener.Addr().String(), Links: links, Connections: 8, Rate: 2000, Remember: &remembered})
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	var r Result
	var visiting sync.WaitGroup
	visiting.Go(func() { r, err = c.Run(ctx) })
	time.Sleep(100 * time.Millisecond)
	second := httptest.NewServer(server)
	defer second.Close()
	if err := c.Follow(second.Listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	before := asked.Load()
	time.Sleep(50 * time.Millisecond)
	if after := asked.Load(); before == 0 || after > before {
		t.Errorf("the first server was asked %d times, %d of them after the visitors had left it", after, after-before)
	}
	first.CloseClientConnections() // nobody is there any more
	first.Close()
	time.Sleep(200 * time.Millisecond)
	second.CloseClientConnections() // everybody is
	time.Sleep(200 * time.Millisecond)
	leave()
	visiting.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if r.Connected < 24 || r.Refused+r.Wrong+r.Unanswered > 0 || r.Broken > 8 || r.Answered < 10 {
		t.Errorf("%s", &r)
	}
	given, err := ReadIDs(&remembered)
	if err != nil {
		t.Fatal(err)
	}
	if c := Compare(given, server.recorded()); c.Lost+c.Doubled+c.Reused > 0 || int64(c.Extra) > r.Broken {
		t.Errorf("%s; %s", c, &r)
	}
}

// A server that is away costs attempts and missed visits, nothing else.
func TestVisitorsOutliveAServerThatIsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	r := visit(t, Options{Address: address, Connections: 3, Rate: 1000, Duration: 50 * time.Millisecond})
	if r.Sent != 0 || r.Missed == 0 || r.NotConnected == 0 {
		t.Errorf("%s", &r)
	}
}

// A wait counts from when the visit was due, though its connection was busy then.
func TestWaitCountsFromWhenItWasDue(t *testing.T) {
	var stall sync.Once
	server := newRedirects()
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stall.Do(func() { time.Sleep(200 * time.Millisecond) })
		server.ServeHTTP(w, r)
	}))
	defer listening.Close()
	r := visit(t, Options{Address: listening.Listener.Addr().String(), Links: links, Connections: 1, Rate: 500, Duration: 300 * time.Millisecond})
	if r.Faults() != "" || r.Wait.P50 < 20 || r.Wait.Max < 195 {
		t.Errorf("%s", &r)
	}
}

func TestCompare(t *testing.T) {
	bag := func(names string) (ids IDs) {
		for _, n := range strings.Fields(names) {
			if err := ids.Add([]byte(fmt.Sprintf("%024s", n))); err != nil {
				t.Fatal(err)
			}
		}
		return ids
	}
	for _, c := range []struct {
		given, kept string
		want        Comparison
	}{
		{"", "", Comparison{}},
		{"b a", "a b", Comparison{Given: 2, Kept: 2}},
		{"a b c", "a c", Comparison{Given: 3, Kept: 2, Lost: 1}},
		{"a", "", Comparison{Given: 1, Lost: 1}},
		{"", "a a", Comparison{Kept: 1, Extra: 1, Doubled: 1}},
		{"a", "b a b", Comparison{Given: 1, Kept: 2, Extra: 1, Doubled: 1}},
		{"a a b", "a b b", Comparison{Given: 2, Kept: 2, Reused: 1, Doubled: 1}},
		{"c d e", "a b c", Comparison{Given: 3, Kept: 3, Extra: 2, Lost: 2}},
	} {
		got := Compare(bag(c.given), bag(c.kept))
		got.FirstLost = affiliate.ClickID{}
		if got != c.want {
			t.Errorf("%q and %q: %+v, want %+v", c.given, c.kept, got, c.want)
		}
	}
	if _, err := ReadIDs(strings.NewReader("short\n")); err == nil {
		t.Error("a torn id was read")
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for want, o := range map[string]Options{
		"links: 0":        {Address: "127.0.0.1:1"},
		"address":         {Address: "localhost:1", Links: 1},
		"connections: -1": {Address: "127.0.0.1:1", Links: 1, Connections: -1},
		"depth: 5000":     {Address: "127.0.0.1:1", Links: 1, Depth: 5000},
		"returning: 2":    {Address: "127.0.0.1:1", Links: 1, Returning: 2},
		"rate: -5":        {Address: "127.0.0.1:1", Links: 1, Rate: -5},
	} {
		if _, err := o.complete(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

func TestPortfolioIsTheSameEverywhere(t *testing.T) {
	seen := map[string]int{}
	for n := range 20_000 {
		if other, ok := seen[Slug(n)]; ok {
			t.Fatalf("links %d and %d are both %s", other, n, Slug(n))
		}
		seen[Slug(n)] = n
		target := Target(n)
		if strings.Count(target, "{click_id}") != 1 || !strings.HasPrefix(target, string(appendHead(nil, n))) {
			t.Fatalf("link %d leads to %s", n, target)
		}
	}
}
