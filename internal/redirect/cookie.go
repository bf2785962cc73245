package redirect

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	mathrand "math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Cookie says how the visitor's token travels.
type Cookie struct {
	Name string        // "sluice" by default
	TTL  time.Duration // affiliate.TokenLifetime at most, and by default
	// Insecure leaves out the Secure attribute, for sites without TLS. Browsers
	// treat localhost as secure.
	Insecure bool

	attributes string
}

func (c *Cookie) setDefaults() {
	if c.Name == "" {
		c.Name = "sluice"
	}
	if c.TTL <= 0 || c.TTL > affiliate.TokenLifetime {
		c.TTL = affiliate.TokenLifetime
	}
	c.attributes = "; Path=/; Max-Age=" + itoa(int64(c.TTL/time.Second)) + "; HttpOnly; SameSite=Lax"
	if !c.Insecure {
		c.attributes += "; Secure"
	}
}

func itoa(n int64) string {
	var b [20]byte
	i := len(b)
	for ; n > 9; n /= 10 {
		i--
		b[i] = byte('0' + n%10)
	}
	i--
	b[i] = byte('0' + n)
	return string(b[i:])
}

// identify finds out who the visitor is and writes it into the click. It is false
// for visitors who get no cookie: those who ask not to be followed, and declared
// bots. They are known for a day, by a hash that cannot be reversed.
func (r *Redirector) identify(q *Request, a *Answer, now time.Time) (tracked bool) {
	c := &a.click
	if r.untracked(c) {
		c.Visitor = r.daily.visitor(now, c, q.Header.UserAgent, q.Host)
		return false
	}
	if s := cookieValue(q.Header.Cookie, r.options.Cookie.Name); s != "" {
		if a.signer.Open(s, &a.token) {
			c.Signals |= affiliate.SignalReturning
			c.Visitor = a.token.Visitor
			return true
		}
		c.Signals |= affiliate.SignalCookieRefused
	}
	c.Visitor = affiliate.NewVisitorID(uint16(mathrand.Uint32()), mathrand.Uint64())
	a.token.Visitor, a.token.Since, a.token.Touches = c.Visitor, now, a.token.Touches[:0]
	return true
}

// Anonymous names the visitor of a click that was answered elsewhere without a cookie: for
// one of today as the visitors of today are named here, for one of another day by a name of
// that day. What an older click's name was made with is forgotten at midnight as well, so
// its visitor may get another one tomorrow.
func (r *Redirector) Anonymous(c *affiliate.Click, now time.Time) affiliate.VisitorID {
	host := c.Host
	if day := c.Time().Unix() / 86400; day != now.Unix()/86400 {
		host += itoa(day)
	}
	return r.daily.visitor(now, c, c.Agent, host)
}

func (r *Redirector) untracked(c *affiliate.Click) bool {
	return c.Verdict == affiliate.VerdictBot ||
		c.Signals&affiliate.SignalPrivacyGlobal != 0 && !r.options.IgnorePrivacyGlobal ||
		c.Signals&affiliate.SignalDoNotTrack != 0 && !r.options.IgnoreDoNotTrack
}

// cookie appends the Set-Cookie value of a visitor who followed a link; the click
// becomes the newest touch.
func (r *Redirector) cookie(b []byte, a *Answer) []byte {
	c, d := &a.click, &a.decision
	if d.Link == 0 || d.Outcome == affiliate.Blocked || d.Outcome == affiliate.Missing {
		return b
	}
	if c.Signals&(affiliate.SignalHead|affiliate.SignalPrefetch) == 0 {
		a.token.Touch(d.Program, c.ID)
	}
	b = append(append(b, r.options.Cookie.Name...), '=')
	b = a.signer.Seal(b, &a.token)
	return append(b, r.options.Cookie.attributes...)
}

// cookieValue finds a cookie in a Cookie header.
func cookieValue(header, name string) string {
	// Most of a browser's cookies are not ours: what stands before the first mention
	// of the name need not be looked at.
	at := strings.Index(header, name)
	if at < 0 {
		return ""
	}
	header = header[strings.LastIndexByte(header[:at], ';')+1:]
	for header != "" {
		var pair string
		pair, header, _ = strings.Cut(header, ";")
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if key == name {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// daily names visitors without a cookie, for a day: a hash of address, user agent
// and host, keyed with a salt that is never stored and forgotten at midnight UTC.
type daily struct {
	salt atomic.Pointer[daySalt]
}

type daySalt struct {
	day int64
	key [32]byte
}

func (d *daily) visitor(now time.Time, c *affiliate.Click, agent, host string) affiliate.VisitorID {
	salt := d.forDay(now.Unix() / 86400)
	ip := c.IP.As16()
	b := make([]byte, 0, 512)
	b = append(append(b, salt.key[:]...), ip[:]...)
	b = append(append(append(b, host...), 0), agent...)
	sum := sha256.Sum256(b)
	return affiliate.NewVisitorID(binary.BigEndian.Uint16(sum[:]), binary.BigEndian.Uint64(sum[2:]))
}

func (d *daily) forDay(day int64) *daySalt {
	for {
		old := d.salt.Load()
		if old != nil && old.day == day {
			return old
		}
		next := &daySalt{day: day}
		_, _ = rand.Read(next.key[:]) // never fails: the runtime stops the program instead
		if d.salt.CompareAndSwap(old, next) {
			return next
		}
	}
}
