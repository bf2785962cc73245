// Package eventloop serves visits from one event loop for each core. The common
// request, a plain GET or HEAD, is parsed, answered and recorded on the loop
// without a goroutine, a lock or an allocation of its own. Everything else is
// handed with its connection and all its bytes to net/http, which decides with the
// same code.
//
// A loop works in rounds: it receives from everyone who has sent something, answers
// them all, and then sends. Each of the three stays in the processor's caches while
// the round lasts, and every visit of the round is recorded before the first answer
// leaves.
//
// The loops are made for Linux. On other systems net/http serves everybody.
//
// What a client can hold is bounded: connections by number and by idle time, a
// request's head by size and by time, unfinished heads of all clients together by
// bytes, answers that are not read by bytes and by time, connections of net/http by
// number. When connections run out, the one that has been idle longest makes room.
package eventloop

import (
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/redirect"
)

// Options of a Server. Redirector, Record and Others must be set.
type Options struct {
	Redirector *redirect.Redirector
	// Record returns where a loop records its visits. It is asked once for each
	// loop, and each of them calls what it got from one goroutine.
	Record func(loop int) redirect.Record
	// Others answers what is not plain, and everything below OtherPaths.
	Others http.Handler
	// OtherPaths begin paths that belong to no link, such as "/postback/".
	OtherPaths []string
	// CountryHeader in which a trusted proxy names the visitor's country.
	CountryHeader string
	// Announcing proxies begin each connection with a PROXY protocol header, version
	// 1 or 2. A connection of theirs without one is ended; one of anybody else's
	// with one is answered 400.
	Announcing redirect.Proxies
	// Inherited listening sockets, of a process that this one replaces; the address
	// is theirs then. Listen closes them.
	Inherited []*os.File

	Loops            int           // event loops; one for each core when zero
	HeaderBytes      int           // of one request's head; 16 KiB when zero
	HeaderTimeout    time.Duration // for a request's head to arrive; 10 s when zero
	IdleTimeout      time.Duration // of a connection between requests; 2 min when zero
	WriteTimeout     time.Duration // for a client to take its answers; 10 s when zero
	Connections      int           // at the same time; 50,000 when zero
	OtherConnections int           // of them handed to net/http; 2,048 when zero
	UnfinishedBytes  int           // heads that have arrived in part, all together; 64 MiB when zero
	Now              func() time.Time
	Logger           *slog.Logger
}

func (o *Options) setDefaults() {
	defaultTo(&o.Loops, runtime.NumCPU())
	defaultTo(&o.HeaderBytes, 16<<10)
	defaultTo(&o.HeaderTimeout, 10*time.Second)
	defaultTo(&o.IdleTimeout, 2*time.Minute)
	defaultTo(&o.WriteTimeout, 10*time.Second)
	defaultTo(&o.Connections, 50_000)
	defaultTo(&o.OtherConnections, 2048)
	defaultTo(&o.UnfinishedBytes, 64<<20)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// isOther says that a path belongs to no link.
func (o *Options) isOther(path string) bool {
	for _, p := range o.OtherPaths {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

func defaultTo[T int | time.Duration](field *T, n T) {
	if *field == 0 {
		*field = n
	}
}

// Stats counts connections; all but Open and Others since the start.
type Stats struct {
	Open     int64 // now
	Others   int64 // of them with net/http now
	Accepted int64
	HandedOn int64 // to net/http
	Rejected int64 // because there were too many
	Evicted  int64 // idle or slow ones that were ended to make room
	Expired  int64 // that kept us waiting
	Aborted  int64 // that the client has broken, or that did not follow the PROXY protocol
}
