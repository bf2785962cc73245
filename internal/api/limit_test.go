package api

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func from(address string) *http.Request { return &http.Request{RemoteAddr: address} }

func TestLoginAttemptsRunOutAndComeBack(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := newLoginLimiter(func() time.Time { return now })
	for i := range loginBurst {
		if _, ok := l.allow(from("192.0.2.1:1000")); !ok {
			t.Fatalf("attempt %d was refused", i+1)
		}
	}
	now = now.Add(loginEvery / 3)
	wait, ok := l.allow(from("192.0.2.1:2000"))
	if ok || wait != loginEvery-loginEvery/3 {
		t.Errorf("after the last attempt: %v, %v; want to wait for the rest of an interval", wait, ok)
	}
	if _, ok := l.allow(from("192.0.2.2:1000")); !ok {
		t.Error("another address was refused")
	}
	now = now.Add(wait)
	if _, ok := l.allow(from("192.0.2.1:1000")); !ok {
		t.Error("refused after waiting as told")
	}
	if _, ok := l.allow(from("192.0.2.1:1000")); ok {
		t.Error("one interval gave two attempts")
	}
}

func TestOneHouseholdIsOneAddress(t *testing.T) {
	for _, c := range []struct{ a, b string }{
		{"[2001:db8:1:2::1]:1", "[2001:db8:1:2:ffff::9]:2"},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:2"},
		{"[fe80::1%eth0]:1", "[fe80::1%eth1]:1"},
		{"@", "@"}, // a unix socket
	} {
		if addressOf(from(c.a)) != addressOf(from(c.b)) {
			t.Errorf("%s and %s are counted apart", c.a, c.b)
		}
	}
	if addressOf(from("[2001:db8:1:2::1]:1")) == addressOf(from("[2001:db8:1:3::1]:1")) {
		t.Error("two households are counted as one")
	}
}

func TestLimiterForgetsOnlyWhoIsRested(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := newLoginLimiter(func() time.Time { return now })
	for range loginBurst {
		l.allow(from("192.0.2.1:1"))
	}
	for i := range 3 * loginAddressMax {
		l.allow(from(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)))
	}
	if n := len(l.addresses); n > loginAddressMax {
		t.Errorf("it remembers %d addresses, more than %d", n, loginAddressMax)
	}
	if _, ok := l.allow(from("192.0.2.1:1")); ok {
		t.Error("a flood of other addresses gave a tired one new attempts")
	}
	if _, ok := l.allow(from("203.0.113.9:1")); ok {
		t.Error("newcomers beyond the limit are not limited")
	}
	now = now.Add(loginBurst * loginEvery)
	if _, ok := l.allow(from("203.0.113.9:1")); !ok {
		t.Error("a newcomer is refused after everybody has rested")
	}
	if n := len(l.addresses); n != 1 {
		t.Errorf("it still remembers %d addresses, want the newcomer alone", n)
	}
}
