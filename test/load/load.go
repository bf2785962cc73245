// Package load is a crowd of visitors: it follows links over raw connections as
// browsers do, checks every answer, and costs so little that one core of it keeps
// the server on another busy.
//
// It either asks as fast as it is answered, or at a fixed rate; then a request's
// wait counts from when it was due, so a server that stalls is charged for every
// visitor it held up. It survives a server that goes away, counts what was in
// flight, and can write down every click id that reached it in a whole answer, to be
// compared with what the server kept.
//
// Visitors need Linux; everything else here works everywhere.
package load

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Options say who visits, and how.
type Options struct {
	Address     string        // where the server is: "127.0.0.1:8080"
	Duration    time.Duration // how long to send requests; 0 until the context ends
	Links       int           // of the portfolio, all as often
	Connections int           // kept alive; default 64
	Depth       int           // requests that one connection has open at a time, 1 by default
	Rate        int           // requests a second of all together; 0 is as fast as they are answered
	Seed        uint64        // of everything that is random

	// Returning is the share of requests that bring the cookie that came last over
	// their connection; the others are new visitors.
	Returning float64
	// Renew makes a connection anew after so many requests; 0 keeps it.
	Renew int
	// Forwarded says for each request another address, as a proxy in front would.
	Forwarded bool
	// Spin never sleeps: exact to a microsecond, for a core of its own.
	Spin bool
	// Remember gets the id of every answered click, one a line. Then an answer
	// without an id is a wrong one. nil remembers nothing.
	Remember io.Writer
}

const (
	connectionsDefault = 64
	connectionsMax     = 50_000
	depthMax           = 1000
	rateMax            = 1_000_000
)

// complete fills in what was left out and refuses what cannot be done.
func (o Options) complete() (Options, error) {
	if o.Connections == 0 {
		o.Connections = connectionsDefault
	}
	if o.Depth == 0 {
		o.Depth = 1
	}
	var faults []error
	within := func(name string, n, least, most int) {
		if n < least || n > most {
			faults = append(faults, fmt.Errorf("%s: %d is not between %d and %d", name, n, least, most))
		}
	}
	within("links", o.Links, 1, 1<<30)
	within("connections", o.Connections, 1, connectionsMax)
	within("depth", o.Depth, 1, depthMax)
	within("rate", o.Rate, 0, rateMax)
	within("renew", o.Renew, 0, 1<<30)
	if !(o.Returning >= 0 && o.Returning <= 1) {
		faults = append(faults, fmt.Errorf("returning: %v is not between 0 and 1", o.Returning))
	}
	if o.Duration < 0 {
		faults = append(faults, fmt.Errorf("duration: %s is below zero", o.Duration))
	}
	if _, err := netip.ParseAddrPort(o.Address); err != nil {
		faults = append(faults, fmt.Errorf("address: %w; write it like 127.0.0.1:8080", err))
	}
	return o, errors.Join(faults...)
}
