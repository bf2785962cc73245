package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Policy says whom the Courier may speak to for its users. The zero Policy is https on the
// ports 80, 443 and 8443 of public addresses.
type Policy struct {
	// AllowPrivate are networks that are reached whatever they are, on any port, by http
	// too: an intranet, or the loopback in tests.
	AllowPrivate []netip.Prefix
	// AllowPlain lets http be spoken to public addresses.
	AllowPlain bool
}

var ports = []uint16{80, 443, 8443}

// errRefused tells nothing of the address: it may be that of an inner network, and whoever
// reads the error has chosen the name that led there.
var errRefused = errors.New("its address or port is not one that messages may be sent to: it is private, reserved, or neither 80, 443 nor 8443; an operator can allow networks")

var errPlain = errors.New("it must be reached by https; an operator can allow http")

// reserved are the networks within the public spaces that belong to nobody on the public
// internet, or lead to an IPv4 address by a way round. Source: IANA's registries of
// special-purpose addresses, 2024.
var reserved = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)

// public6 is all of IPv6 that is given to anybody. Loopback, private, link-local and
// multicast addresses, and the ways round by NAT64, are elsewhere.
var public6 = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// check says why an address may not be spoken to; plain: by http.
func (p Policy) check(to netip.AddrPort, plain bool) error {
	address := to.Addr().Unmap() // a mapped address is the IPv4 one
	if contains(p.AllowPrivate, address.WithZone("")) {
		return nil
	}
	public := address.Is4() || address.Zone() == "" && public6.Contains(address)
	if !public || contains(reserved, address) || !slices.Contains(ports, to.Port()) {
		return errRefused
	}
	if plain && !p.AllowPlain {
		return errPlain
	}
	return nil
}

func contains(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// control is a net.Dialer's: it sees the address that is about to be connected to, after
// names were resolved, so that a name that changes its address between two looks gains
// nothing.
func (p Policy) control(plain bool) func(network, address string, _ syscall.RawConn) error {
	return func(network, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || network != "tcp4" && network != "tcp6" {
			return errRefused
		}
		return p.check(to, plain)
	}
}

// urlFault says what is wrong with a URL as far as it can be seen without resolving its
// host; "" is nothing.
func (p Policy) urlFault(text string) string {
	switch {
	case text == "":
		return "the URL is missing"
	case len(text) > urlBytesMax:
		return fmt.Sprintf("the URL has %d bytes; at most %d", len(text), urlBytesMax)
	}
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return fmt.Sprintf("the URL contains %q at position %d; write it percent-encoded", c, i+1)
		}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "it is not a URL; write one such as https://example.com/hook"
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return "it is not an absolute URL; it starts with https://"
	case u.User != nil:
		return "a user name or password in the URL is not allowed"
	case u.Fragment != "" || strings.Contains(text, "#"):
		return "what follows a # is never sent; leave it out"
	}
	return p.hostFault(u)
}

func (p Policy) hostFault(u *url.URL) string {
	plain, port := u.Scheme == "http", uint16(443)
	if plain {
		port = 80
	}
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return fmt.Sprintf("the port %q is not a port", clip(text, 20))
		}
		port = uint16(n)
	}
	host := strings.ToLower(u.Hostname())
	if address, err := netip.ParseAddr(host); err == nil {
		return faultOf(p.check(netip.AddrPortFrom(address, port), plain))
	}
	if len(p.AllowPrivate) > 0 {
		return "" // the name's address decides, when it is known
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || !slices.Contains(ports, port) {
		return faultOf(errRefused)
	}
	if plain && !p.AllowPlain {
		return faultOf(errPlain)
	}
	return ""
}

func faultOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// refusal returns the reason for which an address was refused within an error, or nil.
func refusal(err error) error {
	for _, reason := range []error{errRefused, errPlain} {
		if errors.Is(err, reason) {
			return reason
		}
	}
	return nil
}

// dialer connects to those whom the policy allows.
func (p Policy) dialer(plain bool) *net.Dialer {
	return &net.Dialer{Timeout: connectTimeout, Control: p.control(plain)}
}
