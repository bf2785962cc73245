package api

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Login attempts of one address, and of all addresses that the limiter cannot
// tell apart any more.
const (
	loginBurst       = 10
	loginEvery       = 6 * time.Second // one more attempt
	loginAddressMax  = 4096
	loginSharedBurst = 100
	loginSharedEvery = time.Second
)

// loginLimiter bounds how fast passwords and codes can be guessed. Its memory is
// bounded: beyond loginAddressMax addresses at once, newcomers share one budget.
type loginLimiter struct {
	now func() time.Time

	mu        sync.Mutex
	addresses map[string]*budget
	shared    budget
	swept     time.Time // when forgetIdle last went through all addresses
}

// budget refills by one attempt per interval, up to its burst. left may be read
// only after refill.
type budget struct {
	left int
	at   time.Time
}

func newLoginLimiter(now func() time.Time) *loginLimiter {
	return &loginLimiter{now: now, addresses: map[string]*budget{}, shared: budget{left: loginSharedBurst, at: now()}}
}

// allow takes one attempt of the request's address. When none is left it says
// how long to wait.
func (l *loginLimiter) allow(r *http.Request) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b, burst, every := l.budgetOf(addressOf(r), now)
	b.refill(now, burst, every)
	if b.left == 0 {
		return every - now.Sub(b.at), false
	}
	b.left--
	return 0, true
}

func (l *loginLimiter) budgetOf(address string, now time.Time) (b *budget, burst int, every time.Duration) {
	if b := l.addresses[address]; b != nil {
		return b, loginBurst, loginEvery
	}
	if len(l.addresses) >= loginAddressMax {
		l.forgetIdle(now)
	}
	if len(l.addresses) >= loginAddressMax {
		return &l.shared, loginSharedBurst, loginSharedEvery
	}
	b = &budget{left: loginBurst, at: now}
	l.addresses[address] = b
	return b, loginBurst, loginEvery
}

// forgetIdle drops the addresses whose budget is full again. It goes through all
// of them, so not more often than a budget changes.
func (l *loginLimiter) forgetIdle(now time.Time) {
	if now.Sub(l.swept) < loginEvery {
		return
	}
	l.swept = now
	for address, b := range l.addresses {
		if b.refill(now, loginBurst, loginEvery); b.left == loginBurst {
			delete(l.addresses, address)
		}
	}
}

func (b *budget) refill(now time.Time, burst int, every time.Duration) {
	n := int(now.Sub(b.at) / every)
	if n <= 0 {
		return
	}
	b.left = min(burst, b.left+n)
	b.at = b.at.Add(time.Duration(n) * every)
}

// addressOf is who the attempts are counted for: an IPv4 address, or the /64 that
// one IPv6 household has to itself.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}
