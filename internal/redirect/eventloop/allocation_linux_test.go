package eventloop

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sluicehq/sluice/internal/redirect"
)

// bareLoop is a loop that nobody runs, with one visitor; visit makes one round of it
// for one request.
func bareLoop(t testing.TB) (visit func()) {
	t.Helper()
	s, records := serve(t, nil)
	options := s.options
	options.Record = func(int) redirect.Record {
		return func(all [][]byte) (int, error) { records.Add(int64(len(all))); return len(all), nil }
	}
	l, err := newLoop(&Server{options: options, names: newNames("")}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.closeAll)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(pair[1]) })
	l.open(pair[0], netip.MustParseAddrPort("198.51.100.7:4711"))
	request := []byte(browserRequest)
	request = bytes.Replace(request, []byte("/go/the-thing"), []byte("/go/a"), 1)
	answer := make([]byte, 4096)
	return func() {
		if _, err := unix.Write(pair[1], request); err != nil {
			t.Fatal(err)
		}
		n, _ := ready(l.epoll, l.events[:])
		l.tellTime()
		l.round(l.events[:n])
		if n, err := unix.Read(pair[1], answer); err != nil || !bytes.HasPrefix(answer[:max(n, 0)], []byte("HTTP/1.1 302 ")) {
			t.Fatalf("answered %q: %v", answer[:max(n, 0)], err)
		}
	}
}

// From the bytes of a request to the bytes of its answer, record included, nothing
// is allocated.
func TestRoundAllocatesNothing(t *testing.T) {
	visit := bareLoop(t)
	visit()
	if n := testing.AllocsPerRun(500, visit); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func BenchmarkRound(b *testing.B) {
	visit := bareLoop(b)
	b.ReportAllocs()
	for b.Loop() {
		visit()
	}
}
