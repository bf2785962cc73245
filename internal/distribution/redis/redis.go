// Package redis distributes over Redis: alone, with Sentinel, or as a Cluster.
//
// Everything small is under one hash tag, so that it is on one node of a Cluster and
// scripts may touch several keys; the parts of snapshots are spread.
//
//	{NAME}:head          hash: installation, epoch
//	{NAME}:log:EPOCH     stream of steps; the id of an entry is To-0
//	{NAME}:snapshots:EPOCH  hash: format → description (JSON)
//	{NAME}:value:KEY     hash: revision, value
//	{NAME}:nodes         hash: name → node (JSON)
//	NAME:part:PLACE:N    a part of a snapshot's file, compressed (zstd)
//
// A stream takes entries only with rising ids, which makes adding a step twice, or late,
// harmless. Redis acknowledges before its replicas have a write, so a failover may lose the
// newest steps; control nodes look every second and add what is missing.
package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/distribution"
)

// Options of an engine.
type Options struct {
	// URL says where Redis is and of which kind:
	//
	//	redis://HOST:PORT/DB                     one server
	//	redis-sentinel://HOST:PORT,…/MASTER/DB   whichever the sentinels call the master
	//	redis-cluster://HOST:PORT,…              a Cluster
	//
	// With a second s, as in rediss://, it is spoken to over TLS. A user may stand before
	// the host.
	URL      string
	Password string
	CAFile   string // PEM, for TLS with a private authority; empty: the system's
	// Name begins every key, so that installations can share a server. "sluice" when
	// empty.
	Name string
	// LogMax is how many steps are kept, about; 100,000 when zero.
	LogMax int64
}

// Redis is an engine.
type Redis struct {
	client redis.UniversalClient
	name   string
	place  string // for errors; without a password
	logMax int64
	isSet  bool // it is a Cluster
}

// The library logs for the whole process what its calls return as well.
var quiet = sync.OnceFunc(func() { redis.SetLogger(silence{}) })

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// Open connects. Unavailable: the server does not answer.
func Open(ctx context.Context, o Options) (*Redis, error) {
	quiet()
	u, err := parse(o)
	if err != nil {
		return nil, err
	}
	r := &Redis{name: o.Name, place: u.place(), logMax: o.LogMax, isSet: u.kind == cluster}
	if r.name == "" {
		r.name = "sluice"
	}
	if r.logMax == 0 {
		r.logMax = 100_000
	}
	r.client = u.connect(o.Password)
	if err := r.client.Ping(ctx).Err(); err != nil {
		return nil, errors.Join(r.trouble(err), r.client.Close())
	}
	return r, nil
}

// Close ends the connections.
func (r *Redis) Close() error { return r.client.Close() }

func (r *Redis) key(parts ...string) string {
	return "{" + r.name + "}:" + strings.Join(parts, ":")
}

func (r *Redis) epochKey(what string, epoch int64) string {
	return r.key(what, strconv.FormatInt(epoch, 10))
}

// The kinds of an address.
const (
	single   = "redis"
	sentinel = "redis-sentinel"
	cluster  = "redis-cluster"
)

type address struct {
	kind   string
	hosts  []string
	master string
	user   string
	db     int
	tls    *tls.Config
}

const forms = "write redis://HOST:PORT, redis-sentinel://HOST:PORT,…/MASTER or redis-cluster://HOST:PORT,…, or rediss… for TLS"

func parse(o Options) (*address, error) {
	bad := func(format string, args ...any) (*address, error) {
		return nil, affiliate.Errorf(affiliate.Invalid, "the address of Redis: %s; %s", fmt.Sprintf(format, args...), forms)
	}
	scheme, rest, ok := strings.Cut(o.URL, "://")
	if !ok {
		return bad("%q has no scheme", withoutPassword(o.URL))
	}
	a := &address{kind: strings.Replace(scheme, "rediss", "redis", 1)}
	if a.kind != single && a.kind != sentinel && a.kind != cluster {
		return bad("%q is not a kind of Redis", scheme)
	}
	hosts, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndex(hosts, "@"); at >= 0 {
		user, password, has := strings.Cut(hosts[:at], ":")
		if has && password != "" {
			return bad("the password does not belong in it, but in distribution.password or its file")
		}
		a.user, hosts = user, hosts[at+1:]
	}
	for _, host := range strings.Split(hosts, ",") {
		if _, _, err := net.SplitHostPort(host); err != nil {
			return bad("%q is not HOST:PORT", host)
		}
		a.hosts = append(a.hosts, host)
	}
	if a.kind == single && len(a.hosts) > 1 {
		return bad("%d servers are not one; name the kind", len(a.hosts))
	}
	if a.kind == sentinel {
		if a.master, path, _ = strings.Cut(path, "/"); a.master == "" {
			return bad("the master's name is missing")
		}
	}
	if path != "" {
		db, err := strconv.Atoi(path)
		if err != nil || db < 0 || db > 0 && a.kind == cluster {
			return bad("%q is not a database of it", path)
		}
		a.db = db
	}
	if strings.HasPrefix(scheme, "rediss") {
		a.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		if o.CAFile != "" {
			pem, err := os.ReadFile(o.CAFile)
			if err != nil {
				return nil, fmt.Errorf("the authority that vouches for Redis cannot be read: %w", err)
			}
			a.tls.RootCAs = x509.NewCertPool()
			if !a.tls.RootCAs.AppendCertsFromPEM(pem) {
				return nil, affiliate.Errorf(affiliate.Invalid, "%s has no certificate in PEM", o.CAFile)
			}
		}
	}
	return a, nil
}

func withoutPassword(text string) string {
	if u, err := url.Parse(text); err == nil {
		return u.Redacted()
	}
	return "the address"
}

func (a *address) place() string { return a.kind + "://" + strings.Join(a.hosts, ",") }

// Timeouts of one command. A reader that waits for steps takes longer by as much as
// it waits.
const (
	dialTimeout  = 2 * time.Second
	readTimeout  = 3 * time.Second
	writeTimeout = 3 * time.Second
	retries      = 2
)

func (a *address) connect(password string) redis.UniversalClient {
	switch a.kind {
	case cluster:
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: a.hosts, Username: a.user, Password: password, TLSConfig: a.tls,
			DialTimeout: dialTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, ContextTimeoutEnabled: true, MaxRedirects: 5})
	case sentinel:
		return redis.NewFailoverClient(&redis.FailoverOptions{MasterName: a.master, SentinelAddrs: a.hosts, Username: a.user, Password: password, DB: a.db, TLSConfig: a.tls,
			DialTimeout: dialTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, ContextTimeoutEnabled: true, MaxRetries: retries})
	default:
		return redis.NewClient(&redis.Options{Addr: a.hosts[0], Username: a.user, Password: password, DB: a.db, TLSConfig: a.tls,
			DialTimeout: dialTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, ContextTimeoutEnabled: true, MaxRetries: retries})
	}
}

// trouble says where an error was and what to do about it.
func (r *Redis) trouble(err error) error {
	if err == nil || affiliate.CodeOf(err) != "" || errors.Is(err, distribution.ErrGap) {
		return err
	}
	text, mend := err.Error(), "see that it runs and can be reached from this machine"
	switch {
	case strings.HasPrefix(text, "NOAUTH"), strings.HasPrefix(text, "WRONGPASS"), strings.Contains(text, "AUTH failed"), strings.HasPrefix(text, "ERR AUTH"):
		text, mend = "the user or the password is wrong", "set distribution.password, and the user in distribution.url"
	case strings.HasPrefix(text, "NOPERM"):
		mend = "let the user run every command on the keys of distribution.name"
	case strings.HasPrefix(text, "MOVED"), strings.HasPrefix(text, "ASK"), strings.HasPrefix(text, "CROSSSLOT"):
		text, mend = "it is part of a Cluster", "begin distribution.url with redis-cluster://"
	case strings.Contains(text, "cluster support disabled"):
		text, mend = "it is not a Cluster", "begin distribution.url with redis://"
	case strings.HasPrefix(text, "CLUSTERDOWN"):
		mend = "the Cluster has lost masters: bring them back, or run redis-cli --cluster fix"
	case strings.HasPrefix(text, "READONLY"):
		text, mend = "it is a replica and may not be written", "name the master, or use redis-sentinel://"
	case strings.HasPrefix(text, "OOM"), strings.HasPrefix(text, "MISCONF"):
		mend = "give Redis more memory, or space on its disk"
	case strings.Contains(text, "unknown command"):
		mend = "it must be Redis 5 or later"
	}
	return affiliate.Errorf(affiliate.Unavailable, "Redis at %s: %s; %s", r.place, text, mend)
}

var _ distribution.Distribution = (*Redis)(nil)
