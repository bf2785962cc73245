package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is one thing wrong with the configuration.
type Fault struct {
	Path    string // such as journal.segment_bytes, empty when it is about the whole
	Place   string // such as "line 4" or "SLUICE_LISTEN", empty when unknown
	Message string
}

func (f Fault) String() string {
	s := f.Message
	if f.Path != "" {
		s = f.Path + ": " + s
	}
	if f.Place != "" {
		s = f.Place + ": " + s
	}
	return s
}

// Error is all that is wrong with a configuration.
type Error struct {
	File   string
	Faults []Fault
}

func (e *Error) Error() string {
	what := "the configuration"
	if e.File != "" {
		what += " " + e.File
	}
	if len(e.Faults) == 1 {
		return what + ": " + e.Faults[0].String()
	}
	lines := []string{fmt.Sprintf("%s has %d faults:", what, len(e.Faults))}
	for _, f := range e.Faults {
		lines = append(lines, "  "+f.String())
	}
	return strings.Join(lines, "\n")
}

// Validate returns an *Error with every value that cannot be, or nil.
func (c *Config) Validate() error {
	v := check{}
	if c.Data == "" {
		v.fault("data", "name the folder that holds the data")
	}
	v.address("listen", c.Listen)
	v.address("admin", c.Admin)
	if c.Listen == c.Admin && !strings.HasSuffix(c.Admin, ":0") {
		v.fault("admin", "it is the same as listen (%s); visitors must not reach the administration: give it a port of its own", c.Listen)
	}
	oneOf(&v, "role", c.Role, All, Redirect, Control, Pipeline)
	v.publicURL(c.PublicURL)
	between(&v, "node", c.Node, 0, 65535)
	v.header(c)
	between(&v, "loops", c.Loops, 0, 128)
	if c.ProxyProtocol && len(c.TrustedProxies) == 0 {
		v.fault("proxy_protocol", "anybody could say who they are: name the proxies that do in trusted_proxies")
	}
	oneOf(&v, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(&v, "log.format", c.Log.Format, "text", "json")

	between(&v, "journal.segment_bytes", c.Journal.SegmentBytes, 64*KiB, GiB)
	between(&v, "journal.sync_interval", c.Journal.SyncInterval, Duration(time.Millisecond), Duration(time.Minute))
	if least := 4 * c.Journal.SegmentBytes; c.Journal.MaxBytes != 0 && c.Journal.MaxBytes < least {
		v.fault("journal.max_bytes", "%s leaves no room to work; give at least four segments (%s), or 0 for no limit", c.Journal.MaxBytes, least)
	}

	between(&v, "journal.keep", c.Journal.Keep, 0, 3650*Day)
	if c.Journal.KeepBytes < 0 {
		v.fault("journal.keep_bytes", "%s is less than nothing; give a size, or 0", c.Journal.KeepBytes)
	}

	if !isToken(c.Cookie.Name) {
		v.fault("cookie.name", "%q cannot name a cookie; use letters, digits, - and _", c.Cookie.Name)
	}
	if strings.HasPrefix(c.Cookie.Name, "__Host-") && c.Cookie.Insecure || strings.HasPrefix(c.Cookie.Name, "__Secure-") && c.Cookie.Insecure {
		v.fault("cookie.name", "browsers refuse %q without Secure; choose another name, or drop cookie.insecure", c.Cookie.Name)
	}
	between(&v, "cookie.ttl", c.Cookie.TTL, Duration(time.Minute), 400*Day)
	oneOf(&v, "privacy.store_ip", c.Privacy.StoreIP, StoreTruncated, StoreFull, StoreNone)

	v.engines(c)
	between(&v, "analytics.memory_limit", c.Analytics.MemoryLimit, 64*MiB, 16*TiB)
	between(&v, "analytics.quorum", c.Analytics.Quorum, 0, 16)
	between(&v, "analytics.threads", c.Analytics.Threads, 0, 1024)
	between(&v, "limits.header_bytes", c.Limits.HeaderBytes, 4*KiB, MiB)
	between(&v, "limits.body_bytes", c.Limits.BodyBytes, 64*KiB, GiB)
	between(&v, "limits.import_bytes", c.Limits.ImportBytes, MiB, TiB)
	between(&v, "limits.connections", c.Limits.Connections, 16, 10_000_000)
	between(&v, "limits.other_connections", c.Limits.OtherConnections, 1, c.Limits.Connections)
	between(&v, "limits.unfinished_bytes", c.Limits.UnfinishedBytes, MiB, TiB)
	between(&v, "limits.header_timeout", c.Limits.HeaderTimeout, Duration(time.Second), Duration(time.Hour))
	between(&v, "limits.idle_timeout", c.Limits.IdleTimeout, Duration(time.Second), Duration(24*time.Hour))
	between(&v, "limits.write_timeout", c.Limits.WriteTimeout, Duration(time.Second), Duration(time.Hour))
	between(&v, "ingest.max_age", c.Ingest.MaxAge, Duration(time.Hour), 3650*Day)
	v.tls(c)
	v.token(c.Metrics.Token)
	between(&v, "leave_timeout", c.LeaveTimeout, Duration(100*time.Millisecond), Duration(time.Hour))
	between(&v, "shutdown_timeout", c.ShutdownTimeout, Duration(time.Second), Duration(time.Hour))
	return v.err()
}

// check collects faults.
type check struct {
	faults []Fault
}

func (v *check) fault(path, format string, args ...any) {
	v.faults = append(v.faults, Fault{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (v *check) err() error {
	if len(v.faults) == 0 {
		return nil
	}
	return &Error{Faults: v.faults}
}

func (v *check) address(path, s string) {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		v.fault(path, "%q is not an address; write HOST:PORT such as 127.0.0.1:8080, or :8080 for every interface", s)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		v.fault(path, "%q is not a port; use a number from 1 to 65535, or 0 for any free one", port)
	}
}

func (v *check) publicURL(s string) {
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		v.fault("public_url", "%q is not an address that visitors can open; write it like https://example.com", s)
		return
	}
	if u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		v.fault("public_url", "%q goes on after the host; links bring their own path", s)
	}
}

func (v *check) header(c *Config) {
	if c.CountryHeader == "" {
		return
	}
	if !isToken(c.CountryHeader) {
		v.fault("country_header", "%q is not the name of a header", c.CountryHeader)
	}
	if len(c.TrustedProxies) == 0 {
		v.fault("country_header", "anybody could send it: name the proxies that set it in trusted_proxies")
	}
}

// isToken says that s can name a header or a cookie (RFC 9110).
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("()<>@,;:\\\"/[]?={}", c) >= 0 {
			return false
		}
	}
	return s != ""
}

func oneOf[T ~string](v *check, path string, s T, allowed ...T) {
	if slices.Contains(allowed, s) {
		return
	}
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	v.fault(path, "%q is not one of %s", s, strings.Join(words, ", "))
}

func between[T Bytes | Duration | int](v *check, path string, n, low, high T) {
	if n < low || n > high {
		v.fault(path, "%v is not between %v and %v", n, low, high)
	}
}
