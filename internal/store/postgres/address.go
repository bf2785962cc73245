package postgres

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// parseAddress reads a URL. The password is taken out before the library sees it, which
// repeats addresses in its messages.
func parseAddress(address, password string) (config *pgxpool.Config, place string, err error) {
	scheme, rest, found := strings.Cut(address, "://")
	if !found || scheme != "postgres" && scheme != "postgresql" {
		return nil, "", affiliate.Errorf(affiliate.Invalid, "the address of the store is not a URL such as postgres://user@host:5432/database")
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	user, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, hosts = authority[:i], authority[i+1:]
	}
	folder, query, _ := strings.Cut(path, "?")
	if strings.Contains(folder, "@") || user == "" && strings.Contains(path, "@") || strings.Contains("&"+query, "&password=") {
		return nil, "", affiliate.Errorf(affiliate.Invalid, "the address of the store has a password where there can be none: "+
			"give it by itself, or as postgres://user:password@host/database with %%40 for @, %%2F for /, %%3F for ? and %%23 for #")
	}
	name, within, _ := strings.Cut(user, ":")
	if password == "" {
		if password, err = url.PathUnescape(within); err != nil {
			return nil, "", affiliate.Errorf(affiliate.Invalid, "the password in the address of the store has a %% that begins no escape: write %%25, or give the password by itself")
		}
	}
	if name != "" {
		hosts = name + "@" + hosts
	}
	if config, err = pgxpool.ParseConfig(scheme + "://" + hosts + path); err != nil {
		return nil, "", affiliate.Errorf(affiliate.Invalid, "the address of the store: %v", err)
	}
	if password != "" {
		config.ConnConfig.Password = password
	}
	return config, placeOf(config), nil
}

// placeOf names the database, with all hosts that are tried, in messages.
func placeOf(config *pgxpool.Config) string {
	c := config.ConnConfig
	var hosts []string
	add := func(host string, port uint16) {
		if !strings.HasPrefix(host, "/") { // a folder with a socket
			host = net.JoinHostPort(host, strconv.Itoa(int(port)))
		}
		if !slices.Contains(hosts, host) { // once with TLS and once without
			hosts = append(hosts, host)
		}
	}
	add(c.Host, c.Port)
	for _, other := range c.Fallbacks {
		add(other.Host, other.Port)
	}
	return fmt.Sprintf("postgres://%s@%s/%s", c.User, strings.Join(hosts, ","), c.Database)
}

// sessions sets up what all connections have in common.
func (s *Store) sessions(config *pgxpool.Config, options Options) {
	c := config.ConnConfig
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount}}
		if network != "unix" {
			dialer.Control = control
		}
		return dialer.DialContext(ctx, network, address)
	}
	// begin finds out whether a connection is alive, without a question of its own.
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	for name, value := range map[string]string{
		"search_path": options.Schema,
		// So the server notices a node that has vanished, and frees its lock, within 25 s and not in hours.
		"tcp_keepalives_idle":     strconv.Itoa(int(keepAliveIdle.Seconds())),
		"tcp_keepalives_interval": strconv.Itoa(int(keepAliveInterval.Seconds())),
		"tcp_keepalives_count":    strconv.Itoa(keepAliveCount),
		// Our statements are short; compiling them takes longer than running them.
		"jit": "off",
	} {
		c.RuntimeParams[name] = value
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "sluice"
	}
}

// A connection is given up when its peer has been silent: by the server after 25 s, by us after a minute.
const (
	connectTimeout    = 10 * time.Second
	keepAliveIdle     = 10 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 3
	// silenceMost also ends a batch of which the server takes nothing for so long, so it is above what a busy disk takes.
	silenceMost = time.Minute
)

// milliseconds spells a duration for the server, which takes 0 for none.
func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(d.Milliseconds(), 1), 10)
}
